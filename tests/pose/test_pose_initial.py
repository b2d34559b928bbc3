"""Where the first weights come from; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from mspn_reference import random_state, run

from poof import torchvision_ops
from poof.errors import PoofError
from poof.pose import initial as initial_module
from poof.pose import initial_network, load_model
from poof.pose.transfer import COCO_KEYPOINTS

TWELVE = tuple(f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in "lr")


def test_random_is_another_network_for_another_seed_and_the_same_for_the_same() -> None:
    def first(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        network, fresh = initial_network(("a", "b"), stages=1, body="resnet18")
        assert fresh == ["a", "b"]
        return network.state_dict()["top.conv.conv.weight"]

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0), first(1))


@torch.no_grad()
def test_mspn50_coco_comes_from_mmposes_address(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    state = random_state("mmpose", 1)
    old = {name.replace("head.", "keypoint_head."): value for name, value in state.items()}

    def fake(url: str, **options: Any) -> dict[str, Any]:
        asked.append((url, options["weights_only"]))
        return {"meta": {"epoch": 210}, "state_dict": old}

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fake)
    network, fresh = initial_network(TWELVE, "mspn50-coco", stages=1)
    assert asked == [
        ("https://download.openmmlab.com/mmpose/top_down/mspn/mspn50_coco_256x192-8fbfb5d0_20201123.pth", True)
    ]
    assert fresh == []
    images = torch.randn(1, 3, 64, 64)
    expected = run(state, images, 1, "mmpose")[:, :, :, 5:]  # the thesis' twelve are COCO's last twelve
    got = network.eval()(images)
    assert (got - expected).abs().max() < 1e-5 * expected.abs().max()
    assert initial_module._MSPN_URLS[2].endswith("/2xmspn50_coco_256x192-c8765a5c_20201123.pth")


def test_what_cannot_be_downloaded_is_said_with_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    with pytest.raises(PoofError, match=r"https://download.openmmlab.com/.*2xmspn50.*no route to host.*--init PATH"):
        initial_network(TWELVE, "mspn50-coco")
    torchvision_ops.ensure()
    from torchvision.models import ResNet18_Weights

    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", offline)
    with pytest.raises(PoofError, match=r"https://download.pytorch.org/models/resnet18.*cannot be downloaded"):
        initial_network(TWELVE, "imagenet", body="resnet18")


def test_imagenet_fills_every_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    torchvision_ops.ensure()
    from torchvision.models import ResNet18_Weights, resnet18

    torch.manual_seed(2)
    source = resnet18(weights=None).state_dict()
    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", lambda *_, **__: source)
    network, fresh = initial_network(("a",), "imagenet", stages=2, body="resnet18")
    assert fresh == ["a"]
    for stage in (0, 1):
        name = f"stage{stage}.downsample.layer4.1.conv_bn_relu2.conv.weight"
        assert torch.equal(network.state_dict()[name], source["layer4.1.conv2.weight"])


def test_a_torchvision_file_works_as_well(tmp_path: Path) -> None:
    torchvision_ops.ensure()
    from torchvision.models import resnet18

    path = tmp_path / "resnet18.pth"
    torch.save(resnet18(weights=None).state_dict(), path)
    network, _ = initial_network(("a",), str(path), stages=1)
    assert network.body == "resnet18"


@torch.no_grad()
@pytest.mark.parametrize(
    ("naming", "wrapper", "turned"),
    [
        ("official", "model", True),
        ("mmpose", "model", False),
        *(pytest.param("official", wrapper, True, marks=pytest.mark.slow) for wrapper in ("", "state_dict")),
    ],
)
def test_the_names_tell_whether_the_channels_are_turned(
    tmp_path: Path, naming: str, wrapper: str, turned: bool
) -> None:
    state = random_state(naming, 1, seed=2)
    path = tmp_path / "mspn_1xstg_coco.pth"
    torch.save({wrapper: state, "iteration": 96000} if wrapper else state, path)
    images = torch.randn(1, 3, 64, 64)
    expected = run(state, images.flip(1) if turned else images, 1, naming)  # the official one saw BGR, ours see RGB
    network, fresh = initial_network(COCO_KEYPOINTS, str(path))
    assert fresh == []
    assert (network.eval()(images) - expected).abs().max() < 1e-5 * expected.abs().max()
    model = load_model(path)
    assert model.skeleton.keypoints == COCO_KEYPOINTS and model.input_size == (256, 192)
    assert (model.network(images) - expected).abs().max() < 1e-5 * expected.abs().max()


@torch.no_grad()
def test_a_model_of_mpii_predicts_its_sixteen_joints(tmp_path: Path) -> None:
    state = random_state("official", 1, keypoints=16, seed=3)
    path = tmp_path / "mspn_1xstg_mpii.pth"
    torch.save({"model": state}, path)
    model = load_model(path)
    assert model.skeleton.keypoints[:3] == ("right_ankle", "right_knee", "right_hip") and model.input_size == (256, 256)
    # The official pairs of mirrored joints.
    assert model.mirror == [5, 4, 3, 2, 1, 0, 6, 7, 8, 9, 15, 14, 13, 12, 11, 10]
    images = torch.randn(1, 3, 64, 64)
    expected = run(state, images.flip(1), 1, "official")
    assert (model.network(images) - expected).abs().max() < 1e-5 * expected.abs().max()
    network, fresh = initial_network(("nose", "left_wrist", "pelvis"), str(path))
    assert fresh == ["nose"]
    got = network.eval()(images)[:, :, :, 1:]
    assert (got - expected[:, :, :, [15, 6]]).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize(
    "ending", ["", *(pytest.param(ending, marks=pytest.mark.slow) for ending in ("stage0.downsample.", "downsample."))]
)
def test_the_official_imagenet_file_fills_every_stage(tmp_path: Path, ending: str) -> None:
    """A ResNet under what the official names end with; the release loads what fits the end of a name."""
    body = {
        name.replace("stage0.downsample.", ending): value
        for name, value in random_state("official", 1, seed=4).items()
        if ".upsample." not in name and not name.endswith("conv.bias")
    }
    path = tmp_path / "resnet-50_rename.pth"
    torch.save(body | {"fc.weight": torch.zeros(1000, 2048)}, path)
    network, fresh = initial_network(("a", "b"), str(path))
    assert (network.body, network.stages, fresh) == ("resnet50", 2, ["a", "b"])
    ours = network.state_dict()
    assert torch.equal(ours["top.conv.conv.weight"], body["top.conv.conv.weight"].flip(1))  # BGR, as above
    for stage in (0, 1):
        name = "layer4.0.downsample.conv.weight"
        assert torch.equal(ours[f"stage{stage}.downsample.{name}"], body[ending + name])
    with pytest.raises(PoofError, match=r"rename\.pth: is a ResNet, which has no heat maps; train with it"):
        load_model(path)
    torch.save(body | {"layer5.weight": torch.zeros(1)}, path)
    with pytest.raises(PoofError, match=r"1 tensors unknown \(layer5.weight"):
        initial_network(("a", "b"), str(path))


def test_files_that_do_not_fit_the_wish(tmp_path: Path) -> None:
    path = tmp_path / "one.pth"
    torch.save({"model": random_state("official", 1, 5)}, path)
    for options, message in (
        ({"stages": 2}, "one.pth: has stages 1, not 2; leave --stages out"),
        ({"body": "resnet18"}, "one.pth: has body resnet50, not resnet18"),
        (
            {},
            "one.pth: has 5 heat maps without names, the labels have 3 keypoints; only COCO's 17 and MPII's 16 joints",
        ),
    ):
        with pytest.raises(PoofError, match=message):
            initial_network(("a", "b", "c"), str(path), **options)  # type: ignore[arg-type]
    network, fresh = initial_network(("a", "b", "c", "d", "e"), str(path))  # as many: taken to be the same ones
    assert (network.stages, network.conv_bias, fresh) == (1, True, [])
    with pytest.raises(PoofError, match="mspn50-coco is built on resnet50, not resnet18"):
        initial_network(TWELVE, "mspn50-coco", body="resnet18")
    with pytest.raises(PoofError, match="there is no such checkpoint"):
        initial_network(TWELVE, str(tmp_path / "none.pt"))
