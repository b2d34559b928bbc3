"""What the networks learn from: the same crops as the fusion's, points that are sure and in sight."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refine_fakes import COLOURS, propagated

from poof.labels import LabelSet, Points
from poof.pose.crops import MARGIN, Crop
from poof.pose.data import examples_of
from poof.pose.splitting import Pair
from poof.refine.examples import EDGE, LEAST, training_examples
from poof.refine.following_crops import crops_of
from poof.video import ArrayVideo

SIZE = (96, 128)
SHAPE = np.array([[60.0, 45.0], [100.0, 45.0], [80.0, 75.0]])  # spans 40 x 30: crops of 52 x 39 pixels


def tracks(count: int = 7) -> LabelSet:
    """Points that a person set in the first and the last frame; slow, so that none is near the edge of its crop."""
    made = LabelSet(COLOURS, image_size=(200, 160), info={"kept": True})
    for frame in range(count):
        shape = SHAPE + np.array([0.2, 0.1]) * frame
        made.add(frame, 0, propagated(shape) if 0 < frame < count - 1 else Points.human(frame, shape))
    return made


def blank() -> ArrayVideo:
    """A video that the tracks fit."""
    return ArrayVideo([np.zeros((160, 200, 3), np.uint8)] * 7)


def assert_same_crop(one: Crop, other: Crop) -> None:
    assert one.size == other.size
    np.testing.assert_allclose(one.centre, other.centre, atol=1e-3)
    assert one.scale == pytest.approx(other.scale, rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(96, 128), (128, 64), (64, 64)]))
def test_boxes_make_the_crops_of_the_fusion(seed: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    made = LabelSet(COLOURS)
    for frame in range(8):
        shape = SHAPE + rng.uniform(-8, 8, (3, 2)) + 3.7 * frame
        made.add(frame, 0, propagated(shape) if frame % 4 else Points.human(frame, shape))
    crops = crops_of(made, 0, size)
    taught = training_examples(made, size)
    assert taught.instances
    for (frame, _), points in taught.instances.items():
        assert points.box is not None
        assert_same_crop(Crop.around(points.box, size, MARGIN), crops[frame])


def test_training_cuts_the_crops_of_the_fusion() -> None:
    made = tracks()
    (examples,) = examples_of([Pair(blank(), training_examples(made, SIZE))], COLOURS, SIZE)
    crops = crops_of(made, 0, SIZE)
    assert [example.frame for example in examples] == list(range(7))
    for example in examples:
        assert_same_crop(example.crop, crops[example.frame])


def test_unsure_points_teach_nothing() -> None:
    made = tracks()
    made.instances[3, 0].confidence[:] = [LEAST - 0.01, LEAST + 0.01, np.nan]
    taught = training_examples(made, SIZE).instances[3, 0]
    assert taught.labelled.tolist() == [False, True, False]
    assert taught.source.tolist() == [0, made.instances[3, 0].source[1], 0]
    assert np.isnan(taught.confidence[[0, 2]]).all()
    np.testing.assert_array_equal(taught.xy[1], made.instances[3, 0].xy[1])
    assert taught.confidence[1] == made.instances[3, 0].confidence[1]


def test_what_a_person_set_is_kept_as_it_is() -> None:
    made = tracks()
    made.instances[0, 0].confidence[:] = np.nan  # of a file that does not know it
    made.instances[0, 0].visible[1] = 1
    taught = training_examples(made, SIZE)
    for frame in (0, 6):
        for name in ("xy", "visible", "source", "anchor", "steps", "confidence"):
            before = getattr(made.instances[frame, 0], name)
            np.testing.assert_array_equal(getattr(taught.instances[frame, 0], name), before)


def test_a_frame_that_teaches_nothing_is_left_out() -> None:
    made = tracks()
    made.instances[2, 0].confidence[:] = 0.1
    made.instances[4, 0] = Points.empty(3)
    assert sorted(training_examples(made, SIZE).instances) == [(0, 0), (1, 0), (3, 0), (5, 0), (6, 0)]


@pytest.mark.parametrize(("beyond", "kept"), [(-0.5, True), (0.5, False)])
@pytest.mark.parametrize("corner", [(-1, 0), (1, 0), (0, -1), (0, 1)])
def test_points_outside_of_the_crop_are_dropped(corner: tuple[int, int], beyond: float, kept: bool) -> None:
    made = tracks()
    points = made.instances[3, 0]
    points.confidence[2] = 0.4  # sure enough to teach, not sure enough to move the crop
    crop = crops_of(made, 0, SIZE)[3]
    reach = EDGE * np.array([SIZE[1], SIZE[0]]) / crop.scale / 2 + beyond
    points.xy[2] = np.array(crop.centre) + reach * corner
    assert_same_crop(crops_of(made, 0, SIZE)[3], crop)
    assert training_examples(made, SIZE).instances[3, 0].labelled.tolist() == [True, True, kept]


def test_a_label_outside_of_the_crop_is_dropped_too() -> None:
    # Training would widen the crop until it is inside.
    made = tracks()
    made.instances[6, 0].xy[0] -= 60
    assert training_examples(made, SIZE).instances[6, 0].labelled.tolist() == [False, True, True]


@pytest.mark.parametrize("corner", [(-1, -1), (1, 0), (0, 1)])
def test_a_point_near_the_edge_widens_what_training_cuts_by_little(corner: tuple[int, int]) -> None:
    made = tracks()
    points = made.instances[3, 0]
    points.confidence[2] = 0.4
    crop = crops_of(made, 0, SIZE)[3]
    half = np.array([SIZE[1], SIZE[0]]) / crop.scale / 2
    points.xy[2] = np.array(crop.centre) + 0.97 * half * corner
    example = examples_of([Pair(blank(), training_examples(made, SIZE))], COLOURS, SIZE)[0][3]
    # The box, 1 / 1.25 of the crop, grows on one side to 0.97 of the crop: (1 + 1.25 * 0.97) / 2 times as long.
    assert crop.scale / example.crop.scale == pytest.approx((1 + MARGIN * 0.97) / 2, rel=1e-3)
    assert (np.abs(example.crop.to_crop(points.xy) - example.crop.middle) < example.crop.middle).all()


def test_every_subject_has_its_own_crops() -> None:
    made = tracks()
    for frame in range(2, 5):
        made.add(frame, 5, Points.human(frame, 2 * SHAPE))
    taught = training_examples(made, SIZE)
    assert sorted(taught.instances) == sorted(made.instances)
    for instance in (0, 5):
        for frame, crop in crops_of(made, instance, SIZE).items():
            box = taught.instances[frame, instance].box
            assert box is not None
            assert_same_crop(Crop.around(box, SIZE, MARGIN), crop)


def test_the_tracks_stay_as_they_are() -> None:
    made = tracks()
    before = {key: points.copy() for key, points in made.instances.items()}
    taught = training_examples(made, SIZE)
    taught.instances[0, 0].xy[:] = -1
    assert (taught.skeleton, taught.image_size, taught.info) == (made.skeleton, made.image_size, made.info)
    for key, points in made.instances.items():
        assert points.box is None
        np.testing.assert_array_equal(points.xy, before[key].xy)
