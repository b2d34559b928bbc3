"""OpenCV's DIS: known error, the same result every time, small images, and a start from another flow."""

from __future__ import annotations

import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest
from flow_material import endpoint_error, shifted_pair, texture

from poof.flow.base import FlowEstimator
from poof.flow.dis import PRESETS, DisFlow, cores
from poof.flow.start import StartedDisFlow

Pairs = list[tuple[np.ndarray, np.ndarray, np.ndarray]]


def test_endpoint_error_on_flyingchairs(chairs: Pairs) -> None:
    dis = DisFlow()
    firsts, seconds, truths = (np.stack(side) for side in zip(*chairs))
    errors = [endpoint_error(f, t).mean() for f, t in zip(dis.estimate(firsts, seconds), truths)]
    # 3.70 px over nine pairs, of which these are five.
    np.testing.assert_allclose(errors, [8.22, 1.59, 3.45, 1.32, 2.67], atol=0.25)
    assert np.mean(errors) == pytest.approx(3.45, abs=0.1)


@pytest.mark.parametrize("preset", PRESETS)
def test_it_is_opencvs_own_result(preset: str) -> None:
    first, second = shifted_pair(90, 130, 5, -3)
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (first, second)]
    expected = cv2.DISOpticalFlow.create(PRESETS[preset]).calc(*grey, None)
    flow = DisFlow(preset).estimate(first[None], second[None])[0]
    np.testing.assert_array_equal(flow, np.moveaxis(expected, -1, 0))


def test_the_result_does_not_depend_on_the_number_of_threads(chairs: Pairs) -> None:
    firsts, seconds, _ = (np.stack(side) for side in zip(*chairs))
    dis = DisFlow()
    expected = dis.estimate(firsts, seconds)
    before = cv2.getNumThreads()
    try:
        for count in (1, 2, 5):
            cv2.setNumThreads(count)
            np.testing.assert_array_equal(DisFlow(workers=count).estimate(firsts, seconds), expected)
    finally:
        cv2.setNumThreads(before)


@pytest.mark.parametrize("preset", PRESETS)
def test_what_came_before_has_no_influence(preset: str) -> None:
    """OpenCV's solver remembers the scales it chose for a small image; poof's estimator must not."""
    small, large = ([texture(*size, seed)[None] for seed in (1, 2)] for size in ((30, 44), (150, 200)))
    expected = [DisFlow(preset).estimate(*pair) for pair in (small, large)]
    dis = DisFlow(preset, workers=1)
    for pair, flow in ((small, expected[0]), (large, expected[1]), (small, expected[0]), (large, expected[1])):
        np.testing.assert_array_equal(dis.estimate(*pair), flow)


def test_pairs_of_a_batch_are_worked_on_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = threading.Barrier(3, timeout=300)  # passes only if three pairs are under way together
    monkeypatch.setattr(DisFlow, "_pair", lambda self, a, b, start: meeting.wait() * 0 + np.zeros((*a.shape, 2)))
    dis = DisFlow(workers=3)
    images = dis.prepare(np.stack([texture(20, 20)] * 3))
    assert dis.between(images, images).shape == (3, 2, 20, 20)


def test_a_fault_in_one_pair_reaches_the_caller() -> None:
    dis = DisFlow(workers=2)
    images = dis.prepare(np.stack([texture(40, 40)] * 3))
    with pytest.raises(cv2.error):
        dis.between([*images[:2], images[2][:, :20]], images)


def test_one_worker_for_each_core() -> None:
    assert DisFlow().batch_size(100, 100) == DisFlow().workers == cores() >= 1


@pytest.mark.parametrize(("preset", "finest"), [("medium", None), ("medium", 2), ("fast", None), ("ultrafast", None)])
def test_sizes_that_crash_opencv_do_not_crash_us(preset: str, finest: int | None) -> None:
    """OpenCV 5.0.0 reads outside its buffers for short sides beside long ones; it may kill the process, so try one."""
    code = (
        "import sys, numpy as np; from poof.flow.dis import DisFlow; r = np.random.default_rng(0)\n"
        f"d = DisFlow({preset!r}, finest_scale={finest})\n"
        "for h, w in [(1, 1), (1, 300), (300, 1), (8, 200), (13, 40), (15, 90), (16, 80), (31, 500), (9, 2000)]:\n"
        "    for _ in range(3):\n"
        "        f = d.estimate(*r.integers(0, 255, (2, 1, h, w, 3), np.uint8))\n"
        "        assert f.shape == (1, 2, h, w) and np.isfinite(f).all(), (h, w)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, (run.returncode, run.stderr[-500:])


def test_padding_keeps_the_motion() -> None:
    first, second = shifted_pair(12, 120, 2, 0)
    flow = DisFlow().estimate(first[None], second[None])[0]
    assert np.median(flow[0]) == pytest.approx(2, abs=0.2)
    assert np.median(np.abs(flow[1])) < 0.2


# ------------------------------------------------------------------------------------------------- begun from a flow


def leaping_patch() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A patch of 32 px that leaps by (70, 0) over a still ground, and the true flow: DIS loses such a patch."""
    ground, patch = texture(120, 240, 1), texture(32, 32, 2)
    first, second = ground.copy(), ground.copy()
    first[40:72, 40:72], second[40:72, 110:142] = patch, patch
    truth = np.zeros((2, 120, 240), np.float32)
    truth[0, 40:72, 40:72] = 70
    return first, second, truth


class Known(FlowEstimator):
    """Knows the answer, up to a constant fault in px."""

    name = "known"

    def __init__(self, there: np.ndarray, fault: float = 0.0) -> None:
        self.there = there + np.float32(fault)

    def prepare(self, images: np.ndarray) -> list[None]:
        return [None] * len(images)

    def between(self, first: object, second: object) -> np.ndarray:
        return self.there[None]

    def describe(self) -> dict[str, object]:
        return {"name": self.name}


def test_dis_finds_a_leap_only_from_a_good_start() -> None:
    first, second, truth = leaping_patch()
    inside = (slice(46, 66), slice(46, 66))
    alone = DisFlow().estimate(first[None], second[None])[0]
    assert np.median(endpoint_error(alone, truth)[inside]) > 50
    started = StartedDisFlow(Known(truth, fault=0.7), DisFlow())
    error = endpoint_error(started.estimate(first[None], second[None])[0], truth)
    assert np.median(error[inside]) < 0.15  # the leap is kept, the fault of 0.7 px is gone
    assert np.median(error[truth[0] == 0]) < 0.01


def test_the_start_is_not_overwritten() -> None:
    first, second, truth = leaping_patch()
    start = truth[None].copy()
    dis = DisFlow()
    dis.refine(dis.prepare(first[None]), dis.prepare(second[None]), start)
    np.testing.assert_array_equal(start, truth[None])


def test_its_name_and_description_hold_both() -> None:
    started = StartedDisFlow(Known(np.zeros((2, 4, 4), np.float32)), DisFlow("fast"))
    assert started.name == "known>dis"
    described = started.describe()
    assert described["start"] == {"name": "known"}
    assert described["refinement"]["preset"] == "fast"
    assert started.batch_size(10, 10) == 1


@pytest.mark.parametrize("size", [(1, 1), (20, 7)])
def test_small_images_with_a_start(size: tuple[int, int]) -> None:
    images = np.stack([texture(*size)])
    started = StartedDisFlow(Known(np.ones((2, *size), np.float32)), DisFlow())
    assert started.estimate(images, images).shape == (1, 2, *size)


def test_grey_images_give_what_their_colours_give() -> None:
    first, second = shifted_pair(90, 130, 5, -3)
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[None] for image in (first, second)]
    dis = DisFlow()
    assert dis.grey
    np.testing.assert_array_equal(dis.estimate(*grey), dis.estimate(first[None], second[None]))
