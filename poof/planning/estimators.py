"""Choice of flow estimators for a footage, by errors measured between the person's own labels.

Each of some labelled frames is left out in turn; the labels before and after it carry their points there with every
estimator at hand, and every blend of them is set against what the person had said. The chains run once; the blends are
merged from them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from poof.errors import PoofError
from poof.flow.base import FlowEstimator
from poof.labels.model import LabelSet
from poof.progress import Track, silent
from poof.propagation.engine import Engine
from poof.propagation.identity import link_identities
from poof.propagation.propagate import chains_of, merged
from poof.propagation.settings import Settings
from poof.propagation.subject import subject_sides
from poof.video.base import Video

MOST_LEFT_OUT = 12
"""Labelled frames that are left out at most, spread over the video: they bound the time."""
LONGEST = 4
"""Radii that the two labels around one left out may lie apart, and a frame."""
LOST = 0.2
"""Error in longer sides of the subject that counts no further: one point that is lost must not decide."""
TIE = 0.02
"""Share of its error by which the best blend must be better than a faster one."""


@dataclass(frozen=True)
class Worth:
    """What one blend is worth on this footage.

    Attributes
    ----------
    flow : str
        As `--flow` takes it.
    error : float
        Mean error at the labels left out, pixels; each error counts up to 0.2 of the subject's longer side.
    median : float
        Pixels.
    seconds : float
        Time of the estimators for 100 pairs of frames.
    """

    flow: str
    error: float
    median: float
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """The blends that were tried, and the one to take.

    Attributes
    ----------
    choice : str
        As `--flow` takes it.
    rows : tuple of Worth
        Best first; empty where the labels are too few.
    frames : tuple of int
        The labelled frames that were left out.
    points : int
        Their points that were judged.
    message : str
        The verdict in one line.
    """

    choice: str
    rows: tuple[Worth, ...]
    frames: tuple[int, ...]
    points: int
    message: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


class Clocked(FlowEstimator):
    """An estimator that counts the seconds spent in it."""

    def __init__(self, inner: FlowEstimator) -> None:
        self.inner = inner
        self.name, self.grey, self.stride, self.reason = inner.name, inner.grey, inner.stride, inner.reason
        self.seconds = 0.0
        self.pairs = 0

    def prepare(self, images: np.ndarray) -> list[Any]:
        """See `FlowEstimator.prepare`."""
        begin = time.perf_counter()
        result = self.inner.prepare(images)
        self.seconds += time.perf_counter() - begin
        return result

    def between(self, first: Sequence[Any], second: Sequence[Any]) -> np.ndarray:
        """See `FlowEstimator.between`."""
        begin = time.perf_counter()
        result = self.inner.between(first, second)
        self.seconds += time.perf_counter() - begin
        return result

    def both(self, first: Sequence[Any], second: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """See `FlowEstimator.both`."""
        begin = time.perf_counter()
        result = self.inner.both(first, second)
        self.seconds += time.perf_counter() - begin
        return result

    def batch_size(self, height: int, width: int) -> int:
        """See `FlowEstimator.batch_size`."""
        return self.inner.batch_size(height, width)

    def describe(self) -> dict[str, Any]:
        """See `FlowEstimator.describe`."""
        return self.inner.describe()


def compare_flows(
    video: Video,
    labels: LabelSet,
    candidates: Mapping[str, Sequence[FlowEstimator]],
    settings: Settings | None = None,
    track: Track = silent,
) -> Comparison:
    """Measure every candidate on the gaps between the person's labels, one label left out at a time.

    Parameters
    ----------
    video
        Where the labels were made.
    labels
        What a person set; points of other sources do not count.
    candidates
        Name -> the estimators of one blend, as `create_flows` gives them. Estimators of the same description run once.
        The first is taken where the labels cannot tell.
    settings
        As for `propagate`; the method is that of the comparison.
    track
        Shows progress.

    Returns
    -------
    Comparison
        The fastest blend whose error lies within `TIE` of the least is the choice.

    Raises
    ------
    PoofError
        If there are no human labels or no candidates.
    """
    settings = settings or Settings()
    if not candidates:
        raise PoofError("no flow estimators to compare; name some")
    human = labels.human()
    if not human.instances:
        raise PoofError(f"{video.name}: the labels hold no point that a person set; label a frame first")
    human = link_identities(video, human, settings.radius, track)
    default = next(iter(candidates))
    spans = _spans(human.frames, settings.radius)
    pool, members = _pool(candidates)
    errors: dict[str, list[np.ndarray]] = {name: [] for name in candidates}
    sides: list[np.ndarray] = []
    judged = []
    pairs = 0
    for before, frame, after in track(iter(spans), "comparing estimators", len(spans)):
        found, side, steps = _left_out(video, human, (before, frame, after), pool, members, settings)
        if not len(side):
            continue
        judged.append(frame)
        pairs += steps
        sides.append(side)
        for name, misses in found.items():
            errors[name].append(misses)
    if not judged:
        return Comparison(default, (), (), 0, f"{default}: {_too_few(human.frames, settings.radius)}")
    side = np.concatenate(sides)
    rows = []
    for name, several in errors.items():
        miss = np.concatenate(several)
        seconds = sum(pool[n].seconds for n in members[name]) * 100 / pairs
        rows.append(Worth(name, float(np.minimum(miss, LOST * side).mean()), float(np.median(miss)), seconds))
    rows.sort(key=lambda row: row.error)
    near = [row for row in rows if row.error <= rows[0].error * (1 + TIE)]
    best = min(near, key=lambda row: row.seconds)
    others = [row for row in rows if row is not best]
    message = f"{best.flow}: {best.error:.1f} px where a label was left out"
    if others:
        message += ", " + ", ".join(f"{row.flow} {row.error:.1f}" for row in others)
    message += f" ({len(side)} points of {len(judged)} labels)"
    return Comparison(best.flow, tuple(rows), tuple(judged), len(side), message)


def _pool(candidates: Mapping[str, Sequence[FlowEstimator]]) -> tuple[list[Clocked], dict[str, list[int]]]:
    """Each estimator once, and which of them are a candidate's."""
    pool: list[Clocked] = []
    members: dict[str, list[int]] = {}
    for name, estimators in candidates.items():
        members[name] = []
        for estimator in estimators:
            known = [n for n, e in enumerate(pool) if e.describe() == estimator.describe()]
            if not known:
                pool.append(Clocked(estimator))
            members[name].append(known[0] if known else len(pool) - 1)
    return pool, members


def _spans(frames: Sequence[int], radius: int) -> list[tuple[int, int, int]]:
    """Labelled frames to leave out, each between the labels before and after it."""
    close = [
        (before, frame, after)
        for before, frame, after in zip(frames, frames[1:], frames[2:])
        if after - before <= LONGEST * radius + 1
    ]
    at = np.linspace(0, len(close) - 1, min(len(close), MOST_LEFT_OUT)).round().astype(int)
    return [close[index] for index in at]


def _too_few(frames: Sequence[int], radius: int) -> str:
    if len(frames) < 3:
        return f"{len(frames)} labelled frames are too few to leave one out; three tell which flow suits the footage"
    return f"no label lies between two others at most {LONGEST * radius + 1} frames apart, so that none can be left out"


def _left_out(
    video: Video,
    labels: LabelSet,
    span: tuple[int, int, int],
    pool: Sequence[FlowEstimator],
    members: Mapping[str, Sequence[int]],
    settings: Settings,
) -> tuple[dict[str, np.ndarray], np.ndarray, int]:
    """The errors (N,) of every candidate at a label that its neighbours carry their points to, the longer sides (N,) of
    the subjects there, and the pairs of frames it took. A point that a candidate lost stands where the nearer label,
    of those that have it, has it."""
    before, frame, after = span
    around = labels.replace(instances={key: p for key, p in labels.instances.items() if key[0] in (before, after)})
    radius = -(-(after - before) // 2)
    plan = replace(settings, radius=radius, method="blend", backward="flow")
    engine = Engine(video, around, pool, plan, only=range(before + 1, after))
    for _ in engine.run():
        pass
    flow_chains = engine.result()
    errors: dict[str, list[np.ndarray]] = {name: [np.zeros(0)] for name in members}
    sides = [np.zeros(0)]
    for instance in around.instance_ids:
        truth = labels.instances.get((frame, instance))
        frames = flow_chains.frames_of(instance)
        row = int(np.searchsorted(frames, frame))
        if truth is None or row >= len(frames) or frames[row] != frame:
            continue
        near = sorted((before, after), key=lambda f: abs(f - frame))
        still = np.full(truth.xy.shape, np.nan)
        for f in reversed(near):
            points = around.instances.get((f, instance))
            if points is not None:
                still = np.where(points.is_human[:, None], points.xy, still)
        judged = truth.is_human & np.isfinite(still).all(axis=1)
        side = max(subject_sides(labels, instance).values())
        for name, numbers in members.items():
            own = replace(flow_chains, chains={instance: [flow_chains.chains[instance][n] for n in numbers]})
            xy = merged(chains_of(around, instance, own)[0], frames, plan).xy[row]
            xy = np.where(np.isfinite(xy), xy, still)
            errors[name].append(np.hypot(*(xy - truth.xy)[judged].T))
        sides.append(np.full(int(judged.sum()), side))
    return {name: np.concatenate(e) for name, e in errors.items()}, np.concatenate(sides), after - before
