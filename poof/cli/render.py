"""`poof render`: look at labels - overlay video, contact sheet, trajectories."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from poof.cli import common, inputs
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
    from poof.drawing import (
        Style,
        check_overlay_output,
        check_sheet_output,
        contact_sheet,
        render_overlay,
        save_trajectories,
    )
    from poof.files import check_apart

    del debug
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
    footage = inputs.opened(videos, on_damage)
    given = inputs.labels_of(footage, labels, quiet, category, missing, prefer)
    style = Style(names=names_, min_confidence=min_confidence, colour=colour.value)
    track = common.track(quiet)
    for video, one, overlay, drawn, folder in zip(footage, given, overlays, sheets, folders):
        written = []
        if drawn:
            frames = contact_sheet(video, one.labels, drawn, columns, tiles, force, track, style)
            written.append(f"{drawn}: contact sheet, {len(frames)} of {len(one.labels.frames)} labelled frames")
        if folder:
            pages = save_trajectories(one.labels, folder, force, track, title=Path(video.name).name)
            written.append(f"{folder}: trajectories, {inputs.plural(len(pages), 'page')}")
        if overlay:
            count = render_overlay(video, one.labels, overlay, force, track, style=style, span=span.value, scale=scale)
            written.append(f"{overlay}: overlay video, {inputs.plural(count, 'frame')}")
        if not quiet:
            for line in written:
                say(line)
    if not quiet:
        inputs.next_step("poof", "select", videos[0], "-l", given[0].files[0], "-n", 5, what="what to label next")
