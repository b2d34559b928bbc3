"""The fusion over a video: one pass, labels certain, runs and scenes apart, memory of a few spans."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from refine_fakes import COLOURS, ConstantFlow, propagated, spots_model, spotted
from torch import Tensor

from poof.flow.dis import DisFlow
from poof.labels import LabelSet, Points
from poof.pose.crops import Crop
from poof.refine import fusion
from poof.refine.appearance import Appearance
from poof.refine.beliefs import Grid, Motion, blurred, even, likelihood, normalised, points, predicted, read
from poof.refine.combine import apply
from poof.refine.following_crops import crops_of
from poof.refine.fusion import Fused, InstanceFusion, fuse
from poof.refine.motion import motions
from poof.video import ArrayVideo

SIZE = (96, 96)
SHAPE = np.array([[60.0, 45.0], [100.0, 45.0], [80.0, 85.0]])
SIDE = 60
"""Of the boxes: 1.3 times as much is 96 pixels of the crops, 48 cells."""
FRAME = (170, 130)


class Blind:
    """Stands for networks that see nothing: all cells are alike to them."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.looked: list[float] = []

    def maps(self, image: np.ndarray, crop: Crop, grid: Grid) -> Tensor:
        """(3, h, w)."""
        self.looked.append(float(image.mean()))
        return torch.full((3, grid.height, grid.width), 1.0 / (grid.height * grid.width))


class Told(Blind):
    """Sees the points where it is told that they are, by the brightness of the frame."""

    def __init__(self, places: np.ndarray) -> None:
        super().__init__()
        self.places = places

    def maps(self, image: np.ndarray, crop: Crop, grid: Grid) -> Tensor:
        """(3, h, w)."""
        return points(grid, grid.of_frame(self.places[int(image[0, 0, 0])], crop))


def numbered(count: int) -> ArrayVideo:
    """Plain frames, each as bright as its number."""
    return ArrayVideo([np.full((FRAME[1], FRAME[0], 3), number, np.uint8) for number in range(count)])


def walk(count: int, dx: float = 0.0, dy: float = 0.0) -> np.ndarray:
    """(count, 3, 2): the shape as it moves."""
    return SHAPE + np.arange(count)[:, None, None] * np.array([dx, dy])


def set_by_hand(frame: int, xy: np.ndarray) -> Points:
    """What a person set (3, 2), in a box."""
    return Points.human(frame, xy, box=np.array([*xy.mean(axis=0) - SIDE / 2, SIDE, SIDE]))


def tracks_of(
    truth: np.ndarray,
    human: Iterable[int],
    instance: int = 0,
    frames: Iterable[int] | None = None,
    off: tuple[float, float] = (0, 0),
) -> LabelSet:
    """Human labels of the truth (T, 3, 2) in some frames, propagated points in the others, displaced by `off`.

    The labels have boxes, so that the crops leave room for points that are displaced.
    """
    made, set_ = LabelSet(COLOURS, image_size=FRAME), set(human)
    for frame in range(len(truth)) if frames is None else frames:
        made.add(frame, instance, set_by_hand(frame, truth[frame]) if frame in set_ else propagated(truth[frame] + off))
    return made


def together(first: LabelSet, second: LabelSet) -> LabelSet:
    """Both."""
    return first.replace(instances=first.instances | second.instances)


def positions(fused: dict[tuple[int, int], Fused], frames: Iterable[int], instance: int = 0) -> np.ndarray:
    """(T, 3, 2)."""
    return np.stack([fused[frame, instance].xy for frame in frames])


def assert_same(first: Fused, second: Fused) -> None:
    for name in ("xy", "mass", "spread", "alone", "peak", "side"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)


# ------------------------------------------------------------------------------------------------- which frames


@pytest.mark.parametrize(
    "human", [[0, 12], [3, 7, 9], *(pytest.param(n, marks=pytest.mark.slow) for n in ([6], [0, 1, 2], list(range(13))))]
)
def test_every_frame_comes_back_exactly_once(human: list[int]) -> None:
    tracks = tracks_of(walk(13, 1), human)
    one = InstanceFusion(tracks, 0, Blind(), ConstantFlow(1, 0), SIZE)  # type: ignore[arg-type]
    given: list[int] = []
    for frame, image in numbered(13).frames():
        settled = [number for number, _ in one.push(frame, image)]
        assert all(number <= frame for number in settled)
        given += settled
    given += [number for number, _ in one.finish()]
    assert sorted(given) == list(range(13))
    assert list(one.finish()) == []


def test_only_frames_of_the_tracks_and_only_they_are_looked_at() -> None:
    truth = walk(20)
    blind = Blind()
    flow = ConstantFlow(0, 0)
    seen: list[tuple[int, int]] = []

    def counting(items: Iterable[Any], description: str, total: int | None = None) -> Iterator[Any]:
        for item in items:
            seen.append((item[0], total or 0))
            yield item

    tracks = tracks_of(truth, [7, 14], frames=range(5, 17))
    result = fuse(numbered(20), tracks, blind, flow, SIZE, counting)  # type: ignore[arg-type]
    assert sorted(result) == [(frame, 0) for frame in range(5, 17)]
    assert blind.looked == list(range(5, 17))
    assert flow.pairs == [(frame, frame + 1) for frame in range(5, 16)]
    assert seen == [(frame, 12) for frame in range(5, 17)]
    for fused in result.values():
        assert fused.xy.shape == fused.alone.shape == (3, 2)
        assert fused.mass.shape == fused.spread.shape == fused.peak.shape == (3,)
        assert fused.side == SIDE


def test_a_video_that_ends_early_gives_what_it_has() -> None:
    result = fuse(numbered(6), tracks_of(walk(10), [0, 9]), Blind(), ConstantFlow(0, 0), SIZE)  # type: ignore[arg-type]
    assert sorted(result) == [(frame, 0) for frame in range(6)]


# ------------------------------------------------------------------------------------------------- what it believes


def test_labels_are_certain_and_flow_leads_on_from_them() -> None:
    # Propagation is 6 pixels off everywhere, networks see nothing: label and flow are right all the same.
    truth = walk(11, 2, 1.5)
    tracks = tracks_of(truth, [0, 10], off=(6, -3))
    result = fuse(numbered(11), tracks, Blind(), ConstantFlow(2, 1.5), SIZE)  # type: ignore[arg-type]
    error = np.linalg.norm(positions(result, range(1, 10)) - truth[1:10], axis=-1)
    assert error.max() < 1.2  # of 6.7; the leash pulls a little
    for fused in result.values():
        assert (fused.peak < 0.02).all()  # what the networks alone say


def test_both_labels_pull() -> None:
    # Flow says that nothing moves to the right and contradicts itself; from label to label it is 6 pixels. Variance
    # grows alike with every step, so what both say together goes evenly from one to the other.
    tracks = tracks_of(walk(7, 1), [0, 6])
    flow = ConstantFlow(0, 0.4, contradicts=True)
    result = fuse(numbered(7), tracks, Blind(), flow, SIZE)  # type: ignore[arg-type]
    x = positions(result, range(1, 6))[:, :, 0] - SHAPE[:, 0]
    np.testing.assert_allclose(x, np.arange(1, 6)[:, None] * np.ones(3), atol=0.6)
    spread = np.stack([result[frame, 0].spread for frame in range(1, 6)])
    assert (spread[2] > 1.1 * spread[[0, 4]]).all()  # less sure in the middle


def test_appearance_brings_back_what_flow_has_lost() -> None:
    # The third point turns off by 12 pixels where neither flow nor propagation follows.
    truth = walk(12, 1)
    turned = truth.copy()
    turned[3:, 2] += [0, 12]
    human = [0, 11]
    tracks = tracks_of(truth, human)
    tracks.instances[11, 0].xy[:] = turned[11]
    flow = ConstantFlow(1, 0)
    seen = positions(fuse(numbered(12), tracks, Told(turned), flow, SIZE), range(12))  # type: ignore[arg-type]
    assert np.linalg.norm(seen - turned, axis=-1)[1:-1].max() < 1.2
    unseen = positions(fuse(numbered(12), tracks, Blind(), flow, SIZE), range(12))  # type: ignore[arg-type]
    np.testing.assert_allclose(unseen[1:-1, :2], turned[1:-1, :2], atol=1.2)


def test_a_map_that_is_wrong_once_is_overruled() -> None:
    truth = walk(11, 1)
    told = truth.copy()
    told[5, 0] += [0, 20]
    result = fuse(numbered(11), tracks_of(truth, [0, 10]), Told(told), ConstantFlow(1, 0), SIZE)  # type: ignore[arg-type]
    np.testing.assert_allclose(positions(result, range(1, 10)), truth[1:10], atol=0.9)
    np.testing.assert_allclose(result[5, 0].alone, told[5], atol=0.5)  # which it says beside
    np.testing.assert_allclose(result[5, 0].peak, 1, atol=0.1)


def test_a_keypoint_that_one_label_lacks_is_carried_through_it() -> None:
    truth = walk(13, 1)
    tracks = tracks_of(truth, [0, 6, 12], off=(3, 3))
    tracks.instances[6, 0].put(np.array([False, True, False]), propagated(truth[6] + 3))
    result = fuse(numbered(13), tracks, Blind(), ConstantFlow(1, 0), SIZE)  # type: ignore[arg-type]
    np.testing.assert_allclose(positions(result, range(1, 12))[:, 1], truth[1:12, 1], atol=0.8)
    # What is set there is surer.
    beside = result[5, 0].mass
    assert beside[1] < beside[[0, 2]].min() - 0.003


@pytest.mark.parametrize(("only", "frames"), [(0, range(1, 13)), (12, range(12))])
def test_it_is_carried_in_both_directions(only: int, frames: Sequence[int]) -> None:
    # Of the second keypoint one label at one end is all that there is, not even propagated points.
    truth = walk(13, 1)
    tracks = tracks_of(truth, [0, 6, 12])
    for frame in range(13):
        if frame != only:
            tracks.instances[frame, 0].put(np.array([False, True, False]), Points.empty(3))
    result = fuse(numbered(13), tracks, Blind(), ConstantFlow(1, 0), SIZE)  # type: ignore[arg-type]
    np.testing.assert_allclose(positions(result, frames)[:, 1], truth[list(frames), 1], atol=0.8)


def test_beliefs_end_where_a_label_says_absent() -> None:
    """Beyond frame 6 nothing is known of the second keypoint; before it, what frame 0 says."""
    truth = walk(13, 1)
    tracks = tracks_of(truth, [0, 6, 12])
    for frame in range(13):
        if frame != 0:
            tracks.instances[frame, 0].put(np.array([False, True, False]), Points.empty(3))
    said = Points.human(6, np.full((3, 2), np.nan), np.array([0, -1, 0]))
    tracks.instances[6, 0].put(np.array([False, True, False]), said)
    result = fuse(numbered(13), tracks, Blind(), ConstantFlow(1, 0), SIZE)  # type: ignore[arg-type]
    np.testing.assert_allclose(positions(result, range(1, 6))[:, 1], truth[1:6, 1], atol=0.8)
    assert min(result[frame, 0].mass[1] for frame in range(1, 6)) > 0.5
    assert max(result[frame, 0].mass[1] for frame in range(7, 12)) < 0.2
    kept = apply(tracks, result)
    assert kept.instances[6, 0].absent.tolist() == [False, True, False]
    assert not any(kept.instances[frame, 0].labelled[1] for frame in range(1, 13))


class Blurred(Told):
    """Sees as one does who is not sure."""

    def maps(self, image: np.ndarray, crop: Crop, grid: Grid) -> Tensor:
        """(3, h, w)."""
        return blurred(super().maps(image, crop, grid), 2.0)


def smoothed_whole(video: ArrayVideo, tracks: LabelSet, eyes: Told, flow: ConstantFlow) -> dict[int, Tensor]:
    """The beliefs of every frame by a filter that holds the whole video in memory."""
    crops = crops_of(tracks, 0, SIZE)
    grid = Grid.over(crops[0], SIDE)
    images, count = dict(video.frames()), len(tracks)
    seen, labels = [], []
    for frame in range(count):
        mine = tracks.instances[frame, 0]
        cells = grid.of_frame(mine.xy, crops[frame])
        seen.append(likelihood(eyes.maps(images[frame], crops[frame], grid), grid, cells))
        labels.append((torch.from_numpy(mine.is_human)[:, None, None], points(grid, np.nan_to_num(cells))))
    steps = [
        motions((images[f], images[f + 1]), (crops[f], crops[f + 1]), grid, SIDE, flow)  # type: ignore[arg-type]
        for f in range(count - 1)
    ]

    def passed_on(order: Sequence[int], into: dict[int, Motion]) -> dict[int, Tensor]:
        belief, found = even(grid, 3), {}
        for number, frame in enumerate(order):
            found[frame] = predicted(belief, into[frame], grid) if number else belief
            belief = torch.where(*labels[frame], normalised(found[frame] * seen[frame]))
        return found

    before = passed_on(range(count), {f + 1: onward for f, (onward, _) in enumerate(steps)})
    after = passed_on(range(count)[::-1], {f: back for f, (_, back) in enumerate(steps)})
    return {frame: normalised(before[frame] * after[frame] * seen[frame]) for frame in range(count)}


def test_two_spans_at_a_time_give_what_the_whole_video_gives() -> None:
    rng = np.random.default_rng(7)
    truth = walk(15, 1.3, -0.7)
    tracks = tracks_of(truth, [2, 6, 9, 12], off=(1, 1))
    # Every keypoint that a label lacks is in the next one: more than that takes longer spans.
    for frame, missing in ((6, 0), (9, 1), (2, 2), (12, 2)):
        tracks.instances[frame, 0].put(np.arange(3) == missing, propagated(truth[frame] + 1))
    eyes, flow = Blurred(truth + rng.normal(0, 3, truth.shape)), ConstantFlow(1, -0.5)
    result = fuse(numbered(15), tracks, eyes, flow, SIZE)  # type: ignore[arg-type]
    whole = smoothed_whole(numbered(15), tracks, eyes, flow)
    crops = crops_of(tracks, 0, SIZE)
    for frame, belief in whole.items():
        grid = Grid.over(crops[frame], SIDE)
        cells, mass, spread = read(belief, grid)
        got, free = result[frame, 0], ~tracks.instances[frame, 0].is_human
        np.testing.assert_allclose(got.xy[free], grid.to_frame(cells, crops[frame])[free], atol=1e-3)
        np.testing.assert_allclose(got.mass[free], mass[free], atol=1e-5)
        np.testing.assert_allclose(got.spread[free], spread[free], atol=1e-5)


def test_points_outside_of_the_crop_do_no_harm() -> None:
    truth = walk(9)
    tracks = tracks_of(truth, [0, 4, 8])
    tracks.instances[4, 0].xy[2] = [80, 400]  # a slip of the hand
    grid = Grid.over(crop := crops_of(tracks, 0, SIZE)[4], SIDE)
    assert grid.of_frame(np.array([80.0, 400.0]), crop)[1] > grid.height
    result = fuse(numbered(9), tracks, Told(truth), ConstantFlow(0, 0), SIZE)  # type: ignore[arg-type]
    for fused in result.values():
        assert np.isfinite(fused.xy).all()
        assert (fused.mass > 0).all()
    np.testing.assert_allclose(positions(result, (1, 7))[:, :2], truth[[1, 7], :2], atol=3)


# ------------------------------------------------------------------------------------------------- runs and scenes


def test_a_gap_in_the_tracks_ends_a_run() -> None:
    truth = walk(17)
    first = tracks_of(truth, [2], frames=range(6))
    second = tracks_of(truth, [11, 14], frames=range(9, 17))
    video, told = numbered(17), Told(truth + np.random.default_rng(0).normal(0, 2, truth.shape))
    flow = ConstantFlow(0, 0)
    both = fuse(video, together(first, second), told, flow, SIZE)  # type: ignore[arg-type]
    assert flow.pairs == [(f, f + 1) for f in (*range(5), *range(9, 16))]
    alone = fuse(video, first, told, flow, SIZE) | fuse(video, second, told, flow, SIZE)  # type: ignore[arg-type]
    assert sorted(both) == sorted(alone)
    for key, fused in both.items():
        assert_same(fused, alone[key])


def test_frames_that_were_skipped_end_a_run() -> None:
    truth, flow = walk(10), ConstantFlow(0, 0)
    one = InstanceFusion(tracks_of(truth, [1, 8]), 0, Blind(), flow, SIZE)  # type: ignore[arg-type]
    given = []
    for frame, image in numbered(10).frames():
        if frame not in (4, 5):
            given += [number for number, _ in one.push(frame, image)]
    given += [number for number, _ in one.finish()]
    assert sorted(given) == [0, 1, 2, 3, 6, 7, 8, 9]
    assert flow.pairs == [(0, 1), (1, 2), (2, 3), (6, 7), (7, 8), (8, 9)]


def test_a_cut_separates_the_labels_on_both_sides() -> None:
    truth = walk(14)
    flow = ConstantFlow(0, 0)
    blind = Blind()

    def after(cuts: list[int], shift: float) -> dict[tuple[int, int], Fused]:
        tracks = tracks_of(truth, [2])
        tracks.instances[11, 0] = set_by_hand(11, truth[11] + np.array([shift, 0]))
        tracks.info["propagation"] = {"cuts": cuts}
        return fuse(numbered(14), tracks, blind, flow, SIZE)  # type: ignore[arg-type]

    here, there = after([7], 0), after([7], 8)
    assert (6, 7) not in flow.pairs
    assert (7, 8) in flow.pairs
    for frame in range(7):
        assert_same(here[frame, 0], there[frame, 0])
    assert np.abs(here[8, 0].xy - there[8, 0].xy).max() > 4
    # Without the cut the label's place is felt on the other side.
    flow.pairs.clear()
    here, there = after([], 0), after([], 8)
    assert (6, 7) in flow.pairs
    assert np.abs(here[5, 0].mass - there[5, 0].mass).max() > 0.05


def test_a_frame_without_any_point_ends_a_run() -> None:
    truth = walk(9)
    tracks = tracks_of(truth, [1, 7])
    tracks.instances[4, 0] = Points.empty(3)
    flow = ConstantFlow(0, 0)
    result = fuse(numbered(9), tracks, Blind(), flow, SIZE)  # type: ignore[arg-type]
    assert sorted(frame for frame, _ in result) == [0, 1, 2, 3, 5, 6, 7, 8]
    assert (3, 4) not in flow.pairs
    assert (4, 5) not in flow.pairs


# ------------------------------------------------------------------------------------------------- memory, others


def test_memory_holds_two_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[weakref.ref[Tensor]] = []
    genuine = fusion.likelihood

    def watched(*arguments: Any) -> Tensor:
        made = genuine(*arguments)
        alive.append(weakref.ref(made))
        return made

    monkeypatch.setattr(fusion, "likelihood", watched)
    count, every = 30, 5
    one = InstanceFusion(tracks_of(walk(count), range(0, count, every)), 0, Blind(), ConstantFlow(0, 0), SIZE)  # type: ignore[arg-type]
    most, settled = 0, 0
    for frame, image in numbered(count).frames():
        settled += len(list(one.push(frame, image)))
        most = max(most, sum(ref() is not None for ref in alive))
        assert frame + 1 - settled <= 2 * every
    assert len(alive) == count
    assert every < most <= 2 * every
    settled += len(list(one.finish()))
    gc.collect()
    assert settled == count
    assert not any(ref() is not None for ref in alive)


def test_subjects_do_not_know_of_each_other() -> None:
    rng = np.random.default_rng(1)
    truth = walk(10, 1)
    told = Told(truth + rng.normal(0, 2, truth.shape))
    mine = tracks_of(truth, [0, 6])
    other = tracks_of(truth + 8, [3], instance=4, frames=range(2, 8))
    flow, video = ConstantFlow(1, 0), numbered(10)
    both = fuse(video, together(mine, other), told, flow, SIZE)  # type: ignore[arg-type]
    alone = fuse(video, mine, told, flow, SIZE) | fuse(video, other, told, flow, SIZE)  # type: ignore[arg-type]
    assert sorted(both) == sorted(alone) == sorted([*mine.instances, *other.instances])
    for key, fused in both.items():
        assert_same(fused, alone[key])


# ------------------------------------------------------------------------------------------------- with real parts


@pytest.fixture(scope="module")
def clip() -> tuple[ArrayVideo, np.ndarray]:
    """Coloured spots that move with a grey texture, and where they are."""
    rng = np.random.default_rng(3)
    big = sum(cv2.GaussianBlur(rng.random((240, 280)), (0, 0), s) * s for s in (1.5, 4.0, 9.0))
    big = 90 * (big - np.min(big)) / np.ptp(big)
    truth = walk(9, 2, 1)
    frames = []
    for number, places in enumerate(truth):
        shift = np.array([[1, 0, 2.0 * number - 40], [0, 1, 1.0 * number - 40]])
        ground = cv2.warpAffine(big, shift, FRAME, flags=cv2.INTER_CUBIC)
        frames.append(spotted(places, FRAME, 2.5, np.repeat(ground[..., None], 3, axis=-1)))
    return ArrayVideo(frames), truth


def test_networks_and_flow_on_a_clip(clip: tuple[ArrayVideo, np.ndarray]) -> None:
    video, truth = clip
    tracks = tracks_of(truth, [0, 8], off=(7, 5))
    eyes = Appearance([spots_model(SIZE, 2, dark=0.5)], "float32")
    result = fuse(video, tracks, eyes, DisFlow(), SIZE)
    found = positions(result, range(9))
    assert np.linalg.norm(found - truth, axis=-1)[1:-1].max() < 0.8
    assert np.linalg.norm(np.stack([result[f, 0].alone for f in range(9)]) - truth, axis=-1).max() < 1
    again = fuse(video, tracks, eyes, DisFlow(), SIZE)
    assert list(again) == list(result)
    for key, fused in result.items():
        assert_same(fused, again[key])
