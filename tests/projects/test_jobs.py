"""Many jobs: the same results for any number, failures apart, a killed process, memory, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from poof.errors import PoofError
from poof.progress import Track, silent
from poof.projects.capacity import RESERVE, Capacity, Usage, free_memory
from poof.projects.jobs import Job, run_jobs

HERE = "test_jobs"


def square(*, x: int, track: Track = silent) -> int:
    """A job; it fails on 3, and dies on 4 until its file is there."""
    for _ in track(range(3), "squaring", 3):
        pass
    if x == 3:
        raise PoofError("three.mp4: is three; take another")
    return x * x


def dies_once(*, mark: str, track: Track = silent) -> str:
    del track
    if not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def dies(*, track: Track = silent) -> str:
    del track
    os.kill(os.getpid(), signal.SIGKILL)
    return ""


def waits(*, mark: str, track: Track = silent) -> None:
    Path(mark).write_text(str(os.getpid()))
    for _ in track(range(10_000), "waiting", 10_000):
        time.sleep(0.01)


def threads(*, track: Track = silent) -> dict[str, Any]:
    del track
    return {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "POOF_THREADS")}


@pytest.fixture(autouse=True)
def findable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes find the functions of this file."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))


def jobs(*numbers: int) -> list[Job]:
    return [Job(f"{x}.mp4", f"{HERE}:square", {"x": x}) for x in numbers]


@pytest.mark.parametrize("count", [1, 3])
def test_a_failure_does_not_stop_the_others(count: int) -> None:
    done = {d.job.name: d for d in run_jobs(jobs(1, 2, 3, 5), count)}
    assert {name: d.value for name, d in done.items() if not d.error} == {"1.mp4": 1, "2.mp4": 4, "5.mp4": 25}
    assert done["3.mp4"].error == "three.mp4: is three; take another"


def test_a_process_that_dies_has_its_job_done_by_another_once(tmp_path: Path) -> None:
    work = [
        Job("once.mp4", f"{HERE}:dies_once", {"mark": str(tmp_path / "mark")}),
        Job("never.mp4", f"{HERE}:dies", {}),
        *jobs(2),
    ]
    done = {d.job.name: d for d in run_jobs(work, 2)}
    assert done["once.mp4"].value == "alive" and done["2.mp4"].value == 4
    assert "never.mp4: its process ended with signal 9" in done["never.mp4"].error


def test_ctrl_c_stops_all_processes(tmp_path: Path) -> None:
    marks = [tmp_path / "a", tmp_path / "b"]
    running = run_jobs([Job(m.name, f"{HERE}:waits", {"mark": str(m)}) for m in marks] + jobs(1), 3)
    with pytest.raises(KeyboardInterrupt):
        for _ in running:  # the short one is done
            while not all(m.exists() and m.read_text() for m in marks):
                time.sleep(0.02)
            running.throw(KeyboardInterrupt)
    for mark in marks:
        with pytest.raises(ProcessLookupError):
            os.kill(int(mark.read_text()), 0)


def test_networks_have_one_thread_whatever_the_number_of_jobs() -> None:
    for count in (1, 2):
        done = list(run_jobs([Job(str(n), f"{HERE}:threads", {}) for n in range(2)], count))
        assert {d.value["OMP_NUM_THREADS"] for d in done} == {"1"}


def test_as_many_run_as_memory_was_measured_to_carry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POOF_THREADS", "8")
    mega = 2**20
    capacity = Capacity(None, 10, memory=RESERVE + 900 * mega)
    assert capacity.most == 8 and capacity.threads == 1
    assert capacity.may_start([], 100.0)
    first = Usage(100.0, base=100 * mega, peak=300 * mega, done=3)
    assert not capacity.may_start([first], 100.0)  # not measured yet
    first.done = 20
    assert capacity.may_start([first], 100.0)  # 300 more fit into 900
    # Frames four times as large: 100 + 4 * 200 MB, as much as is free; a running one of that size has yet to grow.
    assert capacity.may_start([first], 400.0)
    assert not capacity.may_start([first], 410.0)
    growing = Usage(400.0, base=100 * mega, peak=100 * mega, done=0)
    assert not capacity.may_start([first, growing], 100.0)
    assert Capacity(3, 10, memory=0).may_start([first, growing], 1e9)  # --jobs was asked for
    assert Capacity(None, 10, devices=2).most == 2
    assert (free_memory() or 2**30) > 0
