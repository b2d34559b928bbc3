"""A report as tables for the terminal. Shares are shown as per cent, errors in pixels of the video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table

from poof.evaluation.compare import Comparison, accuracy_column
from poof.evaluation.report import Report

TAILS = ("p75", "p90", "p95", "p99")
GROUP_TITLES = {
    "joint": "Per joint",
    "video": "Per video",
    "source": "By where the points come from",
    "distance": "By frames to the nearest anchor",
}


def error_table(report: Report) -> Table:
    """Mean and percentiles of the error, what was missed or invented, and the measures of other papers."""
    table = Table(title="Error of the predicted points: Euclidean px of the video's frames")
    numbers = ["points", "misses", "false positives", *(f"{n}, px" for n in ("mean", "median", *TAILS))]
    _head(table, ["prediction"], [*numbers, "thesis < 20 px of the crop, %", "delta_avg, %", "PCK@0.2 box, %"])
    for _, row in report.table[report.table.group == "all"].iterrows():
        errors = [_number(row[name]) for name in ("mean", "p50", *TAILS)]
        false = f"{row.false_positives:.0f} of {row.absent:.0f} absent" if row.absent else "-"
        shares = [percent(row[name]) for name in ("thesis@20", "delta_avg", "pck@0.2")]
        table.add_row(row.prediction, str(row.points), str(row.misses), false, *errors, *shares)
    return table


def accuracy_table(report: Report, comparison: Comparison | None = None) -> Table:
    """Accuracy of every prediction at every threshold, with its interval where there is a comparison."""
    what = "Euclidean" if report.metric == "l2" else report.metric
    table = Table(title=f"Accuracy: share of all points with {what} error below T {report.unit}, %")
    _head(table, ["prediction"], ["points", "predicted, %", *(f"T = {t:g}" for t in report.thresholds)])
    whole = report.table[report.table.group == "all"]
    for _, row in whole.iterrows():
        cells = []
        for threshold in report.thresholds:
            name = accuracy_column(threshold)
            text = percent(row[name])
            if comparison is not None:
                text += _interval(comparison.intervals, row.prediction, name)
            cells.append(text)
        table.add_row(row.prediction, str(row.points), percent(row.coverage), *cells)
    return table


def presence_table(presence: pd.DataFrame) -> Table:
    """Points found, missed and invented, over the confidence below which points are left out."""
    table = Table(
        title="Presence: points predicted where the labels have one (at any distance), and where they say absent"
    )
    numbers = ["confidence from", "found (TP)", "missed (FN)", "invented (FP)", "left out rightly (TN)"]
    _head(table, ["prediction"], [*numbers, "precision, %", "recall, %", "AUROC"])
    for _, row in presence.iterrows():
        counts = [str(int(row[name])) for name in ("tp", "fn", "fp", "tn")]
        shares = [percent(row.precision), percent(row.recall), _number(row.auroc, 3)]
        table.add_row(row.prediction, f"{row.confidence:g}", *counts, *shares)
    return table


def group_table(report: Report, group: str, baseline: str | None = None) -> Table:
    """One row for every joint, video, source or distance.

    A single prediction shows all thresholds; several show the main one side by side, and the difference of each from
    the baseline (by default the first). Distances need a prediction whose file tells where its points come from.
    """
    rows = report.table[report.table.group == group]
    if group == "joint":
        rows = report.table[report.table.group.isin(["joint", "mean of joints"])].replace({"name": {"": "mean"}})
    main = accuracy_column(report.main_threshold)
    title = GROUP_TITLES[group]
    if not len(rows):
        return Table("no prediction's file tells its anchors", title=title)
    if len(report.names) == 1:
        table = Table(title=f"{title}: share of points below T {report.unit}, %")
        numbers = ["points", "predicted, %", *(f"T = {t:g}" for t in report.thresholds), "mean, px", "p95, px"]
        counted = group in ("joint", "video")
        _head(table, [group], [*numbers, *(("misses", "false positives") if counted else ())])
        for _, row in rows.iterrows():
            accuracies = [percent(row[accuracy_column(t)]) for t in report.thresholds]
            errors = [_number(row["mean"]), _number(row.p95)]
            false = f"{row.false_positives:.0f} of {row.absent:.0f}" if row.absent > 0 else "-"
            more = [str(row.misses), false] if counted else []
            table.add_row(row["name"], str(row.points), percent(row.coverage), *accuracies, *errors, *more)
        return table
    baseline = baseline or report.names[0]
    others = [name for name in report.names if name != baseline]
    grid = rows.pivot(index="name", columns="prediction", values=main).reindex(rows["name"].unique())
    counts = rows.pivot(index="name", columns="prediction", values="points").max(axis=1).reindex(grid.index)
    table = Table(title=f"{title}: accuracy below {report.main_threshold:g} {report.unit}, %")
    # Points of one source or distance differ between predictions, so a difference there would compare unlike points.
    paired = group in ("joint", "video")
    _head(table, [group], (["points"] if paired else []) + [baseline])
    for other in others:
        _head(table, [], [other, "difference"] if paired else [other])
    for name, row in zip(grid.index.astype(str), (row for _, row in grid.iterrows())):
        cells = [str(int(counts[name]))] if paired else []
        cells.append(percent(row[baseline]))
        for other in others:
            cells.append(percent(row[other]))
            if paired:
                cells.append(_signed(100 * (row[other] - row[baseline])))
        table.add_row(name, *cells)
    return table


def comparison_table(comparison: Comparison) -> Table:
    """Differences from the baseline with intervals and McNemar's test."""
    how = comparison.settings
    drawn = f"{how['samples']} bootstrap samples of {how['clusters']} {how['resampled']}s"
    table = Table(
        title=f"Difference from {how['baseline']}",
        caption=f"{100 * how['level']:g} % interval of {drawn}; McNemar's p takes every point for independent",
    )
    _head(table, ["prediction", "measure"], ["difference", "interval", "right: only it", "only baseline", "p"])
    for _, row in comparison.pairs.iterrows():
        errors = row.measure == "error"
        scale = 1 if errors else 100
        interval = f"{_signed(scale * row.low)} to {_signed(scale * row.high)}" if np.isfinite(row.low) else "-"
        test = ["", "", ""] if errors else [f"{row.only_prediction:.0f}", f"{row.only_baseline:.0f}", f"{row.p:.2g}"]
        measure = "mean error of common points, px" if errors else f"{row.measure}, %"
        table.add_row(row.prediction, measure, _signed(scale * row.difference), interval, *test)
    return table


def oks_table(oks: pd.DataFrame) -> Table:
    """COCO's average precision of every prediction."""
    table = Table(title="COCO keypoint AP over object keypoint similarity, %")
    _head(table, ["prediction"], ["AP", "AP50", "AP75", "AR", "instances"])
    for _, row in oks.iterrows():
        values = [percent(row[name]) for name in ("AP", "AP50", "AP75", "AR")]
        table.add_row(row.prediction, *values, str(row.instances))
    return table


def calibration_table(calibration: pd.DataFrame, unit: str) -> Table:
    """How well the confidences foretell what is right."""
    table = Table(title=f"Confidence against being right below T {unit}")
    _head(table, ["prediction"], ["T", "points", "mean confidence, %", "accuracy, %", "ECE, %", "AUROC"])
    for _, row in calibration.iterrows():
        shares = [percent(row[name]) for name in ("confidence", "accuracy", "ece")]
        table.add_row(row.prediction, f"{row.threshold:g}", str(row.points), *shares, _number(row.auroc, 3))
    return table


def percent(share: float) -> str:
    """A share as per cent with one decimal, '-' for NaN."""
    return _number(100 * share, 1)


def _number(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else "-"


def _signed(value: float) -> str:
    return f"{value:+.2f}" if np.isfinite(value) else "-"


def _interval(intervals: pd.DataFrame, prediction: str, measure: str) -> str:
    row = intervals[(intervals.prediction == prediction) & (intervals.measure == measure)].iloc[0]
    return f" ({percent(row.low)}-{percent(row.high)})" if np.isfinite(row.low) else ""


def _head(table: Table, texts: Sequence[str], numbers: Sequence[str]) -> None:
    kinds: list[tuple[str, dict[str, Any]]] = [(t, {"overflow": "fold"}) for t in texts]
    kinds += [(n, {"justify": "right"}) for n in numbers]
    for name, options in kinds:
        table.add_column(name, **options)
