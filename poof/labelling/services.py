"""Background services of labelling: pictures of frames, live propagation, scans of the videos, jobs.

It knows nothing of HTTP. `look` says where the person is; what is decoded and carried first follows from that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from poof.errors import PoofError
from poof.files import trim_folder
from poof.flow.base import FlowEstimator
from poof.labelling.jobs import Job, Jobs
from poof.labelling.live_propagation import LivePropagation
from poof.labelling.pictures import Pictures
from poof.labelling.proposals import propose, unseen
from poof.labelling.session_group import SessionGroup
from poof.labelling.video_scan import VideoScan, mark_of
from poof.propagation import Settings
from poof.propagation.result_cache import ResultCache
from poof.video.random_access import Abandoned

AHEAD = 16
"""Frames that are decoded ahead in the direction of travel."""
REST = 0.25
"""Seconds after the last request in which what is not urgent stands still."""
PREVIEW_LIMIT = 4 * 2**30
"""Bytes of previews that are kept of all videos ever opened."""


class Services:
    """The background services of a group of sessions.

    Parameters
    ----------
    group
        The sessions.
    estimators
        Flow; `flow` is how they are called.
    settings
        Of the propagation.
    cache
        Folder for what can be computed again; None keeps nothing.
    """

    def __init__(
        self,
        group: SessionGroup,
        estimators: Sequence[FlowEstimator],
        flow: str = "dis",
        settings: Settings | None = None,
        cache: Path | None = None,
    ) -> None:
        self.group, self.flow = group, flow
        self._settings = settings or Settings()
        self.radius = self._settings.radius
        self._listeners: list[Callable[[str, dict[str, Any]], None]] = []
        self.picture_threads = ThreadPoolExecutor(4, "pictures")
        self._waiting, self._last_waited = 0, 0.0
        self._lock = threading.Lock()
        results = None if cache is None else ResultCache(cache / "segments")
        sessions = group.sessions
        self.marks = [mark_of(session.video) for session in sessions]
        self.pictures = [Pictures(session.access) for session in sessions]
        folder = None if cache is None else cache / "label"
        self._scans = [VideoScan(s.access, folder, m, self._busy) for s, m in zip(sessions, self.marks)]
        self._cache_folder = folder
        quick = [e for e in estimators if e.name == "dis-coarse" and e.stride == 1]
        self.live = LivePropagation(sessions, estimators, self._settings, results, self.tell, quick)
        self.jobs = Jobs(lambda job: self.tell("job", {"job": job}), self.radius)
        self._prefetch = _Prefetch(self)
        self._looker = threading.Thread(target=self._scan_videos, name="video scan", daemon=True)

    # ------------------------------------------------------------------------------------------------------ in general

    def start(self) -> None:
        """Begin to work."""
        self.live.start()
        self._prefetch.start()
        self._looker.start()

    def close(self) -> None:
        """Stop everything and close the sessions."""
        self.jobs.close()
        for scan in self._scans:
            scan.stop()
        self._prefetch.close()
        self.live.close()
        self.picture_threads.shutdown(wait=False, cancel_futures=True)
        if self._looker.is_alive():
            self._looker.join(2)
        self.group.close()

    def listen(self, listener: Callable[[str, dict[str, Any]], None]) -> None:
        """Have `listener` called with (name, facts) at everything that happens."""
        self._listeners.append(listener)

    def tell(self, name: str, facts: dict[str, Any]) -> None:
        """Tell the listeners."""
        for listener in self._listeners:
            listener(name, facts)
        if name == "propagated":
            self.tell("proposals", {"video": facts["video"]})

    # --------------------------------------------------------------------------------------------------------- the eye

    @contextmanager
    def waited_for(self) -> Iterator[None]:
        """While somebody waits for a picture, what is not urgent stands still."""
        with self._lock:
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1
                self._last_waited = time.monotonic()

    @property
    def urgent(self) -> bool:
        """Whether somebody waits for a picture now."""
        return self._waiting > 0

    def _busy(self) -> bool:
        return self.urgent or time.monotonic() - self._last_waited < REST or self.live.busy

    def look(self, video: int, frame: int, direction: int = 0, playing: bool = False) -> None:
        """The person looks at a frame, coming from before (1) or behind (-1) it."""
        self.live.look(video, frame)
        if not playing:
            self._prefetch.aim(video, frame, direction)

    # ------------------------------------------------------------------------------------------------ about the videos

    def checked(self, video: int) -> bool:
        """Whether the video was looked over."""
        return self._scans[video].done

    def progress(self, video: int) -> float:
        """How far that is, 0 to 1."""
        return round(self._scans[video].progress, 4)

    def cuts(self, video: int) -> list[int]:
        """Frames that begin a new scene, as far as they are known."""
        seen = self._scans[video].seen
        return [] if seen is None else list(seen.cuts)

    def variable(self, video: int) -> bool:
        """Whether frames are shown for unequal times, by more than rounding; False while it is not known."""
        access = self.group.sessions[video].access
        if not access.ready or access.index is None or len(access.index) < 3:
            return False
        steps = np.diff(access.index.times)
        return bool((np.abs(steps - np.median(steps)) > np.maximum(1.5, 0.1 * np.median(steps))).any())

    def work(self, video: int) -> dict[str, Any]:
        """See `LivePropagation.work`."""
        return self.live.work(video)

    # ------------------------------------------------------------------------------------------------------- what next

    def proposals(self, video: int, count: int, skip: Collection[int] = ()) -> dict[str, Any]:
        """Frames to look at, none of `skip`."""
        session, scan = self.group.sessions[video], self._scans[video]
        seen = scan.seen or unseen(max(1, session.count))
        kind, chosen, notes = propose(session, seen, count, self.radius, skip)
        facts = {
            "kind": kind,
            "final": scan.done and not self.live.busy,
            "frames": [p.as_dict() for p in chosen],
        }
        return facts | {"notes": notes + ([scan.trouble] if scan.trouble else [])}

    def next(self, video: int, frame: int, skip: Collection[int] = ()) -> dict[str, Any]:
        """The frame to look at next, from `frame`; none of `skip`."""
        session, scan = self.group.sessions[video], self._scans[video]
        seen = scan.seen or unseen(max(1, session.count))
        _, chosen, notes = propose(session, seen, 2, self.radius, skip)
        best = next((p for p in chosen if p.frame != frame), chosen[0] if chosen else None)
        if best is None:
            return {"frame": None, "reason": notes[0] if notes else "no uncertain point is left"}
        subject, k = best.points[0] if best.points else (0, 0)
        return {"frame": best.frame, "reason": best.reason, "subject": subject, "keypoint": k}

    # ------------------------------------------------------------------------------------------------------------ jobs

    def start_job(self, kind: str, video: int, options: dict[str, Any]) -> Job:
        """Start a job, see `poof.labelling.jobs`."""
        return self.jobs.start(kind, video, self.group.sessions[video], options, self.flow, self.radius)

    def _scan_videos(self) -> None:
        for number, scan in enumerate(self._scans):
            watch = threading.Thread(target=self._watch, args=(number,), daemon=True)
            watch.start()
            scan.run()
            if scan.changed:
                self.pictures[number].forget()
            self.tell("video", {"video": number})
            self.tell("proposals", {"video": number})
        if self._cache_folder is not None:
            trim_folder(self._cache_folder, PREVIEW_LIMIT)

    def _watch(self, number: int) -> None:
        """Tell how far the pass is, and hand the preview on as soon as there is one."""
        scan, told = self._scans[number], False
        while not scan.done and not scan.stopped:
            if scan.preview is not None and not told:
                self.pictures[number].preview = scan.preview
                told = True
                self.tell("video", {"video": number})
            time.sleep(0.1 if not told else 1.0)
        self.pictures[number].preview = scan.preview


class _Prefetch:
    """Decodes the frames that the eye comes to next."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._aim: tuple[int, int, int] | None = None
        self._condition = threading.Condition()
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        with self._condition:
            self._stop = True
            self._condition.notify_all()

    def aim(self, video: int, frame: int, direction: int) -> None:
        with self._condition:
            self._aim = (video, frame, direction)
            self._condition.notify_all()

    def _run(self) -> None:
        while True:
            with self._condition:
                while self._aim is None and not self._stop:
                    self._condition.wait()
                if self._stop:
                    return
                aim, self._aim = self._aim, None
            assert aim is not None
            video, frame, direction = aim
            session = self._services.group.sessions[video]
            ahead = [frame + direction * n for n in range(1, AHEAD + 1)] if direction else []
            for number in ahead or [frame + n * side for n in range(1, AHEAD // 2) for side in (1, -1)]:
                while self._services.urgent and self._aim is None and not self._stop:
                    time.sleep(0.005)
                if self._aim is not None or self._stop:
                    break
                if 0 <= number < session.count and not session.access.has(number):
                    try:
                        session.access.get(number, "eye", lambda: self._aim is not None or self._services.urgent)
                    except (PoofError, Abandoned):
                        break
