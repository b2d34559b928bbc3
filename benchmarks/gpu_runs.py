"""What the parts of `gpu.py` share: the rendered clip, the estimator, clocks, peaks of memory, rows with a verdict."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from clips_and_tables import WEIGHTS

from poof.flow.device import resolve_device
from poof.flow.raft import RaftFlow
from poof.flow.raft_weights import new_network
from poof.synthetic import SyntheticVideo, sample, truth
from poof.video.base import ArrayVideo


class Runs:
    """Measures on one device and collects rows."""

    def __init__(self, device: str, quick: bool, folder: Path, weights: Path | None, compile: bool) -> None:
        self.device, self.quick, self.folder, self.compile = resolve_device(device), quick, folder, compile
        self.gpu = self.device.type == "cuda"
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.weights = weights or (WEIGHTS if WEIGHTS.is_file() else self._random_weights())
        scene = sample("demo")
        count = 5 if quick else 32
        images = [image for _, image in SyntheticVideo(scene).frames(0, count)]
        if quick:
            images = [np.ascontiguousarray(image[::4, ::4]) for image in images]
        self.images, self.video = images, ArrayVideo(images)
        exact = truth(scene)
        self.truth = exact.replace(
            instances={
                key: replace(points, xy=points.xy / (4 if quick else 1))
                for key, points in exact.instances.items()
                if key[0] < count
            },
            image_size=self.video.size,
        )

    def _random_weights(self) -> Path:
        torch.manual_seed(0)
        path = self.folder / "raft-small.pth"
        torch.save(new_network("raft-small").state_dict(), path)
        print("no weights of RAFT here: random ones are taken; --weights FILE names others")
        return path

    def raft(self, precision: str = "fp32", device: str | None = None, **more: Any) -> RaftFlow:
        """The estimator."""
        iterations = 1 if self.quick else 12
        return RaftFlow("raft-small", self.weights, device or str(self.device), iterations, precision, **more)

    def clock(self, work: Callable[[], Any]) -> float:
        """Seconds, until the device has finished."""
        self.wait()
        begin = time.perf_counter()
        work()
        self.wait()
        return time.perf_counter() - begin

    def wait(self) -> None:
        """Until the device has finished."""
        if self.gpu:
            torch.cuda.synchronize(self.device)

    def forget_peak(self) -> None:
        """Begin to measure memory."""
        if self.gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)

    def peak(self) -> float | None:
        """Most memory of the device since then, MiB."""
        return torch.cuda.max_memory_allocated(self.device) / 2**20 if self.gpu else None

    def add(self, part: str, row: dict[str, Any], passed: bool) -> None:
        """A row, printed at once."""
        row["verdict"] = "pass" if passed else "FAIL"
        if part not in self.rows:
            print(f"\n## {part}\n\n| {' | '.join(row)} |\n|{'---|' * len(row)}")
        self.rows.setdefault(part, []).append(row)
        cells = ("" if v is None else f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values())
        print(f"| {' | '.join(cells)} |", flush=True)

    @property
    def failed(self) -> list[str]:
        """Parts with a row that failed."""
        return [part for part, rows in self.rows.items() if any(row["verdict"] != "pass" for row in rows)]
