"""The driver of a cluster run, a Dask client: it cuts videos into pieces, gives them out and keeps what comes back.

Only so many pieces are out at a time, so that memory here does not grow with the number of videos. Entries of segments
go into the cache as they come; when a video has all of them it is finished here, as by a run that had found them all
in the cache, and so with the very same result.
"""

from __future__ import annotations

import queue
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2

from poof import interrupts
from poof.errors import PoofError
from poof.labels.model import LabelSet
from poof.projects.cluster.address import parse
from poof.projects.cluster.start import connected
from poof.projects.cluster.tasks import Collected, How, Piece, Rows, run_piece, run_whole
from poof.projects.contents import fingerprint
from poof.projects.display import Display
from poof.projects.jobs import Done, Job
from poof.projects.sources import Read, Source, read
from poof.projects.work import Outcome, check, draw, keep
from poof.propagation import Settings, propagate
from poof.propagation.coverage import coverage
from poof.propagation.engine import Engine
from poof.propagation.propagate import anchors_of
from poof.propagation.result_cache import ResultCache, cache_folder
from poof.propagation.result_cache import fingerprint as mark_of
from poof.propagation.segments import Segment, reach
from poof.video import Video

WORK = 1.2e8
"""Pixels of all frames of a piece: some ten to thirty seconds of one core, long against what giving it out takes."""
FEWEST, MOST = 24, 4000
"""Frames of a piece."""
SENT = 64 * 2**20
"""Bytes of a file that is sent whole to workers that cannot see it."""
GONE = 20.0
"""Seconds without a scheduler after which it is given up."""
LONELY = 15.0
"""Seconds without a worker after which that is said."""
MORE = 2
"""Pieces that are out for each worker's thread."""


@dataclass(eq=False)
class _Film:
    """A video on its way."""

    job: Job
    source: Source
    given: Read
    video: Video
    how: How
    settings: Settings
    begun: float
    cache: ResultCache
    expected: set[str] = field(default_factory=set)
    pieces: int = 0
    done: int = 0
    whole: bool = False
    failed: bool = False


@dataclass
class _Out:
    film: _Film
    piece: Piece
    keys: set[str]


def run_on(where: str, jobs: Sequence[Job], display: Display, quiet: bool = True) -> Iterator[Done]:
    """Carry the labels of many videos on a cluster; each is given as soon as it is finished.

    Parameters
    ----------
    where
        See `parse`.
    jobs
        Of `poof.projects.work.propagate`.
    display
        Shows how far they are.

    Raises
    ------
    PoofError
        If no scheduler answers, or it is gone for good; what was finished is kept then.
    """
    del quiet
    if not jobs:
        return
    with connected(parse(where)) as client, display.showing(len(jobs)):
        yield from _Driver(client, where, display).run(jobs)


class _Driver:
    """One run over a cluster."""

    def __init__(self, client: Any, where: str, display: Display) -> None:
        self._client, self._where, self._display = client, where, display
        self._out: dict[Any, _Out] = {}
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._blind = False  # whether some worker did not see a video: from then on they are sent
        self._gone_since: float | None = None
        self._alone_since = time.monotonic()

    def run(self, jobs: Sequence[Job]) -> Iterator[Done]:
        """Everything, piece by piece."""
        waiting = self._pieces(jobs)
        exhausted = False
        while True:
            interrupts.check()
            while not exhausted and len(self._out) < self._room():
                item = next(waiting, None)
                if item is None:
                    exhausted = True
                elif isinstance(item, Done):
                    yield item
                else:
                    self._submit(item)
            if not self._out:
                return
            self._check_scheduler()
            try:
                future = self._ended.get(timeout=0.2)
            except queue.Empty:
                self._display.tick()
                self._tell_of_workers()
                continue
            out = self._out.pop(future, None)
            if out is not None:
                yield from self._take(future, out)

    def _room(self) -> int:
        """Pieces that may be out."""
        try:
            threads = sum(self._client.nthreads().values())
        except (OSError, TimeoutError, AttributeError, RuntimeError):
            threads = 0
        return 4 if not threads else max(5, MORE * threads + 2)

    def _tell_of_workers(self) -> None:
        """Say once when there has been no worker for a while."""
        if self._room() > 4 or self._client.status != "running":
            self._alone_since = time.monotonic()
        elif time.monotonic() - self._alone_since > LONELY:
            self._alone_since = float("inf")
            self._display.note(f"--on {self._where}: no worker has come yet; the work begins when one does")

    def _check_scheduler(self) -> None:
        """Raise where the scheduler has been gone for long."""
        if self._client.status == "running":
            self._gone_since = None
            return
        now = time.monotonic()
        self._gone_since = self._gone_since or now
        if self._client.status in ("closed", "closing") or now - self._gone_since > GONE:
            raise PoofError(
                f"--on {self._where}: the scheduler is gone; everything finished is kept, and the same command goes on"
                " from there once it runs again"
            )

    # ------------------------------------------------------------------------------------------------ giving out

    def _pieces(self, jobs: Sequence[Job]) -> Iterator[_Out | Done]:
        """The pieces of all videos, one video opened after the other; those that fail at once as `Done`."""
        for job in jobs:
            self._display.begin(job.name)
            begun = time.monotonic()
            try:
                film = _opened(job, begun)
                outs = list(_cut(film))
            except PoofError as error:
                self._display.end(job.name, str(error))
                yield Done(job, error=str(error), seconds=time.monotonic() - begun)
                continue
            film.pieces = len(outs)
            self._display.progress(job.name, "carrying", 0, max(1, len(outs)))
            if not outs:  # an earlier run had all of it
                yield self._finished(film)
                continue
            yield from outs

    def _submit(self, out: _Out) -> None:
        if self._blind and not out.piece.sent:
            out.piece = _with_frames(out)
        work = run_whole if out.film.whole else run_piece
        with warnings.catch_warnings(action="ignore"):  # that a piece with frames is large is known
            future = self._client.submit(work, out.piece, pure=False)
        self._out[future] = out
        future.add_done_callback(self._ended.put)

    # ------------------------------------------------------------------------------------------------ taking back

    def _take(self, future: Any, out: _Out) -> Iterator[Done]:
        film = out.film
        if future.status in ("cancelled", "lost"):
            self._check_scheduler()
            if self._client.status == "running":
                self._submit(out)
            else:  # it may come back
                self._out[future] = out
                time.sleep(0.1)
                self._ended.put(future)
            return
        try:
            rows: Rows = future.result()
        except Exception as error:
            if not film.failed:
                film.failed = True
                yield self._failed(film, _told(error, film.job.name))
            return
        finally:
            future.release()
        if film.failed:
            return
        if rows.unseen:
            self._blind = True
            try:
                self._submit(replace(out, piece=_with_frames(out)))
            except PoofError as error:
                film.failed = True
                yield self._failed(film, str(error))
            return
        if film.whole:
            yield self._kept(film, rows)
            return
        if rows.entries and not set(rows.entries) <= film.expected:
            film.failed = True
            yield self._failed(film, _otherwise(film, rows))
            return
        for key, arrays in rows.entries.items():
            film.cache.put(key, arrays)
        film.done += 1
        self._display.progress(film.job.name, "carrying", film.done, film.pieces)
        if film.done == film.pieces:
            yield self._finished(film)

    def _kept(self, film: _Film, rows: Rows) -> Done:
        """A whole video came back."""
        assert rows.labels is not None
        if rows.flows is None and not _alike(rows.labels, film):
            return self._failed(film, _otherwise(film, rows))
        arguments = film.job.arguments
        notes = [*film.given.notes, *rows.notes]
        try:
            outcome = keep(rows.labels, rows.covered, film.video.name, film.given.changes, arguments["outputs"],
                           arguments["mark"], notes, rows.flows)  # fmt: skip
            self._draw(film, rows.labels, outcome)
        except PoofError as error:
            return self._failed(film, str(error))
        return self._done(film, outcome)

    def _finished(self, film: _Film) -> Done:
        """All entries of a video are here."""
        arguments = film.job.arguments
        try:
            result = propagate(film.video, film.given.labels, film.how.estimators(), film.settings, cache=film.cache)
            covered = coverage(film.video, result, film.settings.radius)
            outcome = keep(result, covered, film.video.name, film.given.changes, arguments["outputs"],
                           arguments["mark"], list(film.given.notes))  # fmt: skip
            self._draw(film, result, outcome)
        except PoofError as error:
            return self._failed(film, str(error))
        return self._done(film, outcome)

    def _draw(self, film: _Film, labels: LabelSet, outcome: Outcome) -> None:
        from poof.progress import silent

        pictures = film.job.arguments["pictures"]
        draw(film.video, labels, pictures, silent)
        outcome.written += pictures

    def _done(self, film: _Film, outcome: Outcome) -> Done:
        self._display.end(film.job.name)
        return Done(film.job, outcome, seconds=time.monotonic() - film.begun)

    def _failed(self, film: _Film, error: str) -> Done:
        self._display.end(film.job.name, error)
        return Done(film.job, error=error, seconds=time.monotonic() - film.begun)


def _alike(labels: LabelSet, film: _Film) -> bool:
    """Whether a result was made by the estimators that would work here."""
    theirs = [{k: v for k, v in flow.items() if k != "reason"} for flow in labels.info["propagation"]["flow"]]
    return theirs == [estimator.describe() for estimator in film.how.estimators()]


def _otherwise(film: _Film, rows: Rows) -> str:
    return (
        f"{film.job.name}: worker {rows.worker} works otherwise than this machine; install the same versions of poof"
        " and OpenCV on all"
    )


def _told(error: Exception, name: str) -> str:
    """An error of a task as one line."""
    if type(error).__name__ == "KilledWorker":
        return (
            f"{name}: several workers died of it, most likely for want of memory; give them more memory, or one thread"
            " each"
        )
    from poof.projects.worker import told

    return told(error)


# ------------------------------------------------------------------------------------------------ one video


def _opened(job: Job, begun: float) -> _Film:
    """Open a video, read its labels and look whether the outputs may be written."""
    given_to = job.arguments
    source: Source = given_to["source"]
    video = source.open()
    given = read(source, video)
    check(given_to["outputs"], given_to["pictures"], [given.labels], "propagate", source, given_to["force"])
    weights = given_to["weights"]
    how = How(
        dict(given_to["settings"]),
        given_to["flow"],
        None if weights is None else str(Path(weights).resolve()),
        given_to["device"],
        given_to["iterations"],
    )
    # Nothing is trimmed before the video is finished.
    cache = ResultCache(cache_folder() / "segments", 2**62)
    return _Film(job, source, given, video, how, Settings(**given_to["settings"]), begun, cache)


def _cut(film: _Film) -> Iterator[_Out]:
    """The pieces of a video that are still to be worked on."""
    auto = bool(film.job.arguments["auto_radius"]) or film.how.flow == "auto+"
    path = Path(film.source.video)
    common: dict[str, Any] = {
        "path": str(path.resolve()),
        "called": film.video.name,
        "content": fingerprint(path),
        "on_damage": film.source.on_damage,
        "how": film.how,
        "size": film.video.size,
        "fps": film.video.fps,
    }
    frames = int(min(MOST, max(FEWEST, WORK / max(1, film.video.size[0] * film.video.size[1]))))
    labels = film.given.labels
    span = max(labels.frames, default=0) - min(labels.frames, default=0) + 2 * film.settings.radius
    if auto or (span <= frames and film.source.on_damage == "stop"):
        film.whole = True
        yield _Out(film, Piece(mark="", labels=labels, radius_auto=auto and film.how.flow != "auto+", **common), set())
        return
    anchors = anchors_of(film.video, labels, film.settings)
    mark = mark_of(film.video) or ""
    groups = Engine(film.video, anchors, film.how.estimators(), film.settings, Collected()).runs()
    film.expected = {key for group in groups for _, key in group}
    for run in _joined(groups, frames):
        keys = {key for _, key in run}
        if all(film.cache.has(key) for key in keys):
            continue
        first, last = run[0][0].start, run[-1][0].stop
        yield _Out(film, Piece(mark=mark, labels=_near(anchors, first, last, film.settings), first=first, last=last,
                               **common), keys)  # fmt: skip


def _joined(groups: Sequence[list[tuple[Segment, str]]], frames: int) -> Iterator[list[tuple[Segment, str]]]:
    """Groups that follow each other without a gap, together until they have so many frames."""
    run: list[tuple[Segment, str]] = []
    for group in groups:
        length = group[-1][0].stop - run[0][0].start if run else 0
        if run and (length > frames or group[0][0].start > run[-1][0].stop or not group[0][0].joined):
            yield run
            run = []
        run = run + group
    if run:
        yield run


def _near(anchors: LabelSet, first: int, last: int, settings: Settings) -> LabelSet:
    """The labels that chains in these frames start from or meet."""
    far = reach(settings.radius)
    kept = {key: p for key, p in anchors.instances.items() if first - far <= key[0] <= last + far}
    return LabelSet(anchors.skeleton, kept, anchors.image_size, anchors.tracked)


def _with_frames(out: _Out) -> Piece:
    """A piece with what its worker needs to see: the frames of a run, or the file."""
    piece, film = out.piece, out.film
    path = Path(film.source.video)
    if film.whole:
        if path.is_dir() or path.stat().st_size > SENT:
            raise PoofError(
                f"{film.job.name}: the workers do not see it, and it is too large to be sent; put it where they do,"
                " or name --radius and --flow so that it can be sent in parts"
            )
        return replace(piece, sent=(path.read_bytes(),))
    images = []
    for _, image, _ in film.video.filled(piece.first, piece.last + 1):
        good, data = cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
        assert good
        images.append(data.tobytes())
    return replace(piece, sent=tuple(images))
