"""Inception-ResNet-v2, S3D, P3D, r3d-50 with MTConvs, MTNet's other forms: counts by formula, values, gradients."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from poof import recog
from poof.errors import PoofError
from poof.meta_device import on_meta
from poof.recog.core.backbone import Host
from poof.recog.core.module import Shape
from poof.recog.core.weights import load_backbone
from poof.recog.cost.counting import count_forward, parameters
from poof.recog.zoo.backbones import BACKBONES
from poof.recog.zoo.backbones.inception_resnet import ResidualInception, Unit, inception_resnet_v2
from poof.recog.zoo.backbones.mtnet import LITERAL, MEASURED, mtnet, multi_temporal_r3d_50
from poof.recog.zoo.backbones.p3d import PseudoBottleneck, p3d_50
from poof.recog.zoo.backbones.s3d import s3d
from poof.recog.zoo.modules.class_regularisation import ClassRegularisation
from poof.recog.zoo.modules.dem import DynamicEquilibrium
from poof.recog.zoo.modules.mtconv import MTConv, MTConvOptions
from poof.recog.zoo.modules.tsm import TemporalShift
from poof.recog.zoo.networks import NETWORKS
from poof.recog.zoo.networks.mtnet import multi_temporal


@pytest.fixture(scope="module")
def inception() -> Host:
    with on_meta():
        return inception_resnet_v2(1000)


def test_inception_resnet_has_the_published_size_and_grids(inception: Host) -> None:
    # Keras and timm have 55.84 M parameters and 13.18 GMACs (with biases).
    net, shapes = inception.net, {}
    assert parameters(net) == 55_843_464
    for name in ("conv2d_1a", "conv2d_4a", "mixed_5b", "repeat", "repeat_1", "block8", "conv2d_7b"):
        net.get_submodule(name).register_forward_hook(
            lambda layer, inputs, y, name=name: shapes.update({name: tuple(y.shape[1:])})
        )
    assert count_forward(net, (1, 3, 299, 299)).macs / 1e9 == pytest.approx(13.18, abs=0.03)
    assert shapes == {
        "conv2d_1a": (32, 149, 149),
        "conv2d_4a": (192, 71, 71),
        "mixed_5b": (320, 35, 35),
        "repeat": (320, 35, 35),
        "repeat_1": (1088, 17, 17),
        "block8": (2080, 8, 8),
        "conv2d_7b": (1536, 8, 8),
    }
    published = {"repeat.9.branch2.2.conv.weight", "mixed_5b.branch3.1.bn.bias", "block8.conv2d.bias"}
    assert published <= set(net.state_dict())


def test_a_residual_inception_block_by_hand() -> None:
    block = ResidualInception(2, 2, 0.5, Unit(2, 1, 1), Unit(2, 1, 1)).eval()
    with torch.no_grad():
        block.branch0.conv.weight.copy_(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1))
        block.branch1.conv.weight.copy_(torch.tensor([0.0, -1.0]).view(1, 2, 1, 1))
        block.conv2d.weight.copy_(torch.tensor([[4.0, 8.0], [2.0, 6.0]]).view(2, 2, 1, 1))
        block.conv2d.bias.copy_(torch.tensor([0.0, -5.0]))
        y = block(torch.tensor([3.0, -2.0]).view(1, 2, 1, 1)).flatten()
    a, b = 3 / 1.001**0.5, 2 / 1.001**0.5  # the norms at their start, eps 1e-3
    assert y.tolist() == pytest.approx([3 + 0.5 * (4 * a + 8 * b), -2 + 0.5 * (2 * a + 6 * b - 5)], rel=1e-5)


def test_shifts_have_no_place_where_blocks_begin_with_branches(inception: Host) -> None:
    assert not TemporalShift.places(inception)
    assert [len([b for b in inception.blocks if b.stage == stage]) for stage in (1, 2, 3, 4)] == [1, 10, 20, 10]


# ------------------------------------------------------------------------------------------------------------ MTConv


def test_resnet_with_multi_temporal_convolutions() -> None:
    # Beside r3d-50: shares instead of dense kernels, the lateral 1x1x1, three norms for one, a GRU of one bias a gate.
    blocks = [(64, 3), (128, 4), (256, 6), (512, 3)]
    added = 0
    for channels, count in blocks:
        near = channels * 7 // 8
        far = channels - near
        kernels = 27 * (near**2 + far**2) + near * far + 2 * (near + 2 * far)
        added += count * (kernels - 27 * channels**2 - 2 * channels + 6 * channels**2 + 3 * channels)
    with on_meta():
        net = multi_temporal_r3d_50(400).net
    assert parameters(net) == 36_724_688 + added == 36_992_384  # 36.7 M without; 35.7 printed
    assert count_forward(net, (1, 3, 16, 224, 224)).macs / 1e9 == pytest.approx(38.445, abs=1e-3)  # 23.1 printed
    assert isinstance(net.get_submodule("layer2.0.conv2"), MTConv)
    row = NETWORKS["mtconv-r3d_50"].published[0]
    assert (row.mparams, row.gmacs) == (35.7, 23.1)


def test_time_is_halved_where_the_resnet_halves_it() -> None:
    torch.manual_seed(0)
    conv = MTConv(8, 16, (2, 2, 2), MTConvOptions(0.5)).eval()
    assert conv(torch.randn(1, 8, 8, 8, 8)).shape == (1, 16, 4, 4, 4)


def test_mtconvs_all_through_a_block_learn() -> None:
    torch.manual_seed(0)
    host = mtnet("mtnet_half", 3, MTConvOptions(0.5, split=True, separate=True), whole=True)
    block = host.net.get_submodule("s3.pathway0_res0.branch2")
    assert [type(block.get_submodule(name)) for name in "abc"] == [MTConv] * 3
    assert block.a.local.kernel_size == (1, 1, 1)
    loss = nn.functional.cross_entropy(host.net(torch.randn(2, 3, 4, 32, 32)), torch.tensor([0, 2]))
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in host.net.parameters())


def test_pointwise_shares_by_formula() -> None:
    conv = MTConv(24, 54, 1, MTConvOptions(split=True), kernel=1)
    assert parameters(conv) == 21 * 47 + 3 * 7 + 47 * 7 + 2 * (47 + 2 * 7)


def test_the_whole_form_gets_cheaper_with_delta_and_the_default_does_not() -> None:
    # Table 5.6 prints 10.8, 3.6 and 2.1 GMACs: 1, 0.33 and 0.19 of the first. MTNet-M whole has 1, 0.43 and 0.24.
    costs = {}
    for whole in (True, False):
        for delta in (1.0, 0.25):
            with on_meta():
                net = mtnet("mtnet_half", 9, MTConvOptions(delta, split=True, separate=True), whole=whole).net
            costs[whole, delta] = count_forward(net, (1, 3, 4, 64, 64)).macs
    assert costs[True, 0.25] < 0.5 * costs[True, 1.0]
    assert costs[False, 0.25] > 0.7 * costs[False, 1.0]


def test_a_table_of_a_knob_has_what_is_printed_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = NETWORKS["mtnet-m-whole"].published
    small = replace(NETWORKS["mtnet-m-whole"], backbone=partial(multi_temporal, backbone="mtnet_half", whole=True))
    monkeypatch.setitem(NETWORKS, "mtnet-m-whole", small)
    assert [row.knobs for row in printed if row.knobs][:3] == ["delta=1.0", "delta=0.875", "delta=0.75"]
    rows = recog.profile_over("mtnet-m-whole", "delta=0.75,0.6", frames=1, size=32, classes=400)
    row = rows[0]
    assert (row["printed GMACs"], row["printed M params"], row["printed top-1"]) == (6.7, 21.8, 83.1)
    assert "printed GMACs" not in rows[1]
    rows = recog.profile_over("resnet18_quarter", "div=8,4", ["tsm"], frames=2, classes=3, size=32)
    assert [row["div"] for row in rows] == ["8", "4"]
    assert "printed GMACs" not in rows[0]
    with pytest.raises(PoofError, match="write a knob and its values"):
        recog.profile_over("mtnet-m", "delta")


@pytest.mark.parametrize("options", [MEASURED, LITERAL])
def test_class_regularisation_of_either_form_adds_the_printed_parameters(options: MTConvOptions) -> None:
    with on_meta():
        host = mtnet("mtnet_m", 400, options)
    columns = [dict(place.knobs)["columns"] for place in ClassRegularisation.places(host)]
    # 0.74 M; 0.7 printed
    assert sum(c * n for c, n in zip(columns, (24, 48, 96, 192), strict=True)) == 737_280
    assert {"classreg-mtnet_m", "classreg-mtnet_m_literal"} <= set(NETWORKS)


# ------------------------------------------------------------------------------------------------------- S3D and P3D


def test_s3d_is_torchvisions_with_a_linear_classifier() -> None:
    from torchvision.models.video import S3D

    torch.manual_seed(0)
    published, host = S3D(5, dropout=0.0).eval(), s3d(5)
    load_backbone(host.net, published.state_dict(), "a file", host.classifier, host.inflated)
    x = torch.randn(1, 3, 14, 96, 96)
    published.avgpool = nn.AvgPool3d((2, 3, 3), 1)  # at this size its own window has no room
    host.net.eval()
    with torch.no_grad():
        features = host.net.get_submodule("features")(x)
        assert features.shape[2:] == (2, 3, 3)
        assert torch.allclose(host.net(x), published(x), atol=1e-6)
    assert parameters(s3d(400).net) == 8_320_048  # torchvision's own figure


@pytest.mark.parametrize(("manner", "expected"), [("A", 24.0), ("B", 14.0), ("C", 30.0), ("2", 6.0)])
def test_the_manners_of_p3d_by_hand(manner: str, expected: float) -> None:
    # One channel, one cell, the frames 2, 2, 2; S multiplies by 3 and T sums three frames: the middle frame.
    block = PseudoBottleneck(4, 1, 1, manner).eval()
    for norm in ("bn1", "bn2", "bn_t", "bn3"):
        if hasattr(block, norm):
            block.get_submodule(norm).eps = 0.0
    with torch.no_grad():
        for name, value in (("conv1", 0.25), ("conv3", 1.0)):
            block.get_submodule(name).weight.fill_(value)
        block.conv2.weight.zero_()
        block.conv2.weight[..., 1, 1] = 3.0
        if manner != "2":
            block.conv_t.weight.copy_(torch.tensor([1.0, 2.0, 1.0]).view(1, 1, 3, 1, 1))
        y = block(torch.full((1, 4, 3, 1, 1), 2.0))
    assert float(y[0, 0, 1]) == expected + 2.0


def test_p3d_is_a_resnet_50_with_temporal_convolutions() -> None:
    with on_meta():
        net = p3d_50(1000).net
    manners = [layer.manner for layer in net.modules() if isinstance(layer, PseudoBottleneck)]
    assert "".join(manners) == "ABCABCABCABCA222"
    widths = [width for width, units in zip((64, 128, 256), (3, 4, 6)) for _ in range(units)]
    over_time = sum(3 * width**2 + 2 * width for width in widths)
    assert parameters(net) == 25_557_032 + over_time  # torchvision's ResNet-50
    assert net(torch.empty(2, 3, 16, 64, 64, device="meta")).shape == (2, 1000)


# ---------------------------------------------------------------------------------------------------- DEM's fusions


def test_dem_sits_between_the_convolutions_of_either_host() -> None:
    with on_meta():
        hosts = {name: BACKBONES[name](3) for name in ("s3d", "p3d_50")}
    separable = [str(place) for place in DynamicEquilibrium.places(hosts["s3d"])]
    assert len(separable) == 2 + 2 * 9
    assert separable[:2] == ["before features.0.1.0", "before features.3.1.0"]
    assert [str(p) for p in DynamicEquilibrium.places(hosts["s3d"], "conv2", take="before")] == ["after features.3.0.0"]
    serial = [str(place) for place in DynamicEquilibrium.places(hosts["p3d_50"])]
    assert len(serial) == 9  # manners A and C
    assert serial[:2] == ["before layer1.0.conv_t", "before layer1.2.conv_t"]
    before = parameters(hosts["s3d"].net)
    with on_meta():
        DynamicEquilibrium.prepare(hosts["s3d"], match=True)
        added = sum(
            13 * hosts["s3d"].net.get_submodule(p.path).in_channels ** 2
            + 40 * (dict(p.knobs)["kernel"] == 7) * hosts["s3d"].net.get_submodule(p.path).in_channels ** 2
            for p in DynamicEquilibrium.places(hosts["s3d"])
        )
    assert 0.98 < (parameters(hosts["s3d"].net) + added) / before <= 1.0
    with pytest.raises(PoofError, match="leave match out"):
        DynamicEquilibrium.prepare(hosts["p3d_50"], match=True)


def test_fusions_of_dem_by_hand() -> None:
    shape, x = Shape(2, 1, 1, 1), torch.tensor([2.0, 3.0]).view(1, 1, 2, 1, 1)
    d = torch.tensor([5.0, 7.0]).view(1, 1, 2, 1, 1)
    side = DynamicEquilibrium(shape, signal="concat", kernel=1).fuse(d, x)
    assert side.flatten(2).tolist() == [[[5.0, 7.0], [2.0, 3.0]]]
    bilinear = DynamicEquilibrium(shape, signal="bilinear", kernel=1)
    with torch.no_grad():
        bilinear.mix[0].weight.fill_(2.0)
        bilinear.mix[1].weight.fill_(-1.0)
        assert bilinear.fuse(d, x).flatten().tolist() == [-20.0, -42.0]


@pytest.mark.parametrize("signal", ["concat", "bilinear"])
def test_fusions_of_dem_learn_and_keep_the_parameters(signal: str) -> None:
    torch.manual_seed(0)
    module = DynamicEquilibrium(Shape(4, 6, 5, 5), signal=signal)
    x = torch.randn(2, 4, 6, 5, 5)
    module(x).square().sum().backward()
    assert module(x).shape == x.shape
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in module.parameters())
    assert sum(p.numel() for p in module.spatial.parameters()) == 9 * 36 * (2 if signal == "concat" else 1)
    with on_meta():
        host = BACKBONES["r2plus1d_18_exact"](5)
        before = parameters(host.net)
        DynamicEquilibrium.prepare(host, match=True, signal=signal)
        inside = sum(
            parameters(DynamicEquilibrium(Shape(1, c, 1, 1), signal=signal, kernel=dict(p.knobs)["kernel"]))
            for p in DynamicEquilibrium.places(host)
            for c in (host.net.get_submodule(p.path).in_channels,)
        )
    assert 0.99 < (parameters(host.net) + inside) / before < 1.0 + 1e-3
