"""A session in plain values: the points of a frame, and the timeline of a track in one character a frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from poof.labelling.session import Session
from poof.labels import Points, Source, Visible

NOTHING, HIDDEN, ABSENT = " ", "x", "a"
SAID = {Visible.ABSENT: "A", Visible.OCCLUDED: "C", Visible.VISIBLE: "L", Visible.UNLABELLED: "C"}
DISPUTED = "!"
URGENCY = " x9876543210aCAL!"
"""Characters of a timeline from the least to the most noteworthy: of several frames in one, the latter is shown."""


def points_of(session: Session, frame: int, subject: int) -> dict[str, Any] | None:
    """A subject in a frame, as lists over the keypoints; None when nothing is there."""
    points = session.shown(frame, subject)
    if points is None:
        return None
    said = session.document.at(frame)
    accepted = [(subject, k) in said and said[subject, k].accepted for k in range(len(points))]
    return {"frame": frame, "subject": subject, **plain(points), "accepted": accepted}


def plain(points: Points) -> dict[str, Any]:
    """Points as lists that JSON can hold."""
    xy = _pairs(points.xy)
    refined = points.was_refined
    flow = (
        [None] * len(points) if points.flow_xy is None else _pairs(np.where(refined[:, None], points.flow_xy, np.nan))
    )
    return {
        "xy": xy,
        "state": points.visible.astype(int).tolist(),
        "source": [Source(int(s)).label for s in points.source],
        "confidence": _numbers(points.confidence),
        "disputed": points.in_dispute.tolist(),
        "flow": flow,
        "anchor": points.anchor.tolist(),
        "presence": [None] * len(points) if points.presence is None else _numbers(points.presence),
    }


def _pairs(xy: np.ndarray) -> list[list[float] | None]:
    return [[round(x, 3), round(y, 3)] if x == x and y == y else None for x, y in xy.astype(float).tolist()]


def _numbers(values: np.ndarray) -> list[float | None]:
    return [round(v, 4) if v == v else None for v in values.astype(float).tolist()]


def points_between(session: Session, first: int, last: int) -> list[dict[str, Any]]:
    """Everything that stands in the frames first..last."""
    with session.lock:
        subjects = list(session.document.subjects)
        views = (points_of(session, f, s) for f in range(max(first, 0), last + 1) for s in subjects)
        return [view for view in views if view is not None]


def points_at(session: Session, places: Iterable[tuple[int, int]], most: int | None = None) -> list[dict[str, Any]]:
    """What stands in some frames and subjects now; a subject of which nothing is left comes without points."""
    with session.lock:
        count = len(session.document.keypoints)
        views = []
        for frame, subject in sorted(places)[:most]:
            view = points_of(session, frame, subject)
            empty = {"frame": frame, "subject": subject, **plain(Points.empty(count)), "accepted": [False] * count}
            views.append(empty if view is None else view)
        return views


def timeline(session: Session, first: int, last: int, bins: int | None = None) -> dict[str, Any]:
    """The tracks of the frames first..last, each a line of one character a frame, or of at most `bins` characters."""
    with session.lock:
        document, count = session.document, last - first + 1
        per = 1.0 if bins is None else max(1.0, count / max(1, bins))
        rows = []
        for subject in document.subjects:
            lines = _binned(_lines(session, subject, first, last), per)
            rows += [{"subject": subject, "keypoint": k, "line": line} for k, line in enumerate(lines)]
        return {
            "revision": session.revision,
            "from": first,
            "to": last,
            "per": per,
            "labelled": [frame for frame in document.frames if first <= frame <= last],
            "seen": _spans(document.marked("seen")),
            "skipped": document.marked("skipped"),
            "rows": rows,
        }


def _lines(session: Session, subject: int, first: int, last: int) -> np.ndarray:
    """(K, F) characters of the keypoints of a subject."""
    document, machine = session.document, session.machine
    count = len(document.keypoints)
    lines = np.full((count, last - first + 1), NOTHING)
    for k in range(count):
        for a, b in document.hidden(subject, k):
            lines[k, max(0, a - first) : max(0, b - first + 1)] = HIDDEN
    frames = {f for f, s in machine.places if s == subject} | set(document.frames)
    for frame in frames:
        if not first <= frame <= last:
            continue
        points = session.shown(frame, subject)
        if points is None:
            continue
        column = lines[:, frame - first]
        for place in np.flatnonzero(points.decided).tolist():
            column[place] = _character(points, place)
    return lines


def _character(points: Points, k: int) -> str:
    if points.source[k] == Source.HUMAN:
        return SAID[Visible(int(points.visible[k]))]
    if points.visible[k] == Visible.ABSENT:
        return ABSENT
    if points.disputed is not None and points.disputed[k]:
        return DISPUTED
    sure = float(points.confidence[k])
    return str(min(9, int(10 * sure))) if sure == sure else "5"


def _binned(lines: np.ndarray, per: float) -> list[str]:
    """Lines (K, F) as text, of every `per` frames the most noteworthy character."""
    if per > 1:
        known, where = np.unique(lines, return_inverse=True)
        urgency = np.array([URGENCY.index(character) for character in known])[where].reshape(lines.shape)
        edges = [round(i * per) for i in range(int(np.ceil(lines.shape[1] / per)))]
        lines = np.array(list(URGENCY))[np.maximum.reduceat(urgency, edges, axis=1)]
    return ["".join(line) for line in lines.tolist()]


def _spans(frames: list[int]) -> list[list[int]]:
    spans: list[list[int]] = []
    for frame in frames:
        if spans and spans[-1][1] == frame - 1:
            spans[-1][1] = frame
        else:
            spans.append([frame, frame])
    return spans
