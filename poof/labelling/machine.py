"""Machine-made points beside the person's: carried by flow, refined, and those of the file that was opened.

Each comes from labels as they were at some time. Flow's are redone behind the page. The others stay as long as they are
true: a point of theirs counts while the labels within a chain's reach of it are those that it was made from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from poof.labelling.document import Document
from poof.labels import LabelSet, Points, Source

Place = tuple[int, int]
"""Frame and subject."""


class Layer:
    """Points that were made from known labels.

    Parameters
    ----------
    labels
        The labels and the points made of them.
    reach
        Frames that a label can have had an effect on, to either side.
    """

    def __init__(self, labels: LabelSet, reach: int) -> None:
        self.points = {place: points for place, points in labels.instances.items() if _machine(points).any()}
        self._base = labels.human().instances
        self._reach = reach
        self._changed: set[Place] = set()

    def compare(self, document: Document, places: Iterable[Place] | None = None) -> None:
        """Look where the person says something else than the layer was made from; everywhere if `places` is None."""
        if places is None:
            said = {(frame, s) for frame in document.frames for s, _ in document.at(frame)}
            places = said | self._base.keys()
        for place in places:
            same = _same(document.points(*place), self._base.get(place))
            (self._changed.discard if same else self._changed.add)(place)

    def at(self, frame: int, subject: int) -> Points | None:
        """Its points, None where it has none or they are out of date."""
        points = self.points.get((frame, subject))
        if points is None or any(s == subject and abs(f - frame) <= self._reach for f, s in self._changed):
            return None
        return points


class Machine:
    """The points of all machines.

    Attributes
    ----------
    carried : dict
        Place -> points by flow, human ones among them left out.
    refined, given : Layer or None
        Of `poof refine`, and of the file that was opened.
    """

    def __init__(self) -> None:
        self.carried: dict[Place, Points] = {}
        self.refined: Layer | None = None
        self.given: Layer | None = None

    def at(self, frame: int, subject: int, count: int) -> Points | None:
        """`count` points of a subject in a frame: refined ones before carried ones before given ones."""
        given = None if self.given is None else self.given.at(frame, subject)
        carried = self.carried.get((frame, subject))
        refined = None if self.refined is None else self.refined.at(frame, subject)
        found = [points for points in (given, carried, refined) if points is not None]
        if not found:
            return None
        result = padded(found[0], count)
        for points in found[1:]:
            over = padded(points, count)
            result = result.copy() if result is found[0] else result
            result.put(_machine(over), over)
        return result

    @property
    def places(self) -> set[Place]:
        """Where there may be points."""
        layers = [layer.points.keys() for layer in (self.refined, self.given) if layer is not None]
        return set(self.carried.keys()).union(*layers)

    def take(self, frames: range, labels: LabelSet, only: Collection[int] | None = None) -> list[int]:
        """Put what flow made of the labels in place of what it had made in `frames`; the frames that look different.

        Parameters
        ----------
        frames
            What the labels were carried to.
        labels
            The result.
        only
            Frames among them that are to change; None: all.
        """

        def wanted(frame: int) -> bool:
            return frame in frames and (only is None or frame in only)

        old = {place: points for place, points in self.carried.items() if wanted(place[0])}
        new: dict[Place, Points] = {}
        for place, points in labels.instances.items():
            if wanted(place[0]) and _machine(points).any():
                new[place] = points
        for place in old.keys() - new.keys():
            del self.carried[place]
        self.carried.update(new)
        both = old.keys() | new.keys()
        return sorted({place[0] for place in both if not _alike(old.get(place), new.get(place))})

    def forget(self, frames: range) -> list[int]:
        """Let what flow had made go, when there is nothing left to carry; the frames that look different."""
        gone = [place for place in self.carried if place[0] in frames]
        for place in gone:
            del self.carried[place]
        return sorted({frame for frame, _ in gone})


def merged(said: Points | None, machine: Points | None, hidden: Mapping[int, bool]) -> Points | None:
    """What is shown: the person's points, and the machine's where the person said nothing and does not hide them."""
    if machine is None:
        return said
    result = machine.copy()
    off = np.array([hidden.get(k, False) for k in range(len(result))], bool) | ~_machine(result)
    if off.any():
        result.put(off, Points.empty(len(result)))
    if said is not None:
        result.put(said.by_person, said)
        result.box = said.box
    return result if result.decided.any() else None


def padded(points: Points, count: int) -> Points:
    """Points with others, of which nothing is known, behind them, for keypoints that were added since."""
    if len(points) == count:
        return points
    if len(points) > count:
        return points.ordered(range(count))
    known = np.arange(count) < len(points)
    result = points.ordered(np.minimum(np.arange(count), len(points) - 1))
    result.put(~known, Points.empty(count))
    return result


def _machine(points: Points) -> np.ndarray:
    """(K,) bool: what a machine says."""
    return np.asarray(points.decided & (points.source != Source.HUMAN))


def _same(a: Points | None, b: Points | None) -> bool:
    """Whether a person says the same in both."""
    if a is None or b is None:
        return (a is None or not a.by_person.any()) and (b is None or not b.by_person.any())
    count = max(len(a), len(b))
    a, b = padded(a, count), padded(b, count)
    if not np.array_equal(a.by_person, b.by_person) or not np.array_equal(
        a.visible[a.by_person], b.visible[a.by_person]
    ):
        return False
    return bool(np.allclose(a.xy[a.by_person], b.xy[a.by_person], atol=0.01, equal_nan=True))


def _alike(a: Points | None, b: Points | None) -> bool:
    """Whether two results look the same: to a twentieth of a pixel and a hundredth of confidence."""
    if a is None or b is None or len(a) != len(b):
        return a is b
    return (
        np.array_equal(a.visible, b.visible)
        and np.array_equal(a.source, b.source)
        and bool(np.allclose(a.xy, b.xy, atol=0.05, equal_nan=True))
        and bool(np.allclose(a.confidence, b.confidence, atol=0.01, equal_nan=True))
    )
