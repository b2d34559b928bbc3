"""A record of the points that poof wrote into a file, by which a person's later edits are detected.

A file with carried, refined or predicted points keeps two things beside them: a *stamp* for every point, the position,
state and source as they were written with a checksum over them and the point's place, and a *list* of all points
that were written. When the file comes back,

- a point that differs from its stamp, has none, or bears the stamp of another place was set by a person;
- a listed point whose row is gone, or whose coordinates were emptied, was removed: the keypoint is absent there, by
  the word of a person;
- everything else is what poof said.

Spreadsheets that round all numbers of a file alike, and renamed keypoints, are no edits. Where more than half of the
machine's points are gone the file was filtered, not corrected: then the missing points are just not there.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from poof.labels.changes import Changes, Place
from poof.labels.model import LabelSet, Points, Source, Visible

Array = np.ndarray

STATES = {Visible.ABSENT: "a", Visible.UNLABELLED: "u", Visible.OCCLUDED: "o", Visible.VISIBLE: "v"}
SOURCES = {Source.NONE: "n", Source.HUMAN: "h", Source.PROPAGATED: "p", Source.PREDICTED: "d", Source.REFINED: "r"}
HEADER = "poof:"
"""How the name of the stamps' column in a table begins; the packed list of points follows."""
MAKING = ("propagation", "refinement", "method", "models", "flip", "made_by")
"""Keys of `LabelSet.info` that tell how labels were made; who makes new ones of them drops these."""
FILTERED = 0.5
"""Share of the machine's points that may be gone before the file counts as filtered."""
MAX_LISTED = 10_000_000
"""Frames that a list may name; one that names more is damaged."""
FEW = 20
"""So many points may be gone in any case."""
_SCALE = 1000
_MAX_UNPACKED = 2**28
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_STATE_OF = {letter: state for state, letter in STATES.items()}
_SOURCE_OF = {letter: source for source, letter in SOURCES.items()}


# ------------------------------------------------------------------------------------------------ writing


def kind_of(labels: LabelSet) -> str:
    """What made a label set: 'refine', 'propagate', 'predict', or 'labels' of people."""
    for name, key in (("refine", "refinement"), ("propagate", "propagation")):
        if key in labels.info:
            return name
    return "predict" if labels.info.get("method") == "predict" else str(labels.info.get("made_by") or "labels")


def is_recorded(labels: LabelSet) -> bool:
    """Whether a file of these labels keeps stamps: some point or absence in it is a machine's."""
    return any((p.source[p.decided] > Source.HUMAN).any() for p in labels.instances.values())


def stamps_of(frame: int, instance: int, points: Points, names: Sequence[str]) -> list[str]:
    """The stamp of every keypoint that has coordinates or is absent, '' for the others."""
    return [
        _stamp(frame, instance, names[k], *_written(points, k)) if points.decided[k] else "" for k in range(len(points))
    ]


def list_of(labels: LabelSet) -> dict[str, Any]:
    """Which points there are: names, and for each instance runs of frames with the same keypoints, as bit masks."""
    runs: dict[int, list[list[int]]] = {}
    for frame, instance, points in labels:
        shown, human = _mask(points.labelled), _mask(points.is_human & points.labelled)
        if not shown:
            continue
        own = runs.setdefault(instance, [])
        if own and own[-1][1] == frame - 1 and own[-1][2:] == [shown, human]:
            own[-1][1] = frame
        else:
            own.append([frame, frame, shown, human])
    text = {
        str(i): ";".join(f"{a}-{b}={s:x}/{h:x}" if h else f"{a}-{b}={s:x}" for a, b, s, h in own)
        for i, own in runs.items()
    }
    return {"made_by": kind_of(labels), "keypoints": list(labels.skeleton.keypoints), "frames": text}


def pack(content: Mapping[str, Any]) -> str:
    """A value as one word of letters and digits, which no spreadsheet touches."""
    data = zlib.compress(json.dumps(content, separators=(",", ":"), sort_keys=True).encode(), 9)
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unpack(text: str) -> dict[str, Any] | None:
    """What `pack` packed; None when it is damaged (a spreadsheet cut it off, say)."""
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), _MAX_UNPACKED)
        content = json.loads(data) if unpacker.eof else None
    except (ValueError, zlib.error, RecursionError):
        return None
    return content if isinstance(content, dict) else None


# ------------------------------------------------------------------------------------------------ reading


def restate(
    labels: LabelSet,
    stamps: Mapping[tuple[int, int], Sequence[str]],
    written: Mapping[str, Any] | None,
    emptied_is_absent: bool = True,
    states: bool = True,
) -> Changes:
    """Make every edit of a person a person's point, in place.

    Parameters
    ----------
    labels
        As the file says, `source` included.
    stamps
        (frame, instance) -> the stamp of each keypoint, '' where there is none.
    written
        The list of the points that were written (`list_of`), None when it is lost: then no deleted row is noticed.
    emptied_is_absent
        Whether a point that was removed is absent; otherwise it is not labelled.
    states
        Whether the file still says the states; otherwise they are as they were written.

    Returns
    -------
    Changes
        What was found.
    """
    names = labels.skeleton.keypoints
    called = _renamed(labels, stamps, written)
    known: dict[Place, tuple[int, int, float, float] | None] = {}
    for (frame, instance), row in stamps.items():
        for k, text in enumerate(row):
            if text:
                known[frame, instance, k] = _read(text, frame, instance, called.get(names[k], names[k]))
    exact = _precision(labels, known)
    changes = Changes(recorded=True)
    listed = dict(_listed(written, labels, called))
    gone: list[Place] = []
    for (frame, instance), points in labels.instances.items():
        for k in range(len(points)):
            place = frame, instance, k
            there, absent = bool(points.labelled[k]), bool(points.absent[k])
            before = known.get(place)
            if before is None:
                if there or absent:
                    (changes.corrected if place in (listed if written else known) else changes.added).append(place)
                    _set(points, k, frame)
                elif place in listed:
                    gone.append(place)
                continue
            state, source, x, y = before
            here = points.xy[k].astype(np.float64)
            if not states and (there or state == Visible.ABSENT):
                points.visible[k] = state
                absent = state == Visible.ABSENT
            now = int(points.visible[k])
            if absent and state == Visible.ABSENT:
                _keep(points, k, frame, source, changes, place)
            elif absent or (not there and state != Visible.ABSENT) or (there and now == 0 != state):
                changes.removed.append(place)
                if absent or emptied_is_absent:
                    _absent(points, k, frame)
                else:
                    _forget(points, k)
            elif not there:  # an absence that was withdrawn
                _forget(points, k)
                changes.removed.append(place)
            elif now == state and max(abs(here - (x, y))) <= exact:
                _keep(points, k, frame, source, changes, place)
            else:
                changes.corrected.append(place)
                if state != Visible.ABSENT:
                    changes.before[place] = (x, y)
                _set(points, k, frame)
    present = labels.instances
    gone += [place for place in listed if place[:2] not in present and place not in known]
    gone += [place for place in known if place[:2] not in present and place in listed]
    _remove(labels, sorted(set(gone)), listed, changes, emptied_is_absent)
    labels.instances = {key: p for key, p in sorted(labels.instances.items()) if p.decided.any()}
    return changes


def _remove(labels: LabelSet, gone: list[Place], listed: Mapping[Place, bool], changes: Changes, absent: bool) -> None:
    """Points whose rows are gone: absent, unless a filter took them or a person withdrew a whole frame of labels."""
    machine = [place for place in gone if not listed[place]]
    total = sum(not human for human in listed.values())
    if len(machine) > max(FEW, FILTERED * total):
        changes.filtered = len(gone)
        return
    there = {key for key, points in labels.instances.items() if points.decided.any()}
    for place in gone:
        frame, instance, k = place
        changes.removed.append(place)
        if not absent or (listed[place] and (frame, instance) not in there):
            continue
        points = labels.instances.setdefault((frame, instance), Points.empty(len(labels.skeleton)))
        _absent(points, k, frame)


def _set(points: Points, k: int, frame: int) -> None:
    """Point `k` is a person's; what a machine had said of it goes."""
    points.source[k] = Source.HUMAN
    points.anchor[k], points.steps[k], points.confidence[k] = frame, 0, 1.0
    if points.labelled[k] and points.visible[k] == Visible.UNLABELLED:
        points.visible[k] = Visible.VISIBLE
    for name in ("flow_xy", "presence"):
        if getattr(points, name, None) is not None:
            getattr(points, name)[k] = np.nan
    if points.disputed is not None:
        points.disputed[k] = False


def _absent(points: Points, k: int, frame: int) -> None:
    points.xy[k] = np.nan
    points.visible[k] = Visible.ABSENT
    _set(points, k, frame)


def _forget(points: Points, k: int) -> None:
    where = np.zeros(len(points), bool)
    where[k] = True
    points.put(where, Points.empty(len(points)))


def _keep(points: Points, k: int, frame: int, source: int, changes: Changes, place: Place) -> None:
    """An unchanged point: what poof wrote, unless a person has put it down as their own."""
    if points.source[k] == Source.HUMAN and source != Source.HUMAN:
        changes.confirmed.append(place)
        _set(points, k, frame)
    elif points.source[k] == Source.NONE or source == Source.HUMAN:
        points.source[k] = source


def _renamed(
    labels: LabelSet, stamps: Mapping[tuple[int, int], Sequence[str]], written: Mapping[str, Any] | None
) -> dict[str, str]:
    """New name -> the name under which a keypoint was written, for keypoints renamed throughout the file."""
    names = labels.skeleton.keypoints
    old = _names_in(written)
    lost = [name for name in old if name not in names]
    found: dict[str, str] = {}
    for k, name in enumerate(names):
        if name in old or not lost:
            continue
        own = [(key, row[k]) for key, row in stamps.items() if row[k]]
        for former in lost:
            right = sum(_read(text, *key, former) is not None for key, text in own)
            if own and right > len(own) / 2 and former not in found.values():
                found[name] = former
    return found


def _precision(labels: LabelSet, known: Mapping[Place, tuple[int, int, float, float] | None]) -> float:
    """How far a coordinate may lie from what was written and still be the same, pixels.

    The file's own rounding, unless nearly all coordinates were rounded further since.
    """
    pairs = [
        (labels.instances[f, i].xy[k], before[2:])
        for (f, i, k), before in known.items()
        if before is not None and (f, i) in labels.instances and np.isfinite(before[2])
    ]
    own = 0.6 / _SCALE
    if not pairs:
        return own
    here, there = (np.array(values, np.float64).ravel() for values in zip(*pairs))
    good = np.isfinite(here)
    here, there = here[good], there[good]
    if not len(here) or (np.abs(here - there) <= own).mean() > 0.5:
        return own
    for digits in (2, 1, 0):
        whole = np.abs(here * 10**digits - np.round(here * 10**digits)) < 1e-3
        for step in (0.5 * 10.0**-digits, 10.0**-digits):  # rounded, or cut off
            if whole.mean() >= 0.99 and (np.abs(here - there) <= step * 1.01).mean() >= 0.9:
                return step * 1.01
    return own


def _names_in(written: Mapping[str, Any] | None) -> list[str]:
    """The keypoints of the list, none where it is damaged."""
    names = (written or {}).get("keypoints")
    return [str(name) for name in names] if isinstance(names, list) else []


def _listed(
    written: Mapping[str, Any] | None, labels: LabelSet, called: Mapping[str, str]
) -> Iterator[tuple[Place, bool]]:
    """Every point of the list, and whether it was a person's."""
    if written is None:
        return
    now = {former: name for name, former in called.items()}
    index = {name: k for k, name in enumerate(labels.skeleton.keypoints)}
    ours = [index.get(now.get(name, name)) for name in _names_in(written)]
    left = MAX_LISTED
    try:
        for instance, text in written.get("frames", {}).items():
            for run in text.split(";"):
                span, masks = run.split("=")
                first, last = (int(v) for v in span.split("-"))
                left -= last - first + 1
                if first < 0 or left < 0:
                    return
                shown, human = ([int(v, 16) for v in masks.split("/")] + [0])[:2]
                for frame in range(first, last + 1):
                    for bit, k in enumerate(ours):
                        if k is not None and shown >> bit & 1:
                            yield (frame, int(instance), k), bool(human >> bit & 1)
    except (ValueError, AttributeError, TypeError):
        return


# ------------------------------------------------------------------------------------------------ one stamp


def _written(points: Points, k: int) -> tuple[str, str, str]:
    """State and source, x and y of a point as its stamp holds them."""
    letters = STATES[Visible(points.visible[k])] + SOURCES[Source(points.source[k])]
    if not points.labelled[k]:
        return letters, "", ""
    x, y = (_base36(round(round(float(v), 3) * _SCALE)) for v in points.xy[k])
    return letters, x, y


def _stamp(frame: int, instance: int, name: str, letters: str, x: str, y: str) -> str:
    check = zlib.crc32(f"{frame}/{instance}/{name}/{letters}/{x}/{y}".encode()) % 36**4
    return f"{letters}:{x}:{y}:{_base36(check)}"


def _read(text: str, frame: int, instance: int, name: str) -> tuple[int, int, float, float] | None:
    """(state, source, x, y) of a stamp, None when it is not that of this place."""
    try:
        letters, x, y, _ = text.split(":")
        state, source = _STATE_OF[letters[0]], _SOURCE_OF[letters[1:]]
        if _stamp(frame, instance, name, letters, x, y) != text:
            return None
        where = (int(x, 36) / _SCALE, int(y, 36) / _SCALE) if x else (np.nan, np.nan)
    except (ValueError, KeyError, IndexError):
        return None
    return int(state), int(source), *where


def _base36(value: int) -> str:
    text, rest = "", abs(value)
    while rest or not text:
        rest, digit = divmod(rest, 36)
        text = _DIGITS[digit] + text
    return "-" + text if value < 0 else text


def _mask(flags: Array) -> int:
    return int(sum(1 << k for k in np.flatnonzero(flags).tolist()))
