"""Progress of many jobs: a line for each that runs and one for all, with the time left; plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from poof.printable import printable
from poof.progress import PLAIN_SECONDS, clock

ROWS = 8
"""Running jobs that are shown by name."""


@dataclass
class _Row:
    description: str = ""
    done: int = 0
    total: int | None = None
    begun: float = 0.0

    @property
    def part(self) -> float:
        """How much of the job is done, as far as its stage tells."""
        return min(self.done / self.total, 1.0) if self.total else 0.0


class Display:
    """Progress of jobs by name, on standard error.

    Parameters
    ----------
    noun
        What the jobs are, 'video'.
    quiet
        Show nothing.
    """

    def __init__(self, noun: str = "video", quiet: bool = False) -> None:
        self._noun, self._quiet = noun, quiet
        self._rows: dict[str, _Row] = {}
        self._count = self._done = self._failed = 0
        self._begun = self._told = 0.0
        self._live: Any = None

    @contextmanager
    def showing(self, count: int) -> Iterator[Display]:
        """Show the progress of so many jobs inside the block."""
        self._count, self._begun = count, time.monotonic()
        self._told = self._begun
        if self._quiet:
            yield self
            return
        from rich.console import Console

        console = Console(stderr=True)
        if not console.is_terminal:
            yield self
            return
        from rich.live import Live

        with Live(
            console=console, refresh_per_second=5, get_renderable=self._table, redirect_stdout=True
        ) as self._live:
            yield self
        self._live = None

    def begin(self, name: str) -> None:
        """A job has started."""
        self._rows[name] = _Row(begun=time.monotonic())

    def progress(self, name: str, description: str, done: int, total: int | None) -> None:
        """A job has come so far in a stage."""
        row = self._rows.get(name)
        if row is not None:
            row.description, row.done, row.total = description, done, total

    def end(self, name: str, error: str = "", again: bool = False) -> None:
        """A job has ended; `again`: and will be started anew."""
        row = self._rows.pop(name, None)
        if again:
            self._line(f"{name}: its process died; once more")
            return
        self._done += 1
        self._failed += bool(error)
        took = f" in {clock(time.monotonic() - row.begun)}" if row is not None else ""
        self._line(f"{name}: {'failed' if error else 'done'}{took} ({self._done} of {self._count}{self._left()})")

    def note(self, text: str) -> None:
        """Something to know meanwhile."""
        if not self._quiet:
            print(printable(text), file=sys.stderr, flush=True)

    def tick(self) -> None:
        """Time has passed."""
        now = time.monotonic()
        if self._live is None and now - self._told >= PLAIN_SECONDS:
            running = ", ".join(self._told_of(name, row) for name, row in list(self._rows.items())[:ROWS])
            self._line(f"{self._done} of {self._count} {self._noun}s{self._left()}; {running}" if running else "")

    def _line(self, text: str) -> None:
        if self._quiet or not text or self._live is not None:
            return
        self._told = time.monotonic()
        print(printable(text), file=sys.stderr, flush=True)

    def _told_of(self, name: str, row: _Row) -> str:
        of = f" {row.done}" + (f" of {row.total}" if row.total else "") if row.description else ""
        return f"{name} {row.description}{of}".strip()

    def _left(self) -> str:
        """', 1:07 left': by what is done of all so far."""
        done = self._done + sum(row.part for row in self._rows.values())
        if done < 0.05 or self._done >= self._count:
            return ""
        spent = time.monotonic() - self._begun
        return f", {clock(spent / done * (self._count - done))} left"

    def _table(self) -> Any:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 1))
        for name, row in list(self._rows.items())[:ROWS]:
            bar = ProgressBar(total=row.total or None, completed=row.done, width=24, pulse=not row.total)
            of = f"{row.done}/{row.total}" if row.total else str(row.done)
            table.add_row(Text(printable(name)), Text(printable(row.description)), bar, Text(of))
        more = f" (+{len(self._rows) - ROWS} running)" if len(self._rows) > ROWS else ""
        bar = ProgressBar(total=self._count, completed=self._done + sum(r.part for r in self._rows.values()), width=24)
        failed = f", {self._failed} failed" if self._failed else ""
        table.add_row(
            Text(f"all {self._noun}s{more}"), Text(""), bar, Text(f"{self._done}/{self._count}{failed}{self._left()}")
        )
        return table
