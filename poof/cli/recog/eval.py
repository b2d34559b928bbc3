"""`poof recog eval`: how good a network is, and whether it is better than another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from poof.cli import common
from poof.cli.recog import options
from poof.cli.recog.rates import show_rates


def evaluate(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folder of a training, or one of its .pt files; several with --rates."),
    ],
    data: options.Data,
    root: options.Root = None,
    labels: options.Labels = None,
    format: options.Format = "auto",
    split: options.Split = 1,
    part: Annotated[str, typer.Option(help="Part of --data that is judged: train or test.")] = "test",
    clips: Annotated[int, typer.Option(help="Clips a video.", min=1)] = 1,
    crops: Annotated[options.Crops, typer.Option(help="Crops a clip.")] = options.Crops.CENTER,
    sampling: Annotated[options.Rule, typer.Option(help="How frames are chosen.")] = options.Rule.UNIFORM,
    size: Annotated[int | None, typer.Option(help="Side of the crops (default: as trained).", min=16)] = None,
    short: Annotated[int | None, typer.Option(help="Shorter side before cropping (default: size * 256/224).")] = None,
    rates: Annotated[
        str | None, typer.Option(help="Judge on every n-th frame for each n, as in 1,2,4; several RUNs make a grid.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Answers of another network (its -o) to compare with: McNemar, per class.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the per-class difference into this PNG.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the answer to every video as CSV.")
    ] = None,
    per_class: Annotated[bool, typer.Option("--per-class", help="Also the accuracy of every class.")] = False,
    batch: Annotated[int, typer.Option(help="Clips at once.", min=1)] = 8,
    max_broken: Annotated[
        float, typer.Option(help="Share of unreadable videos at which to stop.", min=0, max=1)
    ] = 0.02,
    workers: options.Workers = 2,
    device: common.Device = "auto",
    json: common.JsonFile = None,
    force: common.Force = False,
    quiet: common.Quiet = False,
    debug: common.Debug = False,
) -> None:
    """Clip and video accuracy, per class, with several views; and against another network."""
    del debug
    from poof.errors import PoofError
    from poof.files import check_output
    from poof.recog import compare as comparing
    from poof.recog.data.dataset import View
    from poof.recog.evaluate import evaluate as judge

    for path in (output, json, plot):
        if path is not None:
            check_output(path, force)
    if against is not None and output is None:
        raise PoofError("--against compares two files of answers: also write this network's with -o")
    if plot is not None and against is None:
        raise PoofError("--plot draws a difference: say --against which answers")
    names = options.clip_list(data, root, labels, format, split, part, max_broken)
    if rates is not None:
        if output is not None or against is not None or per_class:
            raise PoofError("--rates prints a grid of accuracies: leave out --output, --against and --per-class")
        shared = {"clips": clips, "crops": crops.value, "size": size, "short": short}
        show_rates(runs, names, rates, shared, device, workers, batch, max_broken, json, quiet)
        return
    if len(runs) > 1:
        raise PoofError("several runs make a grid with --rates; to compare two, write the first one's answers with -o")
    model = options.load(runs[0], device)
    view = View(
        model.segments,
        model.per_segment,
        size or model.size,
        rule=sampling.value,
        flip="none",
        clips=clips,
        crops=crops.value,
        short=short,
    )
    result = judge(model, names, view, None, workers, batch, common.track(quiet), max_broken)
    summary = result.summary()
    content: dict[str, Any] = {"summary": summary, "per_class": result.per_class().to_dict("records")}
    if output is not None:
        result.write_answers(output)
    difference = None
    if against is not None and output is not None:
        difference = comparing.compare(output, against)
        content["against"] = {
            "first": difference.first,
            "second": difference.second,
            "videos": difference.videos,
            "mcnemar": vars(difference.mcnemar),
            "per_class": difference.per_class.to_dict("records"),
        }
        if plot is not None:
            comparing.plot_difference(difference, (output.stem, against.stem), plot)
    if json is not None:
        common.write_json(json, content)
    if quiet:
        return
    percent = {key: "{:.1%}" for key in summary if "top" in key}
    options.show([summary], formats=percent)
    if per_class:
        options.show(content["per_class"], "per class", {"top1": "{:.1%}"})
    if difference is not None:
        test = difference.mcnemar
        options.show(
            content["against"]["per_class"],
            f"{output.stem if output else ''} minus {against.stem if against else ''}",
            dict.fromkeys(("first", "second"), "{:.1%}") | {"difference": "{:+.1%}"},
        )
        typer.echo(
            f"{difference.first:.1%} against {difference.second:.1%} on {difference.videos} videos; right only here "
            f"{test.first_only}, only there {test.second_only}: McNemar ({test.method}) p = {test.p:.3g}"
        )
