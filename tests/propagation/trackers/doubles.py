"""Videos whose frames tell their number, and trackers that know how points move in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from poof.labels import LabelSet, Points, Skeleton
from poof.propagation.trackers import Found, PointTracker
from poof.video.base import ArrayVideo

SIZE = (160, 120)
SPEED = np.array([1.5, 0.5])
STARTS = np.array([[20.0, 30.0], [40.0, 60.0], [60.0, 80.0]])
NAMES = ("nose", "left_paw", "tail_base")


def clock(frames: int, size: tuple[int, int] = SIZE) -> ArrayVideo:
    """A video in which every pixel of a frame is the frame's number."""
    return ArrayVideo([np.full((size[1], size[0], 3), n, np.uint8) for n in range(frames)], name="clock.mp4")


def where(frame: int) -> np.ndarray:
    """(3, 2) true places."""
    return STARTS + SPEED * frame


def labels_at(*frames: int, lacking: dict[int, tuple[int, ...]] | None = None) -> LabelSet:
    """Labels of the three keypoints in these frames; `lacking` names those that a frame does not have."""
    labels = LabelSet(Skeleton(NAMES), image_size=SIZE)
    for frame in frames:
        xy = where(frame)
        xy[list((lacking or {}).get(frame, ()))] = np.nan
        labels.add(frame, 0, Points.human(frame, xy))
    return labels


class Knowing(PointTracker):
    """Reads a frame's number from its pixels and moves every point as `where` does, with an error on top."""

    name = "knowing"

    def __init__(
        self,
        window: int = 64,
        overlap: int = 4,
        longest: int = 1024,
        error: Callable[[int, int], np.ndarray] | None = None,
        room: int | None = None,
    ) -> None:
        self.window, self.overlap, self.longest = window, overlap, longest
        self.error, self.room = error, room
        self.calls: list[tuple[list[int], np.ndarray]] = []

    def track(self, frames: np.ndarray, queries: np.ndarray) -> Found:
        if self.room is not None and len(frames) > self.room:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        numbers = frames[:, 0, 0, 0].astype(int)
        self.calls.append((numbers.tolist(), queries.copy()))
        shown = np.array([frames.shape[2], frames.shape[1]]) / np.array(SIZE)
        begun = numbers[queries[:, 0].astype(int)]
        xy = queries[None, :, 1:] + shown * SPEED * (numbers[:, None] - begun[None])[..., None]
        if self.error is not None:
            xy += shown * np.stack([self.error(int(n), int(b)) for n in numbers for b in begun]).reshape(xy.shape)
        return Found(xy, np.ones(xy.shape[:2]), np.full(xy.shape[:2], 0.9))

    def describe(self) -> dict[str, Any]:
        return {"name": self.name}
