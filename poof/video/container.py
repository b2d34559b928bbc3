"""Video files: decoded from the beginning and in order, so that frame n is the n-th decoded frame."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from poof.errors import PoofError, PoofWarning
from poof.video.base import DEFAULT_FPS, Damage, Video
from poof.video.decoding import Broken, Ragged, decode, open_container, video_stream
from poof.video.orientation import Orientation

_CONVERSION_THREADS = min(4, os.cpu_count() or 1)
_UNSPECIFIED = 2
# The matrices that swscale converts, by AVColorSpace: RGB, BT.709, unspecified, FCC, BT.601 (two), SMPTE 240M, BT.2020.
_MATRICES = frozenset({0, 1, _UNSPECIFIED, 4, 5, 6, 7, 9})


class ContainerVideo(Video):
    """A video file of any container and codec that FFmpeg decodes.

    There is no seeking: where it is exact and where not depends on the container, and labels that slip by one frame
    are worse than a second of decoding. Frames that nobody asked for are decoded but not converted to RGB.

    Colours follow the file's tags (BT.601, BT.709, limited or full range); 10-bit pictures are reduced to eight, grey
    becomes three equal channels, alpha is dropped. Pixels are those that are stored: anamorphic video is not
    stretched, interlaced video not separated. Rotation and mirroring by metadata are applied.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    PoofError
        If the file cannot be read, is no video, holds only sound, or not one frame can be decoded.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.name = str(path)
        self._count: int | None = None
        self._verified: int | None = None
        self._lenient = False
        self._stored: tuple[int, int] | None = None
        with open_container(self.path) as container:
            self.fps = _rate(video_stream(container, self.name))
        for _, frame in self._decoded(1):
            self._orientation = Orientation.of(frame)
            width, height = frame.width, frame.height
            self.size = (height, width) if self._orientation.transpose else (width, height)
        if self._stored is None:
            raise PoofError(f"{self.name}: not one frame can be decoded; check that it plays or export it again")

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """See `Video.frames`."""
        for number, _, image in self.timed(start, stop):
            yield number, image

    def timed(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, int | None, np.ndarray]]:
        """As `frames`, with the presentation time that the file gives each, in units of its time base."""
        converter = VideoReformatter()
        for number, frame in self._decoded(stop):
            if number >= start:
                yield number, frame.pts, self._image(frame, converter)

    def count(self) -> int:
        """See `Video.count`."""
        if self._count is None:
            for _ in self._decoded(None):
                pass
        assert self._count is not None, "a pass to the end counts"
        return self._count

    def _pick(self, wanted: Collection[int]) -> Iterator[tuple[int, np.ndarray]]:
        converter = VideoReformatter()
        for number, frame in self._decoded(max(wanted) + 1):
            if number in wanted:
                yield number, self._image(frame, converter)

    def _image(self, frame: VideoFrame, converter: VideoReformatter) -> np.ndarray:
        # Some cameras write a reserved value, which FFmpeg refuses to convert.
        if frame.colorspace not in _MATRICES:
            frame.colorspace = _UNSPECIFIED
        # One converter for all frames: `frame.to_ndarray` would start its own threads for each.
        rgb = converter.reformat(frame, format="rgb24", threads=_CONVERSION_THREADS)
        # What was RGB already still belongs to the decoder.
        return self._orientation.apply(rgb.to_ndarray().copy() if rgb is frame else rgb.to_ndarray())

    def _decoded(self, stop: int | None) -> Iterator[tuple[int, VideoFrame]]:
        """(number, picture) from 0 to `stop`; at the end sets `_count` and, where it is one, `damage`."""
        number, reason = 0, ""
        if stop is not None and stop <= 0:
            return
        # Many threads first; from where they meet trouble, one thread that knows exactly what is wrong.
        modes = [True, False]
        while modes:
            threads = modes.pop(0)
            try:
                for index, frame in enumerate(decode(self.path, threads, self._lenient, self._verified)):
                    if index < number:
                        continue
                    size = (frame.width, frame.height)
                    self._stored = self._stored or size
                    if size != self._stored:
                        raise Broken("the size changes from {}x{} to {}x{}".format(*self._stored, *size))
                    yield index, frame
                    number = index + 1
                    if number == stop:
                        return
                if not threads:
                    self._verified = number
                self._count = number
                return
            except Broken as broken:
                reason = str(broken)
            except Ragged:
                warnings.warn(f"{self.name}: its first pictures are incomplete and may show errors", PoofWarning, 2)
                self._lenient, modes = True, [True, False]
        self.damage = Damage(number, reason)
        self._count = number


def _rate(stream: VideoStream) -> float:
    """Mean frames per second, `DEFAULT_FPS` where the file gives none or nonsense."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and math.isfinite(rate) and 0 < rate < 100_000:
            return float(rate)
    return DEFAULT_FPS
