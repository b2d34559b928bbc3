"""Metrics against numbers worked out by hand, and what must hold for all numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from poof.errors import PoofError
from poof.evaluation import metrics, normalisers
from poof.labels.model import Points, Skeleton

NAN = float("nan")
DIFFERENCE = np.array([[3.0, 4.0], [-6.0, 8.0], [0.0, 0.0], [NAN, NAN], [0.0, -40.0]])

finite = st.floats(-1e4, 1e4, allow_nan=False, width=32)
errors = arrays(np.float64, st.integers(1, 60), elements=st.one_of(st.floats(0, 100), st.just(NAN)))


def test_thesis_error_is_the_mean_absolute_coordinate_error() -> None:
    np.testing.assert_array_equal(metrics.thesis_error(DIFFERENCE), [3.5, 7.0, 0.0, NAN, 20.0])


def test_l2_error_is_euclidean() -> None:
    np.testing.assert_array_equal(metrics.l2_error(DIFFERENCE), [5.0, 10.0, 0.0, NAN, 40.0])


def test_accuracy_is_strict_and_counts_what_is_missing_as_wrong() -> None:
    error = metrics.thesis_error(DIFFERENCE)
    assert metrics.accuracy(error, 20.0) == 3 / 5  # the one at exactly 20 is wrong, the missing one is wrong
    assert metrics.accuracy(error, np.nextafter(20.0, 30.0)) == 4 / 5
    assert metrics.accuracy(error, 1e9) == 4 / 5
    assert metrics.coverage(error) == 4 / 5
    assert np.isnan(metrics.accuracy(np.array([]), 5.0))
    assert np.isnan(metrics.coverage(np.array([])))


def test_curve_takes_thresholds_in_any_order() -> None:
    curve = metrics.accuracy_curve(np.array([1.0, 2.0, 3.0, NAN]), [3.0, 1.0, 2.5, 4.0])
    np.testing.assert_array_equal(curve, [0.5, 0.0, 0.5, 0.75])


def test_error_statistics_describe_the_predicted_points() -> None:
    statistics = metrics.error_statistics(np.array([*range(101), NAN], float))
    assert statistics == {"mean": 50.0, "p50": 50.0, "p75": 75.0, "p90": 90.0, "p95": 95.0, "p99": 99.0}
    assert all(np.isnan(v) for v in metrics.error_statistics(np.array([NAN])).values())


def test_pck_leaves_out_points_without_a_normaliser_but_not_missing_predictions() -> None:
    error = np.array([1.0, 1.0, NAN, 1.0, 5.0])
    size = np.array([10.0, NAN, 10.0, 0.0, 10.0])
    assert metrics.pck(error, size, 0.2) == 1 / 3  # judged: right, missing, wrong
    assert metrics.pck(error, size, 0.1) == 0.0  # 1 is not below 0.1 * 10
    assert np.isnan(metrics.pck(error, np.full(5, NAN), 0.2))


def test_delta_avg_by_hand() -> None:
    # In a frame of 512x128 one px to the side is half a px of the squeezed frame, one px down is two.
    difference = np.array([[1.0, 0.0], [0.0, 1.0], [16.0, 0.0], [NAN, NAN]])  # 0.5, 2, 8 px, missing
    expected = np.mean([1 / 4, 1 / 4, 2 / 4, 2 / 4, 3 / 4])  # at 1, 2, 4, 8, 16 px, strictly
    assert metrics.delta_avg(difference, (512, 128)) == pytest.approx(expected)
    sizes = np.broadcast_to([512.0, 128.0], (4, 2))
    assert metrics.delta_avg(difference, sizes) == pytest.approx(expected)
    assert np.isnan(metrics.delta_avg(difference, (NAN, NAN)))


@given(errors, st.lists(st.floats(0.01, 120), min_size=2, max_size=8))
def test_accuracy_never_falls_with_the_threshold_and_ends_at_the_coverage(error: np.ndarray, at: list[float]) -> None:
    curve = metrics.accuracy_curve(error, sorted(at))
    assert (np.diff(curve) >= 0).all()
    assert metrics.accuracy(error, 1e9) == metrics.coverage(error)
    np.testing.assert_array_equal(curve, [np.mean(error < t) for t in sorted(at)])


@given(errors, st.randoms(use_true_random=False))
def test_order_of_the_points_does_not_matter(error: np.ndarray, random: object) -> None:
    shuffled = np.array(error)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert metrics.accuracy(error, 10) == metrics.accuracy(shuffled, 10)
    ours, theirs = metrics.error_statistics(error), metrics.error_statistics(shuffled)
    assert ours == pytest.approx(theirs, nan_ok=True)


@given(arrays(np.float64, (12, 2), elements=finite))
def test_thesis_error_lies_between_half_of_l2_and_l2(difference: np.ndarray) -> None:
    thesis, l2 = metrics.thesis_error(difference), metrics.l2_error(difference)
    assert (thesis <= l2 / np.sqrt(2) + 1e-6).all()  # (|a| + |b|) / 2 <= sqrt((a^2 + b^2) / 2)
    assert (thesis >= l2 / 2 - 1e-6).all()


# ------------------------------------------------------------------------------------------------ sizes of subjects


def test_crop_scale_by_hand() -> None:
    # 30x40 grows to 37.5x50, which is 3:4 already: 256 / 50 px a px.
    assert normalisers.crop_scale(np.array([0, 0, 30, 40])) == pytest.approx(5.12)
    # 60x40 grows to 75x50 and in height to 100.
    assert normalisers.crop_scale(np.array([0, 0, 60, 40])) == pytest.approx(2.56)
    assert normalisers.crop_scale(np.array([0, 0, 0, 0])) != normalisers.crop_scale(np.array([0, 0, 0, 0]))  # NaN
    # The whole padded box fits into the crop, and touches it in one direction.
    scale = normalisers.crop_scale(np.array([5, 5, 17, 90]))
    assert 17 * 1.25 * scale <= 192
    assert 90 * 1.25 * scale == pytest.approx(256)


def test_subject_box_is_the_files_or_the_extent_of_the_labelled_points() -> None:
    xy = np.array([[10, 20], [40, 30], [NAN, NAN], [500, 500]])
    points = Points.human(0, xy, visible=np.array([2, 1, 0, 0]))
    np.testing.assert_array_equal(normalisers.subject_box(points), [10, 20, 30, 10])
    points.box = np.array([1, 2, 3, 4], np.float32)
    np.testing.assert_array_equal(normalisers.subject_box(points), [1, 2, 3, 4])
    assert np.isnan(normalisers.subject_box(Points.empty(3))).all()
    assert normalisers.longer_side(np.array([0, 0, 3, 7])) == 7


@pytest.mark.parametrize(
    "names",
    [
        ("left_shoulder", "right_shoulder", "left_hip", "right_hip"),
        ("LShoulder", "RShoulder", "LHip", "RHip"),
        ("l sho", "r sho", "l hip", "r hip"),
        ("shoulder.left", "shoulder.right", "hip.left", "hip.right"),
    ],
)
def test_torso_is_the_longer_diagonal_under_any_usual_name(names: tuple[str, ...]) -> None:
    pairs = normalisers.torso_pairs(Skeleton(names))
    assert pairs == [(0, 3), (1, 2)]
    points = Points.human(0, np.array([[0, 0], [8, 0], [0, 10], [3, 4]]))
    assert normalisers.reference_length(points, pairs) == pytest.approx(np.hypot(8, 10))
    points.visible[1] = 0  # without the right shoulder the other diagonal is left
    assert normalisers.reference_length(points, pairs) == pytest.approx(5)
    points.visible[0] = 0
    assert np.isnan(normalisers.reference_length(points, pairs))


def test_head_is_head_to_neck_else_ear_to_ear() -> None:
    assert normalisers.head_pairs(Skeleton(("neck", "face", "left_ear", "right_ear"))) == [(1, 0)]
    assert normalisers.head_pairs(Skeleton(("nose", "left_ear", "right_ear"))) == [(1, 2)]


def test_sizes_that_a_skeleton_cannot_give_say_what_they_need() -> None:
    skeleton = Skeleton(("snout", "tail"))
    with pytest.raises(PoofError, match=r"needs a shoulder and the opposite hip.*snout, tail.*pck-reference"):
        normalisers.torso_pairs(skeleton)
    with pytest.raises(PoofError, match="needs head and neck, or two ears"):
        normalisers.head_pairs(skeleton)
    assert normalisers.reference_pairs(skeleton, ["tail", "snout"]) == [(1, 0)]
    with pytest.raises(PoofError, match="no keypoint 'ear'"):
        normalisers.reference_pairs(skeleton, ["tail", "ear"])
    with pytest.raises(PoofError, match="two different keypoints"):
        normalisers.reference_pairs(skeleton, ["tail", "tail"])
