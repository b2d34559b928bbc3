"""`open_video`: a path becomes a `Video`."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import cast, get_args

from poof.errors import PoofError, not_there
from poof.video.base import OnDamage, Video
from poof.video.container import ContainerVideo
from poof.video.folder import FolderVideo


def open_video(path: str | Path, on_damage: str = "stop") -> Video:
    """Open a video file or a folder of images.

    Parameters
    ----------
    path
        A file that FFmpeg can decode, or a folder that holds the frames as images, one a frame, in the natural
        order of their names (``img2.png`` before ``img10.png``).
    on_damage
        'stop': a damaged video ends at its first damage. 'continue': it goes on with the next picture that can be
        decoded by itself; frames keep the numbers that they would have had, by the times or the index in the file, and
        those in between are `Video.holes`. Where neither tells the numbers, a `PoofWarning` says so.

    Raises
    ------
    PoofError
        If there is nothing at `path`, it cannot be read, is no video, or has no frame.
    """
    path = Path(path)
    if on_damage not in get_args(OnDamage):
        raise PoofError(f"--on-damage {on_damage}: valid are {' and '.join(get_args(OnDamage))}")
    choice = cast(OnDamage, on_damage)
    try:
        kind = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise not_there(path, "file or folder") from None
    except ValueError:
        raise PoofError(f"{path!r}: no file can have this name; check the path") from None
    except OSError as error:
        raise PoofError(f"{path}: cannot be looked at ({error.strerror}); check the path and your rights") from None
    if stat.S_ISDIR(kind):
        return FolderVideo(path, choice)
    if not stat.S_ISREG(kind):
        # A pipe or a camera can be read once only.
        raise PoofError(f"{path}: is neither a file nor a folder; record it to a file first")
    return ContainerVideo(path, choice)
