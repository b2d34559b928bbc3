"""Flow in rectangles around the subjects against flow of the whole frame, before a camera that stands still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from poof.flow.base import FlowEstimator
from poof.flow.registry import create_flow
from poof.labels.model import LabelSet, Points, Skeleton
from poof.propagation import Settings, propagate, regions
from poof.synthetic import Camera, SyntheticVideo, sample, truth
from poof.video.base import ArrayVideo


def places(result: LabelSet) -> np.ndarray:
    """(N, K, 2): the propagated points of every frame."""
    return np.stack([points.xy for _, _, points in result if not points.is_human.any()])


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distances in pixels of the points that both have."""
    distance = np.hypot(*np.moveaxis(a.astype(float) - b, -1, 0))
    return distance[np.isfinite(distance)]


class Written(FlowEstimator):
    """Reads the flow out of the colours: red and green are dx and dy in steps of 1/32 px, 128 being none."""

    name = "written"

    def __init__(self) -> None:
        self.seen: set[tuple[int, ...]] = set()

    def prepare(self, images: np.ndarray) -> list[np.ndarray]:
        self.seen |= {image.shape[:2] for image in images}
        return list(images)

    def between(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([(np.moveaxis(image[..., :2], -1, 0).astype(np.float32) - 128) / 32 for image in first])

    def describe(self) -> dict[str, Any]:
        return {"name": self.name}


def test_where_flow_is_local_a_rectangle_gives_what_the_whole_frame_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the arithmetic of coordinates is left to differ, and it must not: within 1e-3 px after ten steps."""
    monkeypatch.setattr(regions, "ENLARGE", 1.0)  # shown pixel for pixel, or resizing would blur what is written
    rng = np.random.default_rng(4)
    coarse = rng.uniform(40, 216, (9, 16, 2)).astype(np.float32)
    written = np.rint(cv2.resize(coarse, (640, 360), interpolation=cv2.INTER_CUBIC)).clip(0, 255).astype(np.uint8)
    video = ArrayVideo([np.dstack([written, rng.integers(0, 255, (360, 640), np.uint8)]) for _ in range(21)])
    given = LabelSet(Skeleton(tuple("abcdefgh")), image_size=video.size)
    given.add(10, 0, Points.human(10, rng.uniform([250, 120], [390, 240], (8, 2))))
    results = {}
    for crop in (True, False):
        flow = Written()
        results[crop] = places(propagate(video, given, flow, Settings(10, "chain", crop=crop, area=10**6)))
        assert ((360, 640) in flow.seen) == (not crop)
    assert apart(results[False][0], given.instances[10, 0].xy).max() > 2  # else the comparison says nothing
    np.testing.assert_allclose(results[True], results[False], atol=1e-3)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_rectangle_agrees_with_the_whole_frame_of_a_camera_that_stands_still(seed: int) -> None:
    """With DIS, whose patches see their surroundings and whose scales end with the image; shown at about its own scale.

    Half of the points end up within 0.5 px of each other after up to ten steps (0.23 and 0.26 px found), nine of ten
    within 2.5 px; those further apart are on edges of motion, where both are wrong.
    """
    scene = replace(sample("demo", seed=seed), camera=Camera(((0, 390, 226, 1, 0),)), occluders=(), frames=21)
    exact = truth(scene)
    video = ArrayVideo([image for _, image in SyntheticVideo(scene).frames()])
    given = exact.replace(instances={(10, 0): exact.instances[10, 0]})
    flow = create_flow("dis")
    whole = places(propagate(video, given, flow, Settings(10, "chain", crop=False)))
    crop = places(propagate(video, given, flow, Settings(10, "chain", area=110_000)))
    right = np.stack([points.xy for frame, _, points in exact if frame != 10])
    distance = apart(crop, whole)
    assert distance.size > 250
    assert np.median(distance) < 0.5
    assert np.quantile(distance, 0.9) < 2.5
    assert apart(crop, right).mean() <= apart(whole, right).mean()
