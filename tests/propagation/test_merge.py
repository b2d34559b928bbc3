"""Merging hand-made chains: equal ones, a broken one, one that is missing; nearest and distance; evidence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from poof.propagation.chains import Chains
from poof.propagation.evidence import Evidence, compared, gather
from poof.propagation.merge import CLOSURE, DRIFT, HIDDEN, blend, by_distance, nearest, variance

FRAMES = np.arange(0, 11)
SIDE = 100.0


def chain(
    direction: int,
    path: np.ndarray,
    cycle_per_step: float = 0.1,
    closure: float = 0.0,
    hidden: bool = False,
) -> Evidence:
    """A chain of one keypoint over `FRAMES` between labels at both ends."""
    steps = (FRAMES if direction > 0 else FRAMES[::-1]).astype(float)[:, None]
    full = np.ones_like(steps)
    return Evidence(
        direction=direction,
        xy=path[:, None, :].astype(float),
        steps=steps,
        cycle=cycle_per_step * steps,
        closure=closure * full,
        cycle_end=cycle_per_step * 10 * full,
        side=SIDE * full,
        hidden=np.full(steps.shape, hidden),
    )


def line(x: float, y: float = 0.0) -> np.ndarray:
    return np.stack([np.full(11, x), np.full(11, y)], axis=1)


def test_variance_by_hand() -> None:
    v = variance(chain(1, line(0), cycle_per_step=0.5, closure=8.0))
    # at step 4: E = 2, E(b) = 5, closure term 0.4 * 8 * 2/5 = 1.28, drift (0.003*100)^2 * 4 = 0.36
    assert v[4, 0] == pytest.approx(2.0**2 + (CLOSURE * 8 * 0.4) ** 2 + (DRIFT * SIDE) ** 2 * 4, abs=1e-5)
    # in steps of two frames the cycle error counts for both
    longer = variance(replace(chain(1, line(0), cycle_per_step=0.5, closure=8.0), stride=2))
    assert longer[4, 0] - v[4, 0] == pytest.approx(4.0**2 - 2.0**2)
    hidden = variance(chain(1, line(0), cycle_per_step=0.5, closure=8.0, hidden=True))
    assert hidden[4, 0] - v[4, 0] == pytest.approx((HIDDEN**2 - DRIFT**2) * SIDE**2 * 4)


def test_an_estimator_that_misses_the_labels_counts_less_everywhere() -> None:
    near, far = chain(1, line(0), closure=2.0), chain(1, line(4), closure=2.5)
    trusted, distrusted = compared([[near], [far]])
    # In longer sides 0.02 and 0.025; 0.005 is added to both.
    ratio = (0.030 / 0.025) ** 12
    assert (trusted.scale, distrusted.scale) == (1.0, pytest.approx(ratio))
    alike = [replace(near, closure=far.closure), far]  # the scales alone
    joint = blend([replace(c, scale=s.scale) for c, s in zip(alike, (trusted, distrusted))], FRAMES)
    assert joint.xy[5, 0, 0] == pytest.approx(4 / (1 + ratio), abs=1e-6)


def test_the_scale_is_bounded_and_needs_closures() -> None:
    exact, lost = compared([[chain(1, line(0), closure=0.0)], [chain(1, line(0), closure=500.0)]])
    assert (exact.scale, lost.scale) == (1.0, 1000.0)
    silent = replace(exact, scale=1.0, closure=np.full_like(exact.closure, np.nan))
    assert [c.scale for c in compared([[silent], [chain(1, line(0), closure=9.0)]])] == [1.0, 1.0]
    assert [c.scale for c in compared([[chain(1, line(0), closure=9.0)]])] == [1.0]


def beside(*chains: Evidence) -> Evidence:
    """Chains of one keypoint each as one of several keypoints."""
    names = ("xy", "steps", "cycle", "closure", "cycle_end", "side", "hidden")
    return Evidence(chains[0].direction, **{n: np.concatenate([getattr(c, n) for c in chains], axis=1) for n in names})


def test_a_smooth_wrong_chain_that_agrees_with_itself_is_outvoted() -> None:
    """Both estimators lose one point of five; the second slides on the ground at the others as well, without a cycle
    error: by that alone it would win everywhere."""
    good = [chain(1, line(0), cycle_per_step=0.5, closure=3.0)] * 4
    smooth = [chain(1, line(20), cycle_per_step=0.01, closure=20.0)] * 4
    lost = chain(1, line(90), cycle_per_step=2.0, closure=100.0)
    pair = [[beside(*good, lost)], [beside(*smooth, lost)]]
    alone = blend([c for chains in pair for c in chains], FRAMES)
    assert alone.xy[5, 0, 0] > 2.0  # pulled off the point by more than a label's scatter
    together = blend(compared(pair), FRAMES)
    assert together.xy[5, :4, 0] == pytest.approx(np.zeros(4), abs=0.05)
    # The mean of the closures, which the lost point decides, would have told the two apart by a factor of 1.6.
    means = [float((c[0].closure / SIDE).mean()) for c in pair]
    assert means[1] / means[0] < 1.7 and compared(pair)[1].scale > 500


def test_equal_chains_meet_in_the_middle_and_follow_their_anchors() -> None:
    joint = blend([chain(1, line(0)), chain(-1, line(10))], FRAMES)
    assert joint.xy[5, 0, 0] == pytest.approx(5.0)
    assert joint.xy[1, 0, 0] < 1.0 and joint.xy[9, 0, 0] > 9.0
    assert (np.diff(joint.xy[:, 0, 0]) > 0).all()
    assert joint.anchor[[2, 8], 0].tolist() == [0, 10] and joint.steps[[2, 8], 0].tolist() == [2, 2]


def test_a_chain_that_lands_far_off_loses_its_say() -> None:
    joint = blend([chain(1, line(0), closure=60.0), chain(-1, line(10))], FRAMES)
    assert joint.xy[5, 0, 0] > 9.5
    assert joint.anchor[5, 0] == 10
    assert joint.sigma[5, 0] < blend([chain(1, line(0), closure=60.0)], FRAMES).sigma[5, 0]


def test_a_missing_chain_leaves_the_other_one_alone() -> None:
    gone = chain(1, np.full((11, 2), np.nan))
    joint = blend([gone, chain(-1, line(3, 4))], FRAMES)
    np.testing.assert_allclose(joint.xy[:, 0], line(3, 4))
    nothing = blend([gone], FRAMES)
    assert np.isnan(nothing.xy).all() and (nothing.anchor == -1).all()


def test_spread_tells_how_far_the_chains_lie_apart() -> None:
    assert blend([chain(1, line(2)), chain(-1, line(2))], FRAMES).spread[5, 0] == pytest.approx(0.0)
    assert blend([chain(1, line(0)), chain(-1, line(10))], FRAMES).spread[5, 0] == pytest.approx(5.0)


def test_nearest_takes_one_chain_and_the_earlier_anchor_of_two_equally_near() -> None:
    joint = nearest([chain(1, line(0)), chain(-1, line(10))], FRAMES, 10)
    assert joint.xy[:, 0, 0].tolist() == [0.0] * 6 + [10.0] * 5
    short = nearest([chain(1, line(0)), chain(-1, line(10))], FRAMES, 3)
    assert np.isfinite(short.xy[:, 0, 0]).tolist() == [True] * 4 + [False] * 3 + [True] * 4


def test_by_distance_is_linear_between_two_anchors() -> None:
    joint = by_distance([chain(1, line(0)), chain(-1, line(10))], FRAMES, 10)
    np.testing.assert_allclose(joint.xy[1:10, 0, 0], FRAMES[1:10], atol=1e-9)


def test_gather_finds_closure_where_a_chain_arrives_at_a_label() -> None:
    chains = Chains.empty([0, 1, 2, 3], 1)
    chains.xy[1:, 0] = [[1, 0], [2, 0], [3, 4]]
    chains.cycle[1:, 0] = [0.5, 1.0, 2.0]
    chains.anchor[1:, 0] = 0
    human = np.full((4, 1, 2), np.nan)
    human[0], human[3] = [[0, 0]], [[0, 0]]
    found = gather(chains, 1, human, np.zeros((4, 1), bool), {0: 50.0, 3: 60.0})
    np.testing.assert_allclose(found.closure[1:, 0], [5, 5, 5])
    np.testing.assert_allclose(found.cycle_end[1:, 0], [2, 2, 2])
    np.testing.assert_allclose(found.steps[1:, 0], [1, 2, 3])
    np.testing.assert_allclose(found.side[1:, 0], [50, 50, 50])
    human[3] = np.nan
    assert np.isnan(gather(chains, 1, human, np.zeros((4, 1), bool), {0: 50.0}).closure).all()
