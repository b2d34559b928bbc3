"""The flows of one segment: its frames in, for every pair the regions around each instance and their flows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np

from poof.flow.base import FlowEstimator
from poof.flow.field import FlowField, Region
from poof.propagation.prefetch import prefetch
from poof.propagation.regions import Layout

WIDE = 960
"""Longest side of the whole frame as shown for points that left their region, pixels."""
CROP_AHEAD = 4
"""Frames whose regions are cropped ahead of the flow."""


@dataclass
class RegionFlow:
    """Both flows of a pair in one region; `backward` is None where only forward flow is wanted."""

    forward: FlowField
    backward: FlowField | None


@dataclass
class Pair:
    """The flows between frames t and t+1; see `chains.PairFlow`.

    Attributes
    ----------
    layout : Layout
    flows : list of RegionFlow
        One a region of the layout.
    cut : bool
        Whether a scene cut lies between the frames.
    widen : callable or None
        Gives the flows of the whole frame, for points that left the region; without it they read the region's edge.
    """

    layout: Layout
    flows: list[RegionFlow]
    cut: bool
    widen: Callable[[], RegionFlow] | None = None
    _wide: RegionFlow | None = field(default=None, repr=False)

    def forward(self, points: np.ndarray, instance: int) -> FlowField:
        """Flow from t to t+1 around `points` of frame t."""
        return self._around(points, instance).forward

    def backward(self, points: np.ndarray, instance: int) -> FlowField | None:
        """Flow from t+1 to t around `points` of frame t+1."""
        return self._around(points, instance).backward

    def _around(self, points: np.ndarray, instance: int) -> RegionFlow:
        index = self.layout.of_instance.get(instance)
        if index is not None:
            narrow = self.flows[index]
            outside = np.isfinite(points).all(axis=1) & ~narrow.forward.region.contains(points)
            if not outside.any():
                return narrow
        if self._wide is None and self.widen is not None:
            self._wide = self.widen()
        if self._wide is not None:
            return self._wide
        return self.flows[index] if index is not None else self.flows[0]


def fine_flows(
    images: Sequence[np.ndarray],
    layouts: Sequence[Layout],
    cuts: set[int],
    still: set[int],
    estimators: Sequence[FlowEstimator],
    forward_only: bool = False,
    max_size: int | None = None,
) -> Iterator[list[Pair | None]]:
    """The flows from every frame but the last, in order, one `Pair` an estimator.

    Pairs that share their regions go through an estimator together, in batches of the size it asks for, and what it
    prepares of a frame serves all pairs the frame belongs to. Regions are cut out once for all estimators, in a
    thread that is ahead of the flow. A pair is of frames as far apart as the estimator's stride; None where the regions
    change before the second one.

    Parameters
    ----------
    images
        N+1 frames, RGB uint8 (H, W, 3), or grey (H, W) where all estimators are.
    layouts
        The regions of the N pairs.
    cuts
        Positions of pairs with a scene cut: chains end there.
    still
        Positions of pairs whose frames are the same: their flow is zero.
    estimators
        Any flow estimators.
    forward_only
        Leave the backward flow out (the thesis' 2R flows).
    max_size
        Longest side of the whole frame as shown, for points that left their region; at most `WIDE`.
    """
    size = (images[0].shape[1], images[0].shape[0])

    def wide(first: np.ndarray, second: np.ndarray, estimator: FlowEstimator) -> RegionFlow:
        region = Region.whole(size, min(WIDE, max_size or WIDE))
        a, b = (estimator.prepare(_view(image, region, estimator)[None]) for image in (first, second))
        return _fields(estimator, a, b, region, forward_only)[0]

    for layout, group in groupby(range(len(layouts)), key=lambda i: layouts[i]):
        run = list(group)
        streams: list[list[Iterator[RegionFlow]]] = [[] for _ in estimators]
        for region in layout.regions:
            seen = {e.grey: _Shown(images[run[0] : run[-1] + 2], region, e) for e in estimators}
            for number, estimator in enumerate(estimators):
                streams[number].append(_region_run(seen[estimator.grey], len(run), region, estimator, forward_only))
        # One pair after the other: what went before may be let go of while the rest of the run is still to come.
        for place, index in enumerate(run):
            pairs: list[Pair | None] = []
            for number, estimator in enumerate(estimators):
                covered = run[place : place + estimator.stride]
                if len(covered) < estimator.stride:
                    pairs.append(None)
                    continue
                flows = [next(stream) for stream in streams[number]]
                if still.issuperset(covered):
                    flows = [_zero(region, forward_only) for region in layout.regions]
                # The two frames and no more: chains keep pairs for longer than a segment's frames are needed.
                widen = partial(wide, images[index], images[index + estimator.stride], estimator)
                pairs.append(Pair(layout, flows, not cuts.isdisjoint(covered), widen))
            yield pairs


def _view(image: np.ndarray, region: Region, estimator: FlowEstimator) -> np.ndarray:
    """What an estimator is shown of a frame: (h, w, 3), or (h, w) if it looks at brightness only."""
    return region.cut(image, estimator.grey)


class _Shown:
    """A region of consecutive frames as it is shown to estimators, each cut once and ahead of its use."""

    def __init__(self, images: Sequence[np.ndarray], region: Region, estimator: FlowEstimator) -> None:
        self._coming = prefetch((_view(image, region, estimator) for image in images), CROP_AHEAD)
        self._cut: list[np.ndarray] = []

    def __getitem__(self, part: slice) -> np.ndarray:
        """Consecutive frames, (B, h, w, 3) or (B, h, w)."""
        while len(self._cut) < part.stop:
            self._cut.append(next(self._coming))
        return np.stack(self._cut[part])


def _region_run(
    shown: _Shown, pairs: int, region: Region, estimator: FlowEstimator, forward_only: bool
) -> Iterator[RegionFlow]:
    """The flows of a run of consecutive pairs in one region, fewer where the estimator has a stride."""
    batch = max(1, estimator.batch_size(region.shown[1], region.shown[0]))
    prepared: list[Any] = []
    known, stride = 0, estimator.stride
    for start in range(0, pairs + 1 - stride, batch):
        size = min(batch, pairs + 1 - stride - start)
        fresh = slice(known, start + size + stride)
        prepared = prepared[-stride:] + estimator.prepare(shown[fresh])
        known = fresh.stop
        yield from _fields(estimator, prepared[:size], prepared[stride : stride + size], region, forward_only)


def _fields(estimator: FlowEstimator, first: Any, second: Any, region: Region, forward_only: bool) -> list[RegionFlow]:
    if forward_only:
        return [RegionFlow(FlowField(f, region), None) for f in estimator.between(first, second)]
    there, back = estimator.both(first, second)
    return [RegionFlow(FlowField(f, region), FlowField(b, region)) for f, b in zip(there, back)]


def _zero(region: Region, forward_only: bool) -> RegionFlow:
    nothing = FlowField(np.zeros((2, region.shown[1], region.shown[0]), np.float32), region)
    return RegionFlow(nothing, None if forward_only else nothing)
