"""Each temporal module in the same small budget: a task that only order solves, and three classes of UCF101.

    python benchmarks/recog.py                       every row; one to four minutes of one core each
    python benchmarks/recog.py --only none,tsm,m2a   some rows
    python benchmarks/recog.py --show                the table of the rows that are there
    python benchmarks/recog.py --quick               the program runs, the numbers mean nothing

Rows of one backbone start from the same weights, as the documents' start from the same ImageNet weights: the bare
backbone, trained to name the scene of the motion task (four kinds, either order). Then each row learns the eight
classes with the same clips, order and recipe. The accuracies belong to a narrow backbone that a core trains in a
minute; parameters, GMACs (224 px) and speed (112 px) to the full one that it stands for. Speeds are processor time of
one thread in turn with the row's bare backbone: only the ratios mean something.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from clips_and_tables import SHARED
from recog_table import print_table

from poof import recog
from poof.meta_device import on_meta
from poof.recog.core.model import Recognizer
from poof.recog.data import read_list
from poof.recog.data.dataset import View
from poof.recog.data.extract import extract
from poof.recog.data.lists.base import ClipList
from poof.recog.data.motion_task import order_accuracy, render_task
from poof.recog.evaluation.evaluate import Evaluation, evaluate
from poof.recog.training.settings import Settings
from poof.recog.training.train import train
from poof.recog.zoo.recipes import recipe

UCF = SHARED / "data" / "ucf101-mini"
PAIRS = ("right/left", "open/close", "faster/slower", "before/after")
TEST_CLIPS = 240


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    modules
        For the narrow backbone. Reductions count channels: a quarter of the usual one leaves as many squeezed channels.
    full
        Modules for the full backbone; the same ones unless given.
    backbone, costs
        What is trained, and the full network whose parameters, GMACs and speed are printed.
    bare
        Row of the same backbone without modules: its start and its speed are what this row is compared with. A network
        that cannot take a backbone's weights has `start=False` and gets the epochs of the start on top.
    ceiling
        Highest order accuracy that the module's own symmetry allows (tests/recog/zoo/test_order.py).
    frames
        Segments of a clip.
    """

    modules: tuple[str, ...] = ()
    full: tuple[str, ...] | None = None
    backbone: str = "resnet18_quarter"
    costs: str = "resnet18"
    bare: str = "none"
    start: bool = True
    ceiling: float = 1.0
    frames: int = 8


R2 = "m2a:reduction=2"
ROWS: dict[str, Row] = {
    "none": Row(ceiling=0.5),
    "tsm": Row(("tsm",)),
    "m2a": Row((R2,), ("m2a",), ceiling=0.875),
    "m2a (shift=zero)": Row((f"{R2},shift=zero",), ("m2a:shift=zero",)),
    "m2a (motion only)": Row((f"{R2},attention=none",), ("m2a:attention=none",), ceiling=0.875),
    "m2a (attention only)": Row((f"{R2},motion=none",), ("m2a:motion=none",), ceiling=0.5),
    "m2a + tsm": Row((R2, "tsm"), ("m2a", "tsm")),
    "tea": Row(("tea:reduction=4",), ("tea",)),
    "tdn": Row(("tdn:reduction=4",), ("tdn",), ceiling=0.5),
    "tdn (with its shift)": Row(("tdn:reduction=4,shift=true",), ("tdn:shift=true",)),
    "tam": Row(("tam",)),
    "mbpm": Row(("mbpm",)),
    "mbpm + tsm": Row(("mbpm", "tsm")),
    "bqn": Row(backbone="bqn-resnet50:backbone=resnet18_quarter", costs="bqn-resnet50:backbone=resnet18", start=False),
    "nonlocal": Row(("nonlocal",), ceiling=0.5),
    "nonlocal + tsm": Row(("nonlocal", "tsm")),
    "rnl": Row(("rnl",)),
    "rnl + tsm": Row(("rnl", "tsm")),
    "cpa": Row(("cpa",)),
    "cpa + tsm": Row(("cpa", "tsm")),
    "se + rnl + tsm": Row(("se:reduction=4", "rnl", "tsm"), ("se", "rnl", "tsm")),
    "tsp": Row(("tsp:k=6,d=1",)),
    "tsp + tsm": Row(("tsp:k=6,d=1", "tsm")),
    "tesnet (two streams)": Row(
        backbone="tesnet2-resnet50:backbone=resnet18_quarter,k=6,d=1",
        costs="tesnet2-resnet50:backbone=resnet18,k=6,d=1",
        start=False,
    ),
    "pwtp": Row(("pwtp:t=4",)),
    "pwtp + tsm": Row(("pwtp:t=4", "tsm")),
    "sr": Row(("sr",)),
    "srtg": Row(("srtg",)),
    "sr + tsm": Row(("sr", "tsm")),
    "select + tsm": Row(("select", "tsm")),
    "classreg + tsm": Row(("classreg", "tsm")),
    "mtnet": Row(backbone="mtnet_half", costs="mtnet_m", start=False),
    "kpsem": Row(("kpsem:stage=2",)),
    "dem": Row(("dem:stages=conv3",)),
}


def main() -> None:
    """Run the rows asked for and print the table after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="row names, comma between them")
    parser.add_argument("--show", action="store_true", help="run nothing")
    parser.add_argument("--costs", action="store_true", help="only measure costs and speed; keep what was learned")
    parser.add_argument("--quick", action="store_true", help="a few clips, one epoch")
    parser.add_argument("--out", type=Path, default=Path("runs/recog-benchmark"), help="clips, starts and rows (JSON)")
    parser.add_argument("--clips", type=int, default=1600, help="training clips of the motion task")
    parser.add_argument("--epochs", type=int, default=5, help="on the motion task, after the start")
    parser.add_argument("--start-epochs", type=int, default=3)
    parser.add_argument("--ucf-epochs", type=int, default=12)
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--lr", type=float, default=0.02)
    parser.add_argument("--optimizer", default="sgd", help="sgd, adam or adamw")
    parser.add_argument("--seeds", type=int, default=2, help="runs on ucf101-mini, averaged")
    args = parser.parse_args()
    if args.quick:
        args.clips, args.epochs, args.start_epochs, args.ucf_epochs, args.seeds = 16, 1, 1, 1, 1
        args.out = args.out / "quick"
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    names = list(ROWS) if args.only is None else args.only.split(",")
    for name in [] if args.show else names:
        file = args.out / f"{name}.json"
        known = json.loads(file.read_text()) if args.costs and file.is_file() else {}
        learned = known if args.costs else learn(ROWS[name], args.out / f"run-{name}", args)
        file.write_text(json.dumps({**learned, "row": name, **costs(ROWS[name], args)}, indent=1))
        print_table(args.out, ROWS, PAIRS)
    if args.show:
        print_table(args.out, ROWS, PAIRS)


def learn(row: Row, run: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Train and judge one row on both tasks."""
    model = build(row, 8, args, start(row, args) if row.start else None)
    training, test = motion_task(args, model.per_segment)
    view = View(model.segments, model.per_segment, args.size, flip="none", short=args.size)
    epochs = args.epochs + (0 if row.start else args.start_epochs)
    begin = time.process_time()
    history = train(model, training, run, motion_recipe(args, epochs), Settings())
    seconds = time.process_time() - begin
    judged = evaluate(model, test, view)
    found = {
        "motion_top1": judged.video_top1,
        "order": order(judged),
        **{pair: order(judged, number) for number, pair in enumerate(PAIRS)},
        "ceiling": row.ceiling,
        "training_accuracy": [round(epoch["accuracy"], 3) for epoch in history],
        "motion_seconds": seconds,
        "attention": attention(model, test),
    }
    if UCF.is_dir():
        lists = ucf_mini(args)
        scores = []
        for seed in range(args.seeds):
            model = build(row, len(lists[0].labels), args, None, seed)
            options = recipe("small", epochs=args.ucf_epochs, lr=args.lr)
            train(model, lists[0], run, options, Settings(seed=seed))
            scores.append(evaluate(model, lists[1], view).video_top1)
        found |= {"ucf_top1": statistics.mean(scores), "ucf_spread": max(scores) - min(scores)}
    return found


def motion_task(args: argparse.Namespace, per_segment: int = 1) -> tuple[ClipList, ClipList]:
    """Training and test clips, rendered once.

    Three places a segment, with as many frames more as a segment has beyond its first: then training clips reach to
    the end as they reach to the beginning. Else where something is seen would tell the order, and motion need not.
    """
    folder = args.out / f"task-{args.clips}-{args.size}{f'-{per_segment}' if per_segment > 1 else ''}"
    if not (folder / "test.txt").is_file():
        render_task(folder, args.clips, 16 if args.quick else TEST_CLIPS, 23 + per_segment, args.size)
    return read_list(folder / "train.txt"), read_list(folder / "test.txt")


def motion_recipe(args: argparse.Namespace, epochs: int) -> Any:
    """No mirroring (it turns right into left) and no crops: the rendered scenes are as many as one likes."""
    return recipe("small", epochs=epochs, lr=args.lr, optimizer=args.optimizer, flip="none", scales=(1.0,))


def start(row: Row, args: argparse.Namespace) -> Path:
    """Weights of the bare backbone once it tells the four kinds of scenes apart; made once and kept."""
    path = args.out / f"start-{row.backbone}-{args.size}.pt"
    if not path.is_file():
        training, _ = motion_task(args)
        kinds = replace(
            training,
            records=tuple(replace(record, label=record.label // 2) for record in training.records),
            labels=PAIRS,
        )
        model = build(replace(row, modules=()), 4, args, None)
        train(model, kinds, args.out / f"run-start-{row.backbone}", motion_recipe(args, args.start_epochs), Settings())
        torch.save(model.backbone.state_dict(), path)
    return path


def build(row: Row, classes: int, args: argparse.Namespace, weights: Path | None, seed: int = 0) -> Recognizer:
    """The same first weights for every row of a backbone."""
    torch.manual_seed(seed)
    return recog.build_model(
        row.backbone, row.modules, row.frames, classes, size=args.size, dropout=0.2, weights=weights
    )


def order(judged: Evaluation, pair: int | None = None) -> float:
    """Order accuracy of all clips or those of one pair."""
    mask = np.ones(len(judged.labels), bool) if pair is None else judged.labels // 2 == pair
    return order_accuracy(np.log(judged.video_scores[mask] + 1e-12), judged.labels[mask])


def attention(model: Recognizer, test: ClipList) -> list[float]:
    """Weight of a frame on itself in every attention of the trained network, for eight test clips; 1 is saturated."""
    few = replace(test, records=test.records[:8])
    with model.watching():
        evaluate(model, few, View(model.segments, model.per_segment, model.size, flip="none", short=model.size))
        return [round(read["attention_self"], 3) for read in model.diagnostics().values() if "attention_self" in read]


def ucf_mini(args: argparse.Namespace) -> tuple[ClipList, ClipList]:
    """The real clips, decoded once at the size that is needed."""
    lists = []
    for part in ("train", "test"):
        folder = args.out / f"ucf-{part}-{args.size}"
        if not (folder / "list.txt").is_file():
            clips = read_list(UCF / "ucfTrainTestlist", part=part)
            if args.quick:
                clips = ClipList(clips.records[::9], clips.labels, clips.name)
            extract(clips, folder, "npy", short=round(args.size * 8 / 7))
        lists.append(read_list(folder / "list.txt"))
    return lists[0], lists[1]


def costs(row: Row, args: argparse.Namespace) -> dict[str, Any]:
    """Parameters and GMACs of the full network at 224 px; time and GMACs over those of the bare one at 112 px."""
    full = row.modules if row.full is None else row.full
    other = ROWS[row.bare]
    bare_modules = other.modules if other.full is None else other.full
    with on_meta():
        cost = recog.profile(recog.build_model(row.costs, full, 8, 174))
    size, rounds = (64, 2) if args.quick else (112, 15)
    pair = [
        recog.build_model(name, modules, 8, 174, size=size).eval()
        for name, modules in ((row.costs, full), (other.costs, bare_modules))
    ]
    # The fastest of many turns: what others do on the machine (its caches) only ever adds.
    fastest = [np.inf, np.inf]
    with torch.inference_mode():
        for _ in range(rounds):
            for number, model in enumerate(pair):
                clip = torch.randn(model.clip_shape)
                begin = time.process_time()
                model(clip)
                fastest[number] = min(fastest[number], time.process_time() - begin)
    counts = [recog.profile(model).count for model in pair]
    return {
        "mparams": cost.parameters / 1e6,
        "gmacs": cost.gmacs,
        "clips_per_second": 1 / fastest[0],
        "time_ratio": fastest[0] / fastest[1],
        "gmac_ratio": counts[0].macs / counts[1].macs,
        "other_ratio": counts[0].other / counts[1].other,
    }


if __name__ == "__main__":
    main()
