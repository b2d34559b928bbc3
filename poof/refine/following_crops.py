"""Where the crops lie that networks and beliefs see: they follow each subject, at one scale all along."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from poof.labels import LabelSet, Points
from poof.pose.crops import Crop
from poof.pose.mspn import MULTIPLE
from poof.propagation.subject import subject_sides

MARGIN = 1.3
"""A crop is so many times the subject's largest box."""
SLIM = 0.6
"""Least ratio of the short side of that box to the long one: limbs stretch."""
SURE = 0.5
"""Points below this confidence do not say where the subject is."""
STEADY = 2
"""Frames before and after over which the middle of the subject is a median."""


def largest_box(anchors: LabelSet, instance: int) -> np.ndarray:
    """(2,) width and height in pixels that hold the subject in every labelled frame, no slimmer than `SLIM`.

    Frames with fewer than half of the instance's usual points do not count; a subject of a single point is as large as
    propagation takes it to be.
    """
    sizes, counts = [], []
    for (_, i), points in anchors.instances.items():
        extent = points.extent()
        if i == instance and extent is not None:
            box = extent if points.box is None else np.maximum(extent, points.box)
            sizes.append(box[2:])
            counts.append(int(points.labelled.sum()))
    usual = max(counts, default=0)
    kept = [size for size, count in zip(sizes, counts) if 2 * count >= usual and size.max() > 0]
    if not kept:
        return np.full(2, next(iter(subject_sides(anchors, instance).values())))
    largest = np.max(kept, axis=0)
    return np.maximum(largest, SLIM * largest.max())


def input_size(boxes: Sequence[np.ndarray], long: int) -> tuple[int, int]:
    """(height, width) of crops for subjects with these largest boxes (width, height), the longer side `long` pixels."""
    typical = np.median([box / box.max() for box in boxes], axis=0)
    width, height = long * typical / typical.max()
    return tuple(max(MULTIPLE, int(np.ceil(side / MULTIPLE - 1e-6)) * MULTIPLE) for side in (height, width))  # type: ignore[return-value]


def crops_of(tracks: LabelSet, instance: int, size: tuple[int, int]) -> dict[int, Crop]:
    """The crop of an instance in every frame that has it.

    Parameters
    ----------
    tracks
        Human and propagated points.
    instance
        Which one.
    size
        (height, width) of the crops in their own pixels.
    """
    box = largest_box(tracks.human(), instance)
    frames, middles = [], []
    for (frame, i), points in sorted(tracks.instances.items()):
        if i == instance and (middle := _middle(points)) is not None:
            frames.append(frame)
            middles.append(middle)
    at, place = np.array(frames), np.array(middles)
    crops = {}
    for frame in frames:
        near = place[np.abs(at - frame) <= STEADY]
        x, y = np.median(near, axis=0) - box / 2
        crops[frame] = Crop.around(np.array([x, y, *box]), size, MARGIN)
    return crops


def _middle(points: Points) -> np.ndarray | None:
    """(2,) the middle of the points that are sure, or of all when few are."""
    known = points.labelled
    sure = known & (points.is_human | (np.nan_to_num(points.confidence) > SURE))
    chosen = sure if 3 * sure.sum() >= known.sum() else known
    if not chosen.any():
        return None
    xy = points.xy[chosen].astype(float)
    return np.asarray((xy.min(axis=0) + xy.max(axis=0)) / 2)
