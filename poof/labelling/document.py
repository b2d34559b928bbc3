"""The labels of one video as a document: a table of values by key, changed by recorded changes only.

Everything a person can say is a value under a key:

==========================================  ================================================================
key                                         value
==========================================  ================================================================
``("point", frame, subject, keypoint)``     `Said`: where the keypoint is, or that it is covered or absent
``("box", frame, subject)``                 box of the instance as the imported label file gave it
``("hidden", subject, keypoint)``           spans of frames in which points of the machine are not wanted
``("seen", frame)``, ``("skipped", frame)`` True
``("skeleton",)``                           keypoint names, edges, name of the subject
``("subjects",)``                           number -> name
==========================================  ================================================================

None is no value. A change has the value before and after, so it can be taken back, and two changes of one key by
different people can be told (`poof.labelling.session`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from poof.labels import LabelSet, Points, Skeleton, Visible, mirror_pairs

Key = tuple[Any, ...]
Value = Any

FOREVER = 2**31 - 1
"""The last frame of a span that has no end."""


class Said(NamedTuple):
    """What a person said of a keypoint: pixels of the full frame (None when absent), `Visible`, taken over as seen."""

    x: float | None
    y: float | None
    state: int
    accepted: bool = False


@dataclass(frozen=True)
class Change:
    """One value before and after."""

    key: Key
    was: Value
    now: Value

    def back(self) -> Change:
        """The change that takes this one back."""
        return Change(self.key, self.now, self.was)


class Document:
    """The values of one video."""

    def __init__(self, keypoints: Sequence[str] = (), name: str = "subject") -> None:
        self._values: dict[Key, Value] = {}
        self._by_frame: dict[int, dict[tuple[int, int], Said]] = {}
        self._set(("skeleton",), {"keypoints": list(keypoints), "edges": [], "name": name})
        self._set(("subjects",), {0: "subject 1"})

    def get(self, key: Key) -> Value:
        """The value under a key, None when there is none."""
        return self._values.get(key)

    def apply(self, changes: Iterable[Change]) -> None:
        """Make changes."""
        for change in changes:
            self._set(change.key, change.now)

    def _set(self, key: Key, value: Value) -> None:
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value
        if key[0] == "point":
            frame, cell = key[1], key[2:]
            if value is None:
                here = self._by_frame.get(frame, {})
                here.pop(cell, None)
                if not here:
                    self._by_frame.pop(frame, None)
            else:
                self._by_frame.setdefault(frame, {})[cell] = value

    # --------------------------------------------------------------------------------------------------- what is there

    @property
    def keypoints(self) -> list[str]:
        """Names; none before the first was added."""
        return list(self.get(("skeleton",))["keypoints"])

    @property
    def edges(self) -> list[tuple[int, int]]:
        """Pairs of keypoint indices."""
        return [(a, b) for a, b in self.get(("skeleton",))["edges"]]

    @property
    def subjects(self) -> dict[int, str]:
        """Number -> name."""
        return dict(self.get(("subjects",)))

    @property
    def frames(self) -> list[int]:
        """Frames in which a person said something of a point, ascending."""
        return sorted(self._by_frame)

    def at(self, frame: int) -> Mapping[tuple[int, int], Said]:
        """(subject, keypoint) -> what was said of it in a frame."""
        return self._by_frame.get(frame, {})

    def hidden(self, subject: int, keypoint: int) -> list[tuple[int, int]]:
        """Spans of frames, both ends included, ascending and apart."""
        return [(a, b) for a, b in self.get(("hidden", subject, keypoint)) or ()]

    def is_hidden(self, frame: int, subject: int, keypoint: int) -> bool:
        """Whether points of the machine are not wanted there."""
        return any(a <= frame <= b for a, b in self.get(("hidden", subject, keypoint)) or ())

    def marked(self, kind: str) -> list[int]:
        """The frames that are 'seen' or 'skipped', ascending."""
        return sorted(key[1] for key in self._values if key[0] == kind)

    def keys(self, kind: str) -> list[Key]:
        """Every key of a kind."""
        return [key for key in self._values if key[0] == kind]

    def of_keypoints_from(self, count: int) -> set[Key]:
        """The keys of points of the keypoints `count` and up."""
        return {key for key in self._values if key[0] == "point" and key[3] >= count}

    # -------------------------------------------------------------------------------------------------- as a label set

    def skeleton(self) -> Skeleton:
        """Names, edges, and mirror pairs by name; needs a keypoint."""
        names = tuple(self.keypoints)
        return Skeleton(names, tuple(self.edges), mirror_pairs(names), self.get(("skeleton",))["name"])

    def points(self, frame: int, subject: int) -> Points | None:
        """What a person said of a subject in a frame; None when nothing."""
        count = len(self.keypoints)
        said = {k: v for (s, k), v in self.at(frame).items() if s == subject}
        return human_points(frame, said, count, self.get(("box", frame, subject))) if said else None

    def labels(self, size: tuple[int, int], accepted: bool = True) -> LabelSet:
        """Everything a person said, as labels.

        Parameters
        ----------
        size
            (width, height) of the frames.
        accepted
            Also the points of the machine that were taken over as seen.
        """
        count = len(self.keypoints)
        instances: dict[tuple[int, int], Points] = {}
        for frame in self.frames:
            said: dict[int, dict[int, Said]] = {}
            for (subject, k), value in self.at(frame).items():
                if accepted or not value.accepted:
                    said.setdefault(subject, {})[k] = value
            for subject, values in sorted(said.items()):
                box = self.get(("box", frame, subject))
                instances[frame, subject] = human_points(frame, values, count, box)
        names = self.subjects
        used = {subject for _, subject in instances}
        individuals = {s: n for s, n in names.items() if n != f"subject {s + 1}" and s in used}
        return LabelSet(self.skeleton(), instances, size, individuals=individuals)


def human_points(frame: int, said: Mapping[int, Said], count: int, box: Sequence[float] | None = None) -> Points:
    """`count` points of a frame, those in `said` a person's."""
    xy, state = np.full((count, 2), np.nan, np.float32), np.zeros(count, np.int8)
    for k, value in said.items():
        state[k] = value.state
        if value.state != Visible.ABSENT:
            xy[k] = value.x, value.y
    return Points.human(frame, xy, state, None if box is None else np.array(box, np.float32))


def without(spans: Sequence[tuple[int, int]], first: int, last: int) -> list[tuple[int, int]]:
    """Spans with the frames first..last taken out."""
    kept: list[tuple[int, int]] = []
    for a, b in spans:
        kept += [(a, min(b, first - 1))] if a < first else []
        kept += [(max(a, last + 1), b)] if b > last else []
    return [(a, b) for a, b in kept if a <= b]


def with_span(spans: Sequence[tuple[int, int]], first: int, last: int) -> list[tuple[int, int]]:
    """Spans with the frames first..last put in, joined where they touch."""
    for a, b in spans:
        if a <= last + 1 and b >= first - 1:
            first, last = min(a, first), max(b, last)
    return sorted([*((a, b) for a, b in spans if b < first - 1 or a > last + 1), (first, last)])
