"""Scan of a video in the background: it checks the index of frames, surveys their looks and makes small pictures.

It yields to the person: while anybody waits for a picture or for points, it stands still. What it finds is kept, and
the next session of the same file begins with it.
"""

from __future__ import annotations

import hashlib
import io
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from poof.errors import PoofError
from poof.files import atomic
from poof.planning.survey import Survey, survey
from poof.video.access import FrameAccess
from poof.video.base import Damage, Video
from poof.video.container import ContainerVideo
from poof.video.preview import Preview

SLOW = 30 * 1920 * 1080
"""Pixels from one keyframe to the next from which on a preview is made: they take longer to decode than one waits."""
FORMAT = 1
"""Raised when what is kept changes its meaning."""


class Stopped(Exception):
    """The pass was told to end."""


def mark_of(video: Video) -> str:
    """Changes when the file or the folder's images do: path, size and time of change, not the content."""
    path = getattr(video, "path", None)
    digest = hashlib.blake2b(str(FORMAT).encode(), digest_size=12)
    if path is None:
        digest.update(f"{video.name}{id(video)}".encode())
        return digest.hexdigest()
    path = Path(path).resolve()
    for file in [path] if video.frame_names is None else [path / name for name in video.frame_names]:
        state = file.stat()
        digest.update(f"{file}\0{state.st_size}\0{state.st_mtime_ns}\0".encode())
    return digest.hexdigest()


class VideoScan:
    """The scan of one video.

    Parameters
    ----------
    access
        Its frames; `FrameAccess.confirm` is told what was found.
    folder
        Where it is kept; None keeps nothing.
    mark
        Name under which it is kept.
    busy
        Asked before each frame; the pass stands still while it says yes.

    Attributes
    ----------
    seen : Survey or None
        What the frames look like, once known.
    preview : Preview or None
        Small pictures, if the video needs them.
    done : bool
        Whether the pass is over.
    progress : float
        0 to 1.
    trouble : str
        Why it could not be made, '' if it could.
    """

    def __init__(self, access: FrameAccess, folder: Path | None, mark: str, busy: Callable[[], bool]) -> None:
        self._access, self._busy, self._stop = access, busy, threading.Event()
        self._store = None if folder is None else folder / f"{mark}.npz"
        self._pictures = None if folder is None else folder / f"{mark}.preview"
        self._times: list[int | None] = []
        self.seen: Survey | None = None
        self.preview: Preview | None = None
        self.done, self.trouble = False, ""
        self.changed = False
        """Whether the numbers of frames turned out to be others than the index said."""

    @property
    def progress(self) -> float:
        """Share of the video that was looked at."""
        return 1.0 if self.done else min(0.999, len(self._times) / max(1, self._access.count))

    @property
    def stopped(self) -> bool:
        """Whether it was told to end."""
        return self._stop.is_set()

    def stop(self) -> None:
        """End the pass at the next frame."""
        self._stop.set()

    def run(self) -> None:
        """Make the pass, or take over what an earlier one found."""
        try:
            index = self._access.index
            slow = index is not None and index.farthest * np.prod(self._access.video.size) > SLOW
            if slow and self._pictures is not None:
                self.preview = Preview(self._pictures)
            known = self._known()
            if known is not None and (self.preview is None or self.preview.whole):
                self.seen, times, damage = known
            else:
                self.seen = survey(_Watched(self._access.video, self._see))
                times, damage = self._times, self._access.video.damage
                if self.preview is not None and not self.preview.whole:
                    self.preview.finish()
                self._keep(times, damage)
            self.changed = self._access.confirm(times, damage)
        except Stopped:
            return
        except (PoofError, OSError) as error:
            self.trouble = str(error)
        self.done = True

    def _see(self, time_: int | None, image: np.ndarray) -> None:
        """Called with every frame of the pass."""
        self._times.append(time_)
        if self.preview is not None and not self.preview.whole:
            self.preview.add(image)
        while self._busy() and not self._stop.is_set():
            time.sleep(0.02)
        if self._stop.is_set():
            raise Stopped

    def _known(self) -> tuple[Survey, list[int | None], Damage | None] | None:
        if self._store is None:
            return None
        try:
            with np.load(io.BytesIO(self._store.read_bytes()), allow_pickle=False) as kept:
                seen = Survey(
                    kept["cuts"].tolist(), kept["sharpness"], kept["repeats"], kept["looks"], kept["looked_at"]
                )
                times = [None if t == _NO_TIME else t for t in kept["times"].tolist()]
                damage = Damage(int(kept["damage"]), str(kept["reason"])) if int(kept["damage"]) >= 0 else None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return seen, times, damage

    def _keep(self, times: list[int | None], damage: Damage | None) -> None:
        seen = self.seen
        if self._store is None or seen is None:
            return
        buffer = io.BytesIO()
        np.savez(
            buffer,
            cuts=np.array(seen.cuts, int),
            sharpness=seen.sharpness,
            repeats=seen.repeats,
            looks=seen.looks,
            looked_at=seen.looked_at,
            times=np.array([_NO_TIME if t is None else t for t in times], np.int64),
            damage=np.array(-1 if damage is None else damage.frame),
            reason=np.array("" if damage is None else damage.reason),
        )
        try:
            self._store.parent.mkdir(parents=True, exist_ok=True)
            with atomic(self._store) as temporary:
                temporary.write_bytes(buffer.getvalue())
        except (PoofError, OSError):
            return  # nothing depends on it


_NO_TIME = -(2**62)


class _Watched(Video):
    """A video that shows every frame of a pass, with its time, to somebody else as well."""

    def __init__(self, video: Video, see: Callable[[int | None, np.ndarray], None]) -> None:
        self._video, self._see = video, see
        self.name, self.size, self.fps, self.frame_names = video.name, video.size, video.fps, video.frame_names

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """See `Video.frames`."""
        if isinstance(self._video, ContainerVideo):
            for number, time_, image in self._video.timed(start, stop):
                self._see(time_, image)
                yield number, image
        else:
            for number, image in self._video.frames(start, stop):
                self._see(None, image)
                yield number, image

    def count(self) -> int:
        """See `Video.count`."""
        return self._video.count()
