"""Predictions against labels: which points are judged, by what measure, and the report on them.

What is judged, and what is not
-------------------------------
* A true point counts when a person set it. Truth that was itself carried or predicted is left out (with a warning),
  unless a file holds nothing else. Unlabelled points and labels outside the image (COCO v = 0) are never judged.
* Occluded truth (v = 1) is judged like visible truth: whoever labelled it knew where it was, COCO's own metric counts
  it and the thesis makes no exception. `occluded` leaves it out as TAP-Vid does, or looks at nothing else.
* A judged point without a prediction is wrong; the coverage is reported beside every accuracy.
* The person's labels that a prediction was carried from stand in its file unchanged and would be right by themselves:
  points whose prediction is a person's are left out, for all predictions that are compared. A file in which every point
  is a person's has no provenance (most formats keep none) and is judged as a whole.
* Keypoints are matched by name; those that a prediction does not know are left out for all of them, with a warning.

In which pixels
---------------
The thesis' accuracy is measured in a 256x192 crop around the subject, and that is the default (`frame="crop"`): 20 px
of a 4K video is nothing, 20 px of a thumbnail is a whole arm, in the crop it is a tenth of the width around the subject
whatever the camera, so numbers of different videos can be averaged and compared with the thesis. `frame="image"` takes
raw pixels of the video. Means and percentiles of the error are Euclidean pixels of the video in either case.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from poof.errors import PoofError, PoofWarning
from poof.evaluation import matching
from poof.evaluation.metrics import l2_error, thesis_error
from poof.evaluation.oks import keypoint_sigmas
from poof.evaluation.report import Report
from poof.evaluation.truth import boxed, by_people, measures, without
from poof.labels.model import LabelSet, Skeleton, Source

Metric = Literal["thesis", "l2", "pck-box", "pck-torso", "pck-head", "pck-reference"]
Frame = Literal["crop", "image"]
Occluded = Literal["score", "ignore", "only"]
Videos = Mapping[str, LabelSet]

METRICS: tuple[Metric, ...] = ("thesis", "l2", "pck-box", "pck-torso", "pck-head", "pck-reference")
PIXEL_THRESHOLDS = (5.0, 10.0, 20.0, 30.0)
PCK_THRESHOLDS = (0.05, 0.1, 0.2, 0.5)


def evaluate(
    predictions: LabelSet | Mapping[str, LabelSet] | Mapping[str, Videos],
    truth: LabelSet | Videos,
    thresholds: Sequence[float] | None = None,
    metric: Metric = "thesis",
    *,
    frame: Frame = "crop",
    occluded: Occluded = "score",
    match: matching.Match = "auto",
    score_anchors: bool = False,
    reference: Sequence[str] | None = None,
    image_size: tuple[int, int] | None = None,
) -> Report:
    """Judge one or several predictions of one or several videos by the labels people set.

    Parameters
    ----------
    predictions
        One label set; or several by name, for one video. When `truth` is a mapping of videos: a mapping with the same
        videos for one prediction, or name -> such a mapping for several.
    truth
        The labels of one video, or of several by name.
    thresholds
        Errors *strictly* below are right. Default 5, 10, 20, 30 px, for PCK 0.05, 0.1, 0.2, 0.5 of the normaliser.
    metric
        'thesis': mean absolute coordinate error (|dx| + |dy|) / 2 (000-gebotys S1). 'l2': Euclidean. 'pck-box',
        'pck-torso', 'pck-head', 'pck-reference': Euclidean over a size of the subject (see `normalisers`).
    frame
        'crop': pixels of a 256x192 crop around the subject. 'image': pixels of the video. PCK needs neither.
    occluded
        'score' occluded truth like visible, 'ignore' it, or score 'only' it.
    match
        How instances are paired: by 'id', to the 'nearest' of each frame, or 'auto': by id when both files follow
        individuals and share numbers or names.
    score_anchors
        Also judge points that the prediction's own file marks as a person's.
    reference
        Two keypoints whose distance is the normaliser of 'pck-reference'.
    image_size
        Width and height of the frames, for delta_avg, where no file tells.

    Returns
    -------
    Report
        Accuracies and errors as a whole, per joint, video, source and distance to the anchor.

    Raises
    ------
    PoofError
        For thresholds that are no positive numbers, label sets that cannot belong together (no keypoint or frame in
        common, other image sizes), empty predictions, and when nothing is left to judge.
    """
    limits = _checked(thresholds, metric, frame, occluded, match, reference)
    videos = {"video": truth} if isinstance(truth, LabelSet) else dict(truth)
    named = _by_name(predictions, videos, one=isinstance(truth, LabelSet))
    alarms: list[str] = []
    names = _common_keypoints(named, videos, alarms)
    tells = {name for name, by_video in named.items() if any(map(matching.has_provenance, by_video.values()))}
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in named}
    judged: dict[str, LabelSet] = {}
    aligned: dict[str, dict[str, LabelSet]] = {name: {} for name in named}
    surplus = dict.fromkeys(named, 0)
    dropped = {"occluded" if occluded == "ignore" else "visible": 0, "anchors": 0}
    for video, labels in videos.items():
        sets = {name: by_video[video] for name, by_video in named.items()}
        for name, prediction in sets.items():
            matching.check_same_video(prediction, labels, name if len(videos) == 1 else f"{name}, {video}")
        whole, alarm = by_people(boxed(labels), video if len(videos) > 1 else "the labels")
        alarms += [alarm] if alarm else []
        labels = matching.select_keypoints(whole, names)
        base = matching.truth_table(labels, video, measures(whole, metric, frame, reference))
        size = next((s.image_size for s in (labels, *sets.values()) if s.image_size), image_size) or (np.nan, np.nan)
        base = base.assign(width=float(size[0]), height=float(size[1]))
        sigmas = keypoint_sigmas(labels.skeleton)
        keep = np.ones(len(base), bool)
        if occluded != "score":
            keep = (base.visible.to_numpy() == 1) == (occluded == "only")
            dropped["occluded" if occluded == "ignore" else "visible"] += int((~keep).sum())
        ours: dict[str, pd.DataFrame] = {}
        anchors = np.zeros(len(base), bool)
        for name, prediction in sets.items():
            prediction = matching.same_individuals(matching.select_keypoints(prediction, names), labels)
            by_id = matching.pairs_by_id(prediction, labels, match)
            found, extra = matching.predicted_columns(prediction, labels, by_id, sigmas)
            surplus[name] += extra
            aligned[name][video] = prediction
            ours[name] = pd.concat([base, found], axis=1)
            if name in tells and not score_anchors:
                anchors |= (found.source == Source.HUMAN.label).to_numpy()
        dropped["anchors"] += int((keep & anchors).sum())
        keep &= ~anchors
        for name, table in ours.items():
            tables[name].append(_scored(table[keep], metric))
        judged[video] = without(labels, base[~keep])
    points = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    _check_left(next(iter(points.values())), dropped, metric, frame)
    for alarm in alarms:
        warnings.warn(alarm, PoofWarning, stacklevel=2)
    return Report(
        points=points,
        thresholds=limits,
        metric=metric,
        unit=_unit(metric, frame, reference),
        keypoints=tuple(names),
        truth=judged,
        predictions=aligned,
        settings={"metric": metric, "thresholds": list(limits), "frame": frame, "occluded": occluded, "match": match,
                  "score_anchors": score_anchors, "reference": list(reference) if reference else None},
        warnings=alarms,
        notes=_notes(next(iter(points.values())), dropped, surplus, metric),
    )  # fmt: skip


def parse_size(text: str) -> tuple[int, int]:
    """'854x480' as (width, height); a `PoofError` for anything else."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise PoofError(f"size: '{text}' is not WIDTHxHEIGHT; write e.g. 1920x1080")
    return int(width), int(height)


def parse_thresholds(text: str) -> tuple[float, ...]:
    """'5,10,20' as numbers; a `PoofError` names what is none."""
    values = []
    for part in text.split(","):
        try:
            values.append(float(part))
        except ValueError:
            raise PoofError(f"thresholds: '{part.strip()}' is not a number; write e.g. 5,10,20,30") from None
    return tuple(values)


# ------------------------------------------------------------------------------------------------ what was asked for


def _checked(
    thresholds: Sequence[float] | None,
    metric: str,
    frame: str,
    occluded: str,
    match: str,
    reference: Sequence[str] | None,
) -> tuple[float, ...]:
    for name, choice, valid in (
        ("metric", metric, METRICS),
        ("frame", frame, ("crop", "image")),
        ("occluded", occluded, ("score", "ignore", "only")),
        ("match", match, ("auto", "id", "nearest")),
    ):
        if choice not in valid:
            raise PoofError(f"{name}: '{choice}' is not one of {', '.join(valid)}")
    if (metric == "pck-reference") != (reference is not None):
        raise PoofError("the metric pck-reference and a reference (two keypoints) go together; give both or neither")
    relative = metric.startswith("pck")
    if thresholds is None:
        return PCK_THRESHOLDS if relative else PIXEL_THRESHOLDS
    if not len(thresholds):
        raise PoofError("thresholds: none given; write e.g. 5,10,20,30")
    for value in thresholds:
        if not (np.isfinite(value) and value > 0):
            raise PoofError(f"thresholds: {value:g} is not a positive number")
        if relative and value > 1:
            raise PoofError(f"thresholds: {value:g} is more than the whole normaliser; for PCK write e.g. 0.1,0.2")
    return tuple(sorted({float(t) for t in thresholds}))


def _by_name(
    predictions: LabelSet | Mapping[str, LabelSet] | Mapping[str, Videos], videos: Videos, one: bool
) -> dict[str, Videos]:
    """Name -> video -> label set."""
    named: dict[str, Videos]
    if isinstance(predictions, LabelSet):
        named = {"prediction": {next(iter(videos), "video"): predictions}}
    elif one:
        named = {name: {"video": p} for name, p in predictions.items() if isinstance(p, LabelSet)}
    elif all(isinstance(p, LabelSet) for p in predictions.values()):
        named = {"prediction": {v: p for v, p in predictions.items() if isinstance(p, LabelSet)}}
    else:
        named = {name: p for name, p in predictions.items() if not isinstance(p, LabelSet)}
    if not videos or not predictions or len(named) not in (1, len(predictions)):
        raise PoofError("predictions and labels must be label sets of one video, or mappings of the same videos")
    for name, by_video in named.items():
        missing = [video for video in videos if video not in by_video]
        if missing:
            raise PoofError(
                f"{name}: has no prediction for the video {missing[0]}; the labels have {', '.join(videos)}"
            )
    return named


def _common_keypoints(named: Mapping[str, Videos], videos: Videos, alarms: list[str]) -> list[str]:
    """The keypoints that are judged: those of the labels that every prediction knows."""
    first = next(iter(videos.values())).skeleton
    for video, labels in videos.items():
        if set(labels.skeleton.keypoints) != set(first.keypoints):
            raise PoofError(f"{video}: its keypoints differ from the other videos'; evaluate them apart")
    skeletons: dict[str, list[Skeleton]] = {n: [p[v].skeleton for v in videos] for n, p in named.items()}
    for name, own in skeletons.items():
        known = matching.common_keypoints(first, own)
        missing = [k for k in first.keypoints if k not in known]
        if not known:
            theirs = ", ".join(own[0].keypoints)
            raise PoofError(
                f"{name}: no keypoint in common with the labels ({theirs} against {', '.join(first.keypoints)}); "
                "rename them alike"
            )
        if missing:
            text = f"{name}: has no {', '.join(missing)}; judged by the {len(known)} keypoints shared with the labels"
            alarms.append(text)
    names = matching.common_keypoints(first, [s for own in skeletons.values() for s in own])
    if not names:
        raise PoofError("no keypoint of the labels is in all predictions; evaluate them one by one")
    return names


# ------------------------------------------------------------------------------------------------ the result


def _scored(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The table with dx, dy, `error` (Euclidean px of the video) and `score` (in the unit of the thresholds)."""
    difference = table[["px", "py"]].to_numpy() - table[["x", "y"]].to_numpy()
    error = l2_error(difference)
    score = (thesis_error(difference) if metric == "thesis" else error) * table.unit.to_numpy()
    return table.assign(dx=difference[:, 0], dy=difference[:, 1], error=error, score=score)


def _check_left(points: pd.DataFrame, dropped: Mapping[str, int], metric: str, frame: str) -> None:
    if not len(points):
        reasons = ", ".join(f"{count} {name}" for name, count in dropped.items() if count) or "no labelled points"
        raise PoofError(f"nothing is left to judge ({reasons} left out); see --occluded and --score-anchors")
    if not np.isfinite(points.unit).any():
        if frame == "crop" and not metric.startswith("pck"):
            raise PoofError("no box and never two labelled points: no crop to measure in; take --frame image")
        raise PoofError(f"no labelled instance shows the keypoints that {metric} needs; take another --metric")


def _notes(points: pd.DataFrame, dropped: Mapping[str, int], surplus: Mapping[str, int], metric: str) -> list[str]:
    """What was left out or belongs to nobody, one line each."""
    words = {"anchors": "points that a person set in a prediction's file"}
    notes = [f"{count} {words.get(what, f'{what} points')} are not judged" for what, count in dropped.items() if count]
    unsized = int((~np.isfinite(points.unit)).sum())
    if unsized:
        notes.append(f"{unsized} points have no size to measure {metric} by and are left out of the accuracies")
    if not np.isfinite(points.width).all():
        notes.append("no file tells the size of the frames, so delta_avg is unknown; give it with --size WIDTHxHEIGHT")
    for name, count in surplus.items():
        if count:
            notes.append(
                f"{name}: {count} predicted instances belong to no labelled one; only OKS counts them as false"
            )
    return notes


def _unit(metric: str, frame: str, reference: Sequence[str] | None) -> str:
    if metric == "pck-reference":
        return f"of {' - '.join(reference or ())}"
    if metric.startswith("pck"):
        return {"pck-box": "of the box's longer side", "pck-torso": "of the torso", "pck-head": "of the head"}[metric]
    return "px of the 256x192 crop" if frame == "crop" else "px of the video"
