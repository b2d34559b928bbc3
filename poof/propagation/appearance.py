"""Appearance at a point: small patches of the picture, and distances between them."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from poof.video.base import Video

CELLS = 9
"""Cells of a patch along each side."""
RADIUS = 0.05
"""Half the side of a patch, in longer sides of the subject."""
SMALLEST, LARGEST = 3.0, 32.0
"""Bounds of that in pixels."""
FOCUS = 0.5
"""Standard deviation of the weight of a cell, in half sides: the middle of a patch is the keypoint."""


def patches_at(video: Video, wanted: Mapping[int, tuple[np.ndarray, np.ndarray]]) -> dict[int, np.ndarray]:
    """Patches of the picture around points, in one pass over the frames from the first to the last.

    Parameters
    ----------
    video
        Where they are cut from.
    wanted
        Frame -> points (N, 2) in pixels and the half sides (N,) of their patches in pixels.

    Returns
    -------
    dict
        Frame -> (N, `CELLS`, `CELLS`, 3) uint8, CIELAB as OpenCV scales it to bytes. Frames beyond the end of the video
        are not in it.
    """
    found: dict[int, np.ndarray] = {}
    if not wanted:
        return found
    for frame, image in video.frames(min(wanted), max(wanted) + 1):
        if frame in wanted:
            found[frame] = np.stack([_patch(image, xy, half) for xy, half in zip(*wanted[frame])])
    return found


def half_side(side: float) -> float:
    """Half the side of a patch in pixels, for a subject whose longer side is `side` pixels."""
    return float(np.clip(RADIUS * side, SMALLEST, LARGEST))


def _patch(image: np.ndarray, xy: np.ndarray, half: float) -> np.ndarray:
    """One patch; beyond the rim the picture is continued by its last pixels."""
    width = 2 * round(half) + 1
    cut = cv2.getRectSubPix(image, (width, width), (float(xy[0]), float(xy[1])))
    small = cv2.resize(cut, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2LAB)


def _weights() -> np.ndarray:
    """(CELLS, CELLS) weights of the cells, of sum 1."""
    at = np.linspace(-1, 1, CELLS)
    line = np.exp(-0.5 * (at / FOCUS) ** 2)
    weights = np.outer(line, line)
    return weights / weights.sum()


_CELL_WEIGHTS = _weights()


def colour_distance(patches: np.ndarray, references: np.ndarray) -> np.ndarray:
    """(N, M) distance in CIELAB between the weighted mean colours of N and of M patches."""
    means = [np.einsum("nijc,ij->nc", p.astype(np.float64), _CELL_WEIGHTS) for p in (patches, references)]
    return np.linalg.norm(means[0][:, None] - means[1][None], axis=-1)


def cell_distance(patches: np.ndarray, references: np.ndarray) -> np.ndarray:
    """(N, M) weighted root mean square over the cells of the distances in CIELAB between N and M patches."""
    result = np.empty((len(patches), len(references)))
    for m, reference in enumerate(references.astype(np.float64)):
        apart = ((patches - reference) ** 2).sum(axis=-1)
        result[:, m] = np.sqrt((apart * _CELL_WEIGHTS).sum(axis=(1, 2)))
    return result
