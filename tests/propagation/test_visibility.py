"""The three reasons for which a propagated point counts as occluded, and the exact visibility of a rendered clip."""

from __future__ import annotations

import numpy as np
from test_confidence import FRAMES, SIDE, alone, chain, rendered

from poof.labels.model import Visible
from poof.propagation.confidence import SLIP, slipped
from poof.propagation.evidence import Evidence
from poof.propagation.merge import blend
from poof.propagation.propagate import chains_of
from poof.propagation.visibility import unseen_beside, visibility

NOBODY = np.full((11, 1, 2), np.nan)


def flags(*chains: Evidence, human: np.ndarray = NOBODY) -> list[int]:
    return visibility(blend(chains, FRAMES), chains, FRAMES, human)[:, 0].tolist()


def labels(*shown: tuple[int, list[int]], keypoints: int = 4) -> np.ndarray:
    """Labels of frames in which only some keypoints are set."""
    human = np.full((11, keypoints, 2), np.nan)
    for frame, which in shown:
        human[frame, which] = 0.0
    return human


def test_good_chains_are_visible_and_nothing_is_nothing() -> None:
    assert flags(chain(1), chain(-1)) == [Visible.VISIBLE] * 11
    assert flags(chain(1)) == [Visible.UNLABELLED] + [Visible.VISIBLE] * 10


def test_points_near_a_hidden_label_are_occluded_until_the_visible_side_takes_over() -> None:
    # The hidden label's chain has a variance of (0.02 side)^2 = 16 a step. A visible one of almost none takes over at
    # once, but not for the frames 1 to 3, which are less than half as far from the label that says occluded.
    assert flags(chain(1, hidden=True), chain(-1))[1:10] == [1] * 3 + [2] * 6
    # With cycle errors of 1.5 px a step: 65 (hidden) against 83 (visible) at frame 4, 81 against 58 at frame 5.
    assert flags(chain(1, hidden=True), chain(-1, cycle=1.5))[1:10] == [1] * 4 + [2] * 5
    assert flags(chain(1, hidden=True), chain(-1, hidden=True))[1:10] == [1] * 9


def slipping(direction: int, at: int, by: float) -> Evidence:
    """A chain with one step error of `by` sides, in the step to its `at`-th frame."""
    made = chain(direction, cycle=0.01)
    made.cycle[made.steps >= at] += by * SIDE
    return made


def test_occluded_between_the_slips_of_both_sides() -> None:
    found = flags(slipping(1, 4, 2 * SLIP), slipping(-1, 3, 2 * SLIP))
    # Forward slips stepping to frame 4, backward stepping to frame 7.
    assert [f for f in range(1, 10) if found[f] == Visible.OCCLUDED] == [4, 5, 6, 7]


def test_one_chain_that_holds_keeps_the_point_visible() -> None:
    assert not slipped([slipping(1, 4, 2 * SLIP), chain(-1, cycle=0.01)])[1:10].any()
    assert not slipped([slipping(1, 4, 0.5 * SLIP)]).any()
    assert slipped([slipping(1, 4, 2 * SLIP)])[:, 0].tolist() == [False] * 4 + [True] * 7


def test_forward_flow_alone_never_tells_of_slips() -> None:
    made = chain(1)
    made.cycle[:] = np.nan
    assert not slipped([made]).any()


def test_a_keypoint_unseen_beside_of_a_near_label_is_occluded() -> None:
    ahead, back = chain(1, keypoints=4), chain(-1, keypoints=4)
    back.xy[:, 3] = back.steps[:, 3] = np.nan
    human = labels((0, [0, 1, 2, 3]), (10, [0, 1, 2]))
    gone = unseen_beside([ahead, back], FRAMES, human)
    # Frame 7 is 3 from the label without it and 7 from the one with it; frame 6 is 4 and 6.
    assert gone[:, 3].tolist() == [False] * 7 + [True] * 4
    assert not gone[:, :3].any()


def test_a_label_of_few_points_leaves_nothing_out() -> None:
    ahead, back = chain(1, keypoints=4), chain(-1, keypoints=4)
    back.xy[:, 1:] = back.steps[:, 1:] = np.nan
    assert not unseen_beside([ahead, back], FRAMES, labels((0, [0, 1, 2, 3]), (10, [0]))).any()


def test_a_label_behind_a_cut_leaves_nothing_out() -> None:
    ahead = alone(1, keypoints=4)  # no chain comes from frame 10
    human = labels((0, [0, 1, 2, 3]), (10, [0, 1, 2]))
    assert not unseen_beside([ahead], FRAMES, human)[:10].any()
    assert unseen_beside([ahead], FRAMES, human)[10].tolist() == [False, False, False, True]


def test_flags_against_exact_visibility() -> None:
    """Two boards pass exactly at the labels; the rule sees most of what they hide and flags little else."""
    found, given, exact = rendered()
    chains, human = chains_of(given, 0, found)
    flagged = visibility(blend(chains, found.frames_of(0)), chains, found.frames_of(0), human)
    is_set = np.isfinite(human).all(axis=-1)
    right = np.stack([exact.instances[int(f), 0].visible for f in found.frames_of(0)])
    known = (flagged > 0) & (right > 0) & ~is_set
    hidden, visible = known & (right == Visible.OCCLUDED), known & (right == Visible.VISIBLE)
    recall = (flagged[hidden] == Visible.OCCLUDED).mean()
    false = (flagged[visible] == Visible.OCCLUDED).mean()
    assert recall > 0.8 and false < 0.35
