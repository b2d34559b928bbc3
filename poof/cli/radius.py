"""`poof radius`: measure how far labels can be carried on this footage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poof.cli import common, inputs
from poof.cli.common import Category, Crop, Debug, Device, Flow, Force, JsonFile, MaxSize, Quiet, Weights
from poof.cli.terminal import console, say

if TYPE_CHECKING:
    from poof.planning.radius import RadiusReport

SHOWN = (1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 60, 100)
"""Distances that the printed table shows."""


def radius(
    videos: common.Footages,
    labels: common.LabelFiles,
    threshold: Annotated[
        float, typer.Option("--threshold", "-t", help="Mean error allowed, as a share of the subject's longer side.")
    ] = 0.05,
    max_radius: Annotated[int, typer.Option("--max-radius", help="Longest distance to look at, frames.")] = 30,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw the curve (.png, .pdf, .svg).")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the curve of every keypoint as CSV.")] = None,
    flow: Flow = "auto",
    weights: Weights = None,
    device: Device = "auto",
    max_size: MaxSize = None,
    crop: Crop = True,
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help="Keep RAFT's flows for other runs.")] = True,
    category: Category = None,
    missing: common.MissingRule = "absent",
    prefer: common.Prefer = None,
    json_file: JsonFile = None,
    on_damage: common.OnDamage = "stop",
    force: Force = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure the radius that is safe on this footage: your labels are carried to each other, both ways.

    Where flow from one label lands close to another one, that distance is safe. The largest radius whose mean error
    stays under the threshold is printed, with a 95 % interval; too few labels are told.
    """
    from poof.cli.common import settle_for_flow, track, write_json

    settle_for_flow()
    from poof.files import check_apart, check_output, write_text
    from poof.flow.registry import create_flows
    from poof.planning.radius import measure_radius
    from poof.propagation.result_cache import cache_folder
    from poof.propagation.settings import Settings

    del debug
    plots, tables = inputs.for_each(plot, videos), inputs.for_each(csv, videos)
    outputs = [*((p, "--plot") for p in plots if p), *((p, "--csv") for p in tables if p)]
    outputs += [(json_file, "--json")] if json_file else []
    check_apart(outputs, [*((v, "VIDEO") for v in videos), *((p, "-l") for p in labels)])
    for path, _ in outputs:
        check_output(path, force)
        inputs.keep_out(path, videos)
    footage = inputs.opened(videos, on_damage)
    given = inputs.labels_of(footage, labels, quiet, category, missing, prefer)
    estimators = create_flows(flow, weights, device, False, cache_folder() / "flows" if cache else None)
    settings = Settings(crop=crop, max_size=max_size)
    reports = {}
    for path, video, one, drawn, table in zip(videos, footage, given, plots, tables):
        report = measure_radius(video, one.labels, estimators, threshold, max_radius, settings, track(quiet))
        reports[str(path)] = report
        if drawn:
            draw(report, path.name, drawn, force)
        if table:
            write_text(table, report.to_table().to_csv(index=False))
        if not quiet:
            if len(videos) > 1:
                say("")
                say(path)
            show(report, [p for p in (drawn, table) if p])
    if json_file:
        told = {name: report.as_dict() for name, report in reports.items()}
        write_json(json_file, next(iter(told.values())) if len(told) == 1 else {"videos": told})
    if not quiet:
        least = min(report.choice for report in reports.values())
        if len(reports) > 1:
            say(f"all {len(reports)} videos: the smallest is radius {least}")
        if json_file:
            say(f"written: {json_file}")
        files = [word for path in labels for word in ("-l", path)]
        inputs.next_step("poof", "propagate", *videos, *files, "-r", least)


def draw(report: RadiusReport, name: str, path: Path, force: bool) -> None:
    """Draw the curve; where no label reached another one, what the cycle error suggests."""
    from poof.drawing.plots import error_over_distance, save_figure

    curve = report.curve
    measured = bool(curve.points.any())
    figure = error_over_distance(
        curve.distance,
        100 * (curve.error if measured else report.guess),
        100 * curve.low if measured else None,
        100 * curve.high if measured else None,
        keypoints={name: 100 * one.error for name, one in report.keypoints.items()},
        threshold=100 * report.threshold,
        radius=report.radius if measured else report.cycle_radius,
        unit="% of the subject's longer side",
        title=f"{name}: flow from one label to another" if measured else f"{name}: a guess from the cycle error alone",
    )
    save_figure(figure, path, force)


def show(report: RadiusReport, written: list[Path]) -> None:
    """Print the verdict, its notes and the curve."""
    from rich.table import Table

    out = console(soft_wrap=True)
    out.print(report.message)
    for note in report.notes:
        out.print(f"note: {note}")
    last = int((report.curve.error == report.curve.error).sum())
    if last:
        table = Table(box=None, pad_edge=False)
        for head in ("frames", "mean error", "95 % interval", f"within {100 * report.threshold:g} %", "points"):
            table.add_column(head, justify="right")
        curve = report.curve
        for d in sorted({*(s for s in SHOWN if s <= last), last, *([report.radius] if report.radius else [])}):
            error, low, high = (100 * float(values[d - 1]) for values in (curve.error, curve.low, curve.high))
            within = f"{100 * (1 - float(curve.outside[d - 1])):.0f} %"
            table.add_row(str(d), f"{error:.1f} %", f"{low:.1f} to {high:.1f} %", within, str(int(curve.points[d - 1])))
        out.print(table)
        out.print(f"from {report.pairs} pairs of labelled frames; errors are shares of the subject's longer side")
    if written:
        out.print(f"written: {', '.join(map(str, written))}")
