"""The flows of one segment: its frames in, for every pair the regions around each instance and their flows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import cv2
import numpy as np

from poof.flow.base import FlowEstimator
from poof.flow.dis import DisFlow
from poof.flow.field import FlowField, Region
from poof.propagation.cuts import agreement, find_cuts
from poof.propagation.regions import COARSE, Layout

WIDE = 960
"""Longest side of the whole frame as shown for points that left their region, pixels."""


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


@dataclass
class Rough:
    """What the shrunken frames of a segment tell: rough flows of every pair and the cuts between them."""

    flows: list[tuple[FlowField, FlowField]]
    cuts: set[int]


class RoughFlow:
    """The cheap flow that plans regions and finds cuts: DIS on frames shrunk to `COARSE` pixels."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.region = Region.whole(size, COARSE)
        self._dis = DisFlow("fast")

    def shrink(self, image: np.ndarray) -> np.ndarray:
        """A frame, grey and small."""
        return cv2.cvtColor(self.region.cut(image), cv2.COLOR_RGB2GRAY)

    def segment(self, small: Sequence[np.ndarray]) -> Rough:
        """Rough flows and cuts of consecutive shrunken frames."""
        if len(small) < 2:
            return Rough([], set())
        forward, backward = self._dis.both(small[:-1], small[1:])
        agreements = [agreement(a, b, f) for a, b, f in zip(small[:-1], small[1:], forward)]
        flows = [(FlowField(f, self.region), FlowField(b, self.region)) for f, b in zip(forward, backward)]
        return Rough(flows, set(find_cuts(agreements)))


def fine_flows(
    images: Sequence[np.ndarray],
    layouts: Sequence[Layout],
    cuts: set[int],
    estimator: FlowEstimator,
    forward_only: bool = False,
    max_size: int | None = None,
) -> Iterator[Pair]:
    """The flows of every pair of consecutive frames, in order.

    Pairs that share their regions go through the estimator together, in batches of the size it asks for, and what it
    prepares of a frame serves both pairs the frame belongs to. Where a frame repeats the one before exactly, the flow
    is zero without asking.

    Parameters
    ----------
    images
        N+1 frames, RGB uint8 (H, W, 3).
    layouts
        The regions of the N pairs.
    cuts
        Positions of pairs with a scene cut: no flow is computed there.
    estimator
        Any flow estimator.
    forward_only
        Leave the backward flow out (the thesis' 2R flows).
    max_size
        Longest side of the whole frame as shown, for points that left their region; at most `WIDE`.
    """
    size = (images[0].shape[1], images[0].shape[0])

    def wide(index: int) -> RegionFlow:
        region = Region.whole(size, min(WIDE, max_size or WIDE))
        first, second = (estimator.prepare(region.cut(images[i])[None]) for i in (index, index + 1))
        return _fields(estimator, first, second, region, forward_only)[0]

    for layout, group in groupby(range(len(layouts)), key=lambda i: layouts[i]):
        run = list(group)
        flows: dict[int, list[RegionFlow]] = {i: [] for i in run}
        for region in layout.regions:
            for index, flow in _region_run(images, run, cuts, region, estimator, forward_only):
                flows[index].append(flow)
        for index in run:
            yield Pair(layout, flows[index], index in cuts, lambda index=index: wide(index))  # type: ignore[misc]


def _region_run(
    images: Sequence[np.ndarray],
    run: Sequence[int],
    cuts: set[int],
    region: Region,
    estimator: FlowEstimator,
    forward_only: bool,
) -> Iterator[tuple[int, RegionFlow]]:
    """The flows of a run of consecutive pairs in one region."""
    batch = max(1, estimator.batch_size(region.shown[1], region.shown[0]))
    last: Any = None
    last_frame = -1
    for start in range(0, len(run), batch):
        part = run[start : start + batch]
        needed = range(part[0], part[-1] + 2)
        fresh = [i for i in needed if i != last_frame]
        prepared = estimator.prepare(np.stack([region.cut(images[i]) for i in fresh]))
        if last_frame == needed[0]:
            prepared = last + prepared
        fields = _fields(estimator, prepared[:-1], prepared[1:], region, forward_only)
        for index, flow in zip(part, fields):
            still = index not in cuts and np.array_equal(images[index], images[index + 1])
            yield index, _zero(region, forward_only) if still else flow
        last, last_frame = prepared[-1:], needed[-1]


def _fields(estimator: FlowEstimator, first: Any, second: Any, region: Region, forward_only: bool) -> list[RegionFlow]:
    if forward_only:
        return [RegionFlow(FlowField(f, region), None) for f in estimator.between(first, second)]
    there, back = estimator.both(first, second)
    return [RegionFlow(FlowField(f, region), FlowField(b, region)) for f, b in zip(there, back)]


def _zero(region: Region, forward_only: bool) -> RegionFlow:
    nothing = FlowField(np.zeros((2, region.shown[1], region.shown[0]), np.float32), region)
    return RegionFlow(nothing, None if forward_only else nothing)
