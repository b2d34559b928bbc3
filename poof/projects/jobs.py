"""Many jobs in processes of this machine: each video in one, failures apart, Ctrl-C for all, the same result always.

A job is a function with plain arguments, so that it runs alike in this process, in another one and on a cluster. A
process that dies has its job given to a new one, once.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from poof import interrupts
from poof.errors import PoofError
from poof.progress import Track
from poof.projects.capacity import Capacity, Usage
from poof.projects.display import Display
from poof.projects.worker import SINGLE, function_of, receive, send, told

PATIENCE = 10.0
"""Seconds that processes may take to stop at Ctrl-C before they are ended."""


@dataclass(frozen=True)
class Job:
    """One piece of work.

    Attributes
    ----------
    name : str
        How messages call it: its video.
    function : str
        'module:name' of a function that takes the arguments and `track`, and gives a value that can be pickled.
    arguments : dict
        Plain values.
    weight : float
        Pixels of a frame: how memory grows from one job to another.
    """

    name: str
    function: str
    arguments: Mapping[str, Any]
    weight: float = 1.0


@dataclass
class Done:
    """How a job ended: `error` is '' when `value` is what it gave."""

    job: Job
    value: Any = None
    error: str = ""
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    gpu: str | None
    job: Job | None = None
    begun: float = 0.0
    usage: Usage = field(default_factory=lambda: Usage(1.0))
    trace: str = ""


def run_here(jobs: Sequence[Job], track: Track) -> Iterator[Done]:
    """The jobs one after the other in this process."""
    for job in jobs:
        interrupts.check()
        begun = time.monotonic()
        try:
            value = function_of(job.function)(track=track, **job.arguments)
        except Exception as error:
            if not isinstance(error, (PoofError, OSError, MemoryError)):
                raise
            yield Done(job, error=told(error), seconds=time.monotonic() - begun)
            continue
        yield Done(job, value, seconds=time.monotonic() - begun)


def run_jobs(
    jobs: Sequence[Job], asked: int | None = None, gpus: Sequence[str] = (), display: Display | None = None
) -> Iterator[Done]:
    """The jobs in processes, several at a time; each is given as soon as it has ended.

    Parameters
    ----------
    jobs
        Any number.
    asked
        Processes; None: as many as cores, memory and devices carry.
    gpus
        Devices that the jobs use, one process each.
    display
        Shows how far they are.
    """
    if not jobs:
        return
    capacity = Capacity(asked, len(jobs), len(gpus))
    display = display or Display(quiet=True)
    pool = _Pool(capacity, gpus)
    waiting, tries = deque(jobs), dict.fromkeys(map(id, jobs), 0)
    try:
        with display.showing(len(jobs)):
            while waiting or pool.running:
                interrupts.check()
                while waiting and pool.may_start(waiting[0]):
                    job = waiting.popleft()
                    tries[id(job)] += 1
                    display.begin(job.name)
                    pool.start(job)
                for done, died in pool.events(display):
                    if died and tries[id(done.job)] < 2:
                        display.end(done.job.name, again=True)
                        waiting.appendleft(done.job)
                        continue
                    display.end(done.job.name, done.error)
                    yield done
    except BaseException:
        pool.stop()
        raise
    finally:
        pool.close()


class _Pool:
    """The processes."""

    def __init__(self, capacity: Capacity, gpus: Sequence[str]) -> None:
        self._capacity = capacity
        self._free_gpus = deque(gpus)
        self._workers: list[_Worker] = []
        self._said: queue.SimpleQueue[tuple[_Worker, Any]] = queue.SimpleQueue()

    @property
    def running(self) -> list[_Worker]:
        return [w for w in self._workers if w.job is not None]

    def may_start(self, job: Job) -> bool:
        return self._capacity.may_start([w.usage for w in self.running], job.weight)

    def start(self, job: Job) -> None:
        """Give a job to a process that waits for one, or to a new one."""
        worker = next((w for w in self._workers if w.job is None), None) or self._new()
        worker.job, worker.begun = job, time.monotonic()
        worker.usage = Usage(job.weight)
        assert worker.process.stdin is not None
        with suppress(OSError):  # it has died; its end is told by its output
            send(worker.process.stdin, {"function": job.function, "arguments": dict(job.arguments)})

    def events(self, display: Display) -> Iterator[tuple[Done, bool]]:
        """What ended since; the second says whether a process died of it. Waits a moment where nothing has."""
        wait: float | None = 0.2
        while True:
            try:
                worker, message = self._said.get(timeout=wait) if wait else self._said.get_nowait()
            except queue.Empty:
                display.tick()
                return
            wait = None
            ended = self._take(worker, message, display)
            if ended is not None:
                yield ended

    def _take(self, worker: _Worker, message: Any, display: Display) -> tuple[Done, bool] | None:
        job, seconds = worker.job, time.monotonic() - worker.begun
        kind = message[0]
        if kind == "ended":
            self._workers.remove(worker)
            if worker.gpu is not None:
                self._free_gpus.append(worker.gpu)
            code = worker.process.wait()
            if job is None:
                return None
            how = f"signal {-code}" if code < 0 else f"code {code}"
            memory = ": the system ended it, most likely for want of memory" if code == -9 else ""
            error = f"{job.name}: its process ended with {how}{memory}; run the same command again with --jobs 1"
            return Done(job, error=error, seconds=seconds), True
        if job is None:
            return None
        if kind == "begun":
            worker.usage.base = worker.usage.peak = message[1]
        elif kind == "progress":
            _, description, done, total, peak = message
            worker.usage.done, worker.usage.peak = max(worker.usage.done, done), peak
            display.progress(job.name, description, done, total)
        elif kind in ("done", "failed"):
            worker.job = None
            if kind == "done":
                worker.usage.peak = message[3]
                self._capacity.measured(worker.usage)
                return Done(job, message[1], notes=message[2], seconds=seconds), False
            return Done(job, error=message[1], notes=message[2], seconds=seconds), False
        return None

    def _new(self) -> _Worker:
        gpu = self._free_gpus.popleft() if self._free_gpus else None
        threads = str(self._capacity.threads)
        # Networks give other last digits with other numbers of threads: always one, so that results do not depend on
        # how many jobs there are. DIS takes any number and gives the same.
        limits = dict.fromkeys(SINGLE, "1") | {"POOF_THREADS": threads}
        limits |= {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
        process = subprocess.Popen(
            [sys.executable, "-m", "poof.projects.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | limits,
            start_new_session=True,  # Ctrl-C at the terminal is for this process, which tells the others
        )
        worker = _Worker(process, gpu)
        self._workers.append(worker)
        threading.Thread(target=self._listen, args=(worker,), daemon=True).start()
        return worker

    def _listen(self, worker: _Worker) -> None:
        assert worker.process.stdout is not None
        try:
            while True:
                self._said.put((worker, receive(worker.process.stdout)))
        except (EOFError, OSError):
            self._said.put((worker, ("ended",)))

    def stop(self) -> None:
        """Tell all to stop, and wait until they have kept what they finished."""
        for worker in self._workers:
            with suppress(OSError):
                worker.process.send_signal(signal.SIGINT)
        until = time.monotonic() + PATIENCE
        for worker in self._workers:
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(max(0.0, until - time.monotonic()))

    def close(self) -> None:
        """End the processes; they have nothing to do any more."""
        for worker in self._workers:
            assert worker.process.stdin is not None
            with suppress(OSError):
                worker.process.stdin.close()
        for worker in self._workers:
            try:
                worker.process.wait(2.0)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
