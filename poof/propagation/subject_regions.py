"""Regions around the subjects of each pair of frames: where the fine flow is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from poof.propagation.chains import BACKWARD, FORWARD, State, Stepper
from poof.propagation.coarse_flow import CoarseSegment
from poof.propagation.regions import Box, Layout, box_around, plan_layouts
from poof.propagation.segment_flow import Pair, RegionFlow
from poof.propagation.settings import Settings

POINT_SIDE = 40.0
"""Side in pixels that a subject of a single point counts."""


def whole_frame_layout(instances: Sequence[int], size: tuple[int, int], settings: Settings) -> Layout:
    """One region, the frame of `size` = (width, height), for every instance."""
    box: Box = (0.0, 0.0, float(size[0] - 1), float(size[1] - 1))
    return plan_layouts([dict.fromkeys(instances, box)], size, size[0] * size[1], settings.max_size)[0]


def subject_layouts(
    coarse: CoarseSegment,
    pairs: int,
    starts: Mapping[int, State],
    stops: Mapping[int, State],
    size: tuple[int, int],
    settings: Settings,
) -> list[Layout]:
    """Regions that follow every instance through a segment.

    Parameters
    ----------
    coarse
        The coarse flows of the segment.
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
    paths = {i: _paths(coarse, pairs, start, stops.get(i), size) for i, start in starts.items()}
    sides = {i: _side(path) for i, path in paths.items()}
    boxes: list[dict[int, Box]] = []
    for index in range(pairs):
        here: dict[int, Box] = {}
        for i, path in paths.items():
            box = box_around(path[index : index + 2].reshape(-1, 2), sides[i], _fastest(path, index))
            if box is not None:
                here[i] = box
        boxes.append(here or {next(iter(starts), 0): (0.0, 0.0, size[0] - 1.0, size[1] - 1.0)})
    return plan_layouts(boxes, size, settings.area, settings.max_size)


def _paths(coarse: CoarseSegment, pairs: int, start: State, stop: State | None, size: tuple[int, int]) -> np.ndarray:
    """(pairs + 1, 2 K, 2): where the keypoints come by, forwards from the left and backwards from the right."""
    stepper = Stepper(size, 10**9)
    count = len(start.xy)
    path = np.full((pairs + 1, 2 * count, 2), np.nan)
    coarse_pairs = [
        Pair(Layout((f.region,), {}), [RegionFlow(f, b)], i in coarse.cuts) for i, (f, b) in enumerate(coarse.flows)
    ]
    path[0, :count] = start.xy
    for index in range(pairs):
        start = stepper.step(start, coarse_pairs[index], index, FORWARD, 0)
        path[index + 1, :count] = start.xy
    if stop is not None:
        path[pairs, count:] = stop.xy
        for index in reversed(range(pairs)):
            stop = stepper.step(stop, coarse_pairs[index], index + 1, BACKWARD, 0)
            path[index, count:] = stop.xy
    return path


def _side(path: np.ndarray) -> float:
    """Longer side of the subject as it comes by, pixels."""
    known = np.isfinite(path).all(axis=-1)[..., None]
    low, high = np.where(known, path, np.inf).min(axis=1), np.where(known, path, -np.inf).max(axis=1)
    longest = float(np.where(known.any(axis=1), high - low, 0.0).max(initial=0.0))
    return longest if longest > 0 else POINT_SIDE


def _fastest(path: np.ndarray, index: int) -> float:
    """Fastest step of a point around a pair, pixels."""
    steps = np.diff(path[max(0, index - 1) : index + 3], axis=0)
    lengths = np.hypot(steps[..., 0], steps[..., 1])
    return float(np.nanmax(lengths)) if np.isfinite(lengths).any() else 0.0
