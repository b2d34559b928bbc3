"""Each temporal module in the same small budget: a task that only order solves, and three classes of UCF101.

    python benchmarks/recog.py                       rows for every module, about two hours of one core
    python benchmarks/recog.py --quick               the program runs, the numbers mean nothing
    python benchmarks/recog.py --only none,tsm,m2a   some rows

A row: accuracy on the motion task (top-1 of 8 classes, at most 50 % without a sense of order; and order accuracy,
chance 50 %), top-1 on ucf101-mini, parameters, GMACs of one clip, and the forward speed against the bare backbone next
to what the GMACs alone would explain. All rows share backbone, initial seed, clips, order and recipe; nothing is
pretrained. Speeds are processor time of one thread, medians of interleaved runs: only their ratios mean something.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from poof import recog
from poof.recog.data import read_list
from poof.recog.data.dataset import View
from poof.recog.data.extract import extract
from poof.recog.data.lists.base import ClipList
from poof.recog.data.motion_task import order_accuracy, render_task
from poof.recog.evaluate import evaluate
from poof.recog.model import Recognizer
from poof.recog.recipes import recipe
from poof.recog.train import Settings, train

UCF = Path(__file__).resolve().parents[2] / "shared" / "data" / "ucf101-mini"
ROWS: dict[str, tuple[str, ...]] = {
    "none": (),
    "tsm": ("tsm",),
    "m2a": ("m2a",),
    "m2a, motion only": ("m2a:attention=none",),
    "m2a, attention only": ("m2a:motion=none",),
    "m2a + tsm": ("m2a", "tsm"),
    "tea": ("tea",),
    "tdn": ("tdn",),
    "tam": ("tam",),
}


def main() -> None:
    """Run the rows asked for and print the table after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few clips, one epoch")
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--only", help="row names, comma between them")
    parser.add_argument("--clips", type=int, default=800, help="training clips of the motion task")
    parser.add_argument("--epochs", type=int, default=10, help="on the motion task; ucf101-mini gets twice as many")
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--weights", help="backbone weights: imagenet or a file; none by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="also write the rows here, after each")
    args = parser.parse_args()
    if args.quick:
        args.clips, args.epochs, args.size = 16, 1, 40
    torch.set_num_threads(1)
    rows = ROWS if args.only is None else {name: ROWS[name] for name in args.only.split(",")}
    table: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        test_clips = 16 if args.quick else 240
        motion = tuple(read_list(p) for p in render_task(folder / "task", args.clips, test_clips, 16, args.size))
        ucf = ucf_mini(folder / "ucf", args) if UCF.is_dir() else None
        for row, modules in rows.items():
            table.append(one_row(row, modules, motion, ucf, folder, args))
            print_table(table)
            if args.json:
                args.json.write_text(json.dumps({"options": vars(args), "rows": table}, indent=1, default=str))
        add_speeds(table, rows, args)
    print_table(table)
    if args.json:
        args.json.write_text(json.dumps({"options": vars(args), "rows": table}, indent=1, default=str))


def ucf_mini(folder: Path, args: argparse.Namespace) -> tuple[ClipList, ClipList]:
    """The real clips, decoded once at the size that is needed."""
    lists = []
    for part in ("train", "test"):
        clips = read_list(UCF / "ucfTrainTestlist", part=part)
        if args.quick:
            clips = ClipList(clips.records[::9], clips.labels, clips.name)
        lists.append(extract(clips, folder / part, "npy", short=round(args.size * 8 / 7)).clips)
    return lists[0], lists[1]


def build(modules: tuple[str, ...], classes: int, args: argparse.Namespace) -> Recognizer:
    """The same initial backbone for every row."""
    torch.manual_seed(args.seed)
    return recog.build_model(args.backbone, modules, 8, classes, size=args.size, dropout=0.2, weights=args.weights)


def one_row(
    name: str,
    modules: tuple[str, ...],
    motion: tuple[ClipList, ...],
    ucf: tuple[ClipList, ClipList] | None,
    folder: Path,
    args: argparse.Namespace,
) -> dict[str, object]:
    """Train and judge one combination on both tasks."""
    cost = recog.profile(build(modules, 174, args))
    view = View(size=args.size, flip="none", short=args.size)
    row: dict[str, object] = {"row": name, "mparams": cost.parameters / 1e6, "gmacs": cost.gmacs}
    for task, lists in (("motion", motion), ("ucf", ucf)):
        if lists is None:
            continue
        model = build(modules, len(lists[0].labels), args)
        # Mirroring would turn right into left with its label; both tasks see each clip as it is.
        epochs = args.epochs * (2 if task == "ucf" and not args.quick else 1)
        options = recipe("small", epochs=epochs, lr=args.lr, flip="none" if task == "motion" else "swap")
        start = time.process_time()
        train(model, lists[0], folder / f"run-{name}-{task}", options, Settings(seed=args.seed))
        row[f"{task}_seconds"] = time.process_time() - start
        judged = evaluate(model, lists[1], view)
        row[f"{task}_top1"] = judged.video_top1
        if task == "motion":
            row["order"] = order_accuracy(np.log(judged.video_scores + 1e-12), judged.labels)
    return row


def add_speeds(table: list[dict[str, object]], rows: dict[str, tuple[str, ...]], args: argparse.Namespace) -> None:
    """Forward time of one clip at 8 x 112 x 112 in turn for all rows, so that a busy machine is busy for all."""
    size, rounds = (40, 2) if args.quick else (112, 9)
    models = {}
    for name, modules in rows.items():
        models[name] = recog.build_model(args.backbone, modules, 8, 174, size=size).eval()
    clip = torch.randn(1, 8, 3, size, size)
    times: dict[str, list[float]] = {name: [] for name in models}
    macs = {name: recog.profile(model).gmacs for name, model in models.items()}
    with torch.inference_mode():
        for _ in range(rounds):
            for name, model in models.items():
                # Processor time of the one thread: what others do on the machine hardly shows in it.
                start = time.process_time()
                model(clip)
                times[name].append(time.process_time() - start)
    for row in table:
        name = str(row["row"])
        row["clips_per_second"] = 1 / min(times[name])
        if "none" in models:
            ratios = [a / b for a, b in zip(times[name][1:], times["none"][1:])]
            row["time_ratio"] = statistics.median(ratios)
            row["gmac_ratio"] = macs[name] / macs["none"]


def print_table(table: list[dict[str, object]]) -> None:
    """Markdown, one row a module."""
    columns = {
        "row": ("module", "{}"),
        "motion_top1": ("motion top-1", "{:.1%}"),
        "order": ("order", "{:.1%}"),
        "ucf_top1": ("ucf101-mini top-1", "{:.1%}"),
        "mparams": ("params, M", "{:.3f}"),
        "gmacs": ("GMACs", "{:.3f}"),
        "clips_per_second": ("clips/s (112 px)", "{:.2f}"),
        "time_ratio": ("time / none", "{:.2f}"),
        "gmac_ratio": ("GMACs / none", "{:.2f}"),
    }
    print("\n| " + " | ".join(title for title, _ in columns.values()) + " |")
    print("|" + "---|" * len(columns))
    for row in table:
        cells = [form.format(row[key]) if key in row else "" for key, (_, form) in columns.items()]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
