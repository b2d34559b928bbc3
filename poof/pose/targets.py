"""Heat-map targets, coarse to fine (MSPN, section 3.3): the earlier a unit, the wider its Gaussian.

A point (x, y) in pixels of the network's input lies in cell floor((x/4, y/4)); a cell's own position is 4 * cell + 2.
Two kinds of target follow from it:

- `floored`, the official one: a one in the point's cell, blurred by OpenCV's Gaussian of 15 to 5 cells. What is finer
  than a cell is lost, on average without bias.
- `exact`: the same Gaussians with their centre where the point really lies, at cell x/4 - 1/2. The same decoder reads
  both, and a network trained on one can go on with the other.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from poof.pose.mspn import STRIDE, UNITS

KERNELS = (15, 11, 9, 7, 5)
"""Sizes of the Gaussians in cells. Units 1-4 of an early stage take the first four, of the last stage the last four."""

PEAK = 255.0
Kind = Literal["exact", "floored"]


def kernel_sigma(kernel: int) -> float:
    """The standard deviation OpenCV takes for a Gaussian kernel of this size, in cells."""
    return 0.3 * ((kernel - 1) * 0.5 - 1) + 0.8


def heatmap_targets(points: Tensor, size: tuple[int, int], stages: int, kind: Kind = "exact") -> Tensor:
    """What every heat map of the network should look like.

    Parameters
    ----------
    points : (B, K, 2) float
        (x, y) in pixels of the network's input. NaN, or outside the input: an empty map (to be masked by the loss).
    size
        (height, width) of the network's input.
    stages
        Of the network.
    kind
        'floored' or 'exact'.

    Returns
    -------
    Tensor
        (B, stages, 4, K, H/4, W/4), peaks of 255.
    """
    height, width = size[0] // STRIDE, size[1] // STRIDE
    inside = in_image(points, size)
    safe = torch.where(inside[..., None], points, torch.zeros_like(points))
    levels = torch.stack([_maps(safe, height, width, kernel, kind) for kernel in KERNELS], dim=1)
    levels = levels * inside[:, None, :, None, None]
    early, last = levels[:, :UNITS], levels[:, -UNITS:]
    return torch.stack([*[early] * (stages - 1), last], dim=1)


def in_image(points: Tensor, size: tuple[int, int]) -> Tensor:
    """(..., ) bool: which points (..., 2) lie in the network's input (height, width). NaN does not."""
    x, y = points[..., 0], points[..., 1]
    return (x >= 0) & (y >= 0) & (x < size[1]) & (y < size[0])


def _maps(points: Tensor, height: int, width: int, kernel: int, kind: Kind) -> Tensor:
    if kind == "floored":
        cells = (points / STRIDE).floor().long()
        across = _blurred_ones(width, kernel).to(points)[cells[..., 0]]
        down = _blurred_ones(height, kernel).to(points)[cells[..., 1]]
        # At the border OpenCV mirrors the blur back into the map, so the peak has to be looked up.
        across, down = across / across.amax(-1, keepdim=True), down / down.amax(-1, keepdim=True)
    else:
        centre = points / STRIDE - 0.5
        scale = -0.5 / kernel_sigma(kernel) ** 2
        across = torch.exp(scale * (torch.arange(width, device=points.device) - centre[..., :1]) ** 2)
        down = torch.exp(scale * (torch.arange(height, device=points.device) - centre[..., 1:]) ** 2)
    return PEAK * down[..., :, None] * across[..., None, :]


@cache
def _blurred_ones(count: int, kernel: int) -> Tensor:
    """(count, count): row i is a line of zeros with a one at i, blurred as cv2.GaussianBlur blurs each axis."""
    weights = cv2.getGaussianKernel(kernel, 0)
    return torch.from_numpy(cv2.sepFilter2D(np.eye(count), cv2.CV_64F, weights, np.ones(1))).float()
