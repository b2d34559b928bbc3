"""Windows around anchors become segments."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from poof.propagation.segments import Segment, plan_segments


def test_one_anchor_has_a_window_on_both_sides() -> None:
    assert plan_segments([10], 3) == [Segment(7, 10, False, True, False), Segment(10, 13, True, False, True)]


def test_the_first_window_is_cut_at_frame_zero() -> None:
    assert plan_segments([2], 5)[0] == Segment(0, 2, False, True, False)
    assert plan_segments([0], 5) == [Segment(0, 5, True, False, False)]


def test_windows_that_touch_are_joined_and_others_are_not() -> None:
    joined = plan_segments([10, 17], 3)  # 13 and 14 are neighbours: 2R+1 apart
    assert joined[1] == Segment(10, 17, True, True, True)
    apart = plan_segments([10, 18], 3)
    assert apart[1:3] == [Segment(10, 13, True, False, True), Segment(15, 18, False, True, False)]


@given(st.sets(st.integers(0, 200), min_size=1, max_size=12), st.integers(1, 15))
def test_every_window_is_covered_once_and_nothing_else(anchors: set[int], radius: int) -> None:
    segments = plan_segments(sorted(anchors), radius)
    pairs = [t for s in segments for t in s.pairs]
    assert pairs == sorted(set(pairs))
    windows = {t for a in anchors for t in range(max(0, a - radius), a + radius)}
    bridges = set(pairs) - windows
    ordered = sorted(anchors)
    allowed = {a + radius for a, b in zip(ordered, ordered[1:]) if b - a == 2 * radius + 1}
    assert windows <= set(pairs) and bridges <= allowed
    for before, after in zip(segments, segments[1:]):
        assert after.joined == (after.start == before.stop)
    for s in segments:
        assert s.starts_at_anchor == (s.start in anchors) or s.start == 0
        assert s.stops_at_anchor == (s.stop in anchors)
