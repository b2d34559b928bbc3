"""Chains in steps of several frames: which pairs they take, how far they come, and that runs go on as they began."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from poof.flow.base import FlowEstimator
from poof.flow.field import FlowField, Region
from poof.flow.registry import create_flows
from poof.labels.model import LabelSet, Points, Skeleton
from poof.propagation import Settings, propagate
from poof.propagation.chains import BACKWARD, FORWARD, State, Stepper
from poof.propagation.engine import Engine, FlowChains
from poof.propagation.regions import Layout
from poof.propagation.result_cache import ResultCache
from poof.propagation.segment_flow import Pair, RegionFlow
from poof.synthetic import SyntheticVideo, sample, truth
from poof.video import open_video
from poof.video.base import ArrayVideo

FRAMES, SPEED, BIAS = 30, 2.0, 0.25
SIZE = (160, 48)


class Ticking(FlowEstimator):
    """Reads the time off the images: `SPEED` px a frame to the right, and `BIAS` px too much in every call."""

    grey = True

    def __init__(self, stride: int) -> None:
        self.name, self.stride = f"ticking/{stride}", stride
        self.apart: set[int] = set()

    def prepare(self, images: np.ndarray) -> list[np.ndarray]:
        return list(images)

    def between(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> np.ndarray:
        flows = np.zeros((len(first), 2, *first[0].shape[:2]), np.float32)
        for flow, a, b in zip(flows, first, second):
            steps = int(b[0, 0]) - int(a[0, 0])
            self.apart.add(abs(steps))
            flow[0] = SPEED * steps + BIAS
        return flows

    def batch_size(self, height: int, width: int) -> int:
        return 3

    def describe(self) -> dict[str, object]:
        return {"name": "ticking", "stride": self.stride}


def clock(cut: int | None = None) -> ArrayVideo:
    """Even frames whose value is their number; from `cut` on with a checkerboard over it."""
    images = []
    for number in range(FRAMES):
        image = np.full((SIZE[1], SIZE[0], 3), number, np.uint8)
        if cut is not None:
            rng = np.random.default_rng(0 if number < cut else 1)
            texture = cv2.resize(rng.integers(0, 2, (12, 40), np.uint8), SIZE, interpolation=cv2.INTER_NEAREST)
            image[4:] += 150 * texture[4:, :, None]
        images.append(image)
    return ArrayVideo(images)


def place(frame: int) -> np.ndarray:
    return np.array([[40.0 + SPEED * frame, 10.0], [30.0 + SPEED * frame, 30.0]], np.float32)


def flow_chains(strides: Sequence[int], marks: dict[int, np.ndarray], cut: int | None = None) -> FlowChains:
    labels = LabelSet(Skeleton(("a", "b")), image_size=SIZE)
    for frame, xy in marks.items():
        labels.add(frame, 0, Points.human(frame, xy))
    engine = Engine(clock(cut), labels, [Ticking(s) for s in strides], Settings(10, crop=False))
    for _ in engine.run():
        pass
    return engine.result()


@pytest.mark.parametrize("stride", [2, 3])
def test_longer_steps_are_fewer(stride: int) -> None:
    """After n frames a chain in steps of s has made n // s of them, and n % s single ones, each off by the bias."""
    found = flow_chains([1, stride], {4: place(4), 24: place(24)})
    for direction, anchor, sign in ((0, 4, 1), (1, 24, -1)):
        single, longer = (found.chains[0][e][direction] for e in (0, 1))
        for steps in range(1, 20):
            row = int(np.searchsorted(found.frames, anchor + sign * steps))
            calls = steps // stride + steps % stride
            assert single.xy[row, :, 0] == pytest.approx(place(anchor + sign * steps)[:, 0] + BIAS * steps, abs=1e-4)
            assert longer.xy[row, :, 0] == pytest.approx(place(anchor + sign * steps)[:, 0] + BIAS * calls, abs=1e-4)
            assert longer.cycle[row] == pytest.approx(2 * BIAS * calls, abs=1e-4)
            assert (longer.anchor[row] == anchor).all()


def test_a_keypoint_missing_at_a_label_is_carried_through_it_with_single_steps_there() -> None:
    middle = place(14)
    middle[1] = np.nan
    found = flow_chains([1, 2], {6: place(6), 14: middle, 22: place(22)})
    ahead, back = found.chains[0][1]
    rows = {frame: int(np.searchsorted(found.frames, frame)) for frame in (14, 15, 17, 21, 13, 11, 7)}
    for frame, calls in ((14, 4), (15, 5), (17, 6), (21, 8)):  # 8 frames in 4 steps, then 15 in a single one, 17, ...
        assert ahead.xy[rows[frame], 1, 0] == pytest.approx(place(frame)[1, 0] + BIAS * calls, abs=1e-4)
    for frame, calls in ((14, 4), (13, 5), (11, 6), (7, 8)):
        assert back.xy[rows[frame], 1, 0] == pytest.approx(place(frame)[1, 0] + BIAS * calls, abs=1e-4)
    assert ahead.anchor[rows[15]].tolist() == [14, 6]


def test_no_step_crosses_a_cut() -> None:
    found = flow_chains([1, 2], {4: place(4), 24: place(24)}, cut=13)
    assert found.cuts == [13]
    for both in found.chains[0]:
        ahead, back = (one.frames[np.isfinite(one.xy).all(axis=(1, 2))] for one in both)
        assert ahead[ahead < 24].max() == 12 and back[back > 4].min() == 13


def test_a_step_of_two_frames_counts_as_two_against_the_reach() -> None:
    flow = Ticking(2)
    image = np.zeros((2, SIZE[1], SIZE[0]), np.uint8)
    image[1] = 2
    region = Region.whole(SIZE)
    there, back = (FlowField(f[0], region) for f in flow.both(image[:1], image[1:]))
    pair = Pair(Layout((region,), {0: 0}), [RegionFlow(there, back)], cut=False)
    state = State.none(2).restart(0, place(0))
    for direction in (FORWARD, BACKWARD):
        assert not Stepper(SIZE, 1).step(state, pair, 0, direction, 0, 2).running.any()
        assert Stepper(SIZE, 2).step(state, pair, 0, direction, 0, 2).running.all()


def test_an_estimator_with_a_stride_needs_one_without_beside_it() -> None:
    with pytest.raises(ValueError, match="steps over 2 frames"):
        flow_chains([2], {4: place(4)})


def test_going_on_and_correcting_give_what_a_full_run_gives(tmp_path: Path) -> None:
    scene = sample("constant", velocity=(0.75, 0.5), frames=27)
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, image in SyntheticVideo(scene).frames():
        cv2.imwrite(str(folder / f"{number:03d}.png"), image[..., ::-1])
    exact, cache = truth(scene), ResultCache(tmp_path / "cache")

    def run(frames: Sequence[int], kept: ResultCache | None, missing: int | None = None) -> LabelSet:
        labels = exact.replace(instances={k: p.copy() for k, p in exact.instances.items() if k[0] in frames})
        if missing is not None:
            xy = labels.instances[missing, 0].xy
            xy[3] = np.nan
            labels.instances[missing, 0] = Points.human(missing, xy)
        return propagate(open_video(folder), labels, create_flows("dis"), Settings(3), cache=kept)

    for frames, missing in (((6, 14, 22), None), ((6, 10, 14, 22), None), ((6, 10, 14, 22), 14), ((6, 14, 23), 14)):
        again, full = run(frames, cache, missing), run(frames, None, missing)
        assert again.instances.keys() == full.instances.keys()
        for key, points in full.instances.items():
            np.testing.assert_array_equal(again.instances[key].xy, points.xy)
            np.testing.assert_array_equal(again.instances[key].confidence, points.confidence)
