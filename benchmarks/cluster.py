#!/usr/bin/env python3
"""Propagation on a Dask cluster whose scheduler and workers are processes of this machine, and a simulated large one.

    python benchmarks/cluster.py speed          one long video, 1 and 2 workers in turn, beside a single process
    python benchmarks/cluster.py kill           a worker is killed (-9) in the middle; the result is compared
    python benchmarks/cluster.py many           500 small videos in one call; memory of the client
    python benchmarks/cluster.py overhead       what a task costs that does nothing
    python benchmarks/cluster.py simulate       10,000 videos on up to 1,600 workers, from what the above measured

`--json FILE` keeps what `speed`, `many` and `overhead` measured; `simulate` reads it. Clips are rendered.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster_simulation import simulate

from poof.labels import save_labels
from poof.projects import work
from poof.projects.cluster import driver
from poof.projects.display import Display
from poof.projects.jobs import Job
from poof.projects.sources import Source
from poof.synthetic import SyntheticVideo, sample, truth
from poof.video import VideoWriter

RADIUS = 10
SINGLE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM", "POOF_THREADS"), "1")


def render(path: Path, frames: int, size: tuple[int, int]) -> None:
    """A clip of a moving plane, labels of it every 2R+1 frames beside it."""
    scene = sample("constant", velocity=(0.25, 0.1), frames=frames, size=size)
    with VideoWriter(path, 25, scene.size) as writer:
        for _, image in SyntheticVideo(scene).frames():
            writer.write(image)
    exact = truth(scene)
    anchors = range(min(RADIUS, frames // 2), frames, 2 * RADIUS + 1)
    kept = {key: points for key, points in exact.instances.items() if key[0] in anchors}
    save_labels(exact.replace(instances=kept), path.with_suffix(".json"), force=True)


def job_of(video: Path, out: Path) -> Job:
    """`poof propagate` of a video."""
    arguments: dict[str, Any] = {
        "source": Source(video, (video.with_suffix(".json"),)), "outputs": [out / f"{video.stem}.poof.csv"],
        "settings": {"radius": RADIUS}, "flow": "dis", "weights": None, "device": "cpu", "iterations": None,
        "auto_radius": False, "cache": True, "pictures": [], "force": True, "mark": None,
    }  # fmt: skip
    return Job(video.name, "poof.projects.work:propagate", arguments)


@contextmanager
def cluster(workers: int, folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and workers as processes: the address, and all of them, the scheduler first."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    place = f"127.0.0.1:{port}"
    options: dict[str, Any] = {"env": os.environ | SINGLE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    base = [sys.executable, "-m"]
    scheduler = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    worker = ["distributed.cli.dask_worker", f"tcp://{place}", "--nthreads", "1", "--no-nanny", "--no-dashboard",
              "--local-directory", str(folder)]  # fmt: skip
    processes = [subprocess.Popen([*base, *scheduler], **options)]
    processes += [subprocess.Popen([*base, *worker], **options) for _ in range(workers)]
    try:
        yield f"dask://{place}", processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


class Noted(Display):
    """Notes what tasks took, and may do something when the first is done."""

    def __init__(self, first: Any = None) -> None:
        super().__init__(quiet=True)
        self._first = first

    def progress(self, name: str, description: str, done: int, total: int | None) -> None:
        if done >= 1 and self._first is not None:
            first, self._first = self._first, None
            first()


@contextmanager
def noted() -> Iterator[list[tuple[float, float]]]:
    """(seconds, CPU seconds) of every task that comes back."""
    found: list[tuple[float, float]] = []
    before = driver._Driver._take

    def take(self: Any, future: Any, out: Any) -> Any:
        if future.status == "finished":
            rows = future.result()
            found.append((rows.seconds, rows.cpu))
        return before(self, future, out)

    driver._Driver._take = take  # type: ignore[method-assign]
    try:
        yield found
    finally:
        driver._Driver._take = before  # type: ignore[method-assign]


def on_cluster(where: str, jobs: list[Job], cache: Path, first: Any = None) -> float:
    """Seconds of the jobs, from the first task's being given out; errors end the benchmark."""
    os.environ["POOF_CACHE"] = str(cache)
    from distributed import Client

    with Client(where.replace("dask", "tcp"), set_as_default=False) as client:
        expected = 2 if first is not None else 1
        client.wait_for_workers(expected, timeout=60)
    begun = time.monotonic()
    for done in driver.run_on(where, jobs, Noted(first)):
        if done.error:
            sys.exit(done.error)
    return time.monotonic() - begun


def speed(place: Path, frames: int) -> dict[str, Any]:
    """Throughput with 1 and 2 workers, and of one process."""
    video = place / "long.mp4"
    render(video, frames, (854, 480))
    driver.FEWEST, driver.WORK = 42, 1.0  # two windows a piece
    told: dict[str, Any] = {"frames": frames, "size": [854, 480]}
    os.environ.update(SINGLE | {"POOF_CACHE": str(place / "alone")})
    begun = time.monotonic()
    work.propagate(**job_of(video, place).arguments)
    told["alone"] = time.monotonic() - begun
    alone = (place / "long.poof.csv").read_bytes()
    for workers in (1, 2):
        with cluster(workers, place) as (where, _), noted() as tasks:
            from distributed import Client

            with Client(where.replace("dask", "tcp"), set_as_default=False) as client:
                client.wait_for_workers(workers, timeout=120)
            told[f"workers_{workers}"] = on_cluster(where, [job_of(video, place)], place / f"cache{workers}")
        told[f"tasks_{workers}"] = tasks
        told[f"same_{workers}"] = (place / "long.poof.csv").read_bytes() == alone
        took, mean = told[f"workers_{workers}"], [statistics.mean(column) for column in zip(*tasks)]
        print(
            f"{workers} worker(s): {took:.1f} s, {frames / took:.1f} frames/s, {len(tasks)} tasks of {mean[0]:.2f} s"
            f" ({mean[1]:.2f} s of a core); same bytes: {told[f'same_{workers}']}",
            flush=True,
        )
    print(f"one process: {told['alone']:.1f} s; 2 workers over 1: {told['workers_1'] / told['workers_2']:.2f}")
    begun, cpu = time.monotonic(), time.process_time()
    os.environ["POOF_CACHE"] = str(place / "cache2")
    work.propagate(**job_of(video, place).arguments)
    told["finish"] = time.monotonic() - begun
    told["finish_cpu"] = time.process_time() - cpu
    print(f"finishing at the client (all segments known): {told['finish']:.2f} s")
    return told


def kill(place: Path, frames: int) -> dict[str, Any]:
    """A worker dies in the middle."""
    video = place / "long.mp4"
    render(video, frames, (854, 480))
    driver.FEWEST, driver.WORK = 42, 1.0
    os.environ.update(SINGLE | {"POOF_CACHE": str(place / "alone")})
    work.propagate(**job_of(video, place).arguments)
    alone = (place / "long.poof.csv").read_bytes()
    with cluster(2, place) as (where, processes), noted() as tasks:
        took = on_cluster(
            where, [job_of(video, place)], place / "cache", lambda: processes[1].send_signal(signal.SIGKILL)
        )
        died = processes[1].wait()
    same = (place / "long.poof.csv").read_bytes() == alone
    print(f"worker ended with {died} after the first task; {len(tasks)} tasks came back in {took:.1f} s; same: {same}")
    return {"died": died, "tasks": len(tasks), "same": same}


def many(place: Path, count: int) -> dict[str, Any]:
    """Many small videos; what the client's memory does."""
    render(place / "v.mp4", 12, (160, 120))
    out = place / "out"
    out.mkdir()
    jobs = []
    for number in range(count):
        video = place / f"v{number:04}.mp4"
        os.link(place / "v.mp4", video)
        os.link(place / "v.json", video.with_suffix(".json"))
        jobs.append(job_of(video, out))
    os.environ["POOF_CACHE"] = str(place / "cache")
    rows: list[tuple[int, float]] = []
    with cluster(2, place) as (where, _), noted() as tasks:
        begun, cpu = time.monotonic(), time.process_time()
        for number, done in enumerate(driver.run_on(where, jobs, Noted()), 1):
            if done.error:
                sys.exit(done.error)
            if number % (count // 10) == 0 or number == 10:
                rows.append((number, _resident()))
                print(f"after {number} videos: {rows[-1][1]:.0f} MB, {time.monotonic() - begun:.0f} s", flush=True)
        took, cpu = time.monotonic() - begun, time.process_time() - cpu
    print(
        f"{count} videos in {took:.0f} s; {statistics.mean(c for _, c in tasks):.3f} s of a worker's core for each,"
        f" {cpu / count:.3f} s of the client's; {len(list(out.glob('*.csv')))} results"
    )
    return {"videos": count, "seconds": took, "client_cpu": cpu / count, "memory": rows,
            "tasks": statistics.mean(c for _, c in tasks)}  # fmt: skip


def _resident() -> float:
    """Megabytes of this process now."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 1e6
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def nothing(number: int) -> int:
    """A task."""
    return number


def overhead(place: Path, count: int = 2000) -> dict[str, Any]:
    """What a task costs that does nothing: scheduler, one worker and client on the cores there are."""
    with cluster(1, place) as (where, processes):
        from distributed import Client, as_completed

        with Client(where.replace("dask", "tcp"), set_as_default=False) as client:
            client.wait_for_workers(1, timeout=60)
            client.gather([client.submit(nothing, n, pure=False) for n in range(50)])
            before, begun = _cpu(processes[0].pid), time.monotonic()
            waiting = as_completed([client.submit(nothing, n, pure=False) for n in range(count)], loop=client.loop)
            for future in waiting:
                future.release()
            took = time.monotonic() - begun
            scheduler = (_cpu(processes[0].pid) - before) / count
    print(f"{count} empty tasks: {1000 * took / count:.2f} ms each; {1000 * scheduler:.2f} ms of the scheduler's core")
    return {"task": took / count, "scheduler": scheduler}


def _cpu(pid: int) -> float:
    """CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "kill", "many", "overhead", "simulate"))
    parser.add_argument("--frames", type=int, default=220, help="of the long video")
    parser.add_argument("--videos", type=int, default=500, help="small videos of 'many'")
    parser.add_argument("--json", type=Path, default=None, help="what was measured, kept and read again")
    chosen = parser.parse_args()
    known = json.loads(chosen.json.read_text()) if chosen.json and chosen.json.exists() else {}
    with tempfile.TemporaryDirectory(prefix="poof-cluster-") as folder:
        place = Path(folder)
        if chosen.what == "speed":
            known["speed"] = speed(place, chosen.frames)
        elif chosen.what == "kill":
            known["kill"] = kill(place, chosen.frames)
        elif chosen.what == "many":
            known["many"] = many(place, chosen.videos)
        elif chosen.what == "overhead":
            known["overhead"] = overhead(place)
        else:
            missing = [name for name in ("speed", "many", "overhead") if name not in known]
            if missing:
                sys.exit(f"--json FILE lacks {', '.join(missing)}: run these first with the same --json")
            known["simulate"] = simulate(known)
    if chosen.json:
        chosen.json.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
