"""Changes that a person made in a file that poof had written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Place = tuple[int, int, int]
"""(frame, instance, index of the keypoint)."""
KINDS = ("corrected", "removed", "added", "confirmed")


@dataclass
class Changes:
    """What a person changed in a file since poof wrote it.

    Attributes
    ----------
    corrected, removed, added, confirmed : list of (frame, instance, keypoint)
        Points moved or given another state; points deleted; points that were not there; machine points that a person
        put down as their own without moving them.
    before : dict
        Where the corrected points had been, (x, y) in pixels.
    filtered : int
        Points that are missing because the file was filtered.
    recorded : bool
        Whether the file tells what poof wrote, so that changes can be found at all.
    lost : bool
        Whether a table has points that poof carried, and no longer what poof had noted of them.
    """

    corrected: list[Place] = field(default_factory=list)
    removed: list[Place] = field(default_factory=list)
    added: list[Place] = field(default_factory=list)
    confirmed: list[Place] = field(default_factory=list)
    before: dict[Place, tuple[float, float]] = field(default_factory=dict)
    filtered: int = 0
    recorded: bool = False
    lost: bool = False

    def __bool__(self) -> bool:
        return bool(self.corrected or self.removed or self.added or self.confirmed)

    @property
    def places(self) -> list[Place]:
        """All that a person said in this file alone."""
        return [*self.corrected, *self.removed, *self.added, *self.confirmed]

    def counts(self) -> dict[str, int]:
        """Number of points by what was done to them, without those of which there are none."""
        every = {name: len(getattr(self, name)) for name in KINDS}
        return {name: count for name, count in every.items() if count}

    def __str__(self) -> str:
        """'3 corrected, 1 removed', '' without any."""
        return ", ".join(f"{count} {name}" for name, count in self.counts().items())

    def moved(self, where: Sequence[int]) -> Changes:
        """The same with other keypoint numbers: k becomes `where[k]`."""
        return self._mapped(lambda place: (place[0], place[1], int(where[place[2]])))

    def numbered(self, numbers: Mapping[tuple[int, int], int]) -> Changes:
        """The same with other instance numbers, by (frame, instance)."""
        return self._mapped(lambda place: (place[0], numbers.get(place[:2], place[1]), place[2]))

    def renumbered(self, frames: Mapping[int, int]) -> Changes:
        """The same with other numbers of frames."""
        return self._mapped(lambda place: (frames.get(place[0], place[0]), *place[1:]))

    def joined(self, other: Changes) -> Changes:
        """Both together."""
        total = self._mapped(lambda place: place)
        for name in KINDS:
            getattr(total, name).extend(getattr(other, name))
        total.before |= other.before
        total.filtered += other.filtered
        total.lost |= other.lost
        return total

    def _mapped(self, there: Callable[[Place], Place]) -> Changes:
        lists = {name: [there(place) for place in getattr(self, name)] for name in KINDS}
        before = {there(p): xy for p, xy in self.before.items()}
        return Changes(**lists, before=before, filtered=self.filtered, recorded=self.recorded, lost=self.lost)
