"""Segments: the windows around anchors, cut into runs of frames that are computed in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Segment:
    """The frames start..stop, both included, between two anchors or between an anchor and the end of its window.

    Attributes
    ----------
    start, stop : int
        First and last frame.
    starts_at_anchor, stops_at_anchor : bool
        Whether a person labelled something there.
    joined : bool
        Whether the previous segment ends where this one starts, so that chains run on.
    """

    start: int
    stop: int
    starts_at_anchor: bool
    stops_at_anchor: bool
    joined: bool

    @property
    def pairs(self) -> range:
        """The first frames of the pairs (t, t+1)."""
        return range(self.start, self.stop)


def reach(radius: int) -> int:
    """Frames a chain may run: windows of +-R that touch leave 2R+1 frames between their anchors."""
    return 2 * radius + 1


def plan_segments(anchors: Sequence[int], radius: int) -> list[Segment]:
    """Segments that cover [a-R, a+R] of every anchor a, in order; windows that touch or overlap are joined.

    The end of the video is not known here: the last segment may reach beyond it and is cut when the frames end.
    """
    segments: list[Segment] = []
    ordered = sorted(set(anchors))
    for index, anchor in enumerate(ordered):
        before = ordered[index - 1] if index else None
        if before is not None and anchor - before <= reach(radius):
            segments.append(Segment(before, anchor, True, True, bool(segments)))
            continue
        if before is not None:
            segments.append(Segment(before, before + radius, True, False, bool(segments)))
        if anchor > 0:
            segments.append(Segment(max(0, anchor - radius), anchor, False, True, False))
    last = ordered[-1]
    segments.append(Segment(last, last + radius, True, False, last > 0))
    return segments
