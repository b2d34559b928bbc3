"""What `create_flow` takes, what it says about it, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from poof.errors import PoofError
from poof.flow import available, create_flow
from poof.flow.device import gpu_driver, resolve_device


class Recorder:
    """Stands in for RAFT where a test has no CUDA device."""

    def __init__(self, name: str, weights: Path | None, device: str, *_: Any) -> None:
        self.name, self.weights, self.device = name, weights, device


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with one GPU and an empty torch cache; gives the folder of cached weights."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("poof.flow.device.gpu_driver", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr("poof.flow.raft.RaftFlow", Recorder)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_auto_takes_dis_without_cuda(no_cuda: None) -> None:
    flow = create_flow("auto")
    assert flow.name == "dis"
    assert flow.reason.startswith("dis, as good on a CPU as raft-small")
    assert "\n" not in flow.reason


def test_auto_says_that_weights_stay_unused_on_a_cpu(no_cuda: None, tmp_path: Path) -> None:
    weights = tmp_path / "mine.pth"
    weights.touch()
    flow = create_flow("auto", weights=weights)
    assert flow.name == "dis"
    assert "mine.pth stays unused" in flow.reason


def test_auto_takes_raft_large_on_cuda_when_its_weights_are_cached(cuda: Path) -> None:
    (cuda / "raft_large_C_T_SKHT_V2-ff5fadd5.pth").touch()
    flow = create_flow("auto")
    assert flow.name == "raft-large"
    assert flow.device == "cuda"  # type: ignore[attr-defined]
    assert "CUDA" in flow.reason and "on cuda" in flow.reason


def test_auto_takes_dis_on_cuda_without_weights_and_downloads_nothing(
    cuda: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("auto must not download")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    flow = create_flow("auto")
    assert flow.name == "dis"
    assert "not at hand" in flow.reason and "https://" in flow.reason


def test_auto_on_cuda_takes_the_kind_that_the_given_weights_hold(cuda: Path, small_weights: Path) -> None:
    flow = create_flow("auto", weights=small_weights)
    assert flow.name == "raft-small"
    assert flow.weights == small_weights  # type: ignore[attr-defined]
    assert "raft-small.pth" in flow.reason


def test_auto_on_cuda_refuses_weights_of_something_else(cuda: Path, tmp_path: Path) -> None:
    torch.save({"backbone.weight": torch.zeros(3)}, tmp_path / "pose.pth")
    with pytest.raises(PoofError, match=r"pose\.pth: holds no RAFT network"):
        create_flow("auto", weights=tmp_path / "pose.pth")


def test_an_explicit_cpu_keeps_auto_off_cuda(cuda: Path) -> None:
    (cuda / "raft_large_C_T_SKHT_V2-ff5fadd5.pth").touch()
    assert create_flow("auto", device="cpu").name == "dis"


def test_an_unknown_name_tells_those_that_are_near() -> None:
    with pytest.raises(PoofError, match=r"^unknown flow 'raft'; valid: .*raft-small.* \(\d+ in all\)$"):
        create_flow("raft")
    assert {"auto", "dis", "raft-small", "raft-large", "raft-small>dis"} <= set(available())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "dis", "preset": "slow"}, "unknown DIS preset 'slow'; valid: ultrafast, fast, medium"),
        ({"name": "raft-small", "precision": "int8"}, "unknown precision 'int8'; valid: fp32, bf16, fp16"),
        ({"name": "raft-small", "iterations": 0}, "0 iterations; at least 1"),
        ({"name": "raft-small", "compile": True}, "compiling is for CUDA only"),
        ({"name": "raft-small", "precision": "fp16"}, "fp16 is for GPUs"),
        ({"name": "dis", "device": "gpu"}, "unknown device 'gpu'; valid: auto, cpu, cuda, cuda:N or mps"),
        ({"name": "dis", "device": "cpu:1"}, "unknown device 'cpu:1'"),
        ({"name": "dis", "device": "cuda:x"}, "unknown device 'cuda:x'"),
        ({"name": "dis", "weights": Path("nowhere.pth")}, "nowhere.pth: there is no such weights file"),
    ],
)
def test_a_wrong_option_is_one_clear_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(PoofError) as caught:
        create_flow(**{"device": "cpu"} | options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
@pytest.mark.parametrize("name", ["auto", "dis", "raft-small"])
def test_cuda_asked_for_but_absent(no_cuda: None, name: str, device: str) -> None:
    with pytest.raises(PoofError, match=f"device '{device}': torch .*; use --device cpu"):
        create_flow(name, device=device)


def test_a_gpu_beyond_the_last(cuda: Path) -> None:
    assert str(resolve_device("cuda:0")) == "cuda:0"
    with pytest.raises(PoofError, match="device 'cuda:3': this machine has 1 GPUs"):
        resolve_device("cuda:3")


def test_mps_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(PoofError, match="device 'mps': needs an Apple GPU"):
        resolve_device("mps")


def test_dis_does_not_wait_for_torch() -> None:
    code = (
        "import sys; from poof.flow import create_flow; create_flow('dis'); create_flow('dis-coarse')\n"
        "print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_the_default_on_a_cpu_needs_no_torch_from_labels_to_labels(tmp_path: Path) -> None:
    """Importing torch takes longer than carrying labels through a short clip, and only tables need pandas."""
    code = (
        "import sys, poof; from poof.flow import device; from poof.synthetic import SyntheticVideo, sample, truth\n"
        "device.gpu_driver = lambda: False\n"
        "scene = sample('constant', velocity=(1.0, 0.5), frames=6); labels = truth(scene)\n"
        "first = labels.replace(instances={k: v for k, v in labels.instances.items() if k[0] == 0})\n"
        "carried = poof.propagate(SyntheticVideo(scene), first, radius=5)\n"
        "print(len(carried.frames), sorted({'torch', 'pandas'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "6 []"


def test_a_driver_is_found_by_its_library_or_device(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    monkeypatch.setattr("poof.flow.device.ctypes.CDLL", loaded.append)
    assert gpu_driver() and loaded == ["libcuda.so.1"]

    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr("poof.flow.device.ctypes.CDLL", missing)
    monkeypatch.setattr("poof.flow.device.Path.exists", lambda path: False)
    assert not gpu_driver()
    monkeypatch.setattr("poof.flow.device.Path.exists", lambda path: str(path) == "/dev/kfd")
    assert gpu_driver()
