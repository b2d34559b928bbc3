"""Whether a label file may be overwritten: only when nothing that a person said is lost with it.

A file that poof wrote is replaced without asking by another result of the same command on the same video, as long as
everything a person put into it since is among the labels that the new result is made of. A person's only copy of a
label is never written over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from poof.errors import PoofError
from poof.files import check_output
from poof.labels.io import load_labels
from poof.labels.model import LabelSet
from poof.labels.record import is_recorded, kind_of
from poof.origin import Origin, is_remembered, origin_of

SAME = 0.01
"""Pixels within which two coordinates in files are one."""

Statement = tuple[int, str, float, float]
"""Frame, keypoint, x and y in pixels; NaN for an absent keypoint."""


def check_label_output(
    path: str | Path,
    labels: Sequence[LabelSet],
    kind: str,
    video: str | None = None,
    force: bool = False,
    option: str = "-o",
) -> None:
    """Refuse a label file that may not be replaced, before any work is done.

    Parameters
    ----------
    path
        The output. Where there is nothing yet, only its folder is looked at.
    labels
        What the new result is made of: the labels given, or the result itself.
    kind
        What makes it, as `kind_of` says.
    video
        Of the new result; None: any.
    force
        Also replace what another command or an earlier version wrote, and labels that are no longer given.
    option
        How the command lets one choose another name.

    Raises
    ------
    PoofError
        Saying what would be lost, and how to keep it.
    """
    path = Path(path)
    if not path.is_file():  # nothing, or nothing that labels could be in: a folder, a pipe, a device
        check_output(path, force, labels=True)
        return
    elsewhere = f"choose another name with {option}" if option.startswith("-") else "choose another name"
    if origin_of(path) is Origin.FOREIGN:
        raise PoofError(f"{path}: was not written by poof and is never written over; {elsewhere}, or move it away")
    check_output(path, force=True, labels=True)
    try:
        old = load_labels(path)
    except PoofError:
        if is_remembered(path) and force:
            return
        raise PoofError(f"{path}: is no label file any more; {elsewhere}, or move it away") from None
    given = [statement for one in labels for statement in statements(one)]
    changed = {(f, old.skeleton.keypoints[k]) for f, _, k in old.changes.places}
    theirs = list(statements(old))
    people_only = not is_recorded(old)
    # A format without stamps tells no edit; but a file that still is what poof wrote there has none.
    untouched = is_remembered(path)
    unstamped = people_only or not old.changes.recorded
    if unstamped and not untouched:
        changed = {(frame, name) for frame, name, _, _ in theirs}
    alone = [s for s in theirs if s[:2] in changed and not any(_same(s, g) for g in given)]
    if alone:
        also = "give this file with -l as well, or " if option.startswith("-") else ""
        raise PoofError(
            f"{path}: holds {_count(alone)} that a person set there and that the labels given lack (first: frame"
            f" {alone[0][0]}, {alone[0][1]}); {also}{elsewhere}"
        )
    if force:
        return
    covered = {statement[:2] for statement in given}
    dropped = [s for s in theirs if s[:2] not in covered or (people_only and not any(_same(s, g) for g in given))]
    reason = ""
    if dropped:
        reason = f"holds {_count(dropped)} that the labels given lack (first: frame {dropped[0][0]}, {dropped[0][1]})"
    elif unstamped and not people_only and not untouched:
        reason = "was written by an earlier version, which did not note what a person changed"
    elif kind_of(old) != kind and not unstamped:
        reason = f"is what poof {kind_of(old)} wrote"
    elif video is not None and not _same_video(old.info.get("video"), video):
        reason = f"was made of {old.info['video']}, not of {video}"
    if reason:
        raise PoofError(f"{path}: {reason}; {elsewhere}, or replace it with --force")


def statements(labels: LabelSet) -> Iterator[Statement]:
    """Everything that a person said."""
    for frame, _, points in labels:
        for k in np.flatnonzero(points.by_person).tolist():
            yield frame, labels.skeleton.keypoints[k], float(points.xy[k, 0]), float(points.xy[k, 1])


def _same(a: Statement, b: Statement) -> bool:
    return a[:2] == b[:2] and all(p == q or (p != p and q != q) or abs(p - q) <= SAME for p, q in zip(a[2:], b[2:]))


def _same_video(old: object, new: str) -> bool:
    if not isinstance(old, str):
        return True
    first, second = Path(old), Path(new)
    if first.exists() and second.exists():
        return first.samefile(second)
    return first.name == second.resolve().name or first.name == second.name


def _count(found: Sequence[Statement]) -> str:
    return "one point" if len(found) == 1 else f"{len(found)} points"
