"""The steps of a session in order, and which of them undo and redo would take: they are steps as well."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from poof.labelling.document import Change, Key, Said

KINDS = ("edit", "undo", "redo", "import")


@dataclass(frozen=True)
class Step:
    """One line of the journal.

    Attributes
    ----------
    revision : int
        Its number, from 1.
    client : str
        Who made it.
    kind : str
        'edit', 'undo', 'redo', or 'import': what came from a file, which undo leaves alone.
    what : str
        In words, for the person.
    changes : tuple of Change
    of : int or None
        The step that an undo took back or a redo made again.
    time : float
        Seconds since 1970.
    """

    revision: int
    client: str
    kind: str
    what: str
    changes: tuple[Change, ...]
    of: int | None = None
    time: float = 0.0

    @property
    def frame(self) -> int | None:
        """A frame that it touches, the first one."""
        frames = [c.key[1] for c in self.changes if c.key[0] in ("point", "seen", "skipped")]
        if frames:
            return min(frames)
        spans = [c.now or c.was for c in self.changes if c.key[0] == "hidden"]
        return int(spans[0][-1][0]) if spans and spans[0] else None

    def line(self) -> dict[str, Any]:
        """As the journal holds it."""
        changes = [[list(c.key), _plain(c.was), _plain(c.now)] for c in self.changes]
        line = {"rev": self.revision, "time": round(self.time, 3), "client": self.client, "kind": self.kind}
        return line | {"what": self.what, "of": self.of, "changes": changes}

    @classmethod
    def of_line(cls, line: dict[str, Any]) -> Step:
        """The reverse of `line`."""
        changes = tuple(
            Change(tuple(key), _value(key[0], was), _value(key[0], now)) for key, was, now in line["changes"]
        )
        return cls(line["rev"], line["client"], line["kind"], line["what"], changes, line["of"], line["time"])


def _plain(value: Any) -> Any:
    if isinstance(value, Said):
        return list(value) if value.accepted else list(value[:3])
    return value


def _value(kind: str, plain: Any) -> Any:
    if plain is None:
        return None
    if kind == "point":
        return Said(*plain)
    if kind == "subjects":
        return {int(number): name for number, name in plain.items()}
    if kind == "hidden":
        return [(a, b) for a, b in plain]
    return plain


class History:
    """All steps so far."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._last: dict[Key, Step] = {}
        self._done: list[Step] = []
        self._undone: list[tuple[Step, str]] = []  # the step that was taken back, and who took it back

    @property
    def revision(self) -> int:
        """Of the last step; 0 before the first."""
        return self.steps[-1].revision if self.steps else 0

    def add(self, step: Step) -> None:
        """Take a step in."""
        self.steps.append(step)
        for change in step.changes:
            self._last[change.key] = step
        if step.kind == "edit":
            self._done.append(step)
            self._undone = [(s, who) for s, who in self._undone if who != step.client]
        elif step.kind == "undo":
            back = next(s for s in self._done if s.revision == step.of)
            self._done.remove(back)
            self._undone.append((back, step.client))
        elif step.kind == "redo":
            again = next(entry for entry in self._undone if entry[0].revision == step.of)
            self._undone.remove(again)
            self._done.append(again[0])

    def last(self, key: Key) -> Step | None:
        """The latest step that touched a key."""
        return self._last.get(key)

    def to_undo(self, client: str, others: Collection[str] = ()) -> Step | None:
        """The step that `client` would take back: the latest that is not of one of the `others` who are here."""
        return next((s for s in reversed(self._done) if s.client == client or s.client not in others), None)

    def to_redo(self, client: str, others: Collection[str] = ()) -> Step | None:
        """The step that `client` would make again."""
        return next((s for s, who in reversed(self._undone) if who == client or who not in others), None)
