"""SoftPool, the poolings it is compared with, and the selection of frames: the document's numbers and invariants."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from poof import recog
from poof.errors import PoofError
from poof.meta_device import on_meta
from poof.recog.core.module import Shape
from poof.recog.zoo.modules.selection import FrameSelection, select_frames, take_frames, triplet_scores
from poof.recog.zoo.modules.softpool import POOLINGS, pool_cells, pool_space, pool_volume, windows

LOGS = torch.tensor([[math.log(1), math.log(2)], [math.log(3), math.log(4)]], dtype=torch.float64)
ANGLES = torch.tensor([0, 10, 30, 35, 80, 87, 90, 150], dtype=torch.float64).deg2rad()
TURNING = torch.stack([ANGLES.cos(), ANGLES.sin()], 1)[None]


def cells(seed: int, scale: float = 1.0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return scale * torch.randn(2, 3, 2, 2, generator=rng, dtype=torch.float64)


# ------------------------------------------------------------------------------------------------------- pooling


def test_windows_hold_their_own_cells() -> None:
    x = torch.arange(20.0).view(1, 4, 5)
    got = windows(x, 2)
    assert got.shape == (1, 2, 2, 4)
    assert got[0, 0, 0].tolist() == [0, 1, 5, 6]
    assert got[0, 1, 1].tolist() == [12, 13, 17, 18]


def test_soft_pool_of_four_logarithms() -> None:
    x = LOGS.clone().requires_grad_(True)
    assert windows(x, 2).softmax(-1).flatten().tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    y = pool_space(x)
    y.backward()
    assert float(y.detach()) == pytest.approx(1.0227308671603783, abs=1e-12)
    expected = [-0.0022730868, 0.1340832626, 0.3227644263, 0.5454253976]
    assert x.grad.flatten().tolist() == pytest.approx(expected, abs=1e-9)
    assert float(x.grad.sum()) == pytest.approx(1)
    assert float(pool_space(LOGS, "average")) == pytest.approx(0.7945134576, abs=1e-9)
    assert float(pool_space(LOGS, "max")) == pytest.approx(1.3862943611, abs=1e-9)


@given(seed=st.integers(0, 10_000), scale=st.sampled_from([0.1, 1.0, 20.0]), shift=st.floats(-50, 50))
@settings(max_examples=40, deadline=None)
def test_soft_pool_lies_between_mean_and_maximum_and_moves_along(seed: int, scale: float, shift: float) -> None:
    x = cells(seed, scale)
    y = pool_space(x)
    assert (y >= pool_space(x, "average") - 1e-9).all()
    assert (y <= pool_space(x, "max") + 1e-9).all()
    assert torch.allclose(pool_space(x + shift), y + shift)
    assert torch.allclose(pool_space(x.flip(-1).transpose(-1, -2)), y)


def test_soft_pool_goes_from_mean_to_maximum_and_never_overflows() -> None:
    x = cells(0)
    assert torch.allclose(pool_space(1e-6 * x) * 1e6, pool_space(x, "average"), atol=1e-5)
    assert torch.allclose(pool_space(1e4 * x) / 1e4, pool_space(x, "max"))
    assert torch.equal(pool_space(torch.full((1, 2, 2), 7.5)), torch.full((1, 1, 1), 7.5))
    assert pool_space(torch.full((1, 2, 2), 60000.0, dtype=torch.float16)).item() == 60000
    assert not torch.allclose(pool_space(2 * x), 2 * pool_space(x))  # not homogeneous


def test_soft_pool_is_per_channel_and_keeps_negatives() -> None:
    x = cells(1)
    y = pool_space(x)
    for n in range(2):
        for c in range(3):
            assert torch.equal(y[n, c], pool_space(x[n, c]))
    assert float(pool_space(-5 - LOGS)) < -5


def test_gradient_of_soft_pool_is_its_derivative() -> None:
    x = torch.randn(2, 2, 4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(pool_space, (x,))
    y = pool_space(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    a = windows(x.detach(), 2)
    expected = a.softmax(-1) * (1 + a - y.detach()[..., None])
    assert torch.allclose(windows(gradient, 2), expected)


def test_stochastic_pool_draws_by_size() -> None:
    x = torch.tensor([[1.0, 3.0], [-5.0, 0.0]]).expand(4000, 2, 2)
    torch.manual_seed(0)
    drawn = pool_space(x, "stochastic", training=True)
    assert set(drawn.flatten().tolist()) == {1.0, 3.0}
    assert float((drawn == 3).float().mean()) == pytest.approx(0.75, abs=0.03)
    assert float(pool_space(x[0], "stochastic")) == pytest.approx(0.25 * 1 + 0.75 * 3)
    assert float(pool_space(-torch.ones(2, 2), "stochastic")) == -1
    assert pool_space(-torch.ones(2, 2), "stochastic", training=True).item() == -1


@pytest.mark.parametrize("kind", POOLINGS)
def test_every_pooling_halves_and_refuses_what_is_too_small(kind: str) -> None:
    assert pool_space(torch.randn(2, 3, 4, 5, 7), kind).shape == (2, 3, 4, 2, 3)
    with pytest.raises(PoofError, match="1x4 cells are fewer than a pooling window of 2x2"):
        pool_space(torch.randn(2, 1, 4), kind)


def test_symmetric_pooling_takes_eight_cells() -> None:
    x = torch.arange(2 * 5 * 4 * 3.0).view(2, 5, 4, 3)
    assert pool_volume(x, "max").shape == (2, 2, 2, 1)
    assert pool_volume(x, "max")[0].flatten().tolist() == [12 + 4, 12 + 10, 36 + 4, 36 + 10]
    assert torch.allclose(pool_volume(x, "average"), torch.nn.functional.avg_pool3d(x[None], 2)[0])
    eight = torch.tensor([1.0, 2, 3, 4, 5, 6, 7, 8]).log()
    assert float(pool_volume(eight.view(1, 2, 2, 2))) == pytest.approx(float(pool_cells(eight, "soft")))
    one = torch.tensor([[[[2.0, 4.0]]]])
    assert float(pool_volume(one, "average")) == 3
    assert float(pool_volume(one, "soft")) == pytest.approx(float(pool_cells(torch.tensor([2.0, 4.0]), "soft")))


# ------------------------------------------------------------------------------------------------------ selection


def test_selection_by_hand() -> None:
    expected = [1.92450, 1.93589, 1.70330, 1.69965, 1.99118, 1.49863]
    assert triplet_scores(TURNING)[0].tolist() == pytest.approx(expected, abs=1e-5)
    assert select_frames(TURNING).tolist() == [[1, 3, 4, 6]]
    assert select_frames(TURNING, "most").tolist() == [[1, 2, 3, 5]]
    assert select_frames(TURNING, "uniform").tolist() == [[0, 2, 4, 6]]
    # Cosines .6 and .6, .6 and 0, 0 and -1: by their sum the first, by their squares the last.
    across = torch.tensor([[[1.0, 0], [0.6, 0.8], [1.0, 0], [0, 1.0], [0, -1.0]]])
    assert triplet_scores(across)[0].tolist() == pytest.approx([1.2, 0.6, -1.0])
    assert select_frames(across[:, :5], "most").tolist() == [[1, 2]]
    assert select_frames(across[:, :5], "released").tolist() == [[1, 3]]


@given(seed=st.integers(0, 10_000), frames=st.integers(1, 11))
@settings(max_examples=40, deadline=None)
def test_selection_keeps_half_in_order_and_knows_directions_only(seed: int, frames: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    means = torch.randn(3, frames, 5, generator=rng, dtype=torch.float64)
    kept = select_frames(means)
    assert kept.shape == (3, max(frames // 2, 1))
    assert (kept[:, 1:] > kept[:, :-1]).all()
    if frames >= 3:
        assert kept.min() >= 1
        assert kept.max() <= frames - 2
    else:
        assert (kept == 0).all()
    factors = torch.rand(3, frames, 1, generator=rng, dtype=torch.float64) + 0.1
    assert torch.equal(select_frames(factors * means), kept)


def test_black_and_equal_frames_do_not_break_it() -> None:
    black = torch.zeros(1, 6, 4)
    assert select_frames(black).tolist() == [[1, 2, 3]]
    assert select_frames(torch.ones(1, 7, 4)).tolist() == [[1, 2, 3]]
    black[0, 3] = 1
    assert triplet_scores(black).isfinite().all()


def test_frames_that_stay_are_copies_and_alone_get_gradients() -> None:
    module = FrameSelection(Shape(8, 2, 3, 3))
    x = (TURNING.float()[..., None, None] * torch.rand(1, 8, 1, 3, 3)).requires_grad_(True)
    y = module(x)
    assert torch.equal(y, x[:, [1, 3, 4, 6]])
    y.sum().backward()
    assert x.grad.flatten(2).any(2).tolist() == [[False, True, False, True, True, False, True, False]]
    clips = torch.rand(2, 5, 1)
    assert torch.equal(take_frames(clips, torch.tensor([[0, 4], [1, 2]]))[1], clips[1, 1:3])


@pytest.mark.parametrize(("backbone", "before", "after"), [("resnet18", 8, 4), ("i3d_resnet18", 4, 2)])
def test_selection_in_a_host(backbone: str, before: int, after: int) -> None:
    torch.manual_seed(0)
    model = recog.build_model(backbone, ["select:pool=soft", "tsm"], 8, 3, size=64).eval()
    line = model.insertions[[row.module for row in model.insertions].index("select")]
    assert (line.before.frames, line.after.frames) == (before, after)
    assert (line.before.height, line.after.height) == (8, 4)
    with torch.no_grad(), model.watching():
        assert model(torch.randn(2, 8, 3, 64, 64)).shape == (2, 3)
    kept = next(read for name, read in model.diagnostics().items() if "select" in name)
    assert len(kept) == after


def test_selection_that_makes_no_sense() -> None:
    with on_meta():
        for knobs, reason in (
            ("rule=best", "choose one of least, most, uniform"),
            ("pool=mean", "choose one of none, soft, average, max, stochastic"),
            ("stage=5", "this backbone has stages 1 to 4"),
            ("stage=4,pool=soft", "1x1 cells cannot be pooled"),
        ):
            with pytest.raises(PoofError, match=reason):
                recog.build_model("resnet18", [f"select:{knobs}"], 8, 3, size=16)
