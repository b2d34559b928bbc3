"""`poof refine`: propagate, train, look and fuse, in one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poof.cli import common
from poof.cli.terminal import console, say

if TYPE_CHECKING:
    from poof.labels import LabelSet


def refine(
    videos: Annotated[
        list[Path], typer.Argument(metavar="VIDEO", help="Video files or folders of images.", show_default=False)
    ],
    labels: Annotated[
        list[Path],
        typer.Option("--labels", "-l", help="Your labels of each video, in the same order.", show_default=False),
    ],
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
            help="Result; .json or .csv; for several videos one for each. [default: VIDEO.refined.json and .csv]",
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option("--run", help="Folder of the networks. [default: runs/refine-VIDEO]", show_default=False),
    ] = None,
    network: Annotated[str, typer.Option("--network", help="small (minutes on a CPU), or mspn (for a GPU).")] = "small",
    init: Annotated[str, typer.Option("--init", help="What an MSPN starts from; see poof train.")] = "random",
    nets: Annotated[int, typer.Option("--nets", help="Networks whose views are averaged.", min=1)] = 2,
    rounds: Annotated[
        int, typer.Option("--rounds", help="2: the model that is kept learns from the refined labels.", min=1, max=2)
    ] = 1,
    seed: Annotated[int, typer.Option(help="Of everything random.", min=0)] = 0,
    render: Annotated[bool, typer.Option("--render", help="Also draw an overlay video and a contact sheet.")] = False,
    flow: common.Flow = "auto",
    weights: common.Weights = None,
    device: common.Device = "auto",
    precision: common.Precision = "auto",
    max_size: common.MaxSize = None,
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help="Keep finished parts of the propagation.")] = True,
    category: common.Category = None,
    json_file: common.JsonFile = None,
    on_damage: common.OnDamage = "stop",
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite outputs that exist, and train even where little is to be gained.")
    ] = False,
    quiet: common.Quiet = False,
    debug: common.Debug = False,
) -> None:
    """Repair what flow lost: networks learn your footage, and what they see is fused with the flow.

    Your labels are carried to the frames around them, as by poof propagate. Small networks learn the footage from your
    labels and the confident carried ones; what they see corrects the points that flow is unsure of. Where both
    disagree, the point is marked, and poof select offers its frame first. The run folder gets best.pt, for poof
    predict. Several videos of one project share their networks.
    """
    del debug
    from poof.cli.common import track, write_json
    from poof.errors import PoofError
    from poof.files import check_output
    from poof.flow.registry import create_flows
    from poof.labels import load_labels, save_labels
    from poof.labels.io import format_for
    from poof.pose.splitting import Pair
    from poof.propagation import Settings
    from poof.propagation.memo import Memo, cache_folder
    from poof.refine import refine as work
    from poof.video import open_video

    settings = Settings(radius=radius, max_size=max_size)
    for name, given in (("--labels", labels), ("--tracks", tracks), ("--output", output)):
        if given and len(given) != len(videos) and not (name == "--output" and len(videos) == 1):
            count = f"{len(videos)} video{'s' if len(videos) > 1 else ''}"
            raise PoofError(f"{len(given)} {name} for {count}; give one for each, in their order")
    written = _outputs(videos, output)
    pictures = [
        paths[0].with_suffix(ending) for paths in written for ending in (".overlay.mp4", ".sheet.png") if render
    ]
    outputs = [*(p for paths in written for p in paths), *pictures, *([json_file] if json_file else [])]
    for number, path in enumerate(outputs):
        if path.resolve() in (other.resolve() for other in outputs[:number]):
            raise PoofError(f"{path}: would be written twice; name another file for each with -o and --json")
        check_output(path, force)
    for paths in written:
        for path in paths:
            format_for(path, None)
    for path in model or []:  # a name mistyped is better told before the propagation than after it
        if not path.is_file():
            raise PoofError(f"{path}: there is no such network; give the best.pt of an earlier run, or leave -m out")
    footage = [open_video(video, on_damage) for video in videos]
    pairs = [
        Pair(one, load_labels(path, one.frame_names, category=category, video=str(video)))
        for one, path, video in zip(footage, labels, videos)
    ]
    carried = None
    if tracks:
        carried = [
            load_labels(path, one.frame_names, category=category, video=str(video))
            for one, path, video in zip(footage, tracks, videos)
        ]
        for path, given_tracks in zip(tracks, carried):
            _check_carried(path, given_tracks)
    folder = run or Path("runs") / f"refine-{videos[0].resolve().stem}"
    estimators = create_flows(flow, weights, device, True, cache_folder() / "flows" if cache else None)
    if not quiet:
        for estimator in estimators:
            say(f"flow: {estimator.reason}")
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
            always=force,
            memo=Memo(cache_folder() / "segments") if cache else None,
            track=track(quiet),
        )
    except KeyboardInterrupt:
        say("poof: finished parts are kept; the same command goes on from there", err=True)
        raise
    for refined, paths in zip(result.labels, written):
        for path in paths:
            save_labels(refined, path, force)
    if render:
        from poof.drawing import contact_sheet, render_overlay

        for index, (one, refined) in enumerate(zip(footage, result.labels)):
            render_overlay(one, refined, pictures[2 * index], force, track(quiet))
            contact_sheet(one, refined, pictures[2 * index + 1], force=force)
    summary = result.as_dict()
    if json_file:
        write_json(json_file, summary)
    if not quiet:
        show(summary, [*(p for paths in written for p in paths), *pictures])


def _outputs(videos: list[Path], output: list[Path] | None) -> list[list[Path]]:
    """The files to write for each video."""
    if output is None:
        return [[Path(f"{v.resolve().stem}.refined.{ending}") for ending in ("json", "csv")] for v in videos]
    return [output] if len(videos) == 1 else [[path] for path in output]


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


def show(summary: dict[str, object], written: list[Path]) -> None:
    """Print the summary as a table."""
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("labelled frames", str(summary["frames"]))
    table.add_row("points, yours", str(summary["human"]))
    table.add_row("points, refined", str(summary["refined"]))
    table.add_row("points, flow's as it was", str(summary["propagated"]))
    if summary["skipped"]:
        table.add_row("nothing was trained", f"{summary['skipped']} (--force trains all the same)")
    else:
        moved = f"{summary['moved_median']:.1f} px in the median" if summary["moved_median"] is not None else "no point"
        table.add_row("moved by", moved)
        table.add_row("points in dispute", f"{summary['disputed']} (poof select offers their frames first)")
    if summary["model"]:
        table.add_row("model", str(summary["model"]))
    table.add_row("written", ", ".join(map(str, written)))
    console().print(table)
