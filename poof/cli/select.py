"""`poof select`: which frames to label, first or next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poof.cli import common, inputs
from poof.cli.common import Debug, Force, JsonFile, Quiet
from poof.cli.terminal import console, say

if TYPE_CHECKING:
    from poof.planning.select import Selection
    from poof.video.base import Video

COLUMNS, MOST = 5, 40
"""Pictures beside each other on the sheet, and pictures on it at most."""
SHOWN = 480
"""Longer side of a picture on the sheet, pixels."""


def select(
    videos: common.Footages,
    count: Annotated[int, typer.Option("--count", "-n", help="How many frames to choose, of each video.")] = 20,
    labels: Annotated[
        list[Path] | None,
        typer.Option(
            "--labels",
            "-l",
            help="Your labels, best as propagated or refined: which to label next. May be repeated.",
            show_default=False,
        ),
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
    category: common.Category = None,
    missing: common.MissingRule = "absent",
    prefer: common.Prefer = None,
    on_damage: common.OnDamage = "stop",
    force: Force = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Choose the frames to label: first, spread over the video; with --labels next, where flow is unsure.

    With labels that `poof refine` wrote, frames in which flow and appearance disagree come before all others.

    Blurred and repeated frames are left out, and every scene between cuts is served for itself. Of several videos each
    gets its own choice, and its name in the names of the outputs.
    """
    from poof.cli.common import track, write_json
    from poof.files import check_apart, check_output, write_text
    from poof.planning.select import select_frames, select_next

    del debug
    lists, sheets, folders = (inputs.for_each(path, videos) for path in (output, sheet, images))
    outputs = [*((p, "-o") for p in lists if p), *((p, "--sheet") for p in sheets if p)]
    outputs += [(json_file, "--json")] if json_file else []
    check_apart(
        outputs + [(p, "--images") for p in folders if p],
        [*((v, "VIDEO") for v in videos), *((p, "-l") for p in labels or [])],
    )
    for path, _ in outputs:
        check_output(path, force)
        inputs.keep_out(path, videos)
    for folder in folders:
        check_folder(folder, force)
    footage = inputs.opened(videos, on_damage)
    given = inputs.labels_of(footage, labels, quiet, category, missing, prefer) if labels else None
    told = {}
    for number, (path, video) in enumerate(zip(videos, footage)):
        if given is None:
            chosen = select_frames(video, count, radius, strategy, track=track(quiet))
        else:
            chosen = select_next(video, given[number].labels, count, radius, track=track(quiet))
        told[str(path)] = chosen.as_dict(video.fps)
        text, drawn, folder = lists[number], sheets[number], folders[number]
        if text:
            write_text(text, "".join(f"{frame}\n" for frame in chosen.frames))
        if folder:
            write_images(video, chosen.frames, folder)
        if drawn:
            draw_sheet(video, chosen, drawn, force)
        if not quiet:
            if len(videos) > 1:
                say("")
                say(path)
            show(chosen, video.fps, [p for p in (text, folder, drawn) if p])
    if json_file:
        write_json(json_file, next(iter(told.values())) if len(told) == 1 else {"videos": told})
        if not quiet:
            say(f"written: {json_file}")
    if not quiet and images is None:
        files = [word for path in labels or [] for word in ("-l", path)]
        more = ["poof", "select", *videos, *files, "-n", count, "--images", "frames-to-label"]
        inputs.next_step(*more, what="these frames as pictures, to label them with any tool")
    elif not quiet:
        inputs.next_step("poof", "propagate", *videos, "-l", "LABELS", what="once they are labelled")


def check_folder(folder: Path | None, force: bool) -> None:
    """Refuse a folder of pictures that holds anything but what poof wrote there."""
    from poof.errors import PoofError
    from poof.origin import is_remembered

    if folder is None or not folder.exists():
        return
    own = folder.is_dir() and all(is_remembered(path) for path in folder.iterdir() if not path.name.startswith("."))
    if not own and not (force and folder.is_dir()):
        raise PoofError(f"{folder}: exists already; choose another folder or write into it with --force")


def show(chosen: Selection, fps: float, written: list[Path]) -> None:
    """Print the frames, the most useful first."""
    from rich.table import Table
    from rich.text import Text

    out = console(soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for head in ("frame", "time", *(("uncertainty",) if chosen.worth else ())):
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

    from poof.files import atomic, check_output, make_folder
    from poof.labels.formats.coco_writing import default_name

    make_folder(folder, "--images")
    for frame, image in picked(footage, frames):
        name = footage.frame_names[frame] if footage.frame_names else default_name(frame)
        check_output(folder / f"{Path(name).stem}.png", force=True)
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
