"""Plots of each keypoint's trajectory and confidence over time."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from poof.drawing.plots import FAINT, INK, save_figure
from poof.drawing.style import confidence_colour, confidence_map
from poof.errors import PoofError, PoofWarning
from poof.files import check_output, make_folder
from poof.labels.model import LabelSet, Source, Visible
from poof.progress import Track, silent

Array = np.ndarray

MISSING: dict[str, Any] = {"facecolor": "none", "edgecolor": "#c9cdd4", "hatch": "////", "linewidth": 0}
PER_PAGE = 6
RELATIVE_ERROR = 0.05  # confidence = probability that the error is under this share of the subject's longer side


@dataclass(frozen=True)
class _Course:
    """One instance over the frames first ... first + F - 1; NaN and 0 where a point is not labelled.

    Attributes
    ----------
    frames : (F,) int
    xy : (F, K, 2) float64
        Pixels.
    confidence : (F, K) float64
    visible, source : (F, K) int8
    side
        Median of the subject's longer side in pixels, 0 where no frame has two points.
    """

    frames: Array
    xy: Array
    confidence: Array
    visible: Array
    source: Array
    side: float

    @classmethod
    def of(cls, labels: LabelSet, instance: int) -> _Course:
        """The course of one instance of a label set; a `PoofError` when it has none of that number."""
        found = {frame: points for (frame, number), points in labels.instances.items() if number == instance}
        if not found:
            known = ", ".join(map(str, labels.instance_ids)) or "none"
            raise PoofError(f"no instance {instance} in the labels; there are {known}")
        frames = np.arange(min(found), max(found) + 1)
        shape = (len(frames), len(labels.skeleton))
        xy, confidence = np.full((*shape, 2), np.nan), np.full(shape, np.nan)
        visible, source = np.zeros(shape, np.int8), np.zeros(shape, np.int8)
        sides = []
        for frame, points in found.items():
            row, known_points = frame - frames[0], points.labelled
            xy[row, known_points] = points.xy[known_points]
            confidence[row, known_points] = points.confidence[known_points]
            visible[row, known_points] = points.visible[known_points]
            source[row, known_points] = points.source[known_points]
            if known_points.sum() > 1:
                sides.append(float(np.ptp(points.xy[known_points], axis=0).max()))
        return cls(frames, xy, confidence, visible, source, float(np.median(sides)) if sides else 0.0)


def confidence_band(confidence: Array, side: float) -> Array:
    """Half the width, in pixels, of the band that holds a coordinate with a probability of 68 %.

    The confidence p is the probability of an error under r = 5 % of the subject's longer side. For an error that is
    normal and alike in x and y (its length follows Rayleigh's law), p = 1 - exp(-r^2 / 2 s^2), hence
    s = r / sqrt(-2 ln(1 - p)). p is held within [0.05, 0.995]; NaN stays NaN.

    Parameters
    ----------
    confidence
        p, any shape.
    side
        The subject's longer side in pixels.
    """
    held = np.clip(confidence, 0.05, 0.995)
    return RELATIVE_ERROR * side / np.sqrt(-2.0 * np.log1p(-held))


def trajectories(
    labels: LabelSet,
    instance: int | None = None,
    *,
    keypoints: Sequence[str] | None = None,
    cuts: Iterable[int] | None = None,
    per_page: int = PER_PAGE,
    title: str = "",
) -> list[Figure]:
    """x and y of each keypoint over the frames, in pages of `per_page` keypoints.

    White squares were set by a person, other points have the colour of their confidence, hollow ones are occluded. The
    band is `confidence_band`. Stretches without the point are hatched; cuts are upright lines at their first new frame.

    Parameters
    ----------
    labels
        What to draw.
    instance
        Which individual; the first one when None.
    keypoints
        Names; all when None.
    cuts
        Frames that begin a new scene; None takes those that propagation found and left in the labels' `info`.
    per_page
        Keypoints on a page.
    title
        Stands above each page.

    Returns
    -------
    list of Figure
        One or more pages.

    Raises
    ------
    PoofError
        If there is no such instance or keypoint, or no labels at all.
    """
    if not labels.instances:
        raise PoofError("there are no labels to draw")
    course = _Course.of(labels, labels.instance_ids[0] if instance is None else instance)
    chosen = [labels.skeleton.index(k) for k in (keypoints or labels.skeleton.keypoints)]
    if cuts is None:
        cuts = labels.info.get("propagation", {}).get("cuts", ())
    marks = sorted({c for c in cuts if course.frames[0] <= c <= course.frames[-1]})
    pages = [chosen[i : i + per_page] for i in range(0, len(chosen), per_page)]
    figures = []
    for number, page in enumerate(pages, 1):
        figure = Figure(figsize=(12, 1.7 * len(page) + 1.3), layout="constrained")
        grid = figure.subplots(len(page), 2, sharex=True, squeeze=False)
        for row, k in zip(grid, page, strict=True):
            for axis, axes in enumerate(row):
                _panel(axes, course, k, axis, marks)
            row[0].set_ylabel(f"{labels.skeleton.keypoints[k]}\nx (px)")
            row[1].set_ylabel("y (px)")
        for axes in grid[-1]:
            axes.set_xlabel("frame")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        count = f" - page {number} of {len(pages)}" if len(pages) > 1 else ""
        if title or count:
            figure.suptitle(f"{title}{count}".removeprefix(" - "), fontsize=11, color=INK)
        _explain(figure, grid, course, bool(marks))
        figures.append(figure)
    return figures


def save_trajectories(
    labels: LabelSet,
    folder: str | Path,
    force: bool = False,
    track: Track = silent,
    *,
    cuts: Iterable[int] | None = None,
    title: str = "",
) -> list[Path]:
    """Write the pages of every individual into a folder, which is made where it is missing.

    Parameters
    ----------
    labels, cuts, title
        As in `trajectories`.
    folder
        Gets 'trajectories-PAGE.png', with several individuals 'trajectories-INDIVIDUAL-PAGE.png'.
    force
        Overwrite files that exist.
    track
        Shows progress.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    PoofError
        If there are no labels, or the folder or a file cannot be written, or a file exists (without `force`). Several
        individuals whose numbers change from frame to frame are a `PoofWarning`.
    """
    folder = Path(folder)
    individuals = labels.instance_ids
    if len(individuals) > 1 and not labels.tracked:
        note = f"{folder}: the labels do not say who is who from frame to frame; lines may jump between individuals"
        warnings.warn(note, PoofWarning, stacklevel=2)
    pages = -(-len(labels.skeleton) // PER_PAGE)
    several = len(individuals) > 1
    paths = {
        i: [folder / f"trajectories-{f'{i}-' if several else ''}{page}.png" for page in range(1, pages + 1)]
        for i in individuals
    }
    make_folder(folder, "--trajectories")
    every = [path for pages_of_one in paths.values() for path in pages_of_one]
    for path in every:
        check_output(path, force)
    cuts = None if cuts is None else list(cuts)
    for i in track(individuals, "plots", len(individuals)):
        name = f"{title} - {labels.skeleton.name} {labels.individuals.get(i, str(i))}" if several else title
        figures = trajectories(labels, i, cuts=cuts, title=name.removeprefix(" - "))
        for figure, path in zip(figures, paths[i], strict=True):
            save_figure(figure, path, force)
    return every


def _panel(axes: Axes, course: _Course, k: int, axis: int, cuts: Sequence[int]) -> None:
    """One coordinate of one keypoint."""
    values, confidence, frames = course.xy[:, k, axis], course.confidence[:, k], course.frames
    known = np.isfinite(values)
    human = known & (course.source[:, k] == Source.HUMAN)
    for low, high in _runs(~known):
        axes.axvspan(frames[low] - 0.5, frames[high - 1] + 0.5, zorder=0, **MISSING)
    axes.plot(frames, values, color=FAINT, linewidth=1, zorder=2)
    width = np.where(human, 0.0, confidence_band(confidence, course.side))
    axes.fill_between(frames, values - width, values + width, color=FAINT, alpha=0.3, linewidth=0, zorder=1)
    colours = confidence_colour(confidence) / 255.0
    visible = course.visible[:, k] == Visible.VISIBLE
    full, hollow = known & ~human & visible, known & ~human & ~visible
    axes.scatter(frames[full], values[full], s=11, c=colours[full], linewidths=0, zorder=3)
    axes.scatter(frames[hollow], values[hollow], s=16, facecolors="none", edgecolors=colours[hollow], zorder=3)
    for shown, fill in ((human & visible, "white"), (human & ~visible, "none")):
        axes.scatter(frames[shown], values[shown], s=20, marker="s", facecolors=fill, edgecolors=INK, zorder=4)
    for cut in cuts:
        axes.axvline(cut - 0.5, color=INK, linewidth=1, linestyle="--", zorder=2)
    axes.set_xlim(frames[0] - 1, frames[-1] + 1)
    axes.spines[["top", "right"]].set_visible(False)
    if axis == 1:
        axes.invert_yaxis()  # up in the plot is up in the picture


def _runs(mask: Array) -> list[tuple[int, int]]:
    """(first, last + 1) of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _explain(figure: Figure, grid: Array, course: _Course, cut: bool) -> None:
    """The legend below the panels and the colour scale beside them, of what occurs."""
    known = np.isfinite(course.xy).all(axis=2)
    human = known & (course.source == Source.HUMAN)
    machine = known & ~human
    square: dict[str, Any] = {"marker": "s", "linestyle": "", "markeredgecolor": INK, "markerfacecolor": "white"}
    disc: dict[str, Any] = {"marker": "o", "linestyle": "", "markersize": 4}
    entries: list[tuple[bool, Line2D | Patch]] = [
        (bool(human.any()), Line2D([], [], label="set by a person", **square)),
        (bool(machine.any()), Line2D([], [], color="#1f78ff", label="carried or predicted", **disc)),
        (
            bool((known & (course.visible < Visible.VISIBLE)).any()),
            Line2D([], [], color=FAINT, markerfacecolor="none", label="occluded", **disc),
        ),
        (
            bool(np.isfinite(course.confidence[machine]).any()) and course.side > 0,
            Patch(color=FAINT, alpha=0.3, label="68 % band, from the confidence"),
        ),
        (bool((~known).any()), Patch(label="no point", **MISSING)),
        (cut, Line2D([], [], color=INK, linestyle="--", linewidth=1, label="cut")),
    ]
    shown = [entry for occurs, entry in entries if occurs]
    figure.legend(handles=shown, loc="outside lower center", ncols=len(shown), frameon=False, fontsize=9)
    if np.isfinite(course.confidence[machine]).any():
        scale = ScalarMappable(Normalize(0, 1), confidence_map())
        figure.colorbar(scale, ax=grid.ravel().tolist(), label="confidence", aspect=60, shrink=0.6, pad=0.01)
