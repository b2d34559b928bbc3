"""How much of a video carries points, where the gaps are, why, and what would close them."""

from __future__ import annotations

import numpy as np
import pytest

from poof.labels import LabelSet, Points, Skeleton, Source
from poof.propagation.coverage import FAR, Gap, coverage, length_of
from poof.video import ArrayVideo, Damage


def video(frames: int = 100, damage: Damage | None = None) -> ArrayVideo:
    made = ArrayVideo([np.zeros((8, 8, 3), np.uint8)] * frames, name="v")
    made.damage = damage
    return made


def labels(human: tuple[int, ...], carried: tuple[int, ...] = (), **made: object) -> LabelSet:
    found = LabelSet(Skeleton(("a",)), image_size=(8, 8), info={"propagation": made})
    for frame in sorted({*human, *carried}):
        points = Points.human(frame, np.array([[4.0, 4.0]]))
        if frame not in human:
            points.source[:] = Source.PROPAGATED
        found.add(frame, 0, points)
    return found


def test_frames_of_frames_and_nothing_missing() -> None:
    one = coverage(video(6), labels((2,), (0, 1, 3, 4, 5)), 5)
    assert str(one) == "6 of 6 frames" and one.gaps == [] and one.exact


def test_a_gap_between_windows_names_the_radius_and_the_label_that_close_it() -> None:
    carried = (*range(61), *range(83, 100))
    one = coverage(video(100), labels((50, 93), carried), 10)
    assert str(one) == "78 of 100 frames"
    (gap,) = one.gaps
    assert (gap.first, gap.last) == (61, 82)
    assert str(gap) == "61-82: no label within 10 frames; --radius 21 or 2 labels, the first at 71, close it"
    shorter = coverage(video(100), labels((50, 83), (*range(61), *range(73, 100))), 10).gaps
    assert str(shorter[0]) == "61-72: no label within 10 frames; --radius 16 or a label at 66 closes it"


@pytest.mark.parametrize("far", [FAR, FAR + 1])
def test_a_radius_that_flow_does_not_reach_is_not_advised(far: int) -> None:
    (gap,) = coverage(video(11 + far), labels((10,), tuple(range(16))), 5).gaps
    assert (f"--radius {far} or " in gap.remedy) == (far <= FAR)


def test_a_gap_behind_a_cut_asks_for_a_label_there() -> None:
    (gap,) = coverage(video(12), labels((4,), tuple(range(8)), cuts=[8]), 10).gaps
    assert str(gap) == "8-11: behind the scene cut at 8; a label at 9 closes it"


def test_points_that_came_to_nothing_are_no_lack_of_labels() -> None:
    (gap,) = coverage(video(8), labels((4,), (0, 1, 2, 3, 5, 7)), 10).gaps
    assert gap == Gap(6, 6, "nothing came through (left the picture, or below --min-confidence)", "")
    assert str(gap).startswith("6: nothing came through")
    assert gap.as_dict()["first"] == 6


def test_a_frame_in_which_all_is_absent_is_no_gap() -> None:
    found = labels((1,), (0, 2))
    found.instances[2, 0].xy[:] = np.nan
    found.instances[2, 0].visible[:] = -1
    assert coverage(video(3), found, 5).gaps == []


def test_the_end_is_what_propagation_saw_or_where_damage_begins() -> None:
    assert coverage(video(50), labels((0,), (1, 2), video_end=3), 5).total == 3
    damaged = video(5, Damage(5, "broken"))
    assert length_of(damaged, 1) == (5, True)
