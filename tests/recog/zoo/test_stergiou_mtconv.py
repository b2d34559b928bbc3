"""MTConv and MTNet: channel splits, parameters and costs by formula, identities of the equations, the networks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from poof import recog
from poof.errors import PoofError
from poof.meta_device import on_meta
from poof.recog.cost.counting import count_forward, parameters
from poof.recog.explain import class_feature_pyramid
from poof.recog.zoo.backbones.mtnet import MEASURED, mtnet
from poof.recog.zoo.modules.mtconv import SELECTIONS, AlignedNorm, MTConv, MTConvOptions
from poof.recog.zoo.modules.softpool import POOLINGS, pool_space
from poof.recog.zoo.networks import NETWORKS


def volume(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------------------------------------------- the channels


@pytest.mark.parametrize(
    ("channels", "local"),
    [(24, 21), (48, 42), (54, 47), (96, 84), (108, 94), (192, 168), (216, 189), (432, 378), (64, 56), (512, 448)],
)
def test_channels_of_the_local_branch(channels: int, local: int) -> None:
    assert MTConvOptions().local(channels) == local


def test_shares_always_add_up() -> None:
    assert MTConvOptions(0.7).local(10) == 7  # floor and ceil of the printed formula would give 11 channels
    conv = MTConv(10, 10, options=MTConvOptions(0.7))
    assert (conv.local.out_channels, conv.prolonged.out_channels) == (7, 3)


@pytest.mark.parametrize(("inputs", "outputs", "split"), [(54, 54, False), (54, 54, True), (16, 24, False)])
def test_parameters_by_formula(inputs: int, outputs: int, split: bool) -> None:
    options = MTConvOptions(split=split)
    near, seen = options.local(outputs), options.local(inputs)
    far, rest = outputs - near, inputs - seen
    kernels = 27 * (seen * near + rest * far) if split else 27 * inputs * outputs
    conv = MTConv(inputs, outputs, options=options)
    assert parameters(conv) == kernels + near * far + 2 * (near + 2 * far)
    if not split:
        assert parameters(conv) > parameters(nn.Conv3d(inputs, outputs, 3, bias=False))


def test_costs_by_formula() -> None:
    conv = MTConv(54, 54).eval()
    counted = count_forward(conv, (1, 54, 4, 8, 8)).macs
    assert counted == 4 * 8 * 8 * 27 * 54 * 47 + 4 * 8 * 8 // 8 * (27 * 54 * 7 + 47 * 7)
    assert counted / (4 * 8 * 8 * 27 * 54 * 54) == pytest.approx(0.89, abs=0.005)
    shares = count_forward(MTConv(54, 54, options=MTConvOptions(split=True)), (1, 54, 4, 8, 8)).macs
    assert shares == 4 * 8 * 8 * 27 * 47 * 47 + 4 * 8 * 8 // 8 * (27 * 7 * 7 + 47 * 7)


# --------------------------------------------------------------------------------------------------- the equations


@pytest.mark.parametrize("stride", [1, 2])
def test_without_a_prolonged_branch_it_is_an_ordinary_convolution(stride: int) -> None:
    torch.manual_seed(0)
    conv = MTConv(5, 6, stride, MTConvOptions(1.0)).eval()
    plain = nn.Conv3d(5, 6, 3, (1, stride, stride), 1, bias=False)
    plain.load_state_dict(conv.local.state_dict())
    norm = nn.BatchNorm3d(6).eval()
    x = volume(2, 5, 4, 7, 7)
    with torch.no_grad():
        assert torch.equal(conv(x), norm(plain(x)).relu())
    assert conv.lateral is None


def test_by_its_equations() -> None:
    torch.manual_seed(0)
    conv, x = MTConv(8, 8).eval(), volume(1, 8, 8, 6, 6)
    for module in conv.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    with torch.no_grad():
        near = conv.local_bn(conv.local(x)).relu()
        halves = []
        for a in (near, x):
            small = pool_space(a)
            v = small[0].mean((2, 3))
            cos = nn.functional.cosine_similarity(v[:, :-1], v[:, 1:], dim=0)
            frames = (cos[:-1] + cos[1:]).argsort()[:4].sort().values + 1
            halves.append(small[:, :, frames])
        summed = conv.lateral_bn(conv.lateral(halves[0])).relu() + conv.prolonged_bn(conv.prolonged(halves[1])).relu()
        far = nn.functional.interpolate(summed, (8, 6, 6), mode="trilinear", align_corners=False)
        assert torch.allclose(conv(x), torch.cat([near, far], 1), atol=1e-6)


def test_without_weights_the_prolonged_half_is_zero() -> None:
    conv = MTConv(8, 8).eval()
    nn.init.zeros_(conv.lateral.weight)
    nn.init.zeros_(conv.prolonged.weight)
    with torch.no_grad():
        assert (conv(volume(1, 8, 4, 6, 6))[:, 7:] == 0).all()


def test_still_clips_are_constant_away_from_the_ends() -> None:
    torch.manual_seed(0)
    conv = MTConv(8, 8, options=MTConvOptions(0.5)).eval()
    still = volume(1, 8, 1, 6, 6).expand(-1, -1, 16, -1, -1)
    with torch.no_grad():
        y = conv(still)
    # Padding touches one frame of the halved time at either end, spread to three by the interpolation.
    assert torch.allclose(y[:, :, 3:13], y[:, :, 7:8].expand(-1, -1, 10, -1, -1), atol=1e-5)


def test_shared_frames_are_the_inputs() -> None:
    torch.manual_seed(1)
    x = volume(1, 8, 9, 6, 6)
    kept: list[torch.Tensor] = []
    for shared in (False, True):
        conv = MTConv(8, 8, options=MTConvOptions(0.5, shared=shared)).eval()
        down = conv.down

        def noted(x: torch.Tensor, k: torch.Tensor | None = None, down=down) -> tuple[torch.Tensor, torch.Tensor]:
            y, chosen = down(x, k)
            kept.append(chosen)
            return y, chosen

        conv.down = noted
        with torch.no_grad():
            conv(x)
    assert torch.equal(kept[2], kept[3])
    assert torch.equal(kept[0], kept[2])
    assert not torch.equal(kept[0], kept[1])


@pytest.mark.parametrize("options", [*({"pool": p} for p in POOLINGS), *({"selection": s} for s in SELECTIONS)])
@pytest.mark.parametrize("size", [(5, 7, 7), (1, 1, 1), (2, 14, 9)])
@pytest.mark.parametrize("stride", [1, 2])
def test_any_size_and_every_column_of_table_5_8(options: dict[str, str], size: tuple[int, ...], stride: int) -> None:
    torch.manual_seed(0)
    conv = MTConv(8, 8, stride, MTConvOptions(0.75, **options))
    x = volume(2, 8, *size).requires_grad_(True)
    y = conv(x)
    assert y.shape == (2, 8, size[0], -(-size[1] // stride), -(-size[2] // stride))
    y.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in conv.parameters())
    assert x.grad.isfinite().all()


def test_kernels_of_one_channel() -> None:
    options = MTConvOptions(split=True, separate=True)
    conv = MTConv(16, 16, options=options)
    assert (conv.local.groups, conv.prolonged.groups) == (14, 2)
    assert parameters(conv) == 27 * 16 + 14 * 2 + 2 * (14 + 4)
    for wrong, reason in (
        ({"separate": True}, "need branches that see their share: split=true"),
        ({"delta": 0.0}, r"must be in \(0, 1\]"),
        ({"pool": "min"}, "choose one of soft, average, max, stochastic"),
        ({"selection": "first"}, "choose one of least, most, uniform, pool"),
        ({"selection": "pool", "shared": True}, "symmetric pooling chooses no frames"),
    ):
        with pytest.raises(PoofError, match=reason):
            MTConvOptions(**wrong)
    with pytest.raises(PoofError, match="cannot be paired"):
        MTConv(16, 24, options=options)


@pytest.mark.parametrize("options", [MTConvOptions(0.75), MTConvOptions(0.75, split=True), MEASURED])
def test_pooled_kernel_is_the_response_to_even_activations(options: MTConvOptions) -> None:
    # Without norms and ReLU (positive weights), inside a large even volume, every path adds up.
    conv = MTConv(8, 8, options=options).eval()
    with torch.no_grad():
        for parameter in conv.parameters():
            if parameter.dim() > 1:
                parameter.uniform_(0, 1)
        means = torch.rand(8)
        even = means[None, :, None, None, None].expand(1, -1, 12, 12, 12)
        scale = (1 + 1e-5) ** 0.5
        y = conv(even)[0, :, 6, 6, 6] * scale
        near = options.local(8)
        kernel = conv.pooled_kernel()
        assert kernel.shape == (8, 8)
        groups = torch.tensor([27.0] * near + [0.0] * (8 - near))
        assert torch.allclose(y[:near], (groups[:, None] * kernel)[:near] @ means, rtol=1e-4)
        rows = kernel[:near]
        lateral = conv.lateral.weight[:, :, 0, 0, 0]
        own = kernel[near:] - lateral @ rows
        far = (27 * own @ means) + lateral @ (27 * rows @ means) / scale
        assert torch.allclose(y[near:], far, rtol=1e-3)


# ---------------------------------------------------------------------------------------------------- the networks


def test_widths_of_the_table() -> None:
    with on_meta():
        hosts = {name: mtnet(f"mtnet_{name}", 400) for name in "sml"}
    for name, depths in (("s", (3, 5, 11, 7)), ("m", (3, 5, 11, 7)), ("l", (5, 10, 25, 15))):
        host = hosts[name]
        assert [sum(b.stage == s for b in host.blocks) for s in (1, 2, 3, 4)] == list(depths)
        for block in host.blocks:
            conv = host.net.get_submodule(block.second)
            assert isinstance(conv, MTConv)
            middle, outer = ((54, 24), (108, 48), (216, 96), (432, 192))[block.stage - 1]
            assert conv.wide == MTConvOptions().local(middle)
            end = host.net.get_submodule(f"{block.path}.branch2.c_bn")
            assert isinstance(end, AlignedNorm)
            assert end.norm.num_features == outer
    assert parameters(hosts["s"].net) == parameters(hosts["m"].net)


def test_recurrences_differ_as_table_5_7_says() -> None:
    # RNN 24.3, GRU 25.8, LSTM 26.5 M: one layer as wide as the block's output, in every block.
    with on_meta():
        found = {cell: parameters(mtnet("mtnet_m", 400, cell=cell).net) / 1e6 for cell in ("rnn", "gru", "lstm")}
        two = parameters(mtnet("mtnet_m", 400, layers=2).net) / 1e6
    assert found["gru"] - found["rnn"] == pytest.approx(1.5, abs=0.05)
    assert found["lstm"] - found["gru"] == pytest.approx(0.7, abs=0.06)
    assert two - found["gru"] == pytest.approx(2.25, abs=0.05)


@pytest.mark.parametrize(
    ("knobs", "mparams"), [("", 6.247), (":separate=false", 45.866), (":split=false,separate=false", 57.021)]
)
def test_readings_of_the_document(knobs: str, mparams: float) -> None:
    with on_meta():
        model = recog.build_model(f"mtnet-m{knobs}", frames=16, num_classes=400)
    assert parameters(model) / 1e6 == pytest.approx(mparams, abs=5e-4)
    assert NETWORKS["mtnet-m"].published[0].mparams == 25.8


@pytest.mark.slow  # by its places alone: test_class_regularisation_of_either_form_adds_the_printed_parameters
def test_class_regularisation_on_mtnet_adds_what_is_printed() -> None:
    with on_meta():
        model = recog.build_model("classreg-mtnet_s", frames=4, num_classes=400, size=64)
    assert parameters(model.inserted) == 737_280


def test_small_network_trains_and_is_explained() -> None:
    torch.manual_seed(0)
    model = recog.build_model("mtnet_half", ["classreg"], 4, 3, size=48, dropout=0)
    clips = volume(2, 4, 3, 48, 48)
    loss = nn.functional.cross_entropy(model(clips), torch.tensor([0, 2]))
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    found = class_feature_pyramid(model, clips[0], theta=0.7, depth=3)
    assert found.layers[1:] == [
        "input of s5.pathway0_res0.branch2.c",
        "input of s5.pathway0_res0.branch2.b",
        "input of s5.pathway0_res0.branch2.a",
    ]
    with torch.no_grad():
        other = recog.build_model(**model.config)
        other.load_state_dict(model.state_dict())
        assert torch.equal(other.eval()(clips), model.eval()(clips))


def test_knobs_stay_with_the_network() -> None:
    with on_meta():
        model = recog.build_model("mtnet-s:backbone=mtnet_half,delta=0.5,cell=lstm", [], 4, 3, size=64)
        again = recog.build_model(**model.config)
    shapes = [value.shape for value in model.state_dict().values()]
    assert shapes == [value.shape for value in again.state_dict().values()]
    with pytest.raises(PoofError, match=r"has no knob 'gamma'; it has .* \(10 in all\)"):
        recog.build_model("mtnet-s:gamma=1", [], 4, 3)
