"""Accuracy over cost as the fourth document draws it (Stergiou 2021, Figs. 4.7, 5.7 and 5.8) as docs/tradeoffs.png.

    python docs/make/tradeoffs.py

Printed accuracies over printed GMACs, areas as the printed parameters. From networks of poof a line leads to the GMACs
that it counts (the bar at its end), where they differ. Rivals are those of the document's Tables 5.1 and 5.2.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from poof import recog
from poof.recog.cost.table import costs_of_all
from poof.recog.zoo.networks import NETWORKS

TARGET = Path(__file__).resolve().parents[1] / "tradeoffs.png"
BASES = ("r3d_34", "r3d_50", "r3d_101", "r2plus1d_34", "r2plus1d_50", "r2plus1d_101")
DATA = ("HACS", "Kinetics-700", "Moments in Time")
OURS, OTHERS = "C0", "0.6"
"""Colours of what the document proposes, and of what it compares with."""
RIVALS = {  # Table 5.1: top-1, GFLOPs a view, parameters in millions
    "R(2+1)D-101": (62.8, 152.0, 63.6),
    "I3D": (71.6, 108.0, 12.0),
    "MF-Net": (72.8, 11.1, 8.0),
    "TSM": (74.7, 65.0, 24.3),
    "ip-CSN-101": (76.7, 83.0, 24.5),
    "TAM": (76.9, 86.0, 25.6),
    "SlowFast-50": (77.0, 65.7, 34.4),
    "ip-CSN-152": (77.8, 108.8, 32.8),
    "SlowFast-101": (77.9, 213.0, 53.7),
    "X3D-XL": (79.1, 48.4, 11.0),
    "SRTG r3d-101": (73.2, 78.1, 107.1),
    "SRTG r(2+1)d-101": (73.8, 163.1, 105.3),
}
METHODS = {  # Table 5.2
    "3D": (61.3, 53.2, 36.7),
    "(2+1)D": (61.8, 56.0, 38.8),
    "multi-fiber": (72.8, 22.5, 8.0),
    "slow alone": (72.6, 27.3, 26.6),
    "SlowFast": (74.3, 39.8, 34.4),
}
BELOW = {"ip-CSN-101", "TSM", "SRTG r3d-101", "r(2+1)d-50", "r3d-50", "3D", "SlowFast"}
"""Names that others' circles would cover above their own."""
TICKS = (5, 10, 20, 30, 50, 100, 200)
Row = tuple[float, float, float]


@cache
def counted(name: str, frames: int = 16, size: int = 224) -> float:
    """GMACs of a network of poof."""
    known = costs_of_all().get(name)
    if known is not None and known["setting"] == f"{frames} x {size} px, 400 classes":
        return float(known["macs"]) / 1e9
    with torch.device("meta"):
        return recog.profile(recog.build_model(name, (), frames, 400, size=size)).gmacs


def printed(name: str, data: str) -> Row:
    """Top-1 on a data set, and the GMACs and parameters that are printed once."""
    published = NETWORKS[name].published
    top1 = next(one.top1 for one in published if one.data == data and not one.knobs)
    costs = next(one for one in published if one.gmacs)
    assert top1 is not None and costs.gmacs is not None and costs.mparams is not None
    return top1, costs.gmacs, costs.mparams


def marks(axes: Axes, rows: Iterable[tuple[str, Row, float | None]], colour: str) -> None:
    """Circles with names; for a network of poof a line to the GMACs counted."""
    for label, (top1, gmacs, millions), own in rows:
        axes.scatter([gmacs], [top1], s=6 * millions, color=colour, alpha=0.55, linewidth=0)
        away = (0.5 * math.sqrt(6 * millions) + 2) * (-1 if label in BELOW else 1)
        up = "top" if label in BELOW else "bottom"
        axes.annotate(label, (gmacs, top1), (0, away), textcoords="offset points", ha="center", va=up, fontsize=7)
        if own is not None and abs(own - gmacs) > 0.05 * gmacs:
            axes.plot([gmacs, own], [top1, top1], ":", color=colour, linewidth=1)
            axes.plot([own], [top1], "|", color=colour, markersize=8)


def draw() -> Figure:
    """The picture."""
    figure = Figure(figsize=(13, 8), layout="constrained")
    places = figure.subplot_mosaic([[*DATA], ["k400", "k400", "methods"]])
    for data in DATA:
        axes = places[data]
        for base in BASES:
            pair = [printed(f"stergiou-{base}", data), printed(f"srtg-{base}", data)]
            axes.plot([row[1] for row in pair], [row[0] for row in pair], color="0.8", linewidth=1)
            name = base.replace("r2plus1d_", "r(2+1)d-").replace("_", "-")
            marks(axes, [("", pair[0], None)], OTHERS)
            marks(axes, [(name, pair[1], counted(f"srtg-{base}"))], OURS)
        axes.set_title(f"{data} (Fig. 4.7): without and with SRTG", fontsize=9)
    axes = places["k400"]
    marks(axes, [(label, row, None) for label, row in RIVALS.items()], OTHERS)
    sizes = {f"MTNet-{key.upper()}": f"mtnet-{key}" for key in "sml"}
    own = [(label, printed(name, "Kinetics-400"), counted(name, size=256)) for label, name in sizes.items()]
    marks(axes, own, OURS)
    axes.set_title("Kinetics-400 (Fig. 5.7): MTNets and others", fontsize=9)
    axes = places["methods"]
    marks(axes, [(label, row, None) for label, row in METHODS.items()], OTHERS)
    marks(axes, [("MTConv", printed("mtconv-r3d_50", "Kinetics-400"), counted("mtconv-r3d_50"))], OURS)
    axes.set_title("Kinetics-400 (Fig. 5.8): convolutions over time, ResNet-50", fontsize=9)
    for axes in places.values():
        axes.margins(0.14)
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        axes.set_xticks([tick for tick in TICKS if low < tick < high], minor=False)
        axes.set_xticks([], minor=True)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set(xlabel="GMACs of a clip, as printed; bar: as poof counts them", ylabel="top-1 as printed, %")
        axes.xaxis.label.set_fontsize(8)
        axes.yaxis.label.set_fontsize(8)
        axes.grid(alpha=0.3)
    return figure


if __name__ == "__main__":
    draw().savefig(TARGET, dpi=100)
