"""`poof refine`: propagate, train, look and fuse, in one command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poof.cli import common, inputs, many
from poof.cli.terminal import console, say

if TYPE_CHECKING:
    from poof.labels import LabelSet

GAPS = 5
"""Gaps that the printed summary names."""


def refine(
    videos: common.Footages,
    labels: common.LabelFiles,
    tracks: Annotated[
        list[Path] | None,
        typer.Option(
            "--tracks",
            "-t",
            help="What poof propagate made of them before (JSON: a CSV forgets scene cuts).",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option("--model", "-m", help="Networks of an earlier run, in place of training.", show_default=False),
    ] = None,
    radius: Annotated[int, typer.Option("--radius", "-r", help="Frames before and after each label.")] = 10,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            help="Result; .json or .csv; for several videos one for each, or a folder."
            " [default: VIDEO.refined.json and .csv]",
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option("--run", help="Folder of the networks. [default: runs/refine-VIDEO]", show_default=False),
    ] = None,
    network: Annotated[
        str,
        typer.Option("--network", help="small, fine (larger crops, five times the training), or mspn (for a GPU)."),
    ] = "small",
    init: Annotated[str, typer.Option("--init", help="What an MSPN starts from; see poof train.")] = "random",
    nets: Annotated[int, typer.Option("--nets", help="Networks whose views are averaged.", min=1)] = 2,
    rounds: Annotated[
        int, typer.Option("--rounds", help="2: the model that is kept learns from the refined labels.", min=1, max=2)
    ] = 1,
    seed: Annotated[int, typer.Option(help="Of everything random.", min=0)] = 0,
    jobs: many.Jobs = None,
    render: Annotated[bool, typer.Option("--render", help="Also draw an overlay video and a contact sheet.")] = False,
    flow: common.Flow = "auto",
    weights: common.Weights = None,
    device: common.Device = "auto",
    precision: common.Precision = "auto",
    max_size: common.MaxSize = None,
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help="Keep finished parts of the propagation.")] = True,
    always: Annotated[
        bool, typer.Option("--always", help="Train even where little is to be gained, and keep what does not help.")
    ] = False,
    category: common.Category = None,
    missing: common.MissingRule = "absent",
    prefer: common.Prefer = None,
    json_file: common.JsonFile = None,
    on_damage: common.OnDamage = "stop",
    force: common.Force = False,
    quiet: common.Quiet = False,
    debug: common.Debug = False,
) -> None:
    """Repair what flow lost: networks learn your footage, and what they see is fused with the flow.

    Your labels are carried to the frames around them, as by poof propagate. Small networks learn the footage from your
    labels and the confident carried ones; what they see corrects the points that flow is unsure of. Half-way they are
    checked by labels of yours that they have not seen yet: where they do not help, flow's points are kept. Where both
    disagree, the point is marked, and poof select offers its frame first. The run folder gets best.pt, for poof
    predict. Several videos of one project share their networks.
    """
    del debug
    from poof.cli.common import settle_for_flow, track, write_json

    settle_for_flow()
    together: dict[str, Any] = {
        "radius": radius, "max_size": max_size, "network": network, "init": init, "nets": nets, "rounds": rounds,
        "seed": seed, "flow": flow, "weights": weights, "device": device, "precision": precision, "always": always,
        "category": category, "missing": missing, "prefer": prefer, "on_damage": on_damage,
    }  # fmt: skip
    from poof.errors import not_there

    for path in model or []:  # a name mistyped is better told before the propagation than after it
        if not path.is_file():
            raise not_there(path, "network", "give the best.pt of an earlier run, or leave -m out")
    if many.in_project(videos, labels):
        from poof.cli.many_refined import refine_project

        refine_project(videos or [], model or [], together, cache, jobs, render, json_file, quiet, force)
        return
    if len(videos) > 1 and not tracks and inputs.firsts(videos) == list(range(len(videos))):
        from poof.cli.many_refined import refine_given

        refine_given(videos, labels, model or [], together, cache, jobs, output, run, render, json_file, quiet, force)
        return
    from poof.flow.registry import create_flows
    from poof.labels import save_labels
    from poof.pose.splitting import Pair
    from poof.progress import Stages
    from poof.propagation import Settings
    from poof.propagation.coverage import coverage
    from poof.propagation.result_cache import ResultCache, cache_folder
    from poof.refine import refine as work
    from poof.refine.run import stages

    settings = Settings(radius=radius, max_size=max_size)
    written = inputs.outputs_of(videos, output, "refined")
    pictures = [[paths[0].with_suffix(e) for e in (".overlay.mp4", ".sheet.png") if render] for paths in written]
    named = bool(output) and not output[0].is_dir()  # type: ignore[index]
    footage = inputs.opened(videos, on_damage, again=named)
    given = inputs.labels_of(footage, labels, quiet, category, missing, prefer)
    others = [(path, "--render") for paths in pictures for path in paths]
    others += [(json_file, "--json")] if json_file else []
    more = [*((p, "--model") for p in model or []), *((p, "--tracks") for p in tracks or [])]
    more += [(weights, "--weights")] if weights else []
    inputs.check_outputs(videos, written, given, "refine", named=named, others=others, inputs=more, force=force)
    pairs = [Pair(video, one.labels) for video, one in zip(footage, given)]
    carried = None
    if tracks:
        carried = [one.labels for one in inputs.labels_of(footage, tracks, True, category, missing)]
        for path, given_tracks in zip(tracks, carried):
            _check_carried(path, given_tracks)
    folder = run or Path("runs") / f"refine-{inputs.run_name(videos)}"
    estimators = create_flows(flow, weights, device, True, cache_folder() / "flows" if cache else None)
    if not quiet:
        for estimator in estimators[:1]:
            say(f"flow: {estimator.reason}")
    told = stages([one.labels for one in given], network, nets, rounds, carried=bool(tracks), trained=bool(model))
    try:
        result = work(
            pairs,
            folder,
            tracks=carried,
            models=model or [],
            flow=estimators,
            settings=settings,
            network=network,
            init=init,
            nets=nets,
            rounds=rounds,
            seed=seed,
            device=device,
            precision=precision,  # type: ignore[arg-type]  # checked inside
            always=always,
            cache=ResultCache(cache_folder() / "segments") if cache else None,
            track=track(quiet) if quiet else Stages(track(quiet), told),
        )
    except KeyboardInterrupt:
        say("poof: finished parts are kept; the same command goes on from there", err=True)
        raise
    for refined, paths in zip(result.labels, written):
        for path in paths:
            save_labels(refined, path, checked=True)
    if render:
        from poof.drawing import contact_sheet, render_overlay

        for video, refined, drawn in zip(footage, result.labels, pictures):
            render_overlay(video, refined, drawn[0], True, track(quiet))
            contact_sheet(video, refined, drawn[1], force=True)
    covered = [coverage(video, refined, radius) for video, refined in zip(footage, result.labels)]
    summary = result.as_dict() | {
        "video_frames": [one.total if one.exact else None for one in covered],
        "gaps": [[gap.as_dict() for gap in one.gaps] for one in covered],
        "changes": [one.labels.changes.counts() for one in given],
    }
    if json_file:
        write_json(json_file, summary)
    if not quiet:
        show(summary, covered, [*(p for paths in written for p in paths), *(p for drawn in pictures for p in drawn)])
        if summary["disputed"]:
            what = "a click there is worth most"
            inputs.next_step("poof", "select", videos[0], "-l", written[0][0], "-n", 5, what=what)
        else:
            inputs.next_step("poof", "render", videos[0], "-l", written[0][0], what="look at it")


def _check_carried(path: Path, tracks: LabelSet) -> None:
    """Refuse tracks in which there is nothing to refine."""
    from poof.errors import PoofError
    from poof.labels.model import describe_sources

    sources = describe_sources(tracks)
    advice = "give what poof propagate made of your labels, or leave -t out"
    if "refined" in sources:
        raise PoofError(f"{path}: is refined already; {advice}")
    if "propagated" not in sources:
        raise PoofError(f"{path}: holds no point that flow has carried; {advice}")


def show(summary: dict[str, Any], covered: Sequence[Any], written: list[Path]) -> None:
    """Print the summary as a table."""
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("labelled frames", ", ".join(map(str, covered)))
    table.add_row("points, yours", str(summary["human"]))
    table.add_row("points, refined", str(summary["refined"]))
    table.add_row("points, flow's as it was", str(summary["propagated"]))
    if summary["expected"] is not None:
        share = f"{100 * summary['expected']:.0f} % of the points that nobody set"
        table.add_row("expected within 5 % of the subject", share)
    if summary["skipped"]:
        table.add_row("not refined", f"{summary['skipped']} (--always refines all the same)")
    else:
        moved = f"{summary['moved_median']:.1f} px in the median" if summary["moved_median"] is not None else "no point"
        table.add_row("moved by", moved)
        table.add_row("points in dispute", f"{summary['disputed']} (poof select offers their frames first)")
        if summary["checked"]:
            table.add_row("checked", summary["checked"])
    for note in summary["notes"]:
        table.add_row("note", note)
    gaps = [gap for one in covered for gap in one.gaps]
    for number, gap in enumerate(gaps[:GAPS]):
        table.add_row("frames without points" if not number else "", str(gap))
    if len(gaps) > GAPS:
        table.add_row("", f"and {len(gaps) - GAPS} more gaps (all of them with --json FILE)")
    if summary["model"]:
        table.add_row("model", str(summary["model"]))
    table.add_row("written", ", ".join(map(str, written)))
    console(soft_wrap=True).print(table)
