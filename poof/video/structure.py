"""Finding holes in Matroska, WebM, AVI and FLV files.

Where the structure of such a file is broken, FFmpeg looks for the next place that it understands and reads on from
there without a word; where a Matroska file was cut off, it just ends. Frames are then missing and all later ones have
the wrong number. The files themselves show it: they are chains of elements without gaps, each with its kind and size in
front (RFC 8794, section 5, and RFC 9559, section 5.1; Microsoft's AVI RIFF File Reference; Adobe's Flash Video File
Format Specification 10.1, annex E).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType as Trace

_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
_MATROSKA = {
    _SEGMENT,
    _CLUSTER,
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


class Chain(ABC):
    """Follows the elements of one file, no further than asked; a context manager."""

    def __init__(self, path: Path) -> None:
        # Unbuffered: only headers are read, each some kilobytes behind the last one.
        self._file = path.open("rb", buffering=0)
        self._length = path.stat().st_size
        self._end = self._length
        self._previous = self._position = 0
        self._broken = False

    def __enter__(self) -> Chain:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Trace | None) -> None:
        self._file.close()

    def reaches(self, offset: int) -> bool:
        """Whether the chain is whole up to the element that holds the byte at `offset`.

        The identifier behind that element counts as well: damage that destroyed it began in the element.
        """
        while not self._broken and self._position <= offset and self._position < self._end:
            self._step()
        if offset < self._previous:
            return True
        if self._position <= offset:
            return False
        return self._position >= min(self._end, self._length) or self._is_element(self._position)

    def is_whole(self) -> bool:
        """Whether the chain is whole up to the end that the file itself declares."""
        while not self._broken and self._position < self._end:
            self._step()
        return not self._broken and self._end <= self._length

    def _step(self) -> None:
        following = self._following(self._position) if self._is_element(self._position) else None
        if following is None or following > self._length:
            self._broken = True
        else:
            self._previous, self._position = self._position, following

    def _read(self, position: int, count: int) -> bytes:
        # A size that is garbage can point farther than a file system counts.
        if position >= self._length:
            return b""
        self._file.seek(position)
        return self._file.read(count)

    @abstractmethod
    def _is_element(self, position: int) -> bool:
        """Whether an element stands there."""

    @abstractmethod
    def _following(self, position: int) -> int | None:
        """Where the element behind the one at `position` stands: inside it, if it is opened; None if unknown."""


class MatroskaChain(Chain):
    """Segments and clusters are opened, all other elements passed over in one step."""

    def _is_element(self, position: int) -> bool:
        identifier, data, size = self._header(position)
        if identifier in _MATROSKA or size is None:
            return identifier in _MATROSKA
        # The format allows elements that a reader does not know, in places where it knows the next.
        return data + size == self._length or self._header(data + size)[0] in _MATROSKA

    def _following(self, position: int) -> int | None:
        identifier, data, size = self._header(position)
        if identifier == _SEGMENT and size is not None:
            # What stands behind the segment is no part of the video.
            self._end = data + size
        if identifier in (_SEGMENT, _CLUSTER):
            return data
        return None if size is None else data + size

    def _header(self, position: int) -> tuple[int, int, int | None]:
        """Identifier, first byte of the data and size of the data (None: unknown or unreadable) of an element."""
        head = self._read(position, 4 + 8)
        width = _leading_zeros(head, 0) + 1
        length = _leading_zeros(head, width) + 1
        if width > 4 or length > 8 or width + length > len(head):
            return 0, position, None
        mask = (1 << 7 * length) - 1
        size = int.from_bytes(head[width : width + length], "big") & mask
        # All ones means 'not known when this was written', which live recordings do for segments and clusters.
        return int.from_bytes(head[:width], "big"), position + width + length, None if size == mask else size


def _leading_zeros(head: bytes, at: int) -> int:
    """Zero bits before the first one in a byte, which is how many more bytes a variable-size integer has; 8 if none."""
    return 8 - head[at].bit_length() if at < len(head) else 8


class AviChain(Chain):
    """Lists are opened, all other chunks passed over in one step."""

    def _is_element(self, position: int) -> bool:
        name = self._read(position, 4)
        return len(name) == 4 and all(byte in b" _" or chr(byte).isalnum() for byte in name) and name.isascii()

    def _following(self, position: int) -> int | None:
        head = self._read(position, 8)
        if head[:4] in (b"RIFF", b"LIST"):
            return position + 12
        end = position + 8 + int.from_bytes(head[4:], "little")
        # Chunks begin at even places, filled up with a zero, but there are writers that forget it.
        unfilled = self._read(end, 1) != b"\0" and self._is_element(end)
        return end if unfilled or end == self._length else end + (end - position) % 2


class FlvChain(Chain):
    """A header, then tags, each with its own size written behind it once more."""

    def _is_element(self, position: int) -> bool:
        head = self._read(position, 11)
        if position == 0:
            return head[:3] == b"FLV"
        # Sound, pictures or data, and a stream number that is always 0.
        return len(head) == 11 and head[0] & 0x1F in (8, 9, 18) and head[8:] == bytes(3)

    def _following(self, position: int) -> int | None:
        head = self._read(position, 9)
        if position == 0:
            return int.from_bytes(head[5:], "big") + 4
        return position + 11 + int.from_bytes(head[1:4], "big") + 4


def chain_of(format_name: str, path: Path) -> Chain | None:
    """The chain of a file, by FFmpeg's name of its format; None for formats that need none."""
    kinds: dict[str, type[Chain]] = {"matroska,webm": MatroskaChain, "avi": AviChain, "flv": FlvChain}
    return kinds[format_name](path) if format_name in kinds else None
