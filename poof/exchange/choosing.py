"""Choice of frames and points to export: all, every n-th, or the hardest; none below a confidence.

Frames to which points were tracked are the easy ones of a video. Hundreds of them beside ten that a person labelled
unbalance a training set; a few hard ones, corrected, are worth more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from poof.errors import PoofError
from poof.labels.model import LabelSet, Points
from poof.planning.uncertainty import disputes

APART = 5
"""Frames that two hard frames lie apart, as long as there are such."""


def confident(labels: LabelSet, least: float) -> tuple[LabelSet, int]:
    """The labels without machine-made points whose confidence is below `least` or unknown, and how many those were."""
    if not 0 <= least <= 1:
        raise PoofError(f"--min-confidence {least:g}: give a number from 0 to 1")
    if not least:
        return labels, 0
    kept: dict[tuple[int, int], Points] = {}
    dropped = 0
    for key, points in labels.instances.items():
        unsure = points.labelled & ~points.is_human & ~(points.confidence >= least)
        if unsure.any():
            dropped += int(unsure.sum())
            points = points.copy()
            points.put(unsure, Points.empty(len(points)))
        if points.decided.any():
            kept[key] = points
    return labels.replace(instances=kept), dropped


def only(labels: LabelSet, frames: Sequence[int]) -> LabelSet:
    """The labels of these frames."""
    wanted = set(frames)
    return labels.replace(
        instances={key: points for key, points in labels.instances.items() if key[0] in wanted},
        frame_names={frame: name for frame, name in labels.frame_names.items() if frame in wanted},
    )


def hardness(labels: LabelSet) -> dict[int, float]:
    """Frame -> how hard it is: the mean of 1 - confidence over its machine-made points, 1 more if some is in dispute.

    Frames in which a person set everything are not in it.
    """
    disputed = disputes(labels, max(labels.frames, default=0) + 1)
    found: dict[int, float] = {}
    for frame, group in labels.by_frame().items():
        uncertainty = [1 - np.nan_to_num(p.confidence[p.labelled & ~p.is_human], nan=0.0) for p in group.values()]
        values = np.concatenate(uncertainty)
        if len(values):
            found[frame] = float(values.mean()) + (frame in disputed)
    return found


def chosen(labels: LabelSet, which: str, count: int | None) -> list[int]:
    """The frames to hand over, ascending.

    Parameters
    ----------
    labels
        What there is.
    which
        'all', 'every:N', or numbers with commas.
    count
        Of the frames that hold machine-made points at most so many, the hardest first and apart from each other;
        frames that a person labelled go along in any case.

    Raises
    ------
    PoofError
        If `which` is none of these, or none of its frames is labelled.
    """
    frames = labels.frames
    every = re.fullmatch(r"every:([1-9][0-9]{0,6})", which)
    if every:
        frames = frames[:: int(every.group(1))]
    elif re.fullmatch(r"[0-9]+(,[0-9]+)*", which):
        wanted = {int(part) for part in which.split(",")}
        missing = sorted(wanted - set(frames))
        if missing:
            raise PoofError(f"--frames: nothing is labelled in frame {missing[0]}; leave it out")
        frames = sorted(wanted)
    elif which != "all":
        raise PoofError(f"--frames '{which[:40]}': say all, every:N, select or numbers with commas")
    if count is None:
        return frames
    if count < 0:
        raise PoofError(f"--count {count}: give a number from 0")
    hard = hardness(only(labels, frames))
    return sorted({*(frame for frame in frames if frame not in hard), *_hardest(hard, count)})


def _hardest(hard: dict[int, float], count: int) -> list[int]:
    """The hardest frames, as far apart as `APART` while that is possible."""
    order = sorted(hard, key=lambda frame: (-hard[frame], frame))
    apart = APART
    taken: list[int] = []
    while len(taken) < min(count, len(order)) and apart >= 1:
        for frame in order:
            if len(taken) < count and frame not in taken and all(abs(frame - other) >= apart for other in taken):
                taken.append(frame)
        apart -= 1
    return taken
