"""Plain text lists: TSM's frames lists, mmaction2's video lists, and their relatives."""

from __future__ import annotations

import re
from pathlib import Path

from poof.errors import PoofError
from poof.recog.data.lists.base import (
    ClipList,
    Options,
    Record,
    frame_count,
    frame_number,
    label_number,
    names_for,
    number,
    read_lines,
    resolve,
    shown,
)


def frames_list(path: Path, options: Options) -> ClipList:
    """`folder frames label` a line, blank or comma between (TSM, TSN, TEA, TAM, TDN, mmaction2's rawframes)."""
    records = []
    for line, text in read_lines(path):
        with options.row():
            parts = _fields(line, text, ",", "folder frames label")
            count, label = frame_count(parts[1], line), label_number(parts[2], line)
            records.append(Record(resolve(parts[0], path, options, line), label, 0, count, line))
    return ClipList(tuple(records), names_for(records, options.labels), str(path))


def offset_list(path: Path, options: Options) -> ClipList:
    """`folder offset frames label` a line, offset from 0 (mmaction2's rawframes `with_offset`); only by --format."""
    records = []
    for line, text in read_lines(path):
        with options.row():
            parts = _fields(line, text, ",", "folder offset frames label")
            offset, count = frame_number(parts[1], line), frame_count(parts[2], line)
            label = label_number(parts[3], line)
            records.append(Record(resolve(parts[0], path, options, line), label, offset, count, line))
    return ClipList(tuple(records), names_for(records, options.labels), str(path))


def video_list(path: Path, options: Options) -> ClipList:
    """`path label` a line (mmaction2, SlowFast, PyTorchVideo); blank or comma between them."""
    records = []
    for line, text in read_lines(path):
        with options.row():
            parts = _fields(line, text, ",", "path label")
            label = label_number(parts[1], line)
            records.append(Record(resolve(parts[0], path, options, line), label, line=line))
    return ClipList(tuple(records), names_for(records, options.labels), str(path))


def span_list(path: Path, options: Options) -> ClipList:
    """`folder start end label` a line, blank or ';' between, frames from 1 and both ends inclusive (IBM)."""
    records = []
    for line, text in read_lines(path):
        with options.row():
            parts = _fields(line, text, ";", "folder start end label")
            first, last = (number(p, line, "frame number") for p in parts[1:3])
            label = label_number(parts[3], line)
            if not 1 <= first <= last:
                raise PoofError(
                    f"{line}: frames {first} to {last} are no span; frames count from 1 "
                    "(--format offset where a start from 0 and a number of frames are meant)"
                )
            records.append(Record(resolve(parts[0], path, options, line), label, first - 1, last - first + 1, line))
    return ClipList(tuple(records), names_for(records, options.labels), str(path))


def _fields(line: str, text: str, separator: str, fields: str) -> list[str]:
    """The parts of a line, one for each of the names in `fields`."""
    parts = split_fields(text, separator, len(fields.split()))
    if parts is None:
        raise PoofError(f"{line}: expected '{fields}', got '{shown(text, 60)}'")
    return parts


def split_fields(text: str, separator: str, fields: int) -> list[str] | None:
    """The fields of a line from its right end: names may hold blanks, and separators where blanks stand between."""
    ways = [text.rsplit(separator, maxsplit=fields - 1), text.rsplit(maxsplit=fields - 1)]
    ways = [[part.strip() for part in parts] for parts in ways if len(parts) == fields]
    for parts in ways:
        # 'run, then jump.mp4 3': the comma is part of the name, for no number follows it.
        if all(re.fullmatch(r"[+-]?[0-9]+", part) for part in parts[1:]):
            return parts
    return ways[0] if ways else None
