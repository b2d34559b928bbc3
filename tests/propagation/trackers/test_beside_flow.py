"""Trackers in the blend of `propagate`, and on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from doubles import NAMES, SIZE, SPEED, Knowing, clock, labels_at
from doubles import where as straight

import poof
from poof.errors import PoofError
from poof.flow import FlowEstimator
from poof.labels import LabelSet
from poof.propagation import Settings, propagate
from poof.propagation.trackers import TracksFile


class Numb(FlowEstimator):
    """Sees hardly any of the motion, and forwards and backwards contradict each other a little."""

    name = "numb"

    def prepare(self, images: np.ndarray) -> list[np.ndarray]:
        return list(images)

    def between(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([np.full((2, *a.shape[:2]), 0.2, np.float32) for a, _ in zip(first, second, strict=True)])

    def describe(self) -> dict[str, Any]:
        return {"name": self.name}


class Fair(Numb):
    """Sees the straight part of the motion, a little too short; knows from the clock which frame comes first."""

    name = "fair"

    def between(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> np.ndarray:
        ways = [np.sign(float(b.flat[0]) - float(a.flat[0])) for a, b in zip(first, second, strict=True)]
        shape = first[0].shape[:2]
        return np.stack([np.broadcast_to((0.95 * w * SPEED)[:, None, None], (2, *shape)) for w in ways]).astype("f4")


NUMB = [Numb()]


def bow(frame: int) -> np.ndarray:
    """(2,) how far the way bends away from the straight one; not at all in the labelled frames 2, 22 and 42."""
    return np.array([0.0, 9 * np.sin(np.pi * (frame - 2) / 20)])


def where(frame: int) -> np.ndarray:
    """(3, 2) true places."""
    return straight(frame) + bow(frame)


def knowing(**more: int) -> Knowing:
    """A tracker that is right."""
    return Knowing(error=lambda n, begun: bow(n) - bow(begun), **more)


def errors(result: LabelSet) -> np.ndarray:
    off = [np.hypot(*(p.xy - where(f)).T) for f, _, p in result if f not in (2, 22)]
    return np.concatenate(off)


def table(path: Path, off: float = 0.0) -> Path:
    """Tracks of the clock, `off` pixels away from the labels' places in between."""
    lines = ["frame,keypoint,x,y,query_frame"]
    for query in (2, 22):
        for f in range(2, 23):
            share = np.sin(np.pi * (f - 2) / 20)
            lines += [f"{f},{n},{x + off * share:.3f},{y:.3f},{query}" for n, (x, y) in zip(NAMES, where(f))]
    path.write_text("\n".join(lines))
    return path


def test_a_tracker_that_closes_on_both_labels_outweighs_flow_that_does_not() -> None:
    video, labels, settings = clock(30), labels_at(2, 22), Settings(10, crop=False)
    alone = errors(propagate(video, labels, NUMB, settings))
    both = propagate(video, labels, NUMB, settings, trackers=[knowing()])
    assert np.median(alone) > 4
    assert np.median(errors(both)) < 1
    assert both.info["propagation"]["trackers"] == [{"name": "knowing"}]
    for frame in (2, 22):
        np.testing.assert_array_equal(both.instances[frame, 0].xy, labels.instances[frame, 0].xy)


def test_a_tracker_that_loses_its_points_does_no_harm() -> None:
    video, labels, settings = clock(30), labels_at(2, 22), Settings(10, crop=False)
    alone = errors(propagate(video, labels, [Fair()], settings))
    rng = np.random.default_rng(0)
    lost = Knowing(error=lambda n, begun: rng.normal(0, 4.0 * abs(n - begun), 2))
    assert errors(propagate(video, labels, [Fair()], settings, trackers=[lost])).mean() < 1.05 * alone.mean()


def test_tracks_of_a_file_join_with_nothing_else_installed(tmp_path: Path) -> None:
    video, labels, settings = clock(30), labels_at(2, 22), Settings(10, crop=False)
    file = TracksFile(table(tmp_path / "t.csv"))
    result = propagate(video, labels, NUMB, settings, trackers=[file])
    assert np.median(errors(result)[15:-24]) < 1
    (told,) = result.info["propagation"]["trackers"]
    assert told["file"] == "t.csv" and len(told["sha256"]) == 64
    by_path = poof.propagate(video, labels, NUMB, settings, trackers=[tmp_path / "t.csv"])
    np.testing.assert_array_equal(by_path.instances[12, 0].xy, result.instances[12, 0].xy)


def test_a_tracker_and_a_file_are_two_pieces_of_evidence(tmp_path: Path) -> None:
    video, labels, settings = clock(30), labels_at(2, 22), Settings(10, crop=False)
    shifted = TracksFile(table(tmp_path / "t.csv", off=6.0))
    one = propagate(video, labels, NUMB, settings, trackers=[shifted]).instances[12, 0].xy[:, 0] - where(12)[:, 0]
    two = propagate(video, labels, NUMB, settings, trackers=[shifted, knowing()]).instances[12, 0].xy[:, 0]
    assert (np.abs(two - where(12)[:, 0]) < 0.7 * np.abs(one)).all()


def test_only_the_blend_takes_tracks() -> None:
    with pytest.raises(PoofError, match="--method chain: takes no tracks beside flow"):
        propagate(clock(30), labels_at(2, 22), NUMB, Settings(10, method="chain"), trackers=[knowing()])


def test_a_part_alone_is_as_in_the_whole() -> None:
    video, labels, settings = clock(60), labels_at(2, 22, 42), Settings(10, crop=False)
    whole = propagate(video, labels, NUMB, settings, trackers=[knowing()])
    part = propagate(video, labels, NUMB, settings, trackers=[knowing()], only=range(25, 30))
    for frame in range(25, 30):
        np.testing.assert_allclose(part.instances[frame, 0].xy, whole.instances[frame, 0].xy, atol=1e-4)


def test_places_are_inside_the_picture() -> None:
    result = propagate(clock(30), labels_at(2, 22), NUMB, Settings(10, crop=False), trackers=[knowing(longest=64)])
    xy = np.concatenate([p.xy for _, _, p in result])
    assert (xy >= -0.5).all() and (xy <= np.array(SIZE) - 0.5).all()
