"""Squeeze and recursion with a temporal gate: the recurrence counts only where it agrees with the frames it read."""

from __future__ import annotations

import torch
from torch import Tensor

from poof.recog.core.module import Shape, full_precision
from poof.recog.zoo.modules.sr import SqueezeRecursion


class RecursionGate(SqueezeRecursion):
    """out = x * h where the spatial means of x and h are cycle-consistent, x elsewhere (eq. 4.6 and 4.7).

    One decision a clip and block: open only if every frame is the nearest of the other sequence's soft neighbours,
    both ways. It is a constant for the gradient: where it is closed, the recurrence learns nothing from that clip.
    Distances are Euclidean over all channels, temperature 1, so the gate depends on the scale of the features, and h
    in (-1, 1) spreads far less than features do: gates may hardly ever open. `gate_open` in the diagnostics and the
    curves of a training says how often they do. (In the released code the gate can never open: its flags are always
    reset, and the published networks were built without it. That is `sr`.)

    One frame alone is consistent (open); of equal frames the first counts as the nearest (closed for T > 1).

    Knobs
    -----
    cell, layers, placement
        See `sr`.
    """

    document = "Stergiou: Efficient Modelling Across Time (Utrecht 2021), Sections 4.3.2 and 4.3.3"
    summary = "squeeze and recursion where it is cycle-consistent with the frames"

    def __init__(self, shape: Shape, cell: str = "lstm", layers: int = 2) -> None:
        super().__init__(shape, cell, layers)
        self._open, self._seen = torch.zeros(()), 0

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the same shape."""
        squeezed = x.mean((3, 4))
        h = self.recurrence(squeezed)
        is_open = cycle_consistent(squeezed.detach().to(h.dtype), h.detach())
        if self.training:
            self._open = self._open.to(x.device) + is_open.sum()
            self._seen += len(is_open)
        if self.watching:
            self._read = {"scale": float(h.detach().abs().mean()), "gate_open": float(is_open.float().mean())}
        return torch.where(is_open[:, None, None, None, None], x * h[..., None, None].to(x.dtype), x)

    def training_reads(self) -> dict[str, float]:
        """gate_open: share of open gates among the training clips since the last call."""
        read = {"gate_open": float(self._open) / self._seen} if self._seen else {}
        self._open, self._seen = torch.zeros(()), 0
        return read


def soft_neighbours(a: Tensor, b: Tensor) -> Tensor:
    """Soft nearest neighbours of each frame of `a` in `b` (eq. 4.6): softmax over -|a_t - b_i|^2, times b.

    Parameters
    ----------
    a, b : (N, T, C)
        Embeddings of the frames.

    Returns
    -------
    (N, T, C)
    """
    return (-squared_distances(a, b)).softmax(2) @ b


def nearest(a: Tensor, b: Tensor) -> Tensor:
    """(N, T) index in `b` of the frame nearest to each soft neighbour of `a` (eq. 4.7); the first of equal ones."""
    return squared_distances(soft_neighbours(a, b), b).argmin(2)


def cycle_consistent(a: Tensor, b: Tensor) -> Tensor:
    """(N,) bool: whether every frame of `a` finds itself in `b`, and every frame of `b` itself in `a`."""
    with full_precision(a):
        own = torch.arange(a.shape[1], device=a.device)
        return ((nearest(a, b) == own) & (nearest(b, a) == own)).all(1)


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """(N, T, T) squared Euclidean distances of frames, from differences: exact zeros for equal frames."""
    return (a[:, :, None] - b[:, None]).square().sum(3)
