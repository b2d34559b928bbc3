"""The frames of the segments in order, each with the coarse flow from the one before, prefetched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from types import TracebackType

import cv2
import numpy as np

from poof.propagation.coarse_flow import CoarseFlow, CoarsePair
from poof.propagation.prefetch import prefetch
from poof.propagation.segments import Segment
from poof.video.base import Video

FEWEST, MOST_BYTES = 4, 256 * 2**20
"""Frames read ahead: as many as the longest segment has, which is planned as a whole, in at most 256 MiB."""


@dataclass
class Frame:
    """A decoded frame.

    Attributes
    ----------
    number : int
    image : (H, W, 3) or (H, W) uint8
        RGB, or grey where no flow estimator looks at colour.
    coarse : CoarsePair or None
        Coarse flow between the previous frame and this one; None where the previous one is not needed.
    still : bool
        Whether the image repeats the previous one exactly.
    """

    number: int
    image: np.ndarray
    coarse: CoarsePair | None = None
    still: bool = False


class SegmentFrames:
    """The frames of segments, read in a thread; a `with` block ends the reading."""

    def __init__(self, video: Video, segments: Iterable[Segment], grey: bool = False) -> None:
        self._video = video
        self._grey = grey
        self._coarse = CoarseFlow(video.size)
        spans = [range(s.start, s.stop + 1) for s in segments]
        self._wanted = {frame for span in spans for frame in span}
        room = MOST_BYTES // max(1, 3 * video.size[0] * video.size[1])
        self._frames = prefetch(self._read(), max(FEWEST, min(room, max(map(len, spans), default=0))))
        self.end: int | None = None
        """Number of frames of the video, once `take` gave fewer than it was asked for."""

    def __enter__(self) -> SegmentFrames:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._frames.close()  # type: ignore[attr-defined]

    def take(self, first: int, last: int) -> list[Frame]:
        """The frames first..last; fewer where the video ends."""
        frames: list[Frame] = []
        while len(frames) <= last - first and (frame := next(self._frames, None)) is not None:
            frames.append(frame)
        return frames

    def _read(self) -> Iterator[Frame]:
        if not self._wanted:
            return
        last: int | None = None
        before: tuple[int, np.ndarray, np.ndarray] | None = None
        lost = -2  # the last frame that is in a hole
        for last, image, real in self._video.filled(min(self._wanted), max(self._wanted) + 1):
            lost = lost if real else last
            if last not in self._wanted:
                continue
            small = self._coarse.shrink(image)
            if self._grey:
                image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
            if before is None or before[0] != last - 1:
                yield Frame(last, image)
            else:
                still = np.array_equal(small, before[2]) and np.array_equal(image, before[1])
                pair = self._coarse.pair(before[2], small)
                yield Frame(last, image, replace(pair, lost=lost >= last - 1), still and lost < last - 1)
            before = last, image, small
        self.end = self._video.count() if last is None else last + 1
