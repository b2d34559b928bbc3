"""`poof train`: a pose model from labels."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poof.cli import common, many
from poof.cli.inputs import next_step
from poof.cli.terminal import say

if TYPE_CHECKING:
    from poof.projects.work import Mark


@common.in_group
def train(
    data: Annotated[
        list[Path],
        typer.Option(
            "--data", "-d", help="Labels to train on, human and propagated; once a video; in a project its results."
        ),
    ],
    video: Annotated[
        list[Path] | None,
        typer.Option("--video", "-v", help="Video of each --data, in the same order.", show_default=False),
    ] = None,
    val: Annotated[
        list[Path] | None,
        typer.Option("--val", help="Labels of other videos to judge by. [default: part of --data]", show_default=False),
    ] = None,
    val_video: Annotated[
        list[Path] | None, typer.Option("--val-video", help="Video of each --val.", show_default=False)
    ] = None,
    hold_out: Annotated[bool, typer.Option(help="Without --val, hold out part of --data to judge by.")] = True,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Run folder. [default: runs/DATA]", show_default=False)
    ] = None,
    init: Annotated[
        str, typer.Option(help="Start from random, imagenet, mspn50-coco or a checkpoint's PATH.")
    ] = "random",
    recipe: Annotated[str, typer.Option(help="How to train: default, thesis, or footage (for unet).")] = "default",
    stages: Annotated[
        int | None, typer.Option(help="Stages of MSPN, 1 to 4. [default: the checkpoint's, else 2]", show_default=False)
    ] = None,
    body: Annotated[
        str | None,
        typer.Option(
            help="resnet50, resnet18, or unet (small, for one footage). [default: the checkpoint's, else resnet50]",
            show_default=False,
        ),
    ] = None,
    input_size: Annotated[str, typer.Option(metavar="HxW", help="Height and width of the crops.")] = "256x192",
    batch: Annotated[
        int | None, typer.Option(help="Examples per step. [default: the recipe's]", show_default=False)
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Times every example is seen. [default: the recipe's]", show_default=False)
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Learning rate. [default: the recipe's]", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.", min=0)] = 0,
    workers: Annotated[
        int | None, typer.Option(help="Processes that prepare batches. [default: by device]", show_default=False, min=0)
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")] = False,
    json: common.JsonFile = None,
    device: common.Device = "auto",
    precision: common.Precision = "auto",
    on_damage: common.OnDamage = "stop",
    force: common.Force = False,
    quiet: common.Quiet = False,
    debug: common.Debug = False,
) -> None:
    """Train a pose model (MSPN) on labels.

    The run folder gets best.pt (for `poof predict`), last.pt (to --resume), curves.csv and curves.png. Videos are never
    mixed: several are split whole, a single one by its labelled frames, so that nothing carried from a frame that
    judges is trained on.
    """
    del debug
    from poof.drawing import save_figure, training_curves
    from poof.files import check_output
    from poof.parallel import current
    from poof.pose import parse_input_size, recipe_named, train_pose
    from poof.pose.files import load_pairs, run_folder
    from poof.progress import Stages

    mark = None
    if not data:
        quiet_here = quiet or not current().main
        data, video, output, resume, force, mark = _in_project(
            output, resume, force, recipe, init, body, epochs, quiet_here
        )
        if mark is None:
            return
    folder = output or Path("runs") / data[0].stem
    with run_folder(folder, resume, force) if current().main else nullcontext(folder):
        if json is not None:
            check_output(json, force)
        chosen = recipe_named(recipe, epochs, rate)
        size = parse_input_size(input_size)
        pairs = load_pairs(data, video or [], "--video", on_damage)
        judges = load_pairs(val or [], val_video or [], "--val-video", on_damage)
        stages_ = ["training crops"] * len(pairs)
        stages_ += ["validation crops"] * (len(judges) or int(hold_out))
        stages_.append("training")
        try:
            run = train_pose(
                pairs,
                folder,
                judges or None,
                init=init,
                recipe=chosen,
                stages=stages,
                body=body,
                input_size=size,
                batch=batch,
                hold_out=hold_out,
                seed=seed,
                device=device,
                precision=precision,  # type: ignore[arg-type]  # checked inside
                workers=workers,
                resume=resume,
                track=common.track(quiet) if quiet else Stages(common.track(quiet), stages_),
                notice=None if quiet else say,
                group=current(),
            )
        except KeyboardInterrupt:
            if current().main and (folder / "last.pt").exists():
                say(f"poof: {folder}: the same command with --resume goes on from here", err=True)
            raise
    if not current().main:
        return
    if mark is not None:
        mark.keep([run.best], {})
    steps = run.history["step"].tolist()
    figure = training_curves(run.curves(), steps, best=run.best_step, step_name="step", title=folder.name)
    save_figure(figure, folder / "curves.png", checked=True)
    if json is not None:
        common.write_json(json, run.as_dict())
    if not quiet:
        for line in run.summary():
            say(line)
        next_step("poof", "predict", pairs[0].video.name, "-m", run.best, "-l", data[0])


def _in_project(
    output: Path | None, resume: bool, force: bool, *options: object
) -> tuple[list[Path], list[Path], Path, bool, bool, Mark | None]:
    """The results of the project with their videos, the run's folder, how to begin, and what it is recorded as.

    Of several vocabularies the one that most videos have is taken, unless -o names another's folder.
    """
    from poof.errors import PoofError
    from poof.projects.plan import best_result, records_of
    from poof.projects.records import parts_of, why_outdated
    from poof.projects.status import groups, keypoints_of
    from poof.projects.work import Mark

    *decides, quiet = options
    project, known, films = many.known_project()
    labelled = [film for film in films if film.labels and not film.trouble]
    found = [[(film, best_result(project, film)) for film in group] for group in groups(known, labelled)]
    usable = [[(film, path) for film, path in group if path is not None] for group in found]
    names = []
    for group in usable:
        own = keypoints_of(known, group[0][0]) if group else ()
        names.append(next((v.name for v in project.vocabularies if v.skeleton.keypoints == own), "model"))
    if not any(usable):
        raise PoofError(f"{project.results}: holds nothing to learn from yet; carry your labels with poof propagate")
    most = max(range(len(usable)), key=lambda n: len(usable[n]))
    if output is not None and output.name.removeprefix("train-") in names:
        most = names.index(output.name.removeprefix("train-"))
    elif sum(map(bool, usable)) > 1 and not quiet:
        others = [f"-o {project.runs / f'train-{n}'}" for n, g in zip(names, usable) if g and n != names[most]]
        say(f"training {names[most]} ({len(usable[most])} videos); the other vocabularies: {', '.join(others)}")
    group = usable[most]
    folder = output or project.runs / f"train-{names[most]}"
    data, videos = [path for _, path in group], [film.path for film, _ in group]
    parts = parts_of("", data, {"chosen": [str(o) for o in decides]}, videos=[film.content for film, _ in group])
    record = records_of(project).get("train", names[most])
    why = why_outdated(record, parts)
    if not why and not force:
        if not quiet:
            say(f"{folder}: is up to date (--force trains anew)")
        return data, videos, folder, resume, force, None
    begun = (folder / "last.pt").exists()
    resume = resume or (begun and record is None and not force)
    mark = Mark("train", names[most], parts, project.kept / "made", project.folder)
    return data, videos, folder, resume, force or (begun and not resume), mark
