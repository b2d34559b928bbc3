"""The part of a picture in which the subjects are."""

from __future__ import annotations

import numpy as np

from poof.drawing.style import drawable
from poof.labels.model import Points


def subject_window(
    size: tuple[int, int], frames: list[dict[int, Points]], min_confidence: float = 0.0
) -> tuple[int, int]:
    """(width, height) in pixels of the cut-out that holds the labelled points of each frame with a margin.

    The margin is 18 % of the subject's longer side all round. The cut-out is neither narrower nor flatter than
    0.6 : 1, at least 64 px wide and high, and the whole image where it would leave out less than a third of it.

    Parameters
    ----------
    size
        (width, height) of the video in pixels.
    frames
        The instances of each frame that goes onto the sheet.
    min_confidence
        As in `Style`.
    """
    boxes = [box for box in (_box(size, instances, min_confidence) for instances in frames) if box is not None]
    if not boxes:
        return size
    width = max(b[2] - b[0] for b in boxes)
    height = max(b[3] - b[1] for b in boxes)
    margin = 0.36 * max(width, height)
    width, height = max(width + margin, 64.0), max(height + margin, 64.0)
    width, height = max(width, 0.6 * height), max(height, 0.6 * width)
    if min(width, size[0]) * min(height, size[1]) > 0.67 * size[0] * size[1]:
        return size
    return min(round(width), size[0]), min(round(height), size[1])


def _box(
    size: tuple[int, int], instances: dict[int, Points], min_confidence: float
) -> tuple[float, float, float, float] | None:
    """Left, top, right, bottom of the drawn points that lie in the image, None without any."""
    xy = np.concatenate([points.xy[drawable(points, min_confidence)] for points in instances.values()])
    xy = xy[((xy >= 0) & (xy <= np.array(size) - 1)).all(axis=1)]
    if not len(xy):
        return None
    (left, top), (right, bottom) = xy.min(axis=0).tolist(), xy.max(axis=0).tolist()
    return left, top, right, bottom


def subject_corner(
    size: tuple[int, int], window: tuple[int, int], instances: dict[int, Points], min_confidence: float
) -> tuple[int, int]:
    """Top-left pixel of the window around the subject, moved so that it lies in the image."""
    box = _box(size, instances, min_confidence)
    middle = (size[0] / 2, size[1] / 2) if box is None else ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    left, top = (
        int(np.clip(round(m - side / 2), 0, full - side)) for m, side, full in zip(middle, window, size, strict=True)
    )
    return left, top
