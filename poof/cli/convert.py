"""`poof convert`: a label file in another format, at another scale."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poof.cli import many
from poof.cli.common import Debug, Force, MissingRule, Quiet
from poof.cli.inputs import next_step
from poof.cli.sight import video_of
from poof.cli.terminal import say


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Label file; its format is found by its content.")],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help=".json COCO, .csv long table, .slp SLEAP, .xml CVAT, .h5, CollectedData*.csv or machinelabels*.csv"
            " DeepLabCut.",
        ),
    ],
    from_: Annotated[str | None, typer.Option("--from", help="Format of IN, where its content misleads.")] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", help="Format of OUT, where its name does not tell: dlc-tracks, lp, label-studio ..."),
    ] = None,
    scale: Annotated[
        str | None, typer.Option("--scale", metavar="S", help="Resize the frames by S, or by SX,SY; the labels follow.")
    ] = None,
    video: Annotated[
        str | None, typer.Option("--video", help="Which video, when IN holds the images of several.")
    ] = None,
    category: Annotated[
        str | None, typer.Option("--category", help="Which category, when IN has keypoints for several.")
    ] = None,
    frames: Annotated[
        Path | None,
        typer.Option("--frames", help="The labelled video or folder: tells the frame of each image."),
    ] = None,
    missing: MissingRule = "absent",
    jobs: many.Jobs = None,
    force: Force = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Convert labels between COCO, SLEAP, DeepLabCut, Lightning Pose, CVAT, Label Studio and long tables.

    IN may also be a DeepLabCut project or a SLEAP analysis file. What OUT cannot hold is told in one line;
    docs/formats.md has the table. In a project, --to alone converts the best result of every video, beside it. With
    frames, into another tool's project, goes poof export.
    """
    if source is None or target is None:
        _in_project(to, scale, missing, jobs, quiet)
        return
    from poof.errors import PoofError
    from poof.files import check_apart
    from poof.labels import check_fit, describe_sources, load_labels, save_labels, scaled
    from poof.labels.formats.reading import is_of_video
    from poof.labels.io import detect_format, format_for
    from poof.labels.record import kind_of
    from poof.labels.replacing import check_label_output
    from poof.video import open_video

    written = format_for(target, to)
    check_apart([(target, "OUT")], [(source, "IN"), *([(frames, "--frames")] if frames else [])])
    read = from_ or detect_format(source)
    footage = open_video(frames) if frames else None
    names = footage.frame_names if footage else None
    wanted = video or (str(frames) if frames else None)
    labels = load_labels(source, names, read, category, wanted, missing)  # type: ignore[arg-type]  # checked inside
    if video and not is_of_video(labels.frame_names.values(), video):
        raise PoofError(f"{source}: holds no images of '{video}'; leave --video out or correct it")
    if scale:
        labels = scaled(labels, *_factors(scale))
    if footage:
        check_fit(labels, footage.size, len(names) if names else None, footage.name)
        labels.image_size = footage.size
        labels.info = labels.info | {"video": Path(footage.name).name}
        if written == "dlc-tracks":
            labels.info["frame_count"] = footage.count()
        if names:
            labels.frame_names = {frame: names[frame] for frame in labels.frames} | labels.frame_names
    check_label_output(target, [labels], kind_of(labels), force=force, option="OUT")
    save_labels(labels, target, format=written, checked=True)
    if not quiet:
        points = ", ".join(f"{count} {name}" for name, count in describe_sources(labels).items())
        counts = f"{len(labels.frames)} frames, {len(labels)} instances, {len(labels.skeleton)} keypoints"
        say(f"{target}: {counts}; points: {points} ({read} -> {written})")
        if labels.changes:
            say(f"corrections of yours in {source}: {labels.changes} since poof wrote it")
        if labels.assumed_absent:
            count = len(labels.assumed_absent)
            say(f"note: {count} empty keypoints taken as absent (--missing unlabelled: as not labelled)")
        shown = frames or video_of(labels, source, target)
        unseen = "" if shown else "VIDEO: the one that was labelled; none is in sight here"
        next_step("poof", "propagate", shown or "VIDEO", "-l", target, what=unseen)


def _factors(text: str) -> tuple[float, float]:
    """'0.5' or '0.5,0.49' as two numbers."""
    try:
        numbers = [float(part) for part in text.split(",")]
        sx, sy = numbers * 2 if len(numbers) == 1 else numbers
    except ValueError:
        raise typer.BadParameter(f"'{text}' is neither a number nor two with a comma", param_hint="--scale") from None
    return sx, sy


def _in_project(to: str | None, scale: str | None, missing: str, jobs: int | None, quiet: bool) -> None:
    """Convert the best result of every video of the project."""
    from poof.labels import FORMATS
    from poof.projects.jobs import Job
    from poof.projects.plan import best_result, records_of
    from poof.projects.records import parts_of, why_outdated
    from poof.projects.sources import Source
    from poof.projects.work import Mark

    writable = [name for name, module in FORMATS.items() if module.ENDINGS]
    if to not in writable:
        raise typer.BadParameter(f"name the format for the project's results: {', '.join(writable)}", param_hint="--to")
    project, _, films = many.known_project()
    records = records_of(project)
    batch = many.Batch([], project=project, several=True)
    for film in films:
        best = best_result(project, film)
        if film.trouble or best is None:
            batch.failed += [(film.path.name, film.trouble)] if film.trouble else []
            continue
        target = best.with_name(f"{best.stem}.{to}{FORMATS[to].ENDINGS[0]}")
        parts = parts_of(film.content, [best], {"scale": scale, "missing": missing})
        if not why_outdated(records.get(f"convert-{to}", film.name), parts):
            batch.fresh.append(film.path.name)
            continue
        source = Source(film.path, (best,), tuple(film.called), missing=missing)
        mark = Mark(f"convert-{to}", film.name, parts, project.kept / "made", project.folder)
        batch.todo.append(many.Todo(str(film.path), source, [target], mark=mark))
    factors = _factors(scale) if scale else None

    def job_of(todo: many.Todo) -> Job:
        arguments = {
            "source": todo.source, "target": todo.outputs[0], "format": to, "scale": factors, "force": True,
            "mark": todo.mark,
        }  # fmt: skip
        return Job(todo.name, "poof.projects.work:convert", arguments)

    done = many.run(batch, job_of, lambda *_: None, jobs=jobs, quiet=quiet)
    if not batch.todo and not batch.fresh and not batch.failed and not quiet:
        say("nothing to convert yet: poof propagate makes results")
    many.finish(batch, quiet, len(done))
