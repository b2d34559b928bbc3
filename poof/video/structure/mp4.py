"""ISO base media files: MP4, MOV, 3GP, whole or in fragments (ISO/IEC 14496-12).

FFmpeg finds the pictures of a whole file by its index (`moov`), of a fragmented one by the index of each fragment
(`moof`). An index says the same thing several times; where it contradicts itself, pictures are missing or shifted.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from poof.video.structure.base import BROKEN, Chain

_CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mvex", b"traf", b"edts"}
_NEEDED = (*((name,) for name in b"tkhd mdhd hdlr stsd stts stsc".split()), (b"stsz", b"stz2"), (b"stco", b"co64"))
"""What every track has; where the name of one is damaged, FFmpeg goes on with what it takes for usual."""
_IN_FRAGMENT = {b"mfhd", b"traf", b"pssh", b"meta", b"free", b"skip", b"uuid", b"udta"}
_SHOWN = 0.1
"""Least share of a track that its edits show."""
_LARGEST = 1 << 28  # bytes of an index


class Mp4Chain(Chain):
    """Boxes of the top level are passed over in one step, an index is read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._fragment: int | None = None
        self._tracks: set[bytes] = set()
        self._checked = False
        self._sound = True

    def holds(self, offset: int) -> bool:
        """See `Chain.holds`: the index is checked as a whole, fragments up to the one that holds the packet."""
        if not self._checked:
            self._checked = True
            self._sound = self._check_index()
        return self._sound and (self._fragment is None or self.reaches(offset))

    def is_whole(self) -> bool:
        """See `Chain.is_whole`; FFmpeg marks pictures that are missing at the end of a whole file."""
        self.reason = BROKEN
        if self._fragment is None:
            return self._sound
        while not self._broken and self._position < self._end:
            self._step()
        return not self._broken

    def _check_index(self) -> bool:
        position = 0
        while position < self._length:
            kind, data, end = self._box(position)
            if kind == b"moov" and end is not None and end - data <= _LARGEST:
                boxes = list(_inside(self._read(data, end - data)))
                extends = dict(boxes).get(b"mvex")
                if extends is not None:
                    self._fragment = 0
                    self._tracks = {box[4:8] for k, box in _inside(extends) if k == b"trex"}
                movie = dict(boxes).get(b"mvhd", b"")
                tracks = (box for k, box in boxes if k == b"trak")
                return _has_sound_matrix(movie, 36) and all(_agrees(box, _timescale(movie)) for box in tracks)
            if end is None or end <= position:
                return True  # FFmpeg found one somewhere
            position = end
        return True

    def _is_element(self, position: int) -> bool:
        kind, data, end = self._box(position)
        if end is None or not (kind.isascii() and kind.replace(b"\xa9", b"").strip().isalnum()):
            return False
        # A fragment whose name is damaged is passed over by every reader.
        return kind == b"moof" or self._read(data + 4, 4) != b"mfhd"

    def _following(self, position: int) -> int | None:
        kind, data, end = self._box(position)
        if kind == b"moof" and end is not None and end - data <= _LARGEST:
            boxes = list(_inside(self._read(data, end - data)))
            header = dict(boxes).get(b"mfhd", b"")
            if len(header) < 8 or not all(kind in _IN_FRAGMENT for kind, _ in boxes):
                return None
            if not all(self._is_sound(box) for kind, box in boxes if kind == b"traf"):
                return None
            number = int.from_bytes(header[4:8], "big")
            if self._fragment and number != self._fragment + 1:
                return None
            self._fragment = number
        # FFmpeg marks the picture in which a file was cut off.
        return end if end is None or kind != b"mdat" else min(end, self._length)

    def _is_sound(self, track: bytes) -> bool:
        """Whether the part of a fragment that is one track's belongs to a known one and is as long as it says."""
        boxes = list(_inside(track))
        header = dict(boxes).get(b"tfhd", b"")
        if header[4:8] not in self._tracks:
            return False
        for kind, run in boxes:
            if kind == b"trun":
                flags, count = int.from_bytes(run[1:4], "big"), int.from_bytes(run[4:8], "big")
                fields = (flags >> 8 & 0x0F).bit_count()
                if len(run) != 8 + 4 * (flags & 1) + (flags & 4) + 4 * fields * count:
                    return False
        return any(kind == b"trun" for kind, _ in boxes) or len(boxes) == 1

    def _box(self, position: int) -> tuple[bytes, int, int | None]:
        """Kind, first byte of the content, and end (None: unreadable) of a box."""
        head = self._read(position, 16)
        if len(head) < 8:
            return b"", position, None
        size, kind, data = int.from_bytes(head[:4], "big"), head[4:8], position + 8
        if size == 1 and len(head) == 16:
            size, data = int.from_bytes(head[8:], "big"), position + 16
        end = self._length if size == 0 else position + size
        return kind, data, end if end >= data else None


def _inside(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, content) of the boxes that a box holds, as far as they can be read."""
    position = 0
    while position + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, position)
        if size < 8 or position + size > len(content):
            return
        yield kind, content[position + 8 : position + size]
        position += size


def _agrees(track: bytes, timescale: int = 0) -> bool:
    """Whether a track has all its tables, and they name one and the same number of pictures (or pieces of sound).

    `timescale`: units a second of the film's own times; 0 where it is unknown.
    """
    tables: dict[bytes, bytes] = {}
    waiting = [track]
    while waiting:
        for kind, box in _inside(waiting.pop()):
            if kind in _CONTAINERS:
                waiting.append(box)
            else:
                tables.setdefault(kind, box)
    if not all(any(name in tables for name in names) for names in _NEEDED):
        return False
    counts = {_sizes(tables), _durations(tables), _chunks(tables)} - {None}
    edits = _edits_agree(tables) and _edits_show_enough(tables, timescale) and _lasts_as_said(tables)
    return len(counts) <= 1 and _shown_within(tables) and edits and _has_sound_matrix(tables[b"tkhd"], 40)


def _timescale(header: bytes) -> int:
    """Units a second, of `mvhd` or `mdhd`."""
    return int.from_bytes(header[20:24] if header[:1] == b"\1" else header[12:16], "big")


def _has_sound_matrix(header: bytes, place: int) -> bool:
    """Whether the last column of the matrix that turns or mirrors pictures is (0, 0, 1), as it must be, or all is 0.

    `place`: of the matrix, in a header of version 0.
    """
    place += 12 * (header[:1] == b"\1")
    values = struct.unpack(">9I", header[place : place + 36].ljust(36, b"\0"))
    return not any(values) or values[2::3] == (0, 0, 1 << 30)


def _sizes(tables: dict[bytes, bytes]) -> int | None:
    if len(tables.get(b"stsz", b"")) >= 12:
        return int.from_bytes(tables[b"stsz"][8:12], "big")
    return None


def _durations(tables: dict[bytes, bytes]) -> int | None:
    table = tables[b"stts"]
    if len(table) < 8:
        return None
    return sum(count for count, _ in _rows(table))


def _edits(tables: dict[bytes, bytes]) -> list[tuple[int, int]]:
    """(duration in the film's units, first time in the track's, -1: a pause) of each edit."""
    table = tables.get(b"elst", b"")
    row = struct.Struct(">Qq4x" if table[:1] == b"\1" else ">Ii4x")
    rows = max(0, min(int.from_bytes(table[4:8], "big"), (len(table) - 8) // row.size))
    return list(row.iter_unpack(table[8 : 8 + rows * row.size]))


def _edits_agree(tables: dict[bytes, bytes]) -> bool:
    """Whether the edit list is as long as the track says it is: edits that were changed hide pictures."""
    header = tables[b"tkhd"]
    if len(header) < 36:
        return True
    total = sum(duration for duration, _ in _edits(tables))
    said = int.from_bytes(header[28:36] if header[0] == 1 else header[20:24], "big")
    return not said or not total or abs(total - said) <= 2 + said // 50


def _edits_show_enough(tables: dict[bytes, bytes], timescale: int) -> bool:
    """Whether the edits show a tenth of the track at least: with a damaged timescale they show hardly anything."""
    shown = sum(duration for duration, start in _edits(tables) if start != -1)
    lasts, own = _length(tables), _timescale(tables[b"mdhd"])
    if not (timescale and shown and lasts and own):
        return True
    return shown / timescale >= _SHOWN * lasts / own


def _shown_within(tables: dict[bytes, bytes]) -> bool:
    """Whether no picture is shown later than it is decoded by more than the whole film takes."""
    table, total = tables.get(b"ctts", b""), _length(tables)
    if len(table) < 16 or len(tables[b"stts"]) < 16:
        return True
    return all(offset <= total or offset >= 1 << 31 for count, offset in _rows(table) if count)  # 2^31 on: negative


def _lasts_as_said(tables: dict[bytes, bytes]) -> bool:
    """Whether the pictures do not last far longer than the track says: those beyond its edits would be hidden."""
    header = tables[b"mdhd"]
    wide = header[:1] == b"\1"
    if b"elst" not in tables or len(header) < (32 if wide else 20):
        return True
    said = int.from_bytes(header[24:32] if wide else header[16:20], "big")
    unknown = said in (0, (1 << 64 if wide else 1 << 32) - 1)
    return unknown or _length(tables) <= 1.5 * said


def _length(tables: dict[bytes, bytes]) -> int:
    """How long the track's pictures last together, in its own units."""
    return sum(count * each for count, each in _rows(tables[b"stts"]))


def _rows(table: bytes) -> list[tuple[int, int]]:
    rows = min(int.from_bytes(table[4:8], "big"), (len(table) - 8) // 8)
    return list(struct.iter_unpack(">II", table[8 : 8 + 8 * rows]))


def _chunks(tables: dict[bytes, bytes]) -> int | None:
    """Pictures in all pieces of the file that hold some of the track."""
    table, places = tables.get(b"stsc", b""), tables.get(b"stco") or tables.get(b"co64") or b""
    if len(table) < 8 or len(places) < 8:
        return None
    pieces = int.from_bytes(places[4:8], "big")
    rows = min(int.from_bytes(table[4:8], "big"), (len(table) - 8) // 12)
    starts = list(struct.iter_unpack(">III", table[8 : 8 + 12 * rows]))
    if not starts:
        return None if pieces else 0
    total = 0
    for (first, each, _), following in zip(starts, [*starts[1:], (pieces + 1, 0, 0)], strict=True):
        if not first <= following[0] <= pieces + 1:
            return -1
        total += (following[0] - first) * each
    return total
