"""SoftPool and the poolings it is compared with: each k x k window of every frame and channel becomes one number."""

from __future__ import annotations

import torch
from torch import Tensor

from poof.errors import PoofError
from poof.recog.core.module import choose, full_precision

POOLINGS = ("soft", "average", "max", "stochastic")


def pool_space(x: Tensor, kind: str = "soft", size: int = 2, training: bool = False) -> Tensor:
    """Pool (..., H, W) over windows of `size` with stride `size`: (..., H // size, W // size).

    Cells beyond the last whole window are left out, as in torch's own poolings.

    Parameters
    ----------
    kind : soft | average | max | stochastic
        The columns of Table 5.8 of Stergiou (2021).
    training
        Whether stochastic pooling draws; otherwise it takes the mean under its probabilities.

    Raises
    ------
    PoofError
        If the kind is unknown, or the map is smaller than a window.
    """
    height, width = x.shape[-2:]
    if min(height, width) < size:
        raise PoofError(f"{height}x{width} cells are fewer than a pooling window of {size}x{size}")
    return pool_cells(windows(x, size), kind, training)


def pool_volume(x: Tensor, kind: str = "soft", training: bool = False) -> Tensor:
    """Symmetric pooling of (..., T, H, W) over windows of 2x2x2; an axis of one cell or frame stays."""
    for axis in (-3, -2, -1):
        if x.shape[axis] == 1:
            x = x.repeat_interleave(2, axis)  # windows of equal pairs: every kind gives what one of each would
    pairs = x[..., : x.shape[-3] // 2 * 2, :, :].unflatten(-3, (-1, 2))
    return pool_cells(torch.cat([windows(pairs[..., k, :, :], 2) for k in range(2)], -1), kind, training)


def pool_cells(cells: Tensor, kind: str, training: bool = False) -> Tensor:
    """(..., K) cells of windows to (...)."""
    choose("pool", kind, POOLINGS)
    if kind == "average":
        return cells.mean(-1)
    if kind == "max":
        return cells.amax(-1)
    return soft_pool(cells) if kind == "soft" else stochastic_pool(cells, training)


def soft_pool(cells: Tensor) -> Tensor:
    """Sum of w * a over each window (..., K), w = softmax of the window (eq. 5.5).

    Per channel and frame, in full precision, the window's maximum subtracted first: nothing overflows, and
    mean <= result <= maximum. The gradient is the exact one, d/da_j = w_j * (1 + a_j - result); it sums to 1. (The
    document's figure may be read as passing on w_j alone; that is not the derivative of eq. 5.5.)
    """
    with full_precision(cells):
        wide = cells if cells.dtype == torch.float64 else cells.float()
        return (wide.softmax(-1) * wide).sum(-1).to(cells.dtype)


def stochastic_pool(cells: Tensor, training: bool = False) -> Tensor:
    """Zeiler and Fergus (2013): a cell drawn with probability relu(a) / sum of relu(a); their mean when not training.

    A window without a positive cell gives each the same probability.
    """
    weights = cells.detach().relu().float()
    total = weights.sum(-1, keepdim=True)
    chances = torch.where(total > 0, weights / total.clamp_min(1e-30), torch.full_like(weights, 1 / cells.shape[-1]))
    if not training:
        return (chances.to(cells.dtype) * cells).sum(-1)
    drawn = torch.multinomial(chances.reshape(-1, cells.shape[-1]), 1).view(*cells.shape[:-1], 1)
    return cells.gather(-1, drawn).squeeze(-1)


def windows(x: Tensor, size: int) -> Tensor:
    """(..., H // size, W // size, size * size): the cells of each window side by side."""
    height, width = (n // size * size for n in x.shape[-2:])
    cut = x[..., :height, :width].unflatten(-1, (-1, size)).unflatten(-3, (-1, size))
    return cut.transpose(-3, -2).flatten(-2)
