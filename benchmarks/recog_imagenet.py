"""What ImageNet is worth to the temporal modules, and what 27 test clips can tell: MobileNetV2, several seeds.

    python benchmarks/recog_imagenet.py                  ucf101-mini; five seeds, from ImageNet and from scratch
    python benchmarks/recog_imagenet.py --task motion    the task that only order solves, from ImageNet
    python benchmarks/recog_imagenet.py --show           the table of the runs that are there

torchvision's MobileNetV2 (ImageNet), eight frames of 64 px, SGD with cosine. The epoch is chosen by a validation part
cut from the training clips (recordings kept together), the test clips judge once. Each row of one seed sees the same
clips in the same order. A run takes one to three minutes of one core; those that are there are kept.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from clips_and_tables import SHARED, head, line
from documents_report import interval
from documents_tables import Spec, run_name
from kept_runs import RUNS, Record, kept, runs

from poof import recog
from poof.recog.checkpoint import load_model
from poof.recog.data import ClipList, read_list
from poof.recog.data.extract import extract
from poof.recog.data.lists.split import split_off
from poof.recog.data.motion_task import render_task
from poof.recog.evaluation.evaluate import Evaluation, evaluate
from poof.recog.evaluation.judging import trained_view
from poof.recog.training.settings import Settings
from poof.recog.training.train import train
from poof.recog.zoo.recipes import recipe

ROWS: dict[str, list[str]] = {
    "none": [],
    "tsm": ["tsm"],
    "m2a": ["m2a"],
    "tam": ["tam"],
    "tea": ["tea"],
    "tdn": ["tdn:shift=true"],
}
STARTS = ("imagenet", "scratch")
TEST_CLIPS = {"ucf": 27, "motion": 80}


def lists(task: str, folder: Path) -> tuple[ClipList, ClipList]:
    """Training and test clips, decoded once."""
    if task == "motion":
        parts = render_task(folder / "motion", 320, TEST_CLIPS["motion"], 16, 64)
        return read_list(parts[0]), read_list(parts[1])
    found = []
    for part in ("train", "test"):
        target = folder / f"ucf-{part}"
        if not (target / "list.txt").is_file():
            clips = read_list(SHARED / "data" / "ucf101-mini" / "ucfTrainTestlist", part=part)
            extract(clips, target, "npy", short=72, workers=2)
        found.append(read_list(target / "list.txt"))
    return found[0], found[1]


def run(
    task: str, row: str, start: str, seed: int, clips: tuple[ClipList, ClipList], args: argparse.Namespace
) -> Record:
    """Train and judge one network, unless its run is there."""
    name = named(task, row, start, seed)

    def made() -> Record:
        network = "mobilenet_v2", ROWS[row], 8
        return {"top1": learn(network, clips, args.out / f"run-{name}", task, start, seed, args.epochs).video_top1}

    return kept(args.runs, name, {f"{task}_epochs": args.epochs}, made)


def named(task: str, row: str, start: str, seed: int) -> str:
    """The name of a run; on ucf101-mini from ImageNet it is one of the documents' tables."""
    kind = "ucf" if (task, start) == ("ucf", "imagenet") else f"{task}-{start}"
    return run_name(kind, Spec("mobilenet_v2", tuple(ROWS[row])), seed)


def learn(
    network: tuple[str, Sequence[str], int],
    clips: tuple[ClipList, ClipList],
    folder: Path,
    task: str,
    start: str,
    seed: int,
    epochs: int,
) -> Evaluation:
    """Train a network (name, modules, segments) on clips of 64 px, and judge its best epoch on the test clips."""
    name, modules, frames = network
    rest, part = split_off(clips[0], seed=seed)
    torch.manual_seed(seed)
    weights = SHARED / "data" / "weights" / "mobilenet_v2-b0353104.pth" if start == "imagenet" else None
    model = recog.build_model(name, modules, frames, len(rest.labels), size=64, dropout=0.2, weights=weights)
    lr = 0.005 if start == "imagenet" else 0.02
    options = recipe("small", epochs=epochs, lr=lr, batch=8, flip="plain" if task == "ucf" else "none")
    train(model, rest, folder, options, Settings(seed=seed), part)
    best = load_model(folder)
    return evaluate(best, clips[1], trained_view(best))


def wilson(right: float, total: int) -> tuple[float, float]:
    """95 % interval of a share."""
    z, p = 1.96, right / total
    middle, half = p + z * z / (2 * total), z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    return (middle - half) / (1 + z * z / total), (middle + half) / (1 + z * z / total)


def show(task: str, seeds: int, file: Path) -> None:
    """The table: mean over seeds, least and most, and the interval of as many test clips."""
    print(head("module", "start", "seeds", "top-1, mean", "least to most", "95 % interval of the clips", "over none"))
    total = TEST_CLIPS[task]
    for start in STARTS:
        bare: dict[int, float] = {}
        for row in ROWS:
            names = {seed: named(task, row, start, seed) for seed in range(seeds)}
            values = {seed: runs(file)[name]["top1"] for seed, name in names.items() if name in runs(file)}
            if not values:
                continue
            mean, _ = interval([*values.values()])
            low, high = wilson(mean * total, total)
            least = f"{min(values.values()):.0%} to {max(values.values()):.0%}"
            bare = values if row == "none" else bare
            gains = [value - bare[seed] for seed, value in values.items() if seed in bare]
            over = ""
            if row != "none" and len(gains) > 1:
                gain, half = interval(gains)
                over = f"{gain:+.1%} ± {half:.1%}"
            print(line(row, start, len(values), f"{mean:.1%}", least, f"{low:.0%} to {high:.0%}", over))


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=("ucf", "motion"), default="ucf")
    parser.add_argument("--only", default=",".join(ROWS), help="rows, with commas between")
    parser.add_argument("--starts", default=None, help="imagenet, scratch (default: both; motion: imagenet)")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--out", type=Path, default=Path("runs/imagenet"), help="clips and checkpoints")
    parser.add_argument("--runs", type=Path, default=RUNS, help="what each run came to (JSON, a line a run)")
    parser.add_argument("--show", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    starts = arguments.starts or ("imagenet" if arguments.task == "motion" else ",".join(STARTS))
    if not arguments.show:
        arguments.out.mkdir(parents=True, exist_ok=True)
        clips = lists(arguments.task, arguments.out)
        for seed in range(arguments.seeds):
            for start in starts.split(","):
                for row in arguments.only.split(","):
                    record = run(arguments.task, row, start, seed, clips, arguments)
                    print(record["run"], record["top1"], flush=True)
    show(arguments.task, arguments.seeds, arguments.runs)


if __name__ == "__main__":
    main()
