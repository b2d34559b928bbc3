"""Pose checkpoints are checked before they are used: damage, NaN, senseless values, names of wrappers."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from poof.checkpoints import save_checkpoint
from poof.errors import PoofError
from poof.labels import Skeleton
from poof.pose.initial import initial_network
from poof.pose.model import PoseModel, load_model
from poof.pose.run import resumable
from poof.pose.transfer import COCO_KEYPOINTS
from poof.pose.unet import UNet


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    torch.manual_seed(0)
    return PoseModel(UNet(2), Skeleton(("nose", "tail"), ((0, 1),)), (64, 64), confidence=(0.0, 1.0)).as_dict()


def refused(tmp_path: Path, content: Any) -> str:
    """What is said of a checkpoint with that content, by every reader that could use it."""
    path, said = tmp_path / "m.pt", set()
    torch.save(content, path)
    for read in (load_model, lambda p: initial_network(("nose", "tail"), str(p))):
        with pytest.raises(PoofError) as caught:
            read(path)
        said.add(str(caught.value))
        assert "\n" not in str(caught.value) and len(str(caught.value)) - len(str(path)) < 250
    return " | ".join(said)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nan_weights_are_refused(tmp_path: Path, content: dict[str, Any], value: float) -> None:
    broken = copy.deepcopy(content)
    name = next(name for name, tensor in broken["network"].items() if tensor.is_floating_point())
    broken["network"][name].view(-1)[-1] = value
    assert f"{name} holds NaN or infinity" in refused(tmp_path, broken)


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": {"num_keypoints": 10**9, "stages": 1, "conv_bias": True, "body": "unet"}},
        {"architecture": {"num_keypoints": 2, "stages": 1, "conv_bias": True, "body": "vgg"}},
        {"architecture": {"num_keypoints": "2", "stages": 1, "conv_bias": True, "body": "unet"}},
        {"architecture": [2, 1]},
        {"architecture": {"wings": 2}},
        {"skeleton": {"name": "", "keypoints": ["nose", "tail"], "edges": [[0, 7]], "symmetry": []}},
        {"skeleton": {"name": "", "keypoints": ["nose", 3], "edges": [], "symmetry": []}},
        {"skeleton": {"name": "", "keypoints": [], "edges": [], "symmetry": []}},
        {"skeleton": None},
        {"version": torch.zeros(3)},
        {"architecture": {"num_keypoints": torch.zeros(3), "stages": 1, "conv_bias": True, "body": "unet"}},
        {"network": None},
        {"network": {"a": 3}},
        {"network": {}},
    ],
)
def test_senseless_values_are_refused(tmp_path: Path, content: dict[str, Any], change: dict[str, Any]) -> None:
    assert refused(tmp_path, content | change)


@pytest.mark.parametrize(
    "change",
    [
        {"input_size": [60000, 64]},
        {"input_size": [64]},
        {"input_size": [10**400, 64]},
        {"margin": math.nan},
        {"margin": -1.0},
        {"margin": "wide"},
        {"confidence": [1.0, math.nan]},
        {"confidence": [1.0]},
        {"confidence": 3},
        {"validation": 7},
        {"skeleton": {"name": "", "keypoints": ["a", "b", "c"], "edges": [], "symmetry": []}},
    ],
)
def test_what_a_model_cannot_be_used_with(tmp_path: Path, content: dict[str, Any], change: dict[str, Any]) -> None:
    torch.save(content | change, tmp_path / "m.pt")
    with pytest.raises(PoofError, match="is an incomplete checkpoint of poof"):
        load_model(tmp_path / "m.pt")


def test_a_changed_weight_is_noticed(tmp_path: Path, content: dict[str, Any]) -> None:
    path = tmp_path / "m.pt"
    save_checkpoint(path, content)
    assert load_model(path).skeleton.keypoints == ("nose", "tail")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10  # in the middle of the largest tensor
    path.write_bytes(data)
    with pytest.raises(PoofError, match="does not agree with its checksum"):
        load_model(path)


@pytest.fixture(scope="module")
def mspn_state() -> dict[str, torch.Tensor]:
    network, _ = initial_network(COCO_KEYPOINTS, "random", stages=1, body="resnet18")
    return network.state_dict()


@pytest.mark.parametrize(
    ("wrapper", "prefix"),
    [
        (None, ""),
        ("model_state_dict", "module._orig_mod."),
        *(pytest.param(*more, marks=pytest.mark.slow) for more in ((None, "module."), ("state_dict", "_orig_mod."))),
    ],
)
def test_the_names_of_wrappers(
    tmp_path: Path, mspn_state: dict[str, torch.Tensor], wrapper: str | None, prefix: str
) -> None:
    state = {f"{prefix}{name}": value for name, value in mspn_state.items()}
    torch.save({wrapper: state, "epoch": 9} if wrapper else state, tmp_path / "mspn.pt")
    loaded = load_model(tmp_path / "mspn.pt").network.state_dict()
    kernel = "top.conv.conv.weight"  # official names: trained on BGR
    assert torch.equal(mspn_state[kernel].flip(1), loaded[kernel])
    assert all(torch.equal(value, loaded[name]) for name, value in mspn_state.items() if name != kernel)


def state_of(content: dict[str, Any], **change: Any) -> dict[str, Any]:
    training = {
        "identity": "x", "step": 3, "top_score": -math.inf, "history": [{"step": 1}], "pending": [0.5],
        "fresh": ["tail"],
        "network": content["network"], "optimizer": {"state": {}, "param_groups": []},
    }  # fmt: skip
    return content | {"training": training | change}


def test_resume_states_are_checked(tmp_path: Path, content: dict[str, Any]) -> None:
    path = tmp_path / "last.pt"
    torch.save(state_of(content), path)
    assert resumable(path, "x")["training"]["step"] == 3
    nan = {name: value * math.nan for name, value in content["network"].items() if value.is_floating_point()}
    for change in (
        {"step": "3"}, {"step": -1}, {"step": 2.5}, {"top_score": None}, {"history": 3}, {"history": [{"step": "x"}]},
        {"history": [torch.zeros(3)]},
        {"pending": None}, {"pending": ["x"]}, {"fresh": 3}, {"fresh": [3]}, {"network": {}.get("x")}, {"network": nan},
        {"optimizer": []}, {"optimizer": {}}, {"optimizer": {"state": {0: {"exp_avg": torch.tensor([math.nan])}}}},
    ):  # fmt: skip
        torch.save(state_of(content, **change), path)
        with pytest.raises(PoofError, match=r"last\.pt"):
            resumable(path, "x")
    torch.save(content | {"training": 3}, path)
    with pytest.raises(PoofError, match="cannot be continued"):
        resumable(path, "x")
    torch.save(state_of(content), path)
    with pytest.raises(PoofError, match="was made with other labels or settings"):
        resumable(path, "y")
