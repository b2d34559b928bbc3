"""`poof propagate`: carry labels to the frames around them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from poof.cli.common import (
    Category,
    Crop,
    Debug,
    Device,
    Flow,
    Footage,
    Force,
    JsonFile,
    Labels,
    MaxSize,
    OnDamage,
    Quiet,
    Weights,
)
from poof.cli.terminal import console, say


def propagate(
    video: Footage,
    labels: Labels,
    radius: Annotated[
        str, typer.Option("--radius", "-r", help="Frames before and after each label; auto measures what is safe.")
    ] = "10",
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            help="Result; .json, .csv or .h5; may be repeated. Default: VIDEO.poof.json and .csv here.",
        ),
    ] = None,
    render: Annotated[bool, typer.Option("--render", help="Also draw an overlay video and a contact sheet.")] = False,
    method: Annotated[
        str, typer.Option("--method", help="blend: both neighbouring labels. chain: the nearest. thesis: as published.")
    ] = "blend",
    flow: Flow = "auto",
    weights: Weights = None,
    device: Device = "auto",
    max_size: MaxSize = None,
    crop: Crop = True,
    backward: Annotated[
        str, typer.Option("--backward", help="flow: true backward flow. thesis: forward flow only, equation (3.2).")
    ] = "",
    overlap: Annotated[
        str, typer.Option("--overlap", help="Where windows overlap (chain, thesis): nearest label, or blend.")
    ] = "nearest",
    min_confidence: Annotated[
        float, typer.Option("--min-confidence", help="Leave propagated points out below this (0 to 1).")
    ] = 0.0,
    cache: Annotated[
        bool,
        typer.Option("--cache/--no-cache", help="Keep finished parts: go on after a stop, re-run only changes."),
    ] = True,
    category: Category = None,
    json_file: JsonFile = None,
    on_damage: OnDamage = "stop",
    force: Force = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Carry your labels to the frames around them with optical flow."""
    from poof.cli.common import settle_for_flow, track, write_json

    settle_for_flow()
    from poof.files import check_output
    from poof.flow.registry import create_flows
    from poof.labels import load_labels, save_labels
    from poof.labels.io import format_for
    from poof.propagation import Settings, summarise
    from poof.propagation import propagate as run
    from poof.propagation.memo import Memo, cache_folder
    from poof.video import open_video

    settings = Settings(
        radius=10 if radius == "auto" else whole_number(radius),
        method=method,
        backward=backward,
        overlap=overlap,
        crop=crop,
        max_size=max_size,
        min_confidence=min_confidence,
    )
    outputs = output or [Path(f"{video.resolve().stem}.poof.{ending}") for ending in ("json", "csv")]
    pictures = [outputs[0].with_suffix(ending) for ending in (".overlay.mp4", ".sheet.png")] if render else []
    for path in [*outputs, *pictures, *([json_file] if json_file else [])]:
        check_output(path, force)
    for path in outputs:
        format_for(path, None)
    footage = open_video(video, on_damage)
    given = load_labels(labels, footage.frame_names, category=category, video=str(video))
    estimators = create_flows(flow, weights, device, method == "blend", cache_folder() / "flows" if cache else None)
    if not quiet:
        for estimator in estimators:
            say(f"flow: {estimator.reason}")
    if radius == "auto":
        from dataclasses import replace

        from poof.planning.radius import measure_radius

        measured = measure_radius(footage, given, estimators, settings=settings, track=track(quiet))
        settings = replace(settings, radius=measured.choice)
        if not quiet:
            say(f"radius {measured.choice}: {measured.message}")
    memo = Memo(cache_folder() / "segments") if cache else None
    try:
        result = run(footage, given, estimators, settings, track(quiet), memo)
    except KeyboardInterrupt:
        if memo is not None:
            say("poof: finished parts are kept; the same command goes on from there", err=True)
        raise
    for path in outputs:
        save_labels(result, path, force)
    if render:
        from poof.drawing import contact_sheet, render_overlay

        render_overlay(footage, result, pictures[0], force, track(quiet))
        contact_sheet(footage, result, pictures[1], force=force)
    summary = summarise(result)
    if json_file:
        write_json(json_file, summary)
    if not quiet:
        show(summary, [*outputs, *pictures])


def whole_number(text: str) -> int:
    """The value of --radius; a usage error otherwise."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"'{text}' is neither a whole number nor auto", param_hint="--radius") from None


def show(summary: dict[str, Any], written: list[Path]) -> None:
    """Print the summary as a table."""
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("labelled frames (yours)", str(summary["anchors"]))
    table.add_row("labelled frames (now)", str(summary["frames"]))
    for source, count in summary["points"].items():
        table.add_row(f"points, {source}", str(count))
    if summary["occluded"]:
        table.add_row("of these thought occluded", str(summary["occluded"]))
    for reason, count in summary["left_out"].items():
        table.add_row(f"points left out, {reason}", str(count))
    if summary["confidence"] is not None:
        unsure = f"{100 * summary['unsure']:.0f} % below 0.5"
        table.add_row("confidence", f"mean {summary['confidence']:.2f}, {unsure}")
    if summary["cuts"]:
        table.add_row("scene cuts at frame", ", ".join(map(str, summary["cuts"])))
    for hole in summary["holes"]:
        table.add_row("cannot be read", f"frames {hole['start']} to {hole['stop'] - 1}: {hole['reason']}")
    if summary["damage"]:
        table.add_row("video is damaged", f"from frame {summary['damage']['frame']} on: {summary['damage']['reason']}")
    table.add_row("written", ", ".join(map(str, written)))
    console().print(table)
