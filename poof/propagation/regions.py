"""Flow where the keypoints are: rectangles that follow each instance through a segment.

A cheap flow on shrunken frames carries the keypoints roughly, forwards from the left anchor and backwards from the
right one. Around where they come by, a rectangle is laid for each pair of frames and shown to the estimator at a size
that suits it. Rectangles are kept over several pairs where that costs few pixels, so that estimators can use what they
computed for a frame twice, and rectangles of several instances that overlap become one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from poof.flow.field import Region

COARSE = 320
"""Longer side, in pixels, of the frames that the coarse flow and the cut detection see."""
MARGIN = 0.2
"""Margin around the points, in longer sides of the subject; half a subject's fastest step comes on top."""
SQUARE = 0.75
"""Least ratio of the short side of a rectangle to its long side: limbs that move out of a narrow box stay inside."""
AREA = 330_000
"""Pixels of a rectangle as it is shown to the estimator, when that is neither too small nor enlarged too much."""
ENLARGE = 3.0
"""Most that a rectangle is enlarged."""
HOLD = 1.25
"""A rectangle is kept for the next pair while its area stays below this times that of the larger pair alone."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Layout:
    """The regions of one pair of frames and which of them serves which instance."""

    regions: tuple[Region, ...]
    of_instance: dict[int, int]


def box_around(points: np.ndarray, side: float, step: float) -> Box | None:
    """x0, y0, x1, y1 around points (N, 2) with the margin; None when no point is known.

    Parameters
    ----------
    points
        Positions of the keypoints, NaN where lost.
    side
        Longer side of the subject in pixels.
    step
        Its fastest step between two frames in pixels.
    """
    known = points[np.isfinite(points).all(axis=-1)]
    if not len(known):
        return None
    low, high = known.min(axis=0), known.max(axis=0)
    size = high - low + 2 * (MARGIN * side + 0.5 * step)
    size = np.maximum(size, SQUARE * size.max())
    centre = (low + high) / 2
    x0, y0 = centre - size / 2
    x1, y1 = centre + size / 2
    return float(x0), float(y0), float(x1), float(y1)


def plan_layouts(
    boxes: Sequence[dict[int, Box]], frame: tuple[int, int], area: int = AREA, max_size: int | None = None
) -> list[Layout]:
    """The regions of consecutive pairs from the boxes of the instances in each.

    Parameters
    ----------
    boxes
        For each pair: instance -> box, as `box_around` gives it.
    frame
        (width, height) of the frames.
    area
        Pixels of a region as shown.
    max_size
        Longest side of a region as shown.
    """
    layouts: list[Layout] = []
    start = 0
    while start < len(boxes):
        held = _merged(boxes[start])
        stop = start + 1
        while stop < len(boxes) and set(boxes[stop]) == set(boxes[start]):
            wider = _merged(_union(boxes[start : stop + 1]))
            alone = max(_area(_merged(b), frame) for b in boxes[start : stop + 1])
            if len(wider) != len(held) or _area(wider, frame) > HOLD * alone:
                break
            held = wider
            stop += 1
        layout = Layout(
            tuple(to_region(box, frame, area, max_size) for box, _ in held),
            {instance: index for index, (_, members) in enumerate(held) for instance in members},
        )
        layouts += [layout] * (stop - start)
        start = stop
    return layouts


def to_region(box: Box, frame: tuple[int, int], area: int = AREA, max_size: int | None = None) -> Region:
    """The whole pixels of the frame that a box covers, shown at about `area` pixels.

    Enlarged at most `ENLARGE` times, its longer side to at most `max_size`.
    """
    width, height = frame
    x0, y0 = max(0, int(np.floor(box[0]))), max(0, int(np.floor(box[1])))
    x1, y1 = min(width, int(np.ceil(box[2])) + 1), min(height, int(np.ceil(box[3])) + 1)
    x0, y0 = min(x0, width - 1), min(y0, height - 1)
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    w, h = x1 - x0, y1 - y0
    scale = min(ENLARGE, float(np.sqrt(area / (w * h))))
    if max_size is not None:
        scale = min(scale, max_size / max(w, h))
    return Region(x0, y0, w, h, (max(1, round(w * scale)), max(1, round(h * scale))))


def _union(boxes: Sequence[dict[int, Box]]) -> dict[int, Box]:
    joined: dict[int, Box] = {}
    for some in boxes:
        for instance, box in some.items():
            joined[instance] = _hull(joined[instance], box) if instance in joined else box
    return joined


def _merged(boxes: dict[int, Box]) -> list[tuple[Box, list[int]]]:
    """Boxes with their instances; those whose hull is no larger than the two together are one."""
    members = [[instance] for instance in sorted(boxes)]
    at = np.array([boxes[instance] for instance in sorted(boxes)], np.float64).reshape(-1, 4)
    there = np.ones(len(at), bool)
    first = 0  # groups before it join with none
    while first < len(at):
        low, high = np.minimum(at[first, :2], at[:, :2]), np.maximum(at[first, 2:], at[:, 2:])
        sizes = np.prod(at[:, 2:] - at[:, :2], axis=1)
        joins = there & (np.prod(high - low, axis=1) <= sizes[first] + sizes)
        joins[first] = False
        if not (there[first] and joins.any()):
            first += 1
            continue
        first, other = sorted((first, int(joins.argmax())))
        at[first] = _hull(at[first], at[other])
        members[first] += members[other]
        there[other] = False
    return [(cast(Box, tuple(at[group].tolist())), members[group]) for group in np.flatnonzero(there)]


def _area(groups: list[tuple[Box, list[int]]], frame: tuple[int, int]) -> float:
    """Pixels of the frame inside the boxes."""
    width, height = frame
    return sum(
        max(1.0, min(b[2], width) - max(b[0], 0.0)) * max(1.0, min(b[3], height) - max(b[1], 0.0)) for b, _ in groups
    )


def _hull(a: Box | np.ndarray, b: Box | np.ndarray) -> Box:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])
