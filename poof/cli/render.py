"""`poof render`: look at labels - overlay video, contact sheet, trajectories."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from poof.cli import common
from poof.cli.terminal import say


class Span(StrEnum):
    """Which frames the overlay video shows."""

    LABELLED = "labelled"
    ALL = "all"


def render(
    video: Annotated[Path, typer.Argument(help="Video file or folder of images.")],
    labels: Annotated[Path, typer.Option("--labels", "-l", help="Labels of the video, any format poof reads.")],
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
    names: Annotated[bool, typer.Option("--names", help="Write the keypoints' names beside them.")] = False,
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
    from poof.labels import load_labels
    from poof.video import open_video

    del debug
    if output is None and sheet is None and plots is None:
        output, sheet = Path(f"{labels.stem}.overlay.mp4"), Path(f"{labels.stem}.sheet.png")
    if output:
        check_overlay_output(output, force)
    if sheet:
        check_sheet_output(sheet, force)
    source = open_video(video, on_damage)
    label_set = load_labels(labels, frame_names=source.frame_names, video=str(video))
    style = Style(names=names, min_confidence=min_confidence)
    track = common.track(quiet)
    written = []
    if sheet:
        frames = contact_sheet(source, label_set, sheet, columns, tiles, force, track, style)
        written.append(f"{sheet}: contact sheet, {len(frames)} of {len(label_set.frames)} labelled frames")
    if plots:
        pages = save_trajectories(label_set, plots, force, track, title=video.name)
        written.append(f"{plots}: trajectories, {len(pages)} pages")
    if output:
        count = render_overlay(source, label_set, output, force, track, style=style, span=span.value, scale=scale)
        written.append(f"{output}: overlay video, {count} frames")
    if not quiet:
        for line in written:
            say(line)
