"""A short video and labels whose every point is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from poof.labels.model import LabelSet, Points, Skeleton, Source, Visible
from poof.video import ArrayVideo

Make = Callable[..., Points]


@pytest.fixture
def skeleton() -> Skeleton:
    return Skeleton(("head", "hand", "foot"), edges=((0, 1), (0, 2)), name="player")


@pytest.fixture
def make() -> Make:
    """Points carried from an anchor: `make(xy, anchor, steps, confidence, visible, source)`."""

    def points(
        xy: list[tuple[float, float]],
        anchor: int = 0,
        steps: int = 1,
        confidence: float | list[float] = 0.5,
        visible: int | list[int] = Visible.VISIBLE,
        source: int = Source.PROPAGATED,
    ) -> Points:
        made = Points.empty(len(xy))
        made.xy[:] = xy
        known = made.labelled
        made.visible[known] = np.broadcast_to(visible, len(xy))[known]
        made.source[known] = source
        made.anchor[known] = anchor
        made.steps[known] = steps
        made.confidence[known] = np.broadcast_to(confidence, len(xy))[known]
        return made

    return points


@pytest.fixture
def grey_video() -> ArrayVideo:
    """30 frames of 200x160; frame n is uniformly 60 + n."""
    return ArrayVideo([np.full((160, 200, 3), 60 + n, np.uint8) for n in range(30)], fps=20.0, name="grey")


@pytest.fixture
def labels(skeleton: Skeleton, make: Make) -> LabelSet:
    """Frames 5..15 of `grey_video`: anchor 10, the others carried from it, moving 2 px a frame."""
    found = LabelSet(skeleton, image_size=(200, 160))
    for frame in range(5, 16):
        shift = 2.0 * (frame - 10)
        xy = [(100 + shift, 50), (130 + shift, 80), (90 + shift, 120)]
        if frame == 10:
            found.add(frame, 0, Points.human(frame, np.array(xy)))
        else:
            away = abs(frame - 10)
            found.add(frame, 0, make(xy, anchor=10, steps=away, confidence=1 - 0.1 * away))
    return found
