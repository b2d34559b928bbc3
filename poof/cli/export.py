"""`poof export`: a result into another tool's project, with frames."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poof.cli.common import Category, Debug, Footage, Force, Quiet, track
from poof.cli.terminal import say


def export(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="Labels of any format, best as poof wrote them.")],
    video: Footage,
    to: Annotated[str, typer.Option("--to", help="dlc, lp, cvat, label-studio or yolo-pose.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The project's folder (dlc), or a folder that is made.")
    ],
    min_confidence: Annotated[
        float, typer.Option("--min-confidence", help="Leave out machine-made points below this.")
    ] = 0.0,
    frames: Annotated[
        str,
        typer.Option("--frames", help="all, every:N, select (what poof select proposes), or numbers with commas."),
    ] = "all",
    count: Annotated[
        int | None,
        typer.Option("--count", "-n", help="At most so many tracked frames, the hardest first; yours go along."),
    ] = None,
    as_labels: Annotated[
        bool,
        typer.Option("--as-labels", help="dlc: write CollectedData, for a video that has none."),
    ] = False,
    category: Category = None,
    force: Force = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write labels and frames for DeepLabCut, Lightning Pose, CVAT, Label Studio or YOLO pose.

    Frames are named alike in image files and tables: as in the labels, else as the other tool does. Into a DeepLabCut
    project go machine labels, which napari-deeplabcut opens to be refined; a person's CollectedData is never touched.
    """
    from poof.exchange import export as run

    del debug
    made = run(
        result,
        video,
        to,
        output,
        min_confidence=min_confidence,
        frames=frames,
        count=count,
        as_labels=as_labels,
        category=category,
        force=force,
        track=track(quiet),
    )
    if quiet:
        return
    names = ", ".join(file.name for file in made.files)
    say(f"{made.folder}: {len(made.frames)} frames in {names}; {made.images} new images")
    for note in made.notes:
        say(f"note: {note}")
    say(f"next: {made.then}")
