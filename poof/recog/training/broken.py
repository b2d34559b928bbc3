"""Clips that cannot be read, or have few frames: told, left out, and how many are too many."""

from __future__ import annotations

import warnings

from poof.errors import PoofError, PoofWarning
from poof.printable import LONGEST, one_line
from poof.progress import Track
from poof.recog.data.dataset import Batch
from poof.recog.data.frames import FrameCounts
from poof.recog.data.lists.base import ClipList
from poof.recog.training.settings import Settings
from poof.recog.training.state import State


def readable(clips: ClipList, counts: FrameCounts, settings: Settings, track: Track) -> ClipList:
    """The clips whose frames can be counted; a `PoofError` where more are broken than `settings.max_broken` allows."""
    broken = counts.fill(clips.records, max(settings.workers, 1), track)
    if broken:
        first = next(iter(broken.values()))
        bad, total = len(broken) + len(clips.bad), len(clips) + len(clips.bad)
        if bad > settings.max_broken * total or len(broken) == len(clips):
            raise _too_many(clips, bad, total, settings, "first", first)
        for message in broken.values():
            warnings.warn(f"left out: {message}", PoofWarning, stacklevel=2)
    return clips.without(list(broken))


def tell_short(clips: ClipList, counts: FrameCounts, wanted: int) -> None:
    """Warn of videos with fewer than the `wanted` frames of a clip."""
    lengths = {record.path: counts.of(record) for record in clips.records}
    short = [path for path, count in lengths.items() if count < wanted]
    if short:
        warnings.warn(
            f"{clips.name}: {len(short)} of {len(clips)} videos with fewer frames than the {wanted} of a clip, frames "
            f"repeat there; first: {short[0]} has {lengths[short[0]]}",
            PoofWarning,
            stacklevel=3,
        )


def count_broken(batch: Batch, clips: ClipList, state: State, settings: Settings) -> None:
    """Note in `state` what could not be read in a batch; a `PoofError` where it is too much by now."""
    for index, error in batch.broken:
        name = str(clips.records[index].path)
        if name not in state.broken:
            warnings.warn(f"left out: {error}", PoofWarning, stacklevel=2)
        state.broken[name] = error
    bad, total = len(state.broken) + len(clips.bad), len(clips) + len(clips.bad)
    if bad > settings.max_broken * total:
        raise _too_many(clips, bad, total, settings, "last", batch.broken[-1][1])


def _too_many(clips: ClipList, bad: int, total: int, settings: Settings, which: str, error: object) -> PoofError:
    """The error for too many broken clips; where it is too long, folders are left out, of the list and of the clip."""
    share = f"more than {settings.max_broken:.0%} (--max-broken)"
    said = f"{bad} of {total} clips cannot be read, {share}; {which}: "
    room = LONGEST - min(len(clips.name), 40) - len(said) - 2
    return PoofError(f"{clips.name}: {said}{one_line(error, room)}")
