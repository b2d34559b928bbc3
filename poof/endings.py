"""Endings of file names by which videos and images are found in folders; a file that is named may have any."""

from __future__ import annotations

from pathlib import Path

_VIDEOS = (
    "3g2 3gp asf avi dv f4v flv gif m2t m2ts m2v m4v mkv mov mp4 mpeg mpg mts mxf nut ogg ogv qt ts vob webm wmv y4m"
)
VIDEO_ENDINGS = frozenset(f".{ending}" for ending in _VIDEOS.split())
"""Of containers that poof reads, in lower case."""
IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm")
"""Of pictures that are frames of a folder; its other files are ignored."""


def is_video_name(path: str | Path) -> bool:
    """Whether a name ends as videos do, in any case: cameras write `GX010001.MP4`."""
    return Path(path).suffix.lower() in VIDEO_ENDINGS
