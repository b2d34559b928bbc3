"""Scene cuts: where the flow between two frames explains nothing."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

SAME_SCENE = 0.4
"""Agreement below which a pair may be a cut. On 22 shared clips consecutive frames reach at least 0.70 and frames of
two different clips at most 0.51 (20 of 22 clips: at most 0.34)."""
DROP = 0.6
"""A cut also agrees less than this share of what its neighbours agree: fast motion lowers many pairs, a cut one."""
FINE = 6.0
"""Blur in pixels whose remainder is compared; coarser structure agrees across unrelated frames."""


def agreement(first: np.ndarray, second: np.ndarray, flow: np.ndarray) -> float:
    """Correlation in [-1, 1] of the fine structure of a frame with that of its successor, warped onto it.

    A change of brightness or contrast hardly lowers it, a cut does.

    Parameters
    ----------
    first, second
        Small grey frames (h, w) uint8, about 320 pixels wide.
    flow
        (2, h, w) from first to second.

    Returns
    -------
    float
        1 where a frame has no structure to compare.
    """
    height, width = first.shape
    grid_y, grid_x = np.mgrid[0:height, 0:width].astype(np.float32)
    warped = cv2.remap(second, grid_x + flow[0], grid_y + flow[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    a, b = _fine(first), _fine(warped)
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > first.size else 1.0


def find_cuts(agreements: Sequence[float]) -> list[int]:
    """Positions in a row of consecutive pairs that are cuts: below `SAME_SCENE` and far below their neighbours."""
    cuts = []
    for index, value in enumerate(agreements):
        around = [*agreements[max(0, index - 5) : index], *agreements[index + 1 : index + 6]]
        usual = float(np.median(around)) if around else 1.0
        if value < SAME_SCENE and value < DROP * usual:
            cuts.append(index)
    return cuts


def _fine(image: np.ndarray) -> np.ndarray:
    values = image.astype(np.float32)
    return values - cv2.GaussianBlur(values, (0, 0), FINE)
