"""The movement of a player: where each joint is at any time, also between frames."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import CubicSpline

from poof.errors import PoofError

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Pose:
    """A player at one instant, in world pixels.

    Attributes
    ----------
    joints : (13, 2)
        In the order of `PLAYER`.
    depth : (13,)
        Towards the viewer, pixels, relative to the body's middle; decides what covers what.
    yaw
        Radians: 0 faces the camera, pi/2 the image's right.
    scale
        Pixels per body height.
    """

    joints: Array
    depth: Array
    yaw: float
    scale: float


@dataclass(frozen=True, eq=False)
class Motion:
    """A player's joints over time, as cubic splines through samples; held still before the first and after the last.

    Attributes
    ----------
    times : (T,)
        Frames, ascending, not necessarily whole.
    joints : (T, 13, 2)
        World pixels.
    depth : (T, 13)
        Towards the viewer, world pixels.
    yaw : (T,)
        Radians, continuous (beyond pi rather than jumping).
    scale : (T,)
        World pixels per body height.
    ground
        World y of the floor below, where a shadow falls; None for none.
    """

    times: Array
    joints: Array
    depth: Array
    yaw: Array
    scale: Array
    ground: float | None = None

    def __post_init__(self) -> None:
        count = len(self.times)
        wanted = {"joints": (count, 13, 2), "depth": (count, 13), "yaw": (count,), "scale": (count,)}
        for name, shape in wanted.items():
            value = getattr(self, name)
            if value.shape != shape:
                raise PoofError(f"motion: {name} has shape {value.shape}, not {shape}")
            if not np.isfinite(value).all():
                raise PoofError(f"motion: {name} holds NaN; fill gaps first")
        if count == 0 or (np.diff(self.times) <= 0).any():
            raise PoofError("motion: needs at least one sample, at increasing times")

    @cached_property
    def _table(self) -> Array:
        flat = self.joints.reshape(len(self.times), -1)
        return np.concatenate([flat, self.depth, self.yaw[:, None], self.scale[:, None]], axis=1).astype(float)

    @cached_property
    def _spline(self) -> CubicSpline | None:
        return CubicSpline(self.times, self._table) if len(self.times) > 1 else None

    def pose(self, time: float) -> Pose:
        """The pose at `time` in frames."""
        if self._spline is None:
            row = self._table[0]
        else:
            row = self._spline(np.clip(time, self.times[0], self.times[-1]))
        return Pose(row[:26].reshape(13, 2), row[26:39], float(row[39]), float(row[40]))

    @property
    def length(self) -> float:
        """Frames from the first to the last sample."""
        return float(self.times[-1] - self.times[0])

    def scaled(self, factor: float) -> Motion:
        """The same movement, `factor` times as large, about the world's origin."""
        ground = None if self.ground is None else self.ground * factor
        return Motion(self.times, self.joints * factor, self.depth * factor, self.yaw, self.scale * factor, ground)

    @classmethod
    def held(cls, pose: Pose) -> Motion:
        """A player who stands still."""
        return cls(np.zeros(1), pose.joints[None], pose.depth[None], np.array([pose.yaw]), np.array([pose.scale]))
