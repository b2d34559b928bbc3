"""Frame selection: which frames to label first, and which next, once there are labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from poof.deprecated import old_attribute
from poof.errors import PoofError, names_near
from poof.labels.check import check_fit
from poof.labels.model import LabelSet
from poof.planning.placement import place_diversely, place_evenly
from poof.planning.survey import Survey, survey
from poof.planning.uncertainty import disputes, frame_uncertainty, next_frames
from poof.progress import Track, silent
from poof.video.base import Video

STRATEGIES = ("even", "diverse")
RADIUS = 10
"""R when none is given: frames before and after a label that it will be carried to."""


@dataclass
class Selection:
    """Frames to label.

    Attributes
    ----------
    frames : list of int
        Ascending.
    order : list of int
        The same, the most useful first where that is known.
    worth : dict
        Frame -> what a label there is worth, see `next_frames`; empty before there are labels.
    uncertainty : (N,) or None
        How unsure every frame of the video is, see `frame_uncertainty`; None before there are labels.
    seen : Survey
        What the frames of the video look like.
    notes : list of str
        What the user should know, one line each.
    disputed : dict
        Frame -> names of its points in dispute, see `disputes`; of all frames that have some, chosen or not.
    """

    frames: list[int]
    order: list[int]
    worth: dict[int, float]
    uncertainty: np.ndarray | None
    seen: Survey
    notes: list[str] = field(default_factory=list)
    disputed: dict[int, list[str]] = field(default_factory=dict)
    doubt: ClassVar[Any] = old_attribute("doubt", "uncertainty")

    def __repr__(self) -> str:
        chosen = ", ".join(map(str, self.frames[:12])) + (", ..." if len(self.frames) > 12 else "")
        return f"Selection({len(self.frames)} of {len(self.seen.sharpness)} frames: {chosen})"

    def as_dict(self, fps: float) -> dict[str, Any]:
        """The selection as plain values, for JSON; `fps` gives the times."""
        return {
            "frames": [
                {
                    "frame": frame,
                    "seconds": round(frame / fps, 3),
                    "worth": self.worth.get(frame),
                    "uncertainty": None if self.uncertainty is None else float(self.uncertainty[frame]),
                    "disputed": self.disputed.get(frame, []),
                }
                for frame in self.order
            ],
            "cuts": self.seen.cuts,
            "video_frames": self.seen.count,
            "notes": self.notes,
        }


def select_frames(
    video: Video,
    count: int,
    radius: int = RADIUS,
    strategy: str = "even",
    candidates: Sequence[int] | None = None,
    seen: Survey | None = None,
    track: Track = silent,
) -> Selection:
    """Frames to label first.

    Repeated frames are not chosen, blurred ones neither as long as there are others, and every scene between two cuts
    is served for itself.

    Parameters
    ----------
    video
        Any source of frames.
    count
        How many to choose.
    radius
        R: labels will be carried to so many frames before and after. Frames are 2R apart if the video is long enough.
    strategy
        'even': the middles of equal parts of the scenes, moved a little where that makes the frames look different.
        'diverse': frames that look as different as can be. For propagation it gains nothing over even spacing on the
        shared clips (from 9 % less error to 15 % more); it may serve where few labels stand for a long video.
    candidates
        Choose among these frames only.
    seen
        The result of `survey`, if there is one already.
    track
        Shows progress.

    Raises
    ------
    PoofError
        If an option makes no sense or the video holds no frames.
    """
    _check(count, radius)
    if strategy not in STRATEGIES:
        raise PoofError(f"--strategy {strategy}: valid are {names_near(strategy, STRATEGIES)}")
    seen = seen or survey(video, track)
    usable, notes = _usable(seen, candidates, count, np.zeros(0, int))
    place = place_evenly if strategy == "even" else place_diversely
    frames = place(seen, count, radius, usable)
    notes += _notes(seen, frames, count, radius) + _damage(video)
    return Selection(frames, frames, {}, None, seen, notes)


def select_next(
    video: Video,
    labels: LabelSet,
    count: int,
    radius: int = RADIUS,
    candidates: Sequence[int] | None = None,
    seen: Survey | None = None,
    track: Track = silent,
) -> Selection:
    """Frames to label next: where labels bring most unsure frames nearer to a label.

    In refined labels, the frames where flow and appearance put points in different places come before all others, those
    with most such points first; `next_frames` says how they keep their distance.

    Parameters
    ----------
    video
        Where the labels were made.
    labels
        What a person set and, better, what `propagate` made of it: its confidences tell where flow is at a loss.
        Refined labels also tell where a person should look. Human labels alone serve too; then every frame between
        them counts alike.
    count
        How many to choose.
    radius
        R. New labels lie at least R/2 from others where they can.
    candidates, seen, track
        As in `select_frames`.

    Raises
    ------
    PoofError
        If there is no human label, the labels cannot belong to the video, or an option makes no sense.
    """
    _check(count, radius)
    human = labels.human()
    if not human.instances:
        raise PoofError(f"{video.name}: the labels hold no point that a person set; select frames without them")
    check_fit(human, video.size, None, video.name)
    seen = seen or survey(video, track)
    check_fit(human, video.size, seen.count if video.damage is None else None, video.name)
    labelled = [f for f in human.frames if f < seen.count]
    usable, notes = _usable(seen, candidates, count, np.array(labelled, int))
    uncertainty = frame_uncertainty(labels, seen.count)
    disputed = disputes(labels, seen.count)
    number = np.zeros(seen.count, int)
    number[list(disputed)] = [len(names) for names in disputed.values()]
    order, worth = next_frames(uncertainty, labelled, seen.scenes, usable, count, radius // 2, number)
    if disputed:
        notes.append(_dispute(disputed, order))
    if len(order) < count:
        notes.append(f"only {len(order)} of {count} frames: no others are left to label")
    if len(labels.frames) == len(human.frames):
        notes.append("the labels were not propagated: every frame between them counts alike")
    notes += _damage(video)
    return Selection(sorted(order), order, dict(zip(order, worth)), uncertainty, seen, notes, disputed)


def _check(count: int, radius: int) -> None:
    if count < 1:
        raise PoofError(f"-n {count}: choose at least one frame")
    if radius < 1:
        raise PoofError(f"--radius {radius}: must be at least 1 ({RADIUS} is usual)")


def _usable(
    seen: Survey, candidates: Sequence[int] | None, count: int, labelled: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """(N,) bool: the frames to choose from; blurred ones only if there are too few others, and then that is noted."""
    usable = ~seen.repeats
    if candidates is not None:
        wanted = np.zeros(seen.count, bool)
        beyond = [f for f in candidates if not 0 <= f < seen.count]
        if beyond:
            raise PoofError(f"candidates: there is no frame {beyond[0]}; the video's are 0 to {seen.count - 1}")
        wanted[list(candidates)] = True
        usable &= wanted
    usable[labelled] = False
    sharp = usable & ~seen.blurred
    if sharp.sum() >= count:
        return sharp, []
    return usable, ["blurred frames are among them: there are too few sharp ones"] if (usable & ~sharp).any() else []


def _notes(seen: Survey, frames: list[int], count: int, radius: int) -> list[str]:
    notes = []
    if len(frames) < count:
        notes.append(
            f"only {len(frames)} of {count} frames: the others repeat the frame before them, or there are none"
        )
    gaps = [b - a for a, b in zip(frames, frames[1:]) if not any(a < cut <= b for cut in seen.cuts)]
    if gaps and min(gaps) < 2 * radius:
        notes.append(
            f"the nearest two are {min(gaps)} frames apart, less than twice the radius {radius}: fewer labels would do"
        )
    missed = [s for s in seen.scenes if not any(f in s for f in frames)]
    if missed:
        shown = ", ".join(f"{s.start}-{s.stop - 1}" for s in missed[:3]) + (", ..." if len(missed) > 3 else "")
        notes.append(f"{len(missed)} of {len(seen.scenes)} scenes get no label (frames {shown})")
    return notes


def _dispute(disputed: Mapping[int, Sequence[str]], order: Sequence[int]) -> str:
    hold = "frame holds" if len(disputed) == 1 else "frames hold"
    chosen = sum(frame in disputed for frame in order)
    return f"{len(disputed)} {hold} points where flow and appearance disagree; among the chosen: {chosen}"


def _damage(video: Video) -> list[str]:
    notes = [f"frames {h.start} to {h.stop - 1} cannot be read and are not chosen" for h in video.holes]
    if video.damage is not None:
        notes.append(f"the video is damaged from frame {video.damage.frame} on: frames behind that cannot be chosen")
    return notes
