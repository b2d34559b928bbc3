"""Proposals of frames to label: the first ones, and then those with uncertain points.

Before there are labels, frames are those of `poof.planning.select_frames`. Then every point counts for itself: a
person who corrects one point has not labelled the others. What a label of keypoint c at frame f is worth is what
`poof.planning` says of a frame, for the track of c alone,

    w(f, c) = sum over t of uncertainty(t, c)^2 max(0, near_c(t) - |t - f|),

near_c(t) being the distance to the nearest label of c. A frame is worth the sum over its uncertain points; points on
which flow and appearance disagree come first.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from poof.labelling.session import Session
from poof.labels import Source
from poof.planning.select import select_frames
from poof.planning.survey import Survey
from poof.planning.uncertainty import worth_at

UNCERTAIN = 0.2
"""1 - confidence from which on a point is offered for correction."""
UNKNOWN = 0.5
"""Uncertainty of a point of unknown confidence."""


@dataclass(frozen=True)
class Proposal:
    """A frame to look at.

    Attributes
    ----------
    frame : int
    reason : str
        One line for the person.
    points : list of (subject, keypoint)
        What to look at there, what is worth most first; empty before there are labels.
    worth, uncertainty : float or None
        What a label there is worth, in frames; how unsure the frame is, 0 to 1.
    """

    frame: int
    reason: str
    points: list[tuple[int, int]]
    worth: float | None = None
    uncertainty: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """In plain values."""
        points = [{"subject": s, "keypoint": k} for s, k in self.points]
        return {
            "frame": self.frame,
            "reason": self.reason,
            "worth": self.worth,
            "uncertainty": self.uncertainty,
            "keypoints": points,
        }


def unseen(count: int) -> Survey:
    """What is known of `count` frames before anybody looked at them: nothing."""
    return Survey([], np.ones(count), np.zeros(count, bool), np.zeros((1, 1), np.float32), np.zeros(1, int))


def propose(
    session: Session, seen: Survey, count: int, radius: int, skip: Collection[int] = ()
) -> tuple[str, list[Proposal], list[str]]:
    """Frames to look at, what is worth most first.

    Parameters
    ----------
    session
        What is labelled and carried so far.
    seen
        What the frames look like; see `unseen`.
    count
        How many.
    radius
        R of the propagation.
    skip
        Frames to leave out, besides those that the person marked as seen or skipped.

    Returns
    -------
    str
        'first' before there are labels, 'next' afterwards.
    list of Proposal
    list of str
        Notes for the person.
    """
    with session.lock:
        document = session.document
        off = {*document.marked("seen"), *document.marked("skipped"), *skip}
        state = None if not document.frames else _State.of(session, seen.count)
    usable = np.ones(seen.count, bool)
    usable[[f for f in off if f < seen.count]] = False
    usable &= ~seen.repeats
    if state is None:
        frames = np.flatnonzero(usable)
        if not len(frames):
            return "first", [], ["every frame was seen or skipped"]
        chosen = select_frames(session.video, count, radius, candidates=frames.tolist(), seen=seen)
        return "first", [Proposal(f, "spread over the video", []) for f in chosen.order], chosen.notes
    sharp = usable & ~seen.blurred
    return "next", state.best(sharp if sharp.sum() >= count else usable, seen.scenes, count, radius // 2), []


class _State:
    """How sure every track is, arrays (N, C) over frames and tracks.

    Attributes
    ----------
    tracks : list of (subject, keypoint)
    uncertainty
        0 where a person said something or nothing is expected, else 1 - confidence; 1 where a point is missing.
    said
        Whether a person said something.
    disputed
        Whether flow and appearance disagree.
    """

    def __init__(self, session: Session, count: int) -> None:
        self.names = session.document.keypoints
        self.subjects = session.document.subjects
        self.tracks = [(s, k) for s in self.subjects for k in range(len(self.names))]
        column = {s: slice(n * len(self.names), (n + 1) * len(self.names)) for n, s in enumerate(self.subjects)}
        shape = count, len(self.tracks)
        self.uncertainty, self.said = np.ones(shape), np.zeros(shape, bool)
        self.disputed, self.placed, self.hidden = (np.zeros(shape, bool) for _ in range(3))
        frames = {frame for frame, _ in session.machine.places} | set(session.document.frames)
        for frame in frames:
            for subject in self.subjects:
                points = session.shown(frame, subject) if frame < count else None
                if points is None:
                    continue
                at = frame, column[subject]
                self.said[at] = points.by_person
                self.placed[at] = points.is_human
                self.disputed[at] = points.in_dispute & (points.source != Source.HUMAN)
                sure = np.where(np.isfinite(points.confidence), points.confidence, 1 - UNKNOWN)
                self.uncertainty[at] = np.where(points.decided, 1 - sure, 1.0)
        for n, (s, k) in enumerate(self.tracks):
            for a, b in session.document.hidden(s, k):
                self.hidden[a : b + 1, n] = True
        self.uncertainty[self.said | self.hidden] = 0.0
        self.uncertainty[~self._expected()] = 0.0

    @classmethod
    def of(cls, session: Session, count: int) -> _State:
        """Of a session, over `count` frames."""
        return cls(session, count)

    def _expected(self) -> np.ndarray:
        """(N, C) whether the label of the track before or after a frame has a place."""
        expected = np.zeros(self.said.shape, bool)
        frames = np.arange(len(self.said))
        for c in range(self.said.shape[1]):
            at = np.flatnonzero(self.said[:, c])
            if not len(at):
                # Nobody said anything of this track: it is missing wherever others are.
                expected[:, c] = True
                continue
            after = np.searchsorted(at, frames).clip(max=len(at) - 1)
            before = (np.searchsorted(at, frames, side="right") - 1).clip(min=0)
            shown = self.placed[at, c]
            expected[:, c] = shown[before] | shown[after]
        return expected

    def best(self, usable: np.ndarray, scenes: Sequence[range], count: int, apart: int) -> list[Proposal]:
        """The frames that are worth most, each choice counted for the next."""
        uncertainty, near = self.uncertainty.copy(), self._near(scenes)
        free = usable.copy()
        free[self.said.all(axis=1)] = False
        worth = np.zeros_like(uncertainty)
        disputed = self.disputed.copy()
        stale: Sequence[range] = scenes
        chosen: list[Proposal] = []
        frames = np.arange(len(uncertainty))
        while len(chosen) < count and free.any():
            for scene in stale:
                part = slice(scene.start, scene.stop)
                for c in range(uncertainty.shape[1]):
                    worth[part, c] = (
                        worth_at(uncertainty[part, c] ** 2, near[part, c]) if uncertainty[part, c].any() else 0.0
                    )
            offered = (self.uncertainty >= UNCERTAIN) | self.disputed
            value = np.where(offered, worth, 0.0).sum(axis=1)
            value = np.where(disputed.any(axis=1), value + 1e6 * disputed.sum(axis=1), value)
            value[~free] = -1.0
            best = int(np.argmax(np.round(value, 9)))
            if value[best] <= 0:
                break
            chosen.append(self._proposal(best, worth, offered))
            scene = next(s for s in scenes if best in s)
            part = slice(scene.start, scene.stop)
            taken = offered[best]
            nearer = np.minimum(near[part], np.abs(frames[part] - best)[:, None])
            nearer = np.where(taken, nearer, near[part])
            uncertainty[part] *= nearer / np.maximum(near[part], 1)
            near[part] = nearer
            around = frames[part][np.abs(frames[part] - best) < max(1, apart)]
            disputed[around] = False
            free[around] = False
            stale = [scene]
        return chosen

    def _near(self, scenes: Sequence[range]) -> np.ndarray:
        """(N, C) frames to the nearest label of each track in the scene; the scene's length without one."""
        near = np.zeros(self.said.shape)
        for scene in scenes:
            frames = np.arange(scene.start, scene.stop)
            for c in range(near.shape[1]):
                at = scene.start + np.flatnonzero(self.said[scene.start : scene.stop, c])
                distance = np.abs(frames[:, None] - at[None]).min(axis=1) if len(at) else len(scene)
                near[scene.start : scene.stop, c] = distance
        return near

    def _proposal(self, frame: int, worth: np.ndarray, offered: np.ndarray) -> Proposal:
        order = sorted(
            np.flatnonzero(offered[frame]).tolist(), key=lambda c: (not self.disputed[frame, c], -worth[frame, c])
        )
        names = [self._name(c) for c in order]
        some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        if self.disputed[frame].any():
            reason = f"flow and appearance disagree: {some}"
        elif all(self.uncertainty[frame, c] >= 1 for c in order):
            reason = "far from every label" if len(order) == len(self.tracks) else f"not followed: {some}"
        else:
            least = min(1 - self.uncertainty[frame, c] for c in order)
            reason = f"uncertain ({100 * least:.0f} % sure): {some}"
        asked = self.uncertainty[frame][~self.said[frame]]
        uncertainty = float(asked.mean()) if len(asked) else 0.0
        value = float(np.where(offered[frame], worth[frame], 0).sum())
        return Proposal(frame, reason, [self.tracks[c] for c in order], round(value, 3), round(uncertainty, 4))

    def _name(self, c: int) -> str:
        subject, k = self.tracks[c]
        return self.names[k] if len(self.subjects) == 1 else f"{self.names[k]} of {self.subjects[subject]}"
