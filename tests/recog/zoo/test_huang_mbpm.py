"""MBPM, against the numbers and invariants of its document (Huang 2022, Section 5.3)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from poof import recog
from poof.errors import PoofError
from poof.meta_device import on_meta
from poof.recog.core.module import Shape
from poof.recog.cost.counting import parameters
from poof.recog.zoo.modules.mbpm import BandPass, MotionBandPass, log_kernel


def module(scale: str = "peak", size: int = 24, frames: int = 6, **knobs: object) -> MotionBandPass:
    return MotionBandPass(Shape(frames, 3, size, size), scale=scale, **knobs)  # type: ignore[arg-type]


def clip(frames: int = 6, size: int = 24, seed: int = 0) -> torch.Tensor:
    return torch.rand(2, frames, 3, size, size, generator=torch.Generator().manual_seed(seed))


def gain(kernel: np.ndarray, wx: float, wy: float = 0.0) -> float:
    """Response of a symmetric kernel to a wave, in radians a cell."""
    cells = np.arange(len(kernel)) - len(kernel) // 2
    return float((kernel * np.cos(wx * cells[None] + wy * cells[:, None])).sum())


# ------------------------------------------------------------------------------------------------------ the kernel


def test_centre_row_and_sum_of_the_laplacian() -> None:
    kernel = log_kernel(9, 1.1, "raw")
    row = [0.0016, 0.0143, 0.0272, -0.0844, -0.2174, -0.0844, 0.0272, 0.0143, 0.0016]
    assert kernel[4] == pytest.approx(row, abs=5e-5)
    assert kernel.sum() == pytest.approx(-7.81e-4, abs=5e-7)
    assert np.allclose(kernel, np.rot90(kernel))


def test_the_documents_normalisation_amplifies_779_times() -> None:
    kernel = log_kernel(9, 1.1, "sum")
    assert kernel.sum() == pytest.approx(1)
    assert kernel[4, 4] == pytest.approx(278.4, abs=0.05)
    assert np.abs(kernel).sum() == pytest.approx(1589.45, abs=0.05)
    assert gain(kernel, 1.287) == pytest.approx(779.2, abs=0.2)
    assert gain(log_kernel(7, 0.9, "sum"), math.pi / 2) < 426.6
    small = [[-0.044, 0.133, -0.044], [0.133, 0.644, 0.133], [-0.044, 0.133, -0.044]]
    assert np.allclose(log_kernel(3, 0.9, "sum"), small, atol=5e-4)


@given(kernel=st.sampled_from([5, 7, 9, 11]), sigma=st.floats(0.8, 1.4), wx=st.floats(-3, 3), wy=st.floats(-3, 3))
@settings(max_examples=60, deadline=None)
def test_peak_scale_never_amplifies(kernel: int, sigma: float, wx: float, wy: float) -> None:
    values = log_kernel(kernel, sigma)
    assert abs(gain(values, wx, wy)) <= 1.001
    assert values[kernel // 2, kernel // 2] > 0  # the sign that dividing by the (negative) sum gives


def test_peak_scale_is_the_band_of_the_continuous_filter() -> None:
    # -|k|^2 exp(-s^2 |k|^2 / 2) has its peak 2 / (e s^2) at sqrt(2) / s and half of it at 0.62 and 2.10 rad.
    raw, peak = log_kernel(9, 1.1, "raw"), log_kernel(9, 1.1, "peak")
    assert gain(raw, math.sqrt(2) / 1.1) == pytest.approx(-0.6086, abs=2e-4)
    assert gain(peak, math.sqrt(2) / 1.1) == pytest.approx(1, abs=2e-3)
    assert gain(peak, 0.62) == pytest.approx(0.5, abs=0.01)
    assert gain(peak, 2.10) == pytest.approx(0.5, abs=0.01)
    assert abs(gain(peak, 0.0)) < 2e-3


def test_kernels_that_make_no_sense_are_refused() -> None:
    with pytest.raises(PoofError, match="odd width from 3 up"):
        log_kernel(8, 1.1)
    with pytest.raises(PoofError, match="above 0"):
        log_kernel(9, 0.0)
    with pytest.raises(PoofError, match="nothing can be divided by that; take scale=peak"):
        log_kernel(31, 2.0, "sum")
    with pytest.raises(PoofError, match="choose one of peak, sum, raw"):
        log_kernel(9, 1.1, "unit")


# ------------------------------------------------------------------------------------------------------ the module


@pytest.mark.parametrize("scale", ["peak", "raw"])
def test_static_and_linear_clips_give_zero(scale: str) -> None:
    still = clip()[:, :1].expand(-1, 6, -1, -1, -1)
    ramp = still + torch.arange(6.0).view(1, 6, 1, 1, 1) * clip(1, seed=1)[:, :1]
    assert module(scale)(still).abs().max() < 1e-6
    assert module(scale)(ramp).abs().max() < 1e-5
    assert module("sum")(still).abs().max() < 1e-6 * 1589 * 2  # zero to rounding of values that large


def test_half_precision_keeps_what_stands_still_at_zero() -> None:
    still = 2 + clip()[:, :1].expand(-1, 6, -1, -1, -1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert module()(still).abs().max() < 1e-5


def test_static_clips_stay_zero_while_balanced_kernels_are_trained() -> None:
    still, moving = clip()[:, :1].expand(-1, 6, -1, -1, -1), clip()
    results = []
    for balanced in (False, True):
        one = module(balanced=balanced)
        optimizer = torch.optim.SGD(one.parameters(), lr=1.0)
        one(moving)[:, :, :, 5:9].square().sum().sub(one(moving).sum() * 3).backward()
        optimizer.step()
        with torch.no_grad():
            results.append(float(one(still).abs().max() / one(moving).abs().max()))
    assert results[0] > 0.05
    assert results[1] < 1e-5


def test_output_is_the_same_for_the_reversed_triple() -> None:
    x = clip()
    backwards = x.unflatten(1, (-1, 3)).flip(2).flatten(1, 2)
    assert torch.allclose(module()(x), module()(backwards), atol=1e-6)


def test_temporal_part_by_hand() -> None:
    one = module(frames=3)
    with torch.no_grad():
        one.filter.space.zero_()
        one.filter.space[:, :, 4, 4] = 1
    x = torch.tensor([1.0, 4, 2]).view(1, 3, 1, 1, 1).expand(1, 3, 3, 24, 24)
    assert torch.allclose(one(x), torch.tensor(5 / 3))


def test_no_output_mixes_two_segments() -> None:
    x = clip()
    changed = x.clone()
    changed[:, 3:] += 1 + clip(seed=3)[:, 3:]
    one = module()
    assert torch.equal(one(x)[:, 0], one(changed)[:, 0])
    assert not torch.allclose(one(x)[:, 1], one(changed)[:, 1])


@pytest.mark.parametrize(("scale", "expected"), [("sum", 543.847 * 0.19526), ("peak", 543.847 / 779.292 * 0.19526)])
def test_moving_wave_is_scaled_by_both_responses(scale: str, expected: float) -> None:
    # cos(kx - wt) with k = w = 2 pi / 8, far enough from the border: gain of the Laplacian times (2 - 2 cos w) / 3.
    cells, times = torch.arange(48.0), torch.arange(3.0)
    wave = torch.cos(2 * math.pi / 8 * (cells[None] - times[:, None]))
    x = wave.view(1, 3, 1, 1, 48).expand(1, 3, 3, 48, 48)
    y = module(scale, size=48, frames=3)(x)[0, 0, 0, 24, 4:-4]
    assert torch.allclose(y, expected * wave[1, 4:-4], atol=2e-4 * expected)


def test_flicker_of_the_whole_picture() -> None:
    brightness = torch.tensor([1.0, 4, 2])
    x = brightness.view(1, 3, 1, 1, 1).expand(1, 3, 3, 24, 24)
    assert torch.allclose(module("sum", frames=3)(x), torch.tensor(5 / 3), atol=3e-3)  # its gain at 0 is 1
    assert module("raw", frames=3)(x).detach().abs().max() == pytest.approx(7.81e-4 * 5 / 3, rel=0.01)


def test_space_and_time_commute() -> None:
    x, one = clip(), module().filter
    space_first = one(x)
    swapped = BandPass(3, 3, 1.0)
    with torch.no_grad():
        swapped.space.copy_(torch.eye(3)[1].outer(torch.eye(3)[1]).expand_as(swapped.space))
        swapped.time.copy_(one.time)
    only_time = swapped(x)
    with torch.no_grad():
        one.time.copy_(torch.tensor([0.0, 1, 0]).view(1, 1, 3, 1).expand_as(one.time))
    assert torch.allclose(one(only_time), space_first, atol=1e-5)


def test_stride_one_repeats_the_end_frames() -> None:
    x = clip()
    one = BandPass(3, 5, 0.9)
    extended = torch.cat([x[:, :1], x, x[:, -1:]], 1)
    triples = [one(extended[:, t : t + 3], stride=3) for t in range(6)]
    assert torch.allclose(one(x), torch.cat(triples, 1), atol=1e-6)


def test_costs_of_the_document() -> None:
    assert parameters(module()) == 252
    with on_meta():
        for size, frames, gmacs in ((224, 8, 0.296), (256, 8, 0.387), (256, 16, 0.774)):
            model = recog.build_model("resnet18", ["mbpm"], frames, size=size)
            assert model.insertions[0].macs / 1e9 == pytest.approx(gmacs, abs=6e-4)
        single = recog.profile(recog.build_model("busy-resnet50"))
    assert f"{single.gmacs:.3f}/{single.parameters / 1e6:.3f}" == "32.996/23.865"  # the released code's, measured


def test_it_takes_frames_in_threes_and_says_so() -> None:
    model = recog.build_model("resnet18", ["mbpm"], 4, 3, size=32)
    assert model.clip_shape == (1, 12, 3, 32, 32)
    with pytest.raises(PoofError, match="takes 3 frames a segment"):
        model(torch.rand(1, 11, 3, 32, 32))
    with pytest.raises(PoofError, match="2 frames: the band-pass takes them in threes"):
        module(frames=2)
    frozen = module(frozen=True)
    assert not any(p.requires_grad for p in frozen.parameters())
