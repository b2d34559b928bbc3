"""`poof select`: which frames to label, first or next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poof.cli.common import Debug, Force, JsonFile, OnDamage, Quiet
from poof.cli.terminal import console

if TYPE_CHECKING:
    from poof.planning.select import Selection
    from poof.video.base import Video

COLUMNS, MOST = 5, 40
"""Pictures beside each other on the sheet, and pictures on it at most."""
SHOWN = 480
"""Longer side of a picture on the sheet, pixels."""


def select(
    video: Annotated[Path, typer.Argument(help="Video file, or folder of images.")],
    count: Annotated[int, typer.Option("--count", "-n", help="How many frames to choose.")] = 20,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", "-l", help="Your labels, best as propagated or refined: which to label next."),
    ] = None,
    radius: Annotated[int, typer.Option("--radius", "-r", help="Frames that each label will be carried to.")] = 10,
    strategy: Annotated[
        str, typer.Option("--strategy", help="Without labels. even: evenly in time. diverse: unlike each other.")
    ] = "even",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the frame numbers, one a line (.txt).")
    ] = None,
    images: Annotated[
        Path | None, typer.Option("--images", help="New folder for the frames as PNG, to label them with any tool.")
    ] = None,
    sheet: Annotated[Path | None, typer.Option("--sheet", help="Show the frames in one picture (.png, .pdf).")] = None,
    json_file: JsonFile = None,
    category: Annotated[
        str | None, typer.Option("--category", help="Which category, when the labels have keypoints for several.")
    ] = None,
    on_damage: OnDamage = "stop",
    force: Force = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Choose the frames to label: first, spread over the video; with --labels next, where flow is at a loss.

    With labels that `poof refine` wrote, frames in which flow and appearance disagree come before all others.

    Blurred and repeated frames are left out, and every scene between cuts is served for itself.
    """
    from poof.cli.common import track, write_json
    from poof.errors import PoofError
    from poof.files import check_output, write_text
    from poof.labels import load_labels
    from poof.planning.select import select_frames, select_next
    from poof.video import open_video

    del debug
    for path in (output, sheet, json_file):
        if path:
            check_output(path, force)
    if images and images.exists() and not (force and images.is_dir()):
        raise PoofError(f"{images}: exists already; choose another folder or write into it with --force")
    footage = open_video(video, on_damage)
    if labels is None:
        chosen = select_frames(footage, count, radius, strategy, track=track(quiet))
    else:
        given = load_labels(labels, footage.frame_names, category=category, video=str(video))
        chosen = select_next(footage, given, count, radius, track=track(quiet))
    if output:
        write_text(output, "".join(f"{frame}\n" for frame in chosen.frames))
    if json_file:
        write_json(json_file, chosen.as_dict(footage.fps))
    if images:
        write_images(footage, chosen.frames, images)
    if sheet:
        draw_sheet(footage, chosen, sheet, force)
    if not quiet:
        show(chosen, footage.fps, [path for path in (output, images, sheet, json_file) if path])


def show(chosen: Selection, fps: float, written: list[Path]) -> None:
    """Print the frames, the most useful first."""
    from rich.table import Table
    from rich.text import Text

    out = console(soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for head in ("frame", "time", *(("doubt there",) if chosen.worth else ())):
        table.add_column(head, justify="right")
    disputed = any(frame in chosen.disputed for frame in chosen.order)
    if disputed:
        table.add_column("flow and appearance disagree on")
    for frame in chosen.order:
        row: list[str | Text] = [str(frame), f"{frame / fps:.2f} s"]
        if chosen.worth and chosen.doubt is not None:
            row.append(f"{chosen.doubt[frame]:.2f}")
        if disputed:
            row.append(Text(", ".join(chosen.disputed.get(frame, []))))
        table.add_row(*row)
    out.print(table)
    if chosen.seen.cuts:
        out.print(f"scene cuts at frame {', '.join(map(str, chosen.seen.cuts))}")
    for note in chosen.notes:
        out.print(f"note: {note}")
    if written:
        out.print(f"written: {', '.join(map(str, written))}")


def picked(footage: Video, frames: list[int]) -> Iterator[tuple[int, Any]]:
    """(number, image) of the frames, ascending, one in memory at a time."""
    wanted = set(frames)
    for number, image in footage.frames(min(frames), max(frames) + 1):
        if number in wanted:
            yield number, image


def write_images(footage: Video, frames: list[int], folder: Path) -> None:
    """The frames as PNG, named so that labels made on them find their frames in the video."""
    from PIL import Image

    from poof.files import atomic, make_folder
    from poof.labels.formats.coco_writing import default_name

    make_folder(folder, "--images")
    for frame, image in picked(footage, frames):
        name = footage.frame_names[frame] if footage.frame_names else default_name(frame)
        with atomic(folder / f"{Path(name).stem}.png") as temporary:
            Image.fromarray(image).save(temporary)


def draw_sheet(footage: Video, chosen: Selection, path: Path, force: bool) -> None:
    """The chosen frames in one picture, in the order of the video; the most useful `MOST` of them."""
    from matplotlib.figure import Figure

    from poof.drawing.plots import save_figure
    from poof.flow.field import Region

    frames = sorted(chosen.order[:MOST])
    region = Region.whole(footage.size, SHOWN)
    columns = min(COLUMNS, len(frames))
    rows = -(-len(frames) // columns)
    tile = 3.0
    figure = Figure(figsize=(tile * columns, (tile * region.height / region.width + 0.3) * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for one in axes:
        one.axis("off")
    for one, (frame, image) in zip(axes, picked(footage, frames)):
        one.imshow(region.cut(image))
        rank = f" (no. {chosen.order.index(frame) + 1})" if chosen.worth else ""
        one.set_title(f"frame {frame}, {frame / footage.fps:.2f} s{rank}", fontsize=9)
    save_figure(figure, path, force)
