"""Work on a cluster: the same bytes as here, whoever dies; real schedulers and workers as processes of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from project_material import clip, part

from poof.errors import PoofError
from poof.labels import LabelSet, load_labels, save_labels
from poof.labels.model import Points
from poof.projects.cluster.address import Address, parse

pytest.importorskip("distributed", reason="no Dask here: pip install 'poof-pose[cluster]'")
pytest.importorskip("dask_jobqueue", reason="no dask-jobqueue here: pip install 'poof-pose[cluster]'")

from poof.flow.registry import create_flows
from poof.projects import work
from poof.projects.cluster import driver, start, tasks
from poof.projects.display import Display
from poof.projects.jobs import Job
from poof.projects.sources import Source
from poof.propagation import Settings
from poof.propagation.engine import Engine
from poof.propagation.result_cache import ResultCache
from poof.video import open_video

SETTINGS = {"radius": 4}


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 42 frames with labels every 9, all keypoints in most of them, and in `here` what poof makes of it."""
    folder = tmp_path_factory.mktemp("long")
    exact = clip(folder / "v.mp4", (0.5, 0.25), frames=42)
    labels = part(exact, range(2, 42, 9))
    hole = labels.instances[20, 0]  # a label that lacks a keypoint: chains pass by it
    where = hole.decided & False
    where[1] = True
    hole.put(where, Points.empty(len(hole)))
    save_labels(labels, folder / "v.json")
    (folder / "here").mkdir()
    job = job_of(folder, folder / "here")
    work.propagate(**job.arguments)
    return folder


def job_of(folder: Path, out: Path, name: str = "v") -> Job:
    arguments: dict[str, Any] = {
        "source": Source(folder / f"{name}.mp4", (folder / f"{name}.json",)),
        "outputs": [out / f"{name}.poof.json", out / f"{name}.poof.csv"],
        "settings": SETTINGS,
        "flow": "dis",
        "weights": None,
        "device": "cpu",
        "iterations": None,
        "auto_radius": False,
        "cache": False,
        "pictures": [],
        "force": False,
        "mark": None,
    }
    return Job(name, "poof.projects.work:propagate", arguments)


def same(folder: Path, out: Path) -> bool:
    names = ("v.poof.json", "v.poof.csv")
    return all((folder / "here" / name).read_bytes() == (out / name).read_bytes() for name in names)


@contextmanager
def cluster(workers: int, folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and workers as processes: its address, and all of them, the scheduler first."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "POOF_THREADS": "1"}
    base = [sys.executable, "-m"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, "env": environment}
    place = f"tcp://127.0.0.1:{port}"
    options = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    processes = [subprocess.Popen([*base, "distributed.cli.dask_scheduler", *options], **quiet)]  # type: ignore[call-overload]
    one_thread = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(folder)]
    processes += [
        subprocess.Popen([*base, "distributed.cli.dask_worker", place, *one_thread], **quiet)  # type: ignore[call-overload]
        for _ in range(workers)
    ]
    try:
        yield f"dask://127.0.0.1:{port}", processes
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Pieces as small as they can be, and a cache of the test's own."""
    monkeypatch.setattr(driver, "WORK", 1.0)
    monkeypatch.setattr(driver, "FEWEST", 8)
    monkeypatch.setenv("POOF_CACHE", str(tmp_path / "cache"))


# ------------------------------------------------------------------------------------------------ without a cluster


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("dask://host:8786", Address("dask", "tcp://host:8786")),
        ("tls://host:8786", Address("dask", "tls://host:8786")),
        ("local:4", Address("local", "4")),
        (
            "slurm:partition=gpu,gres=gpu:1,time=2:00:00,workers=8",
            Address("slurm", options={"partition": "gpu", "gres": "gpu:1", "time": "2:00:00", "workers": "8"}),
        ),
        ("pbs:queue=q,extra=-l a,b", Address("pbs", options={"partition": "q", "extra": "-l a,b"})),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse(text) == address


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("slrum:time=1", "did you mean slurm?"),
        ("slurm:partiton=gpu", "did you mean partition=...?"),
        ("slurm:workers=many", "is no number of workers"),
        ("dask://host", "names no port"),
        ("local:none", "write local:N"),
        ("ray:x", "for example dask://HOST:8786"),
    ],
)
def test_wrong_addresses_say_what_is_right(text: str, words: str) -> None:
    with pytest.raises(PoofError) as caught:
        parse(text)
    assert words in str(caught.value)


def test_runs_give_the_entries_of_the_whole(long: Path, tmp_path: Path) -> None:
    video = open_video(long / "v.mp4")
    labels = work.read(Source(long / "v.mp4", (long / "v.json",)), video).labels
    settings, flows = Settings(**SETTINGS), create_flows("dis")
    cache = ResultCache(tmp_path / "whole")
    engine = Engine(video, labels, flows, settings, cache)
    for _ in engine.run():
        pass
    groups = engine.runs()
    spans = [(group[0][0].start, group[-1][0].stop) for group in groups]
    # Frame 20 lacks a keypoint: chains from 11 and 29 pass it, so that 11 to 29 is one run.
    assert (11, 29) in spans and (29, 38) in spans and (11, 20) not in spans
    how = tasks.How(SETTINGS, "dis", None, "cpu")
    mark = driver.mark_of(video) or ""
    film: Any = type("Film", (), {"video": video, "source": Source(long / "v.mp4"), "whole": False})()
    found = {}
    for number, (first, last) in enumerate(spans):
        near = driver._near(labels, first, last, settings)
        content = driver.fingerprint(long / "v.mp4")
        piece = tasks.Piece(
            str(long / "v.mp4"), "v.mp4", content, mark, "stop", near, how, first, last, video.size, video.fps
        )
        if number % 2:  # its frames are sent
            piece = driver._with_frames(driver._Out(film, piece, set()))
        found |= tasks.run_piece(piece).entries
    assert set(found) == {key for group in groups for _, key in group}
    for key, arrays in found.items():
        known = cache.get(key)
        assert known is not None
        assert {n: a.tobytes() for n, a in arrays.items()} == {n: a.tobytes() for n, a in known.items()}


def test_a_worker_that_sees_another_video_says_so(long: Path) -> None:
    how = tasks.How(SETTINGS, "dis", None, "cpu")
    piece = tasks.Piece(str(long / "v.mp4"), "v.mp4", "other", "m", "stop", LabelSet(part_of().skeleton), how, 2, 11)
    assert tasks.run_piece(piece).unseen
    assert tasks.run_piece(driver.replace(piece, path="/nowhere/v.mp4")).unseen


def part_of() -> LabelSet:
    from poof.synthetic import sample, truth

    return truth(sample("constant", velocity=(1.0, 0.0), frames=2))


def test_the_slurm_script_is_that_of_dask_jobqueue() -> None:
    from dask_jobqueue import LSFCluster, PBSCluster, SGECluster, SLURMCluster

    def plain(script: str) -> list[str]:
        """Without the scheduler's port, which differs."""
        return [line.split(" tcp://")[0] + line.partition(" --name")[2] for line in script.splitlines()]

    single = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
    prologue = ["module load cuda", *(f"export {n}=1" for n in single), "export POOF_THREADS=4"]
    common: dict[str, Any] = {
        "cores": 1, "processes": 1, "memory": "8GB", "job_script_prologue": prologue, "walltime": "2:00:00",
        "queue": "gpu", "scheduler_options": {"dashboard_address": None},
    }  # fmt: skip
    rest = "partition=gpu,time=2:00:00,cores=4,memory=8GB,setup=module load cuda"
    expected = {
        f"slurm:{rest},gres=gpu:1,account=lab": (
            SLURMCluster, {"job_extra_directives": ["--gres=gpu:1"], "account": "lab", "job_cpu": 4},
        ),
        f"pbs:{rest},account=lab": (PBSCluster, {"account": "lab", "resource_spec": "select=1:ncpus=4:mem=8GB"}),
        f"sge:{rest},extra=-pe smp 4": (
            SGECluster, {"job_extra_directives": ["-pe", "smp", "4"], "resource_spec": "h_vmem=8GB"},
        ),
        f"lsf:{rest},account=lab": (LSFCluster, {"project": "lab", "ncpus": 4}),
    }  # fmt: skip
    for text, (kind, more) in expected.items():
        ours = start.script_of(parse(text))
        with kind(**common, **more) as theirs:
            assert plain(ours) == plain(theirs.job_script()), text
        assert "export POOF_THREADS=4" in ours
    slurm = start.script_of(parse(f"slurm:{rest},gres=gpu:1,account=lab"))
    for line in ("#SBATCH -p gpu", "#SBATCH -t 2:00:00", "#SBATCH --gres=gpu:1", "#SBATCH --cpus-per-task=4"):
        assert line in slurm
    with pytest.raises(PoofError, match="submits nothing"):
        start.script_of(parse("local:2"))


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch, long: Path, tmp_path: Path) -> None:
    monkeypatch.setattr(start, "WAIT", 1)
    with pytest.raises(PoofError, match="no scheduler answers there"):
        list(driver.run_on("dask://127.0.0.1:9", [job_of(long, tmp_path)], Display(quiet=True)))


# ------------------------------------------------------------------------------------------------ with processes


@pytest.mark.usefixtures("small_pieces")
def test_neither_a_worker_killed_in_the_middle_nor_a_video_that_fails_changes_the_others(
    long: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("out", "more"):
        (tmp_path / name).mkdir()
    (tmp_path / "x.mp4").write_bytes(b"\0" * 3000)
    (tmp_path / "x.json").write_bytes((long / "v.json").read_bytes())
    with cluster(2, tmp_path) as (where, processes):
        began: list[str] = []

        class Killing(Display):
            def progress(self, name: str, description: str, done: int, total: int | None) -> None:
                began.append(f"{done} of {total}")
                if done == 1:
                    processes[1].send_signal(signal.SIGKILL)

        (done,) = driver.run_on(where, [job_of(long, tmp_path / "out")], Killing(quiet=True))
        assert not done.error and processes[1].wait() == -9 and processes[2].poll() is None
        assert int(began[-1].split()[-1]) >= 4  # it was cut
        assert same(long, tmp_path / "out")
        monkeypatch.setenv("POOF_CACHE", str(tmp_path / "another cache"))
        jobs = [job_of(tmp_path, tmp_path / "more", "x"), job_of(long, tmp_path / "more")]
        ends = {d.job.name: d for d in driver.run_on(where, jobs, Display(quiet=True))}
    assert "x.mp4" in ends["x"].error and not ends["v"].error and same(long, tmp_path / "more")


@pytest.mark.usefixtures("small_pieces")
def test_a_scheduler_that_vanishes_leaves_what_is_done_and_videos_are_sent(
    long: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "GONE", 1.0)
    monkeypatch.setattr(tasks, "_is_there", lambda piece: False)
    (tmp_path / "out").mkdir()
    job = job_of(long, tmp_path / "out")
    totals: list[int] = []
    with cluster(1, tmp_path) as (where, processes):

        class Killing(Display):
            def progress(self, name: str, description: str, done: int, total: int | None) -> None:
                totals.append(total or 0)
                if done == 1:
                    threading.Thread(target=processes[0].kill).start()

        with pytest.raises(PoofError, match="the scheduler is gone; everything finished is kept"):
            list(driver.run_on(where, [job], Killing(quiet=True)))
    kept = list((tmp_path / "cache" / "segments").glob("*.npz"))
    assert kept
    monkeypatch.undo()
    monkeypatch.setenv("POOF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(driver, "WORK", 1.0)
    monkeypatch.setattr(driver, "FEWEST", 8)
    counts: list[int] = []

    class Counting(Display):
        def progress(self, name: str, description: str, done: int, total: int | None) -> None:
            counts.append(total or 0)

    with cluster(1, tmp_path) as (where, _):
        (done,) = driver.run_on(where, [job], Counting(quiet=True))
    assert not done.error and same(long, tmp_path / "out")
    assert counts[0] < totals[0]  # the pieces that were kept were not given out again


@pytest.mark.usefixtures("small_pieces")
def test_a_batch_system_is_given_its_jobs_and_they_are_cancelled(
    long: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SLURM played by two scripts: `sbatch` starts the script that it is given, `scancel` ends it."""
    tools, log = tmp_path / "tools", tmp_path / "cancelled"
    tools.mkdir()
    script = f"cp $1 {tmp_path}/script\nsetsid bash {tmp_path}/script >/dev/null 2>&1 &\n"
    (tools / "sbatch").write_text(f"#!/bin/bash\n{script}echo Submitted batch job $!\n")
    (tools / "scancel").write_text(f"#!/bin/bash\necho $1 >> {log}\nkill -- -$1 2>/dev/null\n")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "out").mkdir()
    before = signal.getsignal(signal.SIGINT)
    where = "slurm:partition=gpu,gres=gpu:1,time=0:10:00,interface=lo,memory=2GB"
    (done,) = driver.run_on(where, [job_of(long, tmp_path / "out")], Display(quiet=True))
    assert not done.error and same(long, tmp_path / "out")
    assert signal.getsignal(signal.SIGINT) is before  # dask-jobqueue would take Ctrl-C for itself
    script = (tmp_path / "script").read_text()
    assert "#SBATCH -p gpu" in script and "#SBATCH --gres=gpu:1" in script
    (job,) = log.read_text().split()
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.kill(int(job), 0)
            time.sleep(0.1)


def test_a_worker_of_another_version_is_refused(long: Path) -> None:
    film: Any = type("Film", (), {"how": tasks.How(SETTINGS, "dis", None, "cpu")})()
    labels = load_labels(long / "here" / "v.poof.json")
    assert driver._alike(labels, film)
    labels.info["propagation"]["flow"][0]["opencv"] = "4.9.0"
    assert not driver._alike(labels, film)
