"""The camera: image positions of world points at any time, also between frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import PchipInterpolator
from scipy.linalg import expm, logm

from poof.errors import PoofError

Array = np.ndarray


class View(Protocol):
    """What a scene needs to know of a camera."""

    def matrix(self, time: float, size: tuple[int, int], parallax: float = 1.0) -> Array:
        """(3, 3) from world to image pixels at `time` (frames), for things at a `parallax` (1: with the player)."""


@dataclass(frozen=True, eq=False)
class Camera:
    """Pans, zooms, rolls and shakes.

    Attributes
    ----------
    keys : (n, 5)
        Rows (time in frames, x, y, zoom, roll): the world point in the image's middle, image pixels per world pixel,
        and roll in radians; in between a monotone cubic.
    shake
        Amplitude in pixels of a hand's tremor; its periods lie between 7 and 40 frames.
    seed
        Phases of the tremor.
    """

    keys: ArrayLike = ((0.0, 0.0, 0.0, 1.0, 0.0),)
    shake: float = 0.0
    seed: int = 0

    @cached_property
    def _table(self) -> Array:
        table = np.array(self.keys, float)
        if table.ndim != 2 or table.shape[1] != 5:
            raise PoofError(f"camera: its keys have shape {table.shape}, not (n, 5)")
        return table

    @cached_property
    def _path(self) -> PchipInterpolator | None:
        table = self._table
        if len(table) > 1 and (np.diff(table[:, 0]) <= 0).any():
            raise PoofError("camera: the times of its keys must increase")
        return PchipInterpolator(table[:, 0], table[:, 1:]) if len(table) > 1 else None

    @cached_property
    def _tremor(self) -> Array:
        rng = np.random.default_rng((self.seed, 77))
        return np.stack([rng.uniform(7, 40, (3, 2)), rng.uniform(0, 2 * np.pi, (3, 2))])

    def matrix(self, time: float, size: tuple[int, int], parallax: float = 1.0) -> Array:
        """See `View.matrix`. Parallax scales the camera's way from its first key."""
        first = self._table[0, 1:]
        if self._path is None:
            x, y, zoom, roll = first
        else:
            x, y, zoom, roll = self._path(np.clip(time, *self._table[[0, -1], 0]))
        x, y = first[0] + parallax * (x - first[0]), first[1] + parallax * (y - first[1])
        periods, phases = self._tremor
        shift = self.shake / 3 * parallax * np.sin(2 * np.pi * time / periods + phases).sum(0)
        cos, sin = zoom * np.cos(roll), zoom * np.sin(roll)
        middle = (np.array(size) - 1) / 2 + shift
        turn = np.array([[cos, -sin], [sin, cos]])
        matrix = np.eye(3)
        matrix[:2, :2] = turn
        matrix[:2, 2] = middle - turn @ [x, y]
        return matrix


@dataclass(frozen=True, eq=False)
class SteadyMap:
    """The image moves by the same affine map from each frame to the next: x(t + 1) = A x(t).

    Attributes
    ----------
    step : (3, 3) or (2, 3)
        A in pixels of the image. World pixels are the image pixels of frame 0.
    """

    step: Array = field(default_factory=lambda: np.eye(3))

    @cached_property
    def _generator(self) -> Array:
        full = np.eye(3)
        full[: len(self.step)] = self.step
        generator = logm(full)
        if np.abs(np.imag(generator)).max() > 1e-9:
            raise PoofError("steady map: no such motion has half a step (the map mirrors or turns by half a circle)")
        return np.real(generator)

    def matrix(self, time: float, size: tuple[int, int], parallax: float = 1.0) -> Array:
        """See `View.matrix`; `size` and `parallax` play no part."""
        return expm(time * self._generator)
