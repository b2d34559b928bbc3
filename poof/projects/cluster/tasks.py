"""The worker's tasks: propagate labels through a run of segments, or through a whole short video.

A worker reads the video where it can see it, known by its content. Otherwise it says so and is sent the run's frames,
or the file. It writes nothing that anybody else needs.
"""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from poof.errors import PoofError
from poof.labels.model import LabelSet
from poof.projects.contents import fingerprint
from poof.propagation import Settings, propagate
from poof.propagation.coverage import Coverage, coverage
from poof.propagation.engine import Engine
from poof.propagation.result_cache import ResultCache
from poof.video import Video, open_video
from poof.video.access import AccessVideo, FrameAccess
from poof.video.container import ContainerVideo


@dataclass(frozen=True)
class How:
    """How labels are carried: the same for every run of a video."""

    settings: Mapping[str, Any]
    flow: str
    weights: str | None
    device: str
    iterations: int | None = None

    def estimators(self) -> list[Any]:
        """The flow estimators, made here."""
        several = Settings(**self.settings).method == "blend"
        return list(_estimators(self.flow, self.weights, self.device, several, self.iterations))


@dataclass(frozen=True)
class Piece:
    """A part of a video, as a worker is given it.

    Attributes
    ----------
    path, called, content : str
        Where the video lies, as the client sees it, what it is called there, and its fingerprint.
    mark : str
        What stands for the video in the keys of segments.
    on_damage : str
    labels : LabelSet
        Those that matter here.
    how : How
    first, last : int
        The frames of the run; -1 for a whole video.
    size, fps : (int, int), float
        Of the video.
    sent : tuple of bytes
        The frames first ... last as PNG, or the file itself; nothing where the worker shall look for it.
    radius_auto : bool
        Whether the radius is measured first.
    """

    path: str
    called: str
    content: str
    mark: str
    on_damage: str
    labels: LabelSet
    how: How
    first: int = -1
    last: int = -1
    size: tuple[int, int] = (0, 0)
    fps: float = 25.0
    sent: tuple[bytes, ...] = ()
    radius_auto: bool = False


@dataclass
class Rows:
    """What a worker gives back.

    Attributes
    ----------
    entries : dict
        Of a run: key of each segment -> its chains, rows of frame, place, error and anchor for each keypoint.
    labels, covered
        Of a whole video: the result.
    notes : list of str
    unseen : bool
        Whether the worker cannot see the video, so that nothing was done.
    worker, seconds, cpu
        Who did it, how long it took, and how long a core worked on it.
    """

    entries: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    labels: LabelSet | None = None
    covered: Coverage | None = None
    flows: Any = None
    notes: list[str] = field(default_factory=list)
    unseen: bool = False
    worker: str = ""
    seconds: float = 0.0
    cpu: float = 0.0


class Collected(ResultCache):
    """Entries in memory, of the segments that were asked for."""

    def __init__(self) -> None:
        super().__init__(Path())
        self.entries: dict[str, dict[str, np.ndarray]] = {}

    def get(self, key: str) -> dict[str, np.ndarray] | None:
        """Nothing is known before."""
        del key
        return None

    def put(self, key: str, arrays: dict[str, np.ndarray]) -> None:
        """Collect an entry."""
        self.entries[key] = arrays

    def trim(self) -> None:
        """There is nothing to trim."""


class SentVideo(Video):
    """Frames that were sent, under the numbers that they have in their video."""

    def __init__(self, piece: Piece) -> None:
        self.name, self.size, self.fps = piece.called, piece.size, piece.fps
        self.content = piece.mark
        self._first, self._sent = piece.first, piece.sent

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """See `Video.frames`."""
        end = self.count() if stop is None else min(stop, self.count())
        for number in range(max(start, self._first), end):
            image = cv2.imdecode(np.frombuffer(self._sent[number - self._first], np.uint8), cv2.IMREAD_COLOR)
            if image is None:
                raise PoofError(f"{self.name}: frame {number} came damaged over the network; run the command again")
            yield number, np.asarray(image[..., ::-1])

    def count(self) -> int:
        """The frames up to the last that was sent."""
        return self._first + len(self._sent)


def run_piece(piece: Piece) -> Rows:
    """Carry the labels of a run; its segments' entries come back."""
    begun, cpu = time.monotonic(), time.process_time()
    video: Video | None = SentVideo(piece) if piece.sent else _seen(piece)
    if video is None:
        return Rows(unseen=True, worker=_name())
    collected = Collected()
    settings = Settings(**piece.how.settings)
    # Strictly between the run's ends: a segment that only touches them is another's.
    only = range(piece.first + 1, max(piece.last, piece.first + 2))
    engine = Engine(video, piece.labels, piece.how.estimators(), settings, collected, only)
    for _ in engine.run():
        pass
    seconds, worked = time.monotonic() - begun, time.process_time() - cpu
    return Rows(collected.entries, worker=_name(), seconds=seconds, cpu=worked)


def run_whole(piece: Piece) -> Rows:
    """Carry the labels through a whole video; the result comes back."""
    begun = time.monotonic()
    if not piece.sent:
        if not _is_there(piece):
            return Rows(unseen=True, worker=_name())
        return _whole(piece, Path(piece.path), begun)
    with tempfile.TemporaryDirectory(prefix="poof-") as folder:
        file = Path(folder) / Path(piece.path).name
        file.write_bytes(piece.sent[0])
        return _whole(piece, file, begun)


def _whole(piece: Piece, path: Path, begun: float) -> Rows:
    from poof.progress import silent
    from poof.projects.work import settled

    cpu = time.process_time()
    video = open_video(path, piece.on_damage)
    video.name = piece.called
    how = piece.how
    notes: list[str] = []
    estimators, settings, compared = settled(
        video, piece.labels, Settings(**how.settings), notes, silent,
        flow=how.flow, weights=None if how.weights is None else Path(how.weights), device=how.device,
        iterations=how.iterations, kept=None, auto_radius=piece.radius_auto,
    )  # fmt: skip
    result = propagate(video, piece.labels, estimators, settings)
    covered = coverage(video, result, settings.radius)
    return Rows(
        labels=result,
        covered=covered,
        notes=notes,
        flows=compared,
        worker=_name(),
        seconds=time.monotonic() - begun,
        cpu=time.process_time() - cpu,
    )


def _name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _is_there(piece: Piece) -> bool:
    """Whether this machine sees the very video under the path."""
    path = Path(piece.path)
    try:
        state = path.stat()
        return _content(piece.path, state.st_size, state.st_mtime_ns) == piece.content
    except (OSError, PoofError):
        return False


def _seen(piece: Piece) -> Video | None:
    """The video, to be read anywhere in it; None where this machine does not see it."""
    if not _is_there(piece):
        return None
    video = _opened(piece.path, piece.content, piece.on_damage)
    video.content = piece.mark  # type: ignore[attr-defined]
    return video


@lru_cache(maxsize=1024)
def _content(path: str, size: int, changed: int) -> str:
    del size, changed
    return fingerprint(Path(path))


@lru_cache(maxsize=2)
def _opened(path: str, content: str, on_damage: str) -> Video:
    """A video whose index stays from one run to the next."""
    del content
    video = open_video(path, on_damage)
    return AccessVideo(FrameAccess(video)) if isinstance(video, ContainerVideo) else video


@lru_cache(maxsize=4)
def _estimators(flow: str, weights: str | None, device: str, several: bool, iterations: int | None) -> Sequence[Any]:
    from poof.flow.registry import create_flows

    return create_flows(flow, None if weights is None else Path(weights), device, several, iterations=iterations)
