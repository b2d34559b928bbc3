"""`poof export`: a result into another tool's project, with frames."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poof.cli import many
from poof.cli.common import Category, Debug, Footage, Force, Quiet, track
from poof.cli.terminal import say
from poof.errors import PoofError
from poof.files import make_folder


def export(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="Labels of any format, best as poof wrote them.")],
    video: Footage,
    to: Annotated[str, typer.Option("--to", metavar="TOOL", help="dlc, lp, cvat, label-studio or yolo-pose.")],
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
    pairs = [(result, video, output)]
    if result is None:
        from poof.projects.plan import best_result

        project, _, films = many.known_project()
        found = [(film, best_result(project, film)) for film in films if not film.trouble]
        # DeepLabCut has one project for all videos; of the others each video gets a folder.
        pairs = [(best, film.path, output if to == "dlc" else output / film.name) for film, best in found if best]
        if not pairs:
            raise PoofError(f"{project.results}: holds no result yet; make some with poof propagate")
        if to != "dlc":
            make_folder(output, "-o")
    for number, (labels, footage, place) in enumerate(pairs):
        made = run(
            labels,
            footage,
            to,
            place,
            min_confidence=min_confidence,
            frames=frames,
            count=count,
            as_labels=as_labels,
            category=category,
            force=force,
            track=track(quiet),
        )
        if quiet:
            continue
        names = ", ".join(file.name for file in made.files)
        say(f"{made.folder}: {len(made.frames)} frames in {names}; {made.images} new images")
        for note in made.notes:
            say(f"note: {note}")
        if number == len(pairs) - 1:
            say(f"next: {made.then}")
