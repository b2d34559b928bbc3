"""Labels against a video and against each other."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from poof.errors import PoofError
from poof.labels import (
    LabelSet,
    Points,
    Skeleton,
    Source,
    aligned,
    check_fit,
    load_labels,
    merge,
    save_labels,
    scaled,
)

NAN = float("nan")


def labels_at(xy: list[list[float]], frame: int = 0, size: tuple[int, int] | None = None) -> LabelSet:
    names = ("nose", "tail", "paw")[: len(xy)]
    labels = LabelSet(Skeleton(names), image_size=size)
    labels.add(frame, 0, Points.human(frame, np.array(xy)))
    return labels


# ------------------------------------------------------------------------------------------------ check_fit


def test_what_fits() -> None:
    labels = labels_at([[0, 0], [63, 47], [NAN, NAN]], frame=9, size=(64, 48))
    check_fit(labels, (64, 48), 10, "v.mp4")
    check_fit(labels, (64, 48), None, "v.mp4")


def test_frames_beyond_the_end() -> None:
    labels = labels_at([[1, 1]], frame=10)
    labels.add(400, 0, Points.human(400, np.array([[1.0, 1.0]])))
    with pytest.raises(PoofError, match=r"^v\.mp4: ends at frame 9, the labels name frame 10; give the video"):
        check_fit(labels, (64, 48), 10, "v.mp4")


@pytest.mark.parametrize(
    ("made", "size", "scale"),
    [
        ((832, 747), (416, 374), "0.5"),
        ((1920, 1080), (854, 480), "0.444792"),
        ((1920, 1080), (1280, 715), "0.666667,0.662037"),
        ((640, 480), (320, 480), "0.5,1"),
    ],
)
def test_another_size_and_the_scale_that_helps(made: tuple[int, int], size: tuple[int, int], scale: str) -> None:
    labels = labels_at([[made[0] - 1, made[1] - 1]], size=made)
    message = f"v.mp4: is {size[0]}x{size[1]}, the labels were made at {made[0]}x{made[1]}; scale them first"
    with pytest.raises(PoofError, match=f"^{re.escape(message)} .poof convert --scale {re.escape(scale)}.$"):
        check_fit(labels, size, None, "v.mp4")
    numbers = [float(part) for part in scale.split(",")]
    check_fit(scaled(labels, numbers[0], numbers[-1]), size, None, "v.mp4")


def test_an_odd_side_that_an_encoder_cut_is_the_same_size() -> None:
    check_fit(labels_at([[1, 1]], size=(641, 481)), (640, 480), None, "v.mp4")


@pytest.mark.parametrize(
    ("xy", "fits"),
    [
        ([-1.5, 5], True),
        ([-1.6, 5], False),
        ([5, -1.6], False),
        ([64.5, 48.5], True),
        ([64.6, 5], False),
        ([5, 48.6], False),
    ],
)
def test_points_outside_the_image(xy: list[float], fits: bool) -> None:
    """The image reaches from -0.5 to 63.5 and 47.5; a pixel further is a click on the rim."""
    labels = labels_at([[1, 1], xy], frame=7)
    if fits:
        check_fit(labels, (64, 48), None, "v.mp4")
    else:
        where = re.escape(f"v.mp4: frame 7: tail is labelled at ({xy[0]:.1f}, {xy[1]:.1f}), outside the 64x48 image")
        with pytest.raises(PoofError, match=f"^{where}; correct it, or (scale|label the frames)"):
            check_fit(labels, (64, 48), None, "v.mp4")


def test_only_a_persons_visible_points_must_be_inside() -> None:
    labels = labels_at([[1, 1], [500, 500], [700, 700]])
    points = labels.instances[0, 0]
    points.source[1] = Source.PROPAGATED
    points.visible[2] = 0
    check_fit(labels, (64, 48), None, "v.mp4")


def test_the_instance_is_named_when_there_are_several() -> None:
    labels = labels_at([[1, 1]])
    labels.add(0, 4, Points.human(0, np.array([[99.0, 1.0]])))
    with pytest.raises(PoofError, match="frame 0: nose of instance 4 is labelled at"):
        check_fit(labels, (64, 48), None, "v.mp4")


# ------------------------------------------------------------------------------------------------ scaled


def test_scaling_moves_points_as_resizing_moves_pixels() -> None:
    """A single bright pixel at (20, 12), enlarged by cv2: its centre of mass is where `scaled` puts the point."""
    import cv2

    image = np.zeros((30, 40), np.float32)
    image[12, 20] = 1
    for factor, interpolation in ((3.0, cv2.INTER_NEAREST), (0.5, cv2.INTER_AREA)):
        resized = cv2.resize(image, None, fx=factor, fy=factor, interpolation=interpolation)
        y, x = np.indices(resized.shape)
        centre = np.array([(x * resized).sum(), (y * resized).sum()]) / resized.sum()
        labels = scaled(labels_at([[20, 12]], size=(40, 30)), factor, factor)
        assert labels.image_size == resized.shape[::-1]
        assert np.abs(labels.instances[0, 0].xy[0] - centre).max() <= (0.25 if factor < 1 else 1e-5)
    np.testing.assert_allclose(scaled(labels_at([[20, 12]]), 3, 3).instances[0, 0].xy, [[61, 37]])


def test_scaling_and_back() -> None:
    labels = labels_at([[20, 12], [NAN, NAN]], size=(400, 300))
    labels.instances[0, 0].box = np.array([10, 10, 50, 30], np.float32)
    half = scaled(labels, 0.5, 0.25)
    assert half.image_size == (200, 75)
    points = half.instances[0, 0]
    np.testing.assert_allclose(points.xy[0], [9.75, 2.625])
    assert points.box is not None
    np.testing.assert_allclose(points.box, [4.75, 2.125, 25, 7.5])
    assert labels.instances[0, 0].xy[0].tolist() == [20, 12], "the argument is not changed"
    back = scaled(half, 2, 4).instances[0, 0]
    np.testing.assert_allclose(back.xy, labels.instances[0, 0].xy, atol=1e-5)
    np.testing.assert_allclose(back.box, [10, 10, 50, 30], atol=1e-5)


@pytest.mark.parametrize("factors", [(0, 1), (1, -2), (NAN, 1), (float("inf"), 1)])
def test_impossible_scales(factors: tuple[float, float]) -> None:
    with pytest.raises(PoofError, match="impossible; give numbers from"):
        scaled(labels_at([[1, 1]]), *factors)


def test_the_genuine_labels_at_half_size_are_those_of_the_small_video(data: Path) -> None:
    """The shared table was halved without the half-pixel (x / 2), so it lies a quarter of a pixel off ours."""
    folder = data / "dlc-reaching"
    large = load_labels(folder / "CollectedData_Mackenzie.h5")
    with pytest.raises(PoofError, match=r"frame 5: Hand is labelled at \(185\.3, 610\.4\), outside the 416x374 image"):
        check_fit(large, (416, 374), 256, "vid.avi")
    small = load_labels(folder / "labels_video_416x374.csv")
    check_fit(small, (416, 374), 256, "vid.avi")
    half = scaled(large, 0.5, 0.5)
    off = set()
    for frame, _, points in small:
        there = half.instances[frame, 0].xy
        assert points.labelled.tolist() == half.instances[frame, 0].labelled.tolist()
        if np.nanmax(np.abs(there - points.xy)) > 0.26:
            off.add(frame)
    assert len(off) == 15, "the images that are crops, and no others"


def refined_at(xy: list[list[float]], flow: list[list[float]], disputed: list[bool], frame: int = 0) -> LabelSet:
    """Points that were refined, none of them a person's."""
    labels = labels_at(xy, frame)
    points = labels.instances[frame, 0]
    points.source[:] = Source.REFINED
    points.flow_xy, points.disputed = np.array(flow, np.float32), np.array(disputed)
    return labels


def test_scaling_moves_what_flow_found_alike() -> None:
    labels = refined_at([[20, 12], [1, 1]], [[30, 10], [NAN, NAN]], [True, False])
    points = scaled(labels, 0.5, 2).instances[0, 0]
    np.testing.assert_allclose(points.flow_xy, [[14.75, 20.5], [NAN, NAN]])
    assert points.flow_xy is not None and points.flow_xy.dtype == np.float32
    assert points.in_dispute.tolist() == [True, False]
    assert labels.instances[0, 0].flow_xy[0].tolist() == [30, 10], "the argument is not changed"


# ------------------------------------------------------------------------------------------------ aligned, merge


def test_aligned_puts_keypoints_in_order() -> None:
    labels = labels_at([[1, 2], [NAN, NAN], [5, 6]])
    wanted = Skeleton(("paw", "nose", "tail"), ((0, 1),))
    result = aligned(labels, wanted, "gt.csv")
    assert result.skeleton is wanted
    np.testing.assert_array_equal(result.instances[0, 0].xy, np.array([[5, 6], [1, 2], [NAN, NAN]], np.float32))
    assert result.instances[0, 0].source.tolist() == [1, 1, 0]
    assert labels.instances[0, 0].xy[0].tolist() == [1, 2]


def test_aligned_puts_what_flow_found_in_order() -> None:
    labels = refined_at([[1, 2], [3, 4], [5, 6]], [[10, 20], [30, 40], [NAN, NAN]], [False, True, False])
    points = aligned(labels, Skeleton(("paw", "tail", "nose")), "gt.csv").instances[0, 0]
    np.testing.assert_array_equal(points.flow_xy, np.array([[NAN, NAN], [30, 40], [10, 20]], np.float32))
    assert points.in_dispute.tolist() == [False, True, False]
    assert points.was_refined.tolist() == [False, True, True]


def test_a_correction_ends_the_dispute() -> None:
    base = refined_at([[1, 1], [2, 2], [3, 3]], [[9, 9], [8, 8], [7, 7]], [True, True, False], frame=5)
    fix = labels_at([[NAN, NAN], [20, 21], [NAN, NAN]], frame=5)
    points = merge(base, fix).instances[5, 0]
    assert points.in_dispute.tolist() == [True, False, False]
    np.testing.assert_array_equal(points.flow_xy, np.array([[9, 9], [NAN, NAN], [7, 7]], np.float32))
    assert points.xy.tolist() == [[1, 1], [20, 21], [3, 3]]
    assert base.instances[5, 0].in_dispute.tolist() == [True, True, False], "the arguments are not changed"
    untouched = merge(labels_at([[1, 1]], frame=5), labels_at([[2, 2]], frame=5)).instances[5, 0]
    assert untouched.flow_xy is None and untouched.disputed is None


def test_aligned_names_what_differs() -> None:
    with pytest.raises(
        PoofError, match=r"^gt\.csv: is labelled with another skeleton: it alone has tail; it lacks ear;"
    ):
        aligned(labels_at([[1, 2], [3, 4]]), Skeleton(("nose", "ear")), "gt.csv")


def test_merge_lets_a_correction_win() -> None:
    base = labels_at([[1, 1], [2, 2], [3, 3]], frame=5, size=(64, 48))
    carried = base.instances[5, 0]
    carried.source[1:] = Source.PROPAGATED
    carried.anchor[1:], carried.steps[1:], carried.confidence[1:] = 2, 3, 0.4
    other = LabelSet(Skeleton(("paw", "tail", "nose")))
    correction = Points.human(5, np.array([[NAN, NAN], [20.0, 21.0], [10.0, 11.0]]), np.array([0, 1, 2]))
    correction.source[2] = Source.PROPAGATED  # not human: not looked at
    other.add(5, 0, correction)
    other.add(8, 1, Points.human(8, np.array([[7.0, 7.0], [NAN, NAN], [NAN, NAN]])))

    merged = merge(base, other)
    points = merged.instances[5, 0]
    assert points.xy.tolist() == [[1, 1], [20, 21], [3, 3]]
    assert points.source.tolist() == [Source.HUMAN, Source.HUMAN, Source.PROPAGATED]
    assert points.visible.tolist() == [2, 1, 2]
    assert points.anchor.tolist() == [5, 5, 2]
    assert points.steps.tolist() == [0, 0, 3]
    assert points.confidence.tolist() == pytest.approx([1, 1, 0.4])
    np.testing.assert_array_equal(merged.instances[8, 1].xy[2], [7, 7])
    assert merged.image_size == (64, 48)
    assert carried.xy.tolist() == [[1, 1], [2, 2], [3, 3]], "the arguments are not changed"
    assert (8, 1) not in base.instances


def test_merge_refuses_other_sizes_and_skeletons() -> None:
    with pytest.raises(PoofError, match=r"^fix\.json: made at 32x24, the other labels at 64x48; scale one"):
        merge(labels_at([[1, 1]], size=(64, 48)), labels_at([[1, 1]], size=(32, 24)), "fix.json")
    with pytest.raises(PoofError, match=r"^fix\.json: is labelled with another skeleton: it alone has tail;"):
        merge(labels_at([[1, 1]]), labels_at([[1, 1], [2, 2]]), "fix.json")


# ------------------------------------------------------------------------------------------------ the model


def test_by_frame_and_at() -> None:
    labels = labels_at([[1, 1]], frame=5)
    for key in ((2, 3), (2, 1)):
        labels.add(*key, Points.human(2, np.array([[1.0, 1.0]])))
    grouped = labels.by_frame()
    assert [(frame, list(instances)) for frame, instances in grouped.items()] == [(2, [1, 3]), (5, [0])]
    assert labels.at(2) == grouped[2]
    assert labels.at(99) == {}


def test_human_keeps_nothing_else(tmp_path: Path) -> None:
    labels = labels_at([[1, 1], [2, 2]], frame=5)
    labels.instances[5, 0].source[1] = Source.PROPAGATED
    only_carried = Points.human(6, np.array([[1.0, 1.0], [2.0, 2.0]]))
    only_carried.source[:] = Source.PROPAGATED
    labels.add(6, 0, only_carried)
    human = labels.human()
    assert list(human.instances) == [(5, 0)]
    assert human.instances[5, 0].labelled.tolist() == [True, False]
    save_labels(human, tmp_path / "x.json")
    assert "source" not in (tmp_path / "x.json").read_text(), "a person's labels alone make a plain COCO file"


def test_human_takes_the_refinement_away() -> None:
    labels = refined_at([[1, 1], [2, 2]], [[NAN, NAN], [8, 8]], [False, True])
    labels.instances[0, 0].source[0] = Source.HUMAN
    points = labels.human().instances[0, 0]
    assert points.labelled.tolist() == [True, False]
    assert not points.in_dispute.any() and not points.was_refined.any()
    assert points.disputed is not None and not points.disputed.any()
    assert points.flow_xy is not None and np.isnan(points.flow_xy).all()


def test_a_copy_is_independent() -> None:
    points = refined_at([[1, 1], [2, 2]], [[NAN, NAN], [8, 8]], [False, True]).instances[0, 0]
    points.box = np.array([1, 2, 3, 4], np.float32)
    points.presence = np.array([0.5, 1], np.float32)
    other = points.copy()
    for name in vars(points):
        np.testing.assert_array_equal(getattr(other, name), getattr(points, name))
        assert not np.shares_memory(getattr(other, name), getattr(points, name)), name
        assert getattr(other, name).dtype == getattr(points, name).dtype
