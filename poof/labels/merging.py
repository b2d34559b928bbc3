"""Merging of several label files of one video; contradictions between them are named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poof.errors import PoofError, names_near
from poof.labels.changes import Place
from poof.labels.check import aligned
from poof.labels.model import LabelSet, Points, Skeleton

SAME = 0.5
"""Pixels within which two files say the same of a point; the one given first is kept."""
NEAR = 0.3
"""Instances of files without identities are one when their points are so near, in longer sides of the subject."""


@dataclass(frozen=True)
class _Said:
    """What a file says of a point, and with which authority."""

    file: int
    rank: int  # 2: a person's edit of a file that poof wrote, 1: a label, 0: a copy of a label in poof's own file
    xy: tuple[float, float]
    state: int


def merged(labels: Sequence[LabelSet], names: Sequence[str], prefer: str | None = None) -> LabelSet:
    """One label set of several of the same video.

    A label that poof only copied into a result gives way to the label itself, and both to a correction that a person
    made in the result of this very label. Any other contradiction is an error, unless `prefer` decides it.

    Parameters
    ----------
    labels
        At least one; keypoints may stand in another order, and a file may lack some.
    names
        The files, as messages shall call them.
    prefer
        The file that wins contradictions: one of `names` (or its last part), 'first' or 'last'.

    Raises
    ------
    PoofError
        On contradictions, other image sizes, keypoints that no file has all of, and a `prefer` that is no file.
    """
    first = _preferred(prefer, names)
    if len(labels) == 1:
        return labels[0]
    sizes = {each.image_size: name for each, name in zip(labels, names) if each.image_size}
    if len(sizes) > 1:
        (a, former), (b, other) = list(sizes.items())[:2]
        raise PoofError(
            f"{former} and {other}: were made at {a[0]}x{a[1]} and {b[0]}x{b[1]}; scale one (poof convert --scale)"
        )
    skeleton = max((one.skeleton for one in labels), key=len)
    sets = [in_skeleton(one, skeleton, name) for one, name in zip(labels, names)]
    result = sets[0].replace(
        instances={key: p.copy() for key, p in sets[0].instances.items()},
        frame_names=dict(sets[0].frame_names),
        individuals=dict(sets[0].individuals),
        info=dict(sets[0].info),
    )
    said: dict[Place, _Said] = {}
    _note(said, sets[0], 0)
    conflicts: list[tuple[Place, _Said, _Said]] = []
    for number, one in enumerate(sets[1:], 1):
        here = _with_numbers_of(result, one)
        new: dict[Place, _Said] = {}
        _note(new, here, number)
        for place, theirs in new.items():
            ours = said.get(place)
            if ours is not None and not _wins(theirs, ours, sets, here, place, first, conflicts):
                continue
            said[place] = theirs
            frame, instance, k = place
            points = result.instances.setdefault((frame, instance), Points.empty(len(skeleton)))
            where = np.zeros(len(points), bool)
            where[k] = True
            points.put(where, here.instances[frame, instance])
        for key, points in here.instances.items():
            if result.instances.get(key) is not None and result.instances[key].box is None:
                result.instances[key].box = points.box
        result.frame_names = one.frame_names | result.frame_names
        result.individuals = here.individuals | result.individuals
        result.tracked = result.tracked and one.tracked
        result.image_size = result.image_size or one.image_size
        result.assumed_absent = {*result.assumed_absent, *here.assumed_absent}
    if conflicts:
        raise PoofError(_told(conflicts, names, skeleton.keypoints))
    for one in sets[1:]:
        result.changes = result.changes.joined(one.changes)
    return result


def _preferred(prefer: str | None, names: Sequence[str]) -> int | None:
    """The number of the file that wins, None without one."""
    if prefer is None:
        return None
    if prefer in ("first", "last"):
        return 0 if prefer == "first" else len(names) - 1
    found = [i for i, name in enumerate(names) if prefer in (name, Path(name).name) or Path(prefer) == Path(name)]
    if len(found) != 1:
        near = names_near(prefer, names)
        raise PoofError(f"--prefer {prefer}: is none of the label files ({near}); name one, first or last")
    return found[0]


def in_skeleton(labels: LabelSet, skeleton: Skeleton, name: str) -> LabelSet:
    """The labels with the keypoints of the largest skeleton; those that they lack are not labelled."""
    whole = skeleton.keypoints
    own = labels.skeleton.keypoints
    if set(own) == set(whole) or not set(own) <= set(whole):
        return aligned(labels, skeleton, name)  # says what differs
    where = [whole.index(k) for k in own]
    instances = {}
    for key, points in labels.instances.items():
        wide = Points.empty(len(whole))
        picked = points.ordered([own.index(k) if k in own else 0 for k in whole])
        mask = np.zeros(len(whole), bool)
        mask[where] = True
        wide.put(mask, picked)
        wide.box = points.box
        instances[key] = wide
    absent = {(f, i, where[k]) for f, i, k in labels.assumed_absent}
    changes = labels.changes.moved(where)
    return labels.replace(skeleton=skeleton, instances=instances, assumed_absent=absent, changes=changes)


def _note(said: dict[Place, _Said], labels: LabelSet, number: int) -> None:
    """What a person said in a file."""
    changed = set(labels.changes.places)
    own = any((p.source[p.decided] > 1).any() for p in labels.instances.values())
    for frame, instance, points in labels:
        for k in np.flatnonzero(points.by_person).tolist():
            place = frame, instance, k
            rank = 2 if place in changed else 0 if own else 1
            x, y = points.xy[k].tolist()
            said[place] = _Said(number, rank, (x, y), int(points.visible[k]))


def _wins(
    theirs: _Said,
    ours: _Said,
    sets: Sequence[LabelSet],
    here: LabelSet,
    place: Place,
    first: int | None,
    conflicts: list[tuple[Place, _Said, _Said]],
) -> bool:
    """Whether what the later file says takes the place of what is known; contradictions are noted."""
    there = [np.isfinite(one.xy).all() for one in (theirs, ours)]
    apart = float(np.hypot(*np.subtract(theirs.xy, ours.xy))) if all(there) else 0.0
    if there[0] == there[1] and apart <= SAME and (theirs.state == ours.state or not there[0]):
        return False
    assumed = place in here.assumed_absent, place in sets[ours.file].assumed_absent
    if assumed[0] != assumed[1]:  # an empty cell gives way to a word
        return assumed[1]
    if 0 in (theirs.rank, ours.rank) and theirs.rank != ours.rank:
        return theirs.rank > ours.rank
    if theirs.rank != ours.rank:
        edit, label = (theirs, ours) if theirs.rank == 2 else (ours, theirs)
        before = (here if theirs.rank == 2 else sets[ours.file]).changes.before.get(place)
        removed = not np.isfinite(edit.xy).all()
        if removed or (before is not None and np.hypot(*np.subtract(before, label.xy)) <= SAME):
            return theirs.rank == 2
    if first is not None:
        return theirs.file == first
    conflicts.append((place, ours, theirs))
    return False


def _with_numbers_of(base: LabelSet, other: LabelSet) -> LabelSet:
    """`other` with the instance numbers of `base`: by name, by number where both follow individuals, else by place."""
    by_name = {name: i for i, name in base.individuals.items()}
    if by_name and other.individuals:
        free = max([*base.instance_ids, *other.instance_ids, *by_name.values()], default=0) + 1
        number: dict[int, int] = {}
        for i in other.instance_ids:
            name = other.individuals.get(i)
            if name in by_name:
                number[i] = by_name[name]
            else:
                number[i], free = free, free + 1
        return _numbered(other, {(f, i): number[i] for f, i in other.instances})
    several = len(base.instance_ids) > 1 or len(other.instance_ids) > 1
    if not several:
        mine = (base.instance_ids or [0])[0]
        return _numbered(other, dict.fromkeys(other.instances, mine))
    if base.tracked and other.tracked:
        return other
    numbers: dict[tuple[int, int], int] = {}
    ours = base.by_frame()
    for frame, theirs in other.by_frame().items():
        here = ours.get(frame, {})
        numbers |= {(frame, i): j for i, j in _matched(theirs, here).items()}
    return _numbered(other, numbers)


def _matched(theirs: dict[int, Points], ours: dict[int, Points]) -> dict[int, int]:
    """Their instance -> ours, by place; those without a partner get numbers that are free in the frame."""
    mine, other = list(ours), list(theirs)
    cost = np.full((len(other), len(mine)), np.inf)
    for r, i in enumerate(other):
        for c, j in enumerate(mine):
            both = theirs[i].labelled & ours[j].labelled
            if both.any():
                side = max(float(np.ptp(ours[j].xy[ours[j].labelled], axis=0).max()), 20.0)
                cost[r, c] = np.hypot(*(theirs[i].xy[both] - ours[j].xy[both]).T).mean() / side
    found: dict[int, int] = {}
    if cost.size:
        from scipy.optimize import linear_sum_assignment  # slow to import

        rows, columns = linear_sum_assignment(np.where(np.isfinite(cost), cost, 1e6))
        found = {other[r]: mine[c] for r, c in zip(rows, columns) if cost[r, c] <= NEAR}
    free = max([*mine, *found.values()], default=-1) + 1
    for i in other:
        if i not in found:
            found[i], free = free, free + 1
    return found


def _numbered(labels: LabelSet, numbers: dict[tuple[int, int], int]) -> LabelSet:
    """The labels with other instance numbers."""
    instances = {(f, numbers[f, i]): p for (f, i), p in labels.instances.items()}
    individuals = {numbers[f, i]: labels.individuals[i] for f, i in labels.instances if i in labels.individuals}
    absent = {(f, numbers.get((f, i), i), k) for f, i, k in labels.assumed_absent}
    changes = labels.changes.numbered(numbers)
    return labels.replace(instances=instances, individuals=individuals, assumed_absent=absent, changes=changes)


def _told(conflicts: Sequence[tuple[Place, _Said, _Said]], names: Sequence[str], keypoints: Sequence[str]) -> str:
    (frame, instance, k), ours, theirs = conflicts[0]

    def where(said: _Said) -> str:
        return f"({said.xy[0]:.1f}, {said.xy[1]:.1f})" if np.isfinite(said.xy).all() else "absent"

    of = f" of instance {instance}" if any(place[1] for place, _, _ in conflicts) else ""
    more = f", and {len(conflicts) - 1} more" if len(conflicts) > 1 else ""
    return (
        f"frame {frame}: {keypoints[k]}{of} is {where(ours)} in {names[ours.file]} and {where(theirs)} in"
        f" {names[theirs.file]}{more}; correct one, or say which file wins with --prefer {names[theirs.file]}"
    )
