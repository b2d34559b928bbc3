"""`poof recog explain`: where a network looked, and with which kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from poof.cli import common
from poof.cli.recog import options
from poof.cli.terminal import say

READ_OUTS = {
    "attention_entropy": "0 attends to one frame (or cell), 1 to all alike",
    "attention_self": "weight of a frame (or cell) on itself",
    "openness": "mean weight of a lateral connection's norm, 0 while closed",
    "projection_loss": "mean length over time of what the squeezed images miss",
    "condition": "of the basis of the squeezed images, 1 is best",
    "enopr": "energy of what the projection leaves",
    "constant_share": "how far the projection holds what stands still; at 1 nothing is left",
    "scale": "mean factor on the features",
    "gate_open": "share of open gates",
    "match_best": "largest weight of a region's match in the next frame, 1 is sure",
    "region_best": "largest weight among a frame's regions, 1 is one alone",
    "shift": "mean length of a weighted shift of key points, cells",
    "centre_moves": "mean distance of the regions' borders from the regular grid, cells",
    "centre_spread": "how far those borders differ between frames (standard deviation), cells",
    "variation": "uneven motion |D| over the features' own size",
    "change": "what is added to the features over their own size",
    "saturated": "share of cells at the upper end of ReLU-6",
    "kept_0": "the frames that were kept, counted from 0",
}
"""What the modules' numbers mean."""


def explain(
    run: options.Run,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the pictures.", show_default=False)],
    videos: Annotated[
        list[Path] | None, typer.Argument(help="Videos or folders of images.", show_default=False)
    ] = None,
    kernels: Annotated[
        bool,
        typer.Option(
            "--kernels", help="Also the first kernels before and after training, as kernels.png; no video needed."
        ),
    ] = False,
    classes: Annotated[
        list[str] | None, typer.Option("--class", "-c", help="Class to ask about, repeatable (default: its answer).")
    ] = None,
    method: Annotated[str, typer.Option(help="gradcam, tubes or pyramids.")] = "gradcam",
    stage: Annotated[
        int | None, typer.Option(help="Stage whose features the maps are made of (gradcam: 2, tubes: last).", min=1)
    ] = None,
    threshold: Annotated[float, typer.Option(help="tubes: channels that nowhere exceed it are left out.")] = 0.0,
    order: Annotated[str, typer.Option(help="tubes: document (normed, squared) or classical (summed first).")] = (
        "document"
    ),
    theta: Annotated[float, typer.Option(help="pyramids: lowest score of a channel.", min=0, max=1)] = 0.6,
    depth: Annotated[int, typer.Option(help="pyramids: convolutions to go back.", min=0)] = 3,
    mode: Annotated[str, typer.Option(help="pyramids: layers (one set a level) or features (a tree).")] = "layers",
    cell: Annotated[
        list[str] | None,
        typer.Option(
            help="t,y,x of a point whose attention is drawn (rnl, nonlocal), repeatable: column of the picture from 0, "
            "and pixel of what the network saw.",
            show_default=False,
        ),
    ] = None,
    sampling: options.Sampling = None,
    rate: options.Rate = None,
    window: options.Window = None,
    frames: options.OtherFrames = None,
    video: Annotated[bool, typer.Option("--video/--no-video", help="Also an overlay video.")] = True,
    device: common.Device = "auto",
    json: common.JsonFile = None,
    force: common.Force = False,
    quiet: common.Quiet = False,
    debug: common.Debug = False,
) -> None:
    """Where a network looked: one map a frame as a picture and a video, and what the modules read out.

    gradcam: heat of one stage. tubes: the features that speak for a class. pyramids: the features that those depend
    on, layer by layer back, with their graph. Read-outs: attention entropy, share of open gates, ...
    """
    del debug
    from poof.errors import PoofError
    from poof.files import check_output, made_folder
    from poof.recog.evaluation.evaluate import class_names
    from poof.recog.explain import ExplanationMethod
    from poof.recog.explain import explain as look
    from poof.recog.explain.explain import mean_diagnostics, parse_cell
    from poof.recog.explain.kernels import draw_kernels, kernel_changes
    from poof.recog.explain.kernels import table as kernel_table
    from poof.recog.explain.methods import SUFFIXES

    videos = videos or []
    if not (videos or kernels):
        raise PoofError("say which videos to explain, or --kernels for the network's first kernels alone")
    stems: dict[str, Path] = {}
    for source in videos:
        if stems.setdefault(source.stem, source) != source:
            raise PoofError(f"{stems[source.stem]} and {source} would be written under one name; explain one at a time")
    chosen = ExplanationMethod(method, stage, threshold, order, theta, depth, mode)  # type: ignore[arg-type]
    cells = [parse_cell(text) for text in cell or ()]
    if json is not None:
        check_output(json, force)
    ends = [".png", "-modules.png"]
    if method == "pyramids":
        ends += ["-graph.png", "-graph.json"]
    if video:
        ends += [f"-{level}.mp4" for level in range(depth + 1)] if method == "pyramids" else [".mp4"]
    for source in videos:
        if output.is_dir():
            for end in ends:
                check_output(output / f"{source.stem}-{SUFFIXES[method]}{end}", force)
    if kernels and output.is_dir():
        check_output(output / "kernels.png", force)
    model = options.load(run, device)
    view = options.view_of(model, quiet, rule=sampling and sampling.value, rate=rate, window=window, frames=frames)
    names = class_names(model)
    found, rows = [], []
    for source in videos:
        with made_folder(output, "-o"):
            one = look(model, source, output, classes or (), chosen, view, video, common.track(quiet), cells)
        found.append(one)
        for heat in one.heats:
            row = {"video": source.name, "class": names[heat.label], "probability": heat.probability}
            rows.append(row | {"map": f"{heat.method} {heat.layer.removeprefix('backbone.')}"})
    diagnostics = mean_diagnostics([one.diagnostics for one in found])
    changes = kernel_changes(model) if kernels else []
    if kernels:
        with made_folder(output, "-o"):
            draw_kernels(changes, output / "kernels.png", f"{run}: {model.config['name']}")
    if json is not None:
        content: dict[str, Any] = {"answers": rows, "diagnostics": diagnostics}
        if kernels:
            content["kernels"] = [{"path": one.path, "source": one.source, "change": one.change} for one in changes]
        common.write_json(json, content)
    if quiet:
        return
    options.show(rows, formats={"probability": "{:.3f}"})
    columns = dict.fromkeys(key for row in diagnostics for key in row if key != "module")
    options.show(diagnostics, "read-outs", dict.fromkeys(columns, "{:.3g}"))
    for name, meaning in READ_OUTS.items():
        if any(name in row for row in diagnostics):
            say(f"{name}: {meaning}")
    if kernels:
        options.show(kernel_table(changes), "first kernels")
        say(f"wrote {output / 'kernels.png'}")
    for one in found:
        say("wrote " + ", ".join(map(str, one.files)))
