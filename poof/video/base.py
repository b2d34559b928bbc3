"""What every source of frames offers: exact frames in order, by number."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from poof.errors import PoofError


@dataclass(frozen=True)
class Damage:
    """Where reading stopped before the end of the file: `frame` is the first frame that could not be had."""

    frame: int
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
        Mean frame rate; 25.0 where the source has none (image folders).
    frame_names : sequence of str or None
        File name of each frame for image folders, None for video files.
    damage : Damage or None
        Set once reading met damage: the frames before it are good, there are none after it.
    """

    name: str
    size: tuple[int, int]
    fps: float
    frame_names: Sequence[str] | None = None
    damage: Damage | None = None

    @abstractmethod
    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """(number, image) of the frames start <= number < stop in order; image is RGB uint8 (H, W, 3).

        Ends early, without an error, where the video ends or is damaged (`damage` then says where).
        Each call is an independent pass.
        """

    @abstractmethod
    def count(self) -> int:
        """Number of frames that can be decoded, found by decoding (once), never read from a header."""

    def read(self, frames: Sequence[int]) -> dict[int, np.ndarray]:
        """Single frames by number.

        Raises
        ------
        PoofError
            If a frame lies beyond the end or behind damage.
        """
        wanted = sorted(set(frames))
        if not wanted:
            return {}
        got = {number: image for number, image in self.frames(wanted[0], wanted[-1] + 1) if number in set(wanted)}
        missing = [f for f in wanted if f not in got]
        if missing:
            raise PoofError(f"{self.name}: has no frame {missing[0]}; it ends at frame {self.count() - 1}")
        return got


class ArrayVideo(Video):
    """Frames that are in memory already, (N, H, W, 3) RGB uint8 or a list of such images."""

    def __init__(self, images: Sequence[np.ndarray], fps: float = 25.0, name: str = "array") -> None:
        if not len(images):
            raise PoofError(f"{name}: holds no frames")
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
