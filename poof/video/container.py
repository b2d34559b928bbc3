"""Video files: decoded from the beginning, in order, so that frame n is the n-th decoded frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from poof.errors import PoofError
from poof.video.base import Damage, Video


class ContainerVideo(Video):
    """A video file of any container and codec that FFmpeg decodes."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.name = str(path)
        self._count: int | None = None
        try:
            with av.open(self.name) as container:
                if not container.streams.video:
                    raise PoofError(f"{self.name}: has no picture, only sound; give a video file")
                rate = container.streams.video[0].average_rate or container.streams.video[0].guessed_rate
        except av.FFmpegError as error:
            raise PoofError(f"{self.name}: is not a video that can be read ({error.strerror}); convert it to MP4") from None
        self.fps = float(rate) if rate else 25.0
        for _, image in self.frames(0, 1):
            self.size = (image.shape[1], image.shape[0])
            return
        raise PoofError(f"{self.name}: holds no frame that can be decoded; export it again")

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """See `Video.frames`."""
        for number, frame in self._decoded(stop):
            if number >= start:
                yield number, np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90))

    def count(self) -> int:
        """See `Video.count`."""
        if self._count is None:
            self._count = sum(1 for _ in self._decoded(None))
        return self._count

    def _decoded(self, stop: int | None) -> Iterator[tuple[int, av.VideoFrame]]:
        number = 0
        with av.open(self.name) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            frames = container.decode(stream)
            while stop is None or number < stop:
                try:
                    frame = next(frames)
                except StopIteration:
                    return
                except av.FFmpegError as error:
                    self.damage = Damage(number, error.strerror)
                    return
                yield number, frame
                number += 1
