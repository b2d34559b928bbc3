"""Triplet-cosine selection: half of the frames are kept, those that resemble their neighbours least."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from poof.errors import PoofError
from poof.recog.core.backbone import Host
from poof.recog.core.module import Place, Shape, TemporalModule, choose
from poof.recog.zoo.modules.softpool import POOLINGS, pool_space

RULES = ("least", "most", "uniform", "released")


class FrameSelection(TemporalModule):
    """Half of the frames (eq. 5.6 and 5.7), in their order, in front of a stage; with `pool` half the cells as well.

    The frames that stay are exact copies; the choice is a constant for the gradient. A frame's score is the cosine
    between its spatial mean and that of the frame before, plus that with the frame behind. The first and the last
    frame have one neighbour only and are never chosen.

    Knobs
    -----
    rule : least | most | uniform | released
        Keep the lowest scores (document), the highest (the most redundant frames), every second frame (control), or
        the highest with squared cosines (released code).
    pool : none | soft | average | max | stochastic
        Pooling over 2x2 cells of the frames that stay: 'soft' gives the downsampling of the document's prolonged
        branch, the others are those of Table 5.8.
    stage : 3
        The stage in front of which it sits.
    """

    document = "Stergiou: Efficient Modelling Across Time (Utrecht 2021), Section 5.3.1"
    origin = "alexandrosstergiou/Squeeze-and-Recursion-Temporal-Gates"
    summary = "keeps the half of the frames that resemble their neighbours least"

    def __init__(self, shape: Shape, rule: str = "least", pool: str = "none") -> None:
        super().__init__(shape)
        choose("rule", rule, RULES)
        choose("pool", pool, ("none", *POOLINGS))
        if pool != "none" and min(shape.height, shape.width) < 2:
            raise PoofError(f"pool={pool}: {shape.height}x{shape.width} cells cannot be pooled")
        self.rule, self.pool = rule, pool
        self._read: dict[str, float] = {}

    @classmethod
    def places(cls, host: Host, stage: int = 3) -> Sequence[Place]:
        """In front of the first block of the stage."""
        blocks = [block for block in host.blocks if block.stage == stage]
        if not blocks:
            raise PoofError(f"stage={stage}: this backbone has stages 1 to {max(b.stage for b in host.blocks)}")
        return [Place(blocks[0].path)]

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to (N, T // 2, C, H, W), or half of H and W too; a single frame stays."""
        if self.pool != "none":
            x = pool_space(x, self.pool, training=self.training)
        kept = select_frames(x.mean((3, 4)), self.rule)
        if self.watching:
            self._read = {f"kept_{number}": float(t) for number, t in enumerate(kept[0].tolist())}
        return take_frames(x, kept)

    def diagnostics(self) -> dict[str, float]:
        """kept_0, kept_1 ...: the frames of the (first) clip that stayed, counted from 0."""
        return dict(self._read)


def select_frames(means: Tensor, rule: str = "least") -> Tensor:
    """Which frames stay, ascending: (N, T // 2) numbers from frame descriptors (N, T, C).

    Frame t scores cos(t - 1, t) + cos(t, t + 1); its neighbours decide, so there are T - 2 candidates for T // 2
    places. Where those are too few the rule is: of one or two frames the first stays. Equal scores: the earlier frame.
    A frame of zeros has cosine 0 with all.

    Parameters
    ----------
    means : (N, T, C)
        Descriptors; positive factors on single frames change nothing.
    rule : least | most | uniform | released
        See `FrameSelection`.
    """
    choose("rule", rule, RULES)
    clips, frames = means.shape[:2]
    count = max(frames // 2, 1)
    if rule == "uniform" or frames < 3:
        return torch.arange(count, device=means.device).mul(2).expand(clips, -1)
    scores = triplet_scores(means.detach(), squared=rule == "released")
    order = scores.sort(dim=1, descending=rule in ("most", "released"), stable=True).indices[:, :count]
    return order.sort(1).values + 1


def triplet_scores(means: Tensor, squared: bool = False) -> Tensor:
    """(N, T - 2) sums of the two cosines (eq. 5.7) of the frames 1 to T - 2 of (N, T, C), in full precision.

    `squared`: of their squares, as the released code has it.
    """
    means = means if means.dtype == torch.float64 else means.float()
    directions = torch.nn.functional.normalize(means, dim=2)
    cosines = (directions[:, 1:] * directions[:, :-1]).sum(2)
    cosines = cosines.square() if squared else cosines
    return cosines[:, 1:] + cosines[:, :-1]


def take_frames(x: Tensor, numbers: Tensor) -> Tensor:
    """Frames `numbers` (N, K) of (N, T, ...), as (N, K, ...)."""
    rows = torch.arange(len(x), device=x.device)[:, None]
    return x[rows, numbers]
