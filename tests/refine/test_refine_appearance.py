"""What networks see: the views of a crop, and the way back from their heat maps to its cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from refine_fakes import COLOURS, Spots, spots_model, spotted
from torch import Tensor

from poof.pose.crops import Crop
from poof.pose.model import PoseModel
from poof.refine import appearance
from poof.refine.appearance import VIEWS, Appearance
from poof.refine.beliefs import Grid, read

SIZE = (96, 128)


def crops() -> list[Crop]:
    """Of a frame of 200x160: at its own scale, enlarged, and shrunk so that it reaches over the edge."""
    return [Crop((100.0, 80.0), 1.0, SIZE), Crop((91.3, 70.8), 1.7, SIZE), Crop((110.2, 77.7), 0.55, SIZE)]


@pytest.mark.parametrize("stride", [2, 4])
@pytest.mark.parametrize("crop", crops(), ids=["plain", "enlarged", "shrunk"])
def test_a_spot_anywhere_is_seen_where_it_is(crop: Crop, stride: int) -> None:
    grid = Grid.over(crop, 80.0)
    eyes = Appearance([spots_model(SIZE, stride)], "float32")
    rng = np.random.default_rng(4)
    for _ in range(6):
        inside = rng.uniform(0.12, 0.88, (3, 2)) * [SIZE[1], SIZE[0]]
        places = crop.to_frame(inside)
        image = spotted(places, (200, 160), sigma=4 / crop.scale)
        maps = eyes.maps(image, crop, grid)
        assert maps.shape == (3, 48, 64)
        assert (maps >= 0).all()
        np.testing.assert_allclose(maps.sum((-1, -2)).numpy(), 1, atol=1e-5)
        shown = ((places >= 12) & (places <= [187, 147])).all(axis=1)  # not cut off by the frame
        cells = read(maps, grid)[0]
        assert np.hypot(*(cells - grid.of_frame(places, crop))[shown].T).max() < 1


@pytest.mark.parametrize("degrees", [-12.0, 0.0, 12.0])
@pytest.mark.parametrize("scale", [0.87, 1.0, 1.15])
@pytest.mark.parametrize("stride", [2, 4])
def test_every_single_view_is_turned_back(
    monkeypatch: pytest.MonkeyPatch, degrees: float, scale: float, stride: int
) -> None:
    # In the mean over views errors of opposite sign would cancel.
    monkeypatch.setattr(appearance, "VIEWS", ((degrees, scale),))
    crop = Crop((101.7, 78.2), 1.3, SIZE)
    grid = Grid.over(crop, 80.0)
    places = crop.to_frame(np.array([[25.0, 30.0], [92.0, 30.0], [70.5, 70.3]]))
    maps = Appearance([spots_model(SIZE, stride)], "float32").maps(spotted(places, (200, 160)), crop, grid)
    middles = (maps[..., None] * grid.cells()).sum((1, 2)).numpy()
    np.testing.assert_allclose(middles, grid.of_frame(places, crop), atol=0.06)


class Witness(Spots):
    """Remembers what it was shown."""

    def heatmaps(self, images: Tensor) -> Tensor:
        self.shown = images
        return super().heatmaps(images)


def test_what_the_views_show() -> None:
    crop = Crop((100.0, 80.0), 1.0, SIZE)
    witness = Witness()
    place = np.array([[150.0, 80.0]] * 3)  # 50 pixels to the right of the middle
    eyes = Appearance([PoseModel(witness, COLOURS, SIZE)], "float32")  # type: ignore[arg-type]
    eyes.maps(spotted(place, (200, 160), 3.0), crop, Grid.over(crop, 80.0))
    assert witness.shown.shape == (len(VIEWS), 3, *SIZE)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    for image, (degrees, scale) in zip(witness.shown[:, 0].numpy() - witness.shown.amin().item(), VIEWS):
        found = np.array([(image * columns).sum(), (image * rows).sum()]) / image.sum() - [63.5, 47.5]
        assert np.hypot(*found) == pytest.approx(50 * scale, abs=0.3)
        assert abs(np.degrees(np.arctan2(found[1], found[0]))) == pytest.approx(abs(degrees), abs=0.3)


def test_networks_have_equal_votes_whatever_the_scale_of_their_maps() -> None:
    class Elsewhere(Spots):
        def heatmaps(self, images: Tensor) -> Tensor:
            return 1e-3 * super().heatmaps(images)[:, [1, 0, 2]]

    crop = Crop((100.0, 80.0), 1.0, SIZE)
    grid = Grid.over(crop, 80.0)
    places = np.array([[80.0, 70], [120, 90], [100, 60]])
    image = spotted(places, (200, 160))
    models = [spots_model(SIZE), PoseModel(Elsewhere(), COLOURS, SIZE)]  # type: ignore[arg-type]
    both = Appearance(models, "float32").maps(image, crop, grid)
    alone = [Appearance([model], "float32").maps(image, crop, grid) for model in models]
    torch.testing.assert_close(both, (alone[0] + alone[1]) / 2)
    away = (grid.cells() - torch.tensor(grid.of_frame(places[0], crop))).square().sum(-1)
    assert both[0][away < 64].sum().item() == pytest.approx(0.5, abs=0.02)


def test_nothing_to_see_is_even() -> None:
    crop = Crop((900.0, 900.0), 1.0, SIZE)  # outside of the frame
    grid = Grid.over(crop, 80.0)
    maps = Appearance([spots_model(SIZE, dark=0.01)], "float32").maps(np.zeros((160, 200, 3), np.uint8), crop, grid)
    np.testing.assert_allclose(maps.numpy(), 1 / (48 * 64), rtol=1e-4)


def test_looking_changes_neither_image_nor_network() -> None:
    crop = Crop((100.0, 80.0), 1.0, SIZE)
    image = spotted(np.array([[80.0, 70], [120, 90], [100, 60]]), (200, 160))
    model, before = spots_model(SIZE), image.copy()
    model.network.train()
    maps = Appearance([model], "float32").maps(image, crop, Grid.over(crop, 80.0))
    assert (image == before).all()
    assert not maps.requires_grad
    assert not model.network.training  # batch statistics of six views of one frame would be worthless
