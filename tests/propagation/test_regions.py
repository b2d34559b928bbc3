"""The rectangles in which flow is computed, by hand-computed numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poof.propagation import regions
from poof.propagation.regions import ENLARGE, Box, Layout, box_around, plan_layouts, to_region

FRAME = (640, 360)
AREA = 40_000


def corners(layout: Layout) -> list[tuple[int, int, int, int]]:
    """x, y, width, height of every region."""
    return [(r.x, r.y, r.width, r.height) for r in layout.regions]


def only(*boxes: Box) -> Layout:
    """The layout of one pair with these boxes, instances numbered in their order."""
    (layout,) = plan_layouts([dict(enumerate(boxes))], FRAME, AREA)
    return layout


# ------------------------------------------------------------------------------------------------------ several boxes


def test_three_subjects_in_one_place_share_one_region() -> None:
    layout = only(*[(100.0, 50.0, 199.0, 149.0)] * 3)
    assert corners(layout) == [(100, 50, 100, 100)]
    assert layout.regions[0].shown == (200, 200)  # 40,000 pixels of 10,000: twice enlarged
    assert layout.of_instance == {0: 0, 1: 0, 2: 0}


def test_numbers_of_instances_need_not_be_consecutive() -> None:
    boxes: dict[int, Box] = {7: (300, 0, 399, 99), 2: (0, 0, 99, 99), 40: (310, 0, 409, 99)}
    (layout,) = plan_layouts([boxes], FRAME, AREA)
    assert corners(layout) == [(0, 0, 100, 100), (300, 0, 110, 100)]
    assert layout.of_instance == {2: 0, 7: 1, 40: 1}


@pytest.mark.parametrize(
    ("other", "regions"),
    [
        ((100.0, 0.0, 200.0, 100.0), 1),  # side by side: the hull is 20,000 like the two together
        ((101.0, 0.0, 201.0, 100.0), 2),  # 20,100
        ((20.0, 20.0, 120.0, 120.0), 1),  # 14,400
        ((41.0, 41.0, 141.0, 141.0), 1),  # 19,881
        ((42.0, 42.0, 142.0, 142.0), 2),  # 20,164: they overlap, but apart they are cheaper
        ((30.0, 30.0, 60.0, 60.0), 1),  # one inside the other
    ],
)
def test_two_boxes_are_one_when_their_hull_is_no_larger_than_both(other: Box, regions: int) -> None:
    layout = only((0.0, 0.0, 100.0, 100.0), other)
    assert len(layout.regions) == regions
    assert layout.of_instance == {0: 0, 1: regions - 1}


def test_a_third_box_between_two_joins_them() -> None:
    left, right, between = (0.0, 0.0, 100.0, 100.0), (110.0, 0.0, 210.0, 100.0), (100.0, 0.0, 110.0, 100.0)
    assert len(only(left, right).regions) == 2
    layout = only(left, right, between)
    assert corners(layout) == [(0, 0, 211, 101)]
    assert layout.of_instance == {0: 0, 1: 0, 2: 0}


# ---------------------------------------------------------------------------------------------------- several pairs


def moving(start: float, speed: float, pairs: int) -> list[Box]:
    return [(start + speed * t, 0.0, start + 100 + speed * t, 100.0) for t in range(pairs)]


def test_joining_a_thousand_boxes_looks_at_each_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pair was looked at again behind each joined one: a thousand subjects took minutes."""
    hulls = 0
    hull = regions._hull

    def counted(a: Box, b: Box) -> Box:
        nonlocal hulls
        hulls += 1
        return hull(a, b)

    monkeypatch.setattr(regions, "_hull", counted)
    centres = np.random.default_rng(0).uniform(0, 2000, (1000, 2))
    boxes = {n: (x - 20, y - 20, x + 20, y + 20) for n, (x, y) in enumerate(centres.tolist())}
    joined = regions._merged(boxes)
    assert sorted(n for _, members in joined for n in members) == list(boxes)
    assert 100 < len(joined) < 900 and hulls == 1000 - len(joined)
    for box, members in joined:
        around = np.array([boxes[n] for n in members])
        assert box == (*around[:, :2].min(axis=0), *around[:, 2:].max(axis=0))


def test_a_region_is_held_while_that_costs_little() -> None:
    """A box of 100 px that moves by 10 px a pair: 120 px serve three pairs, 130 would be more than 1.25 times 100."""
    layouts = plan_layouts([{0: box} for box in moving(50, 10, 7)], FRAME, AREA)
    assert [corners(layout) for layout in layouts] == [[(50, 0, 121, 101)]] * 3 + [[(80, 0, 121, 101)]] * 3 + [
        [(110, 0, 101, 101)]
    ]
    assert layouts[0] is layouts[2]  # pairs of one layout go through the estimator together


def test_a_box_that_grows_is_held_by_the_larger_pair() -> None:
    """Areas 100, 140 and 190 px high: the hold is measured by the largest pair alone, so the small ones ride along."""
    boxes: list[dict[int, Box]] = [{0: (0.0, 0.0, 100.0, height)} for height in (100.0, 140.0, 190.0)]
    assert [corners(layout) for layout in plan_layouts(boxes, FRAME, AREA)] == [[(0, 0, 101, 191)]] * 3


def test_only_what_lies_in_the_frame_counts_for_the_hold() -> None:
    """Outside the frame a box may move as it likes."""
    boxes: list[dict[int, Box]] = [{0: (x, 0.0, 100.0, 100.0)} for x in (-10.0, -200.0, -900.0)]
    assert [corners(layout) for layout in plan_layouts(boxes, FRAME, AREA)] == [[(0, 0, 101, 101)]] * 3


def test_someone_new_ends_a_hold() -> None:
    still: Box = (0.0, 0.0, 100.0, 100.0)
    layouts = plan_layouts([{0: still}, {0: still}, {0: still, 1: still}, {1: still}], FRAME, AREA)
    assert [layout.of_instance for layout in layouts] == [{0: 0}, {0: 0}, {0: 0, 1: 0}, {1: 0}]


def test_two_who_meet_end_a_hold_and_share_a_region_from_there_on() -> None:
    """Apart while 105 and 103 px lie between their left sides, one from 95 px on."""
    still: Box = (0.0, 0.0, 100.0, 100.0)
    other: list[Box] = [(x, 0.0, x + 100, 100.0) for x in (105.0, 103.0, 95.0, 94.0)]
    layouts = plan_layouts([{0: still, 1: box} for box in other], FRAME, AREA)
    assert [len(layout.regions) for layout in layouts] == [2, 2, 1, 1]
    assert corners(layouts[0]) == [(0, 0, 101, 101), (103, 0, 103, 101)]
    assert corners(layouts[2]) == [(0, 0, 196, 101)]


# ------------------------------------------------------------------------------------------------------- one region


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((-30.5, -20.0, 99.0, 50.0), (0, 0, 100, 51)),
        ((600.2, 300.7, 700.0, 400.0), (600, 300, 40, 60)),
        ((10.2, 20.7, 30.1, 40.0), (10, 20, 22, 21)),  # every pixel that the box touches
        ((10.0, 20.0, 10.0, 20.0), (10, 20, 1, 1)),
        ((700.0, 10.0, 800.0, 50.0), (639, 10, 1, 41)),  # beside the frame: its nearest pixels
        ((-80.0, -90.0, -10.0, -20.0), (0, 0, 1, 1)),
    ],
)
def test_regions_are_whole_pixels_of_the_frame(box: Box, expected: tuple[int, int, int, int]) -> None:
    region = to_region(box, FRAME, AREA)
    assert (region.x, region.y, region.width, region.height) == expected


@pytest.mark.parametrize(
    ("width", "height", "area", "max_size", "shown"),
    [
        (100, 100, 40_000, None, (200, 200)),
        (20, 30, 40_000, None, (60, 90)),  # three times at most
        (100, 50, 1_000_000, None, (300, 150)),
        (100, 50, 1_000_000, 200, (200, 100)),
        (640, 360, 57_600, None, (320, 180)),  # large ones shrink
        (640, 360, 57_600, 160, (160, 90)),
        (640, 360, 640 * 360, None, (640, 360)),
        (640, 360, 10**7, None, (1920, 1080)),
        (640, 2, 1280, 32, (32, 1)),  # no side vanishes
    ],
)
def test_how_large_a_region_is_shown(
    width: int, height: int, area: int, max_size: int | None, shown: tuple[int, int]
) -> None:
    assert to_region((0.0, 0.0, width - 1.0, height - 1.0), FRAME, area, max_size).shown == shown


def test_the_box_around_points_has_a_margin_for_the_subject_and_for_its_step() -> None:
    """100 x 40 px, and 0.2 x 100 + 10 / 2 = 25 px on each side: 150 x 90, made at least 0.75 x 150 = 112.5 px high."""
    points = np.array([[100.0, 100.0], [np.nan, np.nan], [200.0, 140.0], [150.0, np.nan]])
    assert box_around(points, 100.0, 10.0) == (75.0, 63.75, 225.0, 176.25)


def test_no_box_around_nothing() -> None:
    assert box_around(np.full((4, 2), np.nan), 100.0, 10.0) is None


# ------------------------------------------------------------------------------------------------------- in general

coordinate = st.floats(-200, 800, allow_nan=False)
extent = st.floats(0, 500, allow_nan=False)
box = st.builds(lambda x, y, w, h: (x, y, x + w, y + h), coordinate, coordinate, extent, extent)
pair = st.dictionaries(st.integers(0, 4), box, min_size=1, max_size=4)


@given(st.lists(pair, min_size=1, max_size=6), st.integers(1, 300_000), st.none() | st.integers(32, 400))
def test_every_subject_has_a_region_that_holds_it_in_every_pair(
    boxes: list[dict[int, Box]], area: int, max_size: int | None
) -> None:
    layouts = plan_layouts(boxes, FRAME, area, max_size)
    assert len(layouts) == len(boxes)
    for here, layout in zip(boxes, layouts):
        assert layout.of_instance.keys() == here.keys()
        assert set(layout.of_instance.values()) == set(range(len(layout.regions)))
        for instance, (x0, y0, x1, y1) in here.items():
            region = layout.regions[layout.of_instance[instance]]
            low = np.clip([x0, y0], 0, np.array(FRAME) - 1)
            high = np.clip([x1, y1], 0, np.array(FRAME) - 1)
            assert region.contains(np.array([low, high])).all()
        for region in layout.regions:
            assert region.x >= 0 and region.x + region.width <= FRAME[0]
            assert region.y >= 0 and region.y + region.height <= FRAME[1]
            assert min(region.shown) >= 1
            assert max(region.shown) <= (max_size or 10**9)
            for side, shown in zip((region.width, region.height), region.shown):
                assert shown <= ENLARGE * side
