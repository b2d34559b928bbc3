"""What the networks learn from: labels and confident propagated points, in the crops that the fusion will look at."""

from __future__ import annotations

import numpy as np

from poof.labels import LabelSet, Points
from poof.pose.crops import MARGIN, Crop
from poof.refine.following_crops import crops_of

LEAST = 0.2
"""Propagated points below this confidence teach nothing."""
SURELY_ABSENT = 0.95
"""Nor do keypoints that propagation says are absent with less than this."""
EDGE = 0.98
"""Nor do points outside this share of the crop."""


def training_examples(tracks: LabelSet, size: tuple[int, int]) -> LabelSet:
    """The points worth learning from, with boxes that make training cut the crops of `crops_of`.

    Keypoints that a person says are absent teach too, and those that propagation is sure are.

    Where a point lies outside such a box, in the outer tenth of the crop, training cuts a little wider around it.

    Parameters
    ----------
    tracks
        Human and propagated points.
    size
        (height, width) of the networks' crops.
    """
    instances: dict[tuple[int, int], Points] = {}
    for instance in tracks.instance_ids:
        for frame, crop in crops_of(tracks, instance, size).items():
            points = tracks.instances[frame, instance]
            box = _box(crop)
            away = np.abs(points.xy - (box[:2] + box[2:] / 2)) > EDGE * MARGIN * box[2:] / 2
            good = points.labelled & ~away.any(axis=1)
            good &= points.is_human | (np.nan_to_num(points.confidence) >= LEAST)
            good |= points.absent & (points.by_person | (np.nan_to_num(points.confidence) >= SURELY_ABSENT))
            if good.any():
                kept = Points.empty(len(points))
                kept.put(good, points)
                kept.box = box.astype(np.float32)
                instances[frame, instance] = kept
    return tracks.replace(instances=instances)


def _box(crop: Crop) -> np.ndarray:
    """(4,) x, y, width, height from which `Crop.around` makes the crop again with the usual margin."""
    size = np.array([crop.size[1], crop.size[0]]) / crop.scale / MARGIN
    return np.concatenate([np.array(crop.centre) - size / 2, size])
