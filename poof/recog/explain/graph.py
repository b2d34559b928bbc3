"""A class feature pyramid as a picture: a column a level, a frame with its map a channel, lines to its dependants."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from poof.files import atomic, write_text
from poof.recog.explain.pictures import Array, overlay
from poof.recog.explain.pyramids import Node, Pyramid

SHOWN = 6
"""Channels of a level; the JSON has all."""
APART = 2.1
"""From one level to the next, in heights of a node."""


def write_graph(
    pyramid: Pyramid,
    names: Sequence[str],
    picture: Path,
    data: Path,
    title: str,
    frames: Sequence[Array],
    numbers: Sequence[int],
) -> None:
    """Write the graph as PNG (the best channels of each level) and as JSON (all of it).

    Parameters
    ----------
    names
        Class names.
    picture, data
        Files.
    title
        What stands above.
    frames
        T images (H, W, 3), those the network saw.
    numbers
        Their numbers in the video.
    """
    write_text(data, json.dumps(pyramid.as_json(names), indent=1) + "\n")
    draw(pyramid, names, picture, title, frames, numbers)


def draw(
    pyramid: Pyramid,
    names: Sequence[str],
    path: Path,
    title: str,
    frames: Sequence[Array],
    numbers: Sequence[int],
) -> None:
    """The picture alone. A channel is the frame in which it is strongest with its map over it; a line, the thicker."""
    from matplotlib.figure import Figure

    levels = len(pyramid.layers)
    at = places(pyramid)
    rows = max([sum(pyramid.nodes[n].level == level for n in at) for level in range(levels)], default=1)
    figure = Figure(figsize=(2.2 + 1.35 * APART * levels, 1.3 + 1.35 * max(rows, 2)), layout="constrained")
    axes = figure.subplots()
    for level in range(levels):
        shown = sum(pyramid.nodes[n].level == level for n in at)
        here = f"{len(pyramid.channels(level))} of {pyramid.widths[level]} channels, best {shown} shown"
        layer = pyramid.layers[level].replace("input of ", "input of\n")
        axes.text(APART * (level + 1), 0.1, f"level {level}: {layer}\n{here}", ha="center", va="bottom", fontsize=8)
    for number, (x, y) in at.items():
        node = pyramid.nodes[number]
        ends = [(at[parent], score) for parent, score in node.parents if parent in at]
        for (left, up), score in ends if node.level else [((0.0, -rows / 2), node.score)]:
            far = bool(node.level) and x - left > 1.5 * APART
            axes.plot(
                [left + (0.43 if left else 0.1), x - 0.43], [up, y], color="0.45", linewidth=0.4 + 2 * score**2,
                alpha=0.6, zorder=1, linestyle=":" if far else "-",
            )  # fmt: skip
        image, frame = _look(pyramid.features[node.level][node.channel], frames)
        height, width = image.shape[:2]
        half = 0.42 / max(height, width)
        box = (x - half * width, x + half * width, y - half * height, y + half * height)
        axes.imshow(image, extent=box, zorder=2, aspect="equal", interpolation="bilinear")
        said = f"{node.channel}: score {node.score:.2f}, frame {numbers[frame]}"
        axes.text(x, y - half * height - 0.02, said, ha="center", va="top", fontsize=7, zorder=3)
    axes.scatter([0], [-rows / 2], s=500, color="tab:blue", zorder=2)
    label = f"{names[pyramid.label]}\n{pyramid.probability:.2f}"
    axes.text(0, -rows / 2 - 0.25, label, ha="center", va="top", fontsize=9)
    axes.set(xlim=(-0.6, APART * levels + 0.95), ylim=(-rows - 0.15, 0.75))
    axes.axis("off")
    axes.set_title(
        f"{title}\na channel by number, its map over the frame in which it is strongest; "
        "thicker: higher score; dotted: handed on by a skip connection",
        fontsize=9,
    )
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=110)


def places(pyramid: Pyramid) -> dict[int, tuple[float, float]]:
    """Where shown nodes go, (x, y) in heights of a node: of each level the best of those that hang on shown ones."""
    at: dict[int, tuple[float, float]] = {}
    chosen: list[list[int]] = []
    for level in range(len(pyramid.layers)):
        here = [number for number, node in enumerate(pyramid.nodes) if node.level == level]
        known = {number for column in chosen for number in column}
        hanging = [n for n in here if level == 0 or known & {parent for parent, _ in pyramid.nodes[n].parents}]
        chosen.append(sorted(hanging, key=lambda n: _rank(pyramid.nodes[n]))[:SHOWN])
    rows = max(map(len, chosen), default=1)
    for level, best in enumerate(chosen):
        if level and all(len(pyramid.nodes[number].parents) == 1 for number in best):  # a tree: beside their parents
            best.sort(key=lambda number: -at[pyramid.nodes[number].parents[0][0]][1])
        above = (rows - len(best)) / 2
        for row, number in enumerate(best):
            at[number] = (APART * (level + 1), -above - row - 0.5)
    return at


def _rank(node: Node) -> tuple[float, int]:
    return -node.score, node.channel


def _look(features: Array, frames: Sequence[Array]) -> tuple[Array, int]:
    """The frame in which a channel (T', h, w) is strongest with its map over it, and which one that is."""
    low, spread = float(features.min()), float(np.ptp(features))
    maps = (features - low) / spread if spread > 0 else np.zeros_like(features)
    best = int(maps.max((1, 2)).argmax())
    frame = min(int((best + 0.5) * len(frames) / len(maps)), len(frames) - 1)
    return overlay(frames[frame], maps[best], 0.7), frame
