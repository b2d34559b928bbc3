"""A scene as the rest of the package sees it: a video, a label set, and scenes one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from poof.errors import PoofError
from poof.labels.model import LabelSet, Points, Skeleton, Visible
from poof.synthetic.scene import Scene
from poof.video.base import Video

Array = np.ndarray


class Clip(Protocol):
    """What `Scene` and `Spliced` share."""

    @property
    def name(self) -> str:
        """How messages call it."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""

    @property
    def frames(self) -> int:
        """Number of frames."""

    @property
    def fps(self) -> float:
        """Frames a second."""

    @property
    def skeleton(self) -> Skeleton:
        """Of its players."""

    def image(self, number: int) -> Array:
        """(H, W, 3) uint8 RGB."""

    def points(self, time: float) -> Array:
        """(I, K, 2) keypoints, pixels, also where hidden or outside."""

    def visible(self, time: float) -> Array:
        """(I, K) int8 `Visible`."""

    def flow(self, first: float, second: float) -> tuple[Array, Array]:
        """(2, H, W) float32 displacements and (H, W) bool whether `second` shows the pixel; see `Scene.flow`."""


@dataclass(frozen=True, eq=False)
class Spliced:
    """Two scenes with a hard cut between them; sizes, rates and skeletons agree."""

    first: Scene
    second: Scene

    def __post_init__(self) -> None:
        for name in ("size", "fps"):
            if getattr(self.first, name) != getattr(self.second, name):
                raise PoofError(
                    f"spliced scenes differ in {name}: {getattr(self.first, name)}, {getattr(self.second, name)}"
                )
        if len(self.first.players) != len(self.second.players) or self.first.skeleton != self.second.skeleton:
            raise PoofError("spliced scenes need the same number of players with the same skeleton")

    @property
    def name(self) -> str:
        """The first scene's."""
        return self.first.name

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.first.size

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self.first.fps

    @property
    def frames(self) -> int:
        """Of both together."""
        return self.first.frames + self.second.frames

    @property
    def cut(self) -> int:
        """Number of the first frame behind the cut."""
        return self.first.frames

    @property
    def skeleton(self) -> Skeleton:
        """The one both have."""
        return self.first.skeleton

    def _part(self, time: float) -> tuple[Scene, float]:
        # Half a frame early: the exposure of the frame behind the cut begins there.
        return (self.first, time) if time < self.cut - 0.5 else (self.second, time - self.cut)

    def image(self, number: int) -> Array:
        """(H, W, 3) uint8 RGB."""
        scene, own = self._part(number)
        return scene.image(int(own))

    def points(self, time: float) -> Array:
        """(I, K, 2) keypoints, pixels."""
        scene, own = self._part(time)
        return scene.points(own)

    def visible(self, time: float) -> Array:
        """(I, K) int8 `Visible`."""
        scene, own = self._part(time)
        return scene.visible(own)

    def flow(self, first: float, second: float) -> tuple[Array, Array]:
        """As `Scene.flow`; across the cut zero and nowhere valid."""
        (scene, start), (other, end) = self._part(first), self._part(second)
        if scene is other:
            return scene.flow(start, end)
        width, height = self.size
        return np.zeros((2, height, width), np.float32), np.zeros((height, width), bool)


@dataclass(frozen=True, eq=False)
class Frame:
    """One rendered frame.

    Attributes
    ----------
    number
        0-based.
    image : (H, W, 3) uint8
        RGB.
    points : (I, K, 2) float64
        Keypoints of every instance at mid-exposure, also where hidden or outside the image; pixels, origin at the
        centre of the top-left pixel.
    visible : (I, K) int8
        `Visible`: 2 when a surface that carries the keypoint is on top there, 1 when anything else covers it, 0 when it
        lies outside the image (beyond the centres of the border pixels).
    """

    number: int
    image: Array
    points: Array
    visible: Array


def render(scene: Clip, number: int) -> Frame:
    """Frame `number` of a scene; a `PoofError` beyond its ends."""
    if not 0 <= number < scene.frames:
        raise PoofError(f"{scene.name}: has no frame {number}; it ends at frame {scene.frames - 1}")
    return Frame(number, scene.image(number), scene.points(number), scene.visible(number))


def truth(scene: Clip) -> LabelSet:
    """Every frame labelled as an infallible person would: hidden points placed and flagged, points outside left out."""
    labels = LabelSet(scene.skeleton, image_size=scene.size, info={"scene": scene.name})
    for number in range(scene.frames):
        for instance, (xy, visible) in enumerate(zip(scene.points(number), scene.visible(number))):
            shown = np.where((visible == Visible.UNLABELLED)[:, None], np.nan, xy)
            if np.isfinite(shown).any():
                labels.add(number, instance, Points.human(number, shown.astype(np.float32), visible))
    return labels


class SyntheticVideo(Video):
    """The frames of a scene, rendered as they are asked for."""

    def __init__(self, scene: Clip) -> None:
        self.scene = scene
        self.name, self.size, self.fps = scene.name, scene.size, scene.fps

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Array]]:
        """See `Video.frames`."""
        end = self.scene.frames if stop is None else min(stop, self.scene.frames)
        for number in range(max(start, 0), end):
            yield number, self.scene.image(number)

    def count(self) -> int:
        """See `Video.count`."""
        return self.scene.frames
