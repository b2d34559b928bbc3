"""A tracker's error model, by hand, and its place among the evidence."""

from __future__ import annotations

import numpy as np
import pytest
from doubles import labels_at, where

from poof.propagation.evidence import Evidence
from poof.propagation.merge import variance
from poof.propagation.trackers import Trajectory
from poof.propagation.trackers.evidence import (
    CLOSED,
    FURTHER,
    MISS,
    OPEN,
    PRIOR,
    REST,
    SILENT,
    UNSURE,
    beside_flow,
    footage_growth,
    sides_apart,
    tracker_evidence,
)
from poof.propagation.trackers.gaps import gaps_of

SIDES = {0: 50.0, 10: 50.0, 20: 50.0}
FRAMES = np.arange(0, 31)


def straight(
    keypoint: int, first: int, last: int, query: int | None = None, off: float = 0.0, sure: float = 1.0, **more: int
) -> Trajectory:
    """The true way of a keypoint, shifted by `off` pixels in x."""
    frames = np.arange(first, last + 1)
    xy = np.array([where(f)[keypoint] for f in frames]) + np.array([off, 0])
    return Trajectory(0, keypoint, frames, xy, np.full(len(frames), sure), query, **more)


def told(*trajectories: Trajectory, labels: tuple[int, ...] = (0, 10, 20), **more: object) -> tuple[Evidence, Evidence]:
    forward, back = tracker_evidence(trajectories, labels_at(*labels), 0, FRAMES, SIDES, 21, **more)  # type: ignore[arg-type]
    assert (forward.direction, back.direction) == (1, -1)
    return forward, back


def test_gaps_by_hand() -> None:
    gaps = list(gaps_of(np.array([10, 30]), np.array([40]), 15, np.array([25])))
    assert [(g.before, g.after, g.first, g.last) for g in gaps] == [
        (None, 10, 0, -(10**12)),
        (10, 30, 25, 24),
        (30, None, 10**12, 40),
    ]
    (whole,) = [g for g in gaps_of(np.array([3, 9]), np.array([], int), 15) if g.before == 3]
    assert whole.closed
    assert not gaps[1].closed


def test_the_error_by_hand() -> None:
    forward, back = told(straight(0, 0, 10, query=0, off=4.0, sure=0.8))
    assert forward.steps[3, 0] == 3
    assert forward.closure[5, 0] == pytest.approx(4.0)
    share = 3 / 10
    value = 50**2 * (REST**2 + CLOSED**2 * 3 + (UNSURE * 0.2) ** 2) + MISS**2 * 16.0 * share
    assert variance(forward)[3, 0] == pytest.approx(value)
    assert np.isfinite(forward.xy[:, 0]).all(axis=1).nonzero()[0].tolist() == list(range(1, 11)), "arrives at the label"
    assert np.isnan(back.xy).all()
    assert np.isnan(forward.cycle).all()


def test_where_no_label_vouches_the_error_grows_faster() -> None:
    forward, _ = told(straight(0, 20, 30, query=20))
    assert np.isnan(forward.closure).all()
    assert variance(forward)[24, 0] == pytest.approx(50**2 * (REST**2 + OPEN**2 * 4))


def test_tracks_that_miss_labels_make_those_without_one_uncertain() -> None:
    good, bad = straight(1, 0, 20, query=0), straight(1, 0, 20, query=0, off=20)
    open_ended = straight(0, 20, 30, query=20)
    trusted, distrusted = told(good, open_ended)[0], told(bad, open_ended)[0]
    assert variance(distrusted)[25, 0] > 5 * variance(trusted)[25, 0]
    assert footage_growth([], []) == pytest.approx(OPEN)
    assert footage_growth([0.4, np.nan, 9.0], [10, 10, 30]) ** 2 == pytest.approx(
        (PRIOR * OPEN**2 + 0.16 + 0.25) / (PRIOR + 40)
    )


def test_a_track_that_says_nothing_of_itself_counts_as_fairly_sure() -> None:
    forward, _ = told(straight(0, 0, 10, query=0, sure=np.nan))
    assert variance(forward)[1, 0] == pytest.approx(50**2 * (REST**2 + CLOSED**2 + (UNSURE * (1 - SILENT)) ** 2))


def test_of_several_tracks_the_one_from_the_nearest_label_speaks() -> None:
    forward, back = told(
        straight(0, 0, 20, query=0, off=9), straight(0, 10, 20, query=10, off=2), straight(0, 5, 20, 20)
    )
    assert forward.closure[15, 0] == pytest.approx(2)
    assert forward.closure[5, 0] == pytest.approx(9)
    assert back.closure[15, 0] == pytest.approx(0)
    assert np.isfinite(back.xy[5:10, 0]).all(), "from 20 it goes on beyond the label in 10"
    assert np.isnan(back.xy[:5, 0]).all()


def test_beyond_a_label_it_misses_both_ends_count() -> None:
    forward, _ = told(straight(0, 0, 20, query=0, off=6))
    share = 2 / 10
    assert variance(forward)[12, 0] == pytest.approx(
        50**2 * (REST**2 + CLOSED**2 * 2) + MISS**2 * 36 * (1 - share + share)
    )


def test_without_a_query_a_track_speaks_from_the_label_it_passes_nearer() -> None:
    near_start = straight(0, 0, 10)
    near_start.xy[5:] += 8
    near_end = straight(1, 0, 10)
    near_end.xy[:5] += 8
    forward, back = told(near_start, near_end)
    assert np.isfinite(forward.xy[5, 0]).all() and np.isnan(back.xy[5, 0]).all()
    assert np.isfinite(back.xy[5, 1]).all() and np.isnan(forward.xy[5, 1]).all()
    assert back.steps[3, 1] == 7
    one_way, _ = told(straight(2, 0, 10, direction=1))
    assert np.isfinite(one_way.xy[5, 2]).all()


def test_a_track_made_with_both_labels_has_no_closure() -> None:
    forward, _ = told(straight(0, 0, 20))
    assert np.isnan(forward.closure).all(), "it passes every label exactly, whatever lies between"
    assert variance(forward)[4, 0] == pytest.approx(50**2 * (REST**2 + OPEN**2 * 4))


def sided(direction: int, off: float, own: float = 1.0, closure: float = 2.0, tracks: int = 40) -> Evidence:
    """Chains at `off` pixels in x that expect an error of `own`, of different closures around `closure`."""
    shape = 5, tracks
    xy = np.zeros((*shape, 2))
    xy[..., 0] = off
    misses = np.broadcast_to(closure * np.linspace(0.5, 1.5, tracks), shape)
    fill = [np.full(shape, v) for v in (3.0, np.nan, np.nan, 50.0)]
    hidden = np.zeros(shape, bool)
    return Evidence(direction, xy, fill[0], fill[1], misses, fill[2], fill[3], hidden, own=np.full(shape, own))


def test_how_far_two_sides_lie_apart_by_hand() -> None:
    np.testing.assert_allclose(sides_apart([sided(1, 0), sided(-1, 4)]), 16 / 2)
    np.testing.assert_allclose(sides_apart([sided(1, 0, 3.0), sided(-1, 4)]), 16 / 4)
    two = [sided(1, 0), sided(1, 2, 3.0), sided(-1, 4)]  # forward: mean (0 x 1 + 2 / 3) / (4 / 3) = 0.5, variance 0.75
    np.testing.assert_allclose(sides_apart(two), 3.5**2 / 1.75)
    assert np.isnan(sides_apart([sided(1, 0)])).all()
    assert np.isnan(sides_apart([])).all()


def test_a_tracker_counts_by_how_its_sides_agree_beside_flows() -> None:
    flow, tracker = [sided(1, 0), sided(-1, 4)], [sided(1, 0), sided(-1, 2)]  # X: 4 and 1
    np.testing.assert_allclose(beside_flow(tracker, flow), (1 / 4 / 4**FURTHER) ** (40 / 48), rtol=1e-2)
    few = [sided(1, 0, tracks=1), sided(-1, 2, tracks=1)]
    alone = [sided(1, 0, tracks=1), sided(-1, 4, tracks=1)]
    assert (beside_flow(few, alone) > 5 * beside_flow(tracker, flow).max()).all(), "one track proves little"
    np.testing.assert_allclose(beside_flow([sided(1, 0), sided(-1, 1e9)], flow), 1e4)
    assert beside_flow([], flow) == beside_flow(tracker, []) == 1.0


def test_where_flow_contradicts_itself_at_a_point_it_counts_less_there() -> None:
    flow, tracker = [sided(1, 0), sided(-1, 4)], [sided(1, 0), sided(-1, 2)]
    flow[1].xy[:, 0, 0] = 40.0
    factor = beside_flow(tracker, flow)
    assert (factor[:, 0] < 0.2 * factor[:, 1]).all()
    np.testing.assert_allclose(factor[:, 1], factor[:, 2])


def test_of_a_tracker_that_went_one_way_closures_tell() -> None:
    flow, tracker = [sided(1, 0, closure=2.0), sided(-1, 4, closure=2.0)], [sided(1, 0, closure=1.0)]
    np.testing.assert_allclose(beside_flow(tracker, flow), 0.5 ** (2 * 40 / 48))


def test_nothing_is_said_across_a_cut() -> None:
    forward, back = told(straight(0, 0, 10, query=0), straight(0, 0, 10, query=10), cuts=[6])
    assert np.isfinite(forward.xy[:, 0]).all(axis=1).nonzero()[0].tolist() == [1, 2, 3, 4, 5]
    assert np.isfinite(back.xy[:, 0]).all(axis=1).nonzero()[0].tolist() == [6, 7, 8, 9]
    assert np.isnan(forward.closure).all()
