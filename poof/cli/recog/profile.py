"""`poof recog profile`: what a network costs, and where its modules went."""

from __future__ import annotations

from typing import Annotated

import typer

from poof.cli import common
from poof.cli.recog import options
from poof.cli.terminal import say


def profile(
    network: options.Name,
    module: options.Modules = None,
    frames: options.NetworkFrames = None,
    size: options.NetworkSize = None,
    classes: Annotated[int, typer.Option(help="Number of classes.", min=1)] = 174,
    explain: Annotated[bool, typer.Option("--explain", help="Also where each module went, with shapes.")] = False,
    operations: Annotated[bool, typer.Option("--operations", help="Also GMACs by operation.")] = False,
    over: Annotated[
        str | None,
        typer.Option(help="One row for each value of a knob (of the last -m, else of NETWORK): delta=1.0,0.5."),
    ] = None,
    latency: Annotated[
        int | None,
        typer.Option(help="Rounds in which passes forward and backward are timed beside the bare backbone.", min=1),
    ] = None,
    beside: Annotated[str | None, typer.Option(help="--latency: network to compare with instead.")] = None,
    batch: Annotated[int, typer.Option(help="--latency: clips a step.", min=1)] = 2,
    device: common.Device = "auto",
    json: common.JsonFile = None,
    force: common.Force = False,
    quiet: common.Quiet = False,
    debug: common.Debug = False,
) -> None:
    """Parameters and GMACs per clip of a network, measured and published.

    With --latency N instead its time: N rounds in which it takes turns with the bare backbone (or --beside, or with
    --over the first value), as medians of the rounds' ratios with their quartiles. On CPUs it is the processor's time.
    """
    del debug

    from poof import recog
    from poof.files import check_output
    from poof.meta_device import on_meta

    if json is not None:
        check_output(json, force)
    if latency is not None:
        from poof.recog.cost.latency import latency_table
        from poof.recog.device import pick_device

        where = pick_device(device)
        passes = latency_table(
            network, module or [], over, beside, frames, classes, size, latency, batch, where, common.track(quiet)
        )
        if json is not None:
            common.write_json(json, passes)
        if not quiet:
            two = dict.fromkeys(("ratio", "lower", "upper", "printed ratio"), "{:.2f}")
            options.show(passes, formats=two | {"ms": "{:.1f}", "printed ms": "{:.1f}"})
            say(f"ms a clip in training mode on {where}, {batch} clips a step; quartiles of {latency} rounds")
        return
    if over is not None:
        table = recog.profile_over(network, over, module or [], frames, classes, size)
        if json is not None:
            common.write_json(json, table)
        if not quiet:
            three = dict.fromkeys(("M params", "GMACs", "printed M params", "printed GMACs"), "{:.3f}")
            options.show(table, formats=three)
        return
    with on_meta():
        model = recog.build_model(network, module or [], frames, classes, size=size)
        bare = recog.build_model(network, (), frames, classes, size=size) if module else model
    cost, without = recog.profile(model), recog.profile(bare)
    row = {
        "network": " + ".join([network, *(module or [])]),
        "M params": cost.parameters / 1e6,
        "GMACs": cost.gmacs,
        "G other": cost.count.other / 1e9,
    }
    if module:
        row |= {
            "adds M params": (cost.parameters - without.parameters) / 1e6,
            "adds GMACs": cost.gmacs - without.gmacs,
        }
    places = recog.explain_places(model)
    if json is not None:
        by_operation = dict(cost.count.by_operation)
        content = {"profile": row, "published": cost.published, "convention": cost.convention}
        common.write_json(json, content | {"macs_by_operation": by_operation, "places": places})
    if quiet:
        return
    three = dict.fromkeys(("M params", "GMACs", "G other", "adds M params", "adds GMACs", "gmacs", "mparams"), "{:.3f}")
    options.show([row], formats=three)
    # A figure of another setting beside ours would only look like a difference.
    rows = [{k: v for k, v in one.items() if k not in ("here", "setting")} for one in cost.published if one["here"]]
    if rows:
        options.show(rows, "published", three)
    if cost.elsewhere:
        typer.echo(f"published figures belong to other settings: {'; '.join(cost.elsewhere)}")
    if operations:
        by = [{"operation": name, "GMACs": macs / 1e9} for name, macs in cost.count.by_operation.most_common()]
        options.show(by, "by operation", three)
    if explain:
        rows = [
            {
                "module": p["module"],
                "place": p["place"],
                "in (TxCxHxW)": p["in"],
                "out": p["out"],
                "params": p["parameters"],
                "GMACs": p["macs"] / 1e9,
            }
            for p in places
        ]
        options.show(rows, "where the modules went", {"GMACs": "{:.4f}", "params": "{:,}"})
        for text in model.left_out:
            say(f"left out: {text}")
    say(cost.convention)
    for name, times in cost.count.uncounted.items():
        say(f"NOT counted: {name} ({times} times)")
