"""Matroska and WebM (RFC 8794, section 5, and RFC 9559, section 5.1)."""

from __future__ import annotations

from pathlib import Path

from poof.video.structure.base import Chain

_SEGMENT, _CLUSTER, _TRACKS = 0x18538067, 0x1F43B675, 0x1654AE6B
_SIMPLE_BLOCK, _GROUP, _BLOCK = 0xA3, 0xA0, 0xA1
_TOP = {
    _SEGMENT,
    _CLUSTER,
    _TRACKS,
    0x1A45DFA3,  # EBML header
    0x114D9B74,  # SeekHead
    0x1549A966,  # Info
    0x1C53BB6B,  # Cues
    0x1941A469,  # Attachments
    0x1043A770,  # Chapters
    0x1254C367,  # Tags
    0xEC,  # Void
    0xBF,  # CRC-32
}
_NUMBERS = {
    0xE7,  # Timestamp of a cluster
    0xA7,  # Position
    0xAB,  # PrevSize
    0x9B,  # BlockDuration
    0xFB,  # ReferenceBlock
    0xFA,  # ReferencePriority
    0x75A2,  # DiscardPadding
}
_IN_CLUSTER = _NUMBERS | {
    0x5854,  # SilentTracks
    _SIMPLE_BLOCK,
    _GROUP,
    _BLOCK,
    0xAF,  # EncryptedBlock
    0xA4,  # CodecState
    0x75A1,  # BlockAdditions
    0x8E,  # Slices
    0xC8,  # ReferenceFrame
    0xEC,
    0xBF,
}
_LACED = 0x06
_TRACK_ENTRY, _TRACK_NUMBER = 0xAE, 0xD7


class MatroskaChain(Chain):
    """Segments, clusters and groups of blocks are opened, all other elements passed over in one step."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._in_cluster = False
        self._cluster_end: int | None = None  # None: not known
        self._group_end = 0
        self._tracks: set[int] = set()

    def _is_element(self, position: int) -> bool:
        identifier, data, size = self._header(position)
        if self._within(position):
            if identifier in _IN_CLUSTER:
                return size is not None and not (identifier in _NUMBERS and size > 8)
            # A cluster whose size was not known ends where an element of the level above begins.
            return self._cluster_end is None and identifier in _TOP
        if identifier in _TOP or identifier in _IN_CLUSTER:
            return identifier in _TOP
        if size is None:
            return False
        # The format allows elements that a reader does not know, in places where it knows the next. One that holds what
        # clusters hold is a cluster with a damaged name.
        known_behind = data + size == self._length or self._header(data + size)[0] in _TOP
        return known_behind and self._header(data)[0] not in _IN_CLUSTER - {0xEC}

    def _within(self, position: int) -> bool:
        return self._in_cluster and (self._cluster_end is None or position < self._cluster_end)

    def _following(self, position: int) -> int | None:
        identifier, data, size = self._header(position)
        if identifier == _SEGMENT:
            if size is not None:
                # What stands behind the segment is no part of the video.
                self._end = data + size
            return data
        if identifier == _CLUSTER:
            self._in_cluster, self._cluster_end = True, None if size is None else data + size
            return data
        if size is None:
            return None
        if not self._within(position) or identifier in _TOP - {0xEC, 0xBF}:
            self._in_cluster = False
        if identifier == _TRACKS:
            self._tracks = self._track_numbers(data, size)
        if identifier == _GROUP:
            self._group_end = data + size
            return data
        if identifier in (_SIMPLE_BLOCK, _BLOCK) and not self._add(identifier, data):
            return None
        return data + size

    def _add(self, identifier: int, data: int) -> bool:
        """Note the pictures of a block; False for one that belongs to no track, or stands where there can be none."""
        if identifier == _BLOCK and data > self._group_end:
            return False
        head = self._read(data, 8 + 4)
        width = _leading_zeros(head, 0) + 1
        if width > 8 or len(head) < width + 3:
            return False
        track = int.from_bytes(head[:width], "big") & ((1 << 7 * width) - 1)
        if self._tracks and track not in self._tracks:
            return False
        laced = head[width + 2] & _LACED and len(head) > width + 3
        for _ in range(head[width + 3] + 1 if laced else 1):
            self._pictures.append((track, data))
        return True

    def _track_numbers(self, data: int, size: int) -> set[int]:
        numbers, position, end = set(), data, data + size
        while position < end:
            identifier, inside, length = self._header(position)
            if not identifier or length is None:
                return set()
            if identifier == _TRACK_NUMBER:
                numbers.add(int.from_bytes(self._read(inside, min(length, 8)), "big"))
            position = inside if identifier == _TRACK_ENTRY else inside + length
        return numbers

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
