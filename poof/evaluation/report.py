"""The result of an evaluation: every judged point, and what can be said of groups of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from poof.errors import PoofError, names_near
from poof.evaluation.calibration import auroc, expected_calibration_error, reliability
from poof.evaluation.compare import Comparison, Resample, accuracy_column, compare_points
from poof.evaluation.metrics import accuracy_curve, coverage, delta_avg, error_statistics, pck
from poof.evaluation.oks import average_precision
from poof.files import write_text
from poof.labels.model import LabelSet, Visible
from poof.printable import plural

Array = np.ndarray

DISTANCES = ((0, 0), (1, 2), (3, 5), (6, 10), (11, 20), (21, None))
MAIN_THRESHOLDS = (20.0, 0.2)
THESIS_THRESHOLDS = (5.0, 10.0, 20.0, 30.0)
PRESENCE_CONFIDENCES = (0.0, 0.25, 0.5, 0.75, 0.9)


@dataclass(eq=False)
class Report:
    """An evaluation of one or several predictions on the same points.

    Attributes
    ----------
    points
        Name of the prediction -> one row a judged true point, the same rows in the same order for every prediction:
        video, frame, instance, keypoint, x, y, visible, px, py (NaN: not predicted), dx, dy, error (Euclidean px of
        the video), score (in `unit`), confidence, source, distance (frames to the nearest anchor), side (of the box),
        unit (factor; NaN: cannot be judged by this metric), thesis ((|dx| + |dy|) / 2 in px of the 256x192 crop),
        width, height (of the video).
    absences
        Name of the prediction -> one row for every keypoint that a person said is absent: video, frame, instance,
        keypoint, predicted (bool), confidence (of a point predicted there).
    thresholds
        Ascending.
    metric, unit
        What the score is, and its unit in words.
    keypoints
        Names of the judged keypoints.
    truth, predictions
        What was judged, as label sets by video with these keypoints; truth that is not judged is unlabelled in them.
    settings
        The options.
    warnings, notes
        What a reader has to know beside the numbers: what was given as `PoofWarning`, and the rest.
    """

    points: dict[str, pd.DataFrame]
    thresholds: tuple[float, ...]
    metric: str
    unit: str
    keypoints: tuple[str, ...]
    truth: dict[str, LabelSet]
    predictions: dict[str, dict[str, LabelSet]]
    absences: dict[str, pd.DataFrame] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        whole = self.table[self.table.group == "all"].set_index("prediction")
        told = [
            f"{name}: mean {row['mean']:.2f} px, {row['misses']} misses, {row['false_positives']:.0f} false positives"
            for name, row in whole.iterrows()
        ]
        return f"Report({plural(len(next(iter(self.points.values()))), 'point')}; {'; '.join(told)})"

    @property
    def names(self) -> list[str]:
        """The predictions, in the order in which they were given."""
        return list(self.points)

    def known(self, prediction: str | None) -> str:
        """The name of a prediction, None meaning the first; a `PoofError` lists the names when there is no such."""
        if prediction is None:
            return self.names[0]
        if prediction not in self.points:
            raise PoofError(f"no prediction '{prediction}'; there are {names_near(prediction, self.names)}")
        return prediction

    @property
    def main_threshold(self) -> float:
        """The threshold of tables that show but one: 20 px (the thesis) or 0.2 (PCK) if among them, else the middle."""
        usual = [t for t in self.thresholds if t in MAIN_THRESHOLDS]
        return usual[0] if usual else self.thresholds[len(self.thresholds) // 2]

    @cached_property
    def table(self) -> pd.DataFrame:
        """Every number of the report, one row a prediction and group of points.

        Columns prediction; group ('all', 'joint', 'mean of joints', 'video', 'source', 'distance') and name within it;
        points, misses (points not predicted), absent (keypoints said to be absent) and false_positives (points
        predicted there; NaN in groups by source and distance); coverage; accuracies 'acc@T'; mean, p50 ... p99
        (Euclidean px of the video, of the predicted points); 'thesis@T' (accuracy in the 256x192 crop); delta_avg
        (TAP-Vid; of visible points only, NaN without any or where the size of the frames is unknown) and pck@0.2 (of
        the box's longer side). Shares are in [0, 1].
        """
        rows: list[dict[str, Any]] = []
        for prediction, points in self.points.items():
            absent = self.absences.get(prediction)
            joints = self._rows(points, "joint", points.keypoint, self.keypoints, absent)
            averages = pd.DataFrame(joints).drop(columns=["group", "name"]).mean()
            mean = {"group": "mean of joints", "name": ""} | averages.to_dict() | self._counts(points, absent)
            distances, order = _distance_groups(points)
            own = [
                {"group": "all", "name": ""} | self._describe(points) | self._counts(points, absent),
                *joints,
                mean,
                *self._rows(points, "video", points.video, list(self.truth), absent),
                *self._rows(points, "source", points.source, sorted(points.source.unique())),
                *self._rows(points, "distance", distances, order),
            ]
            rows += [{"prediction": prediction} | row for row in own]
        return pd.DataFrame(rows)

    def curve(self, thresholds: Sequence[float] | Array | None = None) -> tuple[Array, dict[str, Array]]:
        """Accuracy over the threshold (000-gebotys Fig. 3.3): thresholds (T,) and accuracies (T,) by prediction.

        By default 151 thresholds from 0 to half as much again as the largest one.
        """
        grid = np.linspace(0, 1.5 * self.thresholds[-1], 151) if thresholds is None else np.asarray(thresholds, float)
        return grid, {name: accuracy_curve(_scores(points), grid) for name, points in self.points.items()}

    def compare(
        self,
        baseline: str | None = None,
        samples: int = 1000,
        seed: int = 0,
        resample: Resample = "auto",
        level: float = 0.95,
    ) -> Comparison:
        """Bootstrap intervals of every prediction, and its difference from the baseline with McNemar's test.

        The baseline is the name of a prediction, the first one by default; the other parameters are those of
        `compare.compare_points`.

        Raises
        ------
        PoofError
            If there is no such baseline or way of resampling.
        """
        return compare_points(self.points, self.thresholds, self.known(baseline), samples, seed, resample, level)

    def presence(self, confidences: Sequence[float] = PRESENCE_CONFIDENCES) -> pd.DataFrame:
        """Whether keypoints were found where they are, and only there, as SLEAP's visibility metrics count.

        Parameters
        ----------
        confidences
            Points below each are left out; a point of unknown confidence never is.

        Returns
        -------
        DataFrame
            One row a prediction and confidence: prediction, confidence, tp (predicted where the labels have a point, at
            any distance), fn (misses), fp (predicted where a person said absent), tn, precision, recall, auroc (of the
            confidence, for presence among all of them; the same in every row).
        """
        rows: list[dict[str, Any]] = []
        for name, points in self.points.items():
            absent = self.absences.get(name, pd.DataFrame({"predicted": [], "confidence": []}))
            here, away = points.px.notna().to_numpy(bool), absent.predicted.to_numpy(bool)
            sure = [np.where(f, np.nan_to_num(c, nan=1.0), 0.0) for f, c in
                    ((here, points.confidence.to_numpy(float)), (away, absent.confidence.to_numpy(float)))]  # fmt: skip
            ranked = auroc(np.concatenate(sure), np.repeat([True, False], [len(here), len(away)]))
            for threshold in confidences:
                tp, fp = (int((f & (c >= np.float32(threshold))).sum()) for f, c in zip((here, away), sure))
                rows.append({"prediction": name, "confidence": threshold, "tp": tp, "fn": len(here) - tp, "fp": fp,
                             "tn": len(away) - fp, "precision": tp / (tp + fp) if tp + fp else float("nan"),
                             "recall": tp / len(here) if len(here) else float("nan"), "auroc": ranked})  # fmt: skip
        return pd.DataFrame(rows)

    def oks(self, sigmas: float | Mapping[str, float] | None = None) -> pd.DataFrame:
        """COCO's keypoint AP of every prediction: columns prediction, AP, AP50, AP75, AR, instances (see `oks`)."""
        rows = [
            {"prediction": name} | average_precision(videos, self.truth, sigmas)
            for name, videos in self.predictions.items()
        ]
        return pd.DataFrame(rows)

    def calibration(self, threshold: float | None = None, bins: int = 10) -> pd.DataFrame:
        """Does the confidence foretell whether the score is below `threshold` (by default the main one)?

        One row for every prediction whose file has confidences: prediction, threshold, points, confidence (mean),
        accuracy, ece, auroc (of 1 - confidence for the points in error). Points that were not predicted have no say.
        """
        threshold = self.main_threshold if threshold is None else threshold
        rows = []
        for name in self.names:
            confidence, right = self._trust(name, threshold)
            if len(confidence):
                rows.append({"prediction": name, "threshold": threshold, "points": len(confidence),
                             "confidence": float(confidence.mean()), "accuracy": float(right.mean()),
                             "ece": expected_calibration_error(confidence, right, bins),
                             "auroc": auroc(1 - confidence, ~right)})  # fmt: skip
        columns = ["prediction", "threshold", "points", "confidence", "accuracy", "ece", "auroc"]
        return pd.DataFrame(rows, columns=columns)

    def reliability(
        self, prediction: str | None = None, threshold: float | None = None, bins: int = 10
    ) -> pd.DataFrame:
        """The bins of one prediction's confidences; see `calibration.reliability`."""
        threshold = self.main_threshold if threshold is None else threshold
        return reliability(*self._trust(self.known(prediction), threshold), bins)

    def to_csv(self, path: Path) -> None:
        """Write `table` as CSV, atomically."""
        write_text(Path(path), self.table.to_csv(index=False))

    def as_dict(self) -> dict[str, Any]:
        """Settings, unit, notes, every row of `table` and the curve, ready for JSON once NaN is replaced."""
        grid, accuracies = self.curve()
        return {
            "settings": self.settings,
            "unit": self.unit,
            "keypoints": list(self.keypoints),
            "notes": [*self.warnings, *self.notes],
            "rows": self.table.to_dict("records"),
            "presence": self.presence().to_dict("records"),
            "curve": {"threshold": grid.tolist()} | {name: values.tolist() for name, values in accuracies.items()},
        }

    def _trust(self, prediction: str, threshold: float) -> tuple[Array, Array]:
        points = self.points[prediction]
        points = points[np.isfinite(points.score) & np.isfinite(points.confidence)]
        return points.confidence.to_numpy(), points.score.to_numpy() < threshold

    def _describe(self, points: pd.DataFrame) -> dict[str, Any]:
        error = points.error.to_numpy()
        seen = points[points.visible == Visible.VISIBLE]  # TAP-Vid knows no others
        accuracies = accuracy_curve(_scores(points), self.thresholds).tolist()
        return {
            "points": len(points),
            "coverage": coverage(error),
            **dict(zip(map(accuracy_column, self.thresholds), accuracies)),
            **error_statistics(error),
            **{
                f"thesis@{t:g}": value
                for t, value in zip(THESIS_THRESHOLDS, accuracy_curve(_cropped(points), THESIS_THRESHOLDS).tolist())
            },
            "delta_avg": delta_avg(seen[["dx", "dy"]].to_numpy(), seen[["width", "height"]].to_numpy()),
            "pck@0.2": pck(error, points.side.to_numpy(), 0.2),
        }

    @staticmethod
    def _counts(points: pd.DataFrame, absent: pd.DataFrame | None) -> dict[str, Any]:
        return {
            "points": len(points),
            "misses": int(points.px.isna().sum()),
            "absent": 0 if absent is None else len(absent),
            "false_positives": 0 if absent is None else int(absent.predicted.sum()),
        }

    def _rows(
        self,
        points: pd.DataFrame,
        group: str,
        member: pd.Series[Any],
        order: Sequence[Any],
        absent: pd.DataFrame | None = None,
    ) -> list[dict[str, Any]]:
        parts = dict(list(points.groupby(member.to_numpy(), sort=False)))
        column = {"joint": "keypoint", "video": "video"}.get(group)
        rows = []
        for key in order:
            if key in parts:
                row = {"group": group, "name": str(key)} | self._describe(parts[key])
                own = absent[absent[column] == key] if absent is not None and column else None
                row |= self._counts(parts[key], own) if own is not None else {"misses": int(parts[key].px.isna().sum())}
                rows.append(row)
        return rows


def _scores(points: pd.DataFrame) -> Array:
    """Scores of the points that can be judged by the metric; NaN is left for those that were not predicted."""
    return points.score.to_numpy()[np.isfinite(points.unit.to_numpy())]


def _cropped(points: pd.DataFrame) -> Array:
    """The thesis' errors of the points that have a crop; NaN is left for those that were not predicted."""
    return points.thesis.to_numpy()[np.isfinite(points.crop.to_numpy())]


def _distance_groups(points: pd.DataFrame) -> tuple[pd.Series[Any], list[str]]:
    """The bucket of every point's distance to the nearest anchor, '' without, and the buckets in order."""
    distance = points.distance.to_numpy()
    labels = np.full(len(points), "", dtype=object)
    order = []
    for low, high in DISTANCES:
        name = f"over {low - 1}" if high is None else str(low) if low == high else f"{low}-{high}"
        labels[(distance >= low) & (distance <= (np.inf if high is None else high))] = name
        order.append(name)
    return pd.Series(labels), order
