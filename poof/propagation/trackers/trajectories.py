"""Trajectories of point trackers, from files and from networks, as they enter the blend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(eq=False)
class Trajectory:
    """The way of one point from one query.

    Attributes
    ----------
    instance, keypoint : int
        Whose point it is.
    frames : (N,) int
        Ascending, without doubles.
    xy : (N, 2) float64
        Pixels of the full frame, finite.
    sure : (N,) float64
        In [0, 1]: the tracker's own certainty times its visibility; NaN where it says nothing.
    query : int or None
        Frame of the label that it was started from; None where that is not known.
    direction : int
        1 or -1 where it was followed forwards or backwards in time only; 0: away from the query, or unknown.
    """

    instance: int
    keypoint: int
    frames: np.ndarray
    xy: np.ndarray
    sure: np.ndarray
    query: int | None = None
    direction: int = 0

    def at(self, frame: int) -> np.ndarray | None:
        """(2,) where it is in a frame; None where it is not."""
        row = int(np.searchsorted(self.frames, frame))
        return self.xy[row] if row < len(self.frames) and self.frames[row] == frame else None
