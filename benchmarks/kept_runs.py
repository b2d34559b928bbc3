"""What small trainings came to, a line of JSON each in the repository: a table goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from poof.errors import PoofError

Record = dict[str, Any]
RUNS = Path(__file__).with_name("documents_runs.jsonl")


def runs(file: Path) -> dict[str, Record]:
    """The runs that are there, by name."""
    return _read(file, file.stat().st_size) if file.is_file() else {}


@lru_cache(maxsize=1)
def _read(file: Path, size: int) -> dict[str, Record]:
    """Read once for all rows that are shown; lines are only ever added, so that the size tells contents apart."""
    return {record["run"]: record for record in map(json.loads, file.read_text().splitlines())}


def kept(file: Path, name: str, budget: Record, learn: Callable[[], Record]) -> Record:
    """A run as it stands in the file, else made and added.

    Raises
    ------
    PoofError
        If it was made with another budget.
    """
    known = runs(file).get(name)
    if known is not None:
        if known["budget"] != budget:
            raise PoofError(
                f"{file}: {name} was run with {known['budget']}; give the same options, or another file with --runs"
            )
        return known
    content = {"run": name, "budget": budget, **learn()}
    with file.open("a") as lines:  # one write a line: two tables may run side by side
        lines.write(json.dumps(content) + "\n")
    return content
