"""The map of rooms as a picture, made from the code: which packages there are and which of them import which."""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CELL, LEFT, TOP, GAP, SHOWN = 22, 610, 96, 12, 66


@cache
def layers() -> list[list[str]]:
    """The first contract of import-linter, uppermost layer first: names without `poof.`."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (first,) = [c for c in contracts if c["name"] == "Data flows one way"]
    return [[part.strip().removeprefix("poof.") for part in layer.split("|")] for layer in first["layers"]]


@cache
def imports() -> dict[str, set[str]]:
    """Room -> rooms that some file of it imports, wherever in the file."""
    import grimp

    graph = grimp.build_graph("poof", cache_dir=None)
    rooms = {name for layer in layers() for name in layer}
    found: dict[str, set[str]] = {room: set() for room in rooms}
    for module in graph.modules:
        here = module.split(".")[1] if "." in module else ""
        for other in graph.find_modules_directly_imported_by(module):
            there = other.split(".")[1] if "." in other else ""
            if here in rooms and there in rooms and here != there:
                found[here].add(there)
    return found


def said(room: str) -> str:
    """The first sentence of a room's docstring."""
    folder = ROOT / "poof" / room
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    text = (ast.get_docstring(ast.parse(file.read_text())) or "").split("\n\n", 1)[0].replace("\n", " ")
    return text.split(". ", 1)[0].rstrip(".")


def _files(room: str) -> str:
    folder = ROOT / "poof" / room
    count = len(list(folder.rglob("*.py")))
    return f"{count} files" if count else "1 file"


def svg() -> str:
    """The drawing: a row a room, uppermost layer on top, and a mark under every room that it imports.

    All marks lie right of the diagonal: a room imports what stands below it.
    """
    rooms = [(i, room) for i, layer in enumerate(layers()) for room in layer]
    place = {room: i for i, (_, room) in enumerate(rooms)}
    width, height = LEFT + CELL * len(rooms) + 3 * GAP, TOP + CELL * len(rooms) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"',
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for i, (layer, room) in enumerate(rooms):
        y, x = TOP + i * CELL, LEFT + i * CELL
        words = said(room)
        short = words if len(words) <= SHOWN else words[:SHOWN].rsplit(" ", 1)[0] + " ..."
        if layer % 2 == 0:
            parts.append(f'<rect x="0" y="{y}" width="{width}" height="{CELL}" fill="#eef3fa"/>')
        parts += [
            f'<text x="{GAP}" y="{y + 15}" font-weight="bold" fill="#1c2c44">{room}</text>',
            f'<text x="124" y="{y + 15}" fill="#5b6b80">{_files(room)}</text>',
            f'<text x="184" y="{y + 15}" fill="#1c2c44">{escape(short)}<title>{escape(words)}</title></text>',
            f'<text transform="translate({x + 14},{TOP - 6}) rotate(-60)" fill="#1c2c44">{room}</text>',
            f'<rect x="{x + 3}" y="{y + 3}" width="{CELL - 6}" height="{CELL - 6}" fill="#c3cedd"/>',
        ]
    for room, others in sorted(imports().items()):
        for other in sorted(others):
            x, y = LEFT + place[other] * CELL + CELL / 2, TOP + place[room] * CELL + CELL / 2
            parts.append(
                f'<circle cx="{x}" cy="{y}" r="5" fill="#3c5a86"><title>{room} imports {other}</title></circle>'
            )
    return "\n".join([*parts, "</svg>"])


if __name__ == "__main__":
    print(svg())
