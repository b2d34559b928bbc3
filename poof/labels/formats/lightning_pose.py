"""Lightning Pose's labels: DeepLabCut's header and one column of paths, ``labeled-data/img01.png``; one subject.

It is written here (``--to lp``) and read as every table of DeepLabCut. A column ``visible`` (1 covered, 2 visible, 0
not labelled) is written where some point is covered. Lightning Pose trains on all that stands in the file: a list of
machine-made points is written beside it (`poof.labels.formats.machine_list`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poof.errors import PoofError
from poof.labels.formats import machine_list
from poof.labels.formats.deeplabcut import images_of, load
from poof.labels.formats.dlc_sheet import Sheet, write_sheet
from poof.labels.formats.losses import Holds, warn_lost
from poof.labels.formats.reading import number_in
from poof.labels.model import Array, LabelSet, Visible

__all__ = ["ENDINGS", "HOLDS", "claims", "detect", "load", "save"]

ENDINGS: tuple[str, ...] = (".csv",)
HOLDS = Holds(human=True, sources=True, confidence=True, chains=True, refinement=True, covered=True, absent=True)
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
    flags = any((p.visible[p.labelled] == Visible.OCCLUDED).any() for _, _, p in labels)
    coords = ("x", "y", "visible") if flags else ("x", "y")
    columns = [("", keypoint, coord) for keypoint in labels.skeleton.keypoints for coord in coords]
    values: Array = np.full((len(images), len(labels.skeleton), len(coords)), np.nan)
    rows = {frame: i for i, frame in enumerate(images)}
    for frame, _, points in labels:
        shown = points.labelled & (points.visible > 0)
        values[rows[frame], shown, :2] = points.xy[shown].astype(np.float64).round(3)
        if flags:
            values[rows[frame], :, 2] = np.where(shown, points.visible, 0)
    names = [f"{folder}/{video}/{name}" for folder, video, name in images.values()]
    one = Sheet(str(labels.info.get("scorer") or "poof"), columns, names, values.reshape(len(images), -1))
    write_sheet(path, one, single=True)
    others = []
    if any(number_in(name) != frame for frame, name in zip(images, names)):
        others.append("the frame numbers, which differ from those in the names")
    note = machine_list.write(path, labels, [""])
    holds = Holds(**vars(HOLDS) | {"absent": not flags})
    warn_lost(labels, path, "Lightning Pose's format", holds, [*others, *([note] if note else [])])
