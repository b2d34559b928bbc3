"""What all chains of elements share: following them no further than asked, and telling whether pictures are lost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Hashable
from pathlib import Path
from types import TracebackType as Trace

BROKEN = "a part of the file is broken and the frames in it are lost"
CUT_OFF = "the file is cut off here"


class Structure(ABC):
    """What a file says of its own pictures, read beside the demuxer; a context manager.

    Attributes
    ----------
    reason : str
        Why `holds` or `is_whole` said no.
    """

    def __init__(self, path: Path) -> None:
        # Unbuffered: mostly headers are read, each some kilobytes behind the last one.
        self._file = path.open("rb", buffering=0)
        self._length = path.stat().st_size
        self.reason = BROKEN

    def __enter__(self) -> Structure:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Trace | None) -> None:
        self._file.close()

    @abstractmethod
    def holds(self, offset: int) -> bool:
        """Whether the file is whole up to the packet at `offset`, and that packet is the next of the video.

        Packets are to be asked for in the order of the file, each once.
        """

    @abstractmethod
    def is_whole(self) -> bool:
        """Whether the file is whole up to the end that it declares, and all its pictures were asked for."""

    def _read(self, position: int, count: int) -> bytes:
        # A size that is garbage can point farther than a file system counts.
        if position >= self._length:
            return b""
        self._file.seek(position)
        return self._file.read(count)


class Chain(Structure):
    """Follows the elements of one file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._end = self._length
        self._previous = self._position = 0
        self._broken = False
        self._pictures: deque[tuple[Hashable, int]] = deque()  # (stream, offset), found and not asked for yet
        self._stream: Hashable = None

    def __enter__(self) -> Chain:
        return self

    def holds(self, offset: int) -> bool:
        """See `Structure.holds`."""
        return self.reaches(offset) and self._is_next(offset)

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
        """See `Structure.is_whole`."""
        while not self._broken and self._position < self._end:
            self._step()
        if self._broken or self._end > self._length:
            self.reason = CUT_OFF
            return False
        self.reason = BROKEN
        return self._stream is None or all(stream != self._stream for stream, _ in self._pictures)

    def _is_next(self, offset: int) -> bool:
        if self._stream is None:
            self._stream = next((stream for stream, at in self._pictures if at == offset), None)
        while self._pictures:
            stream, at = self._pictures.popleft()
            if stream == self._stream:
                return at == offset
        # A packet where the chain knows none: with an unknown stream there is nothing to compare with.
        return self._stream is None

    def _step(self) -> None:
        following = self._following(self._position) if self._is_element(self._position) else None
        if following is None or following > self._length or following <= self._position:
            self._broken = True
        else:
            self._previous, self._position = self._position, following

    @abstractmethod
    def _is_element(self, position: int) -> bool:
        """Whether an element stands there."""

    @abstractmethod
    def _following(self, position: int) -> int | None:
        """Where the element behind the one at `position` stands: inside it, if it is opened; None if unknown.

        Is called once for each element, in order; pictures are added to `_pictures`.
        """
