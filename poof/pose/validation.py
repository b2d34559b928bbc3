"""Validation on held-out examples during training."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from poof.labels.model import Visible
from poof.parallel import ALONE, Group
from poof.pose.data import CropStore, still_batches
from poof.pose.decoding import decode
from poof.pose.model import PoseModel
from poof.pose.precision import Precision

Array = np.ndarray

THRESHOLDS = (5, 10, 20)
"""Pixels of the thesis' 256x192 crop. The thesis reports the largest; the mean over them says which model is better
when that one is saturated, and is what the best checkpoint is best in."""

SURE = 0.05
"""A confidence is the chance that the error is below this share of the crop's longer side."""

_ENOUGH = 20  # points of either kind that a confidence curve needs


def validate(
    model: PoseModel,
    store: CropStore,
    batch: int,
    device: torch.device,
    precision: Precision = "auto",
    group: Group = ALONE,
) -> dict[str, Any]:
    """Judge a model on examples, by human points where there are any.

    Parameters
    ----------
    model
        Its network is on `device`.
    store
        Held-out examples with crops of the network's size.
    batch
        Crops at a time.
    device, precision
        Where and how to compute.
    group
        Processes that share the examples, each example once; all get the same answer.

    Returns
    -------
    dict
        `points`: number of points judged. `error`: mean Euclidean distance, px of the 256x192 crop. `accuracy`:
        {threshold: share of points whose mean absolute coordinate error is strictly below it} (the thesis' measure).
        `score`: mean of the accuracies. `joint_score`: the same per keypoint, NaN where nothing was judged.
        `confidence`: see `fit_confidence`. `presence`: see `fit_presence`, None without absent keypoints.
    """
    offsets, peaks, known, absent = [], [], [], []
    any_human = any(example.human.any() for example in store.examples)
    for number, (examples, images) in enumerate(still_batches(store, batch)):
        if number % group.size != group.rank:
            continue
        maps = model.heatmaps(images.to(device), flip=False, precision=precision)
        xy, height = decode(maps, stride=model.network.stride)
        for example, points, peak in zip(examples, xy.cpu().numpy(), height.cpu().numpy()):
            offsets.append((example.crop.to_frame(points) - example.xy) * example.unit)
            peaks.append(peak)
            counts = (example.weight > 0) & (example.human if any_human else True)
            absent.append(counts & (example.visible == Visible.ABSENT))
            known.append(counts & ~absent[-1])
    if group.size > 1:
        parts = group.gather((offsets, peaks, known, absent))
        offsets, peaks, known, absent = ([row for part in parts for row in part[i]] for i in range(4))
    found = judge(np.array(offsets), np.array(peaks), np.array(known))
    return found | {"presence": fit_presence(np.array(peaks), np.array(known), np.array(absent))}


def judge(offsets: Array, peaks: Array, known: Array) -> dict[str, Any]:
    """The measures of `validate` from offsets (N, K, 2) in px of the crop, peaks (N, K) and which points count."""
    absolute, distance = np.abs(offsets).mean(-1), np.hypot(offsets[..., 0], offsets[..., 1])
    right = np.stack([absolute < t for t in THRESHOLDS])
    with np.errstate(invalid="ignore"):
        per_joint = (right & known).sum(1) / known.sum(0)
    accuracy = right[:, known].mean(-1)
    return {
        "points": int(known.sum()),
        "error": float(distance[known].mean()),
        "accuracy": {t: float(a) for t, a in zip(THRESHOLDS, accuracy)},
        "score": float(accuracy.mean()),
        "joint_score": [float(v) for v in per_joint.mean(0)],
        "confidence": fit_confidence(peaks[known], distance[known] < SURE * 256),
    }


def fit_presence(peaks: Array, known: Array, absent: Array) -> dict[str, Any] | None:
    """The height of a peak below which a keypoint is absent, by held-out labels.

    Parameters
    ----------
    peaks : (N, K)
        Heights in [0, 1].
    known, absent : (N, K) bool
        Which keypoints the labels set, and which they say are absent.

    Returns
    -------
    dict or None
        `threshold`: the one with the largest mean of the shares of both that it gets right, in the middle of those that
        are as good; `present`, `absent`: how many it was chosen by. None unless both are at least one.
    """
    there, gone = np.sort(peaks[known]), np.sort(peaks[absent])
    if not len(there) or not len(gone):
        return None
    levels = np.unique(np.concatenate([[0.0], there, gone, [1.0]]))
    between = (levels[1:] + levels[:-1]) / 2
    right = (there[None] >= between[:, None]).mean(axis=1) + (gone[None] < between[:, None]).mean(axis=1)
    best = np.flatnonzero(right >= right.max() - 1e-9)
    threshold = (levels[best[0]] + levels[best[-1] + 1]) / 2
    return {"threshold": float(threshold), "present": len(there), "absent": len(gone)}


def fit_confidence(peaks: Array, right: Array) -> list[float] | None:
    """[a, b] so that 1 / (1 + exp(-(a + b peak))) is the chance that a point is right.

    None with too few points, or where higher peaks are not surer.

    Logistic regression by Newton's method with Platt's (1999) softened targets, which keep a perfect separation from
    running away.
    """
    good, bad = int(right.sum()), int((~right).sum())
    if good < _ENOUGH or bad < _ENOUGH:
        return None
    target = np.where(right, (good + 1) / (good + 2), 1 / (bad + 2))
    design = np.stack([np.ones(len(peaks)), peaks.astype(float)], axis=1)
    weights = np.zeros(2)
    for _ in range(50):
        chance = 1 / (1 + np.exp(-design @ weights))
        curvature = design.T @ (design * (chance * (1 - chance))[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, design.T @ (target - chance))
        weights += np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-6:
            break
    return [float(v) for v in weights] if weights[1] > 0 else None
