"""Coverage: which frames carry points, which do not and why, and what would close the gaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from poof.labels.model import LabelSet
from poof.video.base import Video
from poof.video.length import expected_frames

TOO_MANY = 8
"""A video longer than so many times the frames that were worked on is not decoded to its end only to count them."""
FAR = 30
"""Radius beyond which flow carries nothing of use: more labels are advised instead."""


@dataclass(frozen=True)
class Gap:
    """Frames first ... last without a point, why, and what closes them."""

    first: int
    last: int
    reason: str
    remedy: str

    def __str__(self) -> str:
        span = f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"
        return f"{span}: {self.reason}" + (f"; {self.remedy}" if self.remedy else "")

    def as_dict(self) -> dict[str, Any]:
        """In plain values."""
        return {"first": self.first, "last": self.last, "reason": self.reason, "remedy": self.remedy}


@dataclass(frozen=True)
class Coverage:
    """How far a label set covers its video.

    Attributes
    ----------
    frames
        Frames that carry a point, or of which a person said that there is none.
    total
        Frames of the video; the last labelled one is taken as its end where that is not known.
    exact
        Whether the end is known.
    gaps
        Ascending.
    """

    frames: int
    total: int
    exact: bool
    gaps: list[Gap]

    def __str__(self) -> str:
        return f"{self.frames} of {'' if self.exact else 'at least '}{self.total} frames"


def coverage(video: Video, labels: LabelSet, radius: int) -> Coverage:
    """What of a video carries labels.

    Parameters
    ----------
    video
        Is decoded to its end where that is not far, to count its frames.
    labels
        As propagated with `radius`.
    """
    there = {frame for frame, _, points in labels if points.decided.any()}
    made = labels.info.get("propagation", {})
    known = made.get("video_end")
    last = max(there, default=0)
    total, exact = (int(known), True) if known is not None else length_of(video, last + 1)
    missing = [frame for frame in range(total) if frame not in there]
    anchors = np.array(sorted(f for f in labels.human().frames), int)
    cuts = [int(c) for c in made.get("cuts", ())]
    gaps = [_explained(a, b, anchors, radius, cuts, total) for a, b in _runs(missing)]
    return Coverage(len([f for f in there if f < total]), total, exact, gaps)


def length_of(video: Video, seen: int) -> tuple[int, bool]:
    """Number of frames, and whether it is known; a video of which little was seen is not decoded only to be counted."""
    if video.frame_names is not None:
        return len(video.frame_names), True
    if video.damage is not None:
        return video.damage.frame, True
    path = getattr(video, "path", None)
    guess = expected_frames(path) if path is not None else None
    if guess is not None and guess > TOO_MANY * seen + 2000:
        return max(int(guess), seen), False
    return video.count(), True


def _runs(frames: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of consecutive frames."""
    first: int | None = None
    before = -2
    for frame in frames:
        if frame != before + 1:
            if first is not None:
                yield first, before
            first = frame
        before = frame
    if first is not None:
        yield first, before


def _explained(first: int, last: int, anchors: np.ndarray, radius: int, cuts: Sequence[int], total: int) -> Gap:
    """Why a gap is there, and what would close it."""
    middle = (first + last) // 2
    far = (
        np.abs(np.arange(first, last + 1)[:, None] - anchors[None, :]).min(axis=1)
        if len(anchors)
        else np.array([total])
    )
    crossed = [c for c in cuts if _between(c, first, last, anchors)]
    if crossed and int(far.min()) <= radius:
        return Gap(first, last, f"behind the scene cut at {crossed[0]}", f"a label at {middle} closes it")
    if int(far.min()) <= radius:
        return Gap(first, last, "nothing came through (left the picture, or below --min-confidence)", "")
    needed = int(far.max())
    labels = -(-(last - first + 1) // (2 * radius + 1))
    more = f"a label at {middle}" if labels == 1 else f"{labels} labels, the first at {min(first + radius, last)},"
    closes = "closes it" if labels == 1 else "close it"
    wider = f"--radius {needed} or " if needed <= FAR and not crossed else ""
    return Gap(first, last, f"no label within {radius} frames", f"{wider}{more} {closes}")


def _between(cut: int, first: int, last: int, anchors: np.ndarray) -> bool:
    """Whether a cut lies between a gap and the labels on either side of it."""
    before = anchors[anchors < first].max(initial=-1)
    behind = anchors[anchors > last].min(initial=np.iinfo(int).max)
    return bool(before < cut <= first or last < cut <= behind or first < cut <= last)
