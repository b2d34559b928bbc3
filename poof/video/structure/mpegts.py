"""MPEG transport streams (ISO/IEC 13818-1): packets of one size, numbered from 0 to 15 within each stream."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poof.video.structure.base import BROKEN, Structure

_SYNC = 0x47
_SIZES = ((188, 0), (192, 4), (204, 0))  # and bytes before the one that marks the beginning
_BLOCK = 4096  # packets that are looked at in one go
_MOST = 0.3
"""Share of the packets that begin as one, from which on a file is of that size; by chance it is 1 in 256."""
_PICTURE_IDS = {*range(0xE0, 0xF0), 0xFD}


class TransportStream(Structure):
    """Every packet of the video's stream must be there, and each of its units must begin as one.

    A unit (one picture, mostly) is whole where the next one begins and nothing between them is missing.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._size, self._lead = self._packet_size()
        self._offset = 0  # of the next packet to look at
        self._stream_id: int | None = None
        self._counter: int | None = None
        self._starts: list[int] = []  # of units, beyond what was asked for
        self._first_fault: int | None = None
        self._expected = self._got = 0  # bytes of the unit that is being read
        self._partial = 0
        self._begins = True
        self._timed: list[int] = []  # starts of units that say when they are shown
        self._each, self._asked, self._last = True, 0, 0

    def holds(self, offset: int) -> bool:
        """See `Structure.holds`."""
        if not self._size:
            return True  # of a kind of its own; FFmpeg's marks are all there is
        if self._stream_id is None:
            head = self._read(offset + self._lead, 3)
            if len(head) < 3:
                return True
            self._stream_id = int.from_bytes(head[1:3], "big") & 0x1FFF
        while self._first_fault is None and not any(start > offset for start in self._starts):
            if not self._look():
                break
        if self._begins:
            # FFmpeg passes over units of which it does not recognise the beginning.
            self._begins = False
            if any(start < offset for start in self._starts):
                return False
        self._starts = [start for start in self._starts if start > offset]
        if any(self._last < start < offset for start in self._timed):
            # Where every unit with a time has given a picture so far, one that gives none is lost.
            if self._each and self._asked > 2:
                return False
            self._each = False
        self._asked, self._last = self._asked + 1, offset
        self._timed = [start for start in self._timed if start > offset]
        behind = self._starts[0] if self._starts else self._length
        return self._first_fault is None or self._first_fault > behind

    def is_whole(self) -> bool:
        """See `Structure.is_whole`: nothing in the file says where it was meant to end."""
        while self._size and self._first_fault is None and self._look():
            pass
        self.reason = BROKEN
        return self._first_fault is None and not self._partial

    def _packet_size(self) -> tuple[int, int]:
        """The size at which the first packets begin as one, or, where these are damaged, most of the others."""
        data = np.frombuffer(self._read(0, _BLOCK * _SIZES[0][0]), np.uint8)
        for size, lead in _SIZES:
            marks = data[lead::size][:8] == _SYNC
            if marks.sum() >= max(1, len(marks) - 3):
                return size, lead
        shares = [_share(data, size) for size, _ in _SIZES]
        best = int(np.argmax(shares))
        return _SIZES[best] if shares[best] > _MOST else (0, 0)

    def _look(self) -> bool:
        """Look at the next packets; False at the end of the file."""
        data = self._read(self._offset, _BLOCK * self._size)
        count = len(data) // self._size
        self._partial = len(data) - count * self._size
        if not count:
            return False
        packets = np.frombuffer(data, np.uint8, count * self._size).reshape(count, self._size)[:, self._lead :]
        lost = np.flatnonzero(packets[:, 0] != _SYNC)
        stream = (packets[:, 1].astype(int) & 0x1F) << 8 | packets[:, 2]
        for row in np.flatnonzero((stream == self._stream_id) | (packets[:, 0] != _SYNC)).tolist():
            if self._stream_id is None:
                break
            if not self._take(packets[row], self._offset + row * self._size):
                self._first_fault = self._offset + row * self._size
                return True
        if len(lost) and self._stream_id is None:
            self._first_fault = self._offset + int(lost[0]) * self._size
        self._offset += count * self._size
        return True

    def _take(self, packet: np.ndarray, offset: int) -> bool:
        """Go over one packet of the video; False where something is missing or broken before or in it."""
        head = packet[:188].tobytes()
        if head[0] != _SYNC or head[1] & 0x80:
            return False
        has_field, has_payload = bool(head[3] & 0x20), bool(head[3] & 0x10)
        start = 4 + (1 + head[4] if has_field else 0)
        if start > 188 or (has_payload and start >= 188):
            return False
        jump = has_field and head[4] > 0 and bool(head[5] & 0x80)
        if not has_payload:
            return has_field
        counter = head[3] & 0x0F
        before, self._counter = self._counter, counter
        if before is not None and not jump and counter != (before + 1) & 0x0F:
            return False
        payload = head[start:188]
        if head[1] & 0x40:
            if self._expected and self._got != self._expected:
                return False
            if len(payload) < 6 or payload[:3] != b"\0\0\1" or payload[3] not in _PICTURE_IDS:
                return False
            length = int.from_bytes(payload[4:6], "big")
            self._expected, self._got = (length + 6 if length else 0), 0
            self._starts.append(offset)
            if len(payload) > 7 and payload[7] & 0x80:
                self._timed.append(offset)
        self._got += len(payload)
        return not self._expected or self._got <= self._expected


def _share(data: np.ndarray, size: int) -> float:
    """Share of the pieces of `size` bytes that begin a packet, wherever the first of them is cut."""
    rows = len(data) // size
    return float((data[: rows * size].reshape(rows, size) == _SYNC).mean(axis=0).max()) if rows else 0.0
