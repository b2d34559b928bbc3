"""The one entrance: a path becomes a `Video`."""

from __future__ import annotations

import stat
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
    try:
        kind = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise PoofError(f"{path}: there is no such file or folder; check the path") from None
    except OSError as error:
        raise PoofError(f"{path}: cannot be looked at ({error.strerror}); check the path and your rights") from None
    if stat.S_ISDIR(kind):
        return FolderVideo(path)
    if not stat.S_ISREG(kind):
        # A pipe or a camera can be read once only.
        raise PoofError(f"{path}: is neither a file nor a folder; record it to a file first")
    return ContainerVideo(path)
