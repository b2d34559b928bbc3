"""The course of a training as a table and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from poof.files import atomic, write_text


def write_curves(history: list[dict[str, Any]], folder: Path) -> None:
    """`curves.csv` with one row an epoch, and `curves.png`."""
    table = pd.DataFrame(history)
    write_text(folder / "curves.csv", table.to_csv(index=False, float_format="%.6g"))
    draw_curves(table, folder / "curves.png")


def draw_curves(table: pd.DataFrame, path: Path) -> None:
    """Loss and accuracies, an epoch a row of the table.

    Where modules have losses of their own (of a projection), they are drawn, too, and the training loss over them, a
    point an epoch (Fig. 3.13 of Huang 2022), with their rank correlation from three epochs on.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    own = [str(name) for name in table if str(name).endswith((".projection_loss", ".enopr"))]
    figure = Figure(figsize=(9, 7 if own else 3.5), layout="constrained")
    left, right, *below = figure.subplots(2 if own else 1, 2).ravel()
    more = below[:1]
    for axes in more:
        for name in own:
            axes.plot(table["epoch"], table[name], marker="o", markersize=3, label=name)
        axes.set(ylabel="loss of modules")
        axes.legend(loc="lower left", fontsize=7)
    for axes in below[1:]:
        _draw_both(figure, axes, table, own)
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
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _draw_both(figure: Any, axes: Any, table: pd.DataFrame, own: list[str]) -> None:
    """The training loss over the losses of modules; shades tell the epochs."""
    from matplotlib.ticker import MaxNLocator

    points = None
    for name, symbol in zip(own, "osD^v<>pP*" * len(own)):
        label = name
        if len(table) > 2:
            label += f", rank correlation {table[name].corr(table['loss'], method='spearman'):+.2f}"
        axes.plot(table[name], table["loss"], color="0.8", linewidth=0.8, zorder=1)
        points = axes.scatter(
            table[name], table["loss"], c=table["epoch"], marker=symbol, s=22, cmap="viridis", label=label
        )
    bar = figure.colorbar(points, ax=axes, label="epoch")
    bar.ax.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(xlabel="loss of modules", ylabel="loss, training clips")
    for columns, scale in ((own, axes.set_xscale), (["loss"], axes.set_yscale)):
        low, high = table[columns].min().min(), table[columns].max().max()
        if 0 < 10 * low < high:
            scale("log")
    axes.legend(fontsize=7)
    axes.grid(alpha=0.3, which="both")
