"""KPSEM and its AReSE: the identities, gradients, worked example and counts of the document's specification."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from poof import recog
from poof.errors import PoofError
from poof.meta_device import on_meta
from poof.recog.core.module import Marks, Shape
from poof.recog.cost.counting import count_forward, parameters
from poof.recog.explain.marks import COLOURS, draw_marks
from poof.recog.zoo.modules.arese import (
    CENTRES,
    RegionalShifts,
    Shifts,
    bands,
    hard_regions,
    shifts,
    soft_regions,
    stand_out,
)
from poof.recog.zoo.modules.kpsem import KeyPointShifts

# Two frames of one channel, 4 x 4 cells; the specification's worked example, regions TL, TR, BL, BR split at (2, 2).
FIRST = [[9, 1, 0, 0], [1, 0, 0, 5], [0, 0, 3, 0], [2, 0, 0, 1]]
SECOND = [[0, 1, 9, 0], [5, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 3]]
SMALL = Shape(4, 6, 7, 9)


def clip(*frames: list[list[int]]) -> Tensor:
    return torch.tensor(frames, dtype=torch.float64)[None, :, None]


def features(shape: Shape = SMALL, count: int = 2, seed: int = 0) -> Tensor:
    size = (count, shape.frames, shape.channels, shape.height, shape.width)
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def grid(x: Tensor, side: int = 2) -> Tensor:
    """The lines of the regular grid, rounded to cells."""
    size = torch.tensor([x.shape[4], x.shape[3]], dtype=x.dtype)
    lines = torch.floor(size[:, None] * torch.arange(1, side) / side + 0.5)
    return lines.expand(x.shape[0], x.shape[1], 2, side - 1)


def found(x: Tensor, lines: Tensor | None = None, side: int = 2) -> Shifts:
    lines = grid(x, side) if lines is None else lines
    return shifts(lines, *hard_regions(x, lines))


def close(a: Tensor, b: object, tolerance: float = 1e-6) -> bool:
    return torch.allclose(a.double(), torch.as_tensor(b, dtype=torch.float64), atol=tolerance, rtol=0)


# ---------------------------------------------------------------------------------------------- the worked example


def test_the_worked_example() -> None:
    got = found(clip(FIRST, SECOND))
    assert got.points[0, :, 0].tolist() == [[[0, 0], [3, 1], [0, 3], [2, 2]], [[0, 1], [2, 0], [1, 2], [3, 3]]]
    assert got.values[0, :, 0].tolist() == [[9, 5, 2, 3], [5, 9, 2, 3]]
    assert got.means[0, :, 0].tolist() == [[2.75, 1.25, 0.5, 1.0], [1.5, 2.25, 0.5, 0.75]]
    assert close(got.match[0, 0, 0, 0], [0.000058, 0.999836, 0.000052, 0.000053])
    logits = [
        [0.243902, 10, 0.140845, 0.163934],
        [10, 0.243902, 0.322581, 0.47619],
        [0.322581, 0.140845, 10, 0.909091],
        [0.47619, 0.163934, 0.909091, 10],
    ]
    assert close(got.match[0, 0, 0], torch.tensor(logits).softmax(-1))
    expected = [[1.999885, 0.000323], [-2.999602, 0.000151], [1.000215, -1.000055], [0.999502, 0.999581]]
    assert close(got.shifts[0, 0, 0], expected)
    assert close(got.weights[0, 0, 0], [0.46068, 0.31662, 0.090713, 0.131987])
    weighted = [[0.921307, 0.000149], [-0.949735, 0.000048], [0.090733, -0.090718], [0.131921, 0.131932]]
    assert close(got.rkps[0, 0, 0], weighted)


def test_the_worked_example_standing_still() -> None:
    got = found(clip(FIRST, FIRST)).rkps[0, 0, 0]
    expected = [[1.87e-4, 2.14e-4], [-6.5e-5, 2.1e-5], [2.9e-5, -2.8e-5], [-3.0e-5, -8e-6]]
    assert close(got, expected, 6e-7)


# ------------------------------------------------------------------------------------------------------ invariants


@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100))
@settings(max_examples=20, deadline=None)
def test_weights_are_shares_and_shifts_stay_inside_the_frame(seed: int, scale: float) -> None:
    x = features(seed=seed) * scale
    got = found(x)
    assert close(got.match.sum(-1), torch.ones(2, 3, 6, 4), 1e-12)
    assert close(got.weights.sum(-1), torch.ones(2, 3, 6), 1e-12)
    assert got.match.min() > 0
    assert got.match.max() < 1
    # S is a mean of the next frame's points minus the own point.
    following = got.points[:, 1:]
    low, high = following.amin(3, keepdim=True), following.amax(3, keepdim=True)
    landed = got.shifts + got.points[:, :-1]
    assert ((landed >= low - 1e-9) & (landed <= high + 1e-9)).all()
    assert got.shifts[..., 0].abs().max() <= 9 - 1
    assert got.shifts[..., 1].abs().max() <= 7 - 1


def test_logits_lie_between_nothing_and_ten() -> None:
    # Equal values give 1 / 0.1; far apart the logits vanish and the softmax is all but flat.
    values = torch.tensor([[[[1.0, 1000.0]], [[1.0, 1000.0]]]]).double()
    got = shifts(torch.zeros(1, 2, 2, 1), torch.zeros(1, 2, 1, 2, 2).double(), values, values)
    assert close(got.match[0, 0, 0, 0, 0].logit(), 10 - 1 / (999 + 0.1), 1e-9)
    far = torch.tensor([[[[0.0, 50.0]], [[100.0, 150.0]]]]).double()
    ratio = shifts(torch.zeros(1, 2, 2, 1), torch.zeros(1, 2, 1, 2, 2).double(), far, far).match
    assert (ratio.amax(-1) / ratio.amin(-1)).max() < math.e**0.91


def test_moving_the_coordinates_changes_nothing() -> None:
    x = features()
    got = found(x)
    moved = shifts(got.lines, got.points + torch.tensor([3.5, -2.0]), got.values, got.means)
    assert close(moved.shifts, got.shifts, 1e-9)
    assert close(moved.rkps, got.rkps, 1e-9)


def test_adding_a_constant_changes_nothing_and_scaling_does() -> None:
    x = features()
    got, raised, scaled = found(x), found(x + 7), found(x * 3)
    for name in ("points", "match", "weights", "rkps"):
        assert close(getattr(raised, name), getattr(got, name), 1e-9), name
    assert torch.equal(scaled.points, got.points)
    assert not close(scaled.rkps, got.rkps, 1e-2)


def test_channels_are_treated_alike() -> None:
    x = features()
    order = torch.tensor([3, 0, 5, 1, 2, 4])
    assert torch.equal(found(x[:, :, order]).rkps, found(x).rkps[:, :, order])


def test_equal_values_match_everything_alike() -> None:
    points = torch.rand(1, 3, 2, 4, 2, dtype=torch.float64) * 8
    same = torch.ones(1, 3, 2, 4, dtype=torch.float64)
    got = shifts(torch.zeros(1), points, same, same)
    assert close(got.match, torch.full((1, 2, 2, 4, 4), 0.25))
    assert close(got.shifts, points[:, 1:].mean(3, keepdim=True) - points[:, :-1])


def test_one_region_is_the_plain_shift_of_the_maximum() -> None:
    x = features().requires_grad_(True)
    got = found(x, side=1)
    assert torch.equal(got.rkps[:, :, :, 0], got.points[:, 1:, :, 0] - got.points[:, :-1, :, 0])
    assert close(got.rkps.sum(1)[:, :, 0], got.points[:, -1, :, 0] - got.points[:, 0, :, 0])  # telescopes
    back = found(x.flip(1), side=1).rkps
    assert torch.equal(back, -got.rkps.flip(1))
    gradient = torch.autograd.grad(got.rkps.square().sum(), x)[0]
    assert not gradient.any()


LEAKS = {0.05: 3.57e-2, 0.1: 6.74e-3, 0.25: 7.90e-4, 0.5: 2.40e-4, 1.0: 1.13e-4, 1e9: 4.54e-5}


@pytest.mark.parametrize(("gap", "ratio"), LEAKS.items())
def test_a_still_clip_leaks_as_far_as_its_values_are_close(gap: float, ratio: float) -> None:
    values = torch.tensor([0.0, gap], dtype=torch.float64).expand(1, 2, 1, 2)
    got = shifts(torch.zeros(1), torch.zeros(1, 2, 1, 2, 2).double(), values, values)
    assert float(got.match[0, 0, 0, 0, 1] / got.match[0, 0, 0, 0, 0]) == pytest.approx(ratio, rel=4e-3)


@pytest.mark.parametrize(("gap", "own"), [(0.1, 0.98019), (1.0, 0.99966)])
def test_weight_of_a_region_on_itself(gap: float, own: float) -> None:
    # Four regions whose values differ by the same gap from the first.
    values = torch.tensor([0.0, gap, gap, gap], dtype=torch.float64).expand(1, 2, 1, 4)
    got = shifts(torch.zeros(1), torch.zeros(1, 2, 1, 4, 2).double(), values, values)
    assert float(got.match[0, 0, 0, 0, 0]) == pytest.approx(own, abs=6e-6)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_the_leak_of_a_still_clip_is_bounded(seed: int) -> None:
    x = features(Shape(1, 3, 6, 6), seed=seed).expand(-1, 2, -1, -1, -1)
    got = found(x)
    values = got.values[:, 0]
    gaps = (values[..., :, None] - values[..., None, :]).abs() + 1e9 * torch.eye(4)
    distance = (got.points[:, 1:, :, None] - got.points[:, :-1, :, :, None]).abs().amax((3, 4, 5))[:, 0]
    bound = 3 * distance * torch.exp(1 / (gaps.amin((2, 3)) + 0.1) - 10)
    assert (got.shifts[:, 0].abs().amax((2, 3)) <= bound + 1e-12).all()


# ------------------------------------------------------------------------------------------------- against loops


@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_regions_against_loops(side: int) -> None:
    x = features(seed=side).round()  # rounding makes ties: the first in reading order counts
    rng = torch.Generator().manual_seed(side)
    columns = torch.stack([torch.randperm(8, generator=rng)[: side - 1].sort()[0] + 1 for _ in range(8)])
    rows = torch.stack([torch.randperm(6, generator=rng)[: side - 1].sort()[0] + 1 for _ in range(8)])
    lines = torch.stack([columns, rows], 1).view(2, 4, 2, side - 1).double()
    points, values, means = hard_regions(x, lines)
    for n, t, c in itertools.product(range(2), range(4), range(6)):
        upright = [0, *lines[n, t, 0].int().tolist(), 9]
        level = [0, *lines[n, t, 1].int().tolist(), 7]
        for k in range(side * side):
            top, left = level[k // side], upright[k % side]
            part = x[n, t, c, top : level[k // side + 1], left : upright[k % side + 1]]
            at = int(part.argmax())
            assert values[n, t, c, k] == part.max()
            assert points[n, t, c, k].tolist() == [left + at % part.shape[1], top + at // part.shape[1]]
            assert close(means[n, t, c, k], part.mean(), 1e-12)


def test_ties_of_dead_regions_stick_to_their_corner() -> None:
    points, values, _ = hard_regions(torch.zeros(1, 1, 1, 4, 4), torch.full((1, 1, 2, 1), 2.0))
    assert points[0, 0, 0].tolist() == [[0, 0], [2, 0], [0, 2], [2, 2]]
    assert not values.any()


@given(softness=st.floats(0.05, 5), side=st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_bands_share_every_cell(softness: float, side: int) -> None:
    lines = torch.arange(1, side, dtype=torch.float64) * 9 / side
    for soft in (0.0, softness):
        got = bands(lines, 9, soft)
        assert close(got.sum(0), torch.ones(9), 1e-12)
        assert got.min() >= -1e-12


def test_sharp_soft_regions_are_the_hard_ones() -> None:
    x = torch.rand(2, 3, 4, 6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    rng = torch.Generator().manual_seed(2)
    for n, t, c in itertools.product(range(2), range(3), range(4)):
        for top, left in itertools.product((0, 3), (0, 4)):  # one clear maximum in every region
            y, z = (int(torch.randint(0, high, (1,), generator=rng)) for high in (3, 4))
            x[n, t, c, top + y, left + z] = 40 + 3 * torch.rand(1, generator=rng, dtype=torch.float64)
    lines = grid(x)
    for hard, soft, tolerance in zip(
        hard_regions(x, lines), soft_regions(x, stand_out(x), lines, 1e-3), (0.3, 1.5, 1e-9)
    ):
        assert close(soft, hard, tolerance)


# -------------------------------------------------------------------------------------------------------- gradients


def test_gradients_of_the_match_by_hand() -> None:
    # dS/dV' = W (Delta - S) (-sign d / (|d| + 0.1)^2), dS/dV = minus their sum.
    rng = torch.Generator().manual_seed(4)
    points = (torch.rand(1, 2, 1, 4, 2, generator=rng) * 8).double()
    values = torch.randn(1, 2, 1, 4, generator=rng).double().requires_grad_(True)
    got = shifts(torch.zeros(1), points, values, torch.zeros(1, 2, 1, 4).double())
    now, then = values.detach()[0, :, 0]
    for alpha, axis in itertools.product(range(4), range(2)):
        s = got.shifts[0, 0, 0, alpha, axis]
        gradient = torch.autograd.grad(s, values, retain_graph=True)[0][0, :, 0]
        d = then - now[alpha]
        delta = points[0, 1, 0, :, axis] - points[0, 0, 0, alpha, axis]
        expected = got.match[0, 0, 0, alpha] * (delta - s) * (-d.sign() / (d.abs() + 0.1) ** 2)
        assert close(gradient[1], expected.detach(), 1e-10)
        own = torch.zeros(4).double()
        own[alpha] = -expected.detach().sum()
        assert close(gradient[0], own, 1e-10)
        assert float(gradient.sum()) == pytest.approx(0, abs=1e-10)


def test_the_spike_of_the_match() -> None:
    d = torch.tensor([1e-9, 0.5, -2.0], dtype=torch.float64, requires_grad=True)
    slope = torch.autograd.grad((1 / (d.abs() + 0.1)).sum(), d)[0]
    assert slope.abs().max() <= 100
    assert float(slope[0]) == pytest.approx(-100, rel=1e-6)


def test_gradients_of_the_regional_weights_by_hand() -> None:
    x = features(Shape(2, 1, 4, 6), count=1).requires_grad_(True)
    got = found(x)
    w = got.weights[0, 0, 0]
    for k in range(4):
        gradient = torch.autograd.grad(w[k], x, retain_graph=True)[0][0, :, 0]
        for j in range(4):
            expected = float(w[k].detach() * (float(k == j) - w[j].detach()))
            cells = gradient[:, 2 * (j // 2) : 2 * (j // 2) + 2, 3 * (j % 2) : 3 * (j % 2) + 3]
            assert close(cells, torch.full((2, 2, 3), expected / (2 * 6)).double(), 1e-8)


@pytest.mark.parametrize("hidden", [0, 5])
def test_which_centres_learn(hidden: int) -> None:
    gradients = {}
    for centres in CENTRES:
        torch.manual_seed(0)
        one = RegionalShifts(6, 4, centres, hidden)
        one(features().float().requires_grad_(True)).rkps.square().sum().backward()
        gradients[centres] = [p.grad for p in one.parameters()]
    assert gradients["fixed"] == []
    assert gradients["literal"]
    assert all(g is None for g in gradients["literal"])
    for centres in ("through", "soft"):
        assert all(g is not None and g.any() for g in gradients[centres])


def test_through_is_literal_forwards_and_in_the_features_gradient() -> None:
    x = features(Shape(3, 6, 8, 8)).float().requires_grad_(True)
    through, literal = RegionalShifts(6, 4, "through"), RegionalShifts(6, 4, "literal")
    literal.load_state_dict(through.state_dict())
    a, b = through(x), literal(x)
    for name in ("points", "values", "means", "match", "rkps"):
        assert close(getattr(a, name), getattr(b, name), 1e-4), name
    # With the bias layer cut off from the features only the maxima and means remain, which both treat alike.
    with torch.no_grad():
        for one in (through, literal):
            one.bias[0].weight.zero_()  # type: ignore[index]
    target = torch.randn_like(a.rkps)
    first, second = (torch.autograd.grad((one(x).rkps * target).sum(), x)[0] for one in (through, literal))
    assert close(first, second, 1e-5)


def test_the_surrogate_gradient_is_that_of_soft_borders() -> None:
    x = features(Shape(2, 3, 8, 8)).float()
    one = RegionalShifts(3, 4, "through", softness=0.7)
    lines = one.lines(x).detach().requires_grad_(True)
    target = torch.randn(2, 2, 3, 4, 2)
    points = one._regions(x, lines, None)[0]
    expected = soft_regions(x, stand_out(x), lines, 0.7)[0]
    first, second = (torch.autograd.grad((p * target).sum(), lines)[0] for p in (points, expected))
    assert first.any()
    assert close(first, second, 1e-5)


def test_centres_learn_to_take_in_what_pays() -> None:
    # Each frame has a bright cell at x = 2 and a brighter one at x = 5. The line starts at 4.4, between them, and the
    # left region is rewarded for the brighter one: the line must pass it, from 1.1 cells away.
    x = torch.zeros(1, 2, 1, 4, 8)
    x[..., 1, 2], x[..., 1, 5] = 4.0, 6.0
    torch.manual_seed(0)
    one = RegionalShifts(1, 4, "through")
    with torch.no_grad():
        one.bias[0].weight.zero_()  # type: ignore[index]
        one.bias[0].bias.copy_(torch.tensor([0.4, 0.0]))  # type: ignore[index]
    assert one(x).points[0, 0, 0, 0].tolist() == [2, 1]
    optimiser = torch.optim.SGD(one.parameters(), 0.02)
    for _ in range(20):
        optimiser.zero_grad()
        (one(x).points[:, :, :, 0, 0] - 5).square().sum().backward()
        optimiser.step()
    assert one(x).points[0, 0, 0, 0].tolist() == [5, 1]


def test_centres_are_kept_inside_but_their_gradient_is_not() -> None:
    one = RegionalShifts(2, 9, "through")
    with torch.no_grad():
        one.bias[0].bias.fill_(100.0)  # type: ignore[index]
    x = features(Shape(2, 2, 7, 9)).float()
    lines = one.lines(x)
    assert lines[0, 0].tolist() == [[7, 8], [5, 6]]  # every region keeps a column and a row
    lines.sum().backward()
    assert one.bias[0].bias.grad.tolist() == [8, 8]  # type: ignore[index, union-attr]
    assert one(x).means.isfinite().all()


def test_fixed_centres_are_drawn_once_in_the_middle_half() -> None:
    torch.manual_seed(3)
    ones = [RegionalShifts(4, 4, "fixed") for _ in range(50)]
    lines = torch.stack([one.lines(torch.zeros(2, 3, 4, 8, 12))[:, :, :, 0] for one in ones])
    assert (lines[..., 0] >= 3).all()
    assert (lines[..., 0] <= 9).all()
    assert (lines[..., 1] >= 2).all()
    assert (lines[..., 1] <= 6).all()
    assert lines[:, 0, 0].std(0).min() > 0.5
    assert (lines == lines[:, :1, :1]).all()
    assert "place" in ones[0].state_dict()


# ------------------------------------------------------------------------------------------------------- the branch


def branch(shape: Shape = SMALL, **knobs: object) -> KeyPointShifts:
    torch.manual_seed(0)
    return KeyPointShifts(shape, **{"middle": 8, "reduce": 5, "embed": 6, "sets": 3, **knobs})  # type: ignore[arg-type]


def test_features_pass_unchanged_and_the_side_has_its_length() -> None:
    module, x = branch(), features().float()
    assert torch.equal(module(x), x)
    assert module.side().shape == (2, 5 * 3)
    with pytest.raises(PoofError, match="built for 4 frames and cannot take 3"):
        module(x[:, :3])


@pytest.mark.parametrize(("frames", "expected"), [(4, 288), (8, 672), (16, 1440)])
def test_length_of_the_side_feature(frames: int, expected: int) -> None:
    with on_meta():
        assert KeyPointShifts(Shape(frames, 384, 14, 14)).features == expected


def test_the_reduction_goes_from_24_over_12_to_6() -> None:
    module = KeyPointShifts(Shape(8, 16, 14, 14))
    sizes: list[tuple[int, ...]] = []
    for layer in module.reduction:
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))
    module(torch.randn(1, 8, 16, 14, 14))
    assert sizes == [(96, 7, 12), (96, 7, 6)]


def test_the_sum_of_embeddings_is_one_linear_layer_over_all_sets() -> None:
    module, x = branch(norm=False), features().float()
    module.watching = True
    module(x)
    scale = torch.tensor([9.0, 7.0])
    joined = torch.cat([(found.rkps / scale).flatten(3) for found in module.seen], -1)
    weight = torch.cat([one.weight for one in module.embeddings], 1)
    bias = sum(one.bias for one in module.embeddings)
    total = torch.nn.functional.linear(joined, weight, bias)
    assert close(module.reduction(total.transpose(1, 2)).mean(3).flatten(1), module.side(), 1e-5)


def test_with_one_region_sets_are_equal_and_nothing_reaches_the_backbone() -> None:
    module, x = branch(regions=1, norm=False), features().float().requires_grad_(True)
    module.watching = True
    module(x)
    assert all(torch.equal(one.rkps, module.seen[0].rkps) for one in module.seen)
    single = branch(regions=1, sets=1, norm=False)
    single.reduction.load_state_dict(module.reduction.state_dict())
    with torch.no_grad():
        single.embeddings[0].weight.copy_(sum(one.weight for one in module.embeddings))
        single.embeddings[0].bias.copy_(sum(one.bias for one in module.embeddings))
    single(x)
    assert close(single.side(), module.side(), 1e-5)
    gradient = torch.autograd.grad(module.side().sum(), x, allow_unused=True)[0]
    assert gradient is None or not gradient.any()


def test_units_and_folding() -> None:
    x = features().float()
    cells, frame = branch(units="cells", norm=False, sets=1), branch(norm=False, sets=1)
    with torch.no_grad():
        frame.embeddings[0].weight.mul_(torch.tensor([9.0, 7.0]).repeat(4))
    cells(x)
    frame(x)
    assert close(cells.side(), frame.side(), 1e-5)
    folded = branch(fold="sum")
    assert folded.embeddings[0].in_features == 2
    folded(x)
    assert folded.side().shape == (2, 15)


def test_bookkeeping_of_the_size() -> None:
    with on_meta():
        module = KeyPointShifts(Shape(8, 384, 14, 14), norm=False)
        assert parameters(module.embeddings) == 1_728
        assert parameters(module.reduction) == 138_240
        assert parameters(module.sets) == 6_160
        assert parameters(KeyPointShifts(Shape(8, 384, 14, 14), hidden=24).sets) == 74_320
        assert parameters(KeyPointShifts(Shape(8, 384, 14, 14), fold="sum").embeddings) == 576
        assert parameters(KeyPointShifts(Shape(8, 384, 14, 14))) == parameters(module) + 384


def test_bookkeeping_of_the_cost() -> None:
    with on_meta():
        module = KeyPointShifts(Shape(8, 384, 14, 14))
    count = count_forward(module, (1, 8, 384, 14, 14))
    embedding, first, second = 8 * 384 * 7 * 8 * 24, 384 * 96 * 3 * 7 * 12, 96 * 96 * 3 * 7 * 6
    assert [round(n / 1e6, 2) for n in (embedding, first, second)] == [4.13, 9.29, 1.16]
    assert count.by_operation["convolution"] == first + second
    assert count.by_operation["addmm"] == embedding + 8 * 8 * 384 * 2  # and the MLPs of the centres
    assert 0.014e9 < count.macs < 0.03e9
    module.watching = True
    module(torch.empty(1, 8, 384, 14, 14, device="meta"))
    assert sum(found.match.numel() for found in module.seen) == 8 * 4**2 * 384 * 7 == 344_064


def test_readouts_of_a_still_clip() -> None:
    module = branch(centres="fixed", sets=2)
    x = 5 * torch.rand(1, 1, 6, 7, 9).expand(2, 4, -1, -1, -1)
    module.watching = True
    module(x)
    read = module.diagnostics()
    assert read["shift"] < 0.5
    assert read["match_best"] > 0.8
    assert read["centre_spread"] == pytest.approx(0, abs=1e-6)
    assert 0 < read["centre_moves"] <= 0.25 * 9
    module.watching = False
    module(x)
    assert module.diagnostics() == {}


def test_the_picture_shows_points_where_they_are() -> None:
    # One clear maximum in channel 2 moves from cell (1, 1) over (2, 1) to (3, 1) of 8 x 6.
    x = 0.01 * torch.rand(1, 3, 4, 6, 8)
    for t in range(3):
        x[0, t, 2, 1, 1 + t] = 5.0
    module = branch(Shape(3, 4, 6, 8), centres="literal", norm=False)
    assert module.pictures() == []
    module.watching = True
    module(x)
    marks = module.pictures(channels=1)[0]
    assert isinstance(marks, Marks)
    assert marks.title == "key points, channel 2"
    assert close(marks.values[:, 0], [[1.5 / 8, 1.5 / 6], [2.5 / 8, 1.5 / 6], [3.5 / 8, 1.5 / 6]])
    assert close(marks.shifts[:, 0], [[1 / 8, 0], [1 / 8, 0]], 2e-3)  # the peak is matched, others leak e^-9
    images = draw_marks(marks, np.zeros((3, 120, 160, 3), np.uint8))
    for t, image in enumerate(images):
        assert tuple(image[30, 20 * (1 + t) + 10]) == COLOURS[0]
    assert (images[0, :, round(float(marks.lines[0, 0, 0]) * 160)] == 255).all(1).mean() > 0.8


def test_half_precision_keeps_the_matches() -> None:
    module, x = branch(), (100 * features()).float()
    module(x)
    whole = module.side()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        module(x)
    assert module.side().isfinite().all()
    assert close(module.side(), whole.detach(), 0.2)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ("regions=5", r"regions=5: choose 1, 4, 9, 16"),
        ("regions=25", r"4x4 cells cannot be split into 5 by 5 regions"),
        ("centres=hard", r"centres=hard: choose one of through, soft, literal, fixed"),
        ("stage=5", r"stage=5: this backbone has stages 1 to 4"),
        ("sets=0", r"sets=0"),
    ],
)
def test_nonsense_is_refused(knobs: str, message: str) -> None:
    with pytest.raises(PoofError, match=message):
        recog.build_model("resnet18", [f"kpsem:{knobs}"], 4, 5, size=64)


@pytest.mark.parametrize("regions", [1, 4])
def test_the_branch_learns_direction(regions: int) -> None:
    # A bright cell moves left or right.
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(128) % 2
    clips = torch.rand(128, 4, 4, 8, 8, generator=rng) * 0.1
    for number, label in enumerate(labels):
        row = int(torch.randint(0, 8, (1,), generator=rng))
        places = torch.arange(1, 5) + int(torch.randint(0, 3, (1,), generator=rng))
        for t, x in enumerate(places if label else places.flip(0)):
            clips[number, t, :, row, x] += 2.0
    torch.manual_seed(1)
    module = KeyPointShifts(Shape(4, 4, 8, 8), regions=regions, sets=2, middle=8, reduce=8, embed=8, norm=False)
    head = torch.nn.Linear(module.features, 2)
    optimiser = torch.optim.Adam([*module.parameters(), *head.parameters()], 0.02)
    for _ in range(25):
        module(clips[:96])
        loss = torch.nn.functional.cross_entropy(head(module.side()), labels[:96])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    def right(seen: Tensor) -> float:
        module(seen)
        return float((head(module.side()).argmax(1) == labels[96:]).float().mean())

    assert right(clips[96:]) > 0.9
    assert right(clips[96:].flip(1)) < 0.1  # reversed clips are clips of the other class
    assert right(torch.zeros_like(clips[96:])) == 0.5  # without shifts: chance
