"""Multigrid training: many clips of few frames and cells at first, few clips in full at last, always the same volume.

Document: Stergiou, Efficient Modelling Across Time (Utrecht 2021), Section 4.4.1, after Wu et al., A Multigrid Method
for Efficiently Training Video Models (CVPR 2020).

The long cycle runs once through its four shapes in every epoch, each with a quarter of the clips. The short cycle goes
on with every batch. Both together: their factors multiply. Only the long cycle's batch scales the learning rate. What
the document leaves open is left alone: batch norm's statistics are those of the shapes as they come (an epoch ends with
the full one), and there is no phase of fine-tuning.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from poof.recog.data.dataset import EpochSampler

HALF = math.sqrt(0.5)
LONG = ((8, 0.25, HALF), (4, 0.5, HALF), (2, 0.5, 1.0), (1, 1.0, 1.0))
"""Factors on clips a batch, frames and side of the long cycle."""
SHORT = ((4, 0.5), (2, HALF), (1, 1.0))
"""Factors on clips a batch and side of the short cycle."""


@dataclass(frozen=True)
class Grid:
    """The shape of one batch.

    Attributes
    ----------
    batch, frames, size
        Clips, frames (segments) of a clip, side in pixels.
    rate
        Factor on the learning rate.
    """

    batch: int
    frames: int
    size: int
    rate: float


def grid(long: int, short: int, batch: int, frames: int, size: int) -> Grid:
    """The shape of steps `long` and `short` of the two cycles (from 0, beyond the end again from the start)."""
    clips, time, side = LONG[long % len(LONG)]
    more, smaller = SHORT[short % len(SHORT)]
    return Grid(batch * clips * more, max(round(frames * time), 1), max(round(size * side * smaller), 1), float(clips))


def epoch_grids(clips: int, batch: int, frames: int, size: int) -> list[Grid]:
    """The batches of one epoch over `clips` clips, in order; their `batch` is what they really hold.

    A rest of one clip joins the batch before it, since batch norm cannot use it.
    """
    done: list[Grid] = []
    ends = [round(clips * part / len(LONG)) for part in range(len(LONG) + 1)]
    for long, (start, end) in enumerate(pairwise(ends)):
        left = end - start
        if left == 1 and done:
            done[-1] = replace(done[-1], batch=done[-1].batch + 1)
            left = 0
        while left:
            shape = grid(long, len(done), batch, frames, size)
            count = left if left - shape.batch <= 1 else shape.batch
            done.append(replace(shape, batch=count))
            left -= count
    return done


class MultigridSampler(EpochSampler):
    """Batches of the sizes of `epoch_grids`; otherwise as `EpochSampler`, of which all else holds.

    Parameters
    ----------
    length
        Clips in all.
    batch
        Clips of a full batch.
    seed
        Decides the order.
    frames, size
        Frames and side in pixels of a full clip.
    """

    def __init__(self, length: int, batch: int, seed: int, frames: int, size: int) -> None:
        super().__init__(length, batch, seed)
        self.grids = epoch_grids(length, batch, frames, size)

    @property
    def cuts(self) -> list[int]:
        """Where one batch ends and the next begins."""
        return list(accumulate(shape.batch for shape in self.grids))[:-1]


def shrink(clips: Tensor, shape: Grid, per_segment: int = 1) -> Tensor:
    """Clips (N, T, 3, H, W) with the frames and cells of a shape: the middle frames of equal parts, bilinear in space.

    Parameters
    ----------
    per_segment
        Neighbouring frames that stay together.
    """
    segments = clips.shape[1] // per_segment
    if shape.frames < segments:
        middles = ((torch.arange(shape.frames) + 0.5) * segments / shape.frames).long()
        clips = clips.unflatten(1, (segments, per_segment))[:, middles].flatten(1, 2)
    if shape.size == clips.shape[-1] == clips.shape[-2]:
        return clips
    small = interpolate(clips.flatten(0, 1), (shape.size, shape.size), mode="bilinear", align_corners=False)
    return small.unflatten(0, clips.shape[:2])
