"""Two processes train as one does, and one that dies stops the other."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from parallel_worker import train_clips, train_points

from poof.errors import PoofError
from poof.parallel import ALONE, Group, Share, joined
from poof.pose.model import read_checkpoint as read_pose
from poof.recog.checkpoint import read_checkpoint
from poof.recog.data.motion_task import render_task

WORKER = Path(__file__).with_name("parallel_worker.py")


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("task")
    render_task(folder, train=16, test=8, frames=8, size=32)
    return folder


def two_processes(body: str, task: Path, out: Path) -> list[tuple[int, str]]:
    """Exit code and error output of either process; as torchrun starts them, without its own process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = []
    for rank in range(2):
        environment = os.environ | {
            "WORLD_SIZE": "2",
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(sys.path),
            "TORCH_CPP_LOG_LEVEL": "ERROR",
        }
        command = [sys.executable, str(WORKER), body, str(task), str(out)]
        started.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    try:
        return [(one.wait(300), one.communicate()[1]) for one in started]
    finally:
        for one in started:
            one.kill()


@pytest.mark.parametrize("body", ["unet", pytest.param("resnet18", marks=pytest.mark.slow)])
def test_two_processes_train_as_one_does_and_one_goes_on_and_one_that_dies_stops_the_other(
    body: str, task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr("poof.recog.training.curves.draw_curves", lambda table, path: None)
    (code, said), (killed, other) = two_processes(body, task, tmp_path)
    assert (tmp_path / "found.json").exists(), (said, other)  # what was trained before one of them died
    assert killed == -9
    assert code == 1
    assert "process 1 of 2 stops, because another one ended" in said
    assert "Traceback" not in said
    found = json.loads((tmp_path / "found.json").read_text())
    alone = train_clips(task, tmp_path / "alone", ALONE)
    for key in ("loss", "accuracy", "val_top1", "val_loss"):
        assert found["clips"][0][key] == pytest.approx(alone[0][key], abs=2e-5), key
    # One process goes on where two stopped: the second epoch is that of the run of one process.
    assert read_checkpoint(tmp_path / "clips" / "last.pt")["training"]["state"]["epoch"] == 1
    rows = train_clips(task, tmp_path / "clips", ALONE, resume=True)
    assert rows[1]["loss"] == pytest.approx(alone[1]["loss"], abs=1e-3)
    rows = train_points(tmp_path / "points-alone", ALONE, body)
    assert len(found["points"]) == len(rows)
    for two, one in zip(found["points"], rows):
        # Adam makes whole steps of gradients that are rounding (biases in front of norms, ties in poolings).
        assert two["train_loss"] == pytest.approx(one["train_loss"], rel=1e-3)
    judged = [read_pose(tmp_path / name / "best.pt")["validation"]["points"] for name in ("points", "points-alone")]
    assert judged == [12, 12]  # three examples of four points, each once


def test_shares_of_a_batch_are_all_of_it_once() -> None:
    class Two(Group):
        size = 2

        def __init__(self, rank: int) -> None:
            super().__init__()
            self.rank = rank

    batches = [[1, 2, 3, 4, 5], [6, 7, 8]]
    shares = [list(Share(batches, Two(rank))) for rank in range(2)]
    assert shares[0] == [[1, 2], [6, 7, 8]]  # three are too few to leave two to each: both compute them all
    assert shares[1] == [[3, 4, 5], [6, 7, 8]]
    two = Two(1)
    two.rows = (2, 5, 5)
    assert two.weight == pytest.approx(3 * 2 / 5)
    two.rows = (0, 3, 3)
    assert two.whole
    assert two.weight == 1


def test_an_environment_that_is_not_torchruns_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(PoofError, match="start with torchrun --nproc-per-node N"), joined("cpu"):
        pass
    monkeypatch.setenv("WORLD_SIZE", "1")
    with joined("cpu") as (group, device):
        assert group is ALONE
        assert device == "cpu"
