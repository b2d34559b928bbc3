"""Structure-aware damage: JSON nodes, table cells, bytes."""

from __future__ import annotations

import copy
import csv
import io
import json
from typing import Any

import numpy as np

Rng = np.random.Generator

HOSTILE_TEXT = (
    "", " ", "a", "7", "-1", "0", "x" * 400, "NaN", "inf", "None", "NA", "#N/A", "null", "1e400", "1,5", "1.5", "²",
    "\x1b[31mred\x1b[0m", "two\nlines", "tab\there", "nul\0", "a[/]b", "[red]b", ":smile:", "{x}", "%s", "٣", "../../x",
    "\ud800", "\u202eback", "é", "e\u0301", "🙂", '"', "'", ",", ";", "#", "=1+1", "-" * 9, "individual1", "single",
    "10" * 200, "img0001.png", "labeled-data/x/img3.png", "C:\\videos\\img4.png", "frame_12_png.rf.8f3a9c.jpg",
)  # fmt: skip
HOSTILE_NUMBERS = (
    -1, 0, 1, 2, 3, 0.5, -0.0, 1e-9, 1e9, 1e300, -1e300, 2**31 - 1, 2**31, 2**53 + 1, 2**63, 2**64, 10**400, -(10**400),
    float("nan"), float("inf"), float("-inf"), 1.0000001, 3.7, True, False,
)  # fmt: skip
HOSTILE_VALUES = (*HOSTILE_TEXT, *HOSTILE_NUMBERS, None, [], {}, [[]], [1, 2], {"a": 1}, [None], [float("nan")] * 3)


def pick(rng: Rng, values: Any) -> Any:
    """One of the values, as it is."""
    return values[int(rng.integers(len(values)))]


def hostile(rng: Rng) -> Any:
    """A value nobody expects."""
    return copy.deepcopy(pick(rng, HOSTILE_VALUES))


def nodes(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything in a JSON value."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += nodes(inner, (*path, key))
    return found


def damage_json(document: Any, rng: Rng) -> Any:
    """The document with one to three nodes replaced, removed, renamed, doubled, moved or emptied."""
    document = copy.deepcopy(document)
    for _ in range(int(rng.integers(1, 4))):
        paths = nodes(document)
        if not paths:
            break
        # Deep nodes outnumber the others; half of the time the depth is drawn first.
        if rng.random() < 0.5:
            depth = pick(rng, sorted({len(p) for p in paths}))
            paths = [p for p in paths if len(p) == depth]
        path = pick(rng, paths)
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        key, value = path[-1], parent[path[-1]]
        what = int(rng.integers(8))
        if what == 0:
            del parent[key]
        elif what == 1 and isinstance(parent, dict):
            parent[str(hostile(rng))[:500]] = parent.pop(key)
        elif what == 2 and isinstance(parent, list):
            parent.insert(key, copy.deepcopy(value))
        elif what == 3 and isinstance(value, (int, float)) and not isinstance(value, bool):
            half = value + 0.5 if abs(value) < 1e300 else value
            parent[key] = pick(rng, (-value, value + 1, value * 1000, half, str(value), [value]))
        elif what == 4 and isinstance(value, str):
            parent[key] = pick(rng, (value + pick(rng, HOSTILE_TEXT), value[:-1], value.upper(), value * 50))
        elif what == 5 and isinstance(value, list) and value:
            parent[key] = pick(rng, (value[:-1], value[::-1], value * 2, value[:1] * len(value)))
        elif what == 6:
            other = document
            for step in pick(rng, nodes(document)):
                other = other[step]
            parent[key] = copy.deepcopy(other)
        else:
            parent[key] = hostile(rng)
    return document


def json_bytes(document: Any) -> bytes:
    """JSON as Python writes it, with NaN and lone surrogates if there are any."""
    return json.dumps(document).encode()


def damage_table(text: str, rng: Rng) -> str:
    """The table with cells, rows or columns replaced, removed, doubled or swapped."""
    rows = [line.split(",") for line in text.splitlines()]
    for _ in range(int(rng.integers(1, 4))):
        if not rows:
            break
        y = int(rng.integers(len(rows))) if rng.random() < 0.7 else int(rng.integers(min(4, len(rows))))
        x = int(rng.integers(len(rows[y]))) if rows[y] else 0
        what = int(rng.integers(9))
        if what == 0:
            del rows[y]
        elif what == 1:
            rows.insert(y, list(rows[y]))
        elif what == 2:
            rows = [row[:x] + row[x + 1 :] for row in rows]
        elif what == 3:
            rows = [row[: x + 1] + row[x:] for row in rows]
        elif what == 4:
            other = int(rng.integers(len(rows)))
            rows[y], rows[other] = rows[other], rows[y]
        elif what == 5:
            rows[y] = rows[y][:x]
        elif rows[y]:
            value = hostile(rng)
            rows[y][x] = _cell(str(value)) if what < 8 else str(value)
    return "\n".join(",".join(row) for row in rows) + "\n"


def _cell(text: str) -> str:
    """The text as one cell, quoted where it must be."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([text])
    return line.getvalue()


def damage_bytes(data: bytes, rng: Rng) -> bytes:
    """The bytes with some of them changed, cut, zeroed, moved or doubled."""
    values = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        if not values:
            break
        start = int(rng.integers(len(values)))
        size = int(rng.integers(1, max(2, min(len(values) - start, 1 << int(rng.integers(1, 12))) + 1)))
        what = int(rng.integers(6))
        if what == 0:
            values[start] ^= 1 << int(rng.integers(8))
        elif what == 1:
            values[start : start + 4] = rng.bytes(4)
        elif what == 2:
            del values[start:]
        elif what == 3:
            values[start : start + size] = bytes(size)
        elif what == 4:
            values[start:start] = values[start : start + size]
        else:
            del values[start : start + size]
    return bytes(values)
