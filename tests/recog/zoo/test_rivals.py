"""Knobs of the compared systems, double precision, explanations behind a tail, and the kept table of costs."""

from __future__ import annotations

import json

import pytest
import torch

from poof import recog
from poof.meta_device import on_meta
from poof.recog.catalogue import catalogue
from poof.recog.core.module import Shape
from poof.recog.cost.table import COSTS, count_all
from poof.recog.explain.pyramids import class_feature_pyramid
from poof.recog.explain.tubes import evidence
from poof.recog.zoo.backbones import BACKBONES
from poof.recog.zoo.modules import MODULES
from poof.recog.zoo.modules.nonlocal_ import NonLocal
from poof.recog.zoo.modules.pwtp import DynamicAppearance, project
from poof.recog.zoo.modules.rnl import RegionNonLocal
from poof.recog.zoo.networks import NETWORKS


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def test_laterals_at_stages_keep_the_direction_of_their_block() -> None:
    # Eq. 5.5 with i = 1, 4, 8, 14: the first blocks of ResNet-50's stages.
    with on_meta():
        model = recog.build_model("bqn-resnet50:at=stages", (), 2, 3, size=64)
    assert [(n, lateral.way) for n, lateral in model.laterals.items()] == [  # type: ignore[union-attr, operator]
        ("0", "to quiet"),
        ("3", "to busy"),
        ("7", "to busy"),
        ("13", "to busy"),
    ]


@pytest.mark.parametrize("name", ["bqn-resnet50:backbone=resnet18_quarter", "resnet18_quarter"])
def test_double_precision(name: str) -> None:
    model = recog.build_model(name, ["mbpm"] if name.startswith("resnet") else (), 2, 3, size=32).eval()
    clips = torch.rand(*model.clip_shape)
    with torch.inference_mode():
        single, double = model(clips), model.double()(clips.double())
    assert double.dtype == torch.float64
    assert torch.allclose(single.double(), double, atol=1e-3)


def test_dot_products_with_and_without_relu() -> None:
    plain = RegionNonLocal(Shape(2, 8, 4, 4), affinity="dot", kernel="3x3x3")
    rectified = RegionNonLocal(Shape(2, 8, 4, 4), affinity="dot", relu=True, kernel="3x3x3")
    q, v = torch.randn(1, 5, 4), torch.randn(1, 5, 4)
    scores = q[0] @ q[0].T / 5
    assert torch.allclose(plain.attend(q, v)[0], scores @ v[0], atol=1e-6)
    assert torch.allclose(rectified.attend(q, v)[0], scores.relu() @ v[0], atol=1e-6)


def test_keys_of_a_quarter_of_the_cells() -> None:
    x = torch.randn(1, 2, 8, 4, 4)
    for block in (NonLocal(x_shape := Shape(2, 8, 4, 4), sub=True), RegionNonLocal(x_shape, kernel="3x3x3", sub=True)):
        torch.nn.init.ones_(block.norm.weight)
        assert block.eval()(x).shape == x.shape
    whole = NonLocal(x_shape)
    whole.load_state_dict(NonLocal(x_shape, sub=True).state_dict())  # the same weights serve both
    # Where every four cells are alike, a quarter of them gives the same attention.
    torch.nn.init.ones_(whole.norm.weight)
    few = NonLocal(x_shape, sub=True)
    few.load_state_dict(whole.state_dict())
    flat = torch.randn(1, 2, 8, 2, 2).repeat_interleave(2, 3).repeat_interleave(2, 4)
    assert torch.allclose(whole.eval()(flat), few.eval()(flat), atol=1e-5)


def test_a_stream_of_flow_alone() -> None:
    model = recog.build_model("flow-resnet50:backbone=resnet18_quarter,k=3,d=1", (), 2, 4, size=32).eval()
    assert model.classifiers == ("flow.backbone.fc",)
    with torch.inference_mode():
        scores = model(torch.rand(1, 6, 3, 32, 32))
    assert scores.shape == (1, 4)
    assert scores.exp().sum() == pytest.approx(1, abs=1e-5)
    plain = recog.build_model("flow-resnet50:backbone=resnet18_quarter,k=3,d=0", (), 2, 4, size=32).eval()
    with torch.inference_mode():
        assert plain(torch.rand(1, 6, 3, 32, 32)).shape == (1, 4)


def test_mfnet_is_explained_through_its_tail_multiplexer_and_shortcut() -> None:
    model = recog.build_model("mfnet", (), 4, 5, size=32).eval()
    clip = torch.randn(4, 3, 32, 32)
    found = evidence(model, clip, 2)
    assert found.source == "classifier"
    assert torch.equal(found.weights, model.backbone.classifier.weight[2].detach())  # type: ignore[union-attr]
    pyramid = class_feature_pyramid(model, clip, 2, theta=0.9, depth=5)
    names = [layer.removeprefix("input of ") for layer in pyramid.layers[1:]]
    assert [name.split(".")[-2] for name in names] == ["conv_m2", "conv_m1", "conv_i2", "conv_i1", "conv_m2"]
    # What the multiplexer is added to joins its input: channels of level 2 are handed on to level 4.
    assert set(pyramid.channels(2)) <= set(pyramid.channels(4))


def test_the_kept_costs_are_those_of_the_networks() -> None:
    kept = json.loads(COSTS.read_text())
    assert set(kept) == {*BACKBONES, *NETWORKS, *(f"resnet18 + {name}" for name in MODULES)}
    with on_meta():
        for name, modules in (("resnet18", ()), ("resnet18", ("m2a",)), ("mobilenet_v2", ()), ("mfnet", ())):
            cost = recog.profile(recog.build_model(name, modules, 8, 174))
            one = kept[" + ".join((name, *modules))]
            assert (one["parameters"], one["macs"]) == (cost.parameters, cost.count.macs), name
    rows = {row["network"]: row for row in catalogue()["tables"]["Networks"]}
    assert rows["m2a-resnet18"]["published GMACs"] == 14.81
    assert rows["zeng-r2plus1d_18"]["setting"] == "16 x 112 px, 200 classes"
    assert count_all.__doc__


def test_enopr_sums_over_the_frames_of_a_segment() -> None:
    model = DynamicAppearance(Shape(8, 3, 32, 32), t=4).train()
    x = torch.rand(1, 8, 3, 32, 32)
    with torch.no_grad():
        model(x)
        segments = x.unflatten(1, (2, 4)).flatten(0, 1)
        residual = segments - project(model.matrix(segments), segments)
    expected = residual.square().sum() / (2 * 3 * 32 * 32)  # segments, colours and cells are averaged, frames are not
    assert model.losses()["enopr"].item() == pytest.approx(expected.item(), rel=1e-5)
