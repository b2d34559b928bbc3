"""Progress of long jobs: a loop is wrapped, the caller of the library decides whether anything is shown."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

from poof.interrupts import check

T = TypeVar("T")


class Track(Protocol):
    """Wraps an iterable and gives its items unchanged; may show how far it is."""

    def __call__(self, items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
        """Iterate over `items`, `total` of them when known."""


def silent(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """The default of every library function: shows nothing."""
    del description, total
    for item in items:
        check()
        yield item


PLAIN_SECONDS = 5.0
"""Between two lines of progress where nobody sees a bar move: in a file, in a pipe."""


def bar(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Progress on standard error with count, rate and time left; what the commands use unless --quiet.

    A bar on a terminal, plain lines everywhere else.
    """
    from rich.console import Console

    console = Console(stderr=True)
    yield from _drawn(items, description, total, console) if console.is_terminal else plain(items, description, total)


def plain(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Lines such as 'training: 120 of 430, 4.6/s, 1:07 left' on standard error, every few seconds and at the end."""
    begun = told = time.monotonic()
    done = 0
    for item in items:
        check()
        yield item
        done += 1
        now = time.monotonic()
        if now - told >= PLAIN_SECONDS:
            told = now
            rate = done / max(now - begun, 1e-9)
            of = f" of {total}" if total else ""
            left = f", {clock((total - done) / rate)} left" if total and total > done else ""
            print(f"{description}: {done}{of}, {rate:.1f}/s{left}", file=sys.stderr, flush=True)
    if done:
        print(f"{description}: {done} in {clock(time.monotonic() - begun)}", file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """'1:07', '2:03:10'."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Stages:
    """Progress of a job of several stages: each says which of how many it is, and when the whole will be done.

    Parameters
    ----------
    track
        Shows the single stages.
    expected
        The descriptions of the stages in their order, up to a colon, as far as they are known; stages that are left out
        are skipped.
    """

    def __init__(self, track: Track, expected: Sequence[str]) -> None:
        self._track = track
        self._expected = list(expected)
        self._at = 0
        self._took: dict[str, list[float]] = {}

    def __call__(self, items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
        """Iterate over the items of the next stage of this description."""
        ahead, kind = self._expected[self._at :], description.partition(":")[0]
        if kind in ahead:
            self._at += ahead.index(kind) + 1
            rest = self._expected[self._at :]
            name = f"[{self._at}/{len(self._expected)}] {description}{self._afterwards(rest)}"
        else:
            name = description
        begun = time.monotonic()
        yield from self._track(items, name, total)
        self._took.setdefault(kind, []).append(time.monotonic() - begun)

    def _afterwards(self, rest: Sequence[str]) -> str:
        """What is known of the stages that follow."""
        known = [sum(self._took[r]) / len(self._took[r]) for r in rest if r in self._took]
        return f" (then {clock(sum(known))} more)" if rest and len(known) == len(rest) and sum(known) >= 1 else ""


def _drawn(items: Iterable[T], description: str, total: int | None, console: Console) -> Iterator[T]:
    """A bar."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:.1f}/s" if speed else "-/s", style="progress.data.speed")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=False) as progress:
        task = progress.add_task(description, total=total)
        done = 0
        for item in items:
            check()
            yield item
            done += 1
            progress.update(task, completed=done)
        progress.update(task, total=done)  # a video may end before its last window does
