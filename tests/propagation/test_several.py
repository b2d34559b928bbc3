"""Several instances through the whole of `propagate`: two players who cross, the nearer one in front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from poof.flow.base import FlowEstimator
from poof.flow.cache import CachedFlow
from poof.flow.dis import DisFlow
from poof.labels.model import LabelSet, Points, Skeleton, Source
from poof.propagation import Settings, propagate
from poof.propagation.engine import Engine
from poof.propagation.result_cache import ResultCache
from poof.synthetic import SyntheticVideo, sample, truth
from poof.video import open_video
from poof.video.base import ArrayVideo

FIRST, COUNT = 12, 28
"""The frames of the scene in which the players come together, cross (around frame 13 of these) and part."""
FAR, NEAR = 0, 1
ALL = {2: (FAR, NEAR), 12: (FAR, NEAR), 22: (FAR, NEAR)}
SMALL = {"area": 60_000}
"""Little is enough here, and quick."""


@pytest.fixture(scope="module")
def video() -> ArrayVideo:
    scene = sample("two-players")
    return ArrayVideo([image for _, image in SyntheticVideo(scene).frames(FIRST, FIRST + COUNT)], name="two-players")


@pytest.fixture(scope="module")
def exact() -> LabelSet:
    """The truth of the frames of `video`."""
    every = truth(sample("two-players"))
    cut = LabelSet(every.skeleton, image_size=every.image_size)
    for frame, instance, points in every:
        if FIRST <= frame < FIRST + COUNT:
            cut.add(frame - FIRST, instance, Points.human(frame - FIRST, points.xy, points.visible))
    return cut


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> FlowEstimator:
    return CachedFlow(DisFlow("medium"), tmp_path_factory.mktemp("flows"))


@pytest.fixture(scope="module")
def tracked(video: ArrayVideo, exact: LabelSet, flow: FlowEstimator) -> LabelSet:
    """Both players labelled in three frames, numbers known."""
    return propagate(video, only(exact, ALL), flow, Settings(6, **SMALL))


def only(labels: LabelSet, who: Mapping[int, Sequence[int]]) -> LabelSet:
    """The labels of some frames: frame -> players."""
    chosen = {(frame, i): labels.instances[frame, i].copy() for frame, players in who.items() for i in players}
    return labels.replace(instances=chosen)


def renumbered(labels: LabelSet, new: Mapping[int, int]) -> LabelSet:
    return labels.replace(instances={(frame, new[i]): points for (frame, i), points in labels.instances.items()})


def off(result: LabelSet, exact: LabelSet, player: int, of: int | None = None) -> dict[int, float]:
    """Mean distance by frame, pixels, between a player's points and the true ones of the same or another player."""
    other = player if of is None else of
    return {
        frame: float(np.nanmean(np.hypot(*(points.xy - exact.instances[frame, other].xy).T)))
        for frame, i, points in result
        if i == player
    }


def same(a: LabelSet, b: LabelSet) -> None:
    """Both hold exactly the same points."""
    assert a.instances.keys() == b.instances.keys()
    for key, points in a.instances.items():
        for name in ("xy", "visible", "source", "anchor", "steps", "confidence"):
            np.testing.assert_array_equal(
                getattr(points, name), getattr(b.instances[key], name), err_msg=f"{key} {name}"
            )


# ----------------------------------------------------------------------------------------------------- tracked labels


def test_both_players_are_followed_through_the_crossing(tracked: LabelSet, exact: LabelSet) -> None:
    """When this was written the far player, who is hidden for some frames, was off by 4.2 px, the near one by 1.7."""
    for player, limit in ((FAR, 6.0), (NEAR, 3.0)):
        errors = off(tracked, exact, player)
        assert sorted(errors) == list(range(COUNT))
        assert np.mean([e for frame, e in errors.items() if frame not in ALL]) < limit
    for player, other in ((FAR, NEAR), (NEAR, FAR)):
        own, wrong = off(tracked, exact, player), off(tracked, exact, player, of=other)
        assert all(own[frame] < 0.6 * wrong[frame] for frame in own)


def test_human_points_stay_and_every_other_comes_from_an_anchor_of_its_player(
    tracked: LabelSet, exact: LabelSet
) -> None:
    for frame, player, points in tracked:
        if frame in ALL:
            np.testing.assert_array_equal(points.xy, exact.instances[frame, player].xy)
            assert points.is_human.all()
        else:
            got = points.source == Source.PROPAGATED
            assert got.any() and not points.is_human.any()
            assert set(points.anchor[got]) <= set(ALL)
            np.testing.assert_array_equal(points.steps[got], np.abs(frame - points.anchor[got]))


def test_numbers_of_instances_mean_nothing(
    tracked: LabelSet, video: ArrayVideo, exact: LabelSet, flow: FlowEstimator
) -> None:
    given = renumbered(only(exact, ALL), {FAR: 3, NEAR: 17})
    result = propagate(video, given, flow, Settings(6, **SMALL))
    same(renumbered(result, {3: FAR, 17: NEAR}), tracked)


@pytest.mark.parametrize("method", ["chain", "thesis"])
def test_the_other_methods_keep_players_apart_too(
    method: str, video: ArrayVideo, exact: LabelSet, flow: FlowEstimator
) -> None:
    result = propagate(video, only(exact, ALL), flow, Settings(6, method, **SMALL))
    for player, other in ((FAR, NEAR), (NEAR, FAR)):
        own, wrong = off(result, exact, player), off(result, exact, player, of=other)
        assert sorted(own) == list(range(COUNT))
        for frame in (0, 3, 7, 9, 18, 20, 24, 27):  # not right behind the crossing: one chain alone is led astray there
            assert own[frame] < 0.8 * wrong[frame], frame


# --------------------------------------------------------------------------------------------------- untracked labels


@pytest.mark.parametrize("swapped", [(12,), pytest.param((22,), marks=pytest.mark.slow), (2,)])
def test_labels_without_identities_give_the_same_as_tracked_ones(
    swapped: tuple[int, ...], tracked: LabelSet, video: ArrayVideo, exact: LabelSet, flow: FlowEstimator
) -> None:
    given = only(exact, ALL)
    shuffled = {(f, 1 - i if f in swapped else i): points for (f, i), points in given.instances.items()}
    result = propagate(video, given.replace(instances=shuffled, tracked=False), flow, Settings(6, **SMALL))
    assert result.tracked
    assert result.info["identities"] == {"individuals": 2, "links": 4, "ambiguous_frames": []}
    first_is = NEAR if 2 in swapped else FAR
    same(renumbered(result, {0: first_is, 1: 1 - first_is}), tracked)


def test_without_identities_someone_labelled_in_one_frame_stays_one_of_two(
    video: ArrayVideo, exact: LabelSet, flow: FlowEstimator
) -> None:
    given = renumbered(only(exact, {2: (NEAR,), 12: (NEAR,)}), {NEAR: 0})  # the only one in these frames is the first
    given.instances |= only(exact, {22: (FAR, NEAR)}).instances
    result = propagate(video, given.replace(tracked=False), flow, Settings(6, **SMALL))
    assert sorted(f for f, i in result.instances if i == 0) == list(range(COUNT))
    assert sorted(f for f, i in result.instances if i == 1) == list(range(16, COUNT))
    near = renumbered(result, {0: NEAR, 1: FAR})
    assert np.mean(list(off(near, exact, NEAR).values())) < 3


# ------------------------------------------------------------------------------------- not everyone in every frame


def test_players_labelled_in_turn(video: ArrayVideo, exact: LabelSet, flow: FlowEstimator) -> None:
    who = {1: (FAR,), 8: (NEAR,), 15: (FAR,), 22: (NEAR,)}
    result = propagate(video, only(exact, who), flow, Settings(7, **SMALL))
    assert sorted(off(result, exact, FAR)) == list(range(23))
    assert sorted(off(result, exact, NEAR)) == list(range(1, 28))
    for frame, player, points in result:
        got = points.source == Source.PROPAGATED
        assert set(points.anchor[got]) <= ({1, 15} if player == FAR else {8, 22})
        assert points.is_human.all() == (player in who.get(frame, ()))
    near = off(result, exact, NEAR)
    assert np.mean(list(near.values())) < 4  # 2.9 when this was written
    far = off(result, exact, FAR)
    assert np.mean([far[frame] for frame in range(13)]) < 14  # 9.8; anchors 14 frames apart, hidden at the second
    alone = propagate(video, only(exact, {8: (NEAR,), 22: (NEAR,)}), flow, Settings(7, **SMALL))
    assert np.mean(list(near.values())) < np.mean(list(off(alone, exact, NEAR).values())) + 1


def test_a_player_labelled_in_one_frame_only(
    tracked: LabelSet, video: ArrayVideo, exact: LabelSet, flow: FlowEstimator
) -> None:
    given = only(exact, {2: (FAR, NEAR), 12: (FAR,), 22: (FAR,)})
    result = propagate(video, given, flow, Settings(6, **SMALL))
    assert sorted(off(result, exact, NEAR)) == list(range(9))
    assert sorted(off(result, exact, FAR)) == list(range(COUNT))
    assert max(off(result, exact, NEAR).values()) < 7  # 4.6, at frame 8
    for frame in (1, 3):
        assert np.nanmean(np.abs(result.instances[frame, NEAR].xy - tracked.instances[frame, NEAR].xy)) < 0.5


def test_a_window_that_reaches_back_over_frames_labelled_for_another(
    video: ArrayVideo, exact: LabelSet, flow: FlowEstimator
) -> None:
    """The near player's chain runs back beyond frame 19, where only the far one is labelled: no region is planned."""
    result = propagate(video, only(exact, {9: (FAR,), 19: (FAR,), 22: (NEAR,)}), flow, Settings(6, **SMALL))
    alone = propagate(video, only(exact, {22: (NEAR,)}), flow, Settings(6, **SMALL))
    assert sorted(off(result, exact, NEAR)) == sorted(off(alone, exact, NEAR)) == list(range(16, COUNT))
    with_other, without = off(result, exact, NEAR), off(alone, exact, NEAR)
    assert max(with_other.values()) < max(without.values()) + 2


def test_windows_of_one_that_do_not_touch_stay_apart_though_anothers_join_them(
    video: ArrayVideo, exact: LabelSet, flow: FlowEstimator
) -> None:
    given = only(exact, {2: (FAR, NEAR), 9: (FAR,), 16: (FAR,), 24: (FAR, NEAR)})
    result = propagate(video, given, flow, Settings(4, **SMALL))
    assert sorted(off(result, exact, NEAR)) == [*range(7), *range(20, COUNT)]
    for frame in (*range(3, 7), *range(20, 24)):
        points = result.instances[frame, NEAR]
        assert set(points.anchor[points.labelled]) == {2 if frame < 7 else 24}


# ----------------------------------------------------------------------------------------------------- what it costs


class Recording(FlowEstimator):
    """Zero flow; remembers the size of every image and counts the pairs."""

    name = "recording"

    def __init__(self) -> None:
        self.sizes: set[tuple[int, int]] = set()
        self.pairs = 0

    def prepare(self, images: np.ndarray) -> list[np.ndarray]:
        self.sizes.add((images.shape[2], images.shape[1]))
        return list(images)

    def between(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> np.ndarray:
        self.pairs += len(first)
        return np.zeros((len(first), 2, *first[0].shape[:2]), np.float32)

    def describe(self) -> dict[str, object]:
        return {"name": self.name}


def still(width: int = 640, height: int = 360, frames: int = 12) -> ArrayVideo:
    """Frames that differ by a little noise, so that flow is asked for in every pair."""
    rng = np.random.default_rng(5)
    base = cv2.resize(rng.integers(0, 255, (height // 8, width // 8, 3), np.uint8), (width, height))
    return ArrayVideo([base ^ (rng.random(base.shape) < 0.01).astype(np.uint8) for _ in range(frames)])


def labels_at(places: Mapping[int, Mapping[int, tuple[float, float]]]) -> LabelSet:
    """Squares of 50 px: frame -> instance -> corner."""
    labels = LabelSet(Skeleton(("a", "b", "c", "d")), image_size=(640, 360))
    for frame, here in places.items():
        for instance, corner in here.items():
            square = np.array([[0.0, 0], [50, 0], [0, 50], [50, 50]]) + corner
            labels.add(frame, instance, Points.human(frame, square))
    return labels


def test_three_in_one_place_share_their_flow_and_get_the_same_points() -> None:
    flow = Recording()
    result = propagate(still(), labels_at({4: dict.fromkeys((0, 1, 2), (200.0, 100.0))}), flow, Settings(3))
    assert flow.pairs == 2 * 6  # both directions of six pairs, once for all three
    assert len(flow.sizes) == 1
    for frame in range(1, 8):
        for instance in (1, 2):
            np.testing.assert_array_equal(result.instances[frame, instance].xy, result.instances[frame, 0].xy)


def test_two_far_apart_cost_a_region_each() -> None:
    flow = Recording()
    propagate(still(), labels_at({4: {0: (60.0, 60.0), 1: (480.0, 240.0)}}), flow, Settings(3))
    assert flow.pairs == 2 * 2 * 6


def test_max_size_holds_for_those_without_a_region_too() -> None:
    flow = Recording()
    places = {3: {0: (60.0, 60.0)}, 7: {0: (60.0, 60.0)}, 9: {1: (480.0, 240.0)}}
    propagate(still(), labels_at(places), flow, Settings(4, max_size=200))
    assert max(max(size) for size in flow.sizes) <= 200


def test_memory_grows_with_the_length_not_with_its_square() -> None:
    def held(windows: int) -> int:
        places = {10 + 25 * n: {2 * n: (0.0, 0.0), 2 * n + 1: (9.0, 9.0)} for n in range(windows)}
        engine = Engine(still(64, 48, 1), labels_at(places), [Recording()], Settings(10))
        chains = engine.result().chains.values()
        return sum(one.xy.nbytes for estimators in chains for both in estimators for one in both)

    assert held(20) < 3 * held(10)


# ------------------------------------------------------------------------------------------------ going on later


def test_a_label_added_for_one_player_gives_what_a_full_run_gives(
    tmp_path: Path, video: ArrayVideo, exact: LabelSet, flow: FlowEstimator
) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, image in video.frames(0, 16):
        small = cv2.resize(image, (320, 180), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / f"{number:03d}.png"), small[..., ::-1])
    half = exact.replace(image_size=(320, 180), instances={})
    for frame, player, points in exact:
        half.instances[frame, player] = Points.human(frame, (points.xy + 0.5) / 2 - 0.5, points.visible)
    settings, cache = Settings(3, area=20_000), ResultCache(tmp_path / "cache")
    before = {1: (FAR, NEAR), 8: (FAR,), 14: (NEAR,)}
    propagate(open_video(folder), only(half, before), flow, settings, cache=cache)
    for after in ({**before, 8: (FAR, NEAR)}, {**before, 5: (NEAR,)}, {**before, 14: (FAR, NEAR)}):
        again = propagate(open_video(folder), only(half, after), flow, settings, cache=cache)
        same(again, propagate(open_video(folder), only(half, after), flow, settings))
