"""Train and validation split of labels.

Videos are never mixed: with several, whole videos are held out. A single video is split by its anchors (the frames a
person labelled), never by frames, so that nothing derived from a validation label is trained on:

1. A run of neighbouring anchors is held out for validation; only these frames, with their human points, judge.
2. Any other instance trains only if none of its points was carried from a held-out anchor, and if for each of its
   carried points neither the last anchor before it nor the first one after it is held out, counting only anchors in
   which this very keypoint of this instance is labelled. The second condition is needed because a point between two
   anchors may be a blend of both, while its provenance names one of them.

Refined points owe something to every label, since the networks that moved them were trained on all. Where some of these
labels shall judge, such points go back to where flow alone had put them.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from poof.errors import PoofError
from poof.labels import LabelSet, Points, Source
from poof.video import Video

VALIDATION_SHARE = 0.2


class Pair(NamedTuple):
    """A video and its labels."""

    video: Video
    labels: LabelSet


class Split(NamedTuple):
    """What to train on, what to judge by, and a sentence on how it was divided."""

    train: list[Pair]
    validation: list[Pair]
    how: str


def split(pairs: Sequence[Pair], share: float = VALIDATION_SHARE) -> Split:
    """Divide videos, or the anchors of a single one, into training and validation.

    Parameters
    ----------
    pairs
        Videos with their labels.
    share
        About how much of the anchors to hold out; at least one video or anchor is.

    Returns
    -------
    Split
        `validation` is empty when nothing can be held out: one video with a single anchor.
    """
    pairs = [pair._replace(labels=_as_flow_had_it(pair.labels)) for pair in pairs]
    if len(pairs) > 1:
        return _split_videos(pairs, share)
    (pair,) = pairs
    anchors = anchors_of(pair.labels)
    if len(anchors) < 2:
        return Split(list(pairs), [], "nothing held out: a single labelled frame")
    held = held_out_anchors(anchors, share)
    train, validation = split_anchors(pair.labels, held)
    which = f"frame {held[0]}" if len(held) == 1 else f"frames {held[0]} to {held[-1]}"
    how = f"{len(held)} of {len(anchors)} labelled frames held out ({which})"
    return Split([pair._replace(labels=train)], [pair._replace(labels=validation)], how)


def _as_flow_had_it(labels: LabelSet) -> LabelSet:
    """The labels with refined points where flow had put them."""
    instances = {}
    for key, points in labels.instances.items():
        instances[key] = points
        if (moved := points.was_refined & ~points.is_human).any() and points.flow_xy is not None:
            instances[key] = points.copy()
            instances[key].xy[moved] = points.flow_xy[moved]
            instances[key].source[moved] = Source.PROPAGATED
    return labels.replace(instances=instances)


def anchors_of(labels: LabelSet) -> list[int]:
    """The frames a person labelled, and those that points say they were carried from, ascending."""
    frames: set[int] = set()
    for frame, _, points in labels:
        if points.by_person.any():
            frames.add(frame)
        frames.update(int(a) for a in points.anchor[points.decided] if a >= 0)
    return sorted(frames)


def held_out_anchors(anchors: Sequence[int], share: float = VALIDATION_SHARE) -> list[int]:
    """A run of neighbouring anchors at the end of the video, about `share` of them, at least one, at most half.

    At the end, because a run in the middle costs the frames on both of its sides.
    """
    count = min(max(1, round(share * len(anchors))), len(anchors) // 2)
    return list(anchors[len(anchors) - count :])


def split_anchors(labels: LabelSet, held: Sequence[int]) -> tuple[LabelSet, LabelSet]:
    """Labels of one video divided by the rule above: (training, validation).

    Parameters
    ----------
    labels
        With provenance.
    held
        The anchors that judge.
    """
    out = set(held)
    anchors: dict[tuple[int, int], set[int]] = {}  # (instance, keypoint) -> frames it may have been carried from
    for frame, instance, points in labels:
        for k in np.flatnonzero(points.decided):
            source = frame if points.source[k] == Source.HUMAN else int(points.anchor[k])
            if source >= 0:
                anchors.setdefault((instance, int(k)), set()).add(source)
    ordered = {key: sorted(frames) for key, frames in anchors.items()}

    def touched(frame: int, instance: int, k: int, points: Points) -> bool:
        """Whether a point may owe anything to a held-out anchor."""
        if points.source[k] == Source.HUMAN:
            return False
        line = ordered.get((instance, k), [])
        behind, ahead = bisect.bisect_left(line, frame), bisect.bisect_right(line, frame)
        around = {*line[max(behind - 1, 0) : behind], *line[behind:ahead], *line[ahead : ahead + 1]}
        return bool((around | {int(points.anchor[k])}) & out)

    train = {
        (frame, instance): points
        for frame, instance, points in labels
        if frame not in out
        and not any(touched(frame, instance, int(k), points) for k in np.flatnonzero(points.decided))
    }
    human = labels.human()
    validation = {key: points for key, points in human.instances.items() if key[0] in out}
    return labels.replace(instances=train), human.replace(instances=validation)


def _split_videos(pairs: Sequence[Pair], share: float) -> Split:
    """Hold out the videos whose anchors come nearest to `share` of all, taken from the last one on."""
    counts = [max(1, len(anchors_of(pair.labels))) for pair in pairs]
    wanted, held = share * sum(counts), [len(pairs) - 1]
    for i in range(len(pairs) - 2, 0, -1):
        have = sum(counts[j] for j in held)
        if abs(have + counts[i] - wanted) < abs(have - wanted):
            held.append(i)
    train = [pair for i, pair in enumerate(pairs) if i not in held]
    validation = [pairs[i] for i in sorted(held)]
    names = ", ".join(pair.video.name for pair in validation)
    return Split(train, validation, f"{len(validation)} of {len(pairs)} videos held out ({names})")


def check_apart(train: Sequence[Pair], validation: Sequence[Pair]) -> None:
    """Refuse a video that stands on both sides of a split that the user made.

    Raises
    ------
    PoofError
        Naming the video.
    """
    for judge in validation:
        if any(_same(judge.video, pair.video) for pair in train):
            raise PoofError(f"{judge.video.name}: is both trained on and judged by; validate on another video")


def _same(a: Video, b: Video) -> bool:
    """Whether two videos are one: the same object, or the same file or folder."""
    paths = Path(a.name), Path(b.name)
    return a is b or (all(path.exists() for path in paths) and paths[0].samefile(paths[1]))
