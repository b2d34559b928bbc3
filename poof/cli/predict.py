"""`poof predict`: run a pose model on video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from poof.cli import common, inputs, many
from poof.cli.terminal import say
from poof.printable import plural


def predict(
    inputs_: Annotated[
        list[Path],
        typer.Argument(
            metavar="VIDEO",
            help="Video files, or folders of images; in a project those without labels.",
            show_default=False,
        ),
    ],
    model: Annotated[
        Path | None, typer.Option("--model", "-m", help="Checkpoint of a pose model.", show_default=False)
    ] = None,
    ensemble: Annotated[
        list[Path] | None,
        typer.Option(
            "--ensemble",
            metavar="A.pt B.pt ...",
            help="Checkpoints; each joint from the one that was best on it in validation.",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        list[Path] | None,
        typer.Option(
            "--labels", "-l", help="Take the subjects' boxes from these labels; may be repeated.", show_default=False
        ),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            "--boxes", help="Take them from a CSV: frame, x, y, width, height[, instance].", show_default=False
        ),
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            help="Labels to write (.json, .csv); for several videos one for each, or a folder."
            " [default: VIDEO.predicted.json]",
            show_default=False,
        ),
    ] = None,
    category: common.Category = None,
    flip: Annotated[bool, typer.Option(help="Average with the mirrored image: surer, half as fast.")] = True,
    margin: Annotated[
        str | None,
        typer.Option(
            "--margin",
            metavar="FACTOR",
            help="How much larger than a subject's box its crop is, or WIDTHxHEIGHT: 1.09x1.135 is MSPN's official test"
            " crop on COCO. [default: as the model was trained]",
            show_default=False,
        ),
    ] = None,
    start: Annotated[int, typer.Option(min=0, help="First frame.")] = 0,
    stop: Annotated[int | None, typer.Option(min=1, help="Frame before which to end.", show_default=False)] = None,
    batch_: Annotated[int, typer.Option("--batch", min=1, help="Crops at a time.")] = 16,
    jobs: many.Jobs = None,
    device: common.Device = "auto",
    precision: common.Precision = "auto",
    on_damage: common.OnDamage = "stop",
    force: common.Force = False,
    quiet: common.Quiet = False,
    debug: common.Debug = False,
) -> None:
    """Predict keypoints in every frame of a video.

    Without --labels and --boxes, one subject is looked for in the whole frame: fine when it fills the picture.
    """
    del debug
    from poof.pose import parse_margin
    from poof.pose.files import models_and_videos
    from poof.projects.jobs import Job

    decisive = {"flip": flip, "on_damage": on_damage, "margin": None if margin is None else parse_margin(margin)}
    if many.in_project(inputs_, labels) and boxes is None and _of_project(inputs_):
        videos, models, batch = _in_project(inputs_ or [], model, ensemble or [], decisive)
    else:
        videos, models = models_and_videos(inputs_ or [], model, ensemble or [])
        written = inputs.outputs_of(videos, output, "predicted", ("json",))
        others = [*((m, "--model") for m in models), *([(boxes, "--boxes")] if boxes else [])]
        others += [(p, "-l") for p in labels or []]
        inputs.check_outputs(videos, written, [], "predict", named=True, inputs=others, replaced=False)
        from poof.projects.contents import checksum

        decides = {"start": start, "stop": stop, "boxes": checksum(boxes) if boxes else "", "batch": batch_}
        batch = many.batch_given(
            "predict", videos, labels or [], written,
            decisive | {"category": category},
            quiet=quiet, reads_labels=bool(labels), more={"model": [checksum(m) for m in models], "range": decides},
        )  # fmt: skip
    options = {
        "start": start, "stop": stop, "flip": flip, "batch": batch_, "device": device, "precision": precision,
        "margin": decisive["margin"],
    }  # fmt: skip

    def job_of(todo: many.Todo) -> Job:
        arguments = {
            "source": todo.source, "outputs": todo.outputs, "models": models, "boxes": boxes,
            "with_labels": bool(labels), "options": options, "force": force, "mark": todo.mark,
        }  # fmt: skip
        return Job(todo.name, "poof.projects.work:predict", arguments)

    done = many.run(batch, job_of, shown, jobs=jobs, device=device, quiet=quiet)
    if not quiet and done:
        if batch.project is not None:
            inputs.next_step("poof", "render", what="look at it")
        else:
            inputs.next_step("poof", "render", videos[0], "-l", batch.todo[0].outputs[0], what="look at it")
    many.finish(batch, quiet, len(done))


def _of_project(given: list[Path] | None) -> bool:
    """Whether the videos are left to the project, or all are of it."""
    from poof.pose.files import CHECKPOINT_ENDINGS

    return many.all_of_project([path for path in given or [] if path.suffix not in CHECKPOINT_ENDINGS])


def _in_project(
    given: list[Path], model: Path | None, ensemble: list[Path], options: dict[str, Any]
) -> tuple[list[Path], list[Path], many.Batch]:
    """The videos of the project that were named, else those without labels; the models; what is out of date."""
    from poof.errors import PoofError
    from poof.pose.files import CHECKPOINT_ENDINGS
    from poof.projects.plan import models_of, predicted

    more = [path for path in given if path.suffix in CHECKPOINT_ENDINGS]
    named = [path for path in given if path not in more]
    project, known, films = many.known_project(named)
    chosen = films if named else [film for film in films if not film.labels]
    models = [model] if model is not None else [*ensemble, *more] or models_of(project)[:1]
    if not models:
        raise PoofError(f"{project.runs}: holds no pose model yet; make one with poof refine or poof train, or give -m")
    items = predicted(known, [film for film in chosen if not film.trouble], options, models)
    return [film.path for film in chosen], models, many.batch_of(items, project, "predict", chosen)


def shown(todo: many.Todo, outcome: Any) -> None:
    """Print what was predicted in a video."""
    made = outcome.summary
    until = "" if made["damage"] is None else f" (the video is damaged from frame {made['damage']} on)"
    sure = ""
    if made["confidence"] is not None:
        share, unsure = made["confidence"], made["unsure"]
        sure = f" {share:.0%} of them expected within 5 % of the crop, {unsure:.0%} below confidence 0.5"
    say(
        f"{', '.join(map(str, outcome.written))}: {plural(made['frames'], 'frame')}{until},"
        f" {plural(made['subjects'], 'subject')}, {plural(made['keypoints'], 'keypoint')};{sure}"
    )
