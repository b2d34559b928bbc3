"""Where the subjects are in each pair of a segment, and so where their flow is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from poof.propagation.chains import BACKWARD, FORWARD, State, Stepper
from poof.propagation.regions import Box, Layout, box_around, plan_layouts
from poof.propagation.rough import Rough
from poof.propagation.segment_flow import Pair, RegionFlow
from poof.propagation.settings import Settings

ALONE = 40.0
"""Side in pixels that a subject of a single point counts."""


def whole_frame(instances: Sequence[int], size: tuple[int, int], settings: Settings) -> Layout:
    """One region, the frame of `size` = (width, height), for every instance."""
    box: Box = (0.0, 0.0, float(size[0] - 1), float(size[1] - 1))
    return plan_layouts([dict.fromkeys(instances, box)], size, size[0] * size[1], settings.max_size)[0]


def layouts_around(
    rough: Rough,
    pairs: int,
    starts: Mapping[int, State],
    stops: Mapping[int, State],
    size: tuple[int, int],
    settings: Settings,
) -> list[Layout]:
    """Regions that follow every instance through a segment.

    Parameters
    ----------
    rough
        The rough flows of the segment.
    pairs
        Number of pairs of frames.
    starts, stops
        By instance, the chains at the first frame and those that the labels of the last frame start; the second are
        among the first. Pairs that no instance comes by get the whole frame.
    size
        (width, height) of the frames.
    settings
        Area and longest side of a region as shown.
    """
    ways = {i: _way(rough, pairs, start, stops.get(i), size) for i, start in starts.items()}
    sides = {i: _side(way) for i, way in ways.items()}
    boxes: list[dict[int, Box]] = []
    for index in range(pairs):
        here: dict[int, Box] = {}
        for i, way in ways.items():
            box = box_around(way[index : index + 2].reshape(-1, 2), sides[i], _fastest(way, index))
            if box is not None:
                here[i] = box
        boxes.append(here or {next(iter(starts), 0): (0.0, 0.0, size[0] - 1.0, size[1] - 1.0)})
    return plan_layouts(boxes, size, settings.area, settings.max_size)


def _way(rough: Rough, pairs: int, start: State, stop: State | None, size: tuple[int, int]) -> np.ndarray:
    """(pairs + 1, 2 K, 2): where the keypoints come by, forwards from the left and backwards from the right."""
    stepper = Stepper(size, 10**9)
    count = len(start.xy)
    way = np.full((pairs + 1, 2 * count, 2), np.nan)
    coarse = [
        Pair(Layout((f.region,), {}), [RegionFlow(f, b)], i in rough.cuts) for i, (f, b) in enumerate(rough.flows)
    ]
    way[0, :count] = start.xy
    for index in range(pairs):
        start = stepper.step(start, coarse[index], index, FORWARD, 0)
        way[index + 1, :count] = start.xy
    if stop is not None:
        way[pairs, count:] = stop.xy
        for index in reversed(range(pairs)):
            stop = stepper.step(stop, coarse[index], index + 1, BACKWARD, 0)
            way[index, count:] = stop.xy
    return way


def _side(way: np.ndarray) -> float:
    """Longer side of the subject as it comes by, pixels."""
    known = np.isfinite(way).all(axis=-1)[..., None]
    low, high = np.where(known, way, np.inf).min(axis=1), np.where(known, way, -np.inf).max(axis=1)
    longest = float(np.where(known.any(axis=1), high - low, 0.0).max(initial=0.0))
    return longest if longest > 0 else ALONE


def _fastest(way: np.ndarray, index: int) -> float:
    """Fastest step of a point around a pair, pixels."""
    steps = np.diff(way[max(0, index - 1) : index + 3], axis=0)
    lengths = np.hypot(steps[..., 0], steps[..., 1])
    return float(np.nanmax(lengths)) if np.isfinite(lengths).any() else 0.0
