"""`poof recog list`: every module, backbone, network, recipe and list format."""

from __future__ import annotations

from typing import Annotated

import typer

from poof.cli import common
from poof.cli.recog import options
from poof.cli.terminal import say


def list_names(
    costs: Annotated[bool, typer.Option("--costs/--no-costs", help="Count parameters and GMACs.")] = True,
    frames: Annotated[int | None, typer.Option(help="Count with these frames (takes a minute).", min=1)] = None,
    size: Annotated[int | None, typer.Option(help="Count at this side of the input, pixels.", min=16)] = None,
    classes: Annotated[int | None, typer.Option(help="Count with these classes.", min=1)] = None,
    json: common.JsonFile = None,
    force: common.Force = False,
    quiet: common.Quiet = False,
    debug: common.Debug = False,
) -> None:
    """Every module and network with document, parameters, GMACs and published accuracy."""
    del debug
    from poof.files import check_output
    from poof.recog.catalogue import catalogue

    if json is not None:
        check_output(json, force)
    found = catalogue(frames, size, classes, costs, common.track(quiet))
    if json is not None:
        common.write_json(json, found)
    if quiet:
        return
    formats = {
        "M params": "{:.3f}",
        "GMACs": "{:.3f}",
        "adds M params": "{:+.3f}",
        "adds GMACs": "{:+.3f}",
        "published GMACs": "{:.2f}",
        "published top-1": "{:.1f}",
    }
    for title, rows in found["tables"].items():
        options.show(rows, title, formats)
    say(found["convention"])
