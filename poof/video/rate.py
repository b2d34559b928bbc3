"""Frame rate of a video file."""

from __future__ import annotations

import math
from pathlib import Path

from av.container import InputContainer
from av.video.stream import VideoStream

from poof.video.base import DEFAULT_FPS
from poof.video.structure.avi import share_of_pictures

_HIGHEST = 100_000
_IMPLAUSIBLE = 240.0
"""Above this a header is asked twice: clocks of 600 or 90000 ticks a second are found in the place of the rate."""


def rate_of(path: Path, container: InputContainer, stream: VideoStream) -> float:
    """Mean frames per second, `DEFAULT_FPS` where the file gives none or nonsense.

    An AVI may repeat its pictures by empty chunks, mostly to keep the clock of a file that it was copied from: its
    header then has the rate of chunks. Where there are none, the stream itself may know better than such a header.
    """
    rates = [float(rate) for rate in (stream.average_rate, stream.guessed_rate) if rate]
    rates = [rate for rate in rates if math.isfinite(rate) and 0 < rate < _HIGHEST]
    if not rates:
        return DEFAULT_FPS
    if container.format.name == "avi":
        share = share_of_pictures(path)
        if share < 1:
            return rates[0] * share
    inner = stream.codec_context.framerate
    if rates[0] > _IMPLAUSIBLE and inner and 1 <= float(inner) <= _IMPLAUSIBLE:
        return float(inner)
    return rates[0]
