"""Flash video (Adobe's Flash Video File Format Specification 10.1, annex E)."""

from __future__ import annotations

from pathlib import Path

from poof.video.structure.base import Chain

_SOUND, _PICTURES, _DATA = 8, 9, 18
_AVC, _HEVC = 7, 12
_EXTENDED = 0x80
_STRING = 2  # of AMF, with which every tag of data begins
_LATE = 2  # pictures, after which no sound begins that the header did not announce


class FlvChain(Chain):
    """A header, then tags, each with its own size written behind it once more."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._sound: int | None = None  # format of the sound; -1: announced, not seen yet
        self._seen = 0

    def _is_element(self, position: int) -> bool:
        head = self._read(position, 11)
        if position == 0:
            return head[:3] == b"FLV"
        # Sound, pictures or data, and a stream number that is always 0.
        return len(head) == 11 and head[0] & 0x1F in (_SOUND, _PICTURES, _DATA) and head[8:] == bytes(3)

    def _following(self, position: int) -> int | None:
        head = self._read(position, 13)
        if position == 0:
            if len(head) < 9:
                return None
            self._sound = -1 if head[4] & 4 else None
            return int.from_bytes(head[5:9], "big") + 4
        size = int.from_bytes(head[1:4], "big")
        kind = head[0] & 0x1F
        if size and (len(head) < 12 or not self._is_plausible(kind, head[11])):
            return None
        again = self._read(position + 11 + size, 4)
        if again and int.from_bytes(again, "big") not in (11 + size, 0):
            return None
        if kind == _PICTURES and size and self._is_picture(head[11:]):
            self._pictures.append((_PICTURES, position))
            self._seen += 1
        return position + 11 + size + 4

    def _is_plausible(self, kind: int, first: int) -> bool:
        """Whether what a tag holds is what its kind says: one changed bit makes sound of a picture."""
        if kind == _SOUND:
            if self._sound is None and self._seen >= _LATE:
                return False
            before, self._sound = self._sound, first >> 4
            return before in (None, -1, self._sound)
        return kind != _DATA or first == _STRING

    def _is_picture(self, start: bytes) -> bool:
        """Whether a tag holds a picture: decoders get their settings in tags of the same kind."""
        if start[0] & _EXTENDED:
            return start[0] & 0x0F in (1, 3)
        if start[0] >> 4 == 5:  # a command to the player
            return False
        return not (start[0] & 0x0F in (_AVC, _HEVC) and start[1:] != b"\1")
