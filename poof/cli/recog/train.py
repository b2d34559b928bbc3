"""`poof recog train`: train a network on labelled clips."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from poof.cli import common
from poof.cli.recog import options
from poof.cli.terminal import say


@common.in_group
def train(
    network: options.Name,
    data: options.Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run.", show_default=False)],
    module: options.Modules = None,
    val: Annotated[
        str | None,
        typer.Option(
            help="Clips that choose the best epoch: part (cut from the training clips, the default), none, test (the "
            "test part of --data; do not judge by it again), or a list."
        ),
    ] = None,
    val_share: Annotated[float, typer.Option(help="Of --val part: share of the clips.", min=0.01, max=0.5)] = 0.15,
    root: options.Root = None,
    labels: options.Labels = None,
    format: options.Format = "auto",
    split: options.Split = 1,
    recipe: Annotated[str, typer.Option(help="Preset of the options below; see `poof recog list`.")] = "small",
    epochs: Annotated[int | None, typer.Option(help="Passes over the clips.", min=1)] = None,
    batch: Annotated[int | None, typer.Option(help="Clips a batch.", min=1)] = None,
    accumulate: Annotated[int | None, typer.Option(help="Batches an update of the weights.", min=1)] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    schedule: Annotated[str | None, typer.Option(help="Of the rate: steps, cosine or plateau.")] = None,
    milestone: Annotated[
        list[int] | None, typer.Option(help="Epoch behind which steps lower the rate, repeatable.", min=1)
    ] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Weight decay.", min=0)] = None,
    clip_norm: Annotated[float | None, typer.Option(help="Largest norm of the gradient; 0: any.", min=0)] = None,
    sampling: Annotated[options.Rule | None, typer.Option(help="How frames are chosen.")] = None,
    flip: Annotated[str | None, typer.Option(help="Mirror half of the clips: swap (labels too), plain, none.")] = None,
    rate: Annotated[
        int | None,
        typer.Option(help="Clips of every n-th frame in a row (sampling dense, or normal if the recipe's).", min=1),
    ] = None,
    only: Annotated[str | None, typer.Option(help="What learns: all, modules, last (stage) or classifier.")] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Start from a run of the same network, its authors' file, or a file of its backbone alone.",
        ),
    ] = None,
    multigrid: Annotated[
        bool | None, typer.Option("--multigrid/--no-multigrid", help="More, smaller clips a batch at first.")
    ] = None,
    frames: options.NetworkFrames = None,
    size: options.NetworkSize = None,
    dropout: Annotated[float | None, typer.Option(help="Before the classifier.", min=0, max=0.99)] = None,
    augment: Annotated[
        str | None, typer.Option(help="How clips are cut: scales, jitter, zeng, mfnet, stergiou-80, stergiou-70.")
    ] = None,
    optimizer: Annotated[str | None, typer.Option(help="sgd, adam or adamw.")] = None,
    partial_norm: Annotated[
        bool | None,
        typer.Option("--partial-norm/--no-partial-norm", help="All batch norms but the first stay as they are."),
    ] = None,
    show_recipe: Annotated[
        bool, typer.Option("--show-recipe", help="Print the recipe with these options, and stop.")
    ] = False,
    weights: Annotated[
        str | None,
        typer.Option(help="imagenet, kinetics, a file in torchvision's keys, or a published network's own."),
    ] = None,
    amp: Annotated[bool, typer.Option("--amp", help="Mixed precision.")] = False,
    seed: Annotated[int, typer.Option(help="Of everything random.", min=0)] = 0,
    workers: options.Workers = 2,
    max_broken: Annotated[float, typer.Option(help="Share of unreadable clips at which to stop.", min=0, max=1)] = 0.02,
    resume: Annotated[bool, typer.Option("--resume", help="Go on exactly where the run stopped.")] = False,
    device: common.Device = "auto",
    json: common.JsonFile = None,
    force: common.Force = False,
    quiet: common.Quiet = False,
    debug: common.Debug = False,
) -> None:
    """Train a backbone with modules, or a whole network, on labelled clips."""
    del debug
    import torch

    from poof import recog
    from poof.errors import PoofError, PoofWarning
    from poof.files import check_output, made_folder
    from poof.parallel import current
    from poof.recog.data.lists.split import split_off
    from poof.recog.device import pick_device
    from poof.recog.training.settings import Settings
    from poof.recog.training.train import train as run
    from poof.recog.training.transfer import start_from
    from poof.recog.zoo.networks import NETWORKS
    from poof.recog.zoo.recipes import recipe_for

    if json is not None:
        check_output(json, force)
    options_ = recipe_for(
        recipe,
        NETWORKS.get(network.partition(":")[0]),
        frames=frames,
        size=size,
        rule=sampling and sampling.value,  # type: ignore[arg-type]
        rate=rate,
        schedule=schedule,  # type: ignore[arg-type]
        milestones=tuple(sorted(milestone)) if milestone else None,
        dropout=dropout,
        augment=augment,
        optimizer=optimizer,
        partial_norm=partial_norm,
        epochs=epochs,
        batch=batch,
        accumulate=accumulate,
        lr=lr,
        weight_decay=weight_decay,
        clip_norm=clip_norm,
        flip=flip,
        only=only,
        multigrid=multigrid,
    )
    if show_recipe:
        options.show([{"option": key, "value": value} for key, value in options_.lines()], options_.document)
        return
    if (output / "last.pt").exists() and not (resume or force):
        raise PoofError(f"{output}: holds a run; go on with --resume, or begin anew with --force")
    if options_.only != "all" and options_.objective == "all" and start is None and weights is None and not resume:
        raise PoofError(
            f"recipe {recipe}, only={options_.only}: the rest of the network would stay at random weights; start from "
            "a trained one with --from RUN or --weights, or train all of it with --only all"
        )
    clips = options.clip_list(data, root, labels, format, split, "train", max_broken)
    validation, said = None, "none to judge by: best.pt is the last epoch"
    if val in (None, "part"):
        try:
            clips, validation = split_off(clips, val_share, seed)
        except PoofError:  # too few clips: only an error where it was asked for
            if val is not None:
                raise
    if validation is not None:
        said = f"{len(validation)} of the training clips set aside to judge by (--val)"
    elif val not in (None, "none", "part"):
        if val == "test":
            warnings.warn(
                "--val test: the best epoch is chosen by the test part, so a figure on it will be too good; the "
                "default (--val part) keeps the test apart",
                PoofWarning,
                stacklevel=2,
            )
        judged = data if val == "test" else Path(val)
        validation = options.clip_list(judged, root, labels, format, split, "test", max_broken)
        if val == "test" and validation.records == clips.records:
            raise PoofError(f"{data}: has no test part; leave out --val test, or name a list of clips to judge by")
        said = f"{len(validation)} to judge by"
    settings = Settings(workers, pick_device(device), amp, seed, max_broken, resume)
    torch.manual_seed(seed)
    model = recog.build_model(
        network,
        module or [],
        options_.frames,
        len(clips.labels),
        size=options_.size,
        dropout=options_.dropout,
        weights=weights,
    )
    if rate:
        options_ = replace(options_, window=options_.frames * model.per_segment * rate)
    if start is not None and not resume:
        start_from(model, start)
    if not quiet:
        say(f"{len(clips)} clips of {len(clips.labels)} classes, {said}; {options_.document}")

    def report(row: dict[str, Any]) -> None:
        if quiet:
            return
        judged = f", validation top-1 {row['val_top1']:.1%}" if "val_top1" in row else ""
        gates = [value for key, value in row.items() if key.endswith(".gate_open")]
        judged += f", gates open {sum(gates) / len(gates):.1%} (by block in curves.csv)" if gates else ""
        times = ", ".join(f"{part} {row[f'{part}_ms']:.0f}" for part in ("read", "transform", "wait", "forward"))
        say(
            f"epoch {row['epoch']}: loss {row['loss']:.3f}, accuracy {row['accuracy']:.1%}{judged}; "
            f"{row['clips_per_second']:.1f} clips/s (ms a clip: {times}, backward {row['backward_ms']:.0f})"
        )

    with made_folder(output, "-o") if current().main else nullcontext():
        history = run(
            model, clips, output, options_, settings, validation, common.track(quiet), report, group=current()
        )
    if json is not None:
        common.write_json(json, history)
    if not quiet:
        say(f"wrote {output}/best.pt, last.pt, curves.csv, curves.png")
