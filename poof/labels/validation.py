"""Validation of labels from a file of any format: every number in its range, every name printable."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from poof.errors import PoofError, PoofWarning
from poof.labels.model import MAX_COORDINATE, LabelSet, Points, Source, Visible
from poof.printable import is_printable

MAX_NAME = 200
"""Characters of the name of a keypoint, an individual or a category."""
MAX_FRAME = 2**31 - 1


def check_valid(path: Path, labels: LabelSet) -> None:
    """Refuse labels with a number out of its range or a name that cannot be shown.

    Raises
    ------
    PoofError
        Naming the first.
    """
    for kind, names in (
        ("keypoint", labels.skeleton.keypoints),
        ("individual", labels.individuals.values()),
        ("category", (labels.skeleton.name,)),
    ):
        for name in names:
            if not is_printable(name):
                raise PoofError(f"{path}: the {kind} '{name[:50]}' holds a control character; rename it")
            if not name.strip() or len(name) > MAX_NAME:
                what = f"is longer than {MAX_NAME} characters" if name.strip() else "has no name"
                raise PoofError(f"{path}: the {kind} '{name[:50]}' {what}; rename it")
    for frame, name in labels.frame_names.items():
        if not is_printable(name):
            raise PoofError(f"{path}: frame {frame}: the image '{name[:80]}' holds a control character; rename it")
    if labels.image_size is not None and not all(1 <= side <= MAX_COORDINATE for side in labels.image_size):
        raise PoofError(f"{path}: images of {labels.image_size[0]}x{labels.image_size[1]} cannot be; correct the size")
    numbers = [*labels.instance_ids, *labels.individuals]
    if numbers and not 0 <= min(numbers) <= max(numbers) <= MAX_FRAME:
        raise PoofError(f"{path}: instances are numbered up to {max(numbers)}; number them from 0")
    for frame, instance, points in labels:
        wrong = _wrong(points)
        if wrong:
            k, what = wrong
            whose = f" of instance {instance}" if len(labels.instance_ids) > 1 else ""
            name = labels.skeleton.keypoints[k]
            raise PoofError(f"{path}: frame {frame}: {name}{whose} {what}; correct it")


def tell_apart(path: Path, labels: LabelSet) -> None:
    """Give individuals of one name names of their own: formats that go by names would make one of them.

    Warns
    -----
    PoofWarning
        If there are such.
    """
    names: dict[int, str] = {}
    for number, name in sorted(labels.individuals.items()):
        names[number], copy = name, 2
        while names[number] in {*labels.individuals.values()} - {name} or list(names.values()).count(names[number]) > 1:
            names[number], copy = f"{name[: MAX_NAME - 12]} {copy}", copy + 1
    if names != labels.individuals:
        shared = next(name for number, name in labels.individuals.items() if names[number] != name)
        warnings.warn(
            f"{path}: several individuals are called '{shared[:50]}'; the later ones have a number behind their name",
            PoofWarning,
            stacklevel=2,
        )
        labels.individuals = names


def _wrong(points: Points) -> tuple[int, str] | None:
    """The first keypoint with a number out of its range, and what is wrong with it."""
    xy, confidence = points.xy, points.confidence
    flow = np.zeros_like(xy) if points.flow_xy is None else points.flow_xy
    presence = np.zeros(len(points)) if points.presence is None else points.presence
    for bad, say in (
        (np.isnan(xy).sum(axis=1) == 1, lambda k: "has one coordinate"),
        (
            (np.abs(xy) > MAX_COORDINATE).any(axis=1),
            lambda k: f"is at ({xy[k, 0]:g}, {xy[k, 1]:g}), beyond any picture",
        ),
        ((np.abs(flow) > MAX_COORDINATE).any(axis=1), lambda k: "was put beyond any picture by flow"),
        ((confidence < 0) | (confidence > 1), lambda k: f"has the confidence {confidence[k]:g}, outside 0..1"),
        ((presence < 0) | (presence > 1), lambda k: f"has the presence {presence[k]:g}, outside 0..1"),
        (points.labelled & (points.source == Source.NONE), lambda k: "has no source"),
        (points.visible > Visible.VISIBLE, lambda k: f"has the visibility {points.visible[k]}"),
        (points.anchor < -1, lambda k: f"has the anchor {points.anchor[k]}"),
        (points.steps < 0, lambda k: f"is {points.steps[k]} steps from its anchor"),
    ):
        for k in np.flatnonzero(bad).tolist():
            return k, say(k)
    return None
