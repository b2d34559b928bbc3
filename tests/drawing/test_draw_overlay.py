"""Labels on an image: the pixel at a point, what is left out, what lies outside."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poof.drawing import Style, draw_labels
from poof.drawing.marks import line, mark
from poof.drawing.overlay import moved
from poof.drawing.style import DARK, GREY, WHITE, confidence_colour, instance_colour, keypoint_colours, mark_radius
from poof.labels.model import Points, Skeleton, Source, Visible

GROUND = (90, 120, 100)


def ground(width: int = 120, height: int = 100) -> np.ndarray:
    return np.broadcast_to(np.array(GROUND, np.uint8), (height, width, 3)).copy()


def lone(skeleton: Skeleton) -> Skeleton:
    return Skeleton(skeleton.keypoints)


@pytest.mark.parametrize("confidence", [0.0, 0.3, 1.0])
def test_a_carried_point_has_the_colour_of_its_confidence(skeleton, make, confidence):
    points = make([(40, 30), (80, 60), (20, 70)], confidence=confidence)
    image = draw_labels(ground(), {0: points}, lone(skeleton), Style(radius=4))
    expected = confidence_colour(np.array([confidence]))[0]
    for x, y in ((40, 30), (80, 60), (20, 70)):
        assert image[y, x].tolist() == expected.tolist()


def test_unknown_confidence_is_grey(skeleton, make):
    image = draw_labels(ground(), {0: make([(40, 30), (80, 60), (20, 70)], confidence=np.nan)}, lone(skeleton))
    assert tuple(image[30, 40]) == GREY


def test_the_scale_goes_from_red_over_yellow_to_blue():
    low, middle, high = confidence_colour(np.array([0.0, 0.5, 1.0])).astype(int)
    assert low[0] > 200 and low[2] < 60
    assert middle[0] > 200 and middle[1] > 200 and middle[2] < 120
    assert high[2] > 200 and high[0] < 60


# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
DEFICIENCIES = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def distances(colours, deficiency):
    """(N, N) distances in CIELAB of colours (N, 3) as somebody with the deficiency sees them."""
    colours = np.asarray(colours) / 255.0
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(DEFICIENCIES[deficiency]).T, 0, 1)
    encoded = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = cv2.cvtColor(encoded[None].astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    return np.linalg.norm(lab[:, None] - lab[None], axis=2)


@pytest.mark.parametrize("deficiency", list(DEFICIENCIES))
def test_quarters_of_the_scale_are_told_apart_without_full_colour_vision(deficiency):
    apart = distances(confidence_colour(np.linspace(0, 1, 5)), deficiency)
    assert apart[np.triu_indices(5, 1)].min() > 15  # 2.3 is just noticeable


@pytest.mark.parametrize("deficiency", list(DEFICIENCIES))
@pytest.mark.parametrize("count", [2, 5, 8, 13, 17, 40])
def test_keypoints_are_told_apart_without_full_colour_vision(deficiency, count):
    colours = keypoint_colours(count)
    assert colours.shape == (count, 3) and colours.dtype == np.uint8
    assert len(np.unique(colours, axis=0)) == count
    apart = distances(colours, deficiency)
    neighbours = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    assert apart[(neighbours > 0) & (neighbours < 4)].min() > 5  # those that lie beside each other in the list
    if count <= 8:
        assert apart[np.triu_indices(count, 1)].min() > 6


def test_a_persons_point_is_a_white_square_with_a_dark_core(skeleton):
    points = Points.human(0, np.array([(40, 30), (80, 60), (np.nan, np.nan)]))
    image = draw_labels(ground(), {0: points}, lone(skeleton), Style(radius=6))
    assert tuple(image[30, 40]) == DARK
    # A corner of the square, where a disc of that radius has nothing.
    assert tuple(image[30 + 5, 40 + 5]) == WHITE
    assert tuple(image[30, 45]) == WHITE


def test_a_disc_has_no_corners(skeleton, make):
    image = draw_labels(ground(), {0: make([(40, 30), (80, 60), (20, 70)])}, lone(skeleton), Style(radius=6))
    assert tuple(image[30 + 6, 40 + 6]) == GROUND


def test_the_four_sources_look_different(skeleton):
    pictures = []
    for source in (Source.HUMAN, Source.PROPAGATED, Source.PREDICTED, Source.REFINED):
        image = ground(40, 40)
        mark(image, np.array([20, 20]), 6, (255, 0, 0), source)
        pictures.append((image != np.array(GROUND, np.uint8)).any(axis=2))
    for i, a in enumerate(pictures):
        for b in pictures[:i]:
            assert (a ^ b).sum() > 0.1 * a.sum()
    areas = [picture.sum() for picture in pictures]
    assert max(areas) < 1.8 * min(areas)


def test_an_occluded_point_is_hollow(skeleton, make):
    image = draw_labels(
        ground(), {0: make([(40, 30), (80, 60), (20, 70)], visible=Visible.OCCLUDED)}, lone(skeleton), Style(radius=5)
    )
    assert tuple(image[30, 40]) == GROUND
    ring = confidence_colour(np.array([0.5]))[0].tolist()
    assert ring in image[30, 40:56].tolist()


def test_the_limb_stops_at_the_ring_of_an_occluded_point(skeleton, make):
    points = make([(20, 50), (100, 50), (np.nan, np.nan)], visible=Visible.OCCLUDED)
    image = draw_labels(ground(), {0: points}, skeleton, Style(radius=5))
    assert tuple(image[50, 20]) == GROUND and tuple(image[50, 100]) == GROUND
    assert (image[50, 30:90] != np.array(GROUND)).any()


def test_limbs_of_occluded_points_are_dashed(skeleton, make):
    xy = [(20, 50), (100, 50), (np.nan, np.nan)]
    solid = draw_labels(ground(), {0: make(xy)}, skeleton, Style(radius=4))[50, 32:88]
    dashed = draw_labels(ground(), {0: make(xy, visible=[2, 1, 0])}, skeleton, Style(radius=4))[50, 32:88]
    assert (solid != np.array(GROUND)).any(axis=1).all()
    changes = np.diff((dashed != np.array(GROUND)).any(axis=1).astype(int))
    assert (changes == 1).sum() >= 3


def test_nothing_is_drawn_for_nan(skeleton):
    image = ground()
    assert np.array_equal(draw_labels(image, {0: Points.empty(3)}, skeleton), image)
    assert np.array_equal(draw_labels(image, {}, skeleton), image)


def test_the_image_given_is_not_changed(skeleton, make):
    image = ground()
    drawn = draw_labels(image, {0: make([(40, 30), (80, 60), (20, 70)])}, skeleton)
    assert np.array_equal(image, ground()) and not np.array_equal(drawn, image)


def test_limbs_need_both_ends(skeleton, make):
    points = make([(np.nan, np.nan), (80, 60), (20, 70)])
    assert np.array_equal(
        draw_labels(ground(), {0: points}, skeleton), draw_labels(ground(), {0: points}, lone(skeleton))
    )


def test_points_outside_leave_the_image_as_it_is(skeleton, make):
    points = make([(-50, -50), (500, 60), (60, 900)])
    image = draw_labels(ground(), {0: points}, lone(skeleton))
    assert np.array_equal(image, ground())


def test_a_mark_at_the_rim_is_cut(skeleton, make):
    image = draw_labels(ground(), {0: make([(0, 0), (119, 99), (-2, 50)])}, lone(skeleton), Style(radius=4))
    fill = confidence_colour(np.array([0.5]))[0].tolist()
    assert image[0, 0].tolist() == fill and image[99, 119].tolist() == fill and image[50, 0].tolist() == fill


@settings(max_examples=60, deadline=None)
@given(
    xy=st.lists(
        st.tuples(st.floats(allow_nan=True, width=32), st.floats(allow_nan=True, width=32)), min_size=3, max_size=3
    ),
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    source=st.sampled_from(list(Source)),
    visible=st.integers(0, 2),
)
def test_any_position_and_any_size_is_drawn_without_error(xy, size, source, visible):
    points = Points.empty(3)
    points.xy[:] = xy
    points.source[:], points.visible[:], points.confidence[:] = source, visible, 0.4
    skeleton = Skeleton(("a", "b", "c"), edges=((0, 1), (1, 2)))
    image = np.zeros((size[1], size[0], 3), np.uint8)
    style = Style(names=True, individuals={0: "zero"})
    assert draw_labels(image, {0: points}, skeleton, style).shape == image.shape


def test_sub_pixel_positions_move_the_centre_of_mass():
    for x, y in ((20.0, 20.0), (20.25, 19.5), (19.6, 20.75)):
        image = np.zeros((41, 41, 3), np.uint8)
        mark(image, np.array([x, y]), 5.0, (255, 255, 255), Source.PROPAGATED)
        weight = np.maximum(image[..., 0].astype(float) - DARK[0], 0)
        rows, columns = np.mgrid[:41, :41]
        assert (columns * weight).sum() / weight.sum() == pytest.approx(x, abs=0.03)
        assert (rows * weight).sum() / weight.sum() == pytest.approx(y, abs=0.03)


def test_a_disc_covers_its_area():
    image = np.zeros((41, 41, 3), np.uint8)
    mark(image, np.array([20.3, 19.8]), 6.0, (255, 0, 0), Source.PROPAGATED)
    assert (np.maximum(image[..., 0].astype(float) - DARK[0], 0) / (255 - DARK[0])).sum() == pytest.approx(
        np.pi * 36, rel=0.01
    )


def test_min_confidence_hides_machine_points_only(skeleton, make):
    points = make([(40, 30), (80, 60), (20, 70)], confidence=[0.2, 0.6, np.nan])
    image = draw_labels(ground(), {0: points}, lone(skeleton), Style(radius=4, min_confidence=0.5))
    assert tuple(image[30, 40]) == GROUND
    assert tuple(image[60, 80]) != GROUND
    assert tuple(image[70, 20]) == GREY
    human = Points.human(0, np.array([(40, 30), (80, 60), (20, 70)]))
    human.confidence[:] = 0.1
    image = draw_labels(ground(), {0: human}, lone(skeleton), Style(radius=4, min_confidence=0.5))
    assert tuple(image[30, 40]) == DARK


def test_a_persons_point_lies_over_a_carried_one(skeleton, make):
    points = make([(40, 30), (40, 30), (np.nan, np.nan)], confidence=1.0)
    points.source[0] = Source.HUMAN
    image = draw_labels(ground(), {0: points}, lone(skeleton), Style(radius=4))
    assert tuple(image[30, 40]) == DARK and tuple(image[30, 43]) == WHITE


def test_several_individuals_have_limbs_and_plates_of_their_own_colour(skeleton, make):
    first = make([(30, 40), (55, 60), (30, 90)])
    second = make([(80, 40), (105, 60), (80, 90)])
    image = draw_labels(ground(), {0: first, 1: second}, skeleton, Style(radius=4))
    for instance, half in ((0, image[:, :60]), (1, image[:, 60:])):
        # The plate has the pure colour, and the other's does not occur on this side.
        assert list(instance_colour(instance)) in half.reshape(-1, 3).tolist()
        assert list(instance_colour(1 - instance)) not in half.reshape(-1, 3).tolist()
    alone = draw_labels(ground(), {0: first}, skeleton, Style(radius=4))
    assert list(instance_colour(0)) not in alone.reshape(-1, 3).tolist()


def test_individuals_without_limbs_get_a_box(skeleton, make):
    first, second = make([(30, 40), (50, 60), (30, 80)]), make([(80, 40), (100, 60), (80, 80)])
    style = Style(radius=4)
    boxed = draw_labels(ground(), {0: first, 1: second}, lone(skeleton), style).astype(int)
    # 2.5 radii beside the outermost points.
    assert boxed[60, 20] == pytest.approx(instance_colour(0), abs=20)
    assert boxed[60, 110] == pytest.approx(instance_colour(1), abs=20)


def test_names_are_written_beside_the_marks(skeleton, make):
    points = {0: make([(40, 30), (80, 60), (20, 70)])}
    without, with_names = (draw_labels(ground(), points, skeleton, Style(names=n)) for n in (False, True))
    changed = (without != with_names).any(axis=2)
    assert changed.any() and not changed[30, 40] and not changed[60, 80]


def test_the_radius_follows_picture_and_subject(make):
    far = make([(10, 10), (20, 30), (30, 10)])
    near = make([(0, 0), (600, 900), (900, 200)])
    assert mark_radius((1920, 1080), [far]) == pytest.approx(0.004 * (1920 * 1080) ** 0.5)
    assert mark_radius((1920, 1080), [near]) == pytest.approx(0.0075 * (1920 * 1080) ** 0.5)
    # 2.2 % of 300 px, the spacing is wide enough.
    assert mark_radius((1920, 1080), [make([(0, 0), (300, 0), (150, 200)])]) == pytest.approx(6.6)
    # Neighbours 20 px apart: 35 % of that.
    row = make([(100 + 20 * i, 100) for i in range(40)])
    assert mark_radius((1920, 1080), [row]) == pytest.approx(7.0)
    assert mark_radius((100, 100), [far]) == 2.5
    assert mark_radius((100, 100), []) == 2.5


def test_moved_points_lie_where_resizing_puts_their_pixel(make):
    points = make([(10, 20), (11, 21), (np.nan, np.nan)])
    # Cut out at (8, 16), twice as large: pixel 2 covers the new pixels 4 and 5, its centre is at 4.5.
    twice = moved(points, (8, 16), (2.0, 2.0))
    assert twice.xy[:2].tolist() == [[4.5, 8.5], [6.5, 10.5]]
    assert np.isnan(twice.xy[2]).all()
    assert points.xy[0].tolist() == [10, 20]


def test_lines_far_outside_are_left_out():
    image = ground()
    line(image, np.array([1e9, 1e9]), np.array([-1e9, 5.0]), 2, WHITE)
    line(image, np.array([np.nan, 1.0]), np.array([5.0, 5.0]), 2, WHITE)
    assert np.array_equal(image, ground())
