"""`poof demo`: label, propagate, draw and score on a rendered sample, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poof.cli.common import Debug, Force, Quiet
from poof.cli.terminal import console


def demo(
    folder: Annotated[
        Path, typer.Option("--output", "-o", help="Where to write the clip, labels and pictures.")
    ] = Path("poof-demo"),
    force: Force = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Propagate labels on a rendered clip and score them against its exact truth."""
    from rich.table import Table

    from poof.cli.common import track
    from poof.demo import run_demo, table

    result = run_demo(folder, force, track(quiet))
    if quiet:
        return
    given, gained = len(result.given.frames), len(result.propagated.frames)
    rows = Table("method", "mean error", "under 5 px", "under 10 px", box=None, pad_edge=False)
    for method, mean, under5, under10 in table(result):
        rows.add_row(method, f"{mean:.2f} px", f"{100 * under5:.0f} %", f"{100 * under10:.0f} %")
    out = console()
    out.print(f"{given} labelled frames became {gained}. Against the exact truth, on points nobody labelled:")
    out.print(rows)
    out.print(f"Look at {folder}/video.poof.overlay.mp4 and {folder}/video.poof.sheet.png. The same on your footage:")
    out.print(f"  poof propagate {folder}/video.mp4 --labels {folder}/labels.json --radius 10 --render", soft_wrap=True)
