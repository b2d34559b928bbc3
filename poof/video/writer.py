"""Writing of H.264 in MP4 that a browser plays."""

from __future__ import annotations

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np

from poof.files import atomic


class VideoWriter:
    """Write RGB frames to an MP4 file; a context manager. The file appears only when the block ends without an error.

    Parameters
    ----------
    path
        The file to write; its folder must exist.
    fps
        Frames per second; may be fractional (29.97).
    size
        (width, height) in pixels. H.264 in yuv420p has even sides: an odd side gets one more pixel, a copy of the last.
    crf
        Constant rate factor, 0 to 51; 18 looks like the original.
    lossless
        Keep every decoded RGB value within one step; larger files that browsers may not play.
    """

    def __init__(
        self, path: str | Path, fps: float, size: tuple[int, int], crf: float = 18, lossless: bool = False
    ) -> None:
        self.path, self.size = Path(path), size
        self._fps, self._crf, self._lossless = fps, crf, lossless
        self._stack = ExitStack()

    def __enter__(self) -> VideoWriter:
        temporary = self._stack.enter_context(atomic(self.path))
        options = {"movflags": "+faststart"}
        self._container = self._stack.enter_context(av.open(str(temporary), "w", format="mp4", options=options))
        rate = Fraction(self._fps).limit_denominator(1001)
        self._stream = self._container.add_stream("libx264", rate=rate)
        self._stream.width, self._stream.height = (side + side % 2 for side in self.size)
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"crf": str(self._crf)}
        return self

    def write(self, image: np.ndarray) -> None:
        """Append one frame, RGB uint8 (H, W, 3)."""
        height, width = image.shape[:2]
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        for packet in self._stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
            self._container.mux(packet)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            for packet in self._stream.encode(None):
                self._container.mux(packet)
        self._stack.__exit__(kind, error, trace)
