"""`poof status`: every video of a project, and what is out of date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from poof.cli import common, inputs
from poof.cli.terminal import console, say
from poof.printable import plural

if TYPE_CHECKING:
    from poof.projects.status import Row

SHOWN = 200
"""Videos that the printed table has; --json has all."""


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    debug: common.Debug = False,
) -> None:
    """Show every video of the project: frames, labels, coverage, confidence, disputes, and what is out of date.

    Nothing is computed: results are judged by what they were made of.
    """
    del debug
    import json

    from poof.cli.many import shown
    from poof.errors import PoofError
    from poof.projects.project import load
    from poof.projects.project_root import find
    from poof.projects.status import status as look

    file = find()
    if file is None:
        raise PoofError("there is no project here (no poof.toml in this folder or above); make one with poof init")
    found = look(load(shown(file)))
    if as_json:
        print(json.dumps(common.jsonable({"poof": {"version": 1}, "project": str(file)} | found.as_dict()), indent=1))
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("video")
    for head in ("frames", "labels", "with points", "confidence", "disputes"):
        table.add_column(head, justify="right")
    table.add_column("state")
    order = sorted(found.rows, key=lambda row: not row.trouble) if len(found.rows) > SHOWN else found.rows
    for row in order[:SHOWN]:
        table.add_row(*_cells(row))
    console(soft_wrap=True, wide=True).print(table)
    if len(found.rows) > SHOWN:
        say(f"and {len(found.rows) - SHOWN} more videos (all of them with --json)")
    for path, reason in found.strays:
        say(f"note: {reason if path in reason else f'{path}: {reason}'}")
    due = [(command, count) for command, count in found.due.items() if not command.startswith("poof label")]
    for command, count in due:
        them = "it" if count == 1 else "them"
        say(f"out of date: {plural(count, 'video')}; {command} brings {them} up to date")
    if not due and found.rows:
        say("everything that was made is up to date" if any(r.result for r in found.rows) else "nothing was made yet")
    if due:
        inputs.next_step(*due[0][0].split())
    elif any(row.todo for row in found.rows):
        inputs.next_step("poof", "label", what=f"{sum(bool(r.todo) for r in found.rows)} videos have no labels")


def _cells(row: Row) -> list[str]:
    frames = "" if row.frames is None else f"{row.frames}" if row.exact else f"~{row.frames}"
    covered = f"{row.covered}" if row.covered is not None else ""
    if row.covered is not None and row.frames:
        covered += f" ({100 * row.covered / max(row.frames, 1):.0f} %)"
    sure = "" if row.confidence is None else f"{row.confidence:.2f}"
    disputes = str(row.disputes) if row.result == "refined" else ""
    if row.trouble:
        state = row.trouble
    elif row.todo:
        state = "; ".join(f"{command.split()[1]}: {why}" for command, why in row.todo)
    else:
        state = f"up to date ({row.result})" if row.result else ""
    name = row.video if row.name in row.video else f"{row.video} (results: {row.name})"
    return [name, frames, str(row.labels or ""), covered, sure, disputes, state]
