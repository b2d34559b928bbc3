"""`poof recog eval`: how good a network is, and whether it is better than another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poof.cli import common
from poof.cli.recog import options
from poof.cli.terminal import say

if TYPE_CHECKING:
    from poof.recog.evaluation.compare import Difference
    from poof.recog.evaluation.evaluate import Evaluation


def evaluate(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="Folder of a training, or one of its .pt files; several with --rates or --fuse, there also answers "
            "(.csv of -o).",
        ),
    ],
    data: options.Data,
    root: options.Root = None,
    labels: options.Labels = None,
    format: options.Format = "auto",
    split: options.Split = 1,
    part: Annotated[str, typer.Option(help="Part of --data that is judged: train or test.")] = "test",
    clips: Annotated[int, typer.Option(help="Clips a video.", min=1)] = 1,
    crops: Annotated[options.Crops, typer.Option(help="Crops a clip.")] = options.Crops.CENTER,
    sampling: options.Sampling = None,
    rate: options.Rate = None,
    window: options.Window = None,
    frames: options.OtherFrames = None,
    size: options.OtherSize = None,
    short: options.Short = None,
    average: options.Averaged = options.Average.PROBABILITIES,
    rates: Annotated[
        str | None, typer.Option(help="Judge on every n-th frame for each n, as in 1,2,4; several RUNs make a grid.")
    ] = None,
    fuse: Annotated[bool, typer.Option("--fuse", help="Judge the RUNs together: the mean of their answers.")] = False,
    splits: Annotated[
        str | None,
        typer.Option(help="One split for each RUN, as in 1,2,3: each is judged on its own, the mean is told."),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Of the RUNs in --fuse, with commas between (default: alike).")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Answers of another network (its -o) to compare with: McNemar, per class.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the per-class difference into this PNG.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Write the answer to every video as CSV (with --rates one for each N: -RUN-rN)."
        ),
    ] = None,
    per_class: Annotated[bool, typer.Option("--per-class", help="Also the accuracy of every class.")] = False,
    read_outs: Annotated[
        bool, typer.Option("--read-outs", help="Also what the modules tell: share of open gates, attention entropy ...")
    ] = False,
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
    """Clip and video accuracy, per class, with several views; and against another network.

    A run is judged as it was trained: rule, rate, frames and size come from its checkpoint, options override them.
    """
    del debug
    from poof.cli.recog.cells import Cell, fused_cells, judge_rates_of, judge_run
    from poof.cli.recog.rates import show_grid
    from poof.errors import PoofError
    from poof.files import check_output
    from poof.recog.evaluation.compare import compare, read_answers
    from poof.recog.evaluation.splits import mean_over_splits, parse_splits

    if plot is not None and against is None:
        raise PoofError("--plot draws a difference: say --against which answers")
    if rates is not None and (fuse or rate or window or sampling):
        raise PoofError("--rates chooses the frames itself: leave out --fuse, --rate, --window and --sampling")
    if splits is not None and (fuse or rates is not None or output is not None or against is not None):
        raise PoofError("--splits judges each RUN on clips of its own: leave out --fuse, --rates, --against and -o")
    if len(runs) > 1 and rates is None and not fuse and splits is None:
        raise PoofError(
            "several runs make a grid with --rates, are judged together with --fuse, or each on its split with --splits"
        )
    if read_outs and (fuse or rates is not None or splits is not None):
        raise PoofError("--read-outs are those of one run: leave out --fuse, --rates and --splits")
    if fuse and len(runs) < 2:
        raise PoofError("--fuse takes several runs or answers")
    if weights is not None and not fuse:
        raise PoofError("--weights are those of --fuse")
    for path in (json, plot):
        if path is not None:
            check_output(path, force)
    if against is not None:
        read_answers(against)  # what cannot be compared with is told before the judging
    own = [split] if splits is None else parse_splits(splits, len(runs))
    lists = [options.clip_list(data, root, labels, format, number, part, max_broken) for number in own]
    names = lists[0]
    changes = {
        "rule": sampling and sampling.value,
        "rate": rate,
        "window": window,
        "frames": frames,
        "size": size,
        "short": short,
        "clips": clips,
        "crops": crops.value,
    }
    how: dict[str, Any] = {
        "workers": workers,
        "batch": batch,
        "max_broken": max_broken,
        "average": average.value,
        "read_outs": read_outs,
        "device": device,
        "quiet": quiet,
    }
    targets = Cell.targets(runs, rates, output)
    for target in targets:
        check_output(target, force)
    cells: list[Cell]
    if rates is not None:
        cells = judge_rates_of(runs, rates, names, changes, how)
    else:
        each = lists if splits is not None else [names] * len(runs)
        cells = [judge_run(run, clips_, changes, how) for run, clips_ in zip(runs, each, strict=True)]
        if fuse:
            cells = fused_cells(cells, weights)
    for cell, target in zip(cells[-len(targets) :] if targets else [], targets):
        cell.result.write_answers(target)
    differences = [compare(cell.result.answers(), against) for cell in cells] if against else []
    if plot is not None and against is not None:
        from poof.recog.evaluation.compare import plot_difference

        if len(differences) > 1 and rates is not None:
            raise PoofError("--plot draws one difference: leave out --rates")
        plot_difference(differences[-1], (cells[-1].name, against.stem), plot)
    content = _content(cells, differences)
    if splits is not None:
        content["splits"] = mean_over_splits([cell.result for cell in cells])
    if rates is not None:
        content |= show_grid(cells, quiet)
    elif not quiet:
        rows = [{**({"run": c.name} if len(cells) > 1 else {}), **c.result.summary()} for c in cells]
        options.show(rows, formats={key: "{:.1%}" for key in rows[0] if "top" in key})
    if splits is not None and not quiet:
        mean = content["splits"]
        options.show([mean], "mean over the splits", {key: "{:.1%}" for key in mean if "top" in key})
    if json is not None:
        common.write_json(json, content)
    if quiet:
        return
    for cell in cells if per_class else ():
        title = "per class" + (f" ({cell.title})" if len(cells) > 1 else "")
        options.show(options.records(cell.result.per_class()), title, {"top1": "{:.1%}"})
    if read_outs:
        _show_reads(cells[0].result)
    for cell, difference in zip(cells, differences):
        assert against is not None
        _show_difference(difference, cell.title, against.stem)
    if fuse:
        for cell in cells[:-1]:
            _show_difference(compare(cells[-1].result.answers(), cell.result.answers()), "fused", cell.name, False)


def _content(cells: list[Any], differences: list[Difference]) -> dict[str, Any]:
    def of(result: Evaluation) -> dict[str, Any]:
        return {"summary": result.summary(), "per_class": result.per_class().to_dict("records")}

    content: dict[str, Any] = of(cells[-1].result)
    if cells[-1].result.reads:
        content["read_outs"] = cells[-1].result.reads
    if len(cells) > 1:
        content["runs"] = [{"run": cell.name, "rate": cell.rate, **of(cell.result)} for cell in cells]
    compared = [
        {
            "first": difference.first,
            "second": difference.second,
            "videos": difference.videos,
            "mcnemar": vars(difference.mcnemar),
            "per_class": difference.per_class.to_dict("records"),
        }
        for difference in differences
    ]
    if compared:
        content["against"] = compared[-1] if len(compared) == 1 else compared
    return content


def _show_reads(result: Evaluation) -> None:
    from poof.cli.recog.explain import READ_OUTS

    rows: list[dict[str, Any]] = [{"module": name, **read} for name, read in result.reads.items()]
    if not rows:
        return say("read-outs: the modules of this network tell nothing")
    keys = dict.fromkeys(key for row in rows for key in row if key != "module")
    options.show(rows, "read-outs", dict.fromkeys(keys, "{:.3f}"))
    for key in keys:
        if key in READ_OUTS:
            say(f"{key}: {READ_OUTS[key]}; mean over all clips")
    return None


def _show_difference(difference: Difference, first: str, second: str, per_class: bool = True) -> None:
    test = difference.mcnemar
    if per_class:
        formats = dict.fromkeys(("first", "second"), "{:.1%}") | {"difference": "{:+.1%}"}
        options.show(options.records(difference.per_class), f"{first} minus {second}", formats)
    say(
        f"{first} against {second}: {difference.first:.1%} against {difference.second:.1%} on {difference.videos} "
        f"videos; right only here {test.first_only}, only there {test.second_only}: McNemar ({test.method}) "
        f"p = {test.p:.3g}"
    )
