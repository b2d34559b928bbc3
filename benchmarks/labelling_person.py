"""A simulated person who labels the real clips through the session: how many clicks until the points are good.

The person sees a frame with whatever is drawn on it, and clicks every point that is missing or off by more than
`VISIBLE_ERROR` of the subject; a click puts the point where the truth is. Who has no proposals begins at both ends and
then halves the longest gap between looked-at frames; who has them goes where they say and corrects, of the points that
they name, the wrong ones. After each frame the error is measured over every point of the truth: points the person set
count 0, a point without a place counts as a copy of the nearest label of its keypoint.

Only frames with labels can be looked at, for there the truth is known.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from clips_and_tables import load_scorer

from poof.flow.base import FlowEstimator
from poof.flow.registry import create_flows
from poof.labelling.live_propagation import LivePropagation
from poof.labelling.opening import open_session
from poof.labelling.proposals import propose
from poof.labelling.session import Session
from poof.planning.survey import Survey, survey
from poof.propagation import Settings
from poof.propagation.result_cache import ResultCache
from poof.video import open_video

RADIUS = 20
"""R, for all clips: what `poof label` takes."""
VISIBLE_ERROR = 0.03
"""Share of the subject's longer side from which on a person sees that a point is off."""
GOALS = (0.05, 0.03)
"""Mean errors, in longer sides of the subject, that are to be reached."""
WAYS = ("straight lines", "nearest label", "poof", "poof, with proposals")


class Remembering(FlowEstimator):
    """An estimator that computes the flow of a pair once: four persons look at the same frames."""

    def __init__(self, estimator: FlowEstimator, known: dict[bytes, np.ndarray]) -> None:
        self._estimator, self._known = estimator, known
        self.name, self.grey, self.stride = estimator.name, estimator.grey, estimator.stride
        self.reason = estimator.reason

    def prepare(self, images: np.ndarray) -> list[tuple[bytes, np.ndarray]]:
        """Images with their checksums."""
        return [(hashlib.blake2b(np.ascontiguousarray(i), digest_size=12).digest(), i) for i in images]

    def between(self, first: Sequence[Any], second: Sequence[Any]) -> np.ndarray:
        """See `FlowEstimator.between`."""
        return self.both(first, second)[0]

    def both(self, first: Sequence[Any], second: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """See `FlowEstimator.both`."""
        pairs = [(self.name.encode() + bytes([self.stride]) + a[0] + b[0], a[1], b[1]) for a, b in zip(first, second)]
        missing = [pair for pair in pairs if pair[0] not in self._known]
        if missing:
            prepared = self._estimator.prepare(np.stack([i for pair in missing for i in pair[1:]]))
            there, back = self._estimator.both(prepared[::2], prepared[1::2])
            for pair, *flows in zip(missing, there, back):
                self._known[pair[0]] = np.stack(flows).astype(np.float16)
        found = np.stack([self._known[key] for key, _, _ in pairs]).astype(np.float32)
        return found[:, 0], found[:, 1]

    def batch_size(self, height: int, width: int) -> int:
        """See `FlowEstimator.batch_size`."""
        return self._estimator.batch_size(height, width)

    def describe(self) -> dict[str, Any]:
        """See `FlowEstimator.describe`."""
        return self._estimator.describe()


@dataclass
class Footage:
    """A labelled clip.

    Attributes
    ----------
    truth : dict
        Frame -> (K, 2) pixels, NaN where not visible.
    side : float
        Mean longer side of the subject, pixels.
    radius : int
        R of the propagation.
    """

    name: str
    path: Path
    keypoints: list[str]
    truth: dict[int, np.ndarray]
    side: float
    radius: int
    seen: Survey | None = None
    flows: dict[bytes, np.ndarray] = field(default_factory=dict)


def footage(name: str) -> Footage:
    """A clip of ../shared by name."""
    scorer = load_scorer()
    clip = scorer.registered()[name]
    table, names = scorer.load_labels(clip), scorer.keypoint_names(clip)
    truth: dict[int, np.ndarray] = {}
    for row in table[table.visible > 0].itertuples():
        truth.setdefault(row.frame, np.full((len(names), 2), np.nan))[names.index(row.keypoint)] = row.x, row.y
    sides = [np.ptp(xy[np.isfinite(xy).all(axis=1)], axis=0).max() for xy in truth.values()]
    return Footage(name, clip.video, names, truth, float(np.mean(sides)), RADIUS)


@dataclass
class Count:
    """What a person did.

    Attributes
    ----------
    course : list of (clicks, frames looked at, mean error in sides)
    """

    course: list[tuple[int, int, float]] = field(default_factory=list)

    def until(self, goal: float) -> tuple[int, int] | None:
        """Clicks and frames until the mean error stays at or below the goal; None if it never does."""
        found: tuple[int, int] | None = None
        for clicks, looks, error in self.course:
            if error > goal:
                found = None
            elif found is None:
                found = clicks, looks
        return found


class Person:
    """Labels one clip in one of `WAYS`."""

    def __init__(self, clip: Footage, way: str, crop: bool, folder: Path) -> None:
        self.clip, self.way = clip, way
        self.session: Session = open_session(clip.path, None, folder / "labels.json", keypoints=clip.keypoints)
        settings = Settings(clip.radius, "chain" if way == "nearest label" else "blend", crop=crop, max_size=640)
        flows: list[FlowEstimator] = create_flows("dis", both_scales=settings.method == "blend")
        if not crop:
            flows = [Remembering(flow, clip.flows) for flow in flows]
        self.live = LivePropagation(
            [self.session], flows, settings, ResultCache(folder / "cache"), lambda name, facts: None
        )
        self.looked: list[int] = []
        self.clicks = 0

    def work(self, goal: float) -> Count:
        """Label until the error is at or below `goal`, or every frame was looked at."""
        count = Count()
        if self.way != "straight lines":
            self.live.start()
        while (frame := self._next()) is not None:
            self._correct(*frame)
            if self.way != "straight lines" and not self.live.wait(600, settled=True):
                raise TimeoutError(f"{self.clip.name}: the points did not arrive")
            count.course.append((self.clicks, len(self.looked), self.error()))
            if count.course[-1][2] <= goal:
                break
        self.live.close()
        self.session.close()
        return count

    def _next(self) -> tuple[int, list[int] | None] | None:
        """The frame to look at, and the keypoints to look at there; None as keypoints is all of them."""
        frames = sorted(self.clip.truth)
        left = [f for f in frames if f not in self.looked]
        if not left:
            return None
        if self.way == "poof, with proposals":
            self.clip.seen = self.clip.seen or survey(open_video(self.clip.path))
            others = set(range(self.clip.seen.count)) - set(left)
            wanted = max(1, round(self.clip.seen.count / (2 * self.clip.radius + 1)))
            _, chosen, _ = propose(self.session, self.clip.seen, 1 if self.looked else wanted, self.clip.radius, others)
            if chosen:
                named = [k for _, k in chosen[0].points] or None
                return chosen[0].frame, named
            return left[0], None
        if len(self.looked) < 2:
            return (frames[0] if not self.looked else frames[-1]), None
        gaps = sorted(self.looked)
        middle = max((min(b - f, f - a), -f) for a, b in zip(gaps, gaps[1:]) for f in left if a < f < b)
        return -middle[1], None

    def _correct(self, frame: int, named: list[int] | None) -> None:
        self.looked.append(frame)
        truth = self.clip.truth[frame]
        seen = self.places(frame)
        edits = []
        for k in range(len(truth)) if named is None else named:
            wrong = not np.hypot(*(seen[k] - truth[k])) <= VISIBLE_ERROR * self.clip.side
            if np.isfinite(truth[k]).all() and wrong:
                edits.append({"op": "set", "frame": frame, "keypoint": k, "x": truth[k, 0], "y": truth[k, 1]})
        if edits:
            self.session.edit(edits)
        if self.way == "poof, with proposals":
            self.session.edit([{"op": "skip", "frame": frame}])
        self.clicks += len(edits)

    def places(self, frame: int) -> np.ndarray:
        """(K, 2) where the points stand in a frame, NaN where nothing does."""
        count = len(self.clip.keypoints)
        if self.way != "straight lines":
            points = self.session.shown(frame, 0)
            return np.full((count, 2), np.nan) if points is None else points.xy.astype(float)
        return np.stack([self._on_line(frame, k) for k in range(count)])

    def _labels(self, k: int) -> tuple[list[int], np.ndarray]:
        document = self.session.document
        frames = [f for f in document.frames if (0, k) in document.at(f)]
        return frames, np.array([document.at(f)[0, k][:2] for f in frames], float)

    def _on_line(self, frame: int, k: int) -> np.ndarray:
        frames, xy = self._labels(k)
        if not frames:
            return np.full(2, np.nan)
        return np.array([np.interp(frame, frames, xy[:, axis]) for axis in (0, 1)])

    def error(self) -> float:
        """Mean error over every point of the truth, in sides."""
        errors: list[float] = []
        labels = [self._labels(k) for k in range(len(self.clip.keypoints))]
        for frame, truth in self.clip.truth.items():
            seen = self.places(frame)
            for k in np.flatnonzero(np.isfinite(truth).all(axis=1)):
                place = seen[k]
                if not np.isfinite(place).all():
                    frames, xy = labels[k]
                    if not frames:
                        errors.append(1.0)
                        continue
                    place = xy[int(np.argmin(np.abs(np.array(frames) - frame)))]
                errors.append(float(np.hypot(*(place - truth[k])) / self.clip.side))
        return float(np.mean(errors))


def count_clicks(clip: Footage, way: str, crop: bool = False) -> Count:
    """One person on one clip."""
    with tempfile.TemporaryDirectory() as folder:
        return Person(clip, way, crop, Path(folder)).work(min(GOALS))
