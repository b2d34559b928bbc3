"""Flow's place and the fusion's become one label: by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from poof.labels import LabelSet, Points, Skeleton, Source
from poof.refine.combine import CONSTANT, DISPUTE, KEEP, NEAR, TAKE, WEIGHTS, apply, combined, unsure_share
from poof.refine.fusion import Fused

SIDE = 100.0


def carried(*confidences: float) -> Points:
    """Points at (10, 10), (20, 20), ... carried by flow, of these confidences."""
    places = np.array([[10.0 * (k + 1)] * 2 for k in range(len(confidences))])
    points = Points.human(3, places)
    points.source[:] = Source.PROPAGATED
    points.anchor[:], points.steps[:] = 0, 3
    points.confidence[:] = confidences
    return points


def fused(points: Points, by: tuple[float, float], alone: tuple[float, float] | None = None) -> Fused:
    """The fusion `by` pixels away from flow; the networks alone as far, or `alone` away from flow."""
    xy = points.xy.astype(float) + by
    seen = xy if alone is None else points.xy.astype(float) + alone
    none = np.zeros(len(points))
    return Fused(xy, none, none, seen, none, SIDE)


def test_what_flow_is_sure_of_stays() -> None:
    points = carried(KEEP, 1.0, (KEEP + TAKE) / 2, TAKE, 0.1)
    both = combined(points, fused(points, (3, 4)))
    share = np.array([0, 0, 0.5, 1, 1])[:, None] * 0.05**2 / (0.05**2 + NEAR**2)
    np.testing.assert_allclose(both.xy, points.xy + share * [3, 4], atol=1e-5)
    assert both.moved.tolist() == [False, False, True, True, True]
    assert not both.disputed.any()  # 5 pixels of 100 are the most that is no dispute


@pytest.mark.parametrize(("apart", "share"), [(1.0, 1 / 17), (4.0, 0.5), (10.0, 100 / 116), (50.0, 2500 / 2516)])
def test_what_lies_near_is_flows_and_what_lies_far_is_the_fusions(apart: float, share: float) -> None:
    """In hundredths of the side; `NEAR` is four of them."""
    points = carried(0.1)
    both = combined(points, fused(points, (apart, 0)))
    assert both.xy[0, 0] == pytest.approx(10 + share * apart, abs=1e-5)


def test_disputes_are_told_whoever_wins() -> None:
    points = carried(0.99, 0.1)
    both = combined(points, fused(points, (0, 1.02 * DISPUTE * SIDE)))
    assert both.disputed.tolist() == [True, True] and both.moved.tolist() == [False, True]


@pytest.mark.parametrize(("apart", "weight"), [(0.0, 1.0), (3.0, 0.5), (30.0, 1 / 101)])
def test_the_networks_have_a_say_where_they_agree(apart: float, weight: float) -> None:
    points = carried(0.1)
    both = combined(points, fused(points, (2, 0), (2 + apart, 0)))
    seen = 2 + weight / (1 + weight) * apart
    assert both.xy[0, 0] == pytest.approx(10 + seen**3 / (seen**2 + (NEAR * SIDE) ** 2), abs=1e-5)


def test_confidence_by_hand() -> None:
    points = carried(0.6)
    both = combined(points, fused(points, (2, 0), (2, 4)))
    total = CONSTANT + WEIGHTS[0] * math.log(0.6 / 0.4) + WEIGHTS[1] * math.log(0.04 + 0.005)
    assert both.confidence[0] == pytest.approx(1 / (1 + math.exp(-total)), abs=1e-6)


def test_confidence_falls_as_flow_and_networks_part() -> None:
    points = carried(0.8)
    values = [combined(points, fused(points, (0, 0), (far, 0))).confidence[0] for far in (0, 1, 5, 20, 80)]
    assert values == sorted(values, reverse=True) and 0.9 > values[0] > values[-1] > 0.1


def test_human_and_missing_points_are_left_alone() -> None:
    points = carried(0.1, 0.1, 0.1)
    points.source[0], points.confidence[0] = Source.HUMAN, 1.0
    points.xy[1] = np.nan
    labels = LabelSet(Skeleton(("a", "b", "c")), {(3, 0): points}, image_size=(200, 100))
    refined = apply(labels, {(3, 0): fused(points, (9, 0))}).instances[3, 0]
    np.testing.assert_allclose(refined.xy, [[10, 10], [np.nan, np.nan], [30 + 9 * 81 / (81 + 16), 30]], rtol=1e-6)
    assert [Source(s) for s in refined.source] == [Source.HUMAN, Source.PROPAGATED, Source.REFINED]
    assert refined.flow_xy is not None and refined.disputed is not None
    np.testing.assert_array_equal(refined.flow_xy, [[np.nan] * 2, [np.nan] * 2, [30, 30]])
    assert refined.disputed.tolist() == [False, False, True]
    np.testing.assert_array_equal(points.xy[2], [30, 30])  # the tracks themselves stay


def test_refined_points_stay_in_the_image() -> None:
    points = carried(0.1)
    labels = LabelSet(Skeleton(("a",)), {(3, 0): points}, image_size=(200, 100))
    refined = apply(labels, {(3, 0): fused(points, (-50, 500))}).instances[3, 0]
    np.testing.assert_array_equal(refined.xy, [[0, 99]])


def test_share_of_unsure_points_counts_carried_ones_only() -> None:
    points = carried(0.69, 0.71, 0.2, 0.9)
    points.source[2] = Source.HUMAN
    labels = LabelSet(Skeleton(("a", "b", "c", "d")), {(3, 0): points})
    assert unsure_share(labels) == pytest.approx(1 / 3)
    assert unsure_share(labels.human()) == 0
