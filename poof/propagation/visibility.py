"""Visibility: which propagated points are probably covered by something, or turned away from the camera.

A person may say of a keypoint that it is visible, that it is occluded (and where it is all the same), or leave it out.
A propagated point counts as occluded where one of three things holds, and as visible everywhere else:

1. Labels marked occluded carry it: chains that started from them hold more than half of the weight. Such chains follow
   the body and weigh little, so the flag ends where the chain of a visible label takes over.
2. A label beside it does not show it: a frame in which it is marked occluded, or in which the person set at least half
   of the usual keypoints but not this one, is less than half as far away as the nearest frame that shows it. Only
   frames count from which chains come by, so none behind a cut.
3. Every chain has slipped: each made a step since its anchor that the flow back contradicts by more than 0.02 longer
   sides of the subject, as happens where something passes in front. Between the step at which the chain of the earlier
   label slips and the one at which the chain of the later label does, the point itself is followed by none.

Points that left the image have no coordinates, and the flag 0. The three constants were chosen on rendered clips, where
visibility is known exactly, and on the invisible points of the animal clips; `benchmarks/calibrate.py` prints how often
the rule is right there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from poof.labels.model import Visible
from poof.propagation.confidence import hidden_share, slipped
from poof.propagation.evidence import Evidence
from poof.propagation.merge import Merged

CARRIED = 0.5
"""Share of the weight above which labels marked occluded carry a point."""
NEARER = 0.5
"""Distance of a frame that does not show the keypoint over that of one that does, below which it counts as occluded."""


def visibility(joint: Merged, chains: Sequence[Evidence], frames: np.ndarray, human: np.ndarray) -> np.ndarray:
    """The visibility of an instance's propagated points.

    Parameters
    ----------
    joint
        The merged positions, F frames and K keypoints.
    chains
        The chains they were merged from.
    frames : (F,) int
        The covered frames, ascending.
    human : (F, K, 2)
        The labels a person set, NaN elsewhere.

    Returns
    -------
    (F, K) int8
        `Visible`: 2 visible, 1 occluded, 0 where there is no point.
    """
    there = np.isfinite(joint.xy).all(axis=-1)
    carried = np.nan_to_num(hidden_share(chains)) > CARRIED
    covered = carried | unseen_beside(chains, frames, human) | slipped(chains)
    return np.where(there, np.where(covered, Visible.OCCLUDED, Visible.VISIBLE), Visible.UNLABELLED).astype(np.int8)


def unseen_beside(chains: Sequence[Evidence], frames: np.ndarray, human: np.ndarray) -> np.ndarray:
    """(F, K) bool: a labelled frame that does not show the keypoint is much nearer than one that does."""
    set_ = np.isfinite(human).all(axis=-1)
    counts = set_.sum(axis=1)
    whole = counts * 2 >= max(counts.max(), 1)
    # In a labelled frame itself the chains that arrive there tell of other frames.
    unseen = np.where(whole[:, None] & ~set_, 0.0, np.inf)
    shown = np.where(set_, 0.0, np.inf)
    for chain in chains:
        steps = np.where(np.isfinite(chain.steps), chain.steps, np.inf)
        shown = np.minimum(shown, np.where(chain.hidden, np.inf, steps))
        unseen = np.minimum(unseen, np.where(chain.hidden, steps, np.inf))
        nearest = steps.min(axis=1)
        reached = np.isfinite(nearest)
        anchor = frames - chain.direction * np.where(reached, nearest, 0).astype(int)
        row = np.searchsorted(frames, anchor)
        missing = (reached & whole[row])[:, None] & ~set_[row]
        unseen = np.minimum(unseen, np.where(missing, nearest[:, None], np.inf))
    return unseen < NEARER * shown
