"""The one entrance: a path becomes a `Video`."""

from __future__ import annotations

from pathlib import Path

from poof.errors import PoofError
from poof.video.base import Video
from poof.video.container import ContainerVideo
from poof.video.folder import FolderVideo


def open_video(path: str | Path) -> Video:
    """Open a video file or a folder of images.

    Parameters
    ----------
    path
        A file that FFmpeg can decode, or a folder that holds the frames as images, one a frame, in the natural
        order of their names (``img2.png`` before ``img10.png``).

    Raises
    ------
    PoofError
        If there is nothing at `path`, it cannot be read, is no video, or has no frame.
    """
    path = Path(path)
    if path.is_dir():
        return FolderVideo(path)
    if not path.exists():
        raise PoofError(f"{path}: there is no such file or folder; check the path")
    return ContainerVideo(path)
