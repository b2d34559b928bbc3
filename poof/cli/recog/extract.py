"""`poof recog extract`: decode once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poof.cli import common
from poof.cli.recog import options
from poof.cli.terminal import say


def extract(
    data: options.Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the frames.", show_default=False)],
    kind: Annotated[str, typer.Option(help="jpg: small; npy: raw values, largest and quickest.")] = "jpg",
    short: Annotated[int, typer.Option(help="Shorter side in pixels; 0: as it is.", min=0)] = 256,
    quality: Annotated[int, typer.Option(help="Of the JPEGs.", min=1, max=100)] = 95,
    root: options.Root = None,
    labels: options.Labels = None,
    format: options.Format = "auto",
    split: options.Split = 1,
    part: Annotated[str, typer.Option(help="Part of --data: train or test.")] = "train",
    workers: options.Workers = 2,
    json: common.JsonFile = None,
    force: common.Force = False,
    quiet: common.Quiet = False,
    debug: common.Debug = False,
) -> None:
    """Decode every clip once; training then reads frames, many times faster. Goes on where it stopped."""
    del debug
    from poof.files import check_output, made_folder
    from poof.recog.data.extract import extract as run

    if json is not None:
        check_output(json, force)
    clips = options.clip_list(data, root, labels, format, split, part, max_broken=1)
    with made_folder(output, "-o"):
        done = run(clips, output, kind, short, quality, workers, common.track(quiet))  # type: ignore[arg-type]
    row = {
        "clips": len(done.clips),
        "frames": done.frames,
        "MB before": done.bytes_before / 1e6,
        "MB after": done.bytes_after / 1e6,
        "ms/clip before": done.ms_before,
        "ms/clip after": done.ms_after,
        "broken": len(done.broken),
    }
    if json is not None:
        common.write_json(json, row | {"broken files": {str(k): v for k, v in done.broken.items()}})
    if not quiet:
        options.show([row], formats=dict.fromkeys((k for k in row if "MB" in k or "ms" in k), "{:.1f}"))
        say(f"wrote {done.clips.name}{options.of_part(data, part, split)}")
    for message in done.broken.values():
        say(f"broken: {message}", err=True)
