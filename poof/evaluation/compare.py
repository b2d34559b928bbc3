"""Several predictions of the same points side by side: intervals, differences, and whether they can be luck."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from poof.errors import PoofError
from poof.evaluation.significance import Interval, cluster_numbers, interval, mcnemar_of, resampled_means

Array = np.ndarray
Resample = Literal["auto", "frame", "video"]

MANY_VIDEOS = 10


@dataclass(frozen=True)
class Comparison:
    """What resampling says of an evaluation.

    Attributes
    ----------
    intervals
        One row a prediction and measure ('acc@20' ..., and 'error', the mean Euclidean error in px of the video over
        the points that all predictions have): columns prediction, measure, value, low, high. Where all points are
        right, or none is, there is no interval (NaN): resampling cannot see what has not happened yet.
    pairs
        One row a prediction other than the baseline and measure: prediction, baseline, measure, difference (prediction
        minus baseline) with low, high; for accuracies only_prediction and only_baseline (points that only one got
        right), statistic, p and method of McNemar's test.
    settings
        baseline, samples, seed, level, what was resampled ('frame' or 'video') and how many clusters there are.
    """

    intervals: pd.DataFrame
    pairs: pd.DataFrame
    settings: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain lists and dicts."""
        return {
            "settings": self.settings,
            "intervals": self.intervals.to_dict("records"),
            "pairs": self.pairs.to_dict("records"),
        }


def accuracy_column(threshold: float) -> str:
    """How the accuracy at a threshold is called in tables: 'acc@20'."""
    return f"acc@{threshold:g}"


def compare_points(
    points: Mapping[str, pd.DataFrame],
    thresholds: Sequence[float],
    baseline: str,
    samples: int = 1000,
    seed: int = 0,
    resample: Resample = "auto",
    level: float = 0.95,
) -> Comparison:
    """Intervals of every prediction, and of its difference from the baseline with McNemar's test.

    Parameters
    ----------
    points
        As in `Report.points`: the same rows under every name.
    thresholds
        Scores strictly below are right.
    baseline
        One of the names.
    samples, seed, level
        See `significance.paired_bootstrap`.
    resample
        What is drawn: whole 'video's, or 'frame's; 'auto' takes videos from 10 on. Frames of one video resemble each
        other: intervals by frame speak of this footage, not of the next video.

    Raises
    ------
    PoofError
        If there is no such way of resampling.
    """
    if resample not in ("auto", "frame", "video"):
        raise PoofError(f"resample: '{resample}' is not one of auto, frame, video")
    names, first = list(points), points[baseline]
    video, frame = first.video.to_numpy(), first.frame.to_numpy()
    by_video = len(np.unique(video)) >= MANY_VIDEOS if resample == "auto" else resample == "video"
    clusters = cluster_numbers(video) if by_video else cluster_numbers(video, frame)
    settings: dict[str, Any] = {
        "baseline": baseline,
        "samples": samples,
        "seed": seed,
        "level": level,
        "resampled": "video" if by_video else "frame",
        "clusters": int(clusters.max(initial=-1)) + 1,
    }
    intervals: list[dict[str, Any]] = []
    pairs: list[dict[str, Any]] = []
    base = names.index(baseline)
    for measure, values, means, drawn in _resampled(points, thresholds, clusters, samples, seed):
        for i, name in enumerate(names):
            own = interval(means[i], drawn[:, i], level)
            intervals.append({"prediction": name, "measure": measure} | _row("value", own))
            if i != base:
                row: dict[str, Any] = {"prediction": name, "baseline": baseline, "measure": measure}
                row |= _row("difference", interval(means[i] - means[base], drawn[:, i] - drawn[:, base], level))
                pairs.append(row | ({} if measure == "error" else _test(values[:, i], values[:, base])))
    return Comparison(pd.DataFrame(intervals), pd.DataFrame(pairs), settings)


def _resampled(
    points: Mapping[str, pd.DataFrame], thresholds: Sequence[float], clusters: Array, samples: int, seed: int
) -> Iterator[tuple[str, Array, Array, Array]]:
    """Every measure with its values (N, P), means (P,) and resampled means (samples, P).

    The values of an accuracy are 1 for right, 0 for wrong, NaN for points that the metric cannot judge. All accuracies
    are drawn at once, the errors apart: they leave out the points that a prediction does not have.
    """
    sized = np.isfinite(next(iter(points.values())).unit.to_numpy())[:, None]
    score = np.stack([table.score.to_numpy() for table in points.values()], axis=1)
    right = [np.where(sized, score < t, np.nan) for t in thresholds]
    means, drawn = resampled_means(np.concatenate(right, axis=1), clusters, samples, seed)
    for i, threshold in enumerate(thresholds):
        part = slice(i * len(points), (i + 1) * len(points))
        yield accuracy_column(threshold), right[i], means[part], drawn[:, part]
    error = np.stack([table.error.to_numpy() for table in points.values()], axis=1)
    yield "error", error, *resampled_means(error, clusters, samples, seed)


def _row(name: str, estimate: Interval) -> dict[str, float]:
    return {name: estimate.value, "low": estimate.low, "high": estimate.high}


def _test(ours: Array, baseline: Array) -> dict[str, Any]:
    judged = np.isfinite(ours)
    test = mcnemar_of(ours[judged] > 0, baseline[judged] > 0)
    return {
        "only_prediction": test.first_only,
        "only_baseline": test.second_only,
        "statistic": test.statistic,
        "p": test.p,
        "method": test.method,
    }
