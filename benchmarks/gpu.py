#!/usr/bin/env python3
"""What poof is worth on a GPU, and whether it computes the same there: every figure, and a pass or fail for each.

    python benchmarks/gpu.py                        about five minutes with one GPU
    python benchmarks/gpu.py --json gpu.json        also writes every number
    python benchmarks/gpu.py --compile              also RAFT through torch.compile: minutes more for each size
    python benchmarks/gpu.py --device cpu --quick   its parts on the CPU: shows that they run, nothing else

Needs nothing but the package: the clips are rendered. RAFT takes --weights, else the file of ../shared, else random
weights (the time is the same; how far two results lie apart then says less). The exit code is 1 where something failed.

- flow: RAFT-small on the device against the CPU in float32; pairs a second by size, batch and precision, beside the
  floor that arithmetic and memory of this device allow, and the peak of its memory.
- propagate: a rendered clip on the CPU and on the device; how far the points lie apart.
- pose: MSPN, steps a second in float32 and bfloat16; the loss of the first steps against the CPU's.
- recog: the same for ResNet-18 with TSM, with and without mixed precision.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_runs import Runs
from torch.utils.flop_counter import FlopCounterMode

from poof.errors import PoofError
from poof.flow.raft import RaftFlow
from poof.pose.recipes import recipe_named
from poof.pose.splitting import Pair
from poof.pose.training import train_pose
from poof.propagation import Settings, propagate
from poof.recog.build import build_model
from poof.recog.core.recipe import Recipe
from poof.recog.data.lists import read_list
from poof.recog.data.motion_task import render_task
from poof.recog.training.settings import Settings as RecogSettings
from poof.recog.training.train import train as train_recog

APART = {"fp32": 0.02, "bf16": 0.15, "fp16": 0.1}
"""Mean distance from the CPU's flow in float32 that passes, px, by precision: TF32 convolutions count as fp32."""
LOSS_APART = {"float32": 0.02, "bfloat16": 0.05}
"""Relative difference of the mean loss of the first steps that passes."""
POINTS_APART = 0.1
"""Mean distance of propagated points that passes, px."""


class Bench(Runs):
    """The parts."""

    def flow(self) -> None:
        """RAFT: agreement, then speed."""
        images = np.stack(self.images[: 2 if self.quick else 9])
        expected = np.stack(both(self.raft(device="cpu"), images))
        precisions = ("fp32", "bf16", "fp16") if self.gpu else ("fp32", "bf16")
        for precision in precisions:
            apart = np.hypot(*np.moveaxis(np.stack(both(self.raft(precision), images)) - expected, 2, 0))
            row = {"RAFT-small": f"{precision} against the CPU", "mean px apart": float(apart.mean())}
            row |= {"largest": float(apart.max())}
            self.add("flow: agreement", row, row["mean px apart"] <= APART[precision])
        slow = self.pairs_a_second(self.raft(device="cpu"), images[:2])
        shapes = [(128, 128)] if self.quick else [(256, 192), (512, 384), (720, 1280)]
        for shape in shapes:
            for precision in precisions[: 1 if self.quick else 2]:
                for compiled in (False, True) if self.compile else (False,):
                    self.speed(shape, precision, slow if shape == shapes[-1] else None, compiled)

    def speed(self, shape: tuple[int, int], precision: str, slow: float | None, compiled: bool) -> None:
        """Pairs a second of one size and precision, by batch."""
        estimator = self.raft(precision, compile=True) if compiled else self.raft(precision)
        best = estimator.batch_size(*shape)
        for batch in sorted({1, 4, 16, best} if self.gpu else {1}):
            if batch > best:
                continue
            images = np.random.default_rng(0).integers(0, 255, (batch + 1, *shape, 3), np.uint8)
            with FlopCounterMode(display=False) as counter:
                both(estimator, images)
            self.forget_peak()
            rate = self.pairs_a_second(estimator, images)
            row = {"size": f"{shape[1]}x{shape[0]}", "precision": precision + " compiled" * compiled, "batch": batch}
            row |= {"pairs/s": rate, "MiB": self.peak()}
            if self.gpu:
                row["of the floor's"] = rate / self.floor(counter.get_total_flops() / batch, precision)
            self.add("flow: speed", row, slow is None or not self.gpu or rate > slow)

    def pairs_a_second(self, estimator: RaftFlow, images: np.ndarray) -> float:
        """Best of a few."""
        seconds = min(self.clock(lambda: both(estimator, images)) for _ in range(1 if self.quick else 4))
        return (len(images) - 1) / seconds

    def floor(self, products: float, precision: str) -> float:
        """Pairs a second that this device's rate of a matrix product would allow."""
        kind = torch.bfloat16 if precision == "bf16" else torch.float32
        a = torch.randn(8192, 8192, device=self.device, dtype=kind)
        a @ a
        return 2 * 8192**3 / min(self.clock(lambda: a @ a) for _ in range(3)) / products

    def propagate(self) -> None:
        """A clip with a label every few frames."""
        step = 3 if self.quick else 21
        given = self.truth.replace(
            instances={key: points for key, points in self.truth.instances.items() if key[0] % step == step // 2}
        )
        settings = Settings(radius=step // 2)
        results, seconds = [], []
        for device in ("cpu", str(self.device)):
            estimator = self.raft(device=device)
            begin = time.perf_counter()
            results.append(propagate(self.video, given, estimator, settings))
            seconds.append(time.perf_counter() - begin)
        keys = results[0].instances.keys() & results[1].instances.keys()
        apart = np.concatenate(
            [np.hypot(*(results[0].instances[key].xy - results[1].instances[key].xy).T) for key in sorted(keys)]
        )
        row = {"clip": f"{len(self.images)} frames", "CPU s": seconds[0], f"{self.device.type} s": seconds[1]}
        row |= {"gain": seconds[0] / seconds[1], "mean px apart": float(np.nanmean(apart))}
        same = len(results[0].instances) == len(results[1].instances) == len(keys)
        close = same and row["mean px apart"] <= POINTS_APART and float(np.isfinite(apart).mean()) > 0.5
        self.add("propagate", row, close and (row["gain"] > 1 or not self.gpu))

    def pose(self) -> None:
        """MSPN on ResNet-50; the small network where it is only to run."""
        few = 2 if self.quick else 6
        size, body = ((64, 64), "unet") if self.quick else ((256, 192), "resnet50")

        def run(device: str, precision: Any, steps: int, timed: Timed) -> float:
            recipe = replace(
                recipe_named("default"), epochs=1, least_steps=steps, most_steps=steps, batch=2 if self.quick else 16
            )
            folder = self.folder / f"pose-{device}-{precision}-{steps}"
            pair = Pair(self.video, self.truth)
            options = {
                "stages": None if body == "unet" else 1,
                "body": body,
                "input_size": size,
                "hold_out": False,
                "precision": precision,
            }
            done = train_pose([pair], folder, recipe=recipe, device=device, track=timed, **options)
            return float(done.history["train_loss"].mean())

        self.trainings("pose", f"{body}, {size[1]}x{size[0]}", "training", run, few, ("float32", "bfloat16"))

    def recog(self) -> None:
        """ResNet-18 with TSM."""
        few = 1 if self.quick else 4
        name, size, batch = ("resnet18_quarter", 32, 8) if self.quick else ("resnet18", 112, 16)
        lists = {  # a few steps, and many
            n: render_task(self.folder / f"task{n}", 8 * (n * batch // 8), 8)[0]
            for n in {few, 40}
            if not self.quick or n == few
        }

        def run(device: str, precision: Any, steps: int, timed: Timed) -> float:
            clips = read_list(lists[steps])
            torch.manual_seed(0)
            model = build_model(name, "tsm", 8, len(clips.labels), size=size)
            recipe = Recipe(size=size, epochs=1, batch=batch)
            settings = RecogSettings(device=device, amp=precision != "float32", workers=4 if steps > few else 0)
            folder = self.folder / f"recog-{device}-{precision}-{steps}"
            return float(train_recog(model, clips, folder, recipe, settings, track=timed)[0]["loss"])

        self.trainings("recog", f"{name} + tsm, 8 x {size} px", "epoch 1/1", run, few, ("float32", "bfloat16"))

    def trainings(
        self,
        part: str,
        what: str,
        loop: str,
        run: Callable[[str, Any, int, Timed], float],
        few: int,
        precisions: tuple[str, ...],
    ) -> None:
        """A few steps from the same start on the CPU and on the device; then more of them, timed."""
        slow = Timed()
        expected = run("cpu", "float32", few, slow)
        for precision in precisions:
            found = run(str(self.device), precision, few, Timed())
            apart = abs(found - expected) / abs(expected)
            self.forget_peak()
            timed = slow
            if not self.quick:
                timed = Timed()
                run(str(self.device), precision, 40, timed)
            row = {
                "training": what,
                "precision": precision,
                "steps/s": timed.rate(loop),
                "CPU steps/s": slow.rate(loop),
            }
            row |= {"MiB": self.peak(), "loss apart": apart}
            faster = not self.gpu or row["steps/s"] > row["CPU steps/s"]
            self.add(part, row, apart <= LOSS_APART[precision] and faster)


class Timed:
    """A `Track` that notes when each item of a loop was asked for."""

    def __init__(self) -> None:
        self.at: dict[str, list[float]] = {}

    def __call__(self, items: Iterable[Any], description: str, total: int | None = None) -> Iterator[Any]:
        """See `poof.progress.Track`."""
        del total
        times = self.at.setdefault(description, [])
        for item in items:
            times.append(time.perf_counter())
            yield item
        times.append(time.perf_counter())

    def rate(self, loop: str) -> float:
        """Items a second, without the first quarter, in which everything is made and loaded."""
        times = self.at[loop]
        begin = (len(times) - 1) // 4
        return (len(times) - 1 - begin) / (times[-1] - times[begin])


def both(estimator: RaftFlow, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flows of neighbouring images, there and back."""
    prepared = estimator.prepare(images)
    return estimator.both(prepared[:-1], prepared[1:])


PARTS = ("flow", "propagate", "pose", "recog")


def main(words: list[str] | None = None) -> int:
    """Command line; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu")
    parser.add_argument("--quick", action="store_true", help="tiny networks and clips: only shows that the parts run")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--weights", type=Path, help="RAFT-small's checkpoint")
    parser.add_argument("--compile", action="store_true", help="also RAFT through torch.compile, on CUDA")
    parser.add_argument("--json", type=Path, help="also write every number")
    options = parser.parse_args(words)
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(options.device, options.quick, Path(folder), options.weights, options.compile)
            name = torch.cuda.get_device_name(bench.device) if bench.gpu else "the CPU"
            print(f"torch {torch.__version__}, CUDA {torch.version.cuda}, on {name}")
            for part in options.parts.split(","):
                getattr(bench, part)()
    except PoofError as error:
        print(f"gpu.py: {error}; --device cpu --quick only shows that the parts run", file=sys.stderr)
        return 2
    if options.json:
        options.json.write_text(json.dumps(bench.rows, indent=1) + "\n")
    print(f"\nFAILED: {', '.join(bench.failed)}" if bench.failed else "\nall passed")
    return int(bool(bench.failed))


if __name__ == "__main__":
    sys.exit(main())
