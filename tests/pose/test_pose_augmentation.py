"""Random views: points stay on their pixels, left and right swap, what leaves the view is masked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poof.labels import mirror_pairs
from poof.pose.augmentation import NONE, STRONG, Augmentation, Strength, half_of
from poof.pose.model import mirror_order

SIZE, CONTEXT = (128, 96), (192, 144)


def dot(at: tuple[float, float], size: tuple[int, int] = CONTEXT, sigma: float = 2.5) -> torch.Tensor:
    yy, xx = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    blob = 255 * torch.exp(-((xx - at[0]) ** 2 + (yy - at[1]) ** 2) / (2 * sigma**2))
    return blob.round().byte().expand(3, *size).contiguous()


def centroid(image: torch.Tensor) -> np.ndarray:
    weight = image[0].double()
    yy, xx = torch.meshgrid(torch.arange(image.shape[-2]), torch.arange(image.shape[-1]), indexing="ij")
    return np.array([(weight * xx).sum() / weight.sum(), (weight * yy).sum() / weight.sum()])


def test_without_strength_the_middle_is_cut_out() -> None:
    image = torch.randint(0, 256, (3, *CONTEXT), dtype=torch.uint8)
    points = torch.tensor([[72.0, 96.0], [23.0, 40.0], [float("nan")] * 2])
    weights, visible = torch.tensor([1.0, 0.5, 0.0]), torch.tensor([2, 1, 0])
    view, moved, w, v = Augmentation(SIZE, NONE, None)(image, points, weights, visible)
    assert torch.equal(view, image[:, 32:160, 24:120])
    assert moved[0].tolist() == [48, 64]
    assert w.tolist() == [1, 0, 0]  # the second point lies a pixel outside
    assert v.tolist() == [2, 1, 0]
    assert torch.isnan(moved[1:]).all()


def test_points_stay_on_their_pixels_whatever_is_drawn() -> None:
    torch.manual_seed(0)
    augment = Augmentation(SIZE, Strength(scale=0.3, rotation=180, rotated=0.9, shift=0.1, half_body=0.5), None)
    worst, seen = 0.0, 0
    for _ in range(60):
        points = torch.tensor([40.0, 50.0]) + torch.tensor([64.0, 92.0]) * torch.rand(5, 2)
        x, y = points[2].tolist()
        view, moved, weight, _ = augment(dot((x, y)), points, torch.ones(5), torch.full((5,), 2))
        x, y = moved[2].tolist()
        if weight[2] and 16 < x < SIZE[1] - 17 and 16 < y < SIZE[0] - 17:
            worst, seen = max(worst, float(np.abs(centroid(view) - (x, y)).max())), seen + 1
    assert seen > 15
    assert worst < 0.05  # half a pixel off is what mixing the two conventions gives


def test_mirrored_views_swap_left_and_right() -> None:
    keypoints = ("nose", "left_hand", "right_hand")
    augment = Augmentation(
        SIZE, Strength(flip=1, scale=0, rotated=0, half_body=0), mirror_order(3, mirror_pairs(keypoints))
    )
    points = torch.tensor([[72.0, 90.0], [50.0, 60.0], [100.0, 120.0]])
    weights, visible = torch.tensor([1.0, 0.25, 0.75]), torch.tensor([2, 1, 2])
    view, moved, w, v = augment(dot((50.0, 60.0)), points, weights, visible)
    # What was the left hand at x = 50 is a right hand at 143 - 50 = 93, 24 less in the view.
    assert moved.tolist() == [[143 - 72 - 24, 58], [143 - 100 - 24, 88], [143 - 50 - 24, 28]]
    assert w.tolist() == [1, 0.75, 0.25]
    assert v.tolist() == [2, 2, 1]
    assert centroid(view) == pytest.approx([69, 28], abs=0.02)


def test_a_skeleton_without_sides_is_never_mirrored() -> None:
    augment = Augmentation(SIZE, Strength(flip=1, scale=0, rotated=0, half_body=0), None)
    image = dot((50.0, 60.0))
    assert torch.equal(
        augment(image, torch.tensor([[50.0, 60.0]]), torch.ones(1), torch.tensor([2]))[0], image[:, 32:160, 24:120]
    )


def test_points_that_leave_the_view_are_masked_not_moved_to_its_edge() -> None:
    torch.manual_seed(1)
    augment = Augmentation(SIZE, STRONG, None)
    image = torch.zeros(3, *CONTEXT, dtype=torch.uint8)
    points = torch.rand(40, 2) * torch.tensor([CONTEXT[1], CONTEXT[0]])
    out = 0
    for _ in range(20):
        _, moved, weights, _ = augment(image, points, torch.ones(40), torch.full((40,), 2))
        gone = weights == 0
        out += int(gone.sum())
        assert torch.isnan(moved[gone]).all()
        inside = moved[~gone]
        assert ((inside >= 0) & (inside < torch.tensor([SIZE[1], SIZE[0]]))).all()
        assert not (inside == 0).any()
    assert out > 100


def test_half_a_body_fills_two_thirds_of_the_view() -> None:
    torch.manual_seed(0)
    upper = [[40.0, 10.0], [50.0, 20.0], [60.0, 40.0]]
    lower = [[42.0, 80.0], [52.0, 90.0], [58.0, 110.0]]
    found = set()
    for _ in range(20):
        focus, zoom = half_of(torch.tensor(upper + lower), SIZE, torch.tensor([48.0, 64.0]))
        found.add((*focus.tolist(), round(zoom, 4)))
    # Both halves are 30 high: 128 / 45, at most 2; narrower than the view.
    assert found == {(50.0, 25.0, 2.0), (50.0, 95.0, 2.0)}
    focus, zoom = half_of(torch.tensor(upper), SIZE, torch.tensor([48.0, 64.0]))
    assert (focus.tolist(), zoom) == ([48.0, 64.0], 1.0)


def test_strong_views_differ_and_follow_the_seed() -> None:
    augment = Augmentation(SIZE, STRONG, [1, 0])
    image, points = torch.randint(0, 256, (3, *CONTEXT), dtype=torch.uint8), torch.tensor([[60.0, 80.0], [80.0, 100.0]])

    def view(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return augment(image, points, torch.ones(2), torch.full((2,), 2))[0]

    assert torch.equal(view(3), view(3))
    assert not torch.equal(view(3), view(4))
