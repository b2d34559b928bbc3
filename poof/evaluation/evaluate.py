"""Predictions against labels: which points are judged, by what measure, and the report on them.

What is judged, and what is not
-------------------------------
* A true point counts when a person set it. Truth that was itself carried or predicted is left out (with a warning),
  unless a file holds nothing else. Unlabelled points and labels outside the image (COCO v = 0) are never judged.
* Occluded truth (v = 1) is judged like visible truth: whoever labelled it knew where it was, COCO's own metric counts
  it and the thesis makes no exception. `occluded` leaves it out as TAP-Vid does, or looks at nothing else.
* A judged point without a prediction is wrong; the coverage is reported beside every accuracy, and the misses counted.
* Keypoints that a person said are absent are counted apart: a point predicted there is a false positive. `presence`
  has true and false positives and negatives at any confidence; errors are those of points that both have.
* Frames are matched by the names of their images where both sides name the same ones, else by their numbers.
* The person's labels that a prediction was carried from stand in its file unchanged and would be right by themselves:
  points whose prediction is a person's are left out, for all predictions that are compared. A file in which every point
  is a person's has no provenance (most formats keep none) and is judged as a whole.
* Keypoints are matched by name; those that a prediction does not know are left out for all of them, with a warning.

In which pixels
---------------
By default errors are Euclidean pixels of the video's frames. The thesis' accuracy, (|dx| + |dy|) / 2 in a 256x192 crop
around the subject, stands beside under its own name: 20 px of a 4K video is nothing, 20 px of a thumbnail is a whole
arm, in the crop it is a tenth of the width around the subject whatever the camera, so its numbers for different videos
can be averaged and compared. `frame="crop"` measures the thresholds there; means and percentiles of the error are
Euclidean pixels of the video in either case.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Literal

import numpy as np
import pandas as pd

from poof.errors import PoofError, PoofWarning, names_near
from poof.evaluation import matching
from poof.evaluation.judge import Judged, Rules, judge_video
from poof.evaluation.report import Report
from poof.labels.model import LabelSet, Skeleton

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
    metric: Metric = "l2",
    *,
    frame: Frame = "image",
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
        'l2': Euclidean. 'thesis': mean absolute coordinate error (|dx| + |dy|) / 2 (000-gebotys S1). 'pck-box',
        'pck-torso', 'pck-head', 'pck-reference': Euclidean over a size of the subject (see `normalisers`).
    frame
        'image': pixels of the video. 'crop': pixels of a 256x192 crop around the subject. PCK needs neither.
    occluded
        'score' occluded truth like visible, 'ignore' it, or score 'only' it.
    match
        How instances are paired: by 'id'; to the 'nearest' of each frame, so that swapped identities cost nothing; or
        'auto': by id when both files follow individuals and share numbers or names, else to the nearest.
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
    rules = Rules(metric, frame, occluded, match, score_anchors, reference, image_size)
    limits = _checked(thresholds, rules)
    one = isinstance(truth, LabelSet)
    videos = {"video": truth} if isinstance(truth, LabelSet) else dict(truth)
    named = _by_name(predictions, videos, one)
    alarms: list[str] = []
    names = _common_keypoints(named, videos, alarms)
    tells = {name for name, by_video in named.items() if any(map(matching.has_provenance, by_video.values()))}
    judged: dict[str, Judged] = {}
    for video, labels in videos.items():
        sets = {name: by_video[video] for name, by_video in named.items()}
        judged[video] = judge_video(sets, labels, video, names, tells, rules, "" if one or len(videos) == 1 else video)
        alarms += judged[video].alarms
    points = {name: pd.concat([j.tables[name] for j in judged.values()], ignore_index=True) for name in named}
    dropped = _total(j.dropped for j in judged.values())
    _check_left(next(iter(points.values())), dropped, rules)
    for alarm in alarms:
        warnings.warn(alarm, PoofWarning, stacklevel=2)
    return Report(
        points=points,
        thresholds=limits,
        metric=metric,
        unit=_unit(rules),
        keypoints=tuple(names),
        truth={video: j.truth for video, j in judged.items()},
        predictions={name: {video: j.predictions[name] for video, j in judged.items()} for name in named},
        absences={name: pd.concat([j.absences[name] for j in judged.values()], ignore_index=True) for name in named},
        settings={"thresholds": list(limits), **asdict(rules)},
        warnings=alarms,
        notes=_notes(next(iter(points.values())), judged.values(), rules),
    )


def parse_size(text: str) -> tuple[int, int]:
    """'854x480' as (width, height); a `PoofError` for anything else."""
    width, _, height = text.partition("x")
    sides = [int(side) if side.isascii() and side.isdecimal() and len(side) < 7 else 0 for side in (width, height)]
    if not all(sides):
        raise PoofError(f"size: '{text}' is not WIDTHxHEIGHT; write e.g. 1920x1080")
    return sides[0], sides[1]


def parse_thresholds(text: str) -> tuple[float, ...]:
    """'5,10,20' as numbers; a `PoofError` names what is none."""
    values = []
    for part in text.split(","):
        try:
            values.append(float(part))
            if not math.isfinite(values[-1]):
                raise ValueError
        except ValueError:
            raise PoofError(f"thresholds: '{part.strip()}' is not a number; write e.g. 5,10,20,30") from None
    return tuple(values)


# ------------------------------------------------------------------------------------------------ what was asked for


def _checked(thresholds: Sequence[float] | None, rules: Rules) -> tuple[float, ...]:
    """The thresholds, ascending; a `PoofError` says what is wrong with them or with the rules."""
    for name, choice, valid in (
        ("metric", rules.metric, METRICS),
        ("frame", rules.frame, ("crop", "image")),
        ("occluded", rules.occluded, ("score", "ignore", "only")),
        ("match", rules.match, ("auto", "id", "nearest")),
    ):
        if choice not in valid:
            raise PoofError(f"{name}: '{choice}' is not one of {names_near(choice, valid)}")
    if (rules.metric == "pck-reference") != (rules.reference is not None):
        raise PoofError("the metric pck-reference and a reference (two keypoints) go together; give both or neither")
    relative = rules.metric.startswith("pck")
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
    if isinstance(predictions, LabelSet):
        predictions = {"prediction": dict.fromkeys(videos, predictions)} if one else {}
    single = {name: p for name, p in predictions.items() if isinstance(p, LabelSet)}
    several = {name: p for name, p in predictions.items() if not isinstance(p, LabelSet)}
    named: dict[str, Videos] = several
    if single and not several:
        named = {name: {"video": p} for name, p in single.items()} if one else {"prediction": single}
    if not videos or not named or (single and several):
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


def _left_out(dropped: Mapping[str, int], rules: Rules) -> list[str]:
    words = {
        "occlusion": "visible points" if rules.occluded == "only" else "occluded points",
        "anchors": "points that a person set in a prediction's file",
    }
    return [f"{count} {words[what]}" for what, count in dropped.items() if count]


def _check_left(points: pd.DataFrame, dropped: Mapping[str, int], rules: Rules) -> None:
    if not len(points):
        reasons = " and ".join(_left_out(dropped, rules)) or "all points"
        raise PoofError(f"nothing is left to judge: {reasons} do not count; see --occluded and --score-anchors")
    if not np.isfinite(points.unit).any():
        if rules.metric.startswith("pck"):
            raise PoofError(f"no labelled instance has the size that {rules.metric} needs; take another --metric")
        raise PoofError("no box and never two labelled points: no crop to measure in; take --frame image")


def _total(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for own in counts:
        total.update(own)
    return total


def _notes(points: pd.DataFrame, judged: Collection[Judged], rules: Rules) -> list[str]:
    """What was left out or belongs to nobody, one line each."""
    notes = [f"{reason} are not judged" for reason in _left_out(_total(j.dropped for j in judged), rules)]
    unsized = int((~np.isfinite(points.unit)).sum())
    if unsized:
        notes.append(f"{unsized} points have no size to measure {rules.metric} by and are left out of the accuracies")
    if not np.isfinite(points.width).all():
        notes.append("no file tells the size of the frames, so delta_avg is unknown; give it with --size WIDTHxHEIGHT")
    frames = points.groupby(["video", "frame"]).ngroups
    for name, count in _total(j.bare for j in judged).items():
        if count:
            notes.append(f"{name}: nothing was predicted in {count} of {frames} labelled frames; they count as wrong")
    for name, count in _total(j.surplus for j in judged).items():
        if count:
            notes.append(f"{name}: {count} predicted instances are no labelled one; only OKS counts them as false")
    return notes


def _unit(rules: Rules) -> str:
    if rules.metric == "pck-reference":
        return f"of {' - '.join(rules.reference or ())}"
    if rules.metric.startswith("pck"):
        return {"pck-box": "of the box's longer side", "pck-torso": "of the torso"}.get(rules.metric, "of the head")
    return "px of the 256x192 crop" if rules.frame == "crop" else "px of the video"
