"""Between which labels of a person a point is followed: the gaps that trackers fill."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from poof.labels.model import LabelSet, Visible


@dataclass(frozen=True)
class Gap:
    """The frames between two labels of one keypoint.

    Attributes
    ----------
    before, after : int or None
        Frames of the labels; None where there is none on that side.
    first, last : int
        The frames that the label before is followed to, and the label after back to, both included: the other label
        where it is in reach, or where a person says that the keypoint is absent, a scene begins, or the reach ends.
    """

    before: int | None
    after: int | None
    first: int
    last: int

    @property
    def closed(self) -> bool:
        """Whether points run from one label to the other."""
        return self.before is not None and self.after is not None and self.last == self.after


def gaps_of(set_: np.ndarray, absent: np.ndarray, reach: int, cuts: np.ndarray | None = None) -> Iterator[Gap]:
    """The gaps of one keypoint, in order.

    Parameters
    ----------
    set_ : (A,) int
        Frames in which a person set the keypoint, ascending.
    absent : (B,) int
        Frames in which a person says that it is absent.
    reach : int
        Most frames from a label.
    cuts : (C,) int
        Frames that begin a new scene; nothing is followed across.
    """
    cuts = np.array([], int) if cuts is None else np.asarray(cuts)
    ends: list[int | None] = [None, *set_.tolist(), None]
    for before, after in zip(ends, ends[1:]):
        if before is None and after is None:
            return
        low = before if before is not None else -(10**12)
        high = after if after is not None else 10**12
        inside = absent[(absent > low) & (absent < high)]
        scenes = cuts[(cuts > low) & (cuts <= high)]
        last = low if before is None else min([high, low + reach, *inside.tolist(), *(scenes - 1).tolist()])
        first = high if after is None else max([low, high - reach, *inside.tolist(), *scenes.tolist(), 0])
        yield Gap(before, after, first, last)


def frames_set(labels: LabelSet, instance: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What a person said of an instance.

    Returns
    -------
    tuple
        Frames (L,), points (L, K, 2) with NaN where not set, and (L, K) which are marked occluded and which absent.
    """
    frames = [frame for frame, i in sorted(labels.instances) if i == instance]
    points = [labels.instances[frame, instance] for frame in frames]
    xy = np.stack([np.where(p.is_human[:, None] & (p.visible > 0)[:, None], p.xy, np.nan) for p in points])
    hidden = np.stack([p.visible == Visible.OCCLUDED for p in points])
    absent = np.stack([p.absent for p in points])
    return np.array(frames), xy.astype(np.float64), hidden, absent
