"""`poof recog predict`: what a network sees in videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poof.cli import common
from poof.cli.recog import options


def predict(
    run: options.Run,
    videos: Annotated[list[Path], typer.Argument(help="Videos or folders of images.", show_default=False)],
    best: Annotated[int, typer.Option("--best", "-k", help="Classes shown a video.", min=1)] = 5,
    clips: Annotated[int, typer.Option(help="Clips a video.", min=1)] = 1,
    crops: Annotated[options.Crops, typer.Option(help="Crops a clip.")] = options.Crops.CENTER,
    sampling: options.Sampling = None,
    rate: options.Rate = None,
    window: options.Window = None,
    frames: options.OtherFrames = None,
    size: options.OtherSize = None,
    short: options.Short = None,
    average: options.Averaged = options.Average.PROBABILITIES,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the table as CSV.")] = None,
    workers: options.Workers = 0,
    device: common.Device = "auto",
    json: common.JsonFile = None,
    force: common.Force = False,
    quiet: common.Quiet = False,
    debug: common.Debug = False,
) -> None:
    """The best classes of each video."""
    del debug
    from poof.files import check_output, write_text
    from poof.recog.evaluation.predict import predict as look

    for path in (output, json):
        if path is not None:
            check_output(path, force)
    model = options.load(run, device)
    view = options.view_of(
        model,
        quiet,
        rule=sampling and sampling.value,
        rate=rate,
        window=window,
        frames=frames,
        size=size,
        short=short,
        clips=clips,
        crops=crops.value,
    )
    table, _ = look(model, videos, view, best, workers, common.track(quiet), average.value)
    if output is not None:
        write_text(output, table.to_csv(index=False))
    rows = [dict(zip(table.columns, values)) for values in table.itertuples(index=False)]
    if json is not None:
        common.write_json(json, rows)
    if not quiet:
        options.show(rows, formats={"score": "{:.3f}"})
