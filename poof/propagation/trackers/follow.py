"""Run a tracker from every label, forwards and backwards, through windows of bounded memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from poof.errors import PoofError, PoofWarning
from poof.labels.model import LabelSet
from poof.propagation.result_cache import ResultCache, fingerprint, key_of
from poof.propagation.trackers.base import Found, PointTracker
from poof.propagation.trackers.gaps import frames_set, gaps_of
from poof.propagation.trackers.trajectories import Trajectory
from poof.video.base import Video

FEWEST = 4
"""Frames of the smallest window that is tried when a device runs out of memory."""


@dataclass
class _Run:
    """Points that are followed from the labels of one frame in one direction."""

    anchor: int
    direction: int
    owners: list[tuple[int, int]] = field(default_factory=list)  # (instance, keypoint)
    xy: list[np.ndarray] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    @property
    def last(self) -> int:
        """The farthest frame that a point is wanted in."""
        return max(self.ends) if self.direction > 0 else min(self.ends)

    @property
    def low(self) -> int:
        """Its first frame in the order of the video."""
        return min(self.anchor, self.last)


class Follower:
    """Follows the labels of a video with a tracker.

    Parameters
    ----------
    video
        Where the labels were made.
    anchors
        What a person said, identities known.
    tracker
        Any tracker. Points that a person marked occluded are not given to it: what is seen at their place is something
        else.
    reach
        Most frames from a label.
    cuts
        Frames that begin a new scene; nothing is followed across.
    end
        Number of frames of the video, where it is known.
    cache
        Keeps finished runs.
    only
        The frames that matter: labels from which none of them is followed to are passed over. None: all.
    """

    def __init__(
        self,
        video: Video,
        anchors: LabelSet,
        tracker: PointTracker,
        reach: int,
        cuts: Sequence[int] = (),
        end: int | None = None,
        cache: ResultCache | None = None,
        only: range | None = None,
    ) -> None:
        self._tracker = tracker
        self._window = max(tracker.window, FEWEST)
        mark = None if cache is None else fingerprint(video)
        self._cache, self._mark = (None, "") if mark is None else (cache, mark)
        self._frames = _Frames(video, tracker.longest)
        self._end = end
        self._runs = _plan(anchors, reach, np.asarray(cuts, int), end, only)
        self._found: list[Trajectory] = []
        self._name = video.name
        self._lost = 0

    @property
    def total(self) -> int:
        """Number of runs: one for each labelled frame and direction."""
        return len(self._runs)

    def run(self) -> Iterator[int]:
        """Work through the video; gives the label's frame once a run from it is done."""
        for run in self._runs:
            key = self._key(run)
            known = None if self._cache is None else self._cache.get(key)
            if known is None:
                known = self._follow(run)
                if self._cache is not None:
                    self._cache.put(key, known)
            self._keep(run, known)
            yield run.anchor
        if self._cache is not None:
            self._cache.trim()
        if self._lost:
            warnings.warn(
                f"{self._tracker.name}: gave no finite position for {self._lost} points; they are left out",
                PoofWarning,
                stacklevel=2,
            )

    def result(self) -> list[Trajectory]:
        """What `run` found."""
        return self._found

    # ------------------------------------------------------------------------------------------------ one run

    def _key(self, run: _Run) -> str:
        settings = {"window": self._window, "overlap": self._tracker.overlap, "longest": self._tracker.longest}
        what = [run.anchor, run.direction, run.owners, run.ends]
        return key_of(self._mark, "tracker", self._tracker.describe(), settings, *what, np.array(run.xy))

    def _follow(self, run: _Run) -> dict[str, np.ndarray]:
        """Frames (T,), positions (T, N, 2) and certainties (T, N) of a run, in the order in which it goes."""
        steps = abs(run.last - run.anchor) + 1
        numbers = run.anchor + run.direction * np.arange(steps)
        count = len(run.owners)
        xy, sure = np.full((steps, count, 2), np.nan), np.full((steps, count), np.nan)
        xy[0], sure[0] = np.array(run.xy), 1.0
        reached = (np.array(run.ends) - run.anchor) * run.direction
        query = np.zeros(count, int)  # step at which each point is handed to the next window
        start, done = 0, 0
        while done < steps - 1:
            here = np.flatnonzero(reached > done)
            stop = min(start + self._window, steps)
            images = self._frames.take(numbers[start:stop])
            if len(images) < 2 or len(images) <= done - start + 1:
                break  # the video ends
            trust = sure[query[here], here]
            queries = np.column_stack([query[here] - start, self._frames.shrunk(xy[query[here], here])])
            try:
                found = self._ask(images, queries, int(numbers[start]))
            except (RuntimeError, MemoryError) as error:
                self._halve(error)
                continue
            places, certain = self._frames.grown(found.xy), found.visible * found.certainty * trust
            for step in range(done + 1, start + len(images)):
                wanted = reached[here] >= step
                xy[step, here[wanted]] = places[step - start, wanted]
                sure[step, here[wanted]] = certain[step - start, wanted]
            done = start + len(images) - 1
            if len(images) < stop - start:
                break
            shared = range(max(start + 1, done + 1 - min(self._tracker.overlap, self._window // 2)), done + 1)
            for n in here[reached[here] > done]:
                # Handed over where it is surest, the latest of equals: there it is most probably on its point.
                best = max(shared, key=lambda s: (np.nan_to_num(sure[s, n], nan=-1.0), s))
                query[n] = best if np.isfinite(xy[best, n]).all() else query[n]
                if query[n] < shared.start:  # no place at all: it is looked for at its last one
                    held = np.flatnonzero(np.isfinite(xy[: done + 1, n]).all(axis=1))[-1]
                    xy[shared.start, n], sure[shared.start, n], query[n] = xy[held, n], 0.0, shared.start
            start = shared.start
        return {"frames": numbers[: done + 1], "xy": xy[: done + 1], "sure": sure[: done + 1]}

    def _ask(self, images: np.ndarray, queries: np.ndarray, first: int) -> Found:
        """What the tracker says, checked."""
        name, shape = self._tracker.name, (len(images), len(queries))
        found = self._tracker.track(images, queries)
        xy, visible, certainty = (np.asarray(v, np.float64) for v in (found.xy, found.visible, found.certainty))
        if xy.shape != (*shape, 2) or visible.shape != shape or certainty.shape != shape:
            raise PoofError(
                f"{name}: was asked for {shape[1]} points in {shape[0]} frames and gave positions {xy.shape},"
                f" visibility {visible.shape}, certainty {certainty.shape}; the tracker is at fault, leave it out"
            )
        asked = np.arange(shape[0])[:, None] >= queries[:, 0]
        good = np.asarray(np.isfinite(xy).all(axis=-1))
        if not good[asked].any():
            raise PoofError(
                f"{self._name}: {name} gave no finite position from frame {first} on; its weights or precision are at"
                " fault (--device cpu tells), or leave --tracker out"
            )
        self._lost += int((asked & ~good).any(axis=0).sum())
        visible, certainty = (np.where(good, np.clip(np.nan_to_num(v), 0, 1), 0.0) for v in (visible, certainty))
        return Found(np.where(good[..., None], xy, np.nan), visible, certainty)

    def _halve(self, error: Exception) -> None:
        """Half the window after the device ran out of memory; other errors go on."""
        if not is_out_of_memory(error):
            raise error
        name, before = self._tracker.name, self._window
        self._window = before // 2
        if self._window < FEWEST:
            raise PoofError(
                f"{self._name}: {name} is out of memory even with windows of {before} frames; use --device cpu, or"
                " leave --tracker out"
            ) from error
        warnings.warn(
            f"{name}: out of memory with windows of {before} frames; goes on with {self._window}",
            PoofWarning,
            stacklevel=2,
        )

    def _keep(self, run: _Run, known: dict[str, np.ndarray]) -> None:
        """Record the points of a run; places outside the picture are none."""
        low, high = -0.5, np.array(self._frames.size) - 0.5
        order = np.argsort(known["frames"])
        for n, (instance, keypoint) in enumerate(run.owners):
            xy = known["xy"][order, n]
            with np.errstate(invalid="ignore"):
                inside = ((xy >= low) & (xy <= high)).all(axis=1)
            frames, sure = known["frames"][order][inside], known["sure"][order, n][inside]
            self._found.append(
                Trajectory(instance, keypoint, frames, xy[inside], sure, query=run.anchor, direction=run.direction)
            )


def is_out_of_memory(error: Exception) -> bool:
    """Whether a device or the machine has no memory left, as torch and NumPy say it."""
    return isinstance(error, MemoryError) or "out of memory" in str(error).lower()


def _plan(anchors: LabelSet, reach: int, cuts: np.ndarray, end: int | None, only: range | None) -> list[_Run]:
    """The runs in the order in which they need the frames of the video."""
    runs: dict[tuple[int, int], _Run] = {}
    for instance in anchors.instance_ids:
        frames, xy, hidden, absent = frames_set(anchors, instance)
        for k in range(xy.shape[1]):
            set_ = np.isfinite(xy[:, k]).all(axis=1)
            place = dict(zip(frames[set_].tolist(), xy[set_, k]))
            covered = set(frames[hidden[:, k]].tolist())
            for gap in gaps_of(frames[set_], frames[absent[:, k]], reach, cuts):
                last = gap.last if end is None else min(gap.last, end - 1)
                for direction, anchor, stop in ((1, gap.before, last), (-1, gap.after, gap.first)):
                    if anchor is None or anchor in covered or (stop - anchor) * direction < 1:
                        continue
                    if only is not None and (max(anchor, stop) < only.start or min(anchor, stop) >= only.stop):
                        continue
                    run = runs.setdefault((anchor, direction), _Run(anchor, direction))
                    run.owners.append((instance, k))
                    run.xy.append(place[anchor])
                    run.ends.append(stop)
    return sorted(runs.values(), key=lambda run: (run.low, -run.direction))


class _Frames:
    """The frames of windows, shrunk as they are read; keeps those of the last window."""

    def __init__(self, video: Video, longest: int) -> None:
        self._video = video
        self.size = video.size
        scale = min(1.0, longest / max(video.size))
        self._shown = tuple(max(1, round(side * scale)) for side in video.size)
        self._scale = np.array(self._shown) / np.array(video.size)
        self._held: dict[int, np.ndarray] = {}
        self._stream: Iterator[tuple[int, np.ndarray, bool]] | None = None
        self._next = -1

    def shrunk(self, xy: np.ndarray) -> np.ndarray:
        """Places of the video in the frames as given."""
        return (xy + 0.5) * self._scale - 0.5

    def grown(self, xy: np.ndarray) -> np.ndarray:
        """The reverse of `shrunk`."""
        return (xy + 0.5) / self._scale - 0.5

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """(T, h, w, 3) the frames in this order; fewer where the video ends."""
        low, high = int(numbers.min()), int(numbers.max())
        held = {n: image for n, image in self._held.items() if low <= n <= high}
        missing = [n for n in range(low, high + 1) if n not in held]
        if missing:
            if self._stream is None or not self._next <= missing[0] <= self._next + 64:
                self._stream = self._video.filled(missing[0])
            for number, image, _ in self._stream:
                self._next = number + 1
                if low <= number <= high:
                    held[number] = self._shrink(image)
                if number >= missing[-1]:
                    break
            else:
                self._stream = None
        self._held = held
        there = [held[int(n)] for n in numbers if int(n) in held]
        return np.stack(there) if there else np.empty((0, 0, 0, 3), np.uint8)

    def _shrink(self, image: np.ndarray) -> np.ndarray:
        if self._shown == self.size:
            return np.ascontiguousarray(image)
        return cv2.resize(image, self._shown, interpolation=cv2.INTER_AREA)
