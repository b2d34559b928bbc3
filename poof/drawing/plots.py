"""Curves as matplotlib figures: reliability, error over distance, accuracy over threshold, training.

Every function takes plain arrays and returns a `Figure` of its own; pyplot and its global state are not used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from poof.errors import PoofError
from poof.files import atomic, check_output

Array = np.ndarray

# Okabe and Ito's palette for all colour vision, without its black and its pale yellow.
LINE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
LINE_STYLES = ("-", "--", ":", "-.")
INK, FAINT, GRID = "#22262d", "#8a909b", "#e2e4e8"


def save_figure(figure: Figure, path: str | Path, force: bool = False, dpi: int = 130, checked: bool = False) -> None:
    """Write a figure, atomically; the name's ending gives the format (png, pdf, svg, jpg).

    `force` is that of `check_output`; with `checked` the output was looked at before the work, or lies in a run.

    Raises
    ------
    PoofError
        If the file may not be replaced or cannot be written, or matplotlib does not write such files.
    """
    path = Path(path)
    if not checked:
        check_output(path, force)
    known = sorted(figure.canvas.get_supported_filetypes())
    if path.suffix.lower().lstrip(".") not in known:
        raise PoofError(f"{path}: figures are written as {', '.join(known)}; choose one of these endings")
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=dpi)


def reliability_diagram(confidence: Array, accuracy: Array, points: Array, title: str = "") -> Figure:
    """What the confidence promised against what was true, with the points of each bin below.

    Parameters
    ----------
    confidence, accuracy : (B,)
        Mean confidence and share of points under the error threshold in each bin, both in [0, 1]; NaN in empty bins.
    points : (B,)
        Points in each bin.
    title
        Stands above the diagram.

    Returns
    -------
    Figure
        Bars at +-1.96 standard errors show the 95 % interval after Wilson (1927), which stays within [0, 1].
    """
    confidence, accuracy, points = (np.asarray(a, np.float64) for a in (confidence, accuracy, points))
    used = points > 0
    x, y, n = confidence[used], accuracy[used], points[used]
    figure = Figure(figsize=(5.2, 6.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    upper.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1, label="confidence = accuracy")
    low, high = wilson(y, n)
    error = np.stack([y - low, high - y]).clip(0)
    label = "measured, 95 % interval"
    upper.errorbar(x, y, yerr=error, color=LINE_COLOURS[0], marker="o", capsize=2, label=label)
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="share of points under the error threshold")
    upper.set_box_aspect(1)
    lower.set_box_aspect(0.25)
    gap = float((np.abs(x - y) * n).sum() / n.sum()) if n.sum() else float("nan")
    upper.text(0.97, 0.05, f"expected calibration error {gap:.3f}", ha="right", color=INK, transform=upper.transAxes)
    lower.bar(x, n, width=0.7 / max(len(points), 1), color=LINE_COLOURS[0], alpha=0.5)
    lower.set(xlabel="confidence", ylabel="points")
    upper.legend(frameon=False, loc="upper left")
    _finish(figure, [upper, lower], title)
    return figure


def wilson(share: Array, count: Array, z: float = 1.96) -> tuple[Array, Array]:
    """The interval of a measured share of `count` trials after Wilson (1927, J. Am. Stat. Assoc. 22): low, high.

    (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)
    """
    middle = share + z**2 / (2 * count)
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return (middle - half) / (1 + z**2 / count), (middle + half) / (1 + z**2 / count)


def error_over_distance(
    distance: Array,
    error: Array,
    low: Array | None = None,
    high: Array | None = None,
    *,
    keypoints: Mapping[str, Array] | None = None,
    threshold: float | None = None,
    radius: int | None = None,
    unit: str = "px",
    title: str = "",
) -> Figure:
    """How the error grows with the distance from the anchor.

    Parameters
    ----------
    distance : (D,)
        Frames from the anchor, ascending.
    error : (D,)
        Error over all keypoints at that distance; NaN where it was not measured.
    low, high : (D,)
        Its interval; both or none.
    keypoints
        Name -> (D,) error of one keypoint: thin lines, the three worst of them named.
    threshold
        The error that is allowed, drawn across.
    radius
        The radius that follows from it, drawn upright.
    unit
        Of the errors.
    title
        Stands above the curve.
    """
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.subplots()
    lines = {name: np.asarray(values, np.float64) for name, values in (keypoints or {}).items()}
    named = sorted((n for n in lines if np.isfinite(lines[n]).any()), key=lambda n: -np.nanmax(lines[n]))[:3]
    for name, values in lines.items():
        axes.plot(distance, values, color=FAINT, linewidth=0.7, alpha=0.7)
        if name in named:
            last = int(np.flatnonzero(np.isfinite(values))[-1])
            at = (float(distance[last]), float(values[last]))
            axes.annotate(name, at, xytext=(3, 0), textcoords="offset points", color=FAINT, va="center", fontsize=8)
    if low is not None and high is not None:
        axes.fill_between(distance, low, high, color=LINE_COLOURS[0], alpha=0.2, linewidth=0, label="interval")
    axes.plot(distance, error, color=LINE_COLOURS[0], linewidth=2, marker="o", markersize=3, label="all keypoints")
    if lines:
        axes.plot([], [], color=FAINT, linewidth=0.7, label="single keypoints")
    if threshold is not None:
        axes.axhline(threshold, color=LINE_COLOURS[1], linewidth=1.2, label=f"allowed: {threshold:.3g} {unit}")
    if radius is not None:
        axes.axvline(radius, color=LINE_COLOURS[2], linewidth=1.2, linestyle="--", label=f"radius {radius}")
    axes.set(xlabel="frames from the anchor", ylabel=f"error ({unit})", xlim=(0, None), ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, loc="upper left")
    _finish(figure, [axes], title)
    return figure


def accuracy_over_threshold(
    thresholds: Array, curves: Mapping[str, Array], *, marked: Sequence[float] = (), unit: str = "px", title: str = ""
) -> Figure:
    """The share of points whose error is below a threshold, over that threshold; one line a method or joint.

    Parameters
    ----------
    thresholds : (T,)
        Ascending.
    curves
        Name -> (T,) shares in [0, 1].
    marked
        Thresholds that are reported in the tables: upright lines.
    unit
        Of the thresholds.
    title
        Stands above the curves.
    """
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.subplots()
    for value in marked:
        axes.axvline(value, color=FAINT, linewidth=0.8, linestyle=":")
    for number, (name, values) in enumerate(curves.items()):
        axes.plot(thresholds, values, label=name, **_line(number))
    axes.set(xlabel=f"error threshold ({unit})", ylabel="share of points below it", ylim=(0, 1.01))
    axes.set_xlim(0, float(np.max(thresholds)))
    if curves:
        beside = len(curves) > 6
        place: dict[str, Any] = (
            {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)} if beside else {"loc": "lower right"}
        )
        axes.legend(frameon=False, fontsize=8 if beside else 9, **place)
    _finish(figure, [axes], title)
    return figure


def training_curves(
    history: Mapping[str, Sequence[float]],
    steps: Sequence[float] | None = None,
    *,
    best: float | None = None,
    step_name: str = "epoch",
    title: str = "",
) -> Figure:
    """How training went: one panel a quantity, training and validation in it together.

    Parameters
    ----------
    history
        Name -> value per step, NaN where it was not measured. 'train_loss' and 'val_loss' share the panel 'loss'.
    steps
        The step of each value; 0, 1, 2 ... when None.
    best
        The step whose weights were kept, drawn upright.
    step_name
        What a step is.
    title
        Stands above the panels.

    Raises
    ------
    PoofError
        If there is nothing to draw.
    """
    panels: dict[str, list[tuple[str, Sequence[float]]]] = {}
    for name, values in history.items():
        part, _, quantity = name.partition("_")
        if part not in ("train", "val", "test") or not quantity:
            part, quantity = "", name
        panels.setdefault(quantity, []).append((part, values))
    if not panels:
        raise PoofError("there are no training curves to draw; the history is empty")
    figure = Figure(figsize=(5.2 * len(panels), 3.8), layout="constrained")
    every = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (quantity, lines) in zip(every, panels.items(), strict=True):
        for number, (part, values) in enumerate(lines):
            at = np.arange(len(values)) if steps is None else np.asarray(steps)[: len(values)]
            measured = np.isfinite(np.asarray(values, np.float64))
            axes.plot(at[measured], np.asarray(values)[measured], label=part or quantity, **_line(number))
        if best is not None:
            axes.axvline(best, color=LINE_COLOURS[2], linewidth=1, linestyle="--", label=f"kept: {step_name} {best:g}")
        axes.set(xlabel=step_name, ylabel=quantity.replace("_", " "))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False)
    _finish(figure, list(every), title)
    return figure


def _line(number: int) -> dict[str, Any]:
    """Colour and dash of the n-th line; after seven colours the next dash."""
    return {
        "color": LINE_COLOURS[number % len(LINE_COLOURS)],
        "linestyle": LINE_STYLES[number // len(LINE_COLOURS) % len(LINE_STYLES)],
        "linewidth": 1.8,
    }


def _finish(figure: Figure, every: list[Axes], title: str) -> None:
    """What all figures share: a quiet grid, no box, the title."""
    for axes in every:
        axes.grid(color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    if title:
        figure.suptitle(title, fontsize=11, color=INK)
