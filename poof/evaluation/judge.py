"""Point errors of one video: its predictions beside its labels, without what does not count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd

from poof.evaluation import matching
from poof.evaluation.frames import frames_alike
from poof.evaluation.metrics import l2_error, thesis_error
from poof.evaluation.oks import keypoint_sigmas
from poof.evaluation.truth import boxed, by_people, measures, without
from poof.labels.model import LabelSet, Source


@dataclass(frozen=True)
class Rules:
    """The options of `evaluate` that say what is judged and how; see there."""

    metric: str
    frame: str
    occluded: str
    match: matching.Match
    score_anchors: bool
    reference: Sequence[str] | None
    image_size: tuple[int, int] | None


@dataclass(frozen=True)
class Judged:
    """One video under its predictions.

    Attributes
    ----------
    tables
        The judged points under each prediction, as in `Report.points`.
    absences
        The keypoints that a person said are absent under each prediction, as in `Report.absences`.
    truth, predictions
        The label sets with the keypoints that count; truth that is not judged is unlabelled.
    dropped
        How many points are not judged, by reason ('occlusion', 'anchors').
    surplus
        By prediction: instances that belong to no labelled one.
    bare
        By prediction: frames with judged points in which nothing was predicted.
    alarms
        What the user should know.
    """

    tables: dict[str, pd.DataFrame]
    absences: dict[str, pd.DataFrame]
    truth: LabelSet
    predictions: dict[str, LabelSet]
    dropped: dict[str, int]
    surplus: dict[str, int]
    bare: dict[str, int]
    alarms: list[str]


def judge_video(
    predictions: Mapping[str, LabelSet],
    truth: LabelSet,
    video: str,
    names: Sequence[str],
    tells: Set[str],
    rules: Rules,
    of: str,
) -> Judged:
    """Bring the predictions of one video to its labels, and leave out what is not judged under any of them.

    `names` are the keypoints that count, `tells` the predictions whose files tell a person's points from others, `of`
    how messages call the video ('' where there is but one).
    """
    notes: list[str] = []
    same: dict[str, LabelSet] = {}
    for name, prediction in predictions.items():
        called = f"{name}, {of}" if of else name
        same[name], note = frames_alike(prediction, truth, called)
        notes += [note] if note else []
        matching.check_same_video(same[name], truth, called)
        notes += _another_video(called, truth.info.get("video"), prediction.info.get("video"))
    predictions = same
    people, alarm = by_people(boxed(truth), of or "the labels")
    labels = matching.select_keypoints(people, names)
    size = next((s.image_size for s in (truth, *predictions.values()) if s.image_size), rules.image_size)
    width, height = size or (np.nan, np.nan)
    base = matching.truth_table(labels, video, measures(people, rules.metric, rules.frame, rules.reference))
    base = base.assign(width=float(width), height=float(height))
    keep = np.ones(len(base), bool)
    if rules.occluded != "score":
        keep = (base.visible.to_numpy() == 1) == (rules.occluded == "only")
    anchors = np.zeros(len(base), bool)
    missing = matching.absence_table(labels, video)
    said = np.zeros(len(missing), bool)
    sigmas = keypoint_sigmas(labels.skeleton)
    ours: dict[str, LabelSet] = {}
    found: dict[str, pd.DataFrame] = {}
    invented: dict[str, pd.DataFrame] = {}
    surplus: dict[str, int] = {}
    for name, prediction in predictions.items():
        ours[name] = matching.same_individuals(matching.select_keypoints(prediction, names), labels)
        by_id = matching.pairs_by_id(ours[name], labels, rules.match)
        found[name], surplus[name] = matching.predicted_columns(ours[name], labels, by_id, sigmas)
        notes += _another_scale(f"{name}, {of}" if of else name, name, base, found[name])
        invented[name] = matching.absence_columns(ours[name], labels, by_id, sigmas)
        if name in tells and not rules.score_anchors:
            anchors |= (found[name].source == Source.HUMAN.label).to_numpy()
            said |= invented[name].by_person.to_numpy(bool)
    judged = keep & ~anchors
    frames = base.frame[judged]
    return Judged(
        absences={name: pd.concat([missing, f], axis=1)[~said] for name, f in invented.items()},
        tables={name: _scored(pd.concat([base, f], axis=1)[judged], rules.metric) for name, f in found.items()},
        truth=without(labels, base[~judged]),
        predictions=ours,
        dropped={"occlusion": int((~keep).sum()), "anchors": int((keep & anchors).sum())},
        surplus=surplus,
        bare={name: int((f.px[judged].isna().groupby(frames).all()).sum()) for name, f in found.items()},
        alarms=[*([alarm] if alarm else []), *notes],
    )


def _another_video(called: str, true: object, predicted: object) -> list[str]:
    """What to say where files name videos that are not called the same, whatever their folder and format."""
    if not (isinstance(true, str) and isinstance(predicted, str)):
        return []
    ours, theirs = Path(true).name, Path(predicted).name
    if Path(ours).stem.lower() == Path(theirs).stem.lower():
        return []
    return [f"{called}: was made of {theirs}, the labels of {ours}; if these are two videos, the figures mean nothing"]


def _another_scale(called: str, name: str, base: pd.DataFrame, found: pd.DataFrame) -> list[str]:
    """What to say where predictions clearly were made on frames of another size than the labels."""
    factors = matching.another_scale(base[["x", "y"]].to_numpy(), found[["px", "py"]].to_numpy())
    if factors is None:
        origin = matching.another_origin(base[["x", "y"]].to_numpy(), found[["px", "py"]].to_numpy())
        if origin is None:
            return []
        return [
            f"{called}: its points look as if made on a crop of the frames: moved by ({origin[0]:.1f},"
            f" {origin[1]:.1f}) px they lie much nearer to the labels; if so, give them in pixels of the whole frame"
        ]
    simple = [Fraction(factor).limit_denominator(8) for factor in factors]
    x, y = (float(s) if abs(s / f - 1) < 0.005 else f for s, f in zip(simple, factors))
    text = f"{x:.3g}" if abs(x / y - 1) < 0.03 else f"{x:.3g},{y:.3g}"
    return [
        f"{called}: its points look as if made on frames of another size: multiplied by {text} they lie much nearer to"
        f" the labels; if so, bring them to the labels' size with: poof convert {name} SCALED.json --scale {text}"
    ]


def _scored(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The table with dx, dy, `error` (Euclidean px of the video), `score` (in the thresholds' unit) and `thesis`."""
    difference = table[["px", "py"]].to_numpy() - table[["x", "y"]].to_numpy()
    error = l2_error(difference)
    mean = thesis_error(difference)
    score = (mean if metric == "thesis" else error) * table.unit.to_numpy()
    thesis = mean * table.crop.to_numpy()
    return table.assign(dx=difference[:, 0], dy=difference[:, 1], error=error, score=score, thesis=thesis)
