"""`poof recog eval --rates`: networks trained at one sub-sampling rate, tested at several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from poof.cli.recog import options
from poof.cli.recog.cells import Cell
from poof.cli.terminal import say


def show_grid(cells: Sequence[Cell], quiet: bool) -> dict[str, Any]:
    """Print the grid of training and testing rates; gives it for JSON."""
    from poof.recog.evaluation.rates import as_table, mean_change, row_of_grid

    grid, changes = [], []
    for name in dict.fromkeys(cell.name for cell in cells):
        own = [cell for cell in cells if cell.name == name]
        row = row_of_grid(name, own[0].trained, {cell.rate or 1: cell.result.summary() for cell in own})
        grid += row
        if mean_change(row):
            changes.append({"run": name, **mean_change(row)})
    if not quiet:
        formats = dict.fromkeys(("video top-1", "clip top-1"), "{:.1%}")
        options.show(as_table(grid), formats=formats | dict.fromkeys(("change", "change of clips"), "{:+.1%}"))
        for one in changes:
            say(f"{one['run']}: off its own rate {one['video']:.1%} (clips {one['clip']:.1%}) on average")
        if any(cell.train is None for cell in grid):
            say("no change where the rate of training is unknown: train with --rate")
    return {"cells": [vars(cell) for cell in grid], "mean_change": changes}
