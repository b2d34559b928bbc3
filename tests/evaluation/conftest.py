"""Small label sets with known numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from poof.labels.model import LabelSet, Points, Skeleton, Source

NAN = float("nan")


@pytest.fixture
def people() -> Callable[..., LabelSet]:
    """Label sets of a person: `people({(frame, instance): xy}, keypoints, visible={...}, image_size=...)`."""

    def make(
        points: Mapping[tuple[int, int], Any],
        keypoints: tuple[str, ...] = ("a", "b"),
        visible: Mapping[tuple[int, int], Any] | None = None,
        boxes: Mapping[tuple[int, int], Any] | None = None,
        **changes: Any,
    ) -> LabelSet:
        labels = LabelSet(Skeleton(keypoints), **changes)
        for (frame, instance), xy in points.items():
            seen = None if visible is None else np.asarray(visible[frame, instance])
            box = None if boxes is None else np.asarray(boxes[frame, instance])
            labels.add(frame, instance, Points.human(frame, np.asarray(xy, np.float32), seen, box))
        return labels

    return make


@pytest.fixture
def machine(people: Callable[..., LabelSet]) -> Callable[..., LabelSet]:
    """The same as a prediction: every point of a model, with a confidence; `anchors` are frames a person labelled."""

    def make(
        points: Mapping[tuple[int, int], Any],
        keypoints: tuple[str, ...] = ("a", "b"),
        confidence: float | Mapping[tuple[int, int], Any] = 0.5,
        anchors: tuple[int, ...] = (),
        **changes: Any,
    ) -> LabelSet:
        labels = people(points, keypoints, **changes)
        for (frame, instance), own in labels.instances.items():
            if frame in anchors:
                continue
            there = own.labelled
            nearest = min(anchors, key=lambda a: abs(a - frame), default=-1)
            own.source[there] = Source.PROPAGATED if anchors else Source.PREDICTED
            own.anchor[there] = nearest
            own.steps[there] = abs(frame - nearest) if anchors else 0
            value = confidence if isinstance(confidence, float) else confidence[frame, instance]
            own.confidence[there] = np.broadcast_to(value, len(own))[there]
        return labels

    return make
