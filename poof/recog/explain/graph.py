"""A class feature pyramid as a picture: a column a level, a circle a channel, lines to those that depend on it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from poof.files import atomic, write_text
from poof.recog.explain.pyramids import Pyramid

SHOWN = 14


def write_graph(pyramid: Pyramid, names: Sequence[str], picture: Path, data: Path, title: str) -> None:
    """Write the graph as PNG (the best channels of each level) and as JSON (all of it).

    Parameters
    ----------
    names
        Class names.
    picture, data
        Files.
    title
        What stands above.
    """
    write_text(data, json.dumps(pyramid.as_json(names), indent=1) + "\n")
    draw(pyramid, names, picture, title)


def draw(pyramid: Pyramid, names: Sequence[str], path: Path, title: str) -> None:
    """The picture alone. A channel is a number in a circle, the darker the higher its score; a line, the thicker."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    levels = len(pyramid.layers)
    figure = Figure(figsize=(2.4 + 2.6 * levels, 6.4), layout="constrained")
    axes = figure.subplots()
    colours = colormaps["YlOrRd"]
    at: dict[int, tuple[float, float]] = {}
    for level in range(levels):
        here = [number for number, node in enumerate(pyramid.nodes) if node.level == level]
        shown = [n for n in here if level == 0 or any(parent in at for parent, _ in pyramid.nodes[n].parents)]
        best = sorted(shown, key=lambda n: (-pyramid.nodes[n].score, pyramid.nodes[n].channel))[:SHOWN]
        if level and all(len(pyramid.nodes[number].parents) == 1 for number in here):  # a tree: beside their parents
            best.sort(key=lambda number: -at[pyramid.nodes[number].parents[0][0]][1])
        for row, number in enumerate(best):
            at[number] = (level + 1.0, 1 - (row + 0.5) / max(len(best), 1))
        chosen, width = len(pyramid.channels(level)), pyramid.widths[level]
        more = f"\n(best {len(best)} shown)" if len(here) > len(best) else ""
        axes.text(
            level + 1, 1.03, f"{pyramid.layers[level]}\n{chosen} of {width} channels{more}", ha="center", fontsize=8
        )
    for number, (x, y) in at.items():
        node = pyramid.nodes[number]
        ends = [(at[parent], score) for parent, score in node.parents if parent in at]
        for (left, up), score in ends if node.level else [((0.0, 0.5), node.score)]:
            far = x - left > 1.5 or node.level == 0
            axes.plot(
                [left, x], [up, y], color="0.45", linewidth=0.3 + 1.3 * score**2, alpha=0.55, zorder=1,
                linestyle=":" if far and node.level else "-",
            )  # fmt: skip
        axes.scatter([x], [y], s=330, color=colours(0.05 + 0.55 * node.score), edgecolor="0.3", linewidth=0.8, zorder=2)
        axes.text(x, y, str(node.channel), ha="center", va="center", fontsize=7, zorder=3)
    axes.scatter([0], [0.5], s=900, color="tab:blue", zorder=2)
    axes.text(0, 0.43, f"{names[pyramid.label]}\n{pyramid.probability:.2f}", ha="center", va="top", fontsize=9)
    axes.set(xlim=(-0.45, levels + 0.5), ylim=(-0.02, 1.16))
    axes.axis("off")
    axes.set_title(title, fontsize=10)
    axes.text(
        levels + 0.4, -0.03, "number: channel; darker: higher score; dotted: handed on by a skip connection",
        ha="right", va="top", fontsize=8, color="0.35",
    )  # fmt: skip
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=110)
