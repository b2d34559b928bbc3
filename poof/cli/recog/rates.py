"""`poof recog eval --rates`: networks trained at one sub-sampling rate, tested at several."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from poof.cli import common
from poof.cli.recog import options

if TYPE_CHECKING:
    from poof.recog.data import ClipList


def show_rates(
    runs: list[Path],
    names: ClipList,
    rates: str,
    view: dict[str, Any],
    device: str,
    workers: int,
    batch: int,
    max_broken: float,
    json: Path | None,
    quiet: bool,
) -> None:
    """Print the grid of training and testing rates; `view` holds clips, crops, size and short."""
    from poof.recog.data.dataset import View
    from poof.recog.data.frames import FrameCounts
    from poof.recog.rates import as_table, judge_rates, mean_change, parse_rates, row_of_grid, training_rate

    wanted = parse_rates(rates)
    counts = FrameCounts()
    cells, changes = [], []
    for run in runs:
        model = options.load(run, device)
        size = view["size"] or model.size
        seen = View(model.segments, model.per_segment, flip="none", **{**view, "size": size})
        judged = judge_rates(model, names, seen, wanted, counts, workers, batch, common.track(quiet), max_broken)
        name = run.name if run.is_dir() else run.parent.name
        row = row_of_grid(name, training_rate(run), {rate: one.summary() for rate, one in judged.items()})
        cells += row
        if mean_change(row):
            changes.append({"run": name, **mean_change(row)})
    if json is not None:
        common.write_json(json, {"cells": [vars(cell) for cell in cells], "mean_change": changes})
    if quiet:
        return
    formats = dict.fromkeys(("video top-1", "clip top-1"), "{:.1%}")
    options.show(as_table(cells), formats=formats | dict.fromkeys(("change", "change of clips"), "{:+.1%}"))
    for one in changes:
        typer.echo(f"{one['run']}: off its own rate {one['video']:.1%} (clips {one['clip']:.1%}) on average")
    if any(cell.train is None for cell in cells):
        typer.echo("no change where the rate of training is unknown: train with --rate")
