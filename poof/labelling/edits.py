"""Edits: each operation of a person as changes of the document. `OPERATIONS` lists them all.

An edit is a mapping with "op", a name in `OPERATIONS`, and what that needs; whatever comes in is checked here.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from poof.errors import PoofError, names_near
from poof.labelling.document import FOREVER, Change, Document, Said, with_span, without
from poof.labels import Points, Visible
from poof.labels.check import MARGIN

Edit = Mapping[str, Any]

LONGEST_NAME = 100
"""Characters of the name of a keypoint or subject."""
MOST_FRAMES = 100_000
"""Frames that one edit may accept."""


@dataclass(frozen=True)
class Context:
    """What edits are made in.

    Attributes
    ----------
    document : Document
    shown : callable
        (frame, subject) -> what stands there, human and machine together; None when nothing.
    size : (int, int)
        (width, height) of the frames.
    count : int
        Number of frames.
    """

    document: Document
    shown: Callable[[int, int], Points | None]
    size: tuple[int, int]
    count: int


def changes_of(context: Context, edit: Edit) -> tuple[list[Change], str]:
    """The changes that an edit makes, and what it is in words.

    Raises
    ------
    PoofError
        If the edit is none, or is about something that is not there.
    """
    if not isinstance(edit, Mapping) or edit.get("op") not in OPERATIONS:
        name = edit.get("op") if isinstance(edit, Mapping) else edit
        raise PoofError(f"no edit {name!r}; there are {names_near(name, OPERATIONS)}")
    changes, what = OPERATIONS[edit["op"]](context, edit)
    return [c for c in changes if c.was != c.now], what


# ------------------------------------------------------------------------------------------------------- single points


def _set(context: Context, edit: Edit) -> tuple[list[Change], str]:
    document, frame, subject, k = (
        context.document,
        _frame(context, edit),
        _subject(context, edit),
        _keypoint(context, edit),
    )
    state = edit.get("state", int(Visible.VISIBLE))
    if state not in (Visible.ABSENT, Visible.OCCLUDED, Visible.VISIBLE):
        raise PoofError(f"frame {frame}: no state {state!r}; valid are -1 absent, 1 covered, 2 visible")
    name = document.keypoints[k]
    if state == Visible.ABSENT:
        said, what = Said(None, None, int(state)), f"{name} absent"
    else:
        x, y = _place(context, edit, frame, subject, k)
        said, what = Said(x, y, int(state)), f"{name} {'set' if state == Visible.VISIBLE else 'covered'}"
    changes = [Change(("point", frame, subject, k), document.get(("point", frame, subject, k)), said)]
    spans = document.hidden(subject, k)
    for a, b in spans:
        if a <= frame <= b:  # the point is there again, from here on
            changes.append(Change(("hidden", subject, k), spans, without(spans, frame, b) or None))
    return changes, f"{what} in frame {frame}"


def _clear(context: Context, edit: Edit) -> tuple[list[Change], str]:
    document, frame, subject = context.document, _frame(context, edit), _subject(context, edit)
    which = _keypoints(context, edit)
    changes = [_gone(document, frame, subject, k) for k in which]
    name = document.keypoints[which[0]] if len(which) == 1 else "labels"
    return changes, f"{name} cleared in frame {frame}"


def _delete(context: Context, edit: Edit) -> tuple[list[Change], str]:
    document, subject = context.document, _subject(context, edit)
    first = _frame(context, edit, "from")
    last = FOREVER if edit.get("to") is None else _frame(context, edit, "to")
    if last < first:
        raise PoofError(f"frames {first} to {last}: give the earlier frame first")
    which = _keypoints(context, edit)
    changes = [
        _gone(document, frame, subject, k)
        for frame in document.frames
        if first <= frame <= last
        for k in which
        if (subject, k) in document.at(frame)
    ]
    for k in which:
        spans = document.hidden(subject, k)
        changes.append(Change(("hidden", subject, k), spans or None, with_span(spans, first, last)))
    name = document.keypoints[which[0]] if len(which) == 1 else "points"
    where = (
        f"in frame {first}" if last == first else f"from frame {first} " + ("on" if last == FOREVER else f"to {last}")
    )
    return changes, f"{name} deleted {where}"


def _gone(document: Document, frame: int, subject: int, k: int) -> Change:
    return Change(("point", frame, subject, k), document.get(("point", frame, subject, k)), None)


# -------------------------------------------------------------------------------------------------------- whole frames


def _accept(context: Context, edit: Edit) -> tuple[list[Change], str]:
    document = context.document
    first, last = _frame(context, edit, "from"), _frame(context, edit, "to", "from")
    if last < first or last - first >= MOST_FRAMES:
        raise PoofError(f"frames {first} to {last}: give the earlier frame first, and at most {MOST_FRAMES} frames")
    subjects = [_subject(context, edit)] if edit.get("subject") is not None else list(document.subjects)
    which = _keypoints(context, edit)
    changes = []
    for frame in range(first, last + 1):
        for subject in subjects:
            points = context.shown(frame, subject)
            if points is None:
                continue
            taken = points.decided & ~points.by_person
            for k in which:
                if taken[k]:
                    changes.append(Change(("point", frame, subject, k), None, _said(points, k, accepted=True)))
        changes.append(Change(("seen", frame), document.get(("seen", frame)), True))
    return changes, f"frame {first} accepted" if first == last else f"frames {first} to {last} accepted"


def _copy(context: Context, edit: Edit) -> tuple[list[Change], str]:
    frame, subject, origin = _frame(context, edit), _subject(context, edit), _frame(context, edit, "from")
    points = context.shown(origin, subject)
    if points is None:
        raise PoofError(f"frame {origin}: has no points to copy; label it first")
    here = context.document.at(frame)
    changes = [
        Change(("point", frame, subject, k), None, _said(points, k))
        for k in range(len(points))
        if points.decided[k] and (subject, k) not in here
    ]
    return changes, f"frame {origin} copied to frame {frame}"


def _skip(context: Context, edit: Edit) -> tuple[list[Change], str]:
    frame, on = _frame(context, edit), edit.get("skip", True) is not False
    change = Change(("skipped", frame), context.document.get(("skipped", frame)), True if on else None)
    return [change], f"frame {frame} {'skipped' if on else 'no longer skipped'}"


def _said(points: Points, k: int, accepted: bool = False) -> Said:
    if points.visible[k] == Visible.ABSENT:
        return Said(None, None, int(Visible.ABSENT), accepted)
    covered = points.visible[k] == Visible.OCCLUDED
    x, y = (round(float(v), 3) for v in points.xy[k])
    return Said(x, y, int(Visible.OCCLUDED if covered else Visible.VISIBLE), accepted)


# ------------------------------------------------------------------------------------------------ skeleton and subjects


def _add_keypoint(context: Context, edit: Edit) -> tuple[list[Change], str]:
    names = context.document.keypoints
    name = _name(edit, names, "keypoint")
    return [_skeleton(context, keypoints=[*names, name])], f"keypoint {name} added"


def _rename_keypoint(context: Context, edit: Edit) -> tuple[list[Change], str]:
    names, k = context.document.keypoints, _keypoint(context, edit)
    name = _name(edit, names[:k] + names[k + 1 :], "keypoint")
    return [_skeleton(context, keypoints=[*names[:k], name, *names[k + 1 :]])], f"keypoint {names[k]} is now {name}"


def _add_edge(context: Context, edit: Edit) -> tuple[list[Change], str]:
    a, b = _keypoint(context, edit, "a"), _keypoint(context, edit, "b")
    edges = context.document.edges
    if a == b or (a, b) in edges or (b, a) in edges:
        raise PoofError("an edge joins two different keypoints, once")
    names = context.document.keypoints
    return [_skeleton(context, edges=[*map(list, edges), [a, b]])], f"edge {names[a]} - {names[b]} added"


def _remove_edge(context: Context, edit: Edit) -> tuple[list[Change], str]:
    a, b = _keypoint(context, edit, "a"), _keypoint(context, edit, "b")
    kept = [list(edge) for edge in context.document.edges if set(edge) != {a, b}]
    names = context.document.keypoints
    return [_skeleton(context, edges=kept)], f"edge {names[a]} - {names[b]} removed"


def _add_subject(context: Context, edit: Edit) -> tuple[list[Change], str]:
    subjects = context.document.subjects
    number = max(subjects, default=-1) + 1
    given = edit if edit.get("name") is not None else {"name": f"subject {number + 1}"}
    name = _name(given, list(subjects.values()), "subject")
    return [Change(("subjects",), subjects, subjects | {number: name})], f"{name} added"


def _rename_subject(context: Context, edit: Edit) -> tuple[list[Change], str]:
    subjects, number = context.document.subjects, _subject(context, edit)
    name = _name(edit, [n for i, n in subjects.items() if i != number], "subject")
    return [Change(("subjects",), subjects, subjects | {number: name})], f"{subjects[number]} is now {name}"


def _skeleton(context: Context, **new: Any) -> Change:
    before = context.document.get(("skeleton",))
    return Change(("skeleton",), before, before | new)


OPERATIONS: dict[str, Callable[[Context, Edit], tuple[list[Change], str]]] = {
    "set": _set,
    "clear": _clear,
    "delete": _delete,
    "accept": _accept,
    "copy": _copy,
    "skip": _skip,
    "add_keypoint": _add_keypoint,
    "rename_keypoint": _rename_keypoint,
    "add_edge": _add_edge,
    "remove_edge": _remove_edge,
    "add_subject": _add_subject,
    "rename_subject": _rename_subject,
}
"""Name -> function."""


# -------------------------------------------------------------------------------------------------------- what comes in


def _whole(edit: Edit, field: str) -> int:
    value = edit.get(field)
    if isinstance(value, bool) or not isinstance(value, int):
        raise PoofError(f"{edit['op']}: '{field}' must be a whole number, not {value!r}")
    return value


def _frame(context: Context, edit: Edit, field: str = "frame", default: str | None = None) -> int:
    frame = _whole(edit, field if default is None or edit.get(field) is not None else default)
    if not 0 <= frame < context.count:
        raise PoofError(f"there is no frame {frame}; the video's are 0 to {context.count - 1}")
    return frame


def _subject(context: Context, edit: Edit) -> int:
    subject = _whole(edit, "subject") if edit.get("subject") is not None else 0
    if subject not in context.document.subjects:
        raise PoofError(f"there is no subject {subject}; add it first")
    return subject


def _keypoint(context: Context, edit: Edit, field: str = "keypoint") -> int:
    k, count = _whole(edit, field), len(context.document.keypoints)
    if not 0 <= k < count:
        raise PoofError(f"there is no keypoint {k}; the skeleton has {count}")
    return k


def _keypoints(context: Context, edit: Edit) -> list[int]:
    """The keypoint that is named, or all of them."""
    if edit.get("keypoint") is not None:
        return [_keypoint(context, edit)]
    return list(range(len(context.document.keypoints)))


def _place(context: Context, edit: Edit, frame: int, subject: int, k: int) -> tuple[float, float]:
    x, y = edit.get("x"), edit.get("y")
    if x is None and y is None:
        points = context.shown(frame, subject)
        if points is None or not points.labelled[k]:
            raise PoofError(f"frame {frame}: {context.document.keypoints[k]} has no place yet; click where it is")
        x, y = (float(v) for v in points.xy[k])
    numbers = [v for v in (x, y) if isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v)]
    if len(numbers) < 2:
        raise PoofError(f"frame {frame}: ({x!r}, {y!r}) is no place; give two numbers")
    for value, side in zip(numbers, context.size):
        if not -0.5 - MARGIN <= value <= side - 0.5 + MARGIN:
            raise PoofError(
                f"frame {frame}: ({x:g}, {y:g}) is outside the picture of {context.size[0]}x{context.size[1]}"
            )
    return round(float(numbers[0]), 3), round(float(numbers[1]), 3)


def _name(edit: Edit, taken: list[str], kind: str) -> str:
    name = edit.get("name")
    if not isinstance(name, str) or not name.strip():
        raise PoofError(f"the {kind} needs a name")
    name = name.strip()
    if len(name) > LONGEST_NAME or any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name):
        raise PoofError(f"the name of a {kind} is one line of at most {LONGEST_NAME} characters")
    if name in taken:
        raise PoofError(f"there is a {kind} {name} already; choose another name")
    return name
