"""`poof recog check`: name what cannot be read before a training does."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer

from poof.cli import common
from poof.cli.recog import options
from poof.cli.terminal import say


def check(
    data: options.Data,
    root: options.Root = None,
    labels: options.Labels = None,
    format: options.Format = "auto",
    split: options.Split = 1,
    part: str = typer.Option("train", help="Part of --data: train or test."),
    show: Annotated[
        Path | None, typer.Option(help="Draw what a network sees of the first clips in training into this PNG.")
    ] = None,
    recipe: Annotated[str, typer.Option(help="Of --show: the recipe whose clips are drawn.")] = "small",
    workers: options.Workers = 2,
    json: common.JsonFile = None,
    force: common.Force = False,
    quiet: common.Quiet = False,
    debug: common.Debug = False,
) -> None:
    """Read every clip of a list to its end; exit code 1 if one is broken."""
    del debug
    from poof.errors import PoofWarning
    from poof.files import check_output
    from poof.recog.data.extract import check as run
    from poof.recog.training.sheet import draw_clips
    from poof.recog.zoo.recipes import recipe as make_recipe

    for path in (json, show):
        if path is not None:
            check_output(path, force)
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "left out|.*more rows are left out", PoofWarning
        )  # told of below, all of them
        clips = options.clip_list(data, root, labels, format, split, part, max_broken=1)
    if show is not None:
        preset = make_recipe(recipe)
        rows = draw_clips(clips, preset, show)
        if not quiet:
            typer.echo(f"wrote {show}: {rows} clips of {preset.frames} frames, {preset.size} px, {preset.augment}")
    broken = run(clips, workers, common.track(quiet))
    total = len(clips) + len(clips.bad)
    if json is not None:
        found = {str(k): v for k, v in broken.items()}
        common.write_json(json, {"clips": total, "broken": found, "bad rows": list(clips.bad)})
    for message in [*clips.bad, *broken.values()]:
        say(message)
    if not quiet:
        said = options.of_part(data, part, split)
        sound = total - len(broken) - len(clips.bad)
        say(f"{sound} of {total} clips of {len(clips.labels)} classes{said} are sound")
    if broken or clips.bad:
        raise typer.Exit(1)
