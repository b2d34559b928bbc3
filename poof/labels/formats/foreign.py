"""Pitfalls in files of other tools: marks for missing points, shares of the image, boxes of others.

Called by every format that other tools write, once the labels are read.
"""

from __future__ import annotations

import warnings
from collections.abc import Container
from pathlib import Path

import numpy as np

from poof.errors import PoofError, PoofWarning
from poof.labels.formats.reading import Choice, settle_missing
from poof.labels.model import LabelSet, Points

MARKS = ((0.0, 0.0), (-1.0, -1.0))
"""Where tools put keypoints that are missing. Nobody clicks at exactly these places."""
_FEW = 4
"""Points from which on coordinates between 0 and 1 are no accident."""
_SPREAD = 0.01
"""Least difference of such coordinates; closer together they are points at one place."""
_HELD = 0.8
_MARGIN = 0.5
"""A box is a subject's if it holds `_HELD` of the points when it is widened by `_MARGIN` of its sides, each way."""


def settle_foreign(
    path: Path,
    labels: LabelSet,
    choice: Choice,
    exempt: Container[tuple[int, int, int]] = (),
    kept: Container[tuple[int, int, int]] = (),
) -> None:
    """Set right, or refuse, what files of other tools say in their own way; see `settle_missing` for the last step.

    Points at (0, 0) and (-1, -1) are not labelled. Boxes that do not hold the points of their subject are dropped.

    Parameters
    ----------
    path
        The file, for messages.
    labels
        Changed in place.
    choice, exempt
        As `settle_missing` takes them.
    kept
        (frame, instance, keypoint index) of points that poof wrote: where they are is no mark.

    Raises
    ------
    PoofError
        If the coordinates are shares of the image, or nothing labelled is left.
    """
    unmarked = _drop_marks(path, labels, kept)
    _refuse_shares(path, labels)
    drop_boxes(path, labels)
    spared = unmarked | {
        (frame, instance, k)
        for frame, instance, points in labels
        for k in range(len(points))
        if (frame, instance, k) in exempt
    }
    settle_missing(labels, choice, spared)


def off_marks(xy: np.ndarray) -> np.ndarray:
    """(N, 2) float64 coordinates with three decimals, moved by 0.0004 px where they would be read as missing."""
    rounded = np.round(np.asarray(xy, np.float64), 3)
    for mark in MARKS:
        rounded[(rounded == mark).all(axis=-1), 0] += 0.0004
    return rounded


def _drop_marks(path: Path, labels: LabelSet, kept: Container[tuple[int, int, int]]) -> set[tuple[int, int, int]]:
    """Make the points at places that mean 'missing' unlabelled; (frame, instance, keypoint) of them."""
    found: set[tuple[int, int, int]] = set()
    for frame, instance, points in list(labels):
        marked = np.zeros(len(points), bool)
        for mark in MARKS:
            marked |= (points.xy == mark).all(axis=1)
        for k in np.flatnonzero(marked).tolist():
            marked[k] = (frame, instance, k) not in kept
        if marked.any():
            found |= {(frame, instance, k) for k in np.flatnonzero(marked).tolist()}
            points.put(marked, Points.empty(len(points)))
            if not points.decided.any():
                del labels.instances[frame, instance]
    if not labels.instances:
        raise PoofError(f"{path}: every point is at (0, 0) or (-1, -1), which means missing; label at least one frame")
    if found:
        names = list(dict.fromkeys(labels.skeleton.keypoints[k] for _, _, k in sorted(found, key=lambda key: key[2])))
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        warnings.warn(
            f"{path}: took {len(found)} points at (0, 0) or (-1, -1) as missing, not labelled ({shown})",
            PoofWarning,
            stacklevel=5,
        )
    return found


def _refuse_shares(path: Path, labels: LabelSet) -> None:
    """Coordinates from 0 to 1 (or -1 to 1) are shares of the image's sides, not pixels."""
    xy = np.concatenate([points.xy[points.labelled] for points in labels.instances.values()])
    if len(xy) >= _FEW and (np.abs(xy) <= 1).all() and np.ptp(xy) > _SPREAD:
        raise PoofError(
            f"{path}: all coordinates lie between {xy.min():g} and {xy.max():g}: they are shares of the image, not"
            " pixels; export them in pixels"
        )


def drop_boxes(path: Path, labels: LabelSet, ours: bool = False) -> None:
    """Forget boxes that do not belong to their points: they would set the scale of all that looks at the subject.

    In files of poof, which other tools may have changed, without a word: most boxes there are the extents of points
    that somebody has moved since.
    """
    wrong, boxes = 0, 0
    for points in labels.instances.values():
        if points.box is None:
            continue
        boxes += 1
        if not _holds(points.box, points.xy[points.labelled], labels.image_size):
            wrong += 1
            points.box = None
    if wrong and not ours:
        warnings.warn(
            f"{path}: left out {wrong} of {boxes} boxes, which do not hold the points of their subject (x, y, width,"
            " height in pixels would)",
            PoofWarning,
            stacklevel=5,
        )


def _holds(box: np.ndarray, xy: np.ndarray, size: tuple[int, int] | None) -> bool:
    """Whether x, y, width, height belongs to points of an image of this size."""
    corner, sides = box[:2].astype(np.float64), box[2:].astype(np.float64)
    if not ((sides > 0).all() and len(xy)):
        return not len(xy)
    inside = (xy >= corner - _MARGIN * sides) & (xy <= corner + (1 + _MARGIN) * sides)
    if inside.all(axis=1).mean() < _HELD:
        return False
    # x1, y1, x2, y2 read as x, y, width, height: it sticks out of the image, the corners do not.
    far = corner + sides
    as_corners = (sides > corner).all() and ((xy >= corner - 1) & (xy <= sides + 1)).all()
    return not (size is not None and as_corners and (far > 1.05 * np.array(size)).any())
