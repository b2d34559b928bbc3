"""Protocol of a subject in a scene, and the simplest one: keypoints on the backdrop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from poof.labels.model import Skeleton
from poof.synthetic.skeleton import numbered_skeleton
from poof.synthetic.surfaces import Surface

Array = np.ndarray


class Player(Protocol):
    """One instance in a scene. `view` is the camera's matrix (3, 3) at `time`, `name` the prefix of its keys."""

    @property
    def skeleton(self) -> Skeleton:
        """Names and structure of its K keypoints."""

    @property
    def depth(self) -> float:
        """Players of larger depth are drawn over those of smaller."""

    def points(self, time: float, view: Array) -> Array:
        """(K, 2) image points of its keypoints at `time` (frames, also between them)."""

    def surfaces(self, time: float, view: Array, name: str) -> list[Surface]:
        """Its surfaces, farthest first, keys `name/part`."""

    def carriers(self, keypoint: int, name: str) -> set[str]:
        """Keys of the surfaces that have the keypoint as one of their points."""

    def shadow(self, time: float, view: Array) -> tuple[Array, float] | None:
        """Image point (2,) and half-width in pixels of its shadow, None for none."""


@dataclass(frozen=True, eq=False)
class BackdropKeypoints:
    """Keypoints on the backdrop itself, for scenes whose flow is known in closed form.

    Attributes
    ----------
    at : (K, 2)
        World pixels at time 0.
    slide
        World pixels a frame by which the points move over the texture. With (0, 0) the flow moves them exactly; else a
        chain of exact flows falls behind by |slide| in every step, which is a drift of a known rate.
    """

    at: Array
    slide: tuple[float, float] = (0.0, 0.0)
    depth: float = 0.0

    @property
    def skeleton(self) -> Skeleton:
        """`p0`, `p1` ... without edges."""
        return numbered_skeleton(len(self.at))

    def points(self, time: float, view: Array) -> Array:
        """See `Player.points`."""
        return (self.at + time * np.array(self.slide)) @ view[:2, :2].T + view[:2, 2]

    def surfaces(self, time: float, view: Array, name: str) -> list[Surface]:
        """None of its own."""
        return []

    def carriers(self, keypoint: int, name: str) -> set[str]:
        """The backdrop."""
        return {"backdrop"}

    def shadow(self, time: float, view: Array) -> tuple[Array, float] | None:
        """None."""
        return None
