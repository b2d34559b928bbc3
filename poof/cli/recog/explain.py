"""`poof recog explain`: where a network looked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poof.cli import common
from poof.cli.recog import options


def explain(
    run: options.Run,
    videos: Annotated[list[Path], typer.Argument(help="Videos or folders of images.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the pictures.", show_default=False)],
    classes: Annotated[
        list[str] | None, typer.Option("--class", "-c", help="Class to ask about, repeatable (default: its answer).")
    ] = None,
    stage: Annotated[int, typer.Option(help="Stage whose features the maps are made of.", min=1)] = 2,
    sampling: Annotated[options.Rule, typer.Option(help="How frames are chosen.")] = options.Rule.UNIFORM,
    video: Annotated[bool, typer.Option("--video/--no-video", help="Also an overlay video.")] = True,
    device: common.Device = "auto",
    json: common.JsonFile = None,
    force: common.Force = False,
    quiet: common.Quiet = False,
    debug: common.Debug = False,
) -> None:
    """Grad-CAM: one heat map a frame as a picture and a video, and what the modules read out (attention entropy)."""
    del debug
    from poof.files import check_output
    from poof.recog.explain import explain as look
    from poof.recog.explain.explain import mean_diagnostics
    from poof.recog.predict import class_names

    if json is not None:
        check_output(json, force)
    for source in videos:
        if output.is_dir():
            check_output(output / f"{source.stem}-heat.png", force)
            check_output(output / f"{source.stem}-modules.png", force)
    model = options.load(run, device)
    names = class_names(model)
    found, rows = [], []
    for source in videos:
        one = look(model, source, output, classes or (), stage, sampling.value, video, common.track(quiet))
        found.append(one)
        for heat in one.heats:
            rows.append({"video": source.name, "class": names[heat.label], "probability": heat.probability})
    diagnostics = mean_diagnostics([one.diagnostics for one in found])
    if json is not None:
        common.write_json(json, {"answers": rows, "diagnostics": diagnostics})
    if quiet:
        return
    options.show(rows, formats={"probability": "{:.3f}"})
    options.show(
        diagnostics,
        "read-outs (entropy: 0 attends to one frame, 1 to all alike; self: weight of a frame on itself)",
        dict.fromkeys(("attention_entropy", "attention_self"), "{:.3f}"),
    )
    for one in found:
        typer.echo("wrote " + ", ".join(map(str, one.files)))
