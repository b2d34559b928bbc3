"""`poof render`: look at labels - overlay video, contact sheet, trajectories."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from poof.cli import common, inputs, many
from poof.cli.terminal import say


class Span(StrEnum):
    """Which frames the overlay video shows."""

    LABELLED = "labelled"
    ALL = "all"


class Colour(StrEnum):
    """What the colour of a mark tells."""

    CONFIDENCE = "confidence"
    KEYPOINT = "keypoint"


def render(
    videos: common.Footages,
    labels: common.LabelFiles,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Overlay video to write (.mp4).", show_default=False)
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", help="Contact sheet to write (.png, .jpg).", show_default=False)
    ] = None,
    plots: Annotated[
        Path | None, typer.Option("--plots", help="Folder for trajectory plots.", show_default=False)
    ] = None,
    min_confidence: Annotated[
        float, typer.Option("--min-confidence", min=0, max=1, help="Leave out carried or predicted points below this.")
    ] = 0.0,
    names_: Annotated[bool, typer.Option("--names", help="Write the keypoints' names beside them.")] = False,
    colour: Annotated[
        Colour, typer.Option("--colour", help="What the colour of a mark tells: its confidence, or its keypoint.")
    ] = Colour.CONFIDENCE,
    span: Annotated[
        Span, typer.Option("--span", help="Frames of the overlay: those near labels, or all.")
    ] = Span.LABELLED,
    scale: Annotated[
        float | None,
        typer.Option("--scale", help="Size of the overlay over the video's; small videos are enlarged by default."),
    ] = None,
    tiles: Annotated[int, typer.Option("--tiles", min=1, help="Most frames on the contact sheet.")] = 24,
    columns: Annotated[
        int | None, typer.Option("--columns", min=1, help="Columns of the contact sheet.", show_default=False)
    ] = None,
    jobs: many.Jobs = None,
    category: common.Category = None,
    missing: common.MissingRule = "absent",
    prefer: common.Prefer = None,
    on_damage: common.OnDamage = "stop",
    force: common.Force = False,
    quiet: common.Quiet = False,
    debug: common.Debug = False,
) -> None:
    """Show labels on their video: overlay video, contact sheet, trajectory plots.

    White squares were set by a person, discs carried by flow; blue is sure, red is unsure; hollow is occluded. Without
    -o, --sheet and --plots it writes LABELS.overlay.mp4 and LABELS.sheet.png into the current folder.
    """
    del debug
    from poof.projects.jobs import Job

    chosen = {
        "min_confidence": min_confidence, "names": names_, "colour": colour.value, "span": span.value, "scale": scale,
        "tiles": tiles, "columns": columns,
    }  # fmt: skip
    places: dict[str, dict[str, Path | None]] = {}
    palette: dict[str, str] = {}
    if many.in_project(videos, labels):
        from poof.projects.plan import drawn

        project, known, films = many.known_project(videos or ())
        options = chosen | {"on_damage": on_damage}
        batch = many.batch_of(drawn(known, films, options), project, "render", films)
        palette = {name: code for v in project.vocabularies for name, code in v.colours.items()}
        for todo in batch.todo:
            places[todo.name] = {"overlay": todo.outputs[0], "sheet": todo.outputs[1], "plots": None}
        if not batch.todo and not batch.fresh and not batch.failed and not quiet:
            say("nothing to look at yet: poof propagate makes results")
    else:
        batch = _given(
            videos, labels, output, sheet, plots, chosen, category, missing, prefer, on_damage, force, quiet, places
        )
    style = {"names": names_, "min_confidence": min_confidence, "colour": colour.value, "palette": palette}

    def job_of(todo: many.Todo) -> Job:
        arguments = {
            "source": todo.source, **places[todo.name], "style": style, "span": span.value, "scale": scale,
            "tiles": tiles, "columns": columns, "force": force, "mark": todo.mark,
        }  # fmt: skip
        return Job(todo.name, "poof.projects.work:render", arguments)

    done = many.run(batch, job_of, lambda *_: None, jobs=jobs, quiet=quiet)
    if not quiet and done:
        if batch.project is not None:
            inputs.next_step("poof", "select", what="what to label next")
        else:
            first = batch.todo[0].source
            inputs.next_step("poof", "select", first.video, "-l", first.files[0], "-n", 5, what="what to label next")
    many.finish(batch, quiet, len(done))


def _given(
    videos: list[Path], labels: list[Path], output: Path | None, sheet: Path | None, plots: Path | None,
    chosen: dict[str, Any], category: str | None, missing: str, prefer: str | None, on_damage: str, force: bool,
    quiet: bool, places: dict[str, dict[str, Path | None]],
) -> many.Batch:  # fmt: skip
    """The videos named, with what is written for each in `places`."""
    from poof.drawing import check_overlay_output, check_sheet_output
    from poof.files import check_apart

    overlays, sheets, folders = (inputs.for_each(path, videos) for path in (output, sheet, plots))
    if output is None and sheet is None and plots is None:
        names = [labels[0].stem] if len(videos) == 1 else inputs.stems(videos)
        overlays = [Path(f"{name}.overlay.mp4") for name in names]
        sheets = [Path(f"{name}.sheet.png") for name in names]
    outputs = [*((p, "-o") for p in overlays if p), *((p, "--sheet") for p in sheets if p)]
    check_apart(outputs, [*((v, "VIDEO") for v in videos), *((p, "-l") for p in labels)])
    for path in overlays:
        if path:
            check_overlay_output(path, force)
    for path in sheets:
        if path:
            check_sheet_output(path, force)
    for path, _ in outputs:
        inputs.keep_out(path, videos, anything=True)
    for folder in folders:
        if folder:
            inputs.keep_out(folder / "trajectories.png", videos, anything=True)
    written = [[p for p in (overlay, drawn) if p] for overlay, drawn in zip(overlays, sheets)]
    for video, overlay, drawn, folder in zip(videos, overlays, sheets, folders):
        places[str(video)] = {"overlay": overlay, "sheet": drawn, "plots": folder}
    options = chosen | {"category": category, "missing": missing, "prefer": prefer, "on_damage": on_damage}
    known = written if all(written) and plots is None else []
    return many.batch_given("render", videos, labels, known, options, quiet=quiet)
