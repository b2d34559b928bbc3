"""The protocol of point trackers: frames and queries in, positions with visibility and certainty out.

To add a tracker: one new file with a subclass of `PointTracker`, one line in `poof.propagation.trackers.registry`, or
an entry point `poof.trackers` in a package of your own (docs/trackers.md). The tests run over the whole registry.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Found:
    """What a tracker says of N points in the T frames of a window.

    Attributes
    ----------
    xy : (T, N, 2) float
        Pixels of the frames as given, origin at the centre of the top-left pixel; NaN where the tracker has no place.
        Rows before a point's query frame are not looked at.
    visible : (T, N) float
        In [0, 1]: how probable it is that the point is seen there.
    certainty : (T, N) float
        In [0, 1]: how probable it is that the place is right, whatever the tracker makes it of; 1 for one that cannot
        tell.
    """

    xy: np.ndarray
    visible: np.ndarray
    certainty: np.ndarray


class PointTracker(ABC):
    """Follows points through a window of frames, and may find again what it had lost.

    A tracker sees windows of at most `window` frames, shrunk to `longest`; whoever calls it runs through longer gaps in
    windows that overlap, and backwards by giving the frames in reversed order. So its memory is bounded by the window,
    and nothing needs to know of directions. Scaling to the network's own size, device and dtype are its own business.

    Attributes
    ----------
    name : str
        The name in the registry.
    reason : str
        One line for the user: what was taken, and where it runs.
    licence : str
        Of code and weights, where it binds the user; it is shown once. '' where it asks nothing of them.
    met_weights : bool
        Whether the adapter was ever run with the published weights by those who wrote it.
    window : int
        Most frames of one call.
    overlap : int
        Frames that a window shares with the one before: points are handed over where they are surest.
    longest : int
        Longest side of the frames it is given, pixels; larger frames are shrunk when they are read.
    """

    name: str
    reason: str = ""
    licence: str = ""
    met_weights: bool = False
    window: int = 64
    overlap: int = 8
    longest: int = 1024

    @abstractmethod
    def track(self, frames: np.ndarray, queries: np.ndarray) -> Found:
        """Follow points forwards through the frames.

        Parameters
        ----------
        frames : (T, H, W, 3) uint8
            RGB, T >= 2, all of one size.
        queries : (N, 3) float
            Number of a frame in the window, x and y, N >= 1; nearly always frame 0.

        Raises
        ------
        MemoryError, RuntimeError
            When the device is out of memory ('out of memory' in the text, as torch says it): the caller comes again
            with half the window.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What decides the result (name, weights with checksum, sizes, device type): provenance and cache key."""
