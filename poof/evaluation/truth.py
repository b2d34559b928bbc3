"""Ground truth of an evaluation: which points count, and how large the subjects are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from poof.errors import PoofError
from poof.evaluation.normalisers import (
    crop_scale,
    head_pairs,
    longer_side,
    reference_length,
    reference_pairs,
    shown,
    subject_box,
    torso_pairs,
)
from poof.labels.model import LabelSet, Points, Source

Array = np.ndarray


def boxed(labels: LabelSet) -> LabelSet:
    """The labels with a box on every instance that has a size, so that it outlives points that are left out."""
    instances = {}
    for key, points in labels.instances.items():
        box = subject_box(points)
        instances[key] = points.copy()
        instances[key].box = box.astype(np.float32) if np.isfinite(box).all() else None
    return labels.replace(instances=instances)


def by_people(labels: LabelSet, name: str) -> tuple[LabelSet, str]:
    """The labels without points that were carried or predicted, unless there are no others.

    Returns
    -------
    LabelSet, str
        The labels, and what the user should know of them ('' when nothing).

    Raises
    ------
    PoofError
        If `labels` (called `name` in messages) hold no labelled point.
    """
    machine = {key: (shown(p) | p.absent) & (p.source > Source.HUMAN) for key, p in labels.instances.items()}
    count = sum(int((m & ~labels.instances[key].absent).sum()) for key, m in machine.items())
    total = sum(int(shown(p).sum()) for p in labels.instances.values())
    if not total:
        raise PoofError(f"{name}: no labelled points; nothing to judge by")
    if not count:
        return labels, ""
    if count == total:
        return labels, f"{name}: no point was set by a person; the result tells how alike two machines are"
    kept = labels.replace(instances={key: _hidden(p, machine[key]) for key, p in labels.instances.items()})
    return kept, f"{name}: {count} of {total} points were not set by a person and are not judged"


def without(labels: LabelSet, rows: pd.DataFrame) -> LabelSet:
    """The labels with the points of `rows` (of their truth table) marked as unlabelled."""
    where = {name: i for i, name in enumerate(labels.skeleton.keypoints)}
    masks = {key: np.zeros(len(points), bool) for key, points in labels.instances.items()}
    for frame, instance, keypoint in zip(rows.frame, rows.instance, rows.keypoint):
        masks[frame, instance][where[keypoint]] = True
    return labels.replace(instances={key: _hidden(p, masks[key]) for key, p in labels.instances.items()})


def measures(
    labels: LabelSet, metric: str, frame: str, reference: Sequence[str] | None
) -> dict[str, dict[tuple[int, int], float]]:
    """What is measured of each (frame, instance).

    Returns
    -------
    dict
        'side': longer side of the box in px; 'unit': what an error in px of the video is multiplied by to be in the
        unit of the thresholds, by the `metric`, `frame` and `reference` of `evaluate`; 'crop': the same for the thesis'
        crop. NaN where it cannot be told.

    Raises
    ------
    PoofError
        If the skeleton has no such keypoints.
    """
    boxes = {key: subject_box(points) for key, points in labels.instances.items()}
    side = {key: longer_side(box) for key, box in boxes.items()}
    crop = {key: crop_scale(box) for key, box in boxes.items()}
    if metric == "pck-box":
        unit = {key: 1 / value for key, value in side.items()}
    elif metric.startswith("pck"):
        if metric == "pck-reference":
            pairs = reference_pairs(labels.skeleton, reference or ())
        else:
            pairs = torso_pairs(labels.skeleton) if metric == "pck-torso" else head_pairs(labels.skeleton)
        unit = {key: 1 / reference_length(points, pairs) for key, points in labels.instances.items()}
    elif frame == "crop":
        unit = crop
    else:
        unit = dict.fromkeys(boxes, 1.0)
    return {"side": side, "unit": unit, "crop": crop}


def _hidden(points: Points, mask: Array) -> Points:
    points = points.copy()
    points.visible[mask] = 0
    return points
