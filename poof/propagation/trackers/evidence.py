"""Evidence of trackers beside flow's chains: positions, closure at the other label, an error of its own.

A chain of flow drifts a little with every step and never comes back. A tracker looks at the point it was started from
in every frame: on its point it is off by about the same at every distance, and where it has lost it, it jumps, and may
find it again. So its expected error is not a sum over steps:

    v(t) = side^2 (r^2 + d^2 n(t)) + (0.5 miss(t))^2 + (u side (1 - sure(t)))^2,
    miss(t)^2 = C_a^2 (1 - t) + C_b^2 t

t runs from 0 at the label before (a) to 1 at the one behind (b), n(t) are the frames to the label it was followed from,
C_a and C_b how far it passes from the labels (0 at the one it was started from): a track that closes was probably right
all along, one that misses jumped at some time between, the later the more probably. `sure` is the tracker's certainty
times its visibility. Where a track reaches no other label, nothing vouches for it, and d^2 is what the footage shows of
this tracker: the squared misses of the tracks that do, per frame that they ran, with a prior of `PRIOR` frames.

What flow expects of itself is in another unit than this, and how much either is to be believed differs from footage to
footage and from point to point. But both followed each point from both sides, and where the two sides lie farther apart
than they expect, they expect too little. X is the squared distance between the sides over the sum of their expected
squared errors (`sides_apart`); v is multiplied by

    (X_t / X_f)^1/2 (X_t(t) / X_f(t))^1/2 / X_f^1.5

with X_t and X_f the geometric means over the footage for tracker and flow, X(t) those over the frames around the point:
where the sides of flow contradict each other, flow is believed less than in proportion.

The constants were chosen on eleven clips with a stand-in for a tracker; `benchmarks/trackers.py` has what they are
worth on others, and `--fit` fits them again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from poof.labels.model import LabelSet
from poof.propagation.evidence import Evidence
from poof.propagation.merge import variance
from poof.propagation.trackers.gaps import Gap, frames_set, gaps_of
from poof.propagation.trackers.trajectories import Trajectory

REST = 0.004
"""r: error on the point, longer sides of the subject."""
CLOSED, OPEN = 0.004, 0.01
"""d: growth per square root of frames, between two labels, and where there is no other one before the footage tells."""
PRIOR, MOST_MISS = 100, 0.5
"""Frames that `OPEN` counts as, and the longer sides that a miss counts up to, in what the footage tells."""
MISS = 0.5
"""Share of the distance to a label that counts."""
UNSURE = 0.08
"""u: error where the tracker is not sure at all, longer sides."""
FURTHER, NEARBY = 1.5, 3.0
"""The power of X_f above; and over how many frames X(t) is averaged (standard deviation)."""
FEW, MOST_TRUST = 8, 1e4
"""Tracks at which half of the factor (its logarithm) counts; bound of it and of its inverse."""
NO_MATTER = 1e-3
"""X of sides that agree exactly."""
BY_CLOSURE, LEAST_CLOSURE = 2.0, 0.001
"""Power of the ratio of median closures, which counts where a tracker went one way only; and what is no closure."""
SILENT = 0.8
"""What `sure` counts as where the tracker says nothing of it."""
MADE_WITH = 0.1
"""Pixels: a track of which no query is known that passes both labels nearer than this was made with both, so its
distance from them says nothing."""


def tracker_evidence(
    trajectories: Sequence[Trajectory],
    labels: LabelSet,
    instance: int,
    frames: np.ndarray,
    sides: Mapping[int, float],
    reach: int,
    cuts: Sequence[int] = (),
    flow: Sequence[Evidence] = (),
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
    flow
        Flow's chains of the instance, to set the tracker against.
    """
    labelled, human, _, absent = frames_set(labels, instance)
    count = human.shape[1]
    parts: list[_Part] = []
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
                part = _part(both[direction], chosen, gap, place, frames, k, sides)
                if part is not None:
                    parts.append(part)
    growth = footage_growth([p.miss / p.side for p in parts], [p.length for p in parts])
    for part in parts:
        part.enter(growth)
    chains = list(both.values())
    factor = beside_flow(chains, flow)
    return [replace(chain, own=chain.own * factor) for chain in chains]


def beside_flow(own: Sequence[Evidence], flow: Sequence[Evidence]) -> np.ndarray:
    """The factor of a tracker's expected squared errors beside those of flow, as this footage tells; see above.

    Its logarithm counts n / (n + 8), n being the tracks that reach another label. Where one of the two has one
    side only, the medians of their closures stand in, with the power 2; 1 where nothing can be compared.

    Returns
    -------
    (F, K), or a single number where it is the same everywhere
    """
    closures = [np.concatenate([(c.closure / c.side)[np.isfinite(c.closure)] for c in e] or [[]]) for e in (own, flow)]
    if not len(closures[0]) or not len(closures[1]):
        return np.ones(1)
    tracks = len(np.unique(closures[0]))  # all points of one have the same
    apart = [np.log(sides_apart(chains) / 2 + NO_MATTER) for chains in (own, flow)]
    if all(np.isfinite(a).any() for a in apart):
        mine, flows = (float(np.nanmean(a)) for a in apart)
        here = _nearby(apart[0], mine) - _nearby(apart[1], flows)
        logarithm = (mine - flows) / 2 + here / 2 - FURTHER * flows
    else:
        medians = [max(float(np.median(c)), LEAST_CLOSURE) for c in closures]
        logarithm = np.array([BY_CLOSURE * np.log(medians[0] / medians[1])])
    return np.clip(np.exp(logarithm * tracks / (tracks + FEW)), 1 / MOST_TRUST, MOST_TRUST)


def sides_apart(chains: Sequence[Evidence]) -> np.ndarray:
    """(F, K) squared distance between what comes from the two sides over what it is expected to be; NaN with one side.

    Of each side the mean weighted by 1 / variance, and the variance of that mean.
    """
    means = []
    for direction in (1, -1):
        mine = [c for c in chains if c.direction == direction]
        if not mine:
            return np.full(chains[0].steps.shape if chains else (1, 1), np.nan)
        there = [np.isfinite(c.xy).all(axis=-1) for c in mine]
        weights = [np.where(t, 1 / variance(c), 0.0) for t, c in zip(there, mine)]
        total = np.sum(weights, axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            xy = np.sum([w[..., None] * np.nan_to_num(c.xy) for w, c in zip(weights, mine)], axis=0) / total[..., None]
            means.append((xy, 1 / total))
    (ahead, a), (back, b) = means
    with np.errstate(invalid="ignore"):
        return np.asarray(((ahead - back) ** 2).sum(axis=-1) / (a + b))


def _nearby(values: np.ndarray, otherwise: float) -> np.ndarray:
    """(F, K) mean over the frames around each, of those that have a value; `otherwise` where none has."""
    from scipy.ndimage import gaussian_filter1d  # slow to import, and trackers are rare

    known = np.isfinite(values)
    total, count = (
        gaussian_filter1d(part, NEARBY, axis=0, mode="constant")
        for part in (np.where(known, values, 0.0), known.astype(float))
    )
    return np.where(count > NO_MATTER, total / np.maximum(count, NO_MATTER), otherwise)


def footage_growth(misses: Sequence[float], lengths: Sequence[int]) -> float:
    """d of tracks that reach no other label: what those that do missed by, per square root of frames.

        d^2 = (PRIOR OPEN^2 + sum min(C_i, 0.5)^2) / (PRIOR + sum n_i)

    Parameters
    ----------
    misses
        C_i: distance at the other label, longer sides; NaN for tracks that reach none.
    lengths
        n_i: frames that each ran.
    """
    known = np.isfinite(misses)
    squared = np.minimum(np.asarray(misses, float)[known], MOST_MISS) ** 2
    frames = np.asarray(lengths, float)[known]
    return float(np.sqrt((PRIOR * OPEN**2 + squared.sum()) / (PRIOR + frames.sum())))


def expected(
    steps: np.ndarray, share: np.ndarray, start: float, end: float, drift: float, sure: np.ndarray, side: float
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
    drift : float
        d.
    sure : (N,)
        Certainty times visibility; NaN where the tracker says nothing.
    side : float
        Longer side of the subject, pixels.
    """
    miss = np.nan_to_num(start) ** 2 * (1 - share) + np.nan_to_num(end) ** 2 * share
    unsure = 1 - np.where(np.isfinite(sure), sure, SILENT)
    return side**2 * (REST**2 + drift**2 * steps + (UNSURE * unsure) ** 2) + MISS**2 * miss


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


@dataclass
class _Part:
    """What a trajectory says in one gap.

    Attributes
    ----------
    rows, xy, steps, share, sure
        Arrays over the covered frames that it has; see `expected`.
    start, miss : float
        How far it passes from the labels, pixels.
    length : int
        Frames of the gap.
    """

    chain: Evidence
    keypoint: int
    rows: np.ndarray
    xy: np.ndarray
    steps: np.ndarray
    share: np.ndarray
    sure: np.ndarray
    start: float
    miss: float
    length: int
    side: float

    def enter(self, growth: float) -> None:
        """Put it into the evidence of its direction."""
        at = self.rows, self.keypoint
        drift = CLOSED if np.isfinite(self.miss) else growth
        self.chain.xy[at] = self.xy
        self.chain.steps[at] = self.steps
        self.chain.closure[at] = self.miss
        self.chain.side[at] = self.side
        assert self.chain.own is not None
        self.chain.own[at] = expected(self.steps, self.share, self.start, self.miss, drift, self.sure, self.side)


def _part(
    chain: Evidence,
    one: Trajectory,
    gap: Gap,
    place: Mapping[int, np.ndarray],
    frames: np.ndarray,
    k: int,
    sides: Mapping[int, float],
) -> _Part | None:
    """What a trajectory says in a gap; at the other label where it arrived. None: nothing of the covered frames."""
    ahead = chain.direction > 0
    anchor, other = (gap.before, gap.after) if ahead else (gap.after, gap.before)
    assert anchor is not None
    end = gap.last if ahead else gap.first
    here = (one.frames - anchor) * chain.direction > 0
    here &= (one.frames <= end) if ahead else (one.frames >= end)
    here &= np.isin(one.frames, frames)
    if not here.any():
        return None
    numbers = one.frames[here]
    start, miss = _miss(one, anchor, place), np.nan
    if other is not None and end == other:
        miss = _miss(one, other, place)
    if one.query is None and start < MADE_WITH and miss < MADE_WITH:
        miss = np.nan
    steps = np.abs(numbers - anchor).astype(float)
    length = max(abs(end - anchor), 1)
    return _Part(
        chain=chain,
        keypoint=k,
        rows=np.searchsorted(frames, numbers),
        xy=one.xy[here],
        steps=steps,
        share=steps / length,
        sure=one.sure[here],
        start=start,
        miss=miss,
        length=length,
        side=sides[anchor],
    )
