"""Evidence: for each point of a chain, the errors that its weight, confidence and visibility follow from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from poof.propagation.chains import Chains

LEAST_CLOSURE = 0.005
"""Closure, in longer sides, that is added before a logarithm is taken: less than this is how exact labels are."""
DISTRUST = 12
"""Power of the ratio of two estimators' closures in that of their expected squared errors. It is steep on purpose: most
of a worse estimator's errors are lost points, which the mean of two positions suffers from even at a small weight.
Chosen by leaving one clip out, see `benchmarks/stress.py`; from 8 to 16 little changes."""
MOST_DISTRUST = 1000.0
"""Bound of the factor between the expected squared errors of an estimator and those of the best."""


@dataclass
class Evidence:
    """One chain for every frame and keypoint of an instance: of one estimator, in one direction.

    All arrays are (F, K) over the covered frames, `xy` is (F, K, 2); NaN where there is no chain.

    Attributes
    ----------
    direction : int
        1 forward in time, -1 backward.
    xy
        Positions of the chain, pixels.
    steps
        Frames from its anchor.
    cycle
        E(t): sum of the forward-backward errors from the anchor to here, pixels.
    closure
        C: how far the chain lands from the label of the next anchor, pixels; NaN where it does not reach one.
    cycle_end
        E at that next anchor.
    side
        Longer side of the subject at the chain's anchor, pixels.
    hidden
        Whether a person marked the keypoint occluded at the chain's anchor.
    stride : int
        Frames that each of its steps takes.
    scale : float
        How the squared errors of the chain's estimator compare with those of the others; see `compared`.
    own : or None
        Expected squared error, px^2, by the error model of what made the chain; None: `merge.variance` has it from the
        cycle and closure errors, as for chains of flow.
    """

    direction: int
    xy: np.ndarray
    steps: np.ndarray
    cycle: np.ndarray
    closure: np.ndarray
    cycle_end: np.ndarray
    side: np.ndarray
    hidden: np.ndarray
    stride: int = 1
    scale: float = 1.0
    own: np.ndarray | None = None


def compared(estimators: Sequence[Sequence[Evidence]]) -> list[Evidence]:
    """The chains of several estimators, each with its estimator's `scale`, which the footage itself tells.

        scale_e = (C_e / least C of all)^12,   at most 1000

    C_e is the geometric mean of the closure errors of all points of the estimator's chains, in longer sides: an
    estimator that this footage does not suit lands farther from the labels, and counts less everywhere. A smooth wrong
    flow agrees with itself, so that cycle errors do not tell; and the arithmetic mean does not tell either, since the
    few points that all estimators lose decide it, and not how near they come elsewhere. One estimator alone, or chains
    that reach no other label, have the scale 1.

    Parameters
    ----------
    estimators
        The chains of each estimator.
    """
    means = []
    for chains in estimators:
        misses = np.concatenate([(c.closure / c.side)[np.isfinite(c.closure)] for c in chains])
        means.append(float(np.log(misses + LEAST_CLOSURE).mean()) if len(misses) else np.nan)
    if not np.isfinite(means).all():
        return [chain for chains in estimators for chain in chains]
    scales = np.minimum(np.exp(DISTRUST * (np.array(means) - min(means))), MOST_DISTRUST)
    return [replace(chain, scale=float(s)) for chains, s in zip(estimators, scales) for chain in chains]


def gather(
    chains: Chains, direction: int, human: np.ndarray, occluded: np.ndarray, sides: dict[int, float]
) -> Evidence:
    """The evidence of the chains of one instance.

    Parameters
    ----------
    chains
        Of one direction and one estimator.
    direction
        1 forward in time, -1 backward.
    human : (F, K, 2)
        The labels a person set, NaN elsewhere, in the rows of the chains.
    occluded : (F, K) bool
        Which of those the person marked occluded.
    sides
        Longer side of the subject by anchor frame.

    Notes
    -----
    At a labelled point the row has where a chain ends. The end gives closure and E for all its earlier points.
    """
    shape = chains.anchor.shape
    known = chains.anchor >= 0
    steps = np.where(known, np.abs(chains.frames[:, None] - chains.anchor), np.nan)
    closure, cycle_end = np.full(shape, np.nan), np.full(shape, np.nan)
    side, hidden = np.full(shape, np.nan), np.zeros(shape, bool)
    ends_here = known & np.isfinite(human).all(axis=-1)
    miss = np.hypot(*np.moveaxis(chains.xy - human, -1, 0))
    for anchor in np.unique(chains.anchor[known]):
        mine = chains.anchor == anchor
        ends = mine & ends_here
        reached = ends.any(axis=0)
        with np.errstate(invalid="ignore"):
            end_miss = np.where(reached, np.where(ends, miss, 0).sum(axis=0), np.nan)
            end_cycle = np.where(reached, np.where(ends, chains.cycle, 0).sum(axis=0), np.nan)
        closure = np.where(mine, end_miss, closure)
        cycle_end = np.where(mine, end_cycle, cycle_end)
        side = np.where(mine, sides[int(anchor)], side)
        row = int(np.searchsorted(chains.frames, anchor))
        hidden |= mine & occluded[row]
    return Evidence(
        direction=direction,
        xy=chains.xy.astype(np.float64),
        steps=steps,
        cycle=chains.cycle.astype(np.float64),
        closure=closure,
        cycle_end=cycle_end,
        side=side,
        hidden=hidden,
        stride=chains.stride,
    )
