"""What each module computes: hand-made numbers, invariants, parameter counts of the documents."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from poof import recog
from poof.errors import PoofError
from poof.meta_device import on_meta
from poof.recog.core.module import Shape, norm_frames, shift_time
from poof.recog.cost.counting import parameters
from poof.recog.zoo.modules.attention import PatchAttention, SelfAttention
from poof.recog.zoo.modules.m2a import Difference, MotionAwareAttention
from poof.recog.zoo.modules.tam import AdaptiveModule
from poof.recog.zoo.modules.tdn import LearnedShift, LongTermDifference
from poof.recog.zoo.modules.tea import MotionExcitation
from poof.recog.zoo.modules.tsm import TemporalShift

SHAPE = Shape(4, 16, 6, 6)


def features(shape: Shape = SHAPE, count: int = 2, seed: int = 0) -> torch.Tensor:
    size = (count, shape.frames, shape.channels, shape.height, shape.width)
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


# ------------------------------------------------------------------------------------------------------- shifts


@given(frames=st.integers(1, 6), by=st.integers(-3, 3), wrap=st.booleans())
@settings(max_examples=40, deadline=None)
def test_shift_reads_frame_t_plus_by(frames: int, by: int, wrap: bool) -> None:
    x = torch.arange(1.0, frames + 1).view(1, frames, 1)
    got = shift_time(x, by, "wrap" if wrap else "zero").flatten().tolist()
    source = list(range(1, frames + 1))
    if wrap:
        expected = [source[(t + by) % frames] for t in range(frames)]
    else:
        expected = [source[t + by] if 0 <= t + by < frames else 0 for t in range(frames)]
    assert got == expected


def test_tsm_by_hand() -> None:
    # Frame t holds t + 1 in every channel; of 8 channels one comes from the next frame, one from the one before.
    x = torch.arange(1.0, 4).view(1, 3, 1, 1, 1).expand(1, 3, 8, 1, 1)
    y = TemporalShift(Shape(3, 8, 1, 1))(x)[0, :, :, 0, 0]
    assert y[:, 0].tolist() == [2, 3, 0]
    assert y[:, 1].tolist() == [0, 1, 2]
    assert (y[:, 2:] == torch.tensor([1.0, 2, 3])[:, None]).all()


def test_learned_shift_of_tdn_starts_as_tsm() -> None:
    x = features()
    assert torch.allclose(LearnedShift(16)(x), TemporalShift(SHAPE)(x))


# ---------------------------------------------------------------------------------------------------- attention


def test_self_attention_is_equation_4_5() -> None:
    x = features(Shape(3, 2, 2, 2), count=1)
    u = x[0].flatten(1).numpy().astype(np.float64)
    scores = np.exp(u @ u.T / math.sqrt(8))
    expected = scores / scores.sum(1, keepdims=True) @ u
    assert np.allclose(SelfAttention()(x)[0].flatten(1).numpy(), expected, atol=1e-5)


def test_entropy_of_equal_and_of_orthogonal_frames() -> None:
    attention = SelfAttention()
    attention.watching = True
    attention(norm_frames(features(count=1)[:, :1]).expand(-1, 4, -1, -1, -1))
    read = attention.diagnostics()
    assert read["attention_entropy"] == pytest.approx(1, abs=1e-5)
    assert read["attention_self"] == pytest.approx(0.25, abs=1e-5)
    attention(100 * torch.eye(4).view(1, 4, 4, 1, 1))
    read = attention.diagnostics()
    assert read["attention_entropy"] == pytest.approx(0, abs=1e-5)
    assert read["attention_self"] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("correlation", "expected"), [(0.5, 1.0), (0.9, 1.0), (0.99, 0.700), (0.999, 0.182)])
def test_attention_saturates_at_the_size_of_stage_1(correlation: float, expected: float) -> None:
    # Frames of 8 x 56 x 56 numbers, an AR(1) series in time, layer-normed. Frames i and j then score
    # sqrt(25088) * correlation^|i - j|: one-hot up to 0.9, and only from 0.99 on do the others get a share.
    lags = (torch.arange(8)[:, None] - torch.arange(8)).abs()
    theory = (math.sqrt(8 * 56 * 56) * correlation ** lags.double()).softmax(1).diagonal().mean()
    rng = torch.Generator().manual_seed(0)
    frames = [torch.randn(8, 56, 56, generator=rng)]
    for _ in range(7):
        noise = torch.randn(8, 56, 56, generator=rng)
        frames.append(correlation * frames[-1] + math.sqrt(1 - correlation**2) * noise)
    attention = SelfAttention()
    attention.watching = True
    attention(norm_frames(torch.stack(frames)[None]))
    assert float(theory) == pytest.approx(expected, abs=0.001)
    assert attention.diagnostics()["attention_self"] == pytest.approx(expected, abs=0.03)


def test_diagnostics_reach_the_user_only_when_watched() -> None:
    model = recog.build_model("resnet18", ["m2a"], frames=4, num_classes=3, size=32).eval()
    with torch.no_grad():
        model(torch.randn(1, 4, 3, 32, 32))
        assert model.diagnostics() == {}
        with model.watching():
            model(torch.randn(1, 4, 3, 32, 32))
        reads = model.diagnostics()
    assert len(reads) == 8
    assert all(0 <= read["attention_entropy"] <= 1 + 1e-6 for read in reads.values())


def test_patch_attention_by_loops() -> None:
    x = features(Shape(3, 2, 4, 4), count=1)
    u = x[0].double()

    def attend(tokens: torch.Tensor) -> torch.Tensor:
        return (tokens @ tokens.T / math.sqrt(tokens.shape[1])).softmax(1) @ tokens

    expected = u.clone()
    for row in (slice(0, 2), slice(2, 4)):
        for column in (slice(0, 2), slice(2, 4)):
            expected[:, :, row, column] = attend(u[:, :, row, column].flatten(1)).view(3, 2, 2, 2)
    for t in range(3):
        patches = expected[t].unfold(1, 2, 2).unfold(2, 2, 2).permute(1, 2, 0, 3, 4)
        done = attend(patches.reshape(4, -1)).view(2, 2, 2, 2, 2)
        expected[t] = done.permute(2, 0, 3, 1, 4).reshape(2, 4, 4)
    assert torch.allclose(PatchAttention(2)(x)[0].double(), expected, atol=1e-5)


def test_patches_that_do_not_fit_attend_among_all_cells() -> None:
    x = features(Shape(2, 3, 3, 2), count=1)
    tokens = x[0].permute(0, 2, 3, 1).reshape(12, 3).double()
    expected = (tokens @ tokens.T / math.sqrt(3)).softmax(1) @ tokens
    got = PatchAttention(4)(x)[0].permute(0, 2, 3, 1).reshape(12, 3)
    assert torch.allclose(got.double(), expected, atol=1e-5)


# ---------------------------------------------------------------------------------------------------------- M2A


def test_m2a_gate_lies_between_one_and_two() -> None:
    x = features()
    ratio = MotionAwareAttention(SHAPE)(x) / x
    assert ratio.min() > 1
    assert ratio.max() < 2


def test_m2a_by_its_definition() -> None:
    module, x = MotionAwareAttention(SHAPE), features(count=1)
    narrow = torch.einsum("oc,tchw->tohw", module.down.weight[:, :, 0, 0], x[0]) + module.down.bias[:, None, None]
    flat = narrow.flatten(1)
    normed = (flat - flat.mean(1, keepdim=True)) / (flat.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    motion = torch.stack([normed[1] - normed[0], normed[2] - normed[1], normed[3] - normed[2], normed[0] - normed[3]])
    attended = (motion @ motion.T / math.sqrt(flat.shape[1])).softmax(1) @ motion + flat
    wide = torch.einsum("co,tohw->tchw", module.up.weight[:, :, 0, 0], attended.view_as(narrow))
    gate = (wide + module.up.bias[:, None, None]).sigmoid()
    assert torch.allclose(module(x)[0], x[0] * gate + x[0], atol=1e-5)


def test_m2a_last_motion_wraps_or_is_minus_the_last_frame() -> None:
    x = features()
    assert torch.equal(Difference("wrap")(x)[:, -1], x[:, 0] - x[:, -1])
    assert torch.equal(Difference("zero")(x)[:, -1], -x[:, -1])
    assert torch.equal(Difference("zero")(x)[:, :-1], x[:, 1:] - x[:, :-1])


@given(by=st.integers(1, 3))
@settings(max_examples=3, deadline=None)
def test_wrapping_m2a_commutes_with_turning_the_clip(by: int) -> None:
    module, x = MotionAwareAttention(SHAPE).eval(), features()
    turned = module(torch.roll(x, by, 1))
    assert torch.allclose(turned, torch.roll(module(x), by, 1), atol=1e-5)


def test_still_clips_have_no_motion() -> None:
    module = MotionAwareAttention(SHAPE, attention="none")
    x = features(count=1)[:, :1].expand(-1, 4, -1, -1, -1)
    gate = module.up.bias.sigmoid()[:, None, None]
    assert torch.allclose(module(x), x * gate + x, atol=1e-6)


def test_m2a_placement_and_its_parameters() -> None:
    with on_meta():
        before = recog.build_model("resnet18", ["m2a"])
        after = recog.build_model("resnet18", ["m2a:placement=after"])
    assert parameters(before) == 11_376_998
    assert parameters(after) == 11_442_014
    convolutions = [recog.profile(model).count.by_operation["convolution"] for model in (before, after)]
    assert convolutions[0] == convolutions[1]


def test_half_precision_does_not_overflow() -> None:
    shape = Shape(8, 256, 56, 56)  # the first blocks of ResNet-50: sums of 100,352 squares
    module = SelfAttention()
    x = norm_frames(features(Shape(8, 32, 56, 56), count=1)).to(torch.float16)
    assert shape.channels // 8 * 56 * 56 > torch.finfo(torch.float16).max
    with torch.autocast("cpu", dtype=torch.float16):
        assert module(x).isfinite().all()


# ------------------------------------------------------------------------------------------------ TEA, TDN, TAM


def test_parameter_counts_of_the_documents() -> None:
    assert parameters(MotionExcitation(Shape(8, 104, 7, 7))) == 1_522
    assert parameters(LongTermDifference(Shape(8, 128, 28, 28))) == 3_576
    assert parameters(AdaptiveModule(Shape(8, 64, 56, 56))) == 4_336
    assert parameters(TemporalShift(Shape(8, 64, 56, 56))) == 0


@pytest.mark.parametrize("module", [MotionExcitation, LongTermDifference])
def test_gates_change_features_by_half_at_most(module: type[nn.Module]) -> None:
    x = features()
    ratio = module(SHAPE)(x) / x
    assert ratio.min() > 0.5
    assert ratio.max() < 1.5
    assert ratio.std() > 0


def test_tea_of_a_clip_that_depthwise_leaves_alone() -> None:
    module = MotionExcitation(SHAPE, reduction=4).eval()
    with torch.no_grad():
        module.motion.depthwise.weight.zero_()
        module.motion.depthwise.weight[:, 0, 1, 1] = 1
    still = features(count=1)[:, :1].expand(-1, 4, -1, -1, -1)
    assert torch.allclose(module(still), still, atol=1e-6)  # no change, gate sigmoid(0) - 1/2 = 0
    moving = features(count=1)
    assert not torch.allclose(module(moving)[:, :-1], moving[:, :-1], atol=1e-4)
    assert torch.allclose(module(moving)[:, -1], moving[:, -1], atol=1e-6)  # the last frame has no successor


def test_tdn_looks_both_ways() -> None:
    module = LongTermDifference(SHAPE, reduction=4).eval()
    x = features(count=1)
    y = module(x)
    changed = x.clone()
    changed[:, 2] += 1
    delta = (module(changed) - y).abs().amax((0, 2, 3, 4))
    assert delta[1] > 1e-6
    assert delta[3] > 1e-6
    assert delta[0] < 1e-6


def test_tam_is_a_depthwise_convolution_with_generated_kernels() -> None:
    module, x = AdaptiveModule(SHAPE).eval(), features()
    means = x.mean((3, 4)).transpose(1, 2)
    kernels = module.kernel(means.reshape(-1, 4)).view(2, 16, 3)
    assert torch.allclose(kernels.sum(-1), torch.ones(2, 16), atol=1e-6)
    gated = x * module.gate(means).transpose(1, 2)[..., None, None]
    padded = nn.functional.pad(gated, (0, 0, 0, 0, 0, 0, 1, 1))
    expected = sum(padded[:, k : k + 4] * kernels[:, None, :, k, None, None] for k in range(3))
    assert torch.allclose(module(x), expected, atol=1e-5)
    with pytest.raises(PoofError, match="built for 4 frames and cannot take 6"):
        module(features(Shape(6, 16, 6, 6)))
