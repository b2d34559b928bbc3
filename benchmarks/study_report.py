"""The tables and pictures of `study.py`, as Markdown on standard output and PNG beside the results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from clips_and_tables import head, line
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from study_design import Size

from poof.drawing import accuracy_over_threshold, save_figure
from poof.evaluation import Report

Cells = tuple[Report | None, dict[str, dict[str, Any]]]
STARTS = {"random": "random", "pretrained": "pretrained"}
COLOURS = {"GT": "#D55E00", "POOF": "#0072B2"}  # Okabe and Ito


def overall(report: Report) -> pd.DataFrame:
    """One row a cell: accuracies in per cent, mean and median error."""
    table = report.table[report.table.group == "all"].set_index("prediction")
    return pd.DataFrame({f"<{t:g}": 100 * table[f"acc@{t:g}"] for t in report.thresholds} | {"median": table.p50})


def show(*cells: object) -> None:
    """Print a row of a table."""
    print(line(*(f"{c:.1f}" if isinstance(c, float) else c for c in cells)))


def show_head(*names: str) -> None:
    """Print the head of a table."""
    print("\n" + head(*names))


def print_study(size: Size, folder: Path, target: Cells, camera: Cells) -> None:
    """Tables 3.1 to 3.4, Fig. 3.3 and the curve over the number of labels."""
    report, about = target
    if report is None:
        print("no cell is finished yet")
        return
    numbers = overall(report)
    middle = size.middle
    intervals = report.compare(samples=500).intervals.set_index(["prediction", "measure"])

    def cell(start: str, arm: str, count: int) -> str:
        return f"target {start} {arm} {count}"

    def accuracy(name: str, threshold: str = "<20") -> str:
        if name not in numbers.index:
            return "-"
        row = intervals.loc[(name, f"acc@{threshold[1:]}")]
        return f"{numbers.loc[name, threshold]:.1f} ({100 * row.low:.0f}-{100 * row.high:.0f})"

    poof = f"POOF-R{middle}"
    print(f"\nTables 3.1 and 3.2: {size.base} labels, R = {middle}; accuracy below 20 px (95 % interval over videos)")
    show_head("start, recipe", "none", "GT only", "GT + POOF", "GT only, < 10 px", "GT + POOF, < 10 px")
    for start in STARTS:
        for title, note in ((f"{size.steps} equal steps", ""), ("ten epochs, as the thesis", ", thesis recipe")):
            none, gt, both = (
                cell(start, "none", 0),
                cell(start, "GT", size.base) + note,
                cell(start, poof, size.base) + note,
            )
            show(f"{start}, {title}", *map(accuracy, (none, gt, both)), accuracy(gt, "<10"), accuracy(both, "<10"))
    print(f"\nTable 3.3: {size.base} labels")
    show_head(
        "R", "examples", "propagated points below 20 px, %", *(f"{s}, < {t} px" for s in STARTS for t in (20, 10))
    )
    for radius in size.radii:
        names = [cell(start, f"POOF-R{radius}", size.base) for start in STARTS]
        facts = next((about[n] for n in names if n in about), None)
        if facts:
            row = [accuracy(name, threshold) for name in names for threshold in ("<20", "<10")]
            show(radius, facts["examples"], 100 * facts["labels_error"]["acc@20"], *row)
    arms = {"GT": "GT", "GT + POOF": poof}
    _joints(report, {f"{start}, {arm}": cell(start, arms[arm], size.base) for start in STARTS for arm in arms})
    _figure_33(report, {
        "random, GT": cell("random", "GT", size.base), "random, GT + POOF": cell("random", poof, size.base),
        "pretrained": cell("pretrained", "none", 0), "pretrained, GT": cell("pretrained", "GT", size.base),
        "pretrained, GT + POOF": cell("pretrained", poof, size.base),
    }, folder / "fig-3.3.png")  # fmt: skip
    for start in STARTS:
        _curve(size, numbers, accuracy, start, poof, folder)
    _camera(size, *camera)
    spent = sum(facts["cpu_seconds"] for facts in (*about.values(), *camera[1].values()))
    print(f"\n{len(about) + len(camera[1])} cells, {spent / 60:.0f} minutes of processor time")


def _joints(report: Report, cells: dict[str, str]) -> None:
    cells = {title: name for title, name in cells.items() if name in report.names}
    rows = report.table[report.table.group == "joint"].pivot(index="name", columns="prediction", values="acc@20")
    print("\nTable 3.4: accuracy below 20 px by joint")
    show_head("joint", *cells)
    for joint in report.keypoints:
        show(joint, *(float(100 * rows.loc[joint, name]) for name in cells.values()))
    show("mean", *(float(100 * rows[name].mean()) for name in cells.values()))


def _figure_33(report: Report, cells: dict[str, str], path: Path) -> None:
    grid, curves = report.curve(np.linspace(0, 40, 161))
    shown = {title: curves[name] for title, name in cells.items() if name in curves}
    figure = accuracy_over_threshold(grid, shown, marked=(5, 10, 20), unit=report.unit)
    save_figure(figure, path, checked=True)
    print(f"\nFig. 3.3: {path}")


def _curve(size: Size, numbers: pd.DataFrame, accuracy: Any, start: str, poof: str, folder: Path) -> None:
    """Accuracy over the number of labels, and how many labels without propagation one label is worth."""
    names = {arm: {n: f"target {start} {kind} {n}" for n in size.curve} for arm, kind in (("GT", "GT"), ("POOF", poof))}
    done = {arm: {n: c for n, c in cells.items() if c in numbers.index} for arm, cells in names.items()}
    if len(done["GT"]) < 2 or not done["POOF"]:
        return
    print(f"\nAccuracy over the number of labels, {start} start (every cell: the same number of steps)")
    columns = [f"{arm}, < {t} px" for t in (20, 10) for arm in ("GT only", "GT + POOF")]
    show_head("labels", *columns, "worth, < 20", "worth, < 10")
    for count in sorted({*done["GT"], *done["POOF"]}):
        cells = [names[arm][count] for arm in ("GT", "POOF")]
        row = [accuracy(name, t) for t in ("<20", "<10") for name in cells]
        show(count, *row, *(worth(numbers, done, count, t) for t in ("<20", "<10")))
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.subplots()
    for arm, cells in done.items():
        for threshold, style in (("<20", "-"), ("<10", "--")):
            values = [numbers.loc[c, threshold] for c in cells.values()]
            title = f"{'GT only' if arm == 'GT' else 'GT + POOF'}, below {threshold[1:]} px"
            axes.plot(list(cells), values, style, marker="o", color=COLOURS[arm], label=title)
    axes.set(xscale="log", xlabel="labelled frames", ylabel="accuracy, %", ylim=(0, 100))
    axes.set_xticks(size.curve, [str(n) for n in size.curve])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title(f"{start} start")
    axes.legend(frameon=False, loc="lower right")
    axes.grid(alpha=0.3)
    path = folder / f"labels-{start}.png"
    save_figure(figure, path, checked=True)
    print(f"\n{path}")


def worth(numbers: pd.DataFrame, done: dict[str, dict[int, str]], count: int, threshold: str) -> str:
    """How many labels without propagation reach what `count` with it reach, over `count`.

    The curve without propagation is taken for straight between its points over the logarithm of the number, and never
    falling: what fewer labels reach, more do.
    """
    if count not in done["POOF"]:
        return "-"
    labels = np.array(list(done["GT"]))
    reached = np.maximum.accumulate([numbers.loc[c, threshold] for c in done["GT"].values()])
    wanted = numbers.loc[done["POOF"][count], threshold]
    if wanted > reached[-1]:
        return f"> {labels[-1] / count:.3g}"
    if wanted < reached[0]:
        return f"< {labels[0] / count:.3g}"
    return f"{np.exp(np.interp(wanted, reached, np.log(labels))) / count:.2g}"


def _camera(size: Size, report: Report | None, about: dict[str, dict[str, Any]]) -> None:
    if report is None:
        return
    numbers, middle = overall(report), size.middle
    print(f"\nReal footage: {size.camera_labels} labels on cam01, R = {middle}, judged by cam02 ({len(about)} cells)")
    show_head("start", *(f"{arm}, < {t} px" for t in (20, 10) for arm in ("none", "GT only", "GT + POOF")))
    for start in STARTS:
        arms = {"none": 0, "GT": size.camera_labels, f"POOF-R{middle}": size.camera_labels}
        names = [f"camera {start} {arm} {count}" for arm, count in arms.items()]
        values = [numbers.loc[n, t] if n in numbers.index else float("nan") for t in ("<20", "<10") for n in names]
        show(start, *map(float, values))


def print_recipes(report: Report | None, about: dict[str, dict[str, Any]]) -> None:
    """The default recipe and what differs from it in one thing, each against the default of its start."""
    if report is None:
        print("no cell is finished yet")
        return
    numbers = overall(report)
    comparisons = {}
    for start in STARTS:
        baseline = f"recipe {start}: default"
        if baseline in report.names and len(report.names) > 1:
            pairs = report.compare(baseline, samples=500, resample="frame").pairs
            comparisons[start] = pairs[pairs.measure == "acc@20"].set_index("prediction")
    show_head("recipe", "< 20 px", "< 10 px", "< 5 px", "median px", "difference at 20 px (95 %)")
    for name in about:
        start = name.removeprefix("recipe ").partition(":")[0]
        row, difference = numbers.loc[name], "-"
        if start in comparisons and name in comparisons[start].index:
            pair = comparisons[start].loc[name]
            difference = f"{100 * pair.difference:+.1f} ({100 * pair.low:+.1f} to {100 * pair.high:+.1f})"
        shares = [float(row[c]) for c in ("<20", "<10", "<5")]
        show(name.removeprefix("recipe "), *shares, f"{row['median']:.2f}", difference)
