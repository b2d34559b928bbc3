"""GIF (GIF89a specification, CompuServe 1990)."""

from __future__ import annotations

from pathlib import Path

from poof.video.structure.base import BROKEN, CUT_OFF, Chain
from poof.video.structure.lzw import bytes_behind

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_EXTENSIONS = {0x01, 0xF9, 0xFE, 0xFF}  # plain text, graphic control, comment, application
_CONTROL = 0xF9
_SPARE = 8  # bytes behind the pixels that encoders may leave; an image that has swallowed the next has more


class GifChain(Chain):
    """A header, then extensions and images, each a row of blocks with their sizes in front.

    FFmpeg does not say where in the file a picture stood, so they are counted.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._found = self._asked = 0
        self._ended = False
        self._size = (0, 0)

    def holds(self, offset: int) -> bool:
        """See `Chain.holds`; only counts."""
        self._asked += 1
        while not self._broken and not self._ended and self._found < self._asked and self._position < self._length:
            self._step()
        # A picture is whole where the element behind it can be recognised.
        behind = self._ended or self._is_element(self._position)
        self.reason = BROKEN if self._position < self._length else CUT_OFF
        return not self._broken and behind and self._found >= self._asked

    def is_whole(self) -> bool:
        """See `Chain.is_whole`."""
        while not self._broken and not self._ended and self._position < self._length:
            self._step()
        self.reason = CUT_OFF if not self._ended else BROKEN
        return self._ended and not self._broken and self._found == self._asked

    def _is_element(self, position: int) -> bool:
        if position == 0:
            return self._read(0, 6) in (b"GIF87a", b"GIF89a")
        head = self._read(position, 10)
        if head[:1] == b";":
            return True
        if head[:1] == b"!":
            return len(head) > 2 and head[1] in _EXTENSIONS and (head[1] != _CONTROL or head[2] == 4)
        if head[:1] != b"," or len(head) < 10:
            return False
        left, top, width, height = (int.from_bytes(head[i : i + 2], "little") for i in (1, 3, 5, 7))
        return left + width <= max(self._size[0], 1) and top + height <= max(self._size[1], 1)

    def _following(self, position: int) -> int | None:
        if position == 0:
            head = self._read(0, 13)
            if len(head) < 13:
                return None
            self._size = (int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little"))
            return 13 + _table(head[10])
        kind = self._read(position, 1)[0]
        if kind == _TRAILER:
            self._ended = True
            return position + 1
        if kind == _EXTENSION:
            return self._behind_blocks(position + 2)
        head = self._read(position, 10)
        start = position + 10 + _table(head[9])
        code_size = self._read(start, 1)
        if not code_size or not 2 <= code_size[0] <= 11:
            return None
        end = self._behind_blocks(start + 1)
        if end is None:
            return None
        pixels = int.from_bytes(head[5:7], "little") * int.from_bytes(head[7:9], "little")
        behind = bytes_behind(_joined(self._read(start + 1, end - start - 1)), code_size[0], pixels)
        if behind is None or behind > _SPARE:
            return None
        self._found += 1
        return end

    def _behind_blocks(self, position: int) -> int | None:
        while size := self._read(position, 1):
            position += 1 + size[0]
            if not size[0]:
                return position
        return None


def _joined(blocks: bytes) -> bytes:
    """What is in a row of blocks, without their sizes."""
    at, parts = 0, []
    while at < len(blocks):
        parts.append(blocks[at + 1 : at + 1 + blocks[at]])
        at += 1 + blocks[at]
    return b"".join(parts)


def _table(flags: int) -> int:
    """Bytes of the colours that follow a header with these flags."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
