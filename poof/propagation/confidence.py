"""Confidence: the probability that a propagated point is off by less than 5 % of the subject's longer side.

A logistic regression on what the chains tell of themselves. Which terms there are depends on the chains at the point:
chains from labels on both sides, from one side only, or chains without backward flow, whose cycle is not known. All
terms are dimensionless, lengths in longer sides of the subject, so that the size of the picture does not matter.

The constants are fitted by `benchmarks/calibrate.py`, which also shows what they are worth on clips they have not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from poof.propagation.evidence import Evidence
from poof.propagation.merge import Merged, variance

FLOOR = 1e-3
"""Length, in longer sides, that is added before a logarithm is taken: less than this is not told apart."""

SLIP = 0.02
"""Forward-backward error of a single step, in longer sides, from which on a chain no longer counts as on its point."""

MODELS: dict[str, tuple[float, dict[str, float]]] = {
    "both sides": (-5.91, {"sigma": -0.27, "apart": -1.17, "slip": -0.37}),
    "one side": (-3.56, {"cycle": -1.21, "steps": -0.55, "missed": -0.66, "hidden": -0.86}),
    "forward flow": (0.09, {"path": -0.64, "steps": -0.28, "hidden": -1.26}),
}
"""Constant and weights of the terms, by the chains at the point. No weight is positive: every term speaks against."""


def confidence(joint: Merged, chains: Sequence[Evidence]) -> np.ndarray:
    """The probability of an error below 5 % of the subject's longer side.

        p = 1 / (1 + exp(-(c + sum_i w_i x_i)))

    with the terms x_i of `terms` and c, w_i of `MODELS`. Where every chain of a subject has slipped, at all its
    keypoints, the subject itself is followed by none: it left the picture, or something covers it. Chains from both
    sides may then rest on one and the same piece of ground, and that they agree says nothing: the model of one side
    counts if it gives less.

    Parameters
    ----------
    joint
        The merged positions of an instance, F frames and K keypoints.
    chains
        The chains they were merged from.

    Returns
    -------
    (F, K) float64
        In [0, 1], NaN where there is no chain.
    """
    known = terms(joint, chains)
    case = cases(chains)
    result = np.full(joint.sigma.shape, np.nan)
    for name, (constant, weights) in MODELS.items():
        total = constant + sum(weight * known[term] for term, weight in weights.items())
        with np.errstate(over="ignore"):
            result = np.where(case == name, 1 / (1 + np.exp(-total)), result)
            if name == "one side":
                lost = (case == "both sides") & subject_lost(chains)[:, None]
                result = np.where(lost, np.fmin(result, 1 / (1 + np.exp(-total))), result)
    return np.where(np.isfinite(joint.xy).all(axis=-1), result, np.nan)


def cases(chains: Sequence[Evidence]) -> np.ndarray:
    """(F, K) str: which of `MODELS` a point belongs to, '' where there is no chain."""
    there = _there(chains)
    forward = _any(t & (c.direction > 0) for t, c in zip(there, chains))
    back = _any(t & (c.direction < 0) for t, c in zip(there, chains))
    measured = _any(t & np.isfinite(c.cycle) for t, c in zip(there, chains))
    sided = np.where(forward & back, "both sides", "one side")
    return np.where(there.any(axis=0), np.where(measured, sided, "forward flow"), "")


def terms(joint: Merged, chains: Sequence[Evidence]) -> dict[str, np.ndarray]:
    """What the regression knows of each point, (F, K) each. Lengths are ln(length / side + 0.001).

    - sigma: the error that the merging expects, made of cycle errors, closure errors and distances.
    - apart: how far the chains from the two sides lie apart: root of the mean squared distance of either side's
      weighted mean from the merged position.
    - slip: largest forward-backward error of a single step since the anchor, in the chain where it is least.
    - cycle: accumulated forward-backward error of the chain where it is least.
    - path: length of the way that the chains went.
    - steps: ln(frames from the nearest anchor).
    - missed: 1 where the labelled frame at the other end of the gap does not show the keypoint; 0 elsewhere.
    - hidden: share of the chains' weight that comes from labels marked occluded.

    A term that does not apply is NaN or meaningless there; `cases` tells which do.
    """
    there = _there(chains)
    weights = np.stack([np.where(t, 1 / variance(c), 0.0) for t, c in zip(there, chains)])
    total = weights.sum(axis=0)
    side = np.stack([np.where(t, c.side, 0.0) for t, c in zip(there, chains)]).max(axis=0)

    def log(length: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.log(length / side + FLOOR)

    def least(values: Sequence[np.ndarray]) -> np.ndarray:
        lowest = np.stack([np.where(t & np.isfinite(v), v, np.inf) for t, v in zip(there, values)]).min(axis=0)
        return np.where(np.isfinite(lowest), lowest, np.nan)

    def mean(values: Sequence[np.ndarray]) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return sum(w * np.nan_to_num(v) for w, v in zip(weights, values)) / total

    with np.errstate(invalid="ignore", divide="ignore"):
        steps = np.log(least([c.steps for c in chains]))
    return {
        "sigma": log(joint.sigma),
        "apart": log(_apart(joint, chains, weights)),
        "slip": log(least([largest_step_error(c) for c in chains])),
        "cycle": log(least([c.cycle for c in chains])),
        "path": log(mean([_path(c) for c in chains])),
        "steps": steps,
        "missed": _missed(chains).astype(float),
        "hidden": hidden_share(chains),
    }


def hidden_share(chains: Sequence[Evidence]) -> np.ndarray:
    """(F, K) share of the chains' weight that comes from labels marked occluded; NaN where there is no chain."""
    there = _there(chains)
    weights = np.stack([np.where(t, 1 / variance(c), 0.0) for t, c in zip(there, chains)])
    with np.errstate(invalid="ignore", divide="ignore"):
        return sum(w * c.hidden for w, c in zip(weights, chains)) / weights.sum(axis=0)


def slipped(chains: Sequence[Evidence]) -> np.ndarray:
    """(F, K) bool: every chain that comes by made a step that the backward flow contradicts; not without such flow."""
    running = np.stack([np.isfinite(c.cycle) for c in chains])
    with np.errstate(invalid="ignore"):
        lost = np.stack([largest_step_error(c) > SLIP * c.side for c in chains])
    return np.asarray(running.any(axis=0) & (lost | ~running).all(axis=0))


def subject_lost(chains: Sequence[Evidence]) -> np.ndarray:
    """(F,) bool: at every keypoint that is carried there, every chain has slipped."""
    carried = _any(_there(chains))
    return np.asarray(carried.any(axis=1) & (slipped(chains) | ~carried).all(axis=1))


def largest_step_error(chain: Evidence) -> np.ndarray:
    """(F, K) largest forward-backward error of one step since the chain's anchor, pixels; NaN when not measured."""
    back = slice(None, None, chain.direction)
    cycle, steps = chain.cycle[back], chain.steps[back]
    single = np.diff(cycle, axis=0, prepend=np.nan)
    return _since_anchor(np.where(steps == 1, cycle, single), steps, np.maximum)[back]


def _path(chain: Evidence) -> np.ndarray:
    """(F, K) length of the chain's way since its first step, pixels."""
    back = slice(None, None, chain.direction)
    xy, steps = chain.xy[back], chain.steps[back]
    moved = np.diff(xy, axis=0, prepend=np.nan)
    return _since_anchor(np.where(steps == 1, 0.0, np.hypot(moved[..., 0], moved[..., 1])), steps, np.add)[back]


def _since_anchor(
    values: np.ndarray, steps: np.ndarray, combine: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    """Running combination of the values (F, K) of each chain, in the order of its steps."""
    result = np.full(values.shape, np.nan)
    last = np.zeros(values.shape[1])
    for row, (value, step) in enumerate(zip(values, steps)):
        last = np.where(step == 1, value, combine(last, value))
        result[row] = last
    return result


def _apart(joint: Merged, chains: Sequence[Evidence], weights: np.ndarray) -> np.ndarray:
    """(F, K) how far the chains of the two directions lie from the merged position, pixels; NaN with one of them."""
    squared, share = np.zeros(joint.sigma.shape), np.zeros(joint.sigma.shape)
    for direction in (1, -1):
        mine = np.stack([w * (c.direction == direction) for w, c in zip(weights, chains)])
        weight = mine.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            xy = sum(w[..., None] * np.nan_to_num(c.xy) for w, c in zip(mine, chains)) / weight[..., None]
            squared += weight * ((xy - joint.xy) ** 2).sum(axis=-1)
        share += weight
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(squared / share)


def _missed(chains: Sequence[Evidence]) -> np.ndarray:
    """(F, K) bool: other keypoints of the frame have chains between two labels, this one has not."""
    closed = _any(np.isfinite(c.closure) for c in chains)
    return ~closed & closed.any(axis=1, keepdims=True)


def _there(chains: Sequence[Evidence]) -> np.ndarray:
    """(chains, F, K) bool: which chains there are."""
    return np.stack([np.isfinite(c.xy).all(axis=-1) for c in chains])


def _any(masks: Iterable[np.ndarray]) -> np.ndarray:
    """(F, K) where at least one of the masks holds; nowhere without any."""
    return np.asarray(np.logical_or.reduce(list(masks)))
