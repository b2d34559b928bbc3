"""The interface of videos: exact frames in order, by number."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from poof.errors import PoofError

OnDamage = Literal["stop", "continue"]

DEFAULT_FPS = 25.0
"""Frames per second of a source that has no rate of its own (image folders)."""


@dataclass(frozen=True)
class Damage:
    """Where reading stopped before the end of the file: `frame` is the first frame that could not be had."""

    frame: int
    reason: str


@dataclass(frozen=True)
class Hole:
    """Frames `start` <= number < `stop` that cannot be read, though there are good ones behind them."""

    start: int
    stop: int
    reason: str


class Video(ABC):
    """A sequence of RGB frames, all of one size, numbered from 0 in the order in which they are decoded.

    Attributes
    ----------
    name : str
        How messages call it (a path for files).
    size : (int, int)
        (width, height) in pixels, after rotation.
    fps : float
        Mean frame rate; `DEFAULT_FPS` where the source has none (image folders).
    frame_names : sequence of str or None
        File name of each frame for image folders, None for video files.
    damage : Damage or None
        Set once reading met damage: the frames before it are good, there are none after it.
    holes : tuple of Hole
        Damage that reading went on behind (``open_video(..., on_damage="continue")``), as far as it was met: a pass
        leaves these numbers out. Always empty otherwise.
    """

    name: str
    size: tuple[int, int]
    fps: float
    frame_names: Sequence[str] | None = None
    damage: Damage | None = None
    holes: tuple[Hole, ...] = ()

    @abstractmethod
    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """(number, image) of the frames start <= number < stop in order; image is RGB uint8 (H, W, 3).

        Each image belongs to the caller. Its rows may be padded, as decoders do: copying every frame only to close
        the gaps would cost a third of the whole reading.
        Ends early, without an error, where the video ends or is damaged (`damage` then says where). Numbers follow
        each other without gaps, except for `holes`.
        Each call is an independent pass.
        """

    def filled(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray, bool]]:
        """(number, image, whether it is the frame's own) without gaps: in a hole the image before it is repeated.

        A hole at the very beginning has the image behind it.
        """
        following = max(start, 0)
        before: np.ndarray | None = None
        for number, image in self.frames(start, stop):
            for missing in range(following, number):
                yield missing, (image if before is None else before).copy(), False
            yield number, image, True
            following, before = number + 1, image

    @abstractmethod
    def count(self) -> int:
        """Number of frames, found by decoding (once), never read from a header: the last one's number plus 1."""

    def read(self, frames: Sequence[int]) -> dict[int, np.ndarray]:
        """Single frames by number.

        Raises
        ------
        PoofError
            If a frame lies beyond the end or behind damage.
        """
        wanted = frozenset(frames)
        if not wanted:
            return {}
        got = dict(self._pick(wanted))
        missing = min(wanted - got.keys(), default=None)
        if missing is None:
            return got
        for hole in self.holes:
            if hole.start <= missing < hole.stop:
                raise PoofError(
                    f"{self.name}: frame {missing} cannot be read, frames {hole.start} to {hole.stop - 1} are damaged "
                    f"({hole.reason}); use others"
                )
        if self.damage is not None and missing >= self.damage.frame:
            raise PoofError(
                f"{self.name}: frame {missing} cannot be read, the video is damaged from frame {self.damage.frame} on "
                f"({self.damage.reason}); use frames before it or repair the file"
            )
        raise PoofError(f"{self.name}: has no frame {missing}; its frames are 0 to {self.count() - 1}")

    def _pick(self, wanted: Collection[int]) -> Iterator[tuple[int, np.ndarray]]:
        """(number, image) of the `wanted` frames that there are, in order; overridden where skipping is cheaper."""
        for number, image in self.frames(min(wanted), max(wanted) + 1):
            if number in wanted:
                yield number, image


class ArrayVideo(Video):
    """Frames that are in memory already, (N, H, W, 3) RGB uint8 or a list of such images.

    Raises
    ------
    PoofError
        If there are no images, or one is not RGB uint8 (H, W, 3) of the size of the first.
    """

    def __init__(self, images: Sequence[np.ndarray], fps: float = DEFAULT_FPS, name: str = "array") -> None:
        if not len(images):
            raise PoofError(f"{name}: holds no frames; give at least one image")
        for number, image in enumerate(images):
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.shape != images[0].shape:
                raise PoofError(
                    f"{name}: frame {number} is {image.dtype} {image.shape}; give RGB uint8 (H, W, 3), all of one size"
                )
        self._images = images
        self.name, self.fps = name, fps
        self.size = (images[0].shape[1], images[0].shape[0])

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """See `Video.frames`."""
        for number in range(max(start, 0), min(len(self._images), len(self._images) if stop is None else stop)):
            yield number, self._images[number]

    def count(self) -> int:
        """See `Video.count`."""
        return len(self._images)
