"""Matching of predicted and true points: keypoints by name, instances by number or by distance.

The result is a table with one row for every true point of a video, in the order frame, instance, keypoint. It is the
same for every prediction of that video, so that predictions can be compared row by row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from poof.errors import PoofError
from poof.evaluation.metrics import l2_error
from poof.evaluation.normalisers import plain, shown, subject_box
from poof.evaluation.oks import object_area, similarity
from poof.labels.check import scale_factor
from poof.labels.model import LabelSet, Points, Skeleton, Source

Array = np.ndarray
Match = Literal["auto", "id", "nearest"]

MIN_SCALED = 5
"""So many points tell another size of the frames from error."""
_SOURCE_NAMES = np.array([source.label or "unknown" for source in Source], dtype=object)


def common_keypoints(truth: Skeleton, predictions: Iterable[Skeleton]) -> list[str]:
    """The truth's keypoints that every prediction has too, by name; case, spaces and underscores don't matter."""
    skeletons = list(predictions)
    return [k for k in truth.keypoints if all(_find(skeleton, k) is not None for skeleton in skeletons)]


def select_keypoints(labels: LabelSet, names: Sequence[str]) -> LabelSet:
    """The same labels with only the keypoints `names`, in that order and under these names (matched as above)."""
    if tuple(names) == labels.skeleton.keypoints:
        return labels
    index = np.array([_find(labels.skeleton, n) for n in names], np.int64)
    instances = {key: points.ordered(index) for key, points in labels.instances.items()}
    return labels.replace(skeleton=Skeleton(tuple(names), name=labels.skeleton.name), instances=instances)


def check_same_video(prediction: LabelSet, truth: LabelSet, name: str) -> None:
    """Refuse a prediction that cannot belong to the truth's video.

    Raises
    ------
    PoofError
        If it holds no points, has no frame in common with the truth, or other frame sizes.
    """
    if not any(points.labelled.any() for points in prediction.instances.values()):
        raise PoofError(f"{name}: holds no points; nothing to score")
    common = set(prediction.frames) & set(truth.frames)
    if not common:
        raise PoofError(
            f"{name}: has no frame in common with the labels ({_span(prediction)} against {_span(truth)}); "
            "are they of the same video, both numbered from 0?"
        )
    ours, theirs = truth.image_size, prediction.image_size
    if ours and theirs and ours != theirs:
        if ours == theirs[::-1] and ours[0] != ours[1]:
            raise PoofError(
                f"{name}: its frames are {_size(prediction)}, those of the labels {_size(truth)}: width and height are"
                " exchanged, so one was made on pictures turned by 90 degrees; make both on the video as it is shown"
            )
        factor = scale_factor(theirs, ours)
        raise PoofError(
            f"{name}: its frames are {_size(prediction)}, those of the labels {_size(truth)}; bring it to their size"
            f" with: poof convert {name} SCALED.json --scale {factor}"
        )


def another_origin(true: Array, predicted: Array) -> tuple[float, float] | None:
    """The crop's origin (x, y) in the frames, in pixels, where predictions clearly were made on a crop of them.

    All of them lie as far from the truth, which is right or below. Told only where that is more than a tenth of what
    the points of the truth span, and ten times what is left without it. Parameters as in `another_scale`.
    """
    there = np.isfinite(predicted).all(axis=1) & np.isfinite(true).all(axis=1)
    if there.sum() < MIN_SCALED:
        return None
    away = true[there] - predicted[there]
    shift = np.median(away, axis=0)
    left = np.median(l2_error(away - shift))
    span = np.ptp(true[there], axis=0).max()
    clear = shift.min() > -left - 1 and np.hypot(*shift) > max(0.1 * span, 10 * left)
    return (float(shift[0]), float(shift[1])) if clear else None


def another_scale(true: Array, predicted: Array) -> tuple[float, float] | None:
    """Factors in x and y that bring predictions to the truth's frames, where those were clearly of another size.

    For files that do not say how large their frames were. The factor of a direction is the median ratio of the
    coordinates, which counts from the picture's corner as scaling does. It is told only where it differs from 1 by more
    than a tenth, brings the points four times nearer, and twice as near as a shift of all of them.

    Parameters
    ----------
    true, predicted : (N, 2) ndarray
        The same points in pixels; NaN where nothing was predicted.
    """
    there = np.isfinite(predicted).all(axis=1) & np.isfinite(true).all(axis=1) & (predicted > 1).all(axis=1)
    if there.sum() < MIN_SCALED:
        return None
    ours, theirs = true[there] + 0.5, predicted[there] + 0.5
    factors = np.median(ours / theirs, axis=0)
    if not (factors > 0).all() or (np.abs(np.log(factors)) < np.log(1.1)).all():
        return None
    before = np.median(l2_error(theirs - ours))
    shifted = np.median(l2_error(theirs - ours - np.median(theirs - ours, axis=0)))
    after = np.median(l2_error(theirs * factors - ours))
    return (float(factors[0]), float(factors[1])) if 4 * after < before and 2 * after < shifted else None


def pair_instances(predicted: dict[int, Points], true: dict[int, Points], by_id: bool, sigmas: Array) -> dict[int, int]:
    """True instance -> predicted instance of one frame; what has no partner is left out.

    With `by_id` equal numbers belong together. Otherwise the pairs are those with the greatest sum of object keypoint
    similarity (COCO), found exactly (Hungarian method); where similarities are equal, mostly because both are 0, the
    smaller distance decides. No pair is refused for being far apart: a wild prediction stays visible in the errors.
    """
    if by_id:
        return {i: i for i in true if i in predicted}
    if len(true) == 1 and len(predicted) == 1:
        return {next(iter(true)): next(iter(predicted))}
    from scipy.optimize import linear_sum_assignment  # slow to import

    ours, theirs = list(true), list(predicted)
    gain = np.zeros((len(ours), len(theirs)))
    for row, instance in enumerate(ours):
        points = true[instance]
        there = shown(points)
        area = object_area(subject_box(points))
        for column, other in enumerate(theirs):
            xy = predicted[other].xy
            oks = similarity(points.xy, there, xy, area, sigmas)
            far = l2_error(xy - points.xy)[there]
            far = far[np.isfinite(far)]
            nearness = 1 / (1 + far.mean()) if len(far) else 0.0
            gain[row, column] = np.nan_to_num(oks) + 1e-3 * nearness
    rows, columns = linear_sum_assignment(gain, maximize=True)
    return {ours[r]: theirs[c] for r, c in zip(rows, columns)}


def same_individuals(prediction: LabelSet, truth: LabelSet) -> LabelSet:
    """The prediction with the truth's instance numbers, where both files name their individuals alike."""
    numbers = {name: instance for instance, name in truth.individuals.items()}
    renamed = {i: numbers[name] for i, name in prediction.individuals.items() if name in numbers}
    if not renamed:
        return prediction
    free = max([*prediction.instance_ids, *truth.instance_ids, *numbers.values()], default=0) + 1
    for instance in prediction.instance_ids:
        if instance not in renamed:
            renamed[instance], free = free, free + 1
    instances = {(frame, renamed[i]): points for (frame, i), points in prediction.instances.items()}
    individuals = {renamed[i]: name for i, name in prediction.individuals.items() if i in renamed}
    return prediction.replace(instances=instances, individuals=individuals)


def pairs_by_id(prediction: LabelSet, truth: LabelSet, match: Match) -> bool:
    """Whether instances are paired by number: asked for, or both sides follow individuals and share numbers.

    One individual on either side is the same one whatever its number, and needs no numbers.
    """
    ours, theirs = set(truth.instance_ids), set(prediction.instance_ids)
    if match == "auto":
        return truth.tracked and prediction.tracked and bool(ours & theirs) and max(len(ours), len(theirs)) > 1
    return match == "id"


def truth_table(truth: LabelSet, video: str, measures: Mapping[str, Mapping[tuple[int, int], float]]) -> pd.DataFrame:
    """One row for every labelled point (coordinates and visible > 0).

    Parameters
    ----------
    truth
        Labels of one video.
    video
        Its name, for the column `video`.
    measures
        Column -> (frame, instance) -> a value that all points of the instance share (sizes of the subject).

    Returns
    -------
    DataFrame
        Columns video, frame, instance, keypoint, x, y, visible and those of `measures`.
    """
    names = np.array(truth.skeleton.keypoints, dtype=object)
    parts: dict[str, list[Array]] = {n: [] for n in ("frame", "instance", "keypoint", "x", "y", "visible", *measures)}
    for frame, instance, points in truth:
        keep = shown(points)
        count = int(keep.sum())
        parts["frame"].append(np.full(count, frame))
        parts["instance"].append(np.full(count, instance))
        parts["keypoint"].append(names[keep])
        parts["x"].append(points.xy[keep, 0].astype(np.float64))
        parts["y"].append(points.xy[keep, 1].astype(np.float64))
        parts["visible"].append(points.visible[keep].astype(np.int64))
        for name, values in measures.items():
            parts[name].append(np.full(count, values[frame, instance]))
    columns = {name: np.concatenate(values) if values else np.zeros(0) for name, values in parts.items()}
    return pd.DataFrame({"video": video, **columns})


def predicted_columns(prediction: LabelSet, truth: LabelSet, by_id: bool, sigmas: Array) -> tuple[pd.DataFrame, int]:
    """What was predicted for every row of `truth_table(truth)`, and how many predicted instances belong to nobody.

    Both label sets have the same keypoints in the same order.

    Returns
    -------
    DataFrame
        Columns px, py, confidence (NaN where nothing was predicted), source ('missing' there), distance: frames to the
        nearest frame that the prediction was carried from, NaN for predictions that have no anchors.
    int
        Instances predicted, in frames that have labels, beyond the labelled ones.
    """
    anchors = anchor_frames(prediction)
    predicted: dict[int, dict[int, Points]] = {}
    for frame, instance, points in prediction:
        if points.labelled.any():
            predicted.setdefault(frame, {})[instance] = points
    parts: dict[str, list[Array]] = {n: [] for n in ("px", "py", "confidence", "source", "distance")}
    surplus = 0
    for frame, true in truth.by_frame().items():
        here = predicted.get(frame, {})
        pairs = pair_instances(here, true, by_id, sigmas) if here and true else {}
        surplus += len(here) - len(pairs)
        distance = np.abs(anchors - frame).min() if len(anchors) else np.nan
        for instance, points in true.items():
            keep = shown(points)
            other = here[pairs[instance]] if instance in pairs else Points.empty(len(points))
            found = other.labelled
            parts["px"].append(np.where(found, other.xy[:, 0], np.nan)[keep])
            parts["py"].append(np.where(found, other.xy[:, 1], np.nan)[keep])
            parts["confidence"].append(np.where(found, other.confidence, np.nan)[keep])
            parts["source"].append(_source_names(other, found)[keep])
            parts["distance"].append(np.full(int(keep.sum()), distance))
    columns = {name: np.concatenate(values) if values else np.zeros(0) for name, values in parts.items()}
    numbers = {n: columns[n].astype(np.float64) for n in ("px", "py", "confidence", "distance")}
    return pd.DataFrame(numbers | {"source": columns["source"]}), surplus


def absence_table(truth: LabelSet, video: str) -> pd.DataFrame:
    """One row for every keypoint that is said to be absent: columns video, frame, instance, keypoint."""
    rows = [
        (video, frame, instance, truth.skeleton.keypoints[k])
        for frame, instance, points in truth
        for k in np.flatnonzero(points.absent).tolist()
    ]
    return pd.DataFrame(rows, columns=["video", "frame", "instance", "keypoint"])


def absence_columns(prediction: LabelSet, truth: LabelSet, by_id: bool, sigmas: Array) -> pd.DataFrame:
    """What was predicted for every row of `absence_table(truth)`.

    Returns
    -------
    DataFrame
        Columns predicted (bool: a point all the same), confidence (of that point, NaN where unknown or without one) and
        by_person (bool: the prediction's file has the absence, or the point, from a person).
    """
    predicted = prediction.by_frame()
    rows: list[tuple[bool, float, bool]] = []
    for frame, true in truth.by_frame().items():
        here = {i: p for i, p in predicted.get(frame, {}).items() if p.decided.any()}
        pairs = pair_instances(here, true, by_id, sigmas) if here and true else {}
        for instance, points in true.items():
            other = here[pairs[instance]] if instance in pairs else Points.empty(len(points))
            for k in np.flatnonzero(points.absent).tolist():
                there = bool(other.labelled[k])
                rows.append((there, float(other.confidence[k]) if there else np.nan, bool(other.by_person[k])))
    return pd.DataFrame(rows, columns=["predicted", "confidence", "by_person"])


def anchor_frames(labels: LabelSet) -> Array:
    """Ascending frames that the points of `labels` were carried from; empty when none was carried."""
    carried = {int(a) for p in labels.instances.values() for a in p.anchor[p.labelled & (p.steps > 0)] if a >= 0}
    return np.array(sorted(carried), np.int64)


def has_provenance(labels: LabelSet) -> bool:
    """Whether the labels tell a person's points from others: the file names points that were carried or predicted."""
    return any((p.source[p.labelled] > Source.HUMAN).any() for p in labels.instances.values())


def _find(skeleton: Skeleton, name: str) -> int | None:
    if name in skeleton.keypoints:
        return skeleton.keypoints.index(name)
    names = [plain(k) for k in skeleton.keypoints]
    return names.index(plain(name)) if plain(name) in names else None


def _source_names(points: Points, found: Array) -> Array:
    return np.where(found, _SOURCE_NAMES[points.source], "missing")


def _span(labels: LabelSet) -> str:
    frames = labels.frames
    return f"frames {frames[0]}-{frames[-1]}" if frames else "no frames"


def _size(labels: LabelSet) -> str:
    return "x".join(str(s) for s in labels.image_size or ())
