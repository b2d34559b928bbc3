"""What `speed.py` compares with, and by: bare flow calls, the straightforward loop, clocks, peaks of memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from clips_and_tables import WEIGHTS

from poof.flow.base import FlowEstimator
from poof.flow.dis import DisFlow
from poof.flow.field import FlowField, Region


class Recorder(FlowEstimator):
    """Stands in for an estimator: takes the images and pairs it would get, and answers with a fast flow."""

    def __init__(self, estimator: FlowEstimator) -> None:
        self.name, self.grey, self.stride, self.estimator = estimator.name, estimator.grey, estimator.stride, estimator
        self.images: list[np.ndarray] = []  # of each call of prepare
        self._calls: list[tuple[list[int], list[int]] | None] = []  # None: the next call of prepare
        self._count = 0
        self._quick = DisFlow("ultrafast")

    def prepare(self, images: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """See `FlowEstimator.prepare`; images are known by their number."""
        self.images.append(images)
        self._calls.append(None)
        self._count += len(images)
        return list(zip(range(self._count - len(images), self._count), self._quick.prepare(images)))

    def between(self, first: Sequence[Any], second: Sequence[Any]) -> np.ndarray:
        """See `FlowEstimator.between`."""
        return self._quick.between([grey for _, grey in first], [grey for _, grey in second])

    def both(self, first: Sequence[Any], second: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """See `FlowEstimator.both`."""
        self._calls.append(([number for number, _ in first], [number for number, _ in second]))
        return self._quick.both([grey for _, grey in first], [grey for _, grey in second])

    def batch_size(self, height: int, width: int) -> int:
        """See `FlowEstimator.batch_size`."""
        return self.estimator.batch_size(height, width)

    def describe(self) -> dict[str, Any]:
        """See `FlowEstimator.describe`."""
        return self.estimator.describe()

    def replay(self) -> None:
        """The same calls to the estimator itself; what it prepared of an image goes after its last pair, as there."""
        last = {number: at for at, call in enumerate(self._calls) if call for side in call for number in side}
        prepared: dict[int, Any] = {}
        count, images = 0, iter(self.images)
        for at, call in enumerate(self._calls):
            if call is None:
                entries = self.estimator.prepare(next(images))
                prepared.update(zip(range(count, count + len(entries)), entries))
                count += len(entries)
            else:
                self.estimator.both(*[[prepared[number] for number in side] for side in call])
                prepared = {number: entry for number, entry in prepared.items() if last.get(number, 0) > at}

    @property
    def pairs(self) -> int:
        """Pairs that were asked for."""
        return sum(len(call[0]) for call in self._calls if call)

    @property
    def shape(self) -> tuple[int, ...]:
        """Height and width of the first image."""
        return self.images[0].shape[1:3]


class Straightforward:
    """What one writes first: torchvision's network on whole frames, one pair and one direction at a time."""

    def __init__(self) -> None:
        import torch

        from poof.flow.raft_weights import new_network, read_weights

        self.network = new_network("raft-small").eval()
        self.network.load_state_dict(read_weights(WEIGHTS, "raft-small").state)
        self._torch = torch

    def flows(self, first: np.ndarray, second: np.ndarray) -> tuple[FlowField, FlowField]:
        """Both flows of a pair of images (H, W, 3)."""
        height, width = first.shape[:2]
        region = Region.whole((width, height))
        pad = (-height % 8, -width % 8)
        a, b = (
            self._torch.from_numpy(
                np.pad(i, ((pad[0] // 2, pad[0] - pad[0] // 2), (pad[1] // 2, pad[1] - pad[1] // 2), (0, 0)), "edge")
            )
            .permute(2, 0, 1)[None]
            .float()
            / 127.5
            - 1
            for i in (first, second)
        )
        top, left = pad[0] // 2, pad[1] // 2
        with self._torch.inference_mode():
            fields = [self.network(*pair, num_flow_updates=12)[-1][0].numpy() for pair in ((a, b), (b, a))]
        there, back = (f[:, top : top + height, left : left + width] for f in fields)
        return FlowField(there, region), FlowField(back, region)


class Nothing(FlowEstimator):
    """No motion, at no cost."""

    name = "nothing"

    def __init__(self, stride: int = 1) -> None:
        self.stride = stride

    def prepare(self, images: np.ndarray) -> list[np.ndarray]:
        """See `FlowEstimator.prepare`."""
        return list(images)

    def between(self, first: Sequence[Any], second: Sequence[Any]) -> np.ndarray:
        """See `FlowEstimator.between`."""
        return np.zeros((len(first), 2, *first[0].shape[:2]), np.float32)

    def describe(self) -> dict[str, Any]:
        """See `FlowEstimator.describe`."""
        return {"name": self.name}


def replay(recorders: Sequence[Recorder]) -> None:
    """The calls of all of them."""
    for recorder in recorders:
        recorder.replay()


def cut_all(images: Sequence[np.ndarray], region: Region, grey: bool) -> None:
    """A region of every image."""
    for image in images:
        region.cut(image, grey)


def clock(work: Callable[[], Any]) -> float:
    """Seconds of wall time."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def cpu(work: Callable[[], Any]) -> float:
    """Seconds of processor time of all threads: other programs hardly show in it."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def shown(value: Any) -> str:
    """A cell."""
    return (
        f"{value:.3g}"
        if isinstance(value, float) and abs(value) < 1000
        else f"{value:.0f}"
        if isinstance(value, float)
        else str(value)
    )


def high_water(process: int) -> float:
    """Most memory a process has had so far, MiB; 0 when it is gone.

    Not `wait4`'s figure: that begins with what this process had when it started the other one.
    """
    try:
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0
