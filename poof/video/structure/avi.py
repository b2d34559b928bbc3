"""AVI (Microsoft's AVI RIFF File Reference, and OpenDML's extensions)."""

from __future__ import annotations

import re
from pathlib import Path

from poof.video.structure.base import Chain

_NAME = re.compile(rb"[ 0-9A-Za-z_]{4}")
_MEDIA = re.compile(rb"(\d\d)(dc|db|wb|tx|pc|sb|iv|vc|__)")
_PICTURE = re.compile(rb"(\d\d)(dc|db|iv|vc|__)")
_OTHERS = re.compile(rb"ix\d\d|\d\dix|JUNK|junk|JUNQ|LIST|RIFF|idx1|rec ")
_UNKNOWN = (0, 0xFFFFFFFF)
_LARGEST_INDEX, _HEADERS = 1 << 26, 1 << 20


class AviChain(Chain):
    """Lists are opened, all other chunks passed over in one step."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._movie = False  # inside a list of pictures
        self._movie_end = 0
        self._streams = 0

    def is_whole(self) -> bool:
        """See `Chain.is_whole`; the list of pictures must not be longer than the file."""
        whole = super().is_whole()
        return whole and self._movie_end <= self._length

    def _is_element(self, position: int) -> bool:
        name = self._read(position, 4)
        if not _NAME.fullmatch(name):
            return False
        if not self._movie or position >= self._movie_end:
            return True
        media = _MEDIA.fullmatch(name)
        if media:
            return not self._streams or int(media[1]) < self._streams
        return _OTHERS.fullmatch(name) is not None

    def _following(self, position: int) -> int | None:
        head = self._read(position, 12)
        name, size = head[:4], int.from_bytes(head[4:8], "little")
        if name in (b"RIFF", b"LIST"):
            if head[8:] == b"movi":
                self._movie = True
                # A recording that was never finished has no size here.
                self._movie_end = self._length if size in _UNKNOWN else position + 8 + size
            return position + 12
        self._streams += name == b"strh"
        picture = _PICTURE.fullmatch(name)
        # An empty chunk repeats the picture before.
        if picture and size and self._movie:
            self._pictures.append((picture[1], position + 8))
        end = position + 8 + size
        # Chunks begin at even places, filled up with a zero, but there are writers that forget it.
        unfilled = self._read(end, 1) != b"\0" and self._is_element(end)
        return end if unfilled or end == self._length else end + (end - position) % 2


def index_of(path: Path) -> list[int]:
    """Where the pictures of the first video in a file begin, by the index at its end; empty without one.

    The index survives damage in front of it, and then tells which pictures are lost.
    """
    offsets = [int.from_bytes(entry[8:12], "little") for entry in _entries(path) if any(entry[12:])]
    if not offsets:
        return []
    # Counted from the beginning of the file, or from the name of the list of pictures; the head of a chunk comes first.
    with path.open("rb") as file:
        movie = file.read(_HEADERS).find(b"movi")
    base = 0 if movie < 0 or offsets[0] > movie else movie
    return [base + offset + 8 for offset in offsets]


def share_of_pictures(path: Path) -> float:
    """Share of a video's chunks that hold a picture, by the index of the file; 1 without an index."""
    entries = _entries(path)
    filled = sum(any(entry[12:]) for entry in entries)
    return filled / len(entries) if filled else 1.0


def _entries(path: Path) -> list[bytes]:
    """The entries of the index for the chunks of the first video, 16 bytes each; size 0 repeats a picture."""
    length = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, length - _LARGEST_INDEX))
        tail = file.read()
    at = tail.rfind(b"idx1")
    size = int.from_bytes(tail[at + 4 : at + 8], "little") if at >= 0 else 0
    if at < 0 or size < 16 or at + 8 + size > len(tail):
        return []
    entries = [tail[k : k + 16] for k in range(at + 8, at + 8 + size - 15, 16)]
    pictures = [entry for entry in entries if _PICTURE.fullmatch(entry[:4])]
    return [entry for entry in pictures if entry[:2] == pictures[0][:2]]
