"""The frames of the segments in order, decoded in a thread of their own a little ahead of the work."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable

import numpy as np

from poof.propagation.segments import Segment
from poof.video.base import Video

PREFETCH = 8
"""Frames that are decoded ahead of the flow."""


class SegmentFrames:
    """Hands out the frames of segments; to be used in a `with` block, which ends the thread."""

    def __init__(self, video: Video, segments: Iterable[Segment]) -> None:
        self._video = video
        self._wanted = {f for s in segments for f in range(s.start, s.stop + 1)}
        self._queue: queue.Queue[tuple[int, np.ndarray] | BaseException | None] = queue.Queue(PREFETCH)
        self._stop = threading.Event()
        self._ended = False
        self.end: int | None = None
        """Number of frames of the video, once `take` gave fewer than it was asked for."""
        self._thread = threading.Thread(target=self._read, name="frames", daemon=True)

    def __enter__(self) -> SegmentFrames:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                continue
        self._thread.join()

    def take(self, first: int, last: int) -> list[np.ndarray]:
        """The frames first..last; fewer where the video ends."""
        images: list[np.ndarray] = []
        while len(images) <= last - first and not self._ended:
            item = self._queue.get()
            if item is None:
                self._ended = True
            elif isinstance(item, BaseException):
                raise item
            else:
                images.append(item[1])
        return images

    def _read(self) -> None:
        if not self._wanted:
            return
        try:
            last = None
            for last, image in self._video.frames(min(self._wanted), max(self._wanted) + 1):
                if last in self._wanted:
                    self._put((last, image))
                if self._stop.is_set():
                    return
            self.end = self._video.count() if last is None else last + 1
            self._put(None)
        except BaseException as error:
            self._put(error)

    def _put(self, item: tuple[int, np.ndarray] | BaseException | None) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return
            except queue.Full:
                continue
