"""`poof init`: make a folder a project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poof.cli import common, inputs
from poof.cli.terminal import say
from poof.printable import plural


def init(
    videos: Annotated[
        list[Path] | None,
        typer.Argument(metavar="VIDEO", help="Videos or folders of images. [default: those here]", show_default=False),
    ] = None,
    labels: Annotated[
        list[Path] | None,
        typer.Option(
            "--labels",
            "-l",
            help="Label files or folders, or a DeepLabCut project: also tell the keypoints. [default: those here]",
            show_default=False,
        ),
    ] = None,
    quiet: common.Quiet = False,
    debug: common.Debug = False,
) -> None:
    """Make this folder a project: one poof.toml with keypoints, videos, places and options, for all commands.

    Keypoints, edges and mirror pairs come from the labels, a DeepLabCut config.yaml or a SLEAP file. In a project
    that is there, VIDEO is added to it; comments stay.
    """
    del debug
    from poof.projects.project import FILE
    from poof.projects.setup import add, create

    folder = Path()
    if (folder / FILE).exists() and videos and not labels:
        added = add(folder / FILE, videos)
        if not quiet:
            say(f"{FILE}: {plural(len(added), 'video')} added" + (f" ({', '.join(added)})" if added else ""))
            inputs.next_step("poof", "status")
        return
    file, notes = create(folder, videos or [], labels or [])
    if not quiet:
        say(f"{file}: {notes[0]}")
        for note in notes[1:]:
            say(f"note: {note}")
        inputs.next_step("poof", "status", what="then poof label, or poof propagate")
