"""Survey of a video in one pass: scene cuts, sharpness, repeated frames, appearance.

It serves the choice of frames to label, before and after labels exist. Only numbers are kept of a frame, and the
descriptions of appearance are thinned when the video is long.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from poof.errors import PoofError
from poof.flow.dis import DisFlow
from poof.flow.field import Region
from poof.progress import Track, silent
from poof.propagation.cuts import agreement, find_cuts
from poof.propagation.regions import COARSE
from poof.video.base import Video

FINE = 640
"""Longer side, in pixels, at which sharpness is measured."""
SAME = 2.0
"""Grey difference (of 255) below which a frame repeats the one before it: the mean over a patch where it is largest, so
that a small subject before a still background counts, and traces of compression do not."""
PATCH = 9
"""Side of such a patch on frames shrunk to `COARSE`."""
BLURRED = 0.6
"""A frame is blurred when its sharpness is below this share of the median of the frames around it."""
AROUND = 15
"""Frames to either side that sharpness is compared with."""
GRID, BINS, THUMBNAIL = 6, 6, 8
"""Cells to a side and orientations of the gradient histogram; cells to a side of the colour thumbnail."""
MOST_LOOKS = 4096
"""Descriptions of appearance that are kept; longer videos keep every second, fourth, ... frame's."""
BLOCK = 32
"""Frames that are worked on together."""


@dataclass
class Survey:
    """What one pass over a video of N frames found.

    Attributes
    ----------
    cuts : list of int
        Frames that begin a new scene.
    sharpness : (N,)
        Mean squared Laplacian of the grey frame.
    repeats : (N,) bool
        Whether the frame shows the same as the one before it: duplicated or frozen.
    looks : (M, D) float32
        Appearance: a colour thumbnail and a histogram of gradients by cell and orientation, of the frames `looked_at`.
    looked_at : (M,) int
        Every 2^i-th frame; all of them unless the video is long.
    """

    cuts: list[int]
    sharpness: np.ndarray
    repeats: np.ndarray
    looks: np.ndarray
    looked_at: np.ndarray

    @property
    def count(self) -> int:
        """N."""
        return len(self.sharpness)

    @property
    def scenes(self) -> list[range]:
        """The frames between cuts."""
        borders = [0, *self.cuts, self.count]
        return [range(a, b) for a, b in pairwise(borders) if b > a]

    @property
    def blurred(self) -> np.ndarray:
        """(N,) bool: far less sharp than the frames around it in its scene."""
        result = np.zeros(self.count, bool)
        for scene in self.scenes:
            values = self.sharpness[scene.start : scene.stop]
            around = sliding_window_view(np.pad(values, AROUND, constant_values=np.nan), 2 * AROUND + 1)
            result[scene.start : scene.stop] = values < BLURRED * np.nanmedian(around, axis=1)
        return result

    def looks_of(self, frames: Sequence[int] | np.ndarray) -> np.ndarray:
        """(F, D) the appearance of frames; of the nearest frame before that was looked at, in long videos."""
        return self.looks[np.searchsorted(self.looked_at, frames, side="right") - 1]


def survey(video: Video, track: Track = silent) -> Survey:
    """Look at every frame of a video once.

    Raises
    ------
    PoofError
        If no frame can be read.
    """
    region, fine = Region.whole(video.size, COARSE), Region.whole(video.size, FINE)
    dis = DisFlow("fast")
    agreements: list[float] = []
    sharpness: list[float] = []
    repeats: list[bool] = []
    looks = _Looks()
    last: list[np.ndarray] = []
    for images in _blocks(track(video.filled(), "looking at frames")):
        grey = [cv2.cvtColor(region.cut(image), cv2.COLOR_RGB2GRAY) for image in images]
        for image in images:
            detail = cv2.Laplacian(cv2.cvtColor(fine.cut(image), cv2.COLOR_RGB2GRAY), cv2.CV_32F)
            sharpness.append(float((detail**2).mean()))
            looks.add(region.cut(image))
        row = last + grey
        still = [_same(a, b) for a, b in pairwise(row)]
        repeats += still if last else [False, *still]
        if len(row) > 1:
            flows = dis.between(row[:-1], row[1:])
            agreements += [agreement(a, b, flow) for a, b, flow in zip(row, row[1:], flows)]
        last = grey[-1:]
    if not sharpness:
        raise PoofError(f"{video.name}: no frame can be read; check the file with a player")
    cuts = [index + 1 for index in find_cuts(agreements)]
    for (
        hole
    ) in video.holes:  # filled with the image before: none of them is worth a label, behind them is something new
        repeats[hole.start : hole.stop] = [True] * (min(hole.stop, len(repeats)) - hole.start)
        cuts = sorted({*cuts, *({hole.stop} if hole.stop < len(repeats) else ())})
    return Survey(cuts, np.array(sharpness), np.array(repeats), *looks.result())


def describe(image: np.ndarray) -> np.ndarray:
    """(D,) float32: the appearance of an RGB uint8 image (H, W, 3), for Euclidean comparison.

    The colours of an 8x8 thumbnail (CIE Lab) and, in 6x6 cells, the strength of gradients in six orientations.
    """
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) / 100
    colour = cv2.resize(lab, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    strength = np.hypot(dx, dy)
    orientation = ((np.arctan2(dy, dx) % np.pi) / np.pi * BINS).astype(int) % BINS
    cells = [
        cv2.resize(np.where(orientation == b, strength, 0), (GRID, GRID), interpolation=cv2.INTER_AREA)
        for b in range(BINS)
    ]
    gradient = np.sqrt(np.stack(cells))
    return np.concatenate([colour.ravel() / THUMBNAIL, gradient.ravel() / GRID]).astype(np.float32)


class _Looks:
    """Descriptions of every 2^i-th frame, so many that they stay below `MOST_LOOKS`."""

    def __init__(self) -> None:
        self._kept: list[np.ndarray] = []
        self._every = 1
        self._seen = 0

    def add(self, image: np.ndarray) -> None:
        if self._seen % self._every == 0:
            self._kept.append(describe(image))
            if len(self._kept) > MOST_LOOKS:
                self._kept = self._kept[::2]
                self._every *= 2
        self._seen += 1

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """The descriptions and the frames they are of."""
        return np.array(self._kept), self._every * np.arange(len(self._kept))


def _same(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether no patch of two grey frames differs."""
    return float(cv2.blur(cv2.absdiff(first, second).astype(np.float32), (PATCH, PATCH)).max()) < SAME


def _blocks(frames: Iterator[tuple[int, np.ndarray, bool]]) -> Iterator[list[np.ndarray]]:
    block: list[np.ndarray] = []
    for _, image, _ in frames:
        block.append(image)
        if len(block) == BLOCK:
            yield block
            block = []
    if block:
        yield block
