"""`poof select`: which frames to label, first or next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poof.cli import common, inputs, many
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
    jobs: many.Jobs = None,
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
    from poof.cli.common import write_json
    from poof.files import check_apart, check_output, write_text
    from poof.projects.jobs import Job

    del debug
    ours = many.in_project(videos, labels) and many.all_of_project(videos)
    batch = _in_project(videos or [], category, missing, prefer, on_damage) if ours else None
    if batch is not None:
        videos = [todo.source.video for todo in batch.todo]
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
    if batch is None:
        options = {"category": category, "missing": missing, "prefer": prefer, "on_damage": on_damage}
        batch = many.batch_given("select", videos, labels or [], [], options, quiet=quiet, reads_labels=bool(labels))
    places = {str(video): number for number, video in enumerate(videos)}

    def job_of(todo: many.Todo) -> Job:
        arguments = {
            "source": todo.source, "count": count, "radius": radius, "strategy": strategy,
            "with_labels": bool(todo.source.files),
        }  # fmt: skip
        return Job(todo.name, "poof.projects.work:select", arguments)

    def keep(todo: many.Todo, outcome: Any) -> None:
        (chosen, fps), number = outcome.covered, places[todo.name]
        text, drawn, folder = lists[number], sheets[number], folders[number]
        if text:
            write_text(text, "".join(f"{frame}\n" for frame in chosen.frames))
        if folder or drawn:
            video = todo.source.open()
            if folder:
                write_images(video, chosen.frames, folder)
            if drawn:
                draw_sheet(video, chosen, drawn, force)
        if not quiet:
            show(chosen, fps, [p for p in (text, folder, drawn) if p])

    told = {name: o.summary for name, o in many.run(batch, job_of, keep, jobs=jobs, quiet=quiet, silent=False).items()}
    if json_file:
        write_json(json_file, next(iter(told.values())) if len(videos) == 1 and told else {"videos": told})
        if not quiet:
            say(f"written: {json_file}")
    if not quiet and told and ours:
        inputs.next_step("poof", "label", next(iter(told)), what="label them")
    elif not quiet and told and images is None:
        files = [word for path in labels or [] for word in ("-l", path)]
        more = ["poof", "select", *videos, *files, "-n", count, "--images", "frames-to-label"]
        inputs.next_step(*more, what="these frames as pictures, to label them with any tool")
    elif not quiet and told:
        files = [word for path in labels or [] for word in ("-l", path)] if len(labels or []) == len(videos) else []
        inputs.next_step("poof", "label", *videos, *files, what="label these frames in the browser")
    many.finish(batch, quiet, len(told))


def _in_project(
    videos: list[Path], category: str | None, missing: str, prefer: str | None, on_damage: str
) -> many.Batch:
    """The videos of the project, each with its best result or its labels."""
    from dataclasses import replace

    from poof.projects.plan import best_result, source_of

    project, _, films = many.known_project(videos)
    options = {"category": category, "missing": missing, "prefer": prefer, "on_damage": on_damage}
    batch = many.Batch([], project=project, several=True)
    for film in films:
        if film.trouble:
            batch.failed.append((film.path.name, film.trouble))
            continue
        source, best = source_of(project, film, options), best_result(project, film)
        if best is not None:
            source = replace(source, files=(best,), project=None, corrections=None)
        batch.todo.append(many.Todo(str(film.path), source))
    return batch


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
        if chosen.worth and chosen.uncertainty is not None:
            row.append(f"{chosen.uncertainty[frame]:.2f}")
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
