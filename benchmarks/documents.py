"""The documents' ablation tables, run small: which printed orderings hold here, which do not, which cannot be told.

    python benchmarks/documents.py --list                  every table, and how many of its rows have run
    python benchmarks/documents.py "Gebotys 4.6"           run what is missing of a table, and show it
    python benchmarks/documents.py "Gebotys 4.6" --show    show it, run nothing
    python benchmarks/documents.py Huang Cao               every table of these documents

`documents.txt` has the tables, `documents_tables.py` reads them, `documents_report.py` says what came out. A row is
trained in place of the printed one in a budget of minutes, three seeds: on the motion task with the narrow networks of
`recog.py` from a common start, on ucf101-mini as `recog_imagenet.py` has it (MobileNetV2 from ImageNet), or at several
sub-sampling rates of the motion task. Each run is a line of --runs, and what is there is kept, so a table goes on where
it stopped; the file beside this program has the runs behind docs/documents.md. Parameters and GMACs are those of the
printed network. Two rows of the same seed see the same clips in the same order: their difference is taken seed by seed,
and its 95 % interval is Student's over the seeds. An ordering cannot be told where that interval contains zero.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import recog as narrow
import recog_imagenet
import torch
from documents_report import overview, show, summary
from documents_tables import Spec, chosen, run_name
from kept_runs import RUNS, Record, kept

from poof import recog
from poof.errors import PoofError
from poof.recog.data import read_list
from poof.recog.data.dataset import View
from poof.recog.data.motion_task import render_task
from poof.recog.evaluation.evaluate import evaluate
from poof.recog.evaluation.judging import trained_view
from poof.recog.evaluation.rates import judge_rates
from poof.recog.training.settings import Settings
from poof.recog.training.train import train
from poof.recog.zoo.backbones import BACKBONES
from poof.recog.zoo.recipes import recipe

RATES = (1, 2, 4)


def learn_motion(spec: Spec, seed: int, run: Path, args: argparse.Namespace) -> Record:
    """Train and judge a narrow network on the motion task."""
    whole = spec.objective == "all"
    row = narrow.Row(spec.modules, backbone=spec.name, start=whole and spec.name in BACKBONES, frames=spec.frames)
    model = narrow.build(row, 8, args, narrow.start(row, args) if row.start else None, seed)
    training, test = narrow.motion_task(args, model.per_segment)
    epochs = args.epochs + (args.start_epochs if whole and not row.start else 0)
    options = narrow.motion_recipe(args, epochs)
    if not whole:
        options = replace(options, objective=spec.objective, only="modules")
    history = train(model, training, run, options, Settings(seed=seed))
    reads = {key.rpartition(".")[2]: value for key, value in history[-1].items() if "." in key}
    if not whole:
        return reads  # the classifier has learned nothing
    view = View(model.segments, model.per_segment, args.size, flip="none", short=args.size)
    judged = evaluate(model, test, view)
    return {"top1": judged.video_top1, "order": narrow.order(judged), **reads}


def learn_ucf(spec: Spec, seed: int, run: Path, args: argparse.Namespace) -> Record:
    """Train and judge MobileNetV2 from ImageNet on ucf101-mini."""
    clips = recog_imagenet.lists("ucf", args.out)
    judged = recog_imagenet.learn(
        (spec.name, spec.modules, spec.frames), clips, run, "ucf", "imagenet", seed, args.ucf_epochs
    )
    return {"top1": judged.video_top1}


def learn_rates(spec: Spec, seed: int, run: Path, args: argparse.Namespace) -> Record:
    """Train at one rate, six frames of 24 px, and judge at all of them by two clips."""
    assert spec.rate is not None
    folder = args.out / f"rates-{args.clips}"
    if not (folder / "test.txt").is_file():
        render_task(folder, args.clips, 16 if args.quick else 160, 24, 24)
    training, test = read_list(folder / "train.txt"), read_list(folder / "test.txt")
    torch.manual_seed(seed)
    model = recog.build_model(spec.name, spec.modules, 6, 8, size=24, dropout=0.2)
    options = recipe(
        "small",
        epochs=args.epochs,
        lr=args.lr,
        optimizer=args.optimizer,
        flip="none",
        rule="dense",
        window=6 * spec.rate[0],
    )
    train(model, training, run, options, Settings(seed=seed))
    view = replace(trained_view(model), clips=2)
    judged = judge_rates(model, test, view, RATES)
    return {
        key: {str(rate): getattr(one, f"{kind}_top1") for rate, one in judged.items()}
        for key, kind in (("top1", "video"), ("clip_top1", "clip"))
    }


LEARN = {"motion": learn_motion, "ucf": learn_ucf, "rates": learn_rates}


def budget(task: str, args: argparse.Namespace) -> Record:
    """The options that a run depends on."""
    keys = {"ucf": ("ucf_epochs",), "rates": ("clips", "epochs", "lr", "optimizer")}
    own = keys.get(task, ("clips", "epochs", "start_epochs", "size", "lr", "optimizer"))
    return {key: getattr(args, key) for key in own}


def run_row(task: str, spec: Spec, seed: int, args: argparse.Namespace) -> Record:
    """One row and seed: as it stands in the file of runs, else trained.

    Raises
    ------
    PoofError
        If it was made with another budget.
    """
    name = run_name(task, spec, seed)
    return kept(args.runs, name, budget(task, args), lambda: LEARN[task](spec, seed, args.out / f"run-{name}", args))


def main() -> None:
    """Run the tables asked for, or show them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", help="names or documents; all with --list and --show alone")
    parser.add_argument("--list", action="store_true", help="what there is, and how much of it has run")
    parser.add_argument("--show", action="store_true", help="run nothing")
    parser.add_argument(
        "--summary", action="store_true", help="what ran came to, a line a table, as in docs/documents.md"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/documents"), help="clips, starts and checkpoints")
    parser.add_argument("--runs", type=Path, default=RUNS, help="what each run came to (JSON, a line a run)")
    parser.add_argument("--clips", type=int, default=640, help="training clips of the motion task")
    parser.add_argument("--epochs", type=int, default=4, help="on the motion task, after the start")
    parser.add_argument("--start-epochs", type=int, default=3)
    parser.add_argument("--ucf-epochs", type=int, default=6)
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--lr", type=float, default=0.002, help="on the motion task")
    # SGD at 0.02, nearer to the documents, leaves M2A at 54 % in as many clips; with AdamW it is at 72 (three seeds).
    parser.add_argument("--optimizer", default="adamw", help="on the motion task: sgd, adam or adamw")
    parser.add_argument("--quick", action="store_true", help="a few clips, one epoch: the numbers mean nothing")
    args = parser.parse_args()
    if args.quick:
        args.clips, args.epochs, args.start_epochs, args.ucf_epochs = 16, 1, 1, 1
        args.out = args.out / "quick"
        args.runs = args.out / "runs.jsonl"
    if not (args.tables or args.list or args.show or args.summary):
        parser.error('say which tables, as in "Gebotys 4.6"; --list has them')
    torch.set_num_threads(1)
    some = chosen(args.tables)
    if args.list or args.summary:
        (overview if args.list else summary)(some, args)
        return
    for table in some:
        if not args.show:
            args.out.mkdir(parents=True, exist_ok=True)
            for seed in range(args.seeds):
                for row in table.rows:
                    if not row.lacking:
                        assert row.small is not None
                        run_row(table.task, row.small, seed, args)
                        print(f"{table.name}, {row.label}, seed {seed}", file=sys.stderr, flush=True)
        show(table, args)


if __name__ == "__main__":
    try:
        main()
    except PoofError as error:
        sys.exit(f"error: {error}")
