"""State dicts of other origin: names, biases, and files that do not fit."""

from __future__ import annotations

import pytest
import torch
from mspn_reference import random_state, shapes

from poof import torchvision_ops
from poof.errors import PoofError
from poof.pose.mspn import MSPN
from poof.pose.naming import Architecture, architecture_of, load, load_resnet, match_bias, to_mmpose, to_ours


def tiny(seed: int = 0, **options: object) -> MSPN:
    torch.manual_seed(seed)
    network = MSPN(3, 1, body="resnet18", **options)  # type: ignore[arg-type]
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias)
            torch.nn.init.normal_(module.running_mean)  # type: ignore[arg-type]
            torch.nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
        elif isinstance(module, torch.nn.Conv2d) and module.bias is not None:
            torch.nn.init.normal_(module.bias)
    return network.eval()


@torch.no_grad()
def test_folding_biases_away_and_adding_zeros_keeps_the_output() -> None:
    images, network = torch.randn(1, 3, 64, 64).double(), tiny().double()
    bare = tiny(conv_bias=False).double()
    load(bare, network.state_dict(), "with biases")
    torch.testing.assert_close(bare(images), network(images))
    again = tiny(seed=5).double()
    load(again, bare.state_dict(), "without")
    torch.testing.assert_close(again(images), network(images))
    assert not any(v.any() for n, v in again.state_dict().items() if n.endswith("conv.bias"))


def test_folding_is_the_bias_rule_by_hand() -> None:
    state = {
        "a.conv.weight": torch.zeros(2, 1, 1, 1),
        "a.conv.bias": torch.tensor([1.0, -2.0]),
        "a.bn.running_mean": torch.tensor([0.5, 0.5]),
        "a.bn.weight": torch.ones(2),
    }
    folded = match_bias(state, conv_bias=False)
    assert folded["a.bn.running_mean"].tolist() == [-0.5, 2.5]
    assert "a.conv.bias" not in folded
    kept = match_bias({k: v for k, v in state.items() if k != "a.conv.bias"}, conv_bias=True)
    assert kept["a.conv.bias"].tolist() == [0, 0]
    assert kept["a.bn.running_mean"].tolist() == [0.5, 0.5]


def test_older_mmpose_files_and_wrapped_ones() -> None:
    state = random_state("mmpose", 1)
    old = {name.replace("head.", "keypoint_head."): value for name, value in state.items()}
    wrapped = {f"module.{name}": value for name, value in old.items()}
    expected = to_ours(state, "file")
    for variant in (old, wrapped):
        got = to_ours(variant, "file")
        assert got.keys() == expected.keys()
        assert all(torch.equal(got[name], expected[name]) for name in got)


def test_to_mmpose_and_back_is_the_same_network() -> None:
    network = tiny(conv_bias=False)
    there = to_mmpose(network.state_dict())
    assert all(name.startswith(("backbone.", "head.")) for name in there)
    back = to_ours(there, "file")
    assert all(torch.equal(back[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize("naming", ["official", "mmpose"])
@pytest.mark.parametrize("stages", [1, 2, 4])
def test_the_architecture_is_read_from_the_file(naming: str, stages: int) -> None:
    state = {name: torch.empty(shape, device="meta") for name, shape in shapes(naming, stages, 12).items()}
    found = architecture_of(to_ours(state, "file"), "file")
    assert found == Architecture(12, stages, naming == "official", "resnet50")


@pytest.mark.parametrize("body", ["resnet18", pytest.param("resnet50", marks=pytest.mark.slow)])
def test_every_stage_starts_from_a_torchvision_resnet(body: str) -> None:
    torchvision_ops.ensure()
    from torchvision import models

    torch.manual_seed(1)
    resnet = getattr(models, body)(weights=None)
    network = MSPN(4, 2, body=body)
    heads = {n: v.clone() for n, v in network.state_dict().items() if ".upsample." in n}
    load_resnet(network, resnet.state_dict(), "file")
    after = network.state_dict()
    assert all(torch.equal(after[n], v) for n, v in heads.items())
    source = resnet.state_dict()
    for stage in (0, 1):
        block = f"stage{stage}.downsample.layer3.1.conv_bn_relu2"
        assert torch.equal(after[f"{block}.conv.weight"], source["layer3.1.conv2.weight"])
        assert torch.equal(after[f"{block}.bn.running_var"], source["layer3.1.bn2.running_var"])
        assert torch.equal(
            after[f"stage{stage}.downsample.layer2.0.downsample.bn.weight"], source["layer2.0.downsample.1.weight"]
        )
    assert torch.equal(after["top.conv.conv.weight"], source["conv1.weight"])
    with torch.no_grad():  # the levels of the first stage are the ResNet's own features
        images, resnet, network = torch.randn(1, 3, 64, 64), resnet.eval(), network.eval()
        x = resnet.maxpool(resnet.relu(resnet.bn1(resnet.conv1(images))))
        for layer in (resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4):
            x = layer(x)
        levels = network.get_submodule("stage0").downsample(network.top(images), None)  # type: ignore[operator]
        torch.testing.assert_close(levels[-1], x, rtol=1e-4, atol=1e-4)


def test_files_that_do_not_fit_are_named_with_what_is_wrong() -> None:
    network, state = tiny(), dict(tiny().state_dict())
    cases = [
        ({"weight": torch.zeros(1)}, "holds no MSPN"),
        ({k: v for k, v in state.items() if "up2" not in k}, "28 tensors missing .stage0.upsample.up2"),
        (state | {"stage0.extra": torch.zeros(1)}, "1 tensors unknown .stage0.extra"),
        (state | {"stage0.upsample.up4.res_conv2.conv.weight": torch.zeros(9, 256, 3, 3)}, "has shape .9, 256, 3, 3."),
        (to_mmpose(state) | {"backbone.more": torch.zeros(1)}, "1 tensors unknown .backbone.more"),
        (MSPN(3, 2, body="resnet18").state_dict(), "tensors unknown"),
    ]
    for wrong, message in cases:
        with pytest.raises(PoofError, match=f"some.pt: .*{message}"):
            load(network, wrong, "some.pt")
    with pytest.raises(PoofError, match="is not the resnet18"):
        load_resnet(network, {"conv1.weight": torch.zeros(64, 3, 7, 7)}, "some.pt")
    with pytest.raises(PoofError, match="no heat-map heads"):
        architecture_of({k: v for k, v in state.items() if "upsample" not in k}, "some.pt")
