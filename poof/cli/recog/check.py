"""`poof recog check`: name what cannot be read before a training does."""

from __future__ import annotations

import typer

from poof.cli import common
from poof.cli.recog import options


def check(
    data: options.Data,
    root: options.Root = None,
    labels: options.Labels = None,
    format: options.Format = "auto",
    split: options.Split = 1,
    part: str = typer.Option("train", help="Part of --data: train or test."),
    workers: options.Workers = 2,
    json: common.JsonFile = None,
    force: common.Force = False,
    quiet: common.Quiet = False,
    debug: common.Debug = False,
) -> None:
    """Read every clip of a list to its end; exit code 1 if one is broken."""
    del debug
    from poof.files import check_output
    from poof.recog.data.extract import check as run

    if json is not None:
        check_output(json, force)
    clips = options.clip_list(data, root, labels, format, split, part)
    broken = run(clips, workers, common.track(quiet))
    if json is not None:
        common.write_json(json, {"clips": len(clips), "broken": {str(k): v for k, v in broken.items()}})
    for message in broken.values():
        typer.echo(message)
    if not quiet:
        typer.echo(f"{len(clips) - len(broken)} of {len(clips)} clips of {len(clips.labels)} classes are sound")
    if broken:
        raise typer.Exit(1)
