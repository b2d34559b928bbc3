"""The scene's own flow behind the protocol of the estimators: what a perfect estimator would give."""

from __future__ import annotations

from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np

from poof.errors import PoofError
from poof.flow.base import FlowEstimator
from poof.synthetic.clip import Clip

Array = np.ndarray


class ExactFlow(FlowEstimator):
    """Knows the frames of one scene by their pixels and gives the flow they were rendered with.

    Chains of it lose a point only where something covers it, so it separates the faults of a method from those of an
    estimator. Every frame is rendered once, at the first use.
    """

    name = "exact"

    def __init__(self, scene: Clip) -> None:
        self.scene = scene

    @cached_property
    def _numbers(self) -> dict[bytes, int]:
        return {_digest(self.scene.image(number)): number for number in range(self.scene.frames)}

    def prepare(self, images: Array) -> list[int]:
        """The frame numbers of RGB uint8 (B, H, W, 3); a `PoofError` for an image that is no frame of the scene."""
        found = [self._numbers.get(_digest(image), -1) for image in images]
        if -1 in found:
            raise PoofError(f"{self.scene.name}: image {found.index(-1)} of the batch is no frame of this scene")
        return found

    def between(self, first: Any, second: Any) -> Array:
        """See `FlowEstimator.between`."""
        return np.stack([self.scene.flow(a, b)[0] for a, b in zip(first, second)])

    def describe(self) -> dict[str, Any]:
        """See `FlowEstimator.describe`."""
        return {"name": self.name, "scene": self.scene.name}


def _digest(image: Array) -> bytes:
    return sha256(np.ascontiguousarray(image).tobytes()).digest()
