"""Targets, their decoding and the loss, against hand-computed numbers and OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from poof.labels import Points
from poof.pose.decoding import decode
from poof.pose.losses import LossSettings, point_weights, pose_loss
from poof.pose.targets import KERNELS, heatmap_targets, kernel_sigma

SIZE = (256, 192)


def test_sigmas_are_those_opencv_takes() -> None:
    assert [round(kernel_sigma(k), 6) for k in KERNELS] == [2.6, 2.0, 1.7, 1.4, 1.1]


@pytest.mark.parametrize("where", [(97.3, 130.8), (0.0, 0.0), (191.9, 255.9), (5.0, 254.0), (188.0, 9.5)])
def test_floored_targets_are_blurred_ones_scaled_to_255(where: tuple[float, float]) -> None:
    maps = heatmap_targets(torch.tensor([[where]]), SIZE, 2, "floored")
    assert maps.shape == (1, 2, 4, 1, 64, 48)
    for stage, kernels in enumerate((KERNELS[:4], KERNELS[1:])):
        for unit, kernel in enumerate(kernels):
            one = np.zeros((64, 48), np.float32)
            one[int(where[1] * 64 / 256), int(where[0] * 48 / 192)] = 1
            one = cv2.GaussianBlur(one, (kernel, kernel), 0)
            np.testing.assert_allclose(maps[0, stage, unit, 0], one / one.max() * 255, atol=1e-3)


def test_a_single_stage_has_the_kernels_of_the_last_one() -> None:
    point = torch.tensor([[[80.0, 80.0]]])
    assert torch.equal(heatmap_targets(point, SIZE, 1)[:, 0], heatmap_targets(point, SIZE, 3)[:, 2])


def test_exact_targets_by_hand() -> None:
    # x = 42 lies at cell 42/4 - 1/2 = 10, y = 100 at cell 24.5; the last unit of the last stage has sigma 1.1.
    maps = heatmap_targets(torch.tensor([[[42.0, 100.0]]]), SIZE, 1)[0, 0, 3, 0]
    for row, column in ((24, 10), (25, 10), (24, 12), (20, 7)):
        distance = (column - 10) ** 2 + (row - 24.5) ** 2
        assert maps[row, column] == pytest.approx(255 * np.exp(-distance / (2 * 1.1**2)), rel=1e-4)


def test_points_outside_or_unlabelled_have_empty_maps() -> None:
    points = torch.tensor([[[float("nan"), 5.0], [-0.1, 5.0], [192.0, 5.0], [5.0, 256.0], [191.9, 255.9]]])
    for kind in ("exact", "floored"):
        peaks = heatmap_targets(points, SIZE, 1, kind).amax(dim=(-2, -1))[0, 0, 3]
        assert peaks[:4].tolist() == [0, 0, 0, 0]
        assert peaks[4] > 100


@settings(max_examples=50, deadline=None)
@given(st.floats(2, 190), st.floats(2, 254), st.sampled_from([0, 1, 2, 3]))
def test_decoding_inverts_exact_targets(x: float, y: float, unit: int) -> None:
    maps = heatmap_targets(torch.tensor([[[x, y]]]), SIZE, 2)[:, 0, unit]
    points, peaks = decode(maps)
    assert np.abs(points[0, 0].numpy() - (x, y)).max() < 0.3
    assert 0.5 < peaks[0, 0] <= 1


@pytest.mark.parametrize("noise", [0.0, 10.0])
def test_mean_error_under_a_third_of_a_pixel(noise: float) -> None:
    chance = torch.Generator().manual_seed(0)
    points = torch.rand(64, 17, 2, generator=chance) * torch.tensor([192.0, 256.0])
    maps = heatmap_targets(points, SIZE, 1)[:, 0, 3]
    maps = maps + noise * torch.randn(maps.shape, generator=chance)
    error, bias = {}, {}
    for method in ("parabola", "quarter"):
        off = decode(maps, method)[0] - points
        error[method], bias[method] = off.norm(dim=-1).mean(), off.mean(dim=(0, 1)).abs().max()
    assert error["parabola"] < 0.3
    assert bias["parabola"] < 0.05
    assert error["parabola"] < error["quarter"] / 3


def test_the_half_cell_shift() -> None:
    # Official targets stand in the cell of the point: on average the decoded point is the point, not 2 px beside it.
    chance = torch.Generator().manual_seed(0)
    points = 20 + 150 * torch.rand(200, 10, 2, generator=chance)
    for method in ("parabola", "quarter"):
        decoded, _ = decode(heatmap_targets(points, SIZE, 1, "floored")[:, 0, 3], method)
        off = decoded - points
        assert off[..., 0].mean().abs() < (0.1 if method == "parabola" else 1.1)
        assert off.abs().max() <= 2 + (1e-3 if method == "parabola" else 1)
    single = torch.zeros(1, 1, 64, 48)
    single[0, 0, 30, 20] = 255
    assert decode(single)[0][0, 0].tolist() == pytest.approx([20 * 4 + 2, 30 * 4 + 2], abs=1e-4)


def test_quarter_rule_by_hand() -> None:
    maps = torch.zeros(1, 1, 16, 16)
    maps[0, 0, 8, 8], maps[0, 0, 8, 9] = 200, 100
    # The smoothed maximum stays at 8, the second is its right neighbour: 8.25 * 4 + 2.
    assert decode(maps, "quarter")[0][0, 0].tolist() == [35.0, 34.0]


def test_flat_and_negative_maps_decode_inside() -> None:
    for value in (0.0, -5.0, 255.0):
        points, peaks = decode(torch.full((1, 2, 8, 8), value))
        assert torch.isfinite(points).all()
        assert ((points >= 0) & (points <= 32)).all()
        assert ((peaks >= 0) & (peaks <= 1)).all()


# ------------------------------------------------------------------------------------------------ loss


def test_weights_by_source_and_confidence() -> None:
    points = Points.human(3, np.array([[1, 1], [2, 2], [np.nan, np.nan], [4, 4], [5, 5]], float))
    points.source[1], points.confidence[1] = 2, 0.25
    points.source[3], points.confidence[3] = 3, np.nan
    points.confidence[4] = 0.1  # a person's point counts in full whatever stands there
    assert point_weights(points).tolist() == [1, 0.25, 0, 0.5, 1]
    points.visible[[0, 1]] = 0, 1
    assert point_weights(points).tolist() == [0, 0.25, 0, 0.5, 1]


def flat(values: list[list[float]]) -> torch.Tensor:
    """Maps (1, 1, 4, K, 2, 2) that differ from zero by 255 * value, per unit and joint."""
    return 255 * torch.tensor(values)[None, None, :, :, None, None].expand(1, 1, 4, len(values[0]), 2, 2)


def test_loss_by_hand() -> None:
    maps = flat([[1, 2, 1, 0], [0, 1, 1, 0], [1, 1, 1, 0], [1, 2, 3, 0]])
    targets = torch.zeros_like(maps)
    weights = torch.tensor([[1.0, 0.5, 1.0, 1.0]])
    visible = torch.tensor([[2, 2, 1, 2]])
    # Units 1-3, visible joints only, mean over 4 joints: (1 + 2) / 4, 0.5 / 4, 1.5 / 4; their sum 5 / 4, by a quarter.
    # Unit 4: errors 1, 2, 9, 0; the two hardest have mean 5.5.
    assert pose_loss(maps, targets, weights, visible, LossSettings(0.25, 2)) == pytest.approx(0.25 * 1.25 + 5.5)
    # Fewer joints than are asked for: all of them, mean 3.
    assert pose_loss(maps, targets, weights, visible, LossSettings(1, 8)) == pytest.approx(1.25 + 3)


def test_stages_add_up() -> None:
    maps = flat([[1.0], [1.0], [1.0], [1.0]])
    weights, visible = torch.ones(1, 1), torch.full((1, 1), 2)
    once = pose_loss(maps, torch.zeros_like(maps), weights, visible)
    twice = pose_loss(maps.repeat(1, 2, 1, 1, 1, 1), torch.zeros(1, 2, 4, 1, 2, 2), weights, visible)
    assert once == pytest.approx(0.25 * 3 + 1)
    assert twice == pytest.approx(2 * once.item())


def test_masked_joints_get_no_gradient_and_occluded_ones_only_in_the_finest_unit() -> None:
    maps = torch.randn(1, 2, 4, 3, 4, 4, requires_grad=True)
    weights, visible = torch.tensor([[1.0, 0.0, 1.0]]), torch.tensor([[2, 2, 1]])
    pose_loss(maps, torch.zeros_like(maps), weights, visible).backward()
    assert maps.grad is not None
    touched = maps.grad.abs().sum(dim=(0, 4, 5)) > 0
    assert touched[:, :, 0].all()
    assert not touched[:, :, 1].any()
    assert touched[:, 3, 2].all()
    assert not touched[:, :3, 2].any()
