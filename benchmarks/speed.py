#!/usr/bin/env python3
"""How close `poof propagate` is to what the flow alone costs, in one run, as ratios.

    python benchmarks/speed.py --quick                fewer frames and pairs: minutes
    python benchmarks/speed.py --json speed.json      all frames, and the straightforward loop's accuracy: an hour

Times of different runs, and of different machines, mean nothing beside each other; every ratio is of times of one run.
The clips, labels and weights are those of ../shared; the long clips of the memory part are one of them to and fro.

- overhead: the whole command, start-up and writing included, over the bare calls of the estimator on the same crops.
- gain: the straightforward loop (whole frame, one pair at a time, torchvision's RAFT twice) over the whole command.
- memory: peak of the command on 300 and on 3000 frames.
- stages: where the time goes, each stage run alone; RAFT's arithmetic over the measured rate of a matrix product.
- exactness: both flows of a sequence over two plain calls of torchvision's network, and their largest difference.
- engines: RAFT through OpenVINO, if it is installed, over eager PyTorch, and how far the flows differ.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from clips_and_tables import WEIGHTS
from speed_bare import Nothing, Recorder, Straightforward, clock, cpu, cut_all, replay
from speed_runs import Runs

from poof.flow.base import FlowEstimator
from poof.flow.field import FlowField, Region
from poof.flow.registry import create_flow, create_flows
from poof.labels import LabelSet, Points, load_labels
from poof.propagation import Settings, propagate
from poof.propagation.coarse_flow import CoarseFlow
from poof.propagation.steps import forward_step
from poof.video import open_video
from poof.video.base import ArrayVideo


class Bench(Runs):
    """The parts."""

    def overhead(self) -> None:
        """The whole command over the bare calls."""
        cases = [("cam01", 10**6, "dis"), ("bear", 10**6, "dis"), ("cam01", 200 if self.quick else 400, "dis")]
        cases += [("cam01", 32, "raft-small")] if self.quick else [(n, 10**6, "raft-small") for n in ("cam01", "bear")]
        for name, count, flow in cases[self.overhead_of]:
            repeats = (2 if self.quick else 3) if flow == "dis" else 1
            frames = self.clips[name].frames
            video, path, labels = (
                self.long(name, count) if frames < count < 10**6 else self.clip(name, min(frames, count))
            )
            recorders = [Recorder(e) for e in create_flows(flow, WEIGHTS if "raft" in flow else None)]
            propagate(open_video(video), labels, recorders, Settings())
            for recorder in recorders:
                recorder.estimator.both(*[recorder.estimator.prepare(recorder.images[0][:1])] * 2)  # loads, warms up
            times = [(clock(partial(replay, recorders)), self.command(video, path, flow)[0]) for _ in range(repeats)]
            bare, whole = min(t for t, _ in times), min(t for _, t in times)
            self.results.setdefault("overhead", []).append(
                {
                    "clip": name,
                    "flow": flow,
                    "crop": f"{recorders[0].shape[1]}x{recorders[0].shape[0]}",
                    "pairs": recorders[0].pairs,
                    "bare s": bare,
                    "command s": whole,
                    "ratio": whole / bare,
                }
            )
            self.show("overhead", last=True)

    def gain(self) -> None:
        """The straightforward loop over the whole command, RAFT-small, with what both are worth."""
        for name in self.gain_of:
            clip = self.clips[name]
            split = self.scorer.split(clip)
            first, second = split.anchors[:2]
            video, path, labels = self.clip(name, second + 1 if self.quick else clip.frames)
            seconds, _, out = self.command(video, path, "raft-small")
            images = [image for _, image in open_video(video).frames()]
            sample = range(first, first + 1) if self.quick else range(first, second)
            loop = Straightforward()
            loop.flows(images[0][:128, :128], images[1][:128, :128])
            begin = time.perf_counter()
            flows = {t: loop.flows(images[t], images[t + 1]) for t in sample}
            each = (time.perf_counter() - begin) / len(flows)
            pairs = len(images) - 1 - max(0, first - 10)
            row = {
                "clip": name,
                "frame": f"{clip.width}x{clip.height}",
                "loop s/pair": each,
                "command s/pair": seconds / pairs,
            }
            row["gain"] = row["loop s/pair"] / row["command s/pair"]
            if not self.quick:
                chains = propagate(
                    open_video(video), labels, create_flow("raft-small", WEIGHTS), Settings(method="chain")
                )
                row["loop, mean px"] = self.error(split, self.chained(flows, labels, first, second), first, second)
                row["chain in crops, mean px"] = self.error(split, chains, first, second)
                row["command, mean px"] = self.error(split, load_labels(out), first, second)
            self.results.setdefault("gain", []).append(row)
            self.show("gain", last=True)

    def chained(self, flows: dict[int, Any], labels: LabelSet, first: int, second: int) -> LabelSet:
        """What the loop makes of its flows: a chain from the nearer label."""
        result = labels.replace(instances=dict(labels.instances))
        for anchor, way in ((first, 1), (second, -1)):
            points = labels.instances[anchor, 0].xy.astype(np.float64)
            for steps in range(1, (second - first) // 2 + 1):
                frame = anchor + way * steps
                forward, backward = flows[frame - 1 if way > 0 else frame]
                points = forward_step(points, forward if way > 0 else backward)
                result.instances[frame, 0] = Points.human(frame, points)
        return result

    def error(self, split: Any, result: LabelSet, first: int, second: int) -> float:
        """Mean error of the hidden labels between two anchors, pixels."""
        errors = []
        for row in split.hidden.itertuples():
            if first < row.frame < second:
                points = result.instances[row.frame, 0]
                errors.append(
                    float(np.hypot(*(points.xy[result.skeleton.keypoints.index(row.keypoint)] - [row.x, row.y])))
                )
        return float(np.nanmean(errors))

    def memory(self) -> None:
        """Peak of 300 and of 3000 frames; in a hurry with small crops, which leaves the frames their size."""
        clip = self.clips["bear"]
        more = ["--max-size", "160"] if self.quick else []
        row: dict[str, Any] = {"flow": " ".join(["dis", *more]), "frame": f"{clip.width}x{clip.height}"}
        for count in (300, 3000):
            video, path, _ = self.long("bear", count)
            row[f"{count} frames, s"], row[f"{count} frames, MiB"], _ = self.command(video, path, "dis", *more)
        row["ratio"] = row["3000 frames, MiB"] / row["300 frames, MiB"]
        self.results["memory"] = [row]
        self.show("memory")

    def stages(self) -> None:
        """Each stage alone, CPU milliseconds a pair, on cam01."""
        video, _, labels = self.clip("cam01", 32 if self.quick else 53)
        footage = open_video(video)
        images = [image for _, image in footage.frames()]
        rough = CoarseFlow(footage.size)
        small = [rough.shrink(image) for image in images]
        still = ArrayVideo([np.full((8, 8, 3), n, np.uint8) for n in range(len(images))])
        given = labels.replace(instances={}, image_size=(8, 8))
        for key, points in labels.instances.items():
            given.instances[key] = Points.human(key[0], points.xy * 0 + 4)
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)  # as the command has it
        for flow in ("dis", "raft-small"):
            recorders = [Recorder(e) for e in create_flows(flow, WEIGHTS if "raft" in flow else None)]
            propagate(footage, labels, recorders, Settings())
            nothing = [Nothing(recorder.stride) for recorder in recorders]
            height, width = recorders[0].shape
            region = Region(90, 400, 900, 1200, (width, height))
            stage: dict[str, Callable[[], Any]] = {
                "decoding": lambda: list(map(id, footage.frames())),
                "shrinking": lambda: [rough.shrink(image) for image in images],
                "rough flow, cuts": lambda: rough.segment(small),
                "cutting out": partial(cut_all, images, region, recorders[0].grey),
                "flow": partial(replay, recorders),
                "chains, merging": partial(propagate, still, given, nothing, Settings(crop=False)),
            }
            pairs = len(images) - 1
            cost = {name: 1000 * cpu(work) / pairs for name, work in stage.items()}
            row: dict[str, Any] = {"flow": flow} | {f"{name}, ms": value for name, value in cost.items()}
            row["flow's share"] = cost["flow"] / sum(cost.values())
            if flow != "dis":
                row |= self.rate(recorders[0].estimator, recorders[0].images[0][:1], cost["flow"])
            self.results.setdefault("stages", []).append(row)
        cv2.setNumThreads(threads)
        self.show("stages")

    def rate(self, estimator: FlowEstimator, image: np.ndarray, milliseconds: float) -> dict[str, Any]:
        """Arithmetic of a pair's two flows over what a matrix product reaches on this machine."""
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode(display=False) as counter:
            prepared = estimator.prepare(image)
            estimator.both(prepared, prepared)
        pair = counter.get_total_flops()
        a = torch.randn(1536, 1536)
        a @ a
        product = min(cpu(lambda: a @ a) for _ in range(5))
        peak = 2 * 1536**3 / product
        reached = pair / (milliseconds / 1000)
        return {"GFLOP a pair": pair / 1e9, "of the matrix rate": reached / peak}

    def exactness(self) -> None:
        """Both flows of a sequence against two plain calls."""
        video, _, _ = self.clip("bear", 53)
        images = [image for _, image in open_video(video).frames(0, 6)]
        shown = [Region.whole((i.shape[1], i.shape[0]), 480).cut(i) for i in images]
        estimator, loop = create_flow("raft-small", WEIGHTS), Straightforward()
        warm = estimator.prepare(np.stack(shown[:1]))
        estimator.both(warm, warm)
        loop.flows(shown[0], shown[1])

        def ours() -> list[tuple[np.ndarray, np.ndarray]]:
            last, found = estimator.prepare(shown[0][None]), []
            for image in shown[1:]:
                here = estimator.prepare(image[None])
                there, back = estimator.both(last, here)
                found.append((there[0], back[0]))
                last = here
            return found

        def plainly() -> list[tuple[FlowField, FlowField]]:
            return [loop.flows(a, b) for a, b in zip(shown, shown[1:])]

        mine, plain = ours(), plainly()
        apart = max(float(np.abs(m - p.data).max()) for pair, other in zip(mine, plain) for m, p in zip(pair, other))
        times = [(cpu(ours), cpu(plainly)) for _ in range(1 if self.quick else 3)]
        ratio = min(a for a, _ in times) / min(b for _, b in times)
        self.results["exactness"] = [
            {"network": "raft-small", "both / two calls": ratio, "largest difference, px": apart}
        ]
        self.show("exactness")

    def engines(self) -> None:
        """OpenVINO against eager PyTorch, real weights."""
        if importlib.util.find_spec("openvino") is None:
            print("\n## engines\n\nopenvino is not installed: pip install 'poof-pose[openvino]'")
            return
        video, _, _ = self.clip("bear", 53)
        images = np.stack([Region.whole((854, 480), 480).cut(i) for _, i in open_video(video).frames(0, 2)])
        eager = create_flow("raft-small", WEIGHTS)
        for precision in ("fp32", "bf16"):
            other = create_flow("raft-small-openvino", WEIGHTS, precision=precision)
            flows = [np.stack(e.both(*[[p] for p in e.prepare(images)])) for e in (eager, other)]
            times = [
                [cpu(lambda e=e: e.both(*[[p] for p in e.prepare(images)])) for _ in range(4)] for e in (eager, other)
            ]
            apart = np.hypot(*np.moveaxis(flows[0] - flows[1], 2, 0))
            row = {"engine": f"openvino, {precision}", "time / eager": min(times[1]) / min(times[0])}
            row |= {"mean difference, px": float(apart.mean()), "99th percentile, px": float(np.percentile(apart, 99))}
            self.results.setdefault("engines", []).append(row)
        self.show("engines")

    def startup(self) -> None:
        """`poof --help`."""
        line = [sys.executable, "-m", "poof", "--help"]
        seconds = min(clock(lambda: subprocess.run(line, capture_output=True, check=True)) for _ in range(5))
        self.results["startup"] = [{"poof --help, s": seconds}]
        self.show("startup")


PARTS = ("startup", "exactness", "overhead", "gain", "memory", "stages", "engines")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer frames, no accuracy of the straightforward loop")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--json", type=Path, help="also write every number")
    parser.add_argument("--overhead-of", type=int, help="only this row of the part overhead, counted from 0")
    parser.add_argument("--gain-of", default="cam01,bear", help="clips of the part gain")
    options = parser.parse_args()
    if not WEIGHTS.is_file():
        sys.exit(f"{WEIGHTS} is not here: the benchmark needs the shared clips and weights")
    with tempfile.TemporaryDirectory() as folder:
        row = options.overhead_of
        rows = slice(None) if row is None else slice(row, row + 1)
        bench = Bench(options.quick, Path(folder), options.gain_of.split(","), rows)
        for part in options.parts.split(","):
            getattr(bench, part)()
            if options.json:
                options.json.write_text(json.dumps(bench.results, indent=1))


if __name__ == "__main__":
    main()
