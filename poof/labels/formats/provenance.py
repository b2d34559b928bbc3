"""Provenance inside HDF5 label files of other tools: a group ``/poof`` that they carry along without looking at it.

One row a keypoint of every instance, as plain arrays (tables would be taken for data by pandas and PyTables). A row
counts only while its point lies where it lay when the row was written: what a person moved in the other tool is that
person's, not ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from poof.errors import PoofError
from poof.labels.hdf5 import Contents
from poof.labels.model import LabelSet, Points, Source, Visible

GROUP = "/poof"
VERSION = 1
SAME = 0.002
"""Pixels within which a point counts as not moved."""

_TYPES = {
    "frame": "i4",
    "instance": "i4",
    "keypoint": "i4",
    "xy": "f4",
    "visible": "i1",
    "source": "i1",
    "anchor": "i4",
    "steps": "i4",
    "confidence": "f4",
    "presence": "f4",
    "flow_xy": "f4",
    "disputed": "i1",
}
_PLACES = ("xy", "flow_xy")
_FIELDS = ("visible", "source", "anchor", "steps", "confidence")


def arrays(labels: LabelSet) -> dict[str, np.ndarray]:
    """What `restore` needs, name -> array; the rows are the keypoints of every instance."""
    rows: dict[str, list[Any]] = {name: [] for name in _TYPES}
    count = len(labels.skeleton)
    for frame, instance, points in labels:
        rows["frame"] += [frame] * count
        rows["instance"] += [instance] * count
        rows["keypoint"] += range(count)
        for name in ("xy", *_FIELDS):
            rows[name] += getattr(points, name).tolist()
        nowhere = np.full((count, 2), np.nan)
        rows["flow_xy"] += (nowhere if points.flow_xy is None else points.flow_xy).tolist()
        rows["disputed"] += points.in_dispute.tolist()
        rows["presence"] += (nowhere[:, 0] if points.presence is None else points.presence).tolist()
    made = {
        name: np.asarray(rows[name], kind).reshape((-1, 2) if name in _PLACES else (-1,))
        for name, kind in _TYPES.items()
    }
    names = [name.encode() for name in labels.skeleton.keypoints]
    return made | {"keypoints": np.asarray(names, f"S{max(map(len, names))}")}


def restored_from(contents: Contents, labels: LabelSet, edited: bool = False) -> set[tuple[int, int]]:
    """Put back what the group of a file knows, nothing if it has none; the instances that it tells of.

    With `edited`, a point of a machine that lies elsewhere now was moved by a person, whatever else the file says.

    Raises
    ------
    PoofError
        If the group is damaged.
    """
    prefix = f"{GROUP}/"
    values = {n.removeprefix(prefix): d.values for n, d in contents.datasets.items() if n.startswith(prefix)}
    if not values:
        return set()
    try:
        names = contents.texts(f"{prefix}keypoints")
        told = restore(labels, {n: v for n, v in values.items() if v is not None}, names, edited)
    except (KeyError, ValueError, TypeError, PoofError):
        raise PoofError(f"{contents.path}: the group {GROUP} is damaged; write the file again") from None
    labels.tracked = bool(contents.groups.get(GROUP, {}).get("tracked", labels.tracked))
    return told


def restore(
    labels: LabelSet, values: Mapping[str, np.ndarray], names: Sequence[str], edited: bool = False
) -> set[tuple[int, int]]:
    """Put back what is known of points that nobody has moved since.

    Parameters
    ----------
    labels
        As the other tool's fields tell; changed in place. Instances of absent points only, which other tools drop, are
        added.
    values
        What `arrays` gave.
    names
        The keypoints in the order in which `values` counts them.
    edited
        See `restored_from`.

    Returns
    -------
    set
        (frame, instance) of the instances that `values` tells of.

    Raises
    ------
    ValueError
        If the arrays do not belong together.
    """
    length = len(values["frame"])
    for name in _TYPES:
        if values[name].shape != ((length, 2) if name in _PLACES else (length,)):
            raise ValueError(f"{name} has another length")
    places = {name: k for k, name in enumerate(labels.skeleton.keypoints)}
    order = [places.get(name, -1) for name in names]
    columns = {name: values[name].tolist() for name in _TYPES}
    known: dict[tuple[int, int], list[int]] = {}
    for row, key in enumerate(zip(columns["frame"], columns["instance"])):
        known.setdefault(key, []).append(row)
    for key, rows in known.items():
        points = labels.instances.get(key)
        added = points is None
        if points is None:
            points = Points.empty(len(labels.skeleton))
        for row in rows:
            k = order[columns["keypoint"][row]] if 0 <= columns["keypoint"][row] < len(order) else -1
            if k < 0 or _row(points, k, columns, row) or not edited:
                continue
            if points.labelled[k] and columns["source"][row] > Source.HUMAN:
                points.source[k], points.anchor[k], points.confidence[k] = Source.HUMAN, key[0], 1.0
                labels.changes.corrected.append((*key, k))
        if added and points.absent.any() and not points.labelled.any():
            labels.add(*key, points)
    return set(known)


def _row(points: Points, k: int, columns: Mapping[str, list[Any]], row: int) -> bool:
    """Put one row back if it tells of the point as it is now; whether it does."""
    visible, source = columns["visible"][row], columns["source"][row]
    if visible not in list(Visible) or source not in list(Source):
        raise ValueError("an unknown state")
    if visible == Visible.ABSENT:
        same = not points.labelled[k]
    else:
        same = bool(points.labelled[k]) and bool(np.abs(points.xy[k] - columns["xy"][row]).max() < SAME)
    if not same:
        return False
    for name in _FIELDS:
        getattr(points, name)[k] = columns[name][row]
    if np.isfinite(columns["flow_xy"][row]).all():
        if points.flow_xy is None:
            points.flow_xy = np.full_like(points.xy, np.nan)
        points.flow_xy[k] = columns["flow_xy"][row]
    if columns["disputed"][row]:
        if points.disputed is None:
            points.disputed = np.zeros(len(points), bool)
        points.disputed[k] = True
    if np.isfinite(columns["presence"][row]):
        if points.presence is None:
            points.presence = np.full(len(points), np.nan, np.float32)
        points.presence[k] = columns["presence"][row]
    return True
