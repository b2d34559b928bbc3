"""Finding holes in Matroska and WebM files.

Where the structure of such a file is broken, FFmpeg looks for the next cluster and reads on from there without a
word, and where the file was cut off it just ends. Many frames are then missing and all later ones have the wrong
number. The elements themselves show it: each begins with an identifier and its size, so they form a chain without
gaps from the first byte to the last (RFC 8794, section 5; RFC 9559, section 5.1).
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType as Trace

_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
_OPENED = frozenset({_SEGMENT, _CLUSTER})
"""Elements whose children the chain goes through; all others are passed over in one step."""
_KNOWN = _OPENED | {
    0x1A45DFA3,  # EBML header
    0x114D9B74,  # SeekHead
    0x1549A966,  # Info
    0x1654AE6B,  # Tracks
    0x1C53BB6B,  # Cues
    0x1941A469,  # Attachments
    0x1043A770,  # Chapters
    0x1254C367,  # Tags
    0xE7,  # Timestamp of a cluster
    0x5854,  # SilentTracks
    0xA7,  # Position
    0xAB,  # PrevSize
    0xA3,  # SimpleBlock
    0xA0,  # BlockGroup
    0xAF,  # EncryptedBlock
    0xEC,  # Void
    0xBF,  # CRC-32
}
_LONGEST_HEADER = 4 + 8


class ElementChain:
    """Follows the elements of one file, no further than asked; a context manager."""

    def __init__(self, path: Path) -> None:
        # Unbuffered: only headers are read, each a few kilobytes behind the last one.
        self._file = path.open("rb", buffering=0)
        self._length = path.stat().st_size
        self._position = 0
        self._end = self._length
        self._broken = False

    def __enter__(self) -> ElementChain:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Trace | None) -> None:
        self._file.close()

    def reaches(self, offset: int) -> bool:
        """Whether the chain is whole up to the element that holds the byte at `offset`.

        The identifier behind that element counts as well: damage that destroyed it began in the element.
        """
        while not self._broken and self._position <= offset and self._position < self._end:
            self._step()
        if self._broken or self._position <= offset:
            return False
        return self._position >= min(self._end, self._length) or self._is_element(self._position)

    def is_whole(self) -> bool:
        """Whether the chain is whole up to the end that the file itself declares."""
        return self._end <= self._length and self.reaches(self._end - 1)

    def _step(self) -> None:
        start = self._position
        identifier, data, size = self._header(start)
        if identifier == _SEGMENT and size is not None:
            # What stands behind the segment is no part of the video.
            self._end = data + size
        if identifier in _OPENED:
            self._position = data
        elif size is None or data + size > self._length or not self._is_element(start):
            self._broken = True
        else:
            self._position = data + size

    def _is_element(self, position: int) -> bool:
        """Whether an element stands there: one of those known, or, as the format allows others, one before those."""
        identifier, data, size = self._header(position)
        if identifier in _KNOWN or size is None:
            return identifier in _KNOWN
        return data + size == self._length or self._header(data + size)[0] in _KNOWN

    def _header(self, position: int) -> tuple[int, int, int | None]:
        """Identifier, first byte of the data and size of the data (None: unknown or unreadable) of an element."""
        self._file.seek(position)
        head = self._file.read(_LONGEST_HEADER)
        width = _width(head, 0)
        if not 1 <= width <= 4:
            return 0, position, None
        identifier = int.from_bytes(head[:width], "big")
        length = _width(head, width)
        if not 1 <= length <= 8 or width + length > len(head):
            return 0, position, None
        mask = (1 << 7 * length) - 1
        size = int.from_bytes(head[width : width + length], "big") & mask
        # All ones means 'not known when this was written', which live recordings do for segments and clusters.
        return identifier, position + width + length, None if size == mask else size


def _width(head: bytes, at: int) -> int:
    """Length in bytes of the variable-size integer at `at`: the zero bits before its first one, plus one; 9 if none."""
    return 9 - head[at].bit_length() if at < len(head) else 0
