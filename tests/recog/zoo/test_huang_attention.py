"""RNL, non-local, CPA and SE against their document (Huang 2022, Chapter 4)."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import conv3d

from poof import recog
from poof.errors import PoofError
from poof.meta_device import on_meta
from poof.recog.core.module import Shape, TemporalModule, per_frame
from poof.recog.cost.counting import count_forward, parameters
from poof.recog.data.dataset import View
from poof.recog.explain.explain import mark_cells, parse_cell
from poof.recog.zoo.modules.affinity import (
    ROWS,
    cells,
    dot_attention,
    grid,
    pairwise_attention,
    softmax_attention,
)
from poof.recog.zoo.modules.cpa import PyramidAttention
from poof.recog.zoo.modules.nonlocal_ import AFFINITIES as NL_AFFINITIES
from poof.recog.zoo.modules.nonlocal_ import NonLocal
from poof.recog.zoo.modules.rnl import AFFINITIES, Gather, RegionNonLocal, parse_kernel
from poof.recog.zoo.modules.se import SqueezeAddition

SHAPE = Shape(3, 16, 5, 4)


def features(seed: int = 0, shape: Shape = SHAPE, count: int = 2) -> torch.Tensor:
    size = (count, shape.frames, shape.channels, shape.height, shape.width)
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


def open_up(module: TemporalModule) -> TemporalModule:
    """Evaluation mode, and a batch norm that passes what it gets."""
    nn.init.ones_(module.norm.weight)  # type: ignore[arg-type,union-attr]
    return module.eval()


# ------------------------------------------------------------------------------------------------ counts and toys


@pytest.mark.parametrize(
    ("modules", "total"),
    [
        (["tsm"], 24_327_632),
        (["tsm", "rnl"], 28_128_720),  # 28.13 M; 35.48 printed, with dense kernels of 32 channels and their mask
        (["tsm", "nonlocal"], 31_686_096),  # 31.69 M
        (["tsm", "se"], 24_791_248),  # 24.79 M: + 463,616
        (["tsm", "cpa"], 24_327_632 + 5 * 418),
        (["tsm", "se", "rnl"], 28_592_336),
    ],
)
def test_parameters_of_five_blocks(modules: list[str], total: int) -> None:
    with on_meta():
        assert parameters(recog.build_model("resnet50", modules, 8, 400)) == total


def test_printed_parameters_of_rnl_count_dense_kernels_and_their_mask() -> None:
    ours = 28_128_720
    for half, kernel in 2 * [(256, 147)] + 3 * [(512, 27)]:
        ours += 2 * half * 32 * kernel - half * kernel
    assert ours == 35_483_088  # 35.48 M


def test_parameters_and_costs_of_one_block() -> None:
    with on_meta():
        model = recog.build_model("resnet50", ["rnl", "nonlocal"], 8, 400)
    lines = {(line.module, line.place.path): line for line in model.insertions}
    assert lines["rnl", "layer2.0"].parameters == 301_568
    assert lines["rnl", "layer3.4"].parameters == 1_065_984
    n, c = 8 * 28 * 28, 256
    convolutions = 2 * n * 512 * c  # 1.644 G, the part that the document counts
    assert convolutions / 1e9 == pytest.approx(1.644, abs=5e-4)
    assert lines["rnl", "layer2.0"].macs == convolutions + 2 * n * n * c + n * c * 147
    assert lines["nonlocal", "layer2.0"].macs == 2 * convolutions + 2 * n * n * c
    products = sum(line.macs for key, line in lines.items() if key[0] == "rnl") - 5 * convolutions
    assert products / 1e9 == pytest.approx(47.8 + 2 * 0.236 + 3 * 0.022, abs=0.05)


TOY = torch.tensor([[[1.0, 0], [0, 1], [1, 1]]])


def test_affinities_of_three_cells() -> None:
    gaussian = [[0.8446, 0.5777], [0.5777, 0.8446], [0.7881, 0.7881]]
    assert torch.allclose(softmax_attention(TOY, TOY, TOY)[0], torch.tensor(gaussian), atol=1e-4)
    dot = [[2 / 3, 1 / 3], [1 / 3, 2 / 3], [1, 1]]
    assert torch.allclose(dot_attention(TOY, TOY, TOY)[0], torch.tensor(dot))
    cosine = [[0.5690, 0.2357], [0.2357, 0.5690], [0.5690, 0.5690]]
    module = RegionNonLocal(Shape(3, 4, 1, 1), "cosine")
    assert torch.allclose(module.attend(TOY, TOY)[0], torch.tensor(cosine), atol=1e-4)
    row = RegionNonLocal(Shape(3, 4, 1, 1)).weigh(TOY, TOY)[0, 0]
    assert row.tolist() == pytest.approx([0.4223, 0.1554, 0.4223], abs=1e-4)


def test_attention_by_rows_is_attention_at_once() -> None:
    generator = torch.Generator().manual_seed(0)
    long = torch.randn(1, ROWS + 76, 3, generator=generator, requires_grad=True)
    values = torch.randn(1, ROWS + 76, 2, generator=generator)

    def weigh(rows: torch.Tensor) -> torch.Tensor:
        return (rows @ long.mT).relu() / long.shape[1]

    y = pairwise_attention(weigh, long, values)
    assert torch.allclose(y, weigh(long) @ values, atol=1e-6)
    (gradient,) = torch.autograd.grad(y.square().sum(), long)
    (expected,) = torch.autograd.grad((weigh(long) @ values).square().sum(), long)
    assert torch.allclose(gradient, expected, atol=1e-5)


# ------------------------------------------------------------------------------------------------------------ RNL


@pytest.mark.parametrize("module", [RegionNonLocal, NonLocal, SqueezeAddition, PyramidAttention])
def test_blocks_begin_as_the_identity(module: type[TemporalModule]) -> None:
    torch.manual_seed(0)
    x = features()
    assert torch.allclose(module(SHAPE)(x), x, atol=1e-6)


@pytest.mark.parametrize("affinity", AFFINITIES)
@pytest.mark.parametrize("gather", ["conv", "avg", "max"])
def test_rnl_by_its_definition(affinity: str, gather: str) -> None:
    torch.manual_seed(0)
    module, x = open_up(RegionNonLocal(SHAPE, affinity, gather, "3x3x3")), features(count=1)
    assert isinstance(module, RegionNonLocal)
    g = torch.einsum("oc,tchw->tohw", module.embed.weight[:, :, 0, 0], x[0]) + module.embed.bias[:, None, None]
    theta = torch.zeros_like(g)
    for t in range(3):
        for i in range(5):
            for j in range(4):
                parts = []
                for a in (-1, 0, 1):
                    for b in (-1, 0, 1):
                        for c in (-1, 0, 1):
                            if 0 <= t + a < 3 and 0 <= i + b < 5 and 0 <= j + c < 4:
                                value = g[t + a, :, i + b, j + c]
                                if gather == "conv":
                                    value = value * module.gather.layer.weight[:, 0, a + 1, b + 1, c + 1]
                                parts.append(value)
                stacked = torch.stack(parts)
                theta[t, :, i, j] = {"conv": stacked.sum(0), "avg": stacked.mean(0), "max": stacked.amax(0)}[gather]
    flat = [v.permute(0, 2, 3, 1).reshape(60, 8) for v in (theta, g)]
    scores = flat[0] @ flat[0].T
    if affinity == "gaussian":
        weights = scores.softmax(1)
    elif affinity == "dot":
        weights = scores / 60
    else:
        norms = flat[0].norm(dim=1)
        weights = (scores / norms[:, None] / norms).relu() / 60
    y = (weights @ flat[1]).view(3, 5, 4, 8).permute(0, 3, 1, 2)
    wide = torch.einsum("co,tohw->tchw", module.expand.weight[:, :, 0, 0], y) + module.expand.bias[:, None, None]
    assert torch.allclose(module(x)[0], wide / math.sqrt(1 + 1e-5) + x[0], atol=1e-4)


def test_with_identity_regions_it_is_non_local_with_tied_embeddings() -> None:
    torch.manual_seed(0)
    region, plain = open_up(RegionNonLocal(SHAPE, kernel="1x1x1")), open_up(NonLocal(SHAPE))
    assert isinstance(region, RegionNonLocal)
    assert isinstance(plain, NonLocal)
    nn.init.ones_(region.gather.layer.weight)  # type: ignore[union-attr]
    for layer in (plain.g, plain.theta, plain.phi):
        layer.load_state_dict(region.embed.state_dict())
    plain.expand.load_state_dict(region.expand.state_dict())
    assert torch.allclose(region(features()), plain(features()), atol=1e-5)


def test_gaussian_rows_sum_to_one_and_averages_stay_inside() -> None:
    q, values = cells(features()), cells(features(1))
    assert torch.allclose(softmax_attention(q, q, torch.ones_like(values)), torch.ones_like(values), atol=1e-5)
    y = softmax_attention(q, q, values)
    assert (y <= values.amax(1, keepdim=True) + 1e-5).all()
    assert (y >= values.amin(1, keepdim=True) - 1e-5).all()
    constant = values[:, :1].expand_as(values)
    assert torch.allclose(softmax_attention(q, q, constant), constant, atol=1e-5)


def test_dot_product_needs_no_pairs() -> None:
    q, k, v = (cells(features(seed)) for seed in range(3))
    assert torch.allclose(dot_attention(q, k, v), q @ k.mT @ v / 60, atol=1e-4)


def test_cosine_weights_do_not_see_the_length() -> None:
    module, theta, g = RegionNonLocal(SHAPE, "cosine"), cells(features()), cells(features(1))
    assert torch.allclose(module.attend(theta * 37, g), module.attend(theta, g), atol=1e-5)
    weights = module.weigh(theta, theta) * 60
    assert weights.min() >= 0
    assert weights.max() <= 1 + 1e-5
    nothing = torch.zeros(1, 4, 2, requires_grad=True)
    module.attend(nothing, torch.ones(1, 4, 2)).sum().backward()
    assert nothing.grad is not None
    assert nothing.grad.isfinite().all()


def test_cells_may_be_permuted_only_without_regions() -> None:
    torch.manual_seed(0)
    x, order = features(), torch.randperm(60, generator=torch.Generator().manual_seed(1))

    def permuted(v: torch.Tensor) -> torch.Tensor:
        return grid(cells(v)[:, order], v)

    alone, regions = open_up(RegionNonLocal(SHAPE, kernel="1x1x1")), open_up(RegionNonLocal(SHAPE, kernel="3x3x3"))
    assert torch.allclose(alone(permuted(x)), permuted(alone(x)), atol=1e-5)
    assert not torch.allclose(regions(permuted(x)), permuted(regions(x)), atol=1e-2)


def test_only_regions_see_the_order_of_frames() -> None:
    # What holds for cells holds for frames: without regions a network of 2D layers with this has no sense of order.
    x = torch.randn(1, 4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for module, sees in (("nonlocal", False), ("se", False), ("rnl:kernel=1x3x3", False), ("rnl", True), ("cpa", True)):
        torch.manual_seed(0)
        model = recog.build_model("resnet18_quarter", [module], 4, 3, size=32).eval()
        for one in model.inserted.modules():
            if isinstance(one, PyramidAttention):
                for kernel in one.kernels:
                    nn.init.normal_(kernel)
            elif isinstance(one, SqueezeAddition):
                nn.init.normal_(one.expand.weight)
            elif hasattr(one, "norm"):
                nn.init.ones_(one.norm.weight)
        with torch.no_grad():
            difference = float((model(x) - model(x.flip(1))).abs().max())
        assert (difference > 1e-4) == sees, (module, difference)


def test_regions_move_with_their_content() -> None:
    torch.manual_seed(0)
    x = torch.zeros(1, 5, 2, 9, 9)
    x[:, 2, :, 4, 4] = torch.tensor([1.0, -2])
    gather = Gather(2, "conv", (3, 3, 3))
    moved = gather(torch.roll(x, (1, 2), (1, 4)))
    assert torch.allclose(moved, torch.roll(gather(x), (1, 2), (1, 4)), atol=1e-6)


@pytest.mark.parametrize("affinity", NL_AFFINITIES)
def test_non_local_by_its_definition(affinity: str) -> None:
    torch.manual_seed(0)
    module, x = open_up(NonLocal(SHAPE, affinity)), features(count=1)
    assert isinstance(module, NonLocal)
    flat = x[0].permute(0, 2, 3, 1).reshape(60, 16)

    def embed(layer: nn.Conv2d) -> torch.Tensor:
        return flat @ layer.weight[:, :, 0, 0].T + layer.bias

    g = embed(module.g)
    if affinity == "gaussian":
        weights = (flat @ flat.T).softmax(1)
    elif affinity == "embedded":
        weights = (embed(module.theta) @ embed(module.phi).T).softmax(1)
    elif affinity == "dot":
        weights = embed(module.theta) @ embed(module.phi).T / 60
    else:
        both = torch.cat(
            [embed(module.theta)[:, None].expand(-1, 60, -1), embed(module.phi)[None].expand(60, -1, -1)], 2
        )
        w = torch.cat([module.w_theta.weight, module.w_phi.weight], 1)[0]
        weights = (both @ w).relu() / 60
    y = weights @ g @ module.expand.weight[:, :, 0, 0].T + module.expand.bias
    expected = (y / math.sqrt(1 + 1e-5) + flat).view(3, 5, 4, 16).permute(0, 3, 1, 2)
    assert torch.allclose(module(x)[0], expected, atol=1e-4)


# ---------------------------------------------------------------------------------------------------- CPA and SE


def test_cpa_weights_sum_to_one_and_do_not_see_a_constant() -> None:
    torch.manual_seed(0)
    module, x = PyramidAttention(SHAPE), features()
    for kernel in module.kernels:
        nn.init.normal_(kernel, std=0.1)
    weights = module.attention(x)
    assert torch.allclose(weights.sum((1, 2, 3, 4)), torch.ones(2))
    assert weights.std() > 1e-4
    shuffled = torch.randperm(16)
    assert torch.allclose(module(x[:, :, shuffled]), module(x)[:, :, shuffled], atol=1e-5)


def test_cpa_of_one_weight_is_the_channel_mean() -> None:
    module, x = PyramidAttention(SHAPE, "1x1x1"), features()
    nn.init.constant_(module.kernels[0], 1.5)
    expected = (1.5 * x.mean(2)).flatten(1).softmax(1).view(2, 3, 1, 5, 4)
    assert torch.allclose(module.attention(x), expected, atol=1e-6)
    assert torch.allclose(module(x), x * expected * 60, atol=1e-4)


def test_cpa_is_one_convolution() -> None:
    torch.manual_seed(0)
    module, x = PyramidAttention(SHAPE), features()[:, :, :1].transpose(1, 2)
    for kernel in module.kernels:
        nn.init.normal_(kernel)
    one_by_one = sum(conv3d(x, kernel, padding=[size // 2 for size in kernel.shape[2:]]) for kernel in module.kernels)
    assert torch.allclose(conv3d(x, module.kernel(), padding=(1, 4, 4)), one_by_one, atol=1e-4)
    assert module.kernel().shape == (1, 1, 3, 9, 9)
    assert parameters(module) == 418
    shape = (1, 8, 512, 28, 28)
    assert count_forward(module, shape).macs == 6272 * 243  # 2.6 M with the four kernels one by one


def test_forms_of_cpa() -> None:
    x = features()
    literal, residual = PyramidAttention(SHAPE, form="literal"), PyramidAttention(SHAPE, form="residual")
    assert torch.allclose(literal(x), x / 60)  # all kernels 0: this is what the printed equation leaves
    assert torch.allclose(residual(x), 2 * x, atol=1e-6)


def test_se_adds_one_vector_to_all_cells() -> None:
    torch.manual_seed(0)
    module, x = SqueezeAddition(SHAPE, 4).eval(), features()
    nn.init.normal_(module.expand.weight)
    nn.init.normal_(module.expand.bias)
    added = module(x) - x
    assert torch.allclose(added, added[:, :1, :, :1, :1].expand_as(added), atol=1e-5)
    assert added.abs().max() > 0.1
    order = torch.randperm(60)
    permuted = grid(cells(x)[:, order], x)
    assert torch.allclose(module(permuted) - permuted, added, atol=1e-5)
    hidden = (x.mean((1, 3, 4)) @ module.squeeze.weight.T + module.squeeze.bias) / math.sqrt(1 + 1e-5)
    expected = hidden.relu() @ module.expand.weight.T + module.expand.bias
    assert torch.allclose(added[:, 0, :, 0, 0], expected, atol=1e-5)


# ------------------------------------------------------------------------------------------------------- in hosts


def test_places_and_kernels() -> None:
    with on_meta():
        five = recog.build_model("resnet50", ["se", "rnl"], 8, 3, size=64)
        one = recog.build_model("resnet50", ["rnl:blocks=1,kernel=1x3x3"], 8, 3, size=64)
        small = recog.build_model("resnet18_quarter", ["rnl"], 8, 3, size=64)
    places = ["after layer2.0", "after layer2.2", "after layer3.0", "after layer3.2", "after layer3.4"]
    assert [str(line.place) for line in five.insertions if line.module == "rnl"] == places
    assert [line.module for line in five.insertions[:2]] == ["se", "rnl"]  # the chain: SE in front
    kernels = [m.gather.layer.kernel_size for m in five.modules() if isinstance(m, RegionNonLocal)]
    assert kernels == [(3, 7, 7), (3, 7, 7), (3, 3, 3), (3, 3, 3), (3, 3, 3)]
    assert [m.gather.layer.kernel_size for m in one.modules() if isinstance(m, RegionNonLocal)] == [(1, 3, 3)]
    assert [str(line.place) for line in small.insertions] == ["after layer2.0", "after layer3.0"]


def test_bad_settings_are_refused_with_the_reason() -> None:
    for module, shape, reason in (
        (RegionNonLocal, Shape(2, 15, 4, 4), "15 channels cannot be halved"),
        (NonLocal, Shape(2, 15, 4, 4), "15 channels cannot be halved"),
        (SqueezeAddition, Shape(2, 24, 4, 4), "reduction=16 does not divide 24 channels"),
    ):
        with pytest.raises(PoofError, match=reason):
            module(shape)
    for request, reason in (
        ("rnl:kernel=3x4x4", "all odd, as in 3x7x7"),
        ("rnl:blocks=3", "the document has 1 or 5"),
        ("rnl:affinity=laplace", "choose one of gaussian, dot, cosine"),
        ("nonlocal:affinity=cosine", "choose one of embedded, gaussian, dot, concat"),
        ("cpa:kernels=1x1x1+3x3", "all odd"),
        ("cpa:form=sum", "choose one of scaled, residual, literal"),
        ("se:reduction=0", "does not divide"),
    ):
        with pytest.raises(PoofError, match=reason):
            recog.build_model("resnet18_quarter", [request], 2, 3, size=32)
    assert parse_kernel("3x7x7") == (3, 7, 7)
    with pytest.raises(PoofError, match="at least 2 in a batch"):
        SqueezeAddition(SHAPE).train()(features(count=1))


def test_maps_of_the_attention() -> None:
    torch.manual_seed(0)
    module, x = open_up(RegionNonLocal(SHAPE, kernel="1x1x1")), features(count=1)
    x[0, :, :, 3, 2] += 4 * torch.tensor([1.0, -1, 1])[:, None]  # this cell changes most
    assert module.pictures() == []
    module.watching = True
    module(x)
    cell, received = module.pictures()
    assert cell.mark == (1, 3, 2)
    assert cell.values.shape == (3, 5, 4)
    assert float(cell.values.mean()) == pytest.approx(1, abs=1e-5)
    assert cell.note.endswith("equal shares")
    assert float(received.values.mean()) == pytest.approx(1, abs=1e-5)
    reads = module.diagnostics()
    assert 0 <= reads["attention_entropy"] <= 1
    assert 0 < reads["attention_self"] <= 1


def test_attention_of_chosen_cells() -> None:
    """The map of a cell is its row of weights, times the number of cells; a pixel leads to the cell that it lies in."""
    torch.manual_seed(0)
    module, x = open_up(RegionNonLocal(SHAPE, kernel="1x1x1")), features(count=1)
    module.watching = True
    module(x)
    places = [(0.5 / 3, 0.5 / 5, 0.5 / 4), (0.999, 0.61, 0.3)]
    module.marked = places
    first, second, every = module.pictures()
    assert (first.mark, second.mark, every.mark) == ((0, 0, 0), (2, 3, 1), None)
    with torch.no_grad():
        flat = cells(module.gather(per_frame(module.embed, x)))[0]
    weights = (flat @ flat.T).softmax(1) * len(flat)
    assert torch.allclose(first.values.flatten(), weights[0], atol=1e-4)
    assert torch.allclose(second.values.flatten(), weights[(2 * 5 + 3) * 4 + 1], atol=1e-4)


def test_pixels_become_places_of_the_clip() -> None:
    model = recog.build_model("resnet18_quarter", ["rnl", "tsm"], 4, 3, size=32)
    view = View(4, 1, 32)
    mark_cells(model, [(1, 0, 16)], view)
    attending = [m for _, m in model.temporal_modules() if isinstance(m, RegionNonLocal)]
    assert attending and all(m.marked == [(1.5 / 4, 0.5 / 32, 16.5 / 32)] for m in attending)
    mark_cells(model, [], view)
    assert all(m.marked == [] for m in attending)
    with pytest.raises(PoofError, match="cell 4,0,0: there are 4 frames of 32 x 32 px"):
        mark_cells(model, [(4, 0, 0)], view)
    with pytest.raises(PoofError, match="cells are for rnl and nonlocal"):
        mark_cells(recog.build_model("resnet18_quarter", ["tsm"], 4, 3, size=32), [(0, 0, 0)], view)
    assert parse_cell("4,30,56") == (4, 30, 56)
    with pytest.raises(PoofError, match="cell 4,30: give"):
        parse_cell("4,30")


@pytest.mark.parametrize("modules", [["se", "rnl"], ["cpa"], ["nonlocal"]])
def test_maps_reach_the_user(modules: list[str]) -> None:
    model = recog.build_model("resnet18_quarter", modules, 2, 3, size=32).eval()
    with model.watching(), torch.no_grad():
        model(torch.randn(1, 2, 3, 32, 32))
    rows = model.pictures()
    assert list(rows) == [f"layer2_0_after_{modules[-1]}", f"layer3_0_after_{modules[-1]}"]
    assert rows[f"layer2_0_after_{modules[-1]}"][0].values.shape == (2, 4, 4)
