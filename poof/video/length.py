"""Length of a video by its header: a guess, for what needs no exact number."""

from __future__ import annotations

from pathlib import Path

import av


def expected_frames(path: Path) -> int | None:
    """Number of frames by the header of a file; None where it tells none. Headers err: nothing may depend on it."""
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            if stream.frames:
                return int(stream.frames)
            rate = stream.average_rate or stream.guessed_rate
            if rate and container.duration:
                return int(float(rate) * container.duration / av.time_base)
    except (av.FFmpegError, OSError, IndexError, ValueError):
        return None
    return None
