"""What trackers say, as evidence beside flow's chains: positions, closure at the other label, an error of its own.

A chain of flow drifts a little with every step and never comes back. A tracker looks at the point it was started from
in every frame: on its point it is off by about the same at every distance, and where it has lost it, it jumps, and may
find it again. So its expected error is not a sum over steps:

    v(t) = side^2 (r^2 + d^2 n(t)) + (0.5 miss(t))^2 + (u side (1 - sure(t)))^2,
    miss(t)^2 = C_a^2 (1 - t) + C_b^2 t

t runs from 0 at the label before (a) to 1 at the one behind (b), n(t) are the frames to the label it was followed from,
C_a and C_b how far it passes from the labels (0 at the one it was started from): a track that closes was probably right
all along, one that misses jumped at some time between, the later the more probably. `sure` is the tracker's certainty
times its visibility. Where it reaches no other label, nothing vouches for it: d is larger.

The constants are fitted by `benchmarks/trackers.py --fit`, leaving one clip out at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from poof.labels.model import LabelSet
from poof.propagation.evidence import Evidence
from poof.propagation.trackers.gaps import Gap, frames_set, gaps_of
from poof.propagation.trackers.trajectories import Trajectory

REST = 0.012
"""r: error on the point, longer sides of the subject."""
CLOSED, OPEN = 0.002, 0.01
"""d: growth per square root of frames, between two labels and where there is no other one."""
MISS = 0.5
"""Share of the distance to a label that counts."""
UNSURE = 0.15
"""u: error where the tracker is not sure at all, longer sides."""
SILENT = 0.8
"""What `sure` counts as where the tracker says nothing of it."""
MADE_WITH = 0.1
"""Pixels: a track of which no query is known that passes both labels nearer than this was made with both, so its
distance from them says nothing."""


def opinions(
    trajectories: Sequence[Trajectory],
    labels: LabelSet,
    instance: int,
    frames: np.ndarray,
    sides: Mapping[int, float],
    reach: int,
    cuts: Sequence[int] = (),
) -> list[Evidence]:
    """The evidence of one tracker for an instance: followed forwards, and backwards.

    Parameters
    ----------
    trajectories
        Of this tracker; those of other instances are passed over.
    labels
        What a person said.
    instance
        The instance.
    frames : (F,) int
        The covered frames, ascending.
    sides
        Longer side of the subject in pixels, by label frame.
    reach
        Most frames from a label.
    cuts
        Frames that begin a new scene.
    """
    labelled, human, _, absent = frames_set(labels, instance)
    count = human.shape[1]
    both = {1: _empty(1, len(frames), count), -1: _empty(-1, len(frames), count)}
    of_keypoint: dict[int, list[Trajectory]] = {}
    for one in trajectories:
        if one.instance == instance:
            of_keypoint.setdefault(one.keypoint, []).append(one)
    for k, own in of_keypoint.items():
        set_ = np.isfinite(human[:, k]).all(axis=1)
        place = dict(zip(labelled[set_].tolist(), human[set_, k]))
        for gap in gaps_of(labelled[set_], labelled[absent[:, k]], reach, np.asarray(cuts, int)):
            for direction, chosen in _of_gap(own, gap, place).items():
                _enter(both[direction], chosen, gap, place, frames, k, sides)
    return list(both.values())


def expected(
    steps: np.ndarray, share: np.ndarray, start: float, end: float, closed: bool, sure: np.ndarray, side: float
) -> np.ndarray:
    """v(t) of the module's head, px^2.

    Parameters
    ----------
    steps : (N,)
        n(t): frames from the label it was followed from.
    share : (N,)
        t: way from that label to the other one, 0 to 1.
    start, end : float
        How far it passes from the two labels, pixels; NaN: not known.
    closed : bool
        Whether it reaches the other label.
    sure : (N,)
        Certainty times visibility; NaN where the tracker says nothing.
    side : float
        Longer side of the subject, pixels.
    """
    miss = np.nan_to_num(start) ** 2 * (1 - share) + np.nan_to_num(end) ** 2 * share
    doubt = 1 - np.where(np.isfinite(sure), sure, SILENT)
    drift = (CLOSED if closed else OPEN) ** 2 * steps
    return side**2 * (REST**2 + drift + (UNSURE * doubt) ** 2) + MISS**2 * miss


def _empty(direction: int, frames: int, count: int) -> Evidence:
    nothing = np.full((frames, count), np.nan)
    return Evidence(
        direction=direction,
        xy=np.full((frames, count, 2), np.nan),
        steps=nothing.copy(),
        cycle=nothing.copy(),
        closure=nothing.copy(),
        cycle_end=nothing.copy(),
        side=nothing.copy(),
        hidden=np.zeros((frames, count), bool),
        own=nothing.copy(),
    )


def _of_gap(own: Sequence[Trajectory], gap: Gap, place: Mapping[int, np.ndarray]) -> dict[int, Trajectory]:
    """The trajectory that speaks forwards in a gap and the one that speaks backwards, where there are such.

    Of several the one from the nearest query. One of which no query is known speaks from the label it passes nearer.
    """
    chosen: dict[int, Trajectory] = {}
    for direction, near in ((1, gap.before), (-1, gap.after)):
        if near is None:
            continue
        started = [t for t in own if t.query is not None and t.direction in (0, direction)]
        started = [t for t in started if (near - t.query) * direction >= 0 and _inside(t, gap)]  # type: ignore[operator]
        if started:
            chosen[direction] = min(started, key=lambda t: abs(near - t.query))  # type: ignore[operator]
    for one in own:
        if one.query is not None or not _inside(one, gap):
            continue
        direction = one.direction
        if not direction:
            start, end = (np.nan_to_num(_miss(one, f, place), nan=np.inf) for f in (gap.before, gap.after))
            direction = 1 if gap.before is not None and (start <= end or gap.after is None) else -1
        if (gap.before if direction > 0 else gap.after) is not None:
            chosen.setdefault(direction, one)
    return chosen


def _inside(one: Trajectory, gap: Gap) -> bool:
    """Whether a trajectory has places between the labels of a gap."""
    low = gap.first - 1 if gap.before is None else gap.before
    high = gap.last + 1 if gap.after is None else gap.after
    return bool(((one.frames > low) & (one.frames < high)).any())


def _miss(one: Trajectory, frame: int | None, place: Mapping[int, np.ndarray]) -> float:
    """How far a trajectory passes from the label of a frame, pixels; NaN where it does not, 0 where it began there."""
    if frame is None:
        return np.nan
    if one.query == frame:
        return 0.0
    there = one.at(frame)
    return np.nan if there is None else float(np.hypot(*(there - place[frame])))


def _enter(
    chain: Evidence,
    one: Trajectory,
    gap: Gap,
    place: Mapping[int, np.ndarray],
    frames: np.ndarray,
    k: int,
    sides: Mapping[int, float],
) -> None:
    """Put what a trajectory says in a gap into the evidence of its direction; at the other label where it arrived."""
    ahead = chain.direction > 0
    anchor, other = (gap.before, gap.after) if ahead else (gap.after, gap.before)
    assert anchor is not None
    end = gap.last if ahead else gap.first
    here = (one.frames - anchor) * chain.direction > 0
    here &= (one.frames <= end) if ahead else (one.frames >= end)
    rows = np.searchsorted(frames, one.frames[here])
    known = rows < len(frames)
    known[known] = frames[rows[known]] == one.frames[here][known]
    rows, numbers = rows[known], one.frames[here][known]
    if not len(rows):
        return
    closed = other is not None and end == other
    start, miss = _miss(one, anchor, place), _miss(one, other, place) if closed else np.nan
    if one.query is None and start < MADE_WITH and miss < MADE_WITH:
        miss = np.nan
    closed = bool(np.isfinite(miss))
    steps = np.abs(numbers - anchor).astype(float)
    share = steps / max(abs(end - anchor), 1)
    side, sure = sides[anchor], one.sure[here][known]
    chain.xy[rows, k] = one.xy[here][known]
    chain.steps[rows, k] = steps
    chain.closure[rows, k] = miss
    chain.side[rows, k] = side
    assert chain.own is not None
    chain.own[rows, k] = expected(steps, share, start, miss, closed, sure, side)
