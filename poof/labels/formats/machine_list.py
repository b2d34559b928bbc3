"""The list of machine-made points beside a file in which they look like a person's.

DeepLabCut's ``CollectedData`` and Lightning Pose's labels have no place for who set a point. Where we write points into
one that no person set, ``<name>.machine.csv`` beside it, a long CSV, lists them with all that is known of each. Reading
the file looks for it: a point that still lies where the list says is the machine's, every other a person's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poof.errors import PoofError
from poof.files import write_bytes, write_together
from poof.labels.formats import long_csv
from poof.labels.formats.dlc_sheet import Sheet, sheet_bytes
from poof.labels.formats.reading import Choice
from poof.labels.model import LabelSet, Points

ENDING = ".machine.csv"
SAME = 0.01
"""Pixels within which a point counts as not moved."""


def beside(path: Path) -> Path:
    """Where the list of a file lies."""
    return path.with_name(f"{path.stem}{ENDING}")


def write(path: Path, labels: LabelSet, sheet: Sheet, single: bool = False) -> str:
    """Write a table with the list beside it, or without one where there is nothing to list; what a message says of it.

    On a full disk both stay as they were: with a list of other points the table would be read wrongly.

    Parameters
    ----------
    path
        The table.
    labels
        What is in it.
    sheet, single
        See `poof.labels.formats.dlc_sheet.write_sheet`.
    """
    target = beside(path)
    ids = labels.instance_ids
    named = bool(labels.individuals) and sheet.individuals != [""]
    numbers = {instance: i for i, instance in enumerate(sorted({*ids, *labels.individuals}))}
    only = labels.replace(instances={}, individuals={}, tracked=True)
    count = 0
    for frame, instance, points in labels:
        made = points.labelled & ~points.is_human & (points.visible > 0)
        if made.any():
            machine = Points.empty(len(points))
            machine.put(made, points)
            only.add(frame, numbers[instance] if named else instance, machine)
            count += int(made.sum())
    table = sheet_bytes(path.suffix.lower(), sheet, single=single)
    if not count:
        write_bytes(path, table)
        target.unlink(missing_ok=True)
        return ""
    write_together({path: table, target: long_csv.text_of(only).encode("utf-8", "replace")})
    return f"that {count} points are no person's, {target.name} lists them"


def apply(path: Path, labels: LabelSet) -> set[tuple[int, int]]:
    """Give the points that the list beside `path` names back to the machine, unless they were moved since.

    Returns
    -------
    set
        Nothing: the list says nothing of empty keypoints.
    """
    source = beside(path)
    if not source.is_file() or source == path:
        return set()
    listed = long_csv.load(source, Choice(missing="unlabelled"))
    places = {name: k for k, name in enumerate(listed.skeleton.keypoints)}
    order = np.array([places.get(name, -1) for name in labels.skeleton.keypoints])
    for (frame, instance), points in labels.instances.items():
        theirs = listed.instances.get((frame, instance))
        if theirs is None:
            continue
        theirs = theirs.ordered(np.maximum(order, 0))
        with np.errstate(invalid="ignore"):
            same = np.abs(theirs.xy - points.xy).max(axis=1) < SAME
        theirs.xy = points.xy.copy()  # the table's: it keeps points at (0, 0) off the place that means missing
        points.put(same & (order >= 0) & points.labelled, theirs)
    if not listed.instances:
        raise PoofError(f"{source}: lists nothing; remove it")
    return set()
