"""Linking instances of label files without identities."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poof.errors import PoofError, PoofWarning
from poof.flow.dis import DisFlow
from poof.flow.field import FlowField, Region
from poof.labels.model import LabelSet, Points, Skeleton
from poof.propagation import identity
from poof.propagation.identity import Course, assign, contradicts, distances, gate, link_identities
from poof.video.base import ArrayVideo

SIZE = (160, 120)
SIDE = 36
CORNERS = np.array([[4.0, 4.0], [31.0, 5.0], [18.0, 17.0], [6.0, 30.0], [30.0, 31.0]])
SKELETON = Skeleton(("a", "b", "c", "d", "e"))
Path_ = Callable[[int], tuple[float, float]]


def texture(size: tuple[int, int], seed: int, colour: tuple[int, int, int] = (128, 128, 128)) -> np.ndarray:
    """(h, w, 3) uint8: blurred noise around a colour."""
    rng = np.random.default_rng(seed)
    grey = sum(cv2.GaussianBlur(rng.normal(0, 1, size[::-1]), (0, 0), s) * s for s in (1.0, 2.5, 6.0))
    return np.clip(np.array(colour) + 45 * grey[..., None], 0, 255).astype(np.uint8)


def render(paths: Sequence[Path_], frames: int, colours: Sequence[tuple[int, int, int]], place: int = 0) -> np.ndarray:
    """(frames, H, W, 3) of squares that slide over a background, the last one in front."""
    images = np.repeat(texture(SIZE, 90 + place)[None], frames, axis=0)
    for n, (path, colour) in enumerate(zip(paths, colours)):
        square = texture((SIDE, SIDE), n, colour)
        for frame, image in enumerate(images):
            x, y = (int(v) for v in path(frame))
            x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + SIDE, SIZE[0]), min(y + SIDE, SIZE[1])
            if x1 > x0 and y1 > y0:
                image[y0:y1, x0:x1] = square[y0 - y : y1 - y, x0 - x : x1 - x]
    return images


RED, BLUE = (200, 70, 60), (60, 80, 200)


def label(paths: Sequence[Path_], who: dict[int, Sequence[int]]) -> LabelSet:
    """Untracked labels: `who` names, by frame, the squares in the order in which they stand in the file."""
    labels = LabelSet(SKELETON, image_size=SIZE, tracked=False)
    for frame, order in who.items():
        for instance, n in enumerate(order):
            xy = CORNERS + [int(v) for v in paths[n](frame)]
            xy[((xy < 0) | (xy > np.array(SIZE) - 1)).any(axis=1)] = np.nan
            labels.add(frame, instance, Points.human(frame, xy))
    return labels


def numbers(given_: LabelSet, linked: LabelSet, who: dict[int, Sequence[int]]) -> dict[int, dict[int, int]]:
    """By frame: square -> the number its instance got."""
    found: dict[int, dict[int, int]] = {}
    for frame, order in who.items():
        for instance, n in enumerate(order):
            points = given_.instances[frame, instance]
            (number,) = [i for i, p in linked.at(frame).items() if p is points]
            found.setdefault(frame, {})[n] = number
    return found


def right(frame: int) -> tuple[float, float]:
    return 5 + 4 * frame, 20


def left(frame: int) -> tuple[float, float]:
    return 115 - 4 * frame, 60


PASSING = [right, left]


@pytest.fixture(scope="module")
def passing() -> ArrayVideo:
    """Two squares pass each other, one above the other's way."""
    return ArrayVideo(list(render(PASSING, 24, (RED, BLUE))), name="passing")


class Closed(ArrayVideo):
    """A video that must not be decoded."""

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        raise AssertionError("decoded")


CLOSED = Closed([np.zeros((SIZE[1], SIZE[0], 3), np.uint8)] * 60)

# ---------------------------------------------------------------------------------------------------- nothing to do


def test_tracked_labels_come_back_as_they_are() -> None:
    labels = label(PASSING, {0: (0, 1), 8: (1, 0)}).replace(tracked=True)
    assert link_identities(CLOSED, labels, 5) is labels


def test_labels_with_one_instance_a_frame_come_back_as_they_are() -> None:
    labels = label(PASSING, {0: (0,), 8: (1,)})
    assert link_identities(CLOSED, labels, 5) is labels


def test_windows_that_do_not_touch_are_not_decoded_and_get_new_numbers() -> None:
    labels = label(PASSING, {0: (0, 1), 12: (0, 1)})
    linked = link_identities(CLOSED, labels, 5)  # 2 R + 1 = 11 frames
    assert sorted(linked.instances) == [(0, 0), (0, 1), (12, 2), (12, 3)]
    assert linked.tracked and not labels.tracked


def test_labels_of_another_video_are_refused() -> None:
    labels = label(PASSING, {0: (0, 1), 8: (1, 0)}).replace(image_size=(320, 240))
    with pytest.raises(PoofError, match="320x240"):
        link_identities(CLOSED, labels, 5)


# -------------------------------------------------------------------------------------------------------- who is who


def test_numbers_follow_the_individuals_whatever_their_order(passing: ArrayVideo) -> None:
    who = {1: (1, 0), 9: (0, 1), 17: (1, 0), 23: (1, 0)}
    labels = label(PASSING, who)
    linked = link_identities(passing, labels, 5)
    assert numbers(labels, linked, who) == {frame: {1: 0, 0: 1} for frame in who}
    assert linked.tracked
    assert linked.info["identities"] == {"individuals": 2, "links": 6, "ambiguous_frames": []}


def test_the_given_labels_are_not_changed_and_the_points_are_the_same(passing: ArrayVideo) -> None:
    labels = label(PASSING, {1: (1, 0), 9: (0, 1)}).replace(individuals={0: "Ann", 1: "Bob"}, info={"by": "me"})
    before = dict(labels.instances)
    linked = link_identities(passing, labels, 5)
    assert labels.instances == before and not labels.tracked
    assert {id(p) for p in linked.instances.values()} == {id(p) for p in before.values()}
    assert linked.individuals == {} and labels.individuals == {0: "Ann", 1: "Bob"}
    assert linked.info["by"] == "me" and labels.info == {"by": "me"}


def test_windows_that_just_touch_are_linked(passing: ArrayVideo) -> None:
    who = {1: (0, 1), 12: (1, 0)}
    linked = link_identities(passing, label(PASSING, who), 5)
    assert linked.instance_ids == [0, 1]


def test_someone_who_is_not_labelled_in_between_is_met_again(passing: ArrayVideo) -> None:
    who = {2: (0, 1), 8: (1,), 14: (1, 0)}
    labels = label(PASSING, who)
    found = numbers(labels, link_identities(passing, labels, 6), who)
    assert found == {2: {0: 0, 1: 1}, 8: {1: 1}, 14: {0: 0, 1: 1}}


def test_someone_not_labelled_for_longer_than_the_reach_is_someone_new(passing: ArrayVideo) -> None:
    who = {2: (0, 1), 8: (1,), 14: (1, 0)}
    labels = label(PASSING, who)
    found = numbers(labels, link_identities(passing, labels, 5), who)
    assert found == {2: {0: 0, 1: 1}, 8: {1: 1}, 14: {1: 1, 0: 2}}


def test_only_common_keypoints_count(passing: ArrayVideo) -> None:
    who = {2: (0, 1), 8: (1, 0), 14: (0, 1)}
    labels = label(PASSING, who)
    for (frame, _), points in labels.instances.items():
        xy = points.xy.copy()
        xy[[0, 1, 2] if frame == 8 else [3]] = np.nan
        labels.instances[frame, _] = Points.human(frame, xy)
    assert numbers(labels, link_identities(passing, labels, 6), who) == {frame: {0: 0, 1: 1} for frame in who}


def test_labels_without_a_common_keypoint_are_not_linked(passing: ArrayVideo) -> None:
    labels = label(PASSING, {2: (0, 1), 8: (0, 1)})
    for (frame, i), points in labels.instances.items():
        xy = points.xy.copy()
        xy[[0, 1, 2] if frame == 8 else [3, 4]] = np.nan
        labels.instances[frame, i] = Points.human(frame, xy)
    assert link_identities(passing, labels, 6).instance_ids == [0, 1, 2, 3]


def leaves(frame: int) -> tuple[float, float]:
    return 20 - 6 * frame, 40


def comes(frame: int) -> tuple[float, float]:
    return 168 - 5 * frame, 44


def stays(frame: int) -> tuple[float, float]:
    return 70, 5


def test_who_left_is_not_matched_to_who_came() -> None:
    paths = [leaves, comes, stays]
    video = ArrayVideo(list(render(paths, 16, (RED, RED, BLUE))))
    who = {1: (0, 2), 11: (2, 1)}
    labels = label(paths, who)
    assert numbers(labels, link_identities(video, labels, 10), who) == {1: {0: 0, 2: 1}, 11: {2: 1, 1: 2}}


def test_a_person_in_place_of_another_far_away_is_someone_new(passing: ArrayVideo) -> None:
    who = {3: (0,), 4: (1,), 5: (0, 1)}
    labels = label(PASSING, who)
    found = numbers(labels, link_identities(passing, labels, 10), who)
    assert found == {3: {0: 0}, 4: {1: 1}, 5: {0: 0, 1: 1}}


def test_a_scene_cut_ends_identities_even_of_those_who_look_alike() -> None:
    paths = [stays, lambda frame: (20, 70)]
    images = [*render(paths, 8, (RED, BLUE), place=1), *render(paths, 8, (RED, BLUE), place=2)]
    who = {2: (0, 1), 6: (1, 0), 10: (0, 1), 14: (1, 0)}
    labels = label(paths, who)
    found = numbers(labels, link_identities(ArrayVideo(images), labels, 5), who)
    assert found == {2: {0: 0, 1: 1}, 6: {0: 0, 1: 1}, 10: {0: 2, 1: 3}, 14: {0: 2, 1: 3}}


def test_behind_one_another_the_body_keeps_its_way() -> None:
    """The square behind is wholly covered for some frames; flow alone takes it along with the one in front."""
    paths: list[Path_] = [lambda f: (8 + 5 * f, 40), lambda f: (116 - 5 * f, 38)]
    video = ArrayVideo(list(render(paths, 22, (RED, RED))))
    who = {2: (0, 1), 20: (1, 0)}
    labels = label(paths, who)
    assert numbers(labels, link_identities(video, labels, 10), who) == {frame: {0: 0, 1: 1} for frame in who}


def test_two_who_meet_and_go_back() -> None:
    """Movement alone would say of the one behind that it passed the other."""
    paths: list[Path_] = [lambda f: (8 + 5 * min(f, 20 - f), 40), lambda f: (108 - 5 * min(f, 20 - f), 40)]
    who = {2: (0, 1), 18: (1, 0)}
    labels = label(paths, who)
    video = ArrayVideo(list(render(paths, 20, (RED, BLUE))))
    assert numbers(labels, link_identities(video, labels, 10), who) == {frame: {0: 0, 1: 1} for frame in who}


def test_another_in_the_very_same_place_is_told_by_the_colours() -> None:
    away: Path_ = lambda f: (-100, -100)  # noqa: E731
    here: Path_ = lambda f: (20, 30)  # noqa: E731
    paths = [lambda f: here(f) if f < 3 else away(f), lambda f: away(f) if f < 3 else here(f), lambda f: (100, 60 - f)]
    video = ArrayVideo(list(render(paths, 6, (RED, BLUE, RED))))
    who = {2: (0, 2), 3: (2, 1)}
    labels = label(paths, who)
    assert numbers(labels, link_identities(video, labels, 5), who) == {2: {0: 0, 2: 1}, 3: {2: 1, 1: 2}}


def test_colours_are_compared_where_neither_label_is_marked_occluded() -> None:
    """Three of five keypoints end up behind something blue: counted, they alone would cost more than the gate."""
    paths: list[Path_] = [lambda f: (20, 40), lambda f: (110, 60)]
    images = list(render(paths, 4, (RED, RED)))
    for image in images[2:]:
        image[30:62, 10:66] = BLUE
    who = {0: (0, 1), 3: (1, 0)}
    labels = label(paths, who)
    behind = np.where(CORNERS[:, 1] < 22, 1, 2)
    assert behind.tolist() == [1, 1, 1, 2, 2]
    labels.instances[3, 1] = Points.human(3, labels.instances[3, 1].xy, behind)
    found = numbers(labels, link_identities(ArrayVideo(images), labels, 5), who)
    assert found == {frame: {0: 0, 1: 1} for frame in who}


@pytest.mark.parametrize(
    ("forward", "backward", "linked"), [(18, -18, True), (0, -18, True), (18, 0, True), (0, 0, False)]
)
def test_one_good_way_of_two_is_enough(
    monkeypatch: pytest.MonkeyPatch, forward: float, backward: float, linked: bool
) -> None:
    """18 px are half a side: the cost is 0, 1/4, 1/4 and 1/2, the gate after one step 0.42."""

    class Uniform(DisFlow):
        def both(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
            shape = (len(first), *first[0].shape)
            return tuple(np.stack([np.full(shape, dx), np.zeros(shape)], 1) for dx in (forward, backward))  # type: ignore[return-value]

    monkeypatch.setattr(identity, "DisFlow", Uniform)
    labels = LabelSet(Skeleton(("a", "b")), image_size=SIZE, tracked=False)
    for frame in (0, 1):
        for instance, y in enumerate((10, 60)):
            xy = np.array([[20.0, y], [20, y + 36]])
            xy[:, 0] += 18 * frame
            labels.add(frame, instance, Points.human(frame, xy))
    video = ArrayVideo([np.full((SIZE[1], SIZE[0], 3), 99, np.uint8)] * 2)
    assert link_identities(video, labels, 5).instance_ids == ([0, 1] if linked else [0, 1, 2, 3])


def test_twins_in_one_place_are_not_told_apart() -> None:
    paths: list[Path_] = [lambda f: (40 + f, 40), lambda f: (41 + f, 41)]
    video = ArrayVideo(list(render(paths, 12, (RED, RED))), name="twins.mp4")
    who = {1: (0, 1), 6: (1, 0), 11: (0, 1)}
    with pytest.warns(PoofWarning, match=r"twins.mp4: frame 6, 11: cannot tell who is who"):
        linked = link_identities(video, label(paths, who), 5)
    assert sorted(linked.instances) == [(1, 0), (1, 1), (6, 2), (6, 3), (11, 4), (11, 5)]
    assert linked.info["identities"] == {"individuals": 6, "links": 0, "ambiguous_frames": [6, 11]}


def test_a_number_that_ended_ambiguous_does_not_come_back() -> None:
    """In frame 6 either twin could be who was labelled before; from there on both are known apart.

    The label in frame 6 is a little off, so that by cost alone the one before it would win in frame 11.
    """
    paths: list[Path_] = [lambda f: (40 + f, 40), lambda f: (42 + f, 42), lambda f: (110, 70)]
    video = ArrayVideo(list(render(paths, 12, (RED, RED, BLUE))))
    who = {1: (0, 2), 6: (1, 0, 2), 11: (0, 1, 2)}
    labels = label(paths, who)
    labels.instances[6, 1].xy -= 1.5
    with pytest.warns(PoofWarning, match="frame 6: cannot tell"):
        found = numbers(labels, link_identities(video, labels, 5), who)
    assert found == {1: {0: 0, 2: 1}, 6: {1: 2, 0: 3, 2: 1}, 11: {0: 3, 1: 2, 2: 1}}


# ------------------------------------------------------------------------------------------------ reading the video


class Counted(ArrayVideo):
    """Counts passes and decoded frames."""

    def __init__(self, images: Sequence[np.ndarray]) -> None:
        super().__init__(images)
        self.passes: list[tuple[int, int | None]] = []
        self.decoded = 0

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        self.passes.append((start, stop))
        for item in super().frames(start, stop):
            self.decoded += 1
            yield item


def test_one_pass_from_the_first_linked_label_to_the_last(passing: ArrayVideo) -> None:
    video = Counted([image for _, image in passing.frames()])
    who = {0: (0, 1), 9: (1, 0), 12: (0, 1), 20: (1, 0)}
    seen: list[tuple[str, int | None]] = []

    def track(items: Iterable[object], description: str, total: int | None = None) -> Iterator[object]:
        seen.append((description, total))
        yield from items
        seen.append(("done", total))

    labels = label(PASSING, who)
    linked = link_identities(video, labels, 2, track)  # type: ignore[arg-type]
    assert video.passes == [(9, 13)] and video.decoded == 4
    assert seen == [("linking instances", 4), ("done", 4)]  # a bar that is not run to its end stays on the screen
    assert numbers(labels, linked, who) == {0: {0: 0, 1: 1}, 9: {1: 2, 0: 3}, 12: {0: 3, 1: 2}, 20: {1: 4, 0: 5}}


def test_labels_behind_the_end_of_the_video_get_new_numbers(passing: ArrayVideo) -> None:
    video = ArrayVideo([image for _, image in passing.frames(0, 12)])
    who = {1: (0, 1), 9: (1, 0), 17: (0, 1), 23: (1, 0)}
    linked = link_identities(video, label(PASSING, who), 5)
    assert [sorted(i for f, i in linked.instances if f == frame) for frame in who] == [[0, 1], [0, 1], [2, 3], [4, 5]]


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_every_instance_keeps_a_number_of_its_own(passing: ArrayVideo, data: st.DataObject) -> None:
    frames = sorted(data.draw(st.sets(st.integers(0, 23), min_size=2, max_size=5)))
    who = {f: tuple(data.draw(st.permutations(data.draw(st.sampled_from([(0,), (1,), (0, 1)]))))) for f in frames}
    labels = label(PASSING, who)
    linked = link_identities(passing, labels, data.draw(st.integers(1, 12)))
    assert len(linked) == len(labels)
    if linked is labels:
        return
    found = numbers(labels, linked, who)
    for frame, given_ in found.items():
        assert len(set(given_.values())) == len(given_), frame
    owners: dict[int, set[int]] = {}
    for given_ in found.values():
        for square, number in given_.items():
            owners.setdefault(number, set()).add(square)
    assert all(len(squares) == 1 for squares in owners.values())
    assert sorted(owners) == list(range(len(owners)))  # no number is left out


# ---------------------------------------------------------------------------------------------------------- the parts


def test_the_gate_widens_with_time_up_to_its_limit() -> None:
    assert [gate(n) for n in (1, 10, 20, 200)] == pytest.approx([0.42, 0.6, 0.8, 0.8])


def test_contradicting_flow() -> None:
    step = np.array([[10.0, 0], [10, 0], [0, 0], [0, 0], [np.nan, 0]])
    back = np.array([[-10.0, 1.5], [-10, 1.7], [0.7, 0], [0, 0.8], [1, 1]])
    # limits: 0.01 (100 + 102.25) + 0.5 = 2.52 against 2.25; 2.53 against 2.89; 0.505 against 0.49; 0.506 against 0.64
    assert contradicts(step, back).tolist() == [False, True, False, True, False]


def flow(dx: float, dy: float = 0.0) -> FlowField:
    return FlowField(np.broadcast_to(np.array([dx, dy], np.float32)[:, None, None], (2, 120, 160)), Region.whole(SIZE))


def start(xy: list[list[float]]) -> Course:
    return Course(np.array(xy), np.ones(len(xy), bool), np.full(2, np.nan))


def test_a_course_follows_flow_that_agrees_and_learns_the_bodys_velocity() -> None:
    course = start([[20.0, 30.0], [40.0, 50.0]])
    course = course.step(flow(4), flow(-4))
    course = course.step(flow(6, 1), flow(-6, -1))
    np.testing.assert_allclose(course.xy, [[30, 31], [50, 51]], atol=1e-5)
    np.testing.assert_allclose(course.velocity, [0.7 * 4 + 0.3 * 6, 0.3], atol=1e-5)
    assert course.seen.all()


def test_a_course_that_flow_contradicts_keeps_its_velocity() -> None:
    course = start([[20.0, 30.0], [40.0, 50.0]]).step(flow(4), flow(-4))
    for _ in range(3):
        course = course.step(flow(-9), flow(2))
    np.testing.assert_allclose(course.xy, [[36, 30], [56, 50]], atol=1e-5)
    assert not course.seen.any()
    course = course.step(flow(-9), flow(9))  # what is seen there now is somebody else
    np.testing.assert_allclose(course.xy, [[40, 30], [60, 50]], atol=1e-5)


def test_hidden_keypoints_move_with_the_body() -> None:
    data = np.zeros((2, 120, 160), np.float32)
    data[0, :, :100], data[0, :, 100:] = 3, -8
    there, back = (FlowField(sign * data, Region.whole(SIZE)) for sign in (1, -1))
    points = Points.human(0, np.array([[20.0, 30], [30, 30], [120, 30]]), np.array([2, 2, 1]))
    course = Course.of(points).step(there, back)
    np.testing.assert_allclose(course.xy, [[23, 30], [33, 30], [123, 30]], atol=1e-5)
    assert course.seen.tolist() == [True, True, False]


def test_a_course_ends_at_the_edge_of_the_image_point_by_point() -> None:
    course = start([[158.0, 30], [100, 30]]).step(flow(4), flow(-4))
    assert np.isnan(course.xy[0]).all()
    np.testing.assert_allclose(course.xy[1], [104, 30], atol=1e-5)
    course = course.step(flow(4), flow(-4))
    np.testing.assert_allclose(course.xy[1], [108, 30], atol=1e-5)
    assert np.isnan(course.xy[0]).all()


def test_many_courses_at_once_are_those_of_each() -> None:
    rng = np.random.default_rng(0)
    fields = [FlowField(rng.normal(0, 2, (2, 120, 160)).astype(np.float32), Region.whole(SIZE)) for _ in range(4)]
    xy = rng.uniform(0, (160, 120), (30, 5, 2))
    xy[rng.random((30, 5)) < 0.3] = np.nan
    alone = [Course(one, seen, np.full(2, np.nan)) for one, seen in zip(xy, rng.random((30, 5)) < 0.7)]
    together = Course.together(alone)
    for there, back in pairwise(fields):
        alone, together = [course.step(there, back) for course in alone], together.step(there, back)
    for place, course in enumerate(alone):
        np.testing.assert_array_equal(together[place].xy, course.xy)
        np.testing.assert_array_equal(together[place].seen, course.seen)
        np.testing.assert_array_equal(together[place].velocity, course.velocity)


def calls_to_link(count: int) -> int:
    """How many functions are called to link `count` squares in three frames."""
    rng = np.random.default_rng(1)
    xy = rng.uniform(10, (150, 110), (count, 1, 2)) + np.array([[0, 0], [4, 0], [0, 4]])
    skeleton = Skeleton(("a", "b", "c"))
    instances = {(f, n): Points.human(f, points.astype(np.float32)) for f in (0, 2, 4) for n, points in enumerate(xy)}
    labels = LabelSet(skeleton, instances, tracked=False)
    video = ArrayVideo([texture(SIZE, 3)] * 5)
    calls = 0

    def count_one(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count_one)
    try:
        link_identities(video, labels, 2)
    finally:
        sys.setprofile(before)
    return calls


def test_the_work_grows_with_the_number_of_instances_not_with_its_square() -> None:
    """A thousand took more than a minute: a step of flow each, and every pair looked at by itself."""
    calls_to_link(5)
    few, more, many = (calls_to_link(count) for count in (20, 60, 100))
    assert many - more < 1.1 * (more - few) + 2000


def test_distances_are_capped_and_what_is_lost_counts_in_full() -> None:
    arrived = np.array([[10.0, 20.0], [13, 24], [900, 0], [np.nan, np.nan]])
    np.testing.assert_allclose(distances(arrived, np.full((4, 2), [10.0, 20.0]), 50.0), [0, 0.1, 1, 1])


def test_the_assignment_of_the_largest_gain() -> None:
    # 0.9 is the largest, but 0.9 + 0 < 0.8 + 0.7
    links, ambiguous = assign(np.array([[0.9, 0.7], [0.8, 0.0]]), np.array([3, 3]))
    assert links == {1: 0, 0: 1} and ambiguous == set()


@pytest.mark.parametrize(
    ("gain", "latest", "links", "ambiguous"),
    [
        ([[0.9, 0.0], [0.0, 0.6]], [3, 3], {0: 0, 1: 1}, set()),
        ([[0.9, 0.7], [0.6, 0.7]], [3, 3], {0: 0, 1: 1}, {0, 1}),  # the exchange loses 0.3
        ([[0.9, 0.7], [0.6, 0.7]], [3, 1], {0: 0, 1: 1}, {0, 1}),  # both are there, whenever they were labelled last
        ([[0.9, 0.7], [0.4, 0.7]], [3, 3], {0: 0, 1: 1}, set()),  # 0.5
        ([[0.2, 0.0], [0.0, 0.1]], [3, 3], {0: 0, 1: 1}, set()),  # both hardly pass, but nobody else would
        ([[0.9], [0.7]], [3, 3], {0: 0}, {0}),  # two could be the only one labelled
        ([[0.9], [0.7]], [3, 1], {0: 0}, set()),  # the other was not labelled when this one was
        ([[0.9, 0.7]], [3], {0: 0}, {0}),  # two labels could be the only one known
        ([[0.9, 0.4]], [3], {0: 0}, set()),
        ([[0.0, 0.0]], [3], {}, set()),
    ],
)
def test_links_and_ambiguous(
    gain: list[list[float]], latest: list[int], links: dict[int, int], ambiguous: set[int]
) -> None:
    assert assign(np.array(gain), np.array(latest)) == (links, ambiguous)


@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 2**32 - 1))
def test_every_link_is_one_to_one_and_does_not_depend_on_the_order(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    gain = np.maximum(rng.uniform(-0.5, 1, (n, m)), 0)
    latest = rng.choice([3, 5], n)
    links, ambiguous = assign(gain, latest)
    assert len(set(links.values())) == len(links) and ambiguous <= links.keys()
    assert all(gain[row, column] > 0 for column, row in links.items())
    rows, columns = rng.permutation(n), rng.permutation(m)
    again, still_ambiguous = assign(gain[rows][:, columns], latest[rows])
    assert {columns[c]: rows[r] for c, r in again.items()} == links
    assert {columns[c] for c in still_ambiguous} == ambiguous


def test_nobody_known_or_nobody_here() -> None:
    assert assign(np.zeros((0, 2)), np.zeros(0)) == ({}, set())
    assert assign(np.zeros((2, 0)), np.zeros(2)) == ({}, set())
