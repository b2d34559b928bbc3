"""The small network: its maps, its loss by hand, its place in training, checkpoints and prediction."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from poof.checkpoints import save_checkpoint
from poof.errors import PoofError
from poof.labels import LabelSet, Points, Skeleton, Source
from poof.pose import Pair, initial_network, load_model, predict_pose, recipe_named, train_pose
from poof.pose.data import round_of
from poof.pose.decoding import decode
from poof.pose.instance_boxes import Boxes
from poof.pose.losses import point_weights
from poof.pose.model import PoseModel
from poof.pose.unet import SIGMA, UNet, unet_loss
from poof.video import ArrayVideo


def test_maps_are_half_the_image_and_probabilities() -> None:
    torch.manual_seed(0)
    network = UNet(3).eval()
    maps = network.heatmaps(torch.randn(2, 3, 64, 96))
    assert maps.shape == (2, 3, 32, 48)
    torch.testing.assert_close(maps.sum((-1, -2)), torch.full((2, 3), 255 * 2 * math.pi * SIGMA**2))


def test_every_parameter_gets_a_gradient() -> None:
    torch.manual_seed(0)
    network = UNet(2)
    points = torch.tensor([[[20.0, 30.0], [40.0, 10.0]]])
    unet_loss(network(torch.randn(1, 3, 64, 64)), points, torch.ones(1, 2)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_sides_must_be_divisible() -> None:
    with pytest.raises(PoofError, match="divisible by 32, not 40x64"):
        UNet(1)(torch.zeros(1, 3, 64, 40))


def test_loss_of_even_maps_is_the_logarithm_of_the_number_of_cells() -> None:
    maps = torch.zeros(1, 2, 8, 16)
    points = torch.tensor([[[9.0, 7.0], [float("nan"), 0.0]]])
    loss = unet_loss(maps, points, torch.tensor([[1.0, 0.0]]))
    assert float(loss) == pytest.approx(math.log(8 * 16), abs=1e-5)


def test_loss_is_least_at_its_target_and_weighs_points() -> None:
    rows, columns = torch.meshgrid(torch.arange(24.0), torch.arange(32.0), indexing="ij")
    x, y = 21.0, 17.0  # cell 10 across, 8 down
    target = -((columns - 10) ** 2 + (rows - 8) ** 2) / (2 * SIGMA**2)
    points = torch.tensor([[[x, y], [5.0, 5.0]]])
    both = torch.stack([target, torch.zeros_like(target)])[None]
    there = float(unet_loss(both, points, torch.tensor([[1.0, 0.0]])))
    assert there == pytest.approx(math.log(2 * math.pi * SIGMA**2) + 1, abs=1e-3)  # entropy of the Gaussian
    moved = float(unet_loss(both.roll(1, dims=-1), points, torch.tensor([[1.0, 0.0]])))
    assert moved == pytest.approx(there + 1 / (2 * SIGMA**2), abs=1e-3)
    mixed = float(unet_loss(both, points, torch.tensor([[3.0, 1.0]])))
    assert mixed == pytest.approx((3 * there + math.log(24 * 32)) / 4, abs=1e-3)


def test_a_map_like_its_target_decodes_to_its_point_at_full_height() -> None:
    rows, columns = torch.meshgrid(torch.arange(24.0), torch.arange(32.0), indexing="ij")
    maps = 255 * torch.exp(-((columns - 10.3) ** 2 + (rows - 8.2) ** 2) / (2 * SIGMA**2))
    points, peaks = decode(maps[None, None], stride=2)
    np.testing.assert_allclose(points[0, 0].numpy(), [2 * 10.8, 2 * 8.7], atol=0.02)
    assert float(peaks[0, 0]) == pytest.approx(math.exp(-(0.3**2 + 0.2**2) / (2 * SIGMA**2)), abs=1e-3)


def dots(count: int) -> tuple[ArrayVideo, np.ndarray]:
    """A bright and a dark dot that wander over grey noise, and where they are (T, 2, 2)."""
    rng = np.random.default_rng(0)
    time = np.arange(count)[:, None]
    first = np.concatenate([30 + 20 * np.cos(time / 4), 30 + 12 * np.sin(time / 3)], axis=1)
    second = np.concatenate([66 - 15 * np.sin(time / 5), 40 + 10 * np.cos(time / 2)], axis=1)
    yy, xx = np.mgrid[:72, :96]
    frames = []
    for a, b in zip(first, second):
        image = 128 + rng.normal(0, 5, (72, 96))
        for (x, y), sign in ((a, 1), (b, -1)):
            image = image + sign * 110 * np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / 18)
        frames.append(np.repeat(image.clip(0, 255).astype(np.uint8)[..., None], 3, axis=-1))
    return ArrayVideo(frames, name="dots"), np.stack([first, second], axis=1).astype(np.float32)


def labelled(places: np.ndarray) -> LabelSet:
    labels = LabelSet(Skeleton(("bright", "dark")), image_size=(96, 72))
    for frame, xy in enumerate(places):
        points = Points.human(frame, xy, box=np.array([0, 0, 96, 72]))
        if frame % 6:
            points.source[:], points.confidence[:] = Source.PROPAGATED, 0.9
        labels.add(frame, 0, points)
    return labels


def test_it_learns_two_dots_and_predicts_them(tmp_path: Path) -> None:
    video, places = dots(12)
    recipe = replace(recipe_named("footage", epochs=1, rate=5e-3), least_steps=50)
    run = train_pose(
        [Pair(video, labelled(places))],
        tmp_path,
        body="unet",
        recipe=recipe,
        input_size=(64, 96),
        batch=4,
        hold_out=False,
        precision="float32",
    )
    model = load_model(run.best)
    assert isinstance(model.network, UNet)
    boxes = Boxes({(f, 0): np.array([0, 0, 96, 72]) for f in range(12)}, tracked=True)
    found = predict_pose(video, model, boxes, flip=False, precision="float32")
    errors = [np.hypot(*(points.xy - places[frame]).T) for frame, _, points in found]
    assert np.median(errors) < 1.5
    assert np.mean([points.confidence.mean() for _, _, points in found]) > 0.4


def test_it_starts_from_another_of_its_kind(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = UNet(2)
    path = tmp_path / "small.pt"
    save_checkpoint(path, PoseModel(network, Skeleton(("nose", "tail")), (64, 64)).as_dict())
    fresh, new = initial_network(("tail", "ear"), str(path))
    assert new == ["ear"] and isinstance(fresh, UNet)
    torch.testing.assert_close(fresh.head.weight[0], network.head.weight[1])
    torch.testing.assert_close(fresh.top[0][0].weight, network.top[0][0].weight)


@pytest.mark.parametrize(
    ("init", "stages", "message"),
    [("imagenet", None, "no such weights"), ("mspn50-coco", None, "no such weights"), ("random", 2, "no stages")],
)
def test_what_it_cannot_start_from(init: str, stages: int | None, message: str) -> None:
    with pytest.raises(PoofError, match=message):
        initial_network(("a",), init, stages, "unet")


def test_human_examples_come_more_often() -> None:
    class Example:
        def __init__(self, human: bool) -> None:
            self.human = np.array([human, False])

    few = [Example(i in (2, 5)) for i in range(16)]
    members = round_of(few, 0.3)  # type: ignore[arg-type]
    assert members[:16] == list(range(16)) and members[16:] == [2, 5, 2, 5]  # 6 of 20 are human
    assert round_of(few, 0.05) == list(range(16))  # type: ignore[arg-type]
    assert round_of(few[:2], 0.3) == [0, 1]  # type: ignore[arg-type]  # nobody set anything


def test_doubt_lowers_the_weight_of_unsure_points_only() -> None:
    points = Points.human(0, np.zeros((3, 2)))
    points.source[1:], points.confidence[1:] = Source.PROPAGATED, (0.5, 0.9)
    np.testing.assert_allclose(point_weights(points, 2.0), [1, 0.25, 0.81], rtol=1e-6)


def test_steps_are_bounded() -> None:
    recipe = recipe_named("footage")
    assert [recipe.steps(n, 16) for n in (10, 400, 100_000)] == [240, 375, 2000]
