"""DEM and midplanes: the tables, identities, gradients and examples of the document's specification."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from poof import recog
from poof.errors import PoofError
from poof.meta_device import on_meta
from poof.recog.core.backbone import Host
from poof.recog.core.model import Recognizer
from poof.recog.core.module import Shape
from poof.recog.cost.counting import parameters
from poof.recog.zoo.backbones import BACKBONES
from poof.recog.zoo.backbones.midplanes import factorised, midplanes, midplanes_with_dem
from poof.recog.zoo.backbones.r2plus1d import r2plus1d
from poof.recog.zoo.modules.dem import DynamicEquilibrium
from poof.recog.zoo.networks.zeng import ZENG

SHAPE = Shape(5, 3, 4, 6)


def module(shape: Shape = SHAPE, **knobs: object) -> DynamicEquilibrium:
    torch.manual_seed(0)
    return DynamicEquilibrium(shape, **knobs).double().eval()  # type: ignore[arg-type]


def features(shape: Shape = SHAPE, count: int = 2, seed: int = 0) -> Tensor:
    size = (count, shape.frames, shape.channels, shape.height, shape.width)
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def variation(dem: DynamicEquilibrium, x: Tensor) -> Tensor:
    found = dem.variation(x.transpose(1, 2))
    assert found is not None
    return found.transpose(1, 2)


def taps(dem: DynamicEquilibrium) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """W0, W1 of f and U0, U1 of g as matrices."""
    assert dem.f is not None
    assert dem.g is not None
    w, u = dem.f.conv.weight[..., 0, 0], dem.g.conv.weight[..., 0, 0]
    return w[..., 0], w[..., 1], u[..., 0], u[..., 1]


# --------------------------------------------------------------------------------------------------- the examples

EXAMPLES = [
    ([1, 2, 3, 4], (-1, 1, 1, 1), [0, 0, 0, 0], [0, 0, 0, 0]),
    ([1, 4, 9, 16], (-1, 1, 1, 1), [0, 0, 0, 0], [0, 0, 0, 0]),
    ([1, 2, 3, 4], (-1, 1, 2, 0), [0, 0, 0, 5], [-1, 0, 0, 1]),
    ([1, 4, 9, 16], (-1, 1, 2, 0), [-2, -2, -2, 23], [-3, -2, -2, 7]),
    ([1, 4, 9, 16], (0.5, 0.5, 0.5, 0.5), [-0.5, -0.5, -0.5, 5.75], [-0.75, -0.5, -0.5, 1.75]),
    ([1, 1, 1, 1], (-1, 1, 2, 0), [1, 0, 0, 1], [0, 0, 0, 0]),
    ([1, 4, 9, 16], (1, 2, 3, 4), [34, 96, 194, 178], [36, 96, 194, 274]),
]


@pytest.mark.parametrize(("x", "weights", "zero", "replicate"), EXAMPLES)
def test_variation_of_one_channel(x: list, weights: tuple, zero: list, replicate: list) -> None:
    clip = torch.tensor(x, dtype=torch.float64).view(1, 4, 1, 1, 1)
    for padding, expected in (("zero", zero), ("replicate", replicate)):
        dem = module(Shape(4, 1, 1, 1), padding=padding)
        with torch.no_grad():
            for layer, pair in ((dem.f, weights[:2]), (dem.g, weights[2:])):
                layer.conv.weight.copy_(torch.tensor(pair).view(1, 1, 2, 1, 1))  # type: ignore[union-attr]
        assert variation(dem, clip).flatten().tolist() == pytest.approx(expected)


def test_intermediates_of_the_last_example() -> None:
    dem = module(Shape(4, 1, 1, 1))
    padded = torch.tensor([0.0, 1, 4, 9, 16, 0], dtype=torch.float64).view(1, 1, 6, 1, 1)
    with torch.no_grad():
        dem.f.conv.weight.copy_(torch.tensor([1.0, 2]).view(1, 1, 2, 1, 1))  # type: ignore[union-attr]
        dem.g.conv.weight.copy_(torch.tensor([3.0, 4]).view(1, 1, 2, 1, 1))  # type: ignore[union-attr]
        first = dem.f(padded)  # type: ignore[misc]
        assert first.flatten().tolist() == [2, 9, 22, 41, 16]
        assert dem.g(first).flatten().tolist() == [42, 115, 230, 187]  # type: ignore[misc]
        assert dem.f(padded, dilation=2).flatten().tolist() == [8, 19, 36, 9]  # type: ignore[misc]


# --------------------------------------------------------------------------------------------------- the identities


def test_variation_is_a_temporal_convolution_of_three_taps() -> None:
    dem, x = module(), features()
    w0, w1, u0, u1 = taps(dem)
    eye = torch.eye(3, dtype=torch.float64)
    before, here, behind = (u0 - eye) @ w0, u0 @ w1 + u1 @ w0, (u1 - eye) @ w1
    padded = torch.nn.functional.pad(x, (0, 0, 0, 0, 0, 0, 1, 1))
    expected = sum(
        torch.einsum("oc,ntchw->ntohw", a, padded[:, k : k + 5]) for k, a in enumerate((before, here, behind))
    )
    assert torch.allclose(variation(dem, x), expected, atol=1e-9)
    still = x[:, :1].expand(-1, 5, -1, -1, -1)
    inside = torch.einsum("oc,ntchw->ntohw", before + here + behind, still)[:, 1:-1]
    assert torch.allclose(variation(dem, still)[:, 1:-1], inside, atol=1e-9)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_sums_of_differences_telescope(seed: int) -> None:
    # f(a, b) = W1 (b - a), g(u, v) = u + v: nothing is left of any sequence, at the padded ends included.
    dem = module()
    eye = torch.eye(3, dtype=torch.float64)
    with torch.no_grad():
        w = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        dem.f.conv.weight.copy_(torch.stack([-w, w], -1)[..., None, None])  # type: ignore[union-attr]
        dem.g.conv.weight.copy_(torch.stack([eye, eye], -1)[..., None, None])  # type: ignore[union-attr]
        assert variation(dem, features(seed=seed)).abs().max() < 1e-12


def test_gradients_by_hand() -> None:
    dem, x = module(Shape(4, 2, 1, 1)), features(Shape(4, 2, 1, 1), count=1).requires_grad_(True)
    w0, w1, u0, u1 = (t.detach() for t in taps(dem))
    d = variation(dem, x)
    g = torch.randn_like(d)
    assert dem.f is not None
    assert dem.g is not None
    got = torch.autograd.grad((d * g).sum(), [dem.f.conv.weight, dem.g.conv.weight, x])
    zero = torch.zeros(2, dtype=torch.float64)
    xs = [zero, *x.detach()[0, :, :, 0, 0], zero]
    gs = [zero, *g[0, :, :, 0, 0], zero]
    pairs = [w0 @ xs[k] + w1 @ xs[k + 1] for k in range(5)]  # f over neighbours of the padded clip
    of_w0 = of_w1 = of_u0 = of_u1 = torch.zeros(2, 2, dtype=torch.float64)
    for n in range(1, 5):
        left, right = u0.T @ gs[n], u1.T @ gs[n]
        of_w0 = of_w0 + torch.outer(left, xs[n - 1]) + torch.outer(right, xs[n]) - torch.outer(gs[n], xs[n - 1])
        of_w1 = of_w1 + torch.outer(left, xs[n]) + torch.outer(right, xs[n + 1]) - torch.outer(gs[n], xs[n + 1])
        of_u0, of_u1 = of_u0 + torch.outer(gs[n], pairs[n - 1]), of_u1 + torch.outer(gs[n], pairs[n])
    for gradient, expected in zip(got[:2], ((of_w0, of_w1), (of_u0, of_u1))):
        assert torch.allclose(gradient[..., 0, 0], torch.stack(expected, -1), atol=1e-9)
    eye = torch.eye(2, dtype=torch.float64)
    before, here, behind = (u0 - eye) @ w0, u0 @ w1 + u1 @ w0, (u1 - eye) @ w1
    for n in range(1, 5):
        expected = before.T @ gs[n + 1] + here.T @ gs[n] + behind.T @ gs[n - 1]
        assert torch.allclose(got[2][0, n - 1, :, 0, 0], expected, atol=1e-9)


def test_gradient_of_the_product() -> None:
    dem, x = module(Shape(3, 2, 1, 1)), features(Shape(3, 2, 1, 1), count=1)
    flat = x.flatten()

    def of(v: Tensor) -> Tensor:
        return variation(dem, v.view_as(x)).flatten()

    d, slope = of(flat).detach(), torch.autograd.functional.jacobian(of, flat)
    product = torch.autograd.functional.jacobian(lambda v: of(v) * v, flat)
    assert torch.allclose(product, torch.diag(d) + torch.diag(flat) @ slope, atol=1e-9)


# ------------------------------------------------------------------------------------------------------ the module


@pytest.mark.parametrize("frames", [1, 2, 3, 7])
@pytest.mark.parametrize("padding", ["zero", "replicate"])
def test_shapes_stay_for_every_length(frames: int, padding: str) -> None:
    shape = Shape(frames, 3, 4, 5)
    x = features(shape)
    dem = module(shape, padding=padding)
    assert variation(dem, x).shape == x.shape
    assert dem(x).shape == x.shape


def test_the_default_by_its_definition() -> None:
    dem, x = module(), features()
    with torch.no_grad():
        dem.norm.running_mean.uniform_(-1, 1)
        dem.norm.running_var.uniform_(0.5, 2)
    y = dem.norm((variation(dem, x) * x).transpose(1, 2)).clamp(0, 6)
    compensation = torch.nn.functional.conv3d(y, dem.spatial.weight, padding=(0, 1, 1)).transpose(1, 2)
    assert torch.allclose(dem(x), x + compensation, atol=1e-9)
    for out, expected in (("subtract", x - compensation), ("replace", compensation)):
        other = module(out=out)
        other.load_state_dict(dem.state_dict())
        assert torch.allclose(other(x), expected, atol=1e-9)


def test_the_other_reconstructions() -> None:
    dem, x = module(signal="variation", norm=False), features()
    d = variation(dem, x).transpose(1, 2).clamp(0, 6)
    gate = torch.nn.functional.conv3d(d, dem.spatial.weight, padding=(0, 1, 1)).transpose(1, 2)
    assert torch.allclose(dem(x), x + gate * x, atol=1e-9)
    bounded = module(inner=True)
    assert variation(bounded, 1e4 * x).abs().max() <= 6
    control = module(control=True)
    y = control.norm(x.transpose(1, 2)).clamp(0, 6)
    expected = x + torch.nn.functional.conv3d(y, control.spatial.weight, padding=(0, 1, 1)).transpose(1, 2)
    assert torch.allclose(control(x), expected, atol=1e-9)


def test_features_of_the_host_are_left_alone() -> None:
    for knobs in ({"control": True, "norm": False}, {"signal": "variation", "norm": False}, {}):
        dem, x = module(**knobs), features()
        kept = x.clone()
        dem.watching = True
        dem(x)
        assert torch.equal(x, kept)
        assert dem.seen is None or torch.allclose(dem.seen, variation(dem, x).abs().mean(2).detach(), atol=1e-12)


def test_shared_weights_are_counted_once() -> None:
    m = 16
    with on_meta():
        assert parameters(DynamicEquilibrium(Shape(4, m, 8, 8), norm=False)) == 4 * m * m + 9 * m * m
        assert parameters(DynamicEquilibrium(Shape(4, m, 8, 8), norm=False, kernel=7)) == 4 * m * m + 49 * m * m
        assert parameters(DynamicEquilibrium(Shape(4, m, 8, 8), norm=False, control=True)) == 9 * m * m


def test_without_spatial_weights_the_module_is_gone() -> None:
    dem, x = module(), features()
    torch.nn.init.zeros_(dem.spatial.weight)
    assert torch.equal(dem(x), x)


def test_without_variation_there_is_no_compensation_unless_the_norm_makes_one() -> None:
    x = features()
    for norm in (False, True):
        dem = module(norm=norm)
        with torch.no_grad():
            for layer in (dem.f, dem.g):
                layer.conv.weight.zero_()  # type: ignore[union-attr]
        assert torch.equal(dem(x), x)
    with torch.no_grad():
        dem.norm.bias.fill_(0.5)
    assert not torch.allclose(dem(x), x, atol=1e-3)


def test_variation_sees_one_cell_at_a_time() -> None:
    dem, x = module(), features()
    order = torch.randperm(24, generator=torch.Generator().manual_seed(0))

    def mixed(v: Tensor) -> Tensor:
        return v.flatten(3)[..., order].view_as(v)

    assert torch.allclose(variation(dem, mixed(x)), mixed(variation(dem, x)), atol=1e-12)


@given(alpha=st.floats(0.1, 10))
@settings(max_examples=10, deadline=None)
def test_variation_scales_and_the_product_squares(alpha: float) -> None:
    dem, x = module(), features()
    assert torch.allclose(variation(dem, alpha * x), alpha * variation(dem, x), atol=1e-9)
    assert torch.allclose(variation(dem, alpha * x) * alpha * x, alpha**2 * variation(dem, x) * x, atol=1e-7)


def test_receptive_field_of_the_module_and_of_a_whole_layer() -> None:
    dem = module(Shape(9, 2, 7, 7))
    x = features(Shape(9, 2, 7, 7), count=1).requires_grad_(True)
    reached = torch.autograd.grad(dem(x)[0, 4, :, 3, 3].sum(), x)[0][0].abs().sum(1) > 0
    assert torch.nonzero(reached.any(2).any(1)).flatten().tolist() == [3, 4, 5]
    assert torch.nonzero(reached.any(2).any(0)).flatten().tolist() == [2, 3, 4]
    torch.manual_seed(0)
    model = recog.build_model("r2plus1d_18_quarter", ["dem:stages=conv1"], 9, 2, size=32).eval()
    clip = torch.randn(1, 9, 3, 32, 32, requires_grad=True)
    kept: list[Tensor] = []
    model.backbone.stem.register_forward_hook(lambda _, __, output: kept.append(output))
    model(clip)
    gradient = torch.autograd.grad(kept[0][0, :, 4, 8, 8].sum(), clip)[0]
    assert torch.nonzero(gradient.abs().sum((0, 2, 3, 4))).flatten().tolist() == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("act", ["relu6", "relu"])
def test_large_features_do_not_overflow_in_half_precision(act: str) -> None:
    torch.manual_seed(0)
    dem = DynamicEquilibrium(Shape(3, 4, 4, 4), act=act)
    x = torch.randn(1, 3, 4, 4, 4) * 1000  # squares of it are beyond 65,504
    with torch.autocast("cpu", dtype=torch.float16):
        y = dem(x)
    assert (x.square().max() > torch.finfo(torch.float16).max).item()
    assert y.isfinite().all()


def test_readouts_and_the_map() -> None:
    dem, x = module(), features()
    dem(x)
    assert dem.diagnostics() == {}
    assert dem.pictures() == []
    dem.watching = True
    dem(x)
    d = variation(dem, x).detach()
    assert dem.diagnostics()["variation"] == pytest.approx(float(d.abs().mean() / x.abs().mean()))
    assert 0 <= dem.diagnostics()["saturated"] <= 1
    assert torch.allclose(dem.pictures()[0].values, d[0].abs().mean(1))


# --------------------------------------------------------------------------------------------------- the midplanes

# inputs, outputs, kernel, 3D parameters, midplanes, (2+1)D parameters, midplanes with DEM, parameters, of which DEM
TABLE = [
    (3, 64, 7, 28_224, 83, 28_137, 20, 27_980, 21_200),
    (64, 64, 3, 110_592, 144, 110_592, 67, 109_813, 58_357),
    (64, 128, 3, 221_184, 230, 220_800, 98, 218_932, 124_852),
    (128, 128, 3, 442_368, 288, 442_368, 134, 439_252, 233_428),
    (128, 256, 3, 884_736, 460, 883_200, 197, 882_757, 504_517),
    (256, 256, 3, 1_769_472, 576, 1_769_472, 269, 1_767_061, 940_693),
    (256, 512, 3, 3_538_944, 921, 3_536_640, 394, 3_531_028, 2_018_068),
    (512, 512, 3, 7_077_888, 1152, 7_077_888, 538, 7_068_244, 3_762_772),
]


@pytest.mark.parametrize("row", TABLE)
def test_midplanes_of_table_3_1(row: tuple[int, ...]) -> None:
    inputs, outputs, d, budget, base, base_count, narrow, narrow_count, own = row
    assert 3 * d * d * inputs * outputs == budget
    assert midplanes(inputs, outputs, 3, d) == base
    assert base * (d * d * inputs + 3 * outputs) == base_count
    assert midplanes_with_dem(inputs, outputs, 3, d) == narrow
    assert narrow * (d * d * inputs + 3 * outputs) + (4 + d * d) * narrow**2 == narrow_count
    assert (4 + d * d) * narrow**2 == own


@given(st.integers(1, 600), st.integers(1, 600), st.sampled_from([1, 3, 5]), st.sampled_from([3, 5, 7]))
@settings(max_examples=60, deadline=None)
def test_midplanes_are_the_most_that_fit(inputs: int, outputs: int, time: int, space: int) -> None:
    m = midplanes_with_dem(inputs, outputs, time, space)

    def count(m: int) -> int:
        return m * (space**2 * inputs + time * outputs) + (4 + space**2) * m * m

    assert count(m) <= time * space**2 * inputs * outputs < count(m + 1)


def test_stem_of_the_original_code() -> None:
    # 45 middle channels have 15,255 parameters; with a DEM inside, 14 are left.
    assert midplanes_with_dem(3, 64, 3, 7, budget=45 * (147 + 192)) == 14
    # With a 3x3 convolution in the stem's DEM it would be 35 of the full budget, not the printed 20.
    assert midplanes_with_dem(3, 64, 3, 7, square=13) == 35


def middles(host: Host) -> list[int]:
    return [host.net.get_submodule(layer.spatial).out_channels for layer in factorised(host.net)]


def test_the_network_has_the_midplanes_of_the_table() -> None:
    with on_meta():
        plain, caffe = middles(r2plus1d(0, 5)), middles(r2plus1d(45, 5))
    assert plain == [83, *[144] * 4, 230, *[288] * 3, 460, *[576] * 3, 921, *[1152] * 3]
    assert caffe == [45, *plain[1:]]
    for name, stem in (("dem-r2plus1d_18", 20), ("dem-r2plus1d_18-stem45", 14)):
        with on_meta():
            model = recog.build_model(name, (), 16, 200, size=112)
        found = [line.before.channels for line in model.insertions]
        assert found == [stem, *[67] * 4, 98, *[134] * 3, 197, *[269] * 3, 394, *[538] * 3]


# name, parameters without norms inside DEM, of which DEM's convolutions, GMACs, GMACs of DEM
WHOLE = [
    ("r3d_18", 33_268_872, 0, 40.70, 0),
    ("zeng-r2plus1d_18", 33_281_197, 0, 42.14, 0),
    ("zeng-r2plus1d_18-stem45", 33_268_239, 0, 41.50, 0),
    ("dem-r2plus1d_18", 33_215_452, 17_712_744, 46.31, 27.11),
    ("dem-r2plus1d_18-stem45", 33_202_594, None, 45.64, None),
    ("dem-conv1-r2plus1d_18", 33_280_914, 21_200, 42.18, None),
    ("dem-conv2-r2plus1d_18", 33_277_465, 233_428, 43.90, None),
    ("dem-conv3-r2plus1d_18", 33_268_793, 825_136, 43.39, None),
    ("dem-conv4-r2plus1d_18", 33_271_153, 3_326_596, 42.86, None),
    ("dem-conv5-r2plus1d_18", 33_241_915, 13_306_384, 42.55, None),
]


def built(name: str, classes: int = 200) -> Recognizer:
    with on_meta():
        return recog.build_model(name, (), 16, classes, size=112)


QUICK = ("dem-r2plus1d_18", "dem-conv1-r2plus1d_18")


@pytest.mark.parametrize(
    ("name", "expected", "inside", "gmacs", "own"),
    [pytest.param(*row, marks=[pytest.mark.slow] * (row[0] not in QUICK)) for row in WHOLE],
)
def test_whole_networks(name: str, expected: int, inside: int | None, gmacs: float, own: float | None) -> None:
    model = built(name)
    modules = [module for _, module in model.temporal_modules()]
    convolutions = sum(p.numel() for module in modules for p in module.parameters() if p.dim() == 5)
    norms = sum(parameters(module) for module in modules) - convolutions
    cost = recog.profile(model)
    assert cost.parameters - norms == expected
    assert inside is None or convolutions == inside
    assert f"{cost.gmacs:.2f}" == f"{gmacs:.2f}"
    assert own is None or sum(line.macs for line in model.insertions) / 1e9 == pytest.approx(own, abs=0.005)
    for line in model.insertions:
        s, d = line.before, 7 if line.place.path == "stem.3" else 3
        assert line.macs == s.channels**2 * s.height * s.width * ((6 + d * d) * s.frames + 2)
    assert name not in ZENG or cost.published


def test_four_hundred_classes() -> None:
    assert parameters(built("r3d_18", 400)) == 33_371_472
    assert parameters(built("zeng-r2plus1d_18-stem45", 400)) == 33_370_839
    assert parameters(built("r2plus1d_18", 400)) == 31_505_325


# ------------------------------------------------------------------------------------------------------- insertion


def places(name: str, **knobs: object) -> list[str]:
    with on_meta():
        return [str(place) for place in DynamicEquilibrium.places(BACKBONES[name](5), **knobs)]  # type: ignore[arg-type]


def test_places() -> None:
    assert len(places("r2plus1d_18")) == 17
    assert places("r2plus1d_18", stages="conv1") == ["before stem.3"]
    assert places("r2plus1d_18", stages="conv2")[0] == "before layer1.0.conv1.0.3"
    assert len(places("r2plus1d_18", stages="conv1+conv4")) == 5
    assert places("r2plus1d_18", stages="conv1", take="before") == ["after stem.0"]
    assert places("resnet18", stages="conv3") == ["before layer2.0.conv2", "before layer2.1.conv2"]
    assert places("mobilenet_v2")[0] == "before features.2.conv.0.0"


@pytest.mark.parametrize("knobs", ["", ",stages=conv3", ",control=true"])
def test_matching_keeps_the_parameters_of_any_factorised_host(knobs: str) -> None:
    with on_meta():
        bare = BACKBONES["r2plus1d_18"](5).net
        model = recog.build_model("r2plus1d_18", [f"dem:match=true{knobs}"], 8, 5, size=32)
    assert 0.99 < parameters(model) / parameters(bare) <= 1.0 + 1e-3
    assert set(model.backbone.state_dict()) == set(bare.state_dict())


@pytest.mark.parametrize(
    ("name", "knobs", "message"),
    [
        ("resnet18", "match=true", r"need \(2\+1\)D layers, and this backbone has none"),
        ("resnet18", "stages=conv1", r"need \(2\+1\)D layers"),
        ("r2plus1d_18", "stages=conv6", r"stages=conv6: choose one of all, conv1"),
        ("r2plus1d_18", "act=gelu", r"act=gelu: choose one of relu6, relu"),
        ("r2plus1d_18", "kernel=4", r"kernel=4: choose an odd number"),
        ("r2plus1d_18", "control=true,inner=true", r"control=true leaves f, g and D out"),
    ],
)
def test_nonsense_is_refused(name: str, knobs: str, message: str) -> None:
    with on_meta(), pytest.raises(PoofError, match=message):
        recog.build_model(name, [f"dem:{knobs}"], 8, 5, size=64)


def test_published_weights_do_not_fit_narrowed_layers(tmp_path: Path) -> None:
    torch.save(recog.build_model("r2plus1d_18_quarter", (), 4, 5, size=32).backbone.state_dict(), tmp_path / "w.pth")
    options = {"frames": 4, "num_classes": 5, "size": 32, "weights": tmp_path / "w.pth"}
    assert recog.build_model("r2plus1d_18_quarter", ["dem"], **options)
    with pytest.raises(PoofError, match="has another shape for"):
        recog.build_model("r2plus1d_18_quarter", ["dem:match=true"], **options)


VARIANTS = ["", "signal=variation,out=replace,padding=replicate", "act=relu,inner=true,take=before", "norm=false"]
VARIANTS += ["control=true,match=true"]


@pytest.mark.parametrize("knobs", VARIANTS)
def test_every_variant_trains(knobs: str) -> None:
    torch.manual_seed(0)
    request = f"dem:{knobs}{',' if knobs else ''}stages=conv1+conv2"
    model = recog.build_model("r2plus1d_18_quarter", [request], 4, 3, size=32, dropout=0)
    logits = model(torch.randn(2, 4, 3, 32, 32))
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 2])).backward()
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name
    assert all(p.grad.any() for p in model.inserted.parameters())  # type: ignore[union-attr]
