"""`poof propagate`: carry labels to the frames around them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from poof.cli import common, inputs
from poof.cli.common import Category, Crop, Debug, Device, Force, JsonFile, MaxSize, Quiet, Weights
from poof.cli.terminal import console, say

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
    ] = 0.05,
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
    from poof.cli.common import settle_for_flow, track, write_json

    settle_for_flow()
    from poof.errors import PoofError
    from poof.flow.registry import AUTO_PLUS, at_hand, create_flows
    from poof.labels import save_labels
    from poof.planning.estimators import compare_flows
    from poof.propagation import Settings, summarise
    from poof.propagation import propagate as run
    from poof.propagation.coverage import coverage
    from poof.propagation.memo import Memo, cache_folder
    from poof.propagation.trackers import TracksFile
    from poof.propagation.trackers.registry import create_tracker

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
    written = inputs.outputs_of(videos, output, "poof")
    pictures = [[paths[0].with_suffix(e) for e in (".overlay.mp4", ".sheet.png") if render] for paths in written]
    footage = inputs.opened(videos, on_damage)
    given = inputs.labels_of(footage, labels, quiet, category, missing, prefer)
    others = [(path, "--render") for paths in pictures for path in paths]
    others += [(json_file, "--json")] if json_file else []
    weighed = [(weights, "--weights")] if weights else []
    weighed += [(path, "--tracks-from") for path in tracks_from or []]
    if tracks_from and len(tracks_from) != len(videos):
        raise PoofError(
            f"{len(tracks_from)} --tracks-from for {inputs.plural(len(videos), 'video')}; give one for each"
        )
    named = bool(output) and not output[0].is_dir()  # type: ignore[index]
    inputs.check_outputs(videos, written, given, "propagate", named=named, others=others, inputs=weighed, force=force)
    kept = cache_folder() / "flows" if cache else None
    candidates: dict[str, Any] = {}
    if flow == AUTO_PLUS:
        if method != "blend":
            raise PoofError(f"--flow {AUTO_PLUS} compares blends; with --method {method} name one")
        candidates = at_hand(weights, device, kept, iterations)
    both = method == "blend"
    estimators = (
        next(iter(candidates.values())) if candidates else create_flows(flow, weights, device, both, kept, iterations)
    )
    trackers = [create_tracker(name, device) for name in tracker or []]
    tracks = [TracksFile(path) for path in tracks_from or []]
    if not quiet and not candidates:
        for estimator in estimators[:1]:
            say(f"flow: {estimator.reason}")
    for one_tracker in trackers:
        if one_tracker.licence:
            say_licence(one_tracker)
        if not quiet:
            say(f"tracker: {one_tracker.reason}")
    memo = Memo(cache_folder() / "segments") if cache else None
    summaries: dict[str, Any] = {}
    for number, (video, path, one, files, drawn) in enumerate(zip(footage, videos, given, written, pictures)):
        chosen = settings
        compared, named_flow = None, flow
        if candidates:
            compared = compare_flows(video, one.labels, candidates, settings, track(quiet))
            named_flow, estimators = compared.choice, candidates[compared.choice]
            if not quiet:
                show_flows(compared)
        if radius == "auto":
            takes = weights if "raft" in named_flow or not candidates else None
            updates = iterations if "raft" in named_flow else None
            lone = create_flows(named_flow, takes, device, False, kept, updates)
            chosen = measured(video, one.labels, lone, settings, quiet)
        try:
            beside: list[Any] = [*trackers, *tracks[number : number + 1]]
            result = run(video, one.labels, estimators, chosen, track(quiet), memo, trackers=beside)
        except KeyboardInterrupt:
            if memo is not None:
                say("poof: finished parts are kept; the same command goes on from there", err=True)
            raise
        for file in files:
            save_labels(result, file, checked=True)
        if drawn:
            from poof.drawing import contact_sheet, render_overlay

            render_overlay(video, result, drawn[0], True, track(quiet))
            contact_sheet(video, result, drawn[1], force=True)
        covered = coverage(video, result, chosen.radius)
        summary = summarise(result) | {
            "video": video.name,
            "video_frames": covered.total if covered.exact else None,
            "gaps": [gap.as_dict() for gap in covered.gaps],
            "changes": one.labels.changes.counts(),
        }
        if compared is not None:
            summary["flows"] = compared.as_dict()
        summaries[str(path)] = summary
        if not quiet:
            if len(videos) > 1:
                say("")
                say(path)
            show(summary, covered, [*files, *drawn])
    if json_file:
        write_json(json_file, next(iter(summaries.values())) if len(videos) == 1 else {"videos": summaries})
    if not quiet:
        suggest(videos, written, pictures)


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


def measured(video: Any, labels: Any, estimators: Any, settings: Any, quiet: bool) -> Any:
    """The settings with the radius that `poof radius` would measure, and what that leaves out said."""
    from dataclasses import replace

    from poof.cli.common import track
    from poof.planning.radius import measure_radius, uncovered

    report = measure_radius(video, labels, estimators, settings=settings, track=track(quiet))
    if not quiet:
        say(f"radius {report.choice}: {report.message}")
        lost = uncovered(labels, report.choice, settings.radius)
        if lost:
            say(
                f"note: that leaves {inputs.plural(lost, 'frame')} without labels that --radius {settings.radius} would"
                " give, less surely"
            )
    return replace(settings, radius=report.choice)


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
    if summary["confidence"] is not None:
        table.add_row(
            "expected within 5 % of the subject",
            f"{100 * summary['confidence']:.0f} % of the carried points; {100 * summary['unsure']:.0f} % are below"
            " confidence 0.5",
        )
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


def suggest(videos: list[Path], written: list[list[Path]], pictures: list[list[Path]]) -> None:
    """The next step: look at it, then say which frames are worth a label."""
    video, files = videos[0], written[0]
    if pictures[0]:
        inputs.next_step("poof", "select", video, "-l", files[0], "-n", 5, what="which frames are worth a label next")
    else:
        inputs.next_step("poof", "render", video, "-l", files[0], what="look, correct, hand it back")
