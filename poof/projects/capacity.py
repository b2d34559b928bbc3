"""Capacity of this machine: how many jobs run at a time, by cores, devices and the memory that a job takes."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from poof.flow.dis import cores

RESERVE = 512 * 2**20
"""Bytes that are left to the rest of the machine."""
ENOUGH = 12
"""Frames after which what a job takes is taken as measured; its queues are full by then."""


@dataclass
class Usage:
    """What a running job takes: frame size in pixels, bytes before its first frame and at most since, frames done."""

    weight: float
    base: int = 0
    peak: int = 0
    done: int = 0


class Capacity:
    """Decides whether one more job may start.

    Parameters
    ----------
    asked
        --jobs; None: as many as the machine carries.
    count
        Number of jobs in all.
    devices
        GPUs that the jobs use, one each; 0: none.
    memory
        Free bytes of the machine, None where that cannot be known; for tests.

    Attributes
    ----------
    most : int
        Jobs at a time at most.
    threads : int
        Threads of each.
    """

    def __init__(self, asked: int | None, count: int, devices: int = 0, memory: int | None = None) -> None:
        self._asked, self._memory = asked, memory
        carried = devices or cores()
        self.most = max(1, min(count, asked if asked is not None else carried))
        self.threads = max(1, cores() // self.most)
        self._measured: list[Usage] = []
        self.held_by_memory = False

    def measured(self, usage: Usage) -> None:
        """A job that has come to its end."""
        if usage.peak:
            self._measured.append(usage)

    def may_start(self, running: list[Usage], weight: float) -> bool:
        """Whether one more job, of frames of so many pixels, may start beside those that run."""
        if len(running) >= self.most:
            return False
        if not running or self._asked is not None:
            return True
        known = [*self._measured, *(u for u in running if u.done >= ENOUGH)]
        if not known:
            return False  # the first one measures what the next will take
        free = self._memory if self._memory is not None else free_memory()
        if free is None:
            return True
        growth = sum(max(0, self._expected(known, u.weight) - u.peak) for u in running)
        fits = free - growth - RESERVE >= self._expected(known, weight)
        self.held_by_memory = self.held_by_memory or not fits
        return fits

    @staticmethod
    def _expected(known: list[Usage], weight: float) -> int:
        """Bytes that a job of this frame size takes: what a process takes anyway, and the rest by the frame's size."""
        return max(int(u.base + max(0, u.peak - u.base) * max(1.0, weight / max(u.weight, 1.0))) for u in known)


def free_memory() -> int | None:
    """Bytes that are free for this process: of the machine, and of its control group; None where neither is told."""
    found: list[int] = []
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")))
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):
            found.append(int(Path(limit).read_text()) - int(Path(used).read_text()))
    return min(found, default=None)


def gpus() -> list[str]:
    """The numbers of the GPUs that CUDA shows this process, without asking CUDA, which takes seconds."""
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is not None:
        return [part.strip() for part in shown.split(",") if part.strip() not in ("", "-1")]
    found = [p.name.removeprefix("nvidia") for p in Path("/dev").glob("nvidia[0-9]*")]
    return sorted(found, key=int)
