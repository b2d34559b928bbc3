"""Live propagation: frames that an edit touches are propagated anew at once, the nearest to the frame shown first.

One thread for all videos. An edit makes the frames within a chain's reach of it stale. The frames right beside it are
first redone by a quick flow alone, so that they move while one watches. Then all are redone part by part, a part being
the frames between two neighbouring labels; what is under way is dropped as soon as another edit touches it.
When nothing is stale, the whole video is gone through once more from what was kept on disk, so that in the end every
point is exactly what `poof propagate` gives for these labels.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from poof.errors import PoofError
from poof.flow.base import FlowEstimator
from poof.labelling.session import Outcome, Session
from poof.propagation import Settings, propagate
from poof.propagation.result_cache import ResultCache
from poof.propagation.segments import reach
from poof.video.access import AccessVideo
from poof.video.random_access import Abandoned

BESIDE = 10
"""Frames to either side of an edit that are redone quickly at first."""

T = TypeVar("T")

Tell = Callable[[str, dict[str, Any]], None]


class _Stale(Exception):
    """What is being worked on is out of date."""


@dataclass
class _State:
    """What is to be done in one video.

    Attributes
    ----------
    stale : set of int
        Frames to redo.
    settled : bool
        Whether the whole was gone through since the last edit.
    hurry : int or None
        The frame of the last edit, as long as the frames beside it wait for a first, quick result.
    touched : set of int
        Frames that edits made stale since the work under way began.
    anchors : list of int
        The labelled frames.
    done, total : int
        Pairs of frames of what is under way.
    message : str
        Why nothing can be carried; '' if it can.
    """

    stale: set[int] = field(default_factory=set)
    settled: bool = True
    hurry: int | None = None
    touched: set[int] = field(default_factory=set)
    anchors: list[int] = field(default_factory=list)
    done: int = 0
    total: int = 0
    message: str = ""


class LivePropagation:
    """Propagation in a thread beside the sessions.

    Parameters
    ----------
    sessions
        The videos.
    estimators
        Flow.
    settings
        Of the propagation.
    cache
        Where finished parts are kept.
    tell
        Told 'propagated' (video, frames, revision) and 'work' (video).
    quick
        Flow of the first result beside an edit; none: there is only the final one.
    """

    def __init__(
        self,
        sessions: Sequence[Session],
        estimators: Sequence[FlowEstimator],
        settings: Settings,
        cache: ResultCache | None,
        tell: Tell,
        quick: Sequence[FlowEstimator] = (),
    ) -> None:
        self._sessions, self._estimators, self._settings = list(sessions), list(estimators), settings
        self._cache, self._tell, self._quick = cache, tell, list(quick)
        self._states = [_State() for _ in sessions]
        self._reach = reach(settings.radius)
        self._eye = (0, 0)
        self._condition = threading.Condition()
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="live propagation", daemon=True)
        for number, session in enumerate(sessions):
            session.listen(partial(self._heard, number))

    def start(self) -> None:
        """Begin with everything that is labelled already."""
        for number, session in enumerate(self._sessions):
            with session.lock:
                self.touch(number, session.document.frames)
        self._thread.start()

    def close(self) -> None:
        """End the thread; what is under way is dropped."""
        with self._condition:
            self._stop = True
            self._condition.notify_all()
        if self._thread.is_alive():
            self._thread.join(5)

    def look(self, video: int, frame: int) -> None:
        """The eye is there: parts near it come first from now on."""
        self._eye = (video, frame)

    def touch(self, video: int, frames: Iterable[int]) -> None:
        """Labels of these frames changed."""
        state, session = self._states[video], self._sessions[video]
        with session.lock, self._condition:
            count = session.count
            state.anchors = session.document.frames
            near = {f for t in frames for f in range(max(0, t - self._reach), min(count, t + self._reach + 1))}
            if near:
                state.stale |= near
                state.settled = False
                state.message = ""
                state.touched |= near
                self._condition.notify_all()

    def work(self, video: int) -> dict[str, Any]:
        """How far it is, in plain values."""
        state = self._states[video]
        if state.message:
            return {"state": "error", "done": 0, "total": 0, "message": state.message}
        # Going through the whole once more is nothing to wait for.
        busy = bool(state.stale)
        return {"state": "working" if busy else "idle", "done": state.done, "total": state.total, "message": ""}

    @property
    def busy(self) -> bool:
        """Whether there are stale frames anywhere."""
        return any(state.stale and not state.message for state in self._states)

    def wait(self, timeout: float = 60.0, settled: bool = False) -> bool:
        """Wait until nothing is stale (and everything is settled); whether that came to pass."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if not any((s.stale or (settled and not s.settled)) and not s.message for s in self._states):
                return True
            time.sleep(0.005)
        return False

    # -------------------------------------------------------------------------------------------------------- the work

    def _heard(self, number: int, name: str, facts: dict[str, Any]) -> None:
        if name == "edit":
            outcome: Outcome = facts["outcome"]
            frames = {frame for frame, _ in outcome.places}
            # Many frames at once are no drag that anybody watches.
            self._states[number].hurry = next(iter(frames)) if len(frames) == 1 and self._quick else None
            self.touch(number, frames)

    def _run(self) -> None:
        while True:
            with self._condition:
                job = self._next()
                while job is None and not self._stop:
                    _give_back()
                    self._condition.wait()
                    job = self._next()
                if self._stop:
                    return
            assert job is not None
            number, part = job
            hurry, self._states[number].hurry = self._states[number].hurry, None
            if hurry is not None and part is not None:
                near = range(max(0, hurry - BESIDE), min(self._sessions[number].count, hurry + BESIDE + 1))
                self._redo(number, near, self._quick)
            else:
                self._redo(number, part)

    def _next(self) -> tuple[int, range | None] | None:
        """The video and the part to do now; None as part is the whole video."""
        order = sorted(range(len(self._states)), key=lambda n: n != self._eye[0])
        for number in order:
            if self._states[number].stale and not self._states[number].message:
                return number, self._part(number)
        for number in order:
            if not self._states[number].settled and not self._states[number].message:
                return number, None
        return None

    def _part(self, number: int) -> range:
        """The stale frames between two neighbouring labels, nearest to the eye."""
        state = self._states[number]
        anchors = state.anchors
        eye = self._eye[1] if self._eye[0] == number else 0
        # Labelled frames have little to redo: what lies beside them is looked at.
        frame = min(state.stale, key=lambda f: (abs(f - eye), f))
        before, after = bisect_right(anchors, frame) - 1, bisect_left(anchors, frame)
        first = anchors[before] if before >= 0 else max(0, frame - self._reach)
        last = anchors[after] if after < len(anchors) else frame + self._reach
        if first == last == frame:  # a label: the side of it that is stale
            nearer = {frame - 1, frame + 1} & state.stale
            if nearer:
                side = min(nearer, key=lambda f: abs(f - eye))
                if side > frame:
                    last = anchors[after + 1] if after + 1 < len(anchors) else frame + self._reach
                else:
                    first = anchors[before - 1] if before >= 1 else max(0, frame - self._reach)
        first, last = max(first, frame - 2 * self._reach), min(last, frame + 2 * self._reach)
        return range(first, last + 1)

    def _redo(self, number: int, part: range | None, quick: Sequence[FlowEstimator] = ()) -> None:
        session, state = self._sessions[number], self._states[number]
        with session.lock, self._condition:
            state.touched.clear()
            revision = session.revision
            labels = session.document.labels(session.video.size) if session.document.keypoints else None

        def stale() -> bool:
            return self._stop or (bool(state.touched) if part is None else any(f in state.touched for f in part))

        def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
            del description
            state.done, state.total = 0, total or 0
            self._tell("work", {"video": number})
            for item in items:
                if stale() or (part is None and self.busy):
                    raise _Stale
                state.done += 1
                yield item

        try:
            if labels is None or not any(p.is_human.any() for p in labels.instances.values()):
                made = None
            else:
                video = AccessVideo(session.access, "work", stale)
                made = propagate(video, labels, quick or self._estimators, self._settings, track, self._cache, part)
        except (_Stale, Abandoned):
            return
        except PoofError as error:
            with self._condition:
                if not stale():
                    state.message = str(error)
                    state.stale.clear()
                    state.settled = True
            self._tell("work", {"video": number})
            return
        frames = part if part is not None else range(max(session.count, 1))
        # What is not stale has its final result.
        with session.lock, self._condition:
            if stale():
                return
            if made is None:
                changed = session.machine.forget(frames)
            else:
                changed = session.machine.take(frames, made, state.stale if quick else None)
            if not quick:
                state.stale.difference_update(frames)
            if part is None:
                state.settled = True
        if changed:
            facts = {"video": number, "frames": [changed[0], changed[-1]], "revision": revision}
            self._tell("propagated", facts)
        if not state.stale:
            state.done = state.total
            self._tell("work", {"video": number})


def _give_back() -> None:
    """Hand the memory of the flows back to the system, where the C library keeps what was freed (glibc)."""
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
