"""Decoding of heat maps into points, with sub-cell accuracy.

MSPN's cells are 4 pixels wide and their position is 4 * cell + 2: the target of a point lies in cell floor(x/4), so
without the half cell everything would stand 2 px too far up and left. With cells of another size, the same.
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


def decode(heatmaps: Tensor, method: Method = "parabola", stride: int = STRIDE) -> tuple[Tensor, Tensor]:
    """Points and peak heights of heat maps.

    Parameters
    ----------
    heatmaps : (B, K, h, w) float
        Peaks up to 255.
    method
        'parabola' fits one to the logarithm of the smoothed map around its peak, per axis: exact for a Gaussian.
        'quarter' is the official rule: a quarter of a cell towards the second-highest cell.
    stride
        Pixels of the network's input a cell is wide.

    Returns
    -------
    points : (B, K, 2)
        (x, y) in pixels of the network's input, between 0 and its width or height.
    peaks : (B, K)
        The height of the unsmoothed map at its smoothed peak over 255, clipped to [0, 1].
    """
    maps = heatmaps.float()
    across, down = _blur(maps, axis=-1), _blur(maps, axis=-2)
    smooth = _blur(down, axis=-1)
    height, width = maps.shape[-2:]
    best = smooth.flatten(-2).argmax(-1)
    row, column = best // width, best % width
    peaks = maps.flatten(-2).gather(-1, best[..., None])[..., 0] / PEAK
    if method == "parabola":
        x = _vertex(_row(smooth, row), _row(down, row), column)
        y = _vertex(_row(smooth.mT, column), _row(across.mT, column), row)
        cell = torch.stack([x, y], dim=-1)
    else:
        limit = torch.tensor([width - 1, height - 1], device=maps.device)
        cell = torch.stack([column, row], dim=-1) + _quarter(smooth, best)
        cell = torch.minimum(cell.clamp(min=0), limit)
    return (cell + 0.5) * stride, peaks.clamp(0, 1)


def _blur(maps: Tensor, axis: int) -> Tensor:
    """A Gaussian along one axis; nothing lies beyond the border."""
    reach = _BLUR // 2
    offsets = torch.arange(-reach, reach + 1, device=maps.device)
    weights = torch.exp(-0.5 * (offsets / kernel_sigma(_BLUR)) ** 2)
    kernel = (weights / weights.sum()).view((1, 1, 1, -1) if axis == -1 else (1, 1, -1, 1))
    padding = (0, reach) if axis == -1 else (reach, 0)
    return F.conv2d(maps.flatten(0, 1)[:, None], kernel, padding=padding)[:, 0].view_as(maps)


def _row(maps: Tensor, row: Tensor) -> Tensor:
    """(B, K, w): one row of each map."""
    return maps.gather(-2, row[..., None, None].expand(*row.shape, 1, maps.shape[-1]))[..., 0, :]


def _vertex(smooth: Tensor, raw: Tensor, at: Tensor) -> Tensor:
    """(B, K): where between the cells a line (B, K, n) has its peak, which is highest at the cells `at`.

    A parabola goes through three logarithms. Near the ends of the line the smoothing has missed what lies beyond and
    pulls the peak inwards; there the line that is not smoothed along itself, `raw`, gives them.
    """
    count = smooth.shape[-1]
    if count < 3:
        return at.float()
    middle = at.clamp(1, count - 2)
    near = torch.stack([middle - 1, middle, middle + 1], dim=-1)
    missed = _BLUR // 2 + 1
    inside = (middle >= missed) & (middle < count - missed)
    values = torch.where(inside[..., None], smooth.gather(-1, near), raw.gather(-1, near))
    low, centre, high = values.clamp(min=1e-6).log().unbind(-1)
    curvature = low + high - 2 * centre
    offset = torch.where(curvature < -1e-6, 0.5 * (low - high) / curvature.clamp(max=-1e-6), torch.zeros_like(low))
    # A true peak lies within half a cell of the highest cell (of the smoothed map, which near an end may be the next
    # one); a map that says otherwise is no Gaussian there.
    reach = torch.where(inside, 0.5, 1.5)
    peak = torch.minimum(torch.maximum(middle + offset, at - reach), at + reach)
    return peak.clamp(-0.5, count - 0.5)


def _quarter(maps: Tensor, best: Tensor) -> Tensor:
    """(B, K, 2): a quarter of a cell from the highest towards the second-highest cell."""
    width = maps.shape[-1]
    flat = maps.flatten(-2)
    if flat.shape[-1] < 2:
        return torch.zeros(*best.shape, 2, device=maps.device)
    second = flat.scatter(-1, best[..., None], float("-inf")).argmax(-1)
    step = torch.stack([second % width - best % width, second // width - best // width], dim=-1).float()
    return 0.25 * step / step.norm(dim=-1, keepdim=True)
