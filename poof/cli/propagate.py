"""`poof propagate`: carry labels to the frames around them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from poof.cli import common, inputs, many
from poof.cli.common import Category, Crop, Debug, Device, Force, JsonFile, MaxSize, Quiet, Weights
from poof.cli.terminal import console, say
from poof.printable import plural

GAPS = 5
"""Gaps that the printed summary names."""


def propagate(
    videos: common.Footages,
    labels: common.LabelFiles,
    radius: Annotated[
        str, typer.Option("--radius", "-r", help="Frames before and after each label; auto measures what is safe.")
    ] = "10",
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            help="Result; .json, .csv or .h5; may be repeated; for several videos one for each, or a folder."
            " [default: VIDEO.poof.json and .csv here]",
            show_default=False,
        ),
    ] = None,
    render: Annotated[bool, typer.Option("--render", help="Also draw an overlay video and a contact sheet.")] = False,
    method: Annotated[
        str, typer.Option("--method", help="blend: both neighbouring labels. chain: the nearest. thesis: as published.")
    ] = "blend",
    flow: Annotated[
        str,
        typer.Option(
            "--flow",
            help="auto, dis, raft-small, raft-large, several with + (raft-small+dis), or auto+: what your labels tell.",
        ),
    ] = "auto",
    weights: Weights = None,
    iterations: common.Iterations = None,
    tracker: Annotated[
        list[str] | None,
        typer.Option(
            "--tracker",
            metavar="NAME",
            help="A point tracker beside the flow: cotracker3, cotracker3-online, alltracker, tapnext; repeatable.",
            show_default=False,
        ),
    ] = None,
    tracks_from: Annotated[
        list[Path] | None,
        typer.Option(
            "--tracks-from",
            metavar="FILE",
            help="Tracks that any point tracker made, a table: frame, keypoint, x, y, or track_id, t, y, x. Of several"
            " videos one for each, in their order.",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
    max_size: MaxSize = None,
    crop: Crop = True,
    backward: Annotated[
        str,
        typer.Option(
            "--backward",
            help="flow: true backward flow. thesis: forward flow only, equation (3.2). [default: by --method]",
            show_default=False,
        ),
    ] = "",
    overlap: Annotated[
        str, typer.Option("--overlap", help="Where windows overlap (chain, thesis): nearest label, or blend.")
    ] = "nearest",
    min_confidence: Annotated[
        float, typer.Option("--min-confidence", help="Leave propagated points out below this (0 to 1).")
    ] = 0.0,
    min_presence: Annotated[
        float,
        typer.Option(
            "--min-presence",
            help="Leave out a keypoint that some label calls absent where it is in the picture with less than this.",
        ),
    ] = 0.01,
    jobs: many.Jobs = None,
    on: many.On = None,
    dry_run: many.DryRun = False,
    cache: Annotated[
        bool,
        typer.Option("--cache/--no-cache", help="Keep finished parts: go on after a stop, re-run only changes."),
    ] = True,
    category: Category = None,
    missing: common.MissingRule = "absent",
    prefer: common.Prefer = None,
    json_file: JsonFile = None,
    on_damage: common.OnDamage = "stop",
    force: Force = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Carry your labels to the frames around them with optical flow.

    Which flow, which tracker? auto is right for most: DIS on a CPU, seconds a clip. auto+ measures on your labels.
    raft-large pays on a GPU, for large and fast motion; ptlflow:MODEL@WEIGHTS has fifty newer networks.
    Where flow loses points behind others, add a tracker that finds them again: --tracker alltracker or tapnext (free),
    cotracker3 (not for commerce), all for a GPU. Tracked in napari or elsewhere already? --tracks-from FILE.
    Each enters the same blend, weighed by how near it comes to your labels: none can win by being there.

    Correct the result in a spreadsheet or any tool and hand it back with -l: what you changed is a label of yours then.
    """
    from poof.cli.common import settle_for_flow, write_json

    del debug
    settle_for_flow()
    from dataclasses import asdict

    from poof.errors import PoofError
    from poof.flow.registry import AUTO_PLUS, create_flows
    from poof.projects.jobs import Job
    from poof.propagation import Settings

    settings = Settings(
        radius=10 if radius == "auto" else whole_number(radius),
        method=method,
        backward=backward,
        overlap=overlap,
        crop=crop,
        max_size=max_size,
        min_confidence=min_confidence,
        min_presence=min_presence,
    )
    if flow == AUTO_PLUS and method != "blend":
        raise PoofError(f"--flow {AUTO_PLUS} compares blends; with --method {method} name one")
    from poof.propagation.trackers.registry import create_tracker

    for one in [create_tracker(name, device) for name in tracker or []]:
        if one.licence:
            say_licence(one)
        if not quiet:
            say(f"tracker: {one.reason}")
    if on is not None and (tracker or tracks_from):
        raise PoofError("--on gives out flow alone; leave it out with --tracker and --tracks-from")
    reason = None
    if weights is None and "raft" not in flow and flow != AUTO_PLUS:
        reason = create_flows(flow, weights, device, method == "blend", iterations=iterations)[0].reason
    options = asdict(settings) | {
        "radius": radius, "backward": backward, "flow": flow, "weights": weights, "iterations": iterations,
        "tracker": tracker or None, "tracks_from": tracks_from, "category": category, "missing": missing,
        "prefer": prefer, "on_damage": on_damage,
    }  # fmt: skip
    if dry_run:
        from poof.projects.cluster import parse, script_of

        if on is None:
            raise typer.BadParameter("goes with --on slurm:... (pbs, sge, lsf)", param_hint="--dry-run")
        print(script_of(parse(on)), end="")
        return
    if many.in_project(videos, labels):
        from poof.projects.plan import carried

        if tracks_from:
            raise PoofError("--tracks-from is of one video each; name the videos, and their labels with -l")
        project, known, films = many.known_project(videos or ())
        labelled = [film for film in films if film.labels and not film.trouble]
        batch = many.batch_of(carried(known, labelled, options), project, "propagate", films, render)
        without = [film.path.name for film in films if not film.labels and not film.trouble]
        if without and not quiet:
            say(f"no labels yet: {plural(len(without), 'video')} (poof label {shlex.quote(without[0])})")
    else:
        written = inputs.outputs_of(videos, output, "poof")
        pictures = [[paths[0].with_suffix(e) for e in (".overlay.mp4", ".sheet.png") if render] for paths in written]
        others = [(path, "--render") for paths in pictures for path in paths]
        others += [(json_file, "--json")] if json_file else []
        weighed = [(weights, "--weights")] if weights else []
        weighed += [(path, "--tracks-from") for path in tracks_from or []]
        if tracks_from and len(tracks_from) != len(videos):
            raise PoofError(f"{len(tracks_from)} --tracks-from for {plural(len(videos), 'video')}; give one for each")
        named = bool(output) and not output[0].is_dir()  # type: ignore[index]
        if named:
            weighed += [(path, "-l") for path in labels]
        inputs.check_outputs(
            videos, written, [], "propagate", named=False, others=others,
            inputs=[*weighed, *((path, "-l") for path in labels if others)], force=force, replaced=False,
        )  # fmt: skip
        batch = many.batch_given(
            "propagate", videos, labels, written, options, pictures=pictures, quiet=quiet,
            again=radius == "auto" or bool(json_file),
        )  # fmt: skip
    if not quiet and reason and batch.todo:
        say(f"flow: {reason}")

    def job_of(todo: many.Todo) -> Job:
        arguments = {
            "source": todo.source, "outputs": todo.outputs, "settings": asdict(settings), "flow": flow,
            "weights": weights, "device": device, "auto_radius": radius == "auto", "cache": cache,
            "pictures": todo.pictures, "force": force, "mark": todo.mark, "iterations": iterations,
            "trackers": tracker or [],
            "tracks_from": tracks_from[list(videos).index(todo.source.video)] if tracks_from else None,
        }  # fmt: skip
        return Job(todo.name, "poof.projects.work:propagate", arguments)

    try:
        done = many.run(batch, job_of, shown, jobs=jobs, device=None if flow == "dis" else device, quiet=quiet, on=on)
    except KeyboardInterrupt:
        if cache:
            say("poof: finished parts are kept; the same command goes on from there", err=True)
        raise
    if json_file:
        summaries = {name: outcome.summary for name, outcome in done.items()}
        single = len(videos or ()) == 1 and len(summaries) == 1
        write_json(json_file, next(iter(summaries.values())) if single else {"videos": summaries})
    if not quiet and done:
        suggest(batch, batch.todo[0])
    many.finish(batch, quiet, len(done))


def say_licence(tracker: Any) -> None:
    """Show a licence that binds the user, once on this machine."""
    from poof.origin import cache_folder

    shown = cache_folder() / "licences" / tracker.name.replace(":", "-")
    if shown.is_file() and shown.read_text() == tracker.licence:
        return
    say(f"licence of {tracker.name}: {tracker.licence}", err=True)
    shown.parent.mkdir(parents=True, exist_ok=True)
    shown.write_text(tracker.licence)


def show_flows(compared: Any) -> None:
    """Print what each blend was worth where labels were left out."""
    from rich.table import Table

    if compared.rows:
        table = Table(box=None, pad_edge=False)
        for title in ("--flow", "error, px", "median, px", "seconds for 100 frames"):
            table.add_column(title, justify="left" if title == "--flow" else "right")
        for row in compared.rows:
            table.add_row(row.flow, f"{row.error:.1f}", f"{row.median:.1f}", f"{row.seconds:.1f}")
        console(soft_wrap=True).print(table)
    say(f"flow: {compared.message}")


def shown(todo: many.Todo, outcome: Any) -> None:
    """Print what was done with a video."""
    if outcome.flows is not None:
        show_flows(outcome.flows)
    show(outcome.summary, outcome.covered, outcome.written)


def whole_number(text: str) -> int:
    """The value of --radius; a usage error otherwise."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"'{text}' is neither a whole number nor auto", param_hint="--radius") from None


def show(summary: dict[str, Any], covered: Any, written: list[Path]) -> None:
    """Print the summary as a table."""
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("labelled frames (yours)", str(summary["anchors"]))
    table.add_row("labelled frames (now)", str(covered))
    for source, count in summary["points"].items():
        table.add_row(f"points, {source}", str(count))
    if summary["occluded"]:
        table.add_row("of these thought occluded", str(summary["occluded"]))
    if summary["absent"]:
        table.add_row("keypoints thought absent", str(summary["absent"]))
    for reason, count in summary["left_out"].items():
        table.add_row(f"points left out, {reason}", str(count))
    if summary["expected"] is not None:
        table.add_row(
            "expected within 5 % of the subject",
            f"{100 * summary['expected']:.0f} % of the carried points; {100 * summary['unsure']:.0f} % are below"
            " confidence 0.5",
        )
    if summary["held_out"] and summary["held_out"]["points"]:
        table.add_row("your own labels, each left out", inputs.checked_by(summary["held_out"]))
    if summary["cuts"]:
        table.add_row("scene cuts at frame", ", ".join(map(str, summary["cuts"])))
    if summary["damage"]:
        table.add_row("video is damaged", f"from frame {summary['damage']['frame']} on: {summary['damage']['reason']}")
    for hole in summary["holes"]:
        table.add_row("cannot be read", f"frames {hole['start']} to {hole['stop'] - 1}: {hole['reason']}")
    for number, gap in enumerate(covered.gaps[:GAPS]):
        table.add_row("frames without points" if not number else "", str(gap))
    if len(covered.gaps) > GAPS:
        table.add_row("", f"and {len(covered.gaps) - GAPS} more gaps (all of them with --json FILE)")
    table.add_row("written", ", ".join(map(str, written)))
    console(soft_wrap=True).print(table)


def suggest(batch: many.Batch, first: many.Todo) -> None:
    """The next step: look at it, then say which frames are worth a label."""
    if batch.project is not None:
        inputs.next_step("poof", "refine", what="repair what flow lost; or poof render, to look at it")
    elif first.pictures:
        what = "which frames are worth a label next"
        inputs.next_step("poof", "select", first.source.video, "-l", first.outputs[0], "-n", 5, what=what)
    else:
        what = "look, correct, hand it back"
        inputs.next_step("poof", "render", first.source.video, "-l", first.outputs[0], what=what)
