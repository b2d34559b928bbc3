"""Where the crops lie: size, shape, and how they follow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refine_fakes import COLOURS, propagated

from poof.labels import LabelSet, Points, Skeleton
from poof.refine.following_crops import MARGIN, crops_of, input_size, largest_box

SHAPE = np.array([[0.0, 0.0], [40.0, 20.0], [20.0, 30.0]])  # spans 40 x 30, its middle is (20, 15)


def labels(places: dict[int, Sequence[float]], instance: int = 0) -> LabelSet:
    """Human labels of the shape with its first point at `places`."""
    made = LabelSet(COLOURS)
    for frame, place in places.items():
        made.add(frame, instance, Points.human(frame, SHAPE + place))
    return made


# ------------------------------------------------------------------------------------------------- how large


def test_the_largest_box_holds_every_label() -> None:
    made = labels({0: (5, 5), 9: (100, 7)})
    made.add(4, 0, Points.human(4, SHAPE * [0.5, 2] + 50))  # 20 x 60
    made.add(4, 1, Points.human(4, SHAPE * 9))  # of somebody else
    np.testing.assert_allclose(largest_box(made, 0), [40, 60])
    np.testing.assert_allclose(largest_box(made, 1), [360, 270])


def test_a_slim_subject_gets_a_wider_box() -> None:
    made = LabelSet(COLOURS)
    made.add(0, 0, Points.human(0, np.array([[0.0, 0], [0, 50], [3, 100]])))
    np.testing.assert_allclose(largest_box(made, 0), [60, 100])


def test_boxes_are_honoured_where_they_are_larger() -> None:
    made = LabelSet(COLOURS)
    made.add(0, 0, Points.human(0, SHAPE, box=np.array([-2, 2, 45, 25])))
    np.testing.assert_allclose(largest_box(made, 0), [45, 30])


def test_a_label_of_few_points_does_not_count() -> None:
    body = Skeleton(tuple("abcdef"))
    made = LabelSet(body)
    made.add(0, 0, Points.human(0, np.concatenate([SHAPE, SHAPE + 1])))
    few = np.full((6, 2), np.nan)
    few[:2] = [[0, 0], [300, 300]]  # one of them is a slip of the hand
    made.add(5, 0, Points.human(5, few))
    np.testing.assert_allclose(largest_box(made, 0), [41, 31])


@pytest.mark.parametrize("box", [None, np.array([5.0, 5, 0, 0])])
def test_one_point_is_as_large_as_propagation_takes_it_to_be(box: np.ndarray | None) -> None:
    made = LabelSet(Skeleton(("nose",)))
    made.add(3, 2, Points.human(3, np.array([[5.0, 7.0]]), box=box))
    np.testing.assert_allclose(largest_box(made, 2), [40, 40])
    crop = crops_of(made, 2, (64, 96))[3]
    np.testing.assert_allclose(crop.centre, [5, 7])
    assert crop.scale == pytest.approx(64 / 40 / MARGIN)


def test_one_point_with_a_box_will_do() -> None:
    made = LabelSet(Skeleton(("nose",)))
    made.add(3, 2, Points.human(3, np.array([[5.0, 5.0]]), box=np.array([0, 0, 30, 20])))
    crop = crops_of(made, 2, (64, 64))[3]
    np.testing.assert_allclose(crop.centre, [5, 5])
    assert crop.scale == pytest.approx(64 / 30 / MARGIN)


# ------------------------------------------------------------------------------------------------- which shape


def test_sizes_by_hand() -> None:
    assert input_size([np.array([40.0, 30.0])], 224) == (192, 224)  # 168 is rounded up
    assert input_size([np.array([30.0, 40.0])], 224) == (224, 192)
    assert input_size([np.array([100.0, 100.0])], 200) == (224, 224)
    assert input_size([np.array([1000.0, 500.0])], 128) == (64, 128)
    # The median shape of three subjects, whatever their size.
    assert input_size([np.array(b) for b in ((10.0, 10.0), (500.0, 250.0), (60.0, 30.0))], 256) == (128, 256)


@given(st.lists(st.tuples(st.floats(1, 3000), st.floats(1, 3000)), min_size=1, max_size=5), st.integers(32, 512))
def test_sizes_fit_every_network(boxes: list[tuple[float, float]], long: int) -> None:
    size = input_size([np.array(box) for box in boxes], long)
    assert all(side % 32 == 0 and 32 <= side < long + 32 for side in size)
    assert max(size) >= long


# ------------------------------------------------------------------------------------------------- where


def test_crops_by_hand() -> None:
    crops = crops_of(labels({0: (0, 0), 1: (10, 4), 2: (20, 8)}), 0, (96, 128))
    assert list(crops) == [0, 1, 2]
    for crop in crops.values():
        assert crop.size == (96, 128)
        assert crop.scale == pytest.approx(128 / 40 / MARGIN)  # 96 / 30 is the same
    np.testing.assert_allclose([crop.centre for crop in crops.values()], [[30, 19]] * 3)  # the median of all three


def test_crops_follow_at_one_scale() -> None:
    made = labels({0: (0, 0), 20: (100, 40)})
    for frame in range(1, 20):
        made.add(frame, 0, propagated((SHAPE - [20, 15]) * (1 + frame % 2) + [20 + 5 * frame, 15 + 2 * frame]))
    crops = crops_of(made, 0, (64, 64))
    assert len({crop.scale for crop in crops.values()}) == 1
    for frame in range(2, 19):  # a median of five evenly spaced places is the middle one
        np.testing.assert_allclose(crops[frame].centre, [20 + 5 * frame, 15 + 2 * frame], atol=1e-4)


def test_one_frame_gone_astray_does_not_move_the_crop() -> None:
    made = labels({0: (0, 0), 8: (0, 0)})
    for frame in range(1, 8):
        made.add(frame, 0, propagated(SHAPE + (500 if frame == 4 else 0)))
    for crop in crops_of(made, 0, (64, 64)).values():
        np.testing.assert_allclose(crop.centre, [20, 15])


def test_an_unsure_point_does_not_pull_the_crop() -> None:
    made = labels({0: (0, 0), 4: (0, 0)})
    for frame in (1, 2, 3):
        points = propagated(SHAPE)
        points.xy[1] += 400
        points.confidence[1] = 0.3
        made.add(frame, 0, points)
    # The two that are sure span 20 x 30 around (10, 15).
    np.testing.assert_allclose(crops_of(made, 0, (64, 64))[2].centre, [10, 15])


def test_when_few_points_are_sure_all_are_asked() -> None:
    five = Skeleton(tuple("abcde"))
    made = LabelSet(five)
    made.add(0, 0, Points.human(0, np.array([[0.0, 0], [40, 0], [40, 40], [0, 40], [20, 20]])))
    for frame in (1, 2, 3, 4, 5):
        points = propagated(np.array([[100.0, 0], [140, 0], [140, 40], [100, 40], [120, 20]]), confidence=0.1)
        points.confidence[0] = 0.9  # one of five: the corner (100, 0)
        made.add(frame, 0, points)
    np.testing.assert_allclose(crops_of(made, 0, (64, 64))[4].centre, [120, 20])


def test_points_of_unknown_confidence_count_as_unsure() -> None:
    made = labels({0: (0, 0)})
    points = propagated(SHAPE)
    points.confidence[1] = np.nan
    points.xy[1] += 300
    for frame in (2, 3, 4):
        made.add(frame, 0, points.copy())
    np.testing.assert_allclose(crops_of(made, 0, (64, 64))[3].centre, [10, 15])


def test_frames_without_the_instance_have_no_crop() -> None:
    made = labels({0: (0, 0), 3: (30, 0)})
    made.add(1, 0, Points.empty(3))
    made.add(2, 5, propagated(SHAPE + 200))
    assert sorted(crops_of(made, 0, (64, 64))) == [0, 3]


def test_a_cut_does_not_smear_the_crop() -> None:
    made = labels({0: (0, 0), 15: (600, 200)})
    for frame in range(1, 15):
        made.add(frame, 0, propagated(SHAPE + ((0, 0) if frame < 8 else (600, 200))))
    crops = crops_of(made, 0, (64, 64))
    np.testing.assert_allclose([crops[f].centre for f in (6, 7)], [[20, 15]] * 2)
    np.testing.assert_allclose([crops[f].centre for f in (8, 9)], [[620, 215]] * 2)


@given(st.integers(0, 1000), st.floats(-500, 500), st.floats(-500, 500))
def test_crops_move_with_the_labels(seed: int, dx: float, dy: float) -> None:
    rng = np.random.default_rng(seed)
    frames = sorted(rng.choice(30, 6, replace=False).tolist())
    walk = {frame: rng.uniform(0, 300, 2) for frame in frames}
    here = crops_of(labels(walk), 0, (64, 96))
    there = crops_of(labels({frame: place + np.array([dx, dy]) for frame, place in walk.items()}), 0, (64, 96))
    for frame in frames:
        np.testing.assert_allclose(np.subtract(there[frame].centre, here[frame].centre), [dx, dy], atol=1e-3)
        assert there[frame].scale == pytest.approx(here[frame].scale, rel=1e-4)
