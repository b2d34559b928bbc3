"""The course of a training as a table and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from poof.files import atomic, write_text


def write_curves(history: list[dict[str, Any]], folder: Path) -> None:
    """`curves.csv` with one row an epoch, `curves.png` with loss, accuracies and the modules' own losses."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    table = pd.DataFrame(history)
    write_text(folder / "curves.csv", table.to_csv(index=False, float_format="%.6g"))
    own = [name for name in table if str(name).endswith((".projection_loss", ".enopr"))]
    figure = Figure(figsize=(13.5 if own else 9, 3.5), layout="constrained")
    left, right, *more = figure.subplots(1, 3 if own else 2)
    for axes in more:
        for name in own:
            axes.plot(table["epoch"], table[name], marker="o", markersize=3, label=name)
        axes.set(ylabel="loss of modules")
        axes.legend(loc="lower left", fontsize=7)
    left.plot(table["epoch"], table["loss"], marker="o", markersize=3, label="training clips")
    if "val_loss" in table:
        left.plot(table["epoch"], table["val_loss"], marker="o", markersize=3, label="validation videos")
    left.set(ylabel="loss")
    left.legend(loc="upper right")
    right.plot(table["epoch"], 100 * table["accuracy"], marker="o", markersize=3, label="training clips")
    if "val_top1" in table:
        right.plot(table["epoch"], 100 * table["val_top1"], marker="o", markersize=3, label="validation videos")
    right.set(ylabel="accuracy, %", ylim=(0, 102))
    right.legend(loc="lower right")
    for axes in (left, right, *more):
        if axes is not right:
            axes.update_datalim([(table["epoch"].min(), 0)])  # counted from 0, the margin keeps the first loss in sight
            axes.autoscale_view()
            axes.set_ylim(bottom=0)
        axes.set(xlabel="epoch", xlim=(table["epoch"].min() - 0.5, table["epoch"].max() + 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
    with atomic(folder / "curves.png") as temporary:
        figure.savefig(temporary, dpi=110)
