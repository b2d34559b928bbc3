"""Timer of training steps: read, transform, forward, backward, and how long the network waited for data."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import torch

PARTS = ("read", "transform", "wait", "move", "forward", "backward")


class StepTimer:
    """Sums seconds by part of a step.

    `read` and `transform` are the workers' own time, summed over workers, and run beside the rest; `wait` is how long
    the training loop stood still for them, and with `move`, `forward` and `backward` makes up the step.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, float] = defaultdict(float)
        self.clips = 0
        self._start = time.perf_counter()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time a block; waits for the device, since its work runs behind the program's back."""
        start = time.perf_counter()
        try:
            yield
        finally:
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            self.seconds[name] += time.perf_counter() - start

    def add(self, name: str, seconds: float) -> None:
        """Add time that was measured elsewhere."""
        self.seconds[name] += seconds

    def read_out(self) -> dict[str, float]:
        """Milliseconds per clip by part, and `clips_per_second` of wall time since the timer began."""
        clips = max(self.clips, 1)
        out = {f"{part}_ms": 1e3 * self.seconds[part] / clips for part in PARTS}
        out["clips_per_second"] = self.clips / max(time.perf_counter() - self._start, 1e-9)
        return out
