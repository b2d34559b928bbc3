"""SoftPool and the poolings it is compared with: each k x k window of every frame and channel becomes one number."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from poof.errors import PoofError
from poof.recog.modules.base import choose, full_precision

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
    choose("pool", kind, POOLINGS)
    height, width = x.shape[-2:]
    if min(height, width) < size:
        raise PoofError(f"{height}x{width} cells are fewer than a pooling window of {size}x{size}")
    if kind in ("average", "max"):
        pool = avg_pool2d if kind == "average" else max_pool2d
        return pool(x.reshape(-1, 1, height, width), size).view(*x.shape[:-2], height // size, width // size)
    if kind == "soft":
        return soft_pool(x, size)
    return stochastic_pool(x, size, training)


def soft_pool(x: Tensor, size: int = 2) -> Tensor:
    """Sum of w * a over each window, w = softmax of the window (eq. 5.5), as (..., H // size, W // size).

    Per channel and frame, in full precision, the window's maximum subtracted first: nothing overflows, and
    mean <= result <= maximum. The gradient is the exact one, d/da_j = w_j * (1 + a_j - result); it sums to 1. (The
    document's figure may be read as passing on w_j alone; that is not the derivative of eq. 5.5.)
    """
    with full_precision(x):
        cells = windows(x if x.dtype == torch.float64 else x.float(), size)
        return (cells.softmax(-1) * cells).sum(-1).to(x.dtype)


def stochastic_pool(x: Tensor, size: int = 2, training: bool = False) -> Tensor:
    """Zeiler and Fergus (2013): a cell drawn with probability relu(a) / sum of relu(a); their mean when not training.

    A window without a positive cell gives each the same probability.
    """
    cells = windows(x, size)
    weights = cells.detach().relu().float()
    total = weights.sum(-1, keepdim=True)
    chances = torch.where(total > 0, weights / total.clamp_min(1e-30), torch.full_like(weights, 1 / size**2))
    if not training:
        return (chances.to(x.dtype) * cells).sum(-1)
    drawn = torch.multinomial(chances.flatten(0, -2), 1).view(*cells.shape[:-1], 1)
    return cells.gather(-1, drawn).squeeze(-1)


def windows(x: Tensor, size: int) -> Tensor:
    """(..., H // size, W // size, size * size): the cells of each window side by side."""
    height, width = (n // size * size for n in x.shape[-2:])
    cut = x[..., :height, :width].unflatten(-1, (-1, size)).unflatten(-3, (-1, size))
    return cut.transpose(-3, -2).flatten(-2)
