"""From heat maps to points, finer than a cell.

A cell is 4 pixels wide and its position is 4 * cell + 2: the target of a point lies in cell floor(x/4), so without the
half cell everything would stand 2 px too far up and left.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from poof.pose.mspn import STRIDE
from poof.pose.targets import PEAK, kernel_sigma

Method = Literal["parabola", "quarter"]
_BLUR = 5  # cells; smooths what a network's maps have of noise before the peak is sought


def decode(heatmaps: Tensor, method: Method = "parabola") -> tuple[Tensor, Tensor]:
    """Points and peak heights of heat maps.

    Parameters
    ----------
    heatmaps : (B, K, h, w) float
        Peaks up to 255.
    method
        'parabola' fits one to the logarithm of the smoothed map around its peak, per axis: exact for a Gaussian.
        'quarter' is the official rule: a quarter of a cell towards the second-highest cell.

    Returns
    -------
    points : (B, K, 2)
        (x, y) in pixels of the network's input.
    peaks : (B, K)
        The height of the unsmoothed map at its smoothed peak over 255, clipped to [0, 1].
    """
    maps = heatmaps.float()
    smooth = _blur(maps)
    height, width = maps.shape[-2:]
    best = smooth.flatten(-2).argmax(-1)
    row, column = best // width, best % width
    peaks = maps.flatten(-2).gather(-1, best[..., None])[..., 0] / PEAK
    if method == "parabola":
        cell = torch.stack([_vertex(smooth, row, column, axis=-1), _vertex(smooth, row, column, axis=-2)], dim=-1)
    else:
        cell = torch.stack([column, row], dim=-1).float() + _quarter(smooth, best)
    limit = torch.tensor([width - 1, height - 1], device=maps.device)
    cell = torch.minimum(cell.clamp(min=0), limit)
    return cell * STRIDE + STRIDE / 2, peaks.clamp(0, 1)


def _blur(maps: Tensor) -> Tensor:
    offsets = torch.arange(_BLUR, device=maps.device) - _BLUR // 2
    weights = torch.exp(-0.5 * (offsets / kernel_sigma(_BLUR)) ** 2)
    weights = (weights / weights.sum()).to(maps)
    planes = maps.flatten(0, 1)[:, None]
    planes = F.conv2d(planes, weights.view(1, 1, 1, -1), padding=(0, _BLUR // 2))
    planes = F.conv2d(planes, weights.view(1, 1, -1, 1), padding=(_BLUR // 2, 0))
    return planes[:, 0].view_as(maps)


def _vertex(maps: Tensor, row: Tensor, column: Tensor, axis: int) -> Tensor:
    """(B, K): the sub-cell position of the peak along one axis, by the parabola through three logarithms."""
    lines = maps.gather(-2, row[..., None, None].expand(*row.shape, 1, maps.shape[-1]))[..., 0, :]
    at = column
    if axis == -2:
        lines = maps.gather(-1, column[..., None, None].expand(*row.shape, maps.shape[-2], 1))[..., 0]
        at = row
    count = lines.shape[-1]
    if count < 3:
        return at.float()
    middle = at.clamp(1, count - 2)
    near = torch.stack([middle - 1, middle, middle + 1], dim=-1)
    low, centre, high = lines.gather(-1, near).clamp(min=1e-6).log().unbind(-1)
    curvature = low + high - 2 * centre
    offset = torch.where(curvature < -1e-6, 0.5 * (low - high) / curvature.clamp(max=-1e-6), torch.zeros_like(low))
    # A true peak lies within half a cell of the highest cell; a map that says otherwise is no Gaussian there.
    return torch.minimum(torch.maximum(middle + offset, at - 0.5), at + 0.5)


def _quarter(maps: Tensor, best: Tensor) -> Tensor:
    """(B, K, 2): a quarter of a cell from the highest towards the second-highest cell."""
    width = maps.shape[-1]
    flat = maps.flatten(-2)
    if flat.shape[-1] < 2:
        return torch.zeros(*best.shape, 2, device=maps.device)
    second = flat.scatter(-1, best[..., None], float("-inf")).argmax(-1)
    step = torch.stack([second % width - best % width, second // width - best // width], dim=-1).float()
    return 0.25 * step / step.norm(dim=-1, keepdim=True)
