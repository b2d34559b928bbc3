"""What is known about each chain at each point: the numbers that weights, confidence and visibility are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poof.propagation.chains import Passage


@dataclass
class Evidence:
    """One chain for every frame and keypoint of an instance: of one estimator, in one direction.

    All arrays are (F, K) over the covered frames, `xy` is (F, K, 2); NaN where there is no chain.

    Attributes
    ----------
    direction : int
        1 forward in time, -1 backward.
    xy
        Where the chain came by, pixels.
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
    """

    direction: int
    xy: np.ndarray
    steps: np.ndarray
    cycle: np.ndarray
    closure: np.ndarray
    cycle_end: np.ndarray
    side: np.ndarray
    hidden: np.ndarray


def gather(
    passage: Passage, direction: int, human: np.ndarray, occluded: np.ndarray, sides: dict[int, float]
) -> Evidence:
    """The evidence of a passage.

    Parameters
    ----------
    passage
        One direction of one estimator.
    direction
        1 forward in time, -1 backward.
    human : (F, K, 2)
        The labels a person set, NaN elsewhere, in the rows of the passage.
    occluded : (F, K) bool
        Which of those the person marked occluded.
    sides
        Longer side of the subject by anchor frame.

    Notes
    -----
    At a labelled point the passage holds where a chain arrived: that is the chain's end, and gives closure and E there
    for all its earlier points.
    """
    shape = passage.anchor.shape
    known = passage.anchor >= 0
    steps = np.where(known, np.abs(passage.frames[:, None] - passage.anchor), np.nan)
    closure, cycle_end = np.full(shape, np.nan), np.full(shape, np.nan)
    side, hidden = np.full(shape, np.nan), np.zeros(shape, bool)
    arrivals = known & np.isfinite(human).all(axis=-1)
    miss = np.hypot(*np.moveaxis(passage.xy - human, -1, 0))
    for anchor in np.unique(passage.anchor[known]):
        mine = passage.anchor == anchor
        ends = mine & arrivals
        reached = ends.any(axis=0)
        with np.errstate(invalid="ignore"):
            end_miss = np.where(reached, np.where(ends, miss, 0).sum(axis=0), np.nan)
            end_cycle = np.where(reached, np.where(ends, passage.cycle, 0).sum(axis=0), np.nan)
        closure = np.where(mine, end_miss, closure)
        cycle_end = np.where(mine, end_cycle, cycle_end)
        side = np.where(mine, sides[int(anchor)], side)
        row = int(np.searchsorted(passage.frames, anchor))
        hidden |= mine & occluded[row]
    return Evidence(
        direction=direction,
        xy=passage.xy.astype(np.float64),
        steps=steps,
        cycle=passage.cycle.astype(np.float64),
        closure=closure,
        cycle_end=cycle_end,
        side=side,
        hidden=hidden,
    )
