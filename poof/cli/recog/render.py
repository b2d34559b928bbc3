"""`poof recog motion-task`: clips whose classes differ in temporal order alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poof.cli import common
from poof.cli.terminal import say


def motion_task(
    output: Annotated[Path, typer.Argument(help="Folder for the clips.", show_default=False)],
    train: Annotated[int, typer.Option(help="Training clips.", min=8)] = 400,
    test: Annotated[int, typer.Option(help="Test clips.", min=8)] = 160,
    frames: Annotated[int, typer.Option(help="Frames a clip.", min=2)] = 24,
    size: Annotated[int, typer.Option(help="Side in pixels.", min=16)] = 64,
    seed: Annotated[int, typer.Option(help="Of the scenes.", min=0)] = 0,
    force: common.Force = False,
    quiet: common.Quiet = False,
    debug: common.Debug = False,
) -> None:
    """Render a data set that only temporal order solves: four pairs of classes, each the other played backwards."""
    del debug
    from poof.files import check_output, made_folder
    from poof.recog.data.motion_task import render_task

    if output.is_dir():
        check_output(output / "train.txt", force)
    with made_folder(output, "another argument"):
        lists = render_task(output, train, test, frames, size, seed, common.track(quiet))
    if not quiet:
        say("wrote " + ", ".join(map(str, lists)))
