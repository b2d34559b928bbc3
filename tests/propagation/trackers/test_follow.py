"""Running a tracker from every label: directions, windows, memory, faults."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from doubles import SIZE, Knowing, clock, labels_at, where

from poof.errors import PoofError, PoofWarning
from poof.labels import LabelSet
from poof.propagation.result_cache import ResultCache
from poof.propagation.trackers import Found, Trajectory
from poof.propagation.trackers.follow import Follower
from poof.video import open_video
from poof.video.base import Video


def followed(video: Video, labels: LabelSet, tracker: Knowing, reach: int = 21, **more: object) -> Follower:
    follower = Follower(video, labels, tracker, reach, **more)  # type: ignore[arg-type]
    assert len(list(follower.run())) == follower.total
    return follower


def spans(found: Sequence[Trajectory]) -> set[tuple[int, int, int, int]]:
    """(keypoint, query, first frame, last frame) of each trajectory."""
    return {(t.keypoint, t.query or 0, int(t.frames[0]), int(t.frames[-1])) for t in found}


def test_points_are_followed_from_every_label_to_its_neighbours() -> None:
    found = followed(clock(40), labels_at(5, 20), Knowing()).result()
    expected = {(k, 5, 0, 5) for k in range(3)} | {(k, 5, 5, 20) for k in range(3)}
    expected |= {(k, 20, 5, 20) for k in range(3)} | {(k, 20, 20, 39) for k in range(3)}
    assert spans(found) == expected
    for one in found:
        np.testing.assert_allclose(one.xy, [where(f)[one.keypoint] for f in one.frames], atol=1e-9)
        assert one.sure[one.frames != one.query].tolist() == pytest.approx([0.9] * (len(one.frames) - 1))


def test_a_point_that_a_label_lacks_is_followed_on() -> None:
    found = followed(clock(40), labels_at(5, 20, 30, lacking={20: (1,)}), Knowing()).result()
    assert (1, 5, 5, 26) in spans(found), "the reach of 21 frames ends it before the label in 30"
    assert (1, 30, 9, 30) in spans(found)
    assert (0, 5, 5, 20) in spans(found)


def test_nothing_is_followed_across_a_scene_or_beyond_absence() -> None:
    labels = labels_at(5, 20)
    found = followed(clock(40), labels, Knowing(), cuts=[12]).result()
    assert {(0, 5, 5, 11), (0, 20, 12, 20)} <= spans(found)
    gone = labels_at(5, 15, 25, lacking={15: (2,)})
    gone.instances[15, 0].visible[2] = -1
    gone.instances[15, 0].source[2] = 1
    found = followed(clock(40), gone, Knowing()).result()
    assert {(2, 5, 5, 15), (2, 25, 15, 25)} <= spans(found)


def test_covered_points_are_not_given_to_the_tracker() -> None:
    labels = labels_at(5, 20)
    labels.instances[5, 0].visible[0] = 1
    found = followed(clock(40), labels, Knowing()).result()
    assert {t.query for t in found if t.keypoint == 0} == {20}


def test_windows_bound_what_a_tracker_sees_and_hand_points_over() -> None:
    tracker = Knowing(window=10, overlap=3)
    found = followed(clock(60), labels_at(0, 50), tracker, reach=101).result()
    assert max(len(numbers) for numbers, _ in tracker.calls) == 10
    ahead = [numbers for numbers, _ in tracker.calls if numbers[0] < numbers[1] <= 50]
    assert ahead[0] == list(range(10)), "the first window"
    assert ahead[1] == list(range(7, 17)), "three frames are shared"
    back = [numbers for numbers, _ in tracker.calls if numbers[0] > numbers[1]]
    assert back[0] == list(range(50, 40, -1))
    for one in found:
        np.testing.assert_allclose(one.xy, [where(f)[one.keypoint] for f in one.frames], atol=1e-9)
    long = next(t for t in found if t.query == 0)
    assert long.frames.tolist() == list(range(51))
    assert long.sure[-1] == pytest.approx(0.9 ** len(ahead)), "uncertainty adds up from window to window"


class Blinking(Knowing):
    """Sure of its points in every fourth frame only, and far off in all others."""

    def track(self, frames: np.ndarray, queries: np.ndarray) -> Found:
        found = super().track(frames, queries)
        good = (frames[:, 0, 0, 0] % 4 == 0)[:, None]
        found.xy[...] = np.where(good[..., None], found.xy, found.xy + 30)
        found.certainty[...] = np.where(good, 0.9, 0.1)
        return found


def test_points_are_handed_over_where_the_tracker_is_surest() -> None:
    tracker = Blinking(window=12, overlap=6)
    found = followed(clock(60), labels_at(0), tracker, reach=40).result()
    for numbers, queries in tracker.calls[1:]:
        assert {numbers[int(q)] % 4 for q in queries[:, 0]} == {0}
    one = found[0]
    good = one.frames % 4 == 0
    np.testing.assert_allclose(one.xy[good], [where(f)[one.keypoint] for f in one.frames[good]], atol=1e-9)


def test_large_frames_are_shrunk_and_places_come_back_in_pixels_of_the_video() -> None:
    tracker = Knowing(longest=80)
    found = followed(clock(30), labels_at(5, 20), tracker).result()
    queries = tracker.calls[0][1]
    np.testing.assert_allclose(queries[:, 1:], (where(5) + 0.5) / 2 - 0.5)
    for one in found:
        np.testing.assert_allclose(one.xy, [where(f)[one.keypoint] for f in one.frames], atol=1e-9)


def test_out_of_memory_halves_the_window_and_says_so() -> None:
    tracker = Knowing(window=40, room=12)
    follower = Follower(clock(60), labels_at(0), tracker, 40)
    with pytest.warns(
        PoofWarning, match=r"knowing: out of memory with windows of (40 frames; goes on with 20|20 .* 10)"
    ):
        list(follower.run())
    assert {len(numbers) for numbers, _ in tracker.calls} <= set(range(2, 13))
    assert follower.result()[0].frames.tolist() == list(range(41))


def test_out_of_memory_with_the_smallest_window_is_one_line() -> None:
    follower = Follower(clock(60), labels_at(0), Knowing(window=16, room=2), 40)
    with pytest.warns(PoofWarning), pytest.raises(PoofError, match="even with windows of 4 frames; use --device cpu"):
        list(follower.run())


class Wrong(Knowing):
    """Another number of points, or positions that are none."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault

    def track(self, frames: np.ndarray, queries: np.ndarray) -> Found:
        found = super().track(frames, queries)
        if self.fault == "count":
            return Found(found.xy[:, 1:], found.visible, found.certainty)
        if self.fault == "some":
            found.xy[3:6, 1] = np.nan
        if self.fault == "all":
            found.xy[...] = np.nan
        if self.fault == "other":
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
        return found


def test_the_wrong_number_of_points_is_refused() -> None:
    with pytest.raises(
        PoofError, match=r"knowing: was asked for 3 points in 16 frames and gave positions \(16, 2, 2\)"
    ):
        list(Follower(clock(30), labels_at(0), Wrong("count"), 15).run())


def test_places_that_are_no_numbers_are_left_out_and_counted() -> None:
    follower = Follower(clock(30), labels_at(0), Wrong("some"), 15)
    with pytest.warns(PoofWarning, match="gave no finite position for 1 points; they are left out"):
        list(follower.run())
    frames = [t.frames.tolist() for t in follower.result()]
    assert [f for f in range(16) if f not in frames[1]] == [3, 4, 5]
    assert frames[0] == list(range(16))


def test_a_tracker_that_gives_nothing_at_all_is_refused() -> None:
    with pytest.raises(PoofError, match=r"clock.mp4: knowing gave no finite position from frame 0 on"):
        list(Follower(clock(30), labels_at(0), Wrong("all"), 15).run())


def test_faults_of_a_tracker_that_are_not_memory_come_through() -> None:
    with pytest.raises(RuntimeError, match="mat1"):
        list(Follower(clock(30), labels_at(0), Wrong("other"), 15).run())


def test_places_outside_the_picture_are_none() -> None:
    found = followed(clock(100), labels_at(0), Knowing(window=128), reach=99).result()
    xy = np.concatenate([t.xy for t in found])
    assert (xy >= -0.5).all()
    assert (xy <= np.array(SIZE) - 0.5).all()
    assert max(t.frames[-1] for t in found) < 99


def test_only_what_is_wanted_is_followed() -> None:
    labels = labels_at(0, 20, 40, 60)
    tracker = Knowing()
    found = followed(clock(80), labels, tracker, only=range(25, 30)).result()
    assert {t.query for t in found} == {20, 40}
    assert min(min(numbers) for numbers, _ in tracker.calls) == 20


def test_finished_runs_are_found_again(tmp_path: Path) -> None:
    import cv2

    folder = tmp_path / "frames"
    folder.mkdir()
    for number, image in clock(30).frames():
        cv2.imwrite(str(folder / f"{number:03d}.png"), image)
    video, cache = open_video(folder), ResultCache(tmp_path / "cache")
    first, second, third = Knowing(), Knowing(), Knowing()
    a = followed(video, labels_at(5, 20), first, cache=cache).result()
    b = followed(video, labels_at(5, 20), second, cache=cache).result()
    assert first.calls and not second.calls
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one.xy, other.xy)
        np.testing.assert_array_equal(one.sure, other.sure)
    followed(video, labels_at(5, 20, 26), third, cache=cache)
    assert {numbers[0] for numbers, _ in third.calls} == {20, 26}, "only runs that the new label touches"
