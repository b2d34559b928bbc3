"""Lightning Pose's labels: DeepLabCut's header and one column of paths, ``labeled-data/img01.png``; one subject.

It is written here (``--to lp``) and read as every table of DeepLabCut, with the column ``visible`` that newer files
have (0 not labelled, 1 covered, 2 visible). That is not written: Lightning Pose pays no heed to the place of a point
that it says is covered. It trains on all that stands in the file: a list of machine-made points is written beside it
(`poof.labels.formats.machine_list`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poof.errors import PoofError
from poof.labels.formats import machine_list
from poof.labels.formats.capabilities import Capabilities, warn_lost
from poof.labels.formats.deeplabcut import images_of, load
from poof.labels.formats.dlc_sheet import Sheet
from poof.labels.formats.foreign import off_marks
from poof.labels.formats.reading import number_in
from poof.labels.model import Array, LabelSet

__all__ = ["CAPABILITIES", "ENDINGS", "claims", "detect", "load", "save"]

ENDINGS: tuple[str, ...] = (".csv",)
CAPABILITIES = Capabilities(human=True, sources=True, confidence=True, chains=True, refinement=True)
"""The table and the list beside it."""


def detect(path: Path, head: bytes) -> bool:
    """Never: `poof.labels.formats.deeplabcut` reads it."""
    del path, head
    return False


def claims(path: Path) -> bool:
    """Never by its name: say ``--to lp``."""
    del path
    return False


def check(labels: LabelSet, path: Path) -> None:
    """A `PoofError` if there are several subjects."""
    if len(labels.instance_ids) > 1:
        raise PoofError(
            f"{path}: Lightning Pose has one subject in a table, these labels {len(labels.instance_ids)}; write"
            " DeepLabCut's format instead"
        )


def save(labels: LabelSet, path: Path) -> None:
    """Write a csv file, atomically; a `PoofWarning` names what does not fit in it.

    Raises
    ------
    PoofError
        If there are several subjects.
    """
    check(labels, path)
    images = images_of(labels, path)
    columns = [("", keypoint, coord) for keypoint in labels.skeleton.keypoints for coord in "xy"]
    values: Array = np.full((len(images), len(labels.skeleton), 2), np.nan)
    rows = {frame: i for i, frame in enumerate(images)}
    for frame, _, points in labels:
        shown = points.labelled & (points.visible > 0)
        values[rows[frame], shown] = off_marks(points.xy[shown])
    names = [f"{folder}/{video}/{name}" for folder, video, name in images.values()]
    one = Sheet(str(labels.info.get("scorer") or "poof"), columns, names, values.reshape(len(images), -1))
    others = []
    if any(number_in(name) != frame for frame, name in zip(images, names)):
        others.append("the frame numbers, which differ from those in the names")
    note = machine_list.write(path, labels, one, single=True)
    warn_lost(labels, path, "Lightning Pose's format", CAPABILITIES, [*others, *([note] if note else [])])
