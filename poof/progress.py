"""Progress of long jobs: a loop is wrapped, the caller of the library decides whether anything is shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

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


def bar(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """A bar on standard error with count, rate and time left; what the commands use unless --quiet."""
    from rich.console import Console
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
    with Progress(*columns, console=Console(stderr=True), transient=False) as progress:
        task = progress.add_task(description, total=total)
        done = 0
        for item in items:
            check()
            yield item
            done += 1
            progress.update(task, completed=done)
        progress.update(task, total=done)  # a video may end before its last window does
