"""Labelling sessions of several videos with one skeleton."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from poof.errors import PoofError
from poof.labelling.document import Change
from poof.labelling.edits import Edit
from poof.labelling.history import Step
from poof.labelling.session import Outcome, Session


class SessionGroup:
    """One or more sessions that share their keypoints.

    Parameters
    ----------
    sessions
        Each of another video. Videos without keypoints get those of the first that has some.

    Raises
    ------
    PoofError
        If their keypoints differ.
    """

    def __init__(self, sessions: Sequence[Session]) -> None:
        self.sessions = list(sessions)
        model = next((s for s in self.sessions if s.document.keypoints), None)
        if model is None:
            return
        names = model.document.keypoints
        for session in self.sessions:
            if session.document.keypoints not in (names, []):
                raise PoofError(
                    f"{session.labels_file}: has the keypoints {', '.join(session.document.keypoints)}, "
                    f"{model.labels_file} has {', '.join(names)}; label them apart, or rename"
                )
            self._follow(model, session)

    def __getitem__(self, video: int) -> Session:
        if not 0 <= video < len(self.sessions):
            raise PoofError(f"there is no video {video}; there are {len(self.sessions)}")
        return self.sessions[video]

    def edit(self, video: int, edits: Sequence[Edit], client: str = "", base: int | None = None) -> Outcome:
        """Edits in one video, see `Session.edit`; what changes the skeleton is made in the others too."""
        return self._shared(video, lambda session: session.edit(edits, client, base))

    def undo(self, video: int, client: str = "", others: Collection[str] = ()) -> Outcome:
        """See `Session.undo`."""
        self._check(video, self[video].history.to_undo(client, others), back=True)
        return self._shared(video, lambda session: session.undo(client, others))

    def redo(self, video: int, client: str = "", others: Collection[str] = ()) -> Outcome:
        """See `Session.redo`."""
        self._check(video, self[video].history.to_redo(client, others), back=False)
        return self._shared(video, lambda session: session.redo(client, others))

    def _check(self, video: int, step: Step | None, back: bool) -> None:
        """Refuse to take a keypoint away that has points in another video."""
        changes = [c.back() if back else c for c in step.changes] if step is not None else []
        for other in self.sessions:
            if other is not self[video]:
                other.check_keypoints([c for c in changes if c.key == ("skeleton",)])

    def _shared(self, video: int, act: Callable[[Session], Outcome]) -> Outcome:
        session = self[video]
        outcome = act(session)
        if outcome.step is not None and any(change.key == ("skeleton",) for change in outcome.step.changes):
            for other in self.sessions:
                if other is not session:
                    self._follow(session, other)
        return outcome

    def _follow(self, model: Session, other: Session) -> None:
        """Give a video the skeleton of another."""
        wanted: Any = model.document.get(("skeleton",))
        with other.lock:
            mine = other.document.get(("skeleton",))
            if mine != wanted:
                other.take_in([Change(("skeleton",), mine, wanted)], "keypoints as in the other videos")

    def close(self) -> None:
        """Close every session."""
        for session in self.sessions:
            session.close()
