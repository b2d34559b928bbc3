"""Boxes of the instances in each frame: what a top-down pose model is given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from poof.errors import PoofError, not_there
from poof.labels import LabelSet
from poof.labels.formats.reading import frame_number, read_rows
from poof.labels.model import MAX_COORDINATE
from poof.labels.validation import MAX_FRAME
from poof.pose.crops import subject_boxes

Array = np.ndarray
COLUMNS = ("frame", "x", "y", "width", "height")


class InstanceBoxes(Protocol):
    """Boxes (x, y, width, height) by instance number for any frame."""

    margin: float | None
    """How much larger than the boxes the crops are; None: as the model was trained."""
    tracked: bool
    """Whether an instance number means the same individual in every frame."""

    def at(self, frame: int) -> Mapping[int, Array]:
        """The boxes of one frame."""


class WholeFrame:
    """One subject, somewhere in the image."""

    margin: float | None = 1.0
    tracked = True

    def __init__(self, size: tuple[int, int]) -> None:
        # The image reaches half a pixel beyond the centres of its border pixels.
        self._box = np.array([-0.5, -0.5, size[0], size[1]])

    def at(self, frame: int) -> Mapping[int, Array]:
        """See `InstanceBoxes.at`."""
        return {0: self._box}


class Boxes:
    """Boxes given for some frames.

    With identities, an individual's box is interpolated linearly between the frames that have it, and held before the
    first and after the last; without, only the frames that have boxes have subjects.

    Parameters
    ----------
    boxes
        (frame, instance) -> (4,) x, y, width, height.
    tracked
        Whether the instances are identities.
    """

    margin: float | None = None

    def __init__(self, boxes: Mapping[tuple[int, int], Array], tracked: bool) -> None:
        self.tracked = tracked
        self._by_frame: dict[int, dict[int, Array]] = {}
        lines: dict[int, list[tuple[int, Array]]] = {}
        for (frame, instance), box in sorted(boxes.items()):
            self._by_frame.setdefault(frame, {})[instance] = np.asarray(box, float)
            lines.setdefault(instance, []).append((frame, np.asarray(box, float)))
        self._lines = {i: (np.array([f for f, _ in line]), np.stack([b for _, b in line])) for i, line in lines.items()}

    def at(self, frame: int) -> Mapping[int, Array]:
        """See `InstanceBoxes.at`."""
        if not self.tracked:
            return self._by_frame.get(frame, {})
        return {
            instance: np.array([np.interp(frame, frames, column) for column in boxes.T])
            for instance, (frames, boxes) in self._lines.items()
        }


def boxes_from_labels(labels: LabelSet, name: str = "labels") -> Boxes:
    """The boxes of labelled instances, or boxes around their points; `name` names the file in messages."""
    return Boxes(subject_boxes(labels, name), labels.tracked)


def boxes_from_file(path: str | Path) -> Boxes:
    """Boxes from a CSV with the columns frame, x, y, width, height and, for several subjects, instance.

    Raises
    ------
    PoofError
        If the file is missing, is no such table, or a box has no area or comes twice.
    """
    path = Path(path)
    if not path.exists():
        raise not_there(path, "box file")
    if not path.is_file():
        raise PoofError(f"{path}: is no ordinary file; name a table of boxes")
    rows, decimal = read_rows(path)
    header = rows[0][1]
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise PoofError(f"{path}: has no column {', '.join(missing)}; a box file has {', '.join(COLUMNS)}")
    boxes: dict[tuple[int, int], Array] = {}
    for number, cells in rows[1:]:
        row = dict(zip(header, cells))
        try:
            values = [_number(row.get(column, ""), decimal) for column in COLUMNS]
            instance = _number(row.get("instance", "0"), decimal)
        except ValueError:
            raise PoofError(f"{path}: line {number}: is no box; every column needs a number") from None
        frame = frame_number(values[0], f"{path}: line {number}")
        where = f"{path}: line {number}: frame {frame}"
        box = np.array(values[1:])
        if not (0 <= instance <= MAX_FRAME and instance == int(instance)):
            raise PoofError(f"{where}: {instance:g} is no number of an instance; number them from 0")
        if not ((np.abs(box) <= MAX_COORDINATE).all() and (box[2:] > 0).all()):
            place = f"the box is {box[2]:g}x{box[3]:g} pixels, at {box[0]:g}, {box[1]:g}"
            raise PoofError(f"{where}: {place}; correct it or remove the line")
        key = (frame, int(instance))
        if key in boxes:
            raise PoofError(f"{where}: instance {instance:g} has two boxes; keep one, or number the instances")
        boxes[key] = box
    if not boxes:
        raise PoofError(f"{path}: holds no box")
    return Boxes(boxes, tracked="instance" in header or len({frame for frame, _ in boxes}) == len(boxes))


def _number(cell: str, decimal: str) -> float:
    """A finite number; a `ValueError` for anything else."""
    value = float(cell.replace(decimal, "."))
    if not math.isfinite(value):
        raise ValueError(cell)
    return value
