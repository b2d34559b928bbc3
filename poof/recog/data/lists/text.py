"""Plain text lists: TSM's frames lists, mmaction2's video lists, and their relatives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from poof.errors import PoofError
from poof.recog.data.lists.base import ClipList, Options, Record, names_for, number, read_lines, resolve


def frames_list(path: Path, options: Options) -> ClipList:
    """`folder frames label` a line, blank or comma between (TSM, TSN, TEA, TAM, TDN, mmaction2's rawframes)."""
    records = []
    for line, parts in _rows(path, ",", "folder frames label"):
        count, label = number(parts[1], line, "number of frames"), number(parts[2], line, "label")
        records.append(Record(resolve(parts[0], path, options), label, 0, count, line))
    return ClipList(tuple(records), names_for(records, options.labels), str(path))


def offset_list(path: Path, options: Options) -> ClipList:
    """`folder offset frames label` a line, offset from 0 (mmaction2's rawframes `with_offset`); only by --format."""
    records = []
    for line, parts in _rows(path, ",", "folder offset frames label"):
        offset, count, label = (number(p, line, "number") for p in parts[1:])
        records.append(Record(resolve(parts[0], path, options), label, offset, count, line))
    return ClipList(tuple(records), names_for(records, options.labels), str(path))


def video_list(path: Path, options: Options) -> ClipList:
    """`path label` a line (mmaction2, SlowFast, PyTorchVideo); blank or comma between them."""
    records = []
    for line, parts in _rows(path, ",", "path label"):
        label = number(parts[1], line, "label")
        records.append(Record(resolve(parts[0], path, options), label, line=line))
    return ClipList(tuple(records), names_for(records, options.labels), str(path))


def span_list(path: Path, options: Options) -> ClipList:
    """`folder start end label` a line, blank or ';' between, frames from 1 and both ends inclusive (IBM)."""
    records = []
    for line, parts in _rows(path, ";", "folder start end label"):
        first, last, label = (number(p, line, "number") for p in parts[1:])
        if not 1 <= first <= last:
            raise PoofError(
                f"{line}: frames {first} to {last} are no span; frames count from 1 "
                "(--format offset where a start from 0 and a number of frames are meant)"
            )
        records.append(Record(resolve(parts[0], path, options), label, first - 1, last - first + 1, line))
    return ClipList(tuple(records), names_for(records, options.labels), str(path))


def _rows(path: Path, separator: str, fields: str) -> Iterator[tuple[str, list[str]]]:
    """Where each line stands and its parts, one for each of the names in `fields`."""
    count = len(fields.split())
    for line, text in read_lines(path):
        parts = _split(text, separator, count)
        if len(parts) != count:
            raise PoofError(f"{line}: expected '{fields}', got '{text}'")
        yield line, parts


def _split(text: str, separator: str, fields: int) -> list[str]:
    """The fields of a line from its right end: names may hold blanks, and separators where blanks stand between."""
    parts = text.rsplit(separator, maxsplit=fields - 1)
    if len(parts) < fields:
        parts = text.rsplit(maxsplit=fields - 1)
    return [part.strip() for part in parts]
