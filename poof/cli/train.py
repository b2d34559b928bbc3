"""`poof train`: a pose model from labels."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from poof.cli import common
from poof.cli.inputs import next_step
from poof.cli.terminal import say


@common.in_group
def train(
    data: Annotated[
        list[Path], typer.Option("--data", "-d", help="Labels to train on, human and propagated; once a video.")
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
    steps = run.history["step"].tolist()
    figure = training_curves(run.curves(), steps, best=run.best_step, step_name="step", title=folder.name)
    save_figure(figure, folder / "curves.png", checked=True)
    if json is not None:
        common.write_json(json, run.as_dict())
    if not quiet:
        for line in run.summary():
            say(line)
        next_step("poof", "predict", video[0] if video else "VIDEO", "-m", run.best, "-l", data[0])
