"""Presentation time of each frame of a video, by its own timestamps."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poof.video.base import Video


def seconds(footage: Video, count: int) -> tuple[np.ndarray, str]:
    """(count,) the time of each frame since the first, in seconds, and a line that says how it is known.

    The timestamps in the file are taken where there is one for each frame; frames of folders, and of files without
    (AVI), are as far apart as the rate says.
    """
    path = Path(footage.name)
    if footage.frame_names is None and path.is_file():
        stamps = _stamps(path)
        if len(stamps) == footage.count() and len(stamps) >= count and (np.diff(stamps) > 0).all():
            return stamps[:count] - stamps[0], "times are the video's own timestamps"
    return np.arange(count) / footage.fps, f"times are frame / {footage.fps:.6g} frames per second"


def _stamps(path: Path) -> np.ndarray:
    """The timestamps of the pictures in order of showing, seconds; empty where some have none."""
    import av

    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            found = [packet.pts for packet in container.demux(stream) if packet.size]
            base = stream.time_base
    except (av.error.FFmpegError, OSError, IndexError):
        return np.zeros(0)
    if base is None or any(stamp is None for stamp in found):
        return np.zeros(0)
    return np.sort(np.array(found, np.float64)) * float(base)
