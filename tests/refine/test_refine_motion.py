"""Flow as steps of the grid: known shifts, crops that move, the frame's edge."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
import torch
from refine_fakes import ConstantFlow

from poof.flow.dis import DisFlow
from poof.pose.crops import Crop
from poof.refine.beliefs import Grid, Motion, points, predicted
from poof.refine.motion import motions

SIZE = (96, 128)
STILL = Crop((100.0, 80.0), 1.0, SIZE)


def texture(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Detail at several scales, (height, width, 3) uint8."""
    rng = np.random.default_rng(seed)
    noise = sum(cv2.GaussianBlur(rng.random((height, width, 3)), (0, 0), s) * s for s in (1.5, 4.0, 9.0))
    noise = np.asarray(noise)
    return ((noise - noise.min()) / np.ptp(noise) * 255).astype(np.uint8)


def moved(dx: float, dy: float, size: tuple[int, int] = (200, 160)) -> tuple[np.ndarray, np.ndarray]:
    """Two frames of `size` = (width, height); what is at (x, y) in the first is at (x + dx, y + dy) in the second."""
    big = texture(size[0] + 80, size[1] + 80)
    frames = [
        cv2.warpAffine(big, np.array([[1, 0, x - 40.0], [0, 1, y - 40.0]]), size, flags=cv2.INTER_CUBIC)
        for x, y in ((0.0, 0.0), (dx, dy))
    ]
    return frames[0], frames[1]


def inner(motion: Motion, cells: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """How far every inner cell comes from, (h, w, 2), and the error there."""
    grid = Grid(*motion.error.shape, 1.0)
    some = slice(cells, -cells)
    return (motion.origin - grid.cells())[some, some].numpy(), motion.error[some, some].numpy()


@pytest.mark.parametrize(("dx", "dy"), [(3.0, -2.0), (0.0, 0.0), (-2.4, 4.6)])
def test_a_known_shift_on_texture(dx: float, dy: float) -> None:
    grid = Grid.over(STILL, 90.0)
    onward, back = motions(moved(dx, dy), (STILL, STILL), grid, 90.0, DisFlow())
    away, error = inner(onward)
    assert np.hypot(*(away - np.array([-dx, -dy]) / 2).T).max() < 0.1
    assert np.median(error) < 1e-3
    assert error.max() < 0.01
    away, error = inner(back)
    assert np.hypot(*(away - np.array([dx, dy]) / 2).T).max() < 0.1
    assert error.max() < 0.01


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.8])
def test_crops_that_move_are_accounted_for(scale: float) -> None:
    # The content goes (6, 3) to the right and down, its crop (10, -4).
    first, second = Crop((70.0, 62.0), scale, (64, 64)), Crop((80.0, 58.0), scale, (64, 64))
    grid = Grid.over(first, 150.0)
    flow = ConstantFlow(6, 3)
    onward, back = motions((texture(150, 120), texture(150, 120)), (first, second), grid, 150.0, flow)
    # In the second crop everything stands (6 - 10, 3 + 4) pixels of the frame from where it was in the first.
    step = np.array([-4, 7]) * scale / 2
    np.testing.assert_allclose(inner(onward, 1)[0], np.broadcast_to(-step, (30, 30, 2)), atol=1e-4)
    np.testing.assert_allclose(inner(back, 1)[0], np.broadcast_to(step, (30, 30, 2)), atol=1e-4)
    np.testing.assert_allclose(onward.error, 0, atol=1e-6)
    # And so a belief that knows the place in the first frame finds it in the second.
    place = np.array([[75.0, 60.0]])
    belief = predicted(points(grid, grid.of_frame(place, first)), onward, grid)
    near = grid.cells().numpy() - grid.of_frame(place + np.array([6, 3]), second)
    lobe = np.where((near**2).sum(-1) < 16, belief[0].numpy(), 0)[..., None]
    np.testing.assert_allclose((lobe * near).sum((0, 1)) / lobe.sum(), 0, atol=0.1)


def test_flow_sees_what_both_crops_see() -> None:
    first, second = Crop((70.0, 62.0), 1.0, (64, 64)), Crop((80.0, 58.0), 1.0, (64, 64))
    shown: list[tuple[int, ...]] = []

    class Witness(ConstantFlow):
        def prepare(self, images: np.ndarray) -> list[np.ndarray]:
            shown.append(images.shape)
            return super().prepare(images)

    motions((texture(150, 120),) * 2, (first, second), Grid.over(first, 50.0), 50.0, Witness(0, 0))
    # Columns 38.5 to 111.5 and rows 26.5 to 93.5, made whole pixels, three times as large.
    assert shown == [(1, 3 * (95 - 26), 3 * (113 - 38), 3)] * 2


def test_the_error_is_that_of_going_there_and_back() -> None:
    flow = ConstantFlow(3, 4, contradicts=True)  # twice (3, 4): 10 pixels from where it began
    onward, back = motions((texture(150, 120),) * 2, (STILL, STILL), Grid.over(STILL, 80.0), 80.0, flow)
    for motion in (onward, back):
        np.testing.assert_allclose(motion.error, 10 / 80, rtol=1e-5)


class Zoom(ConstantFlow):
    """All grows from the upper left corner of what is seen, by a twentieth."""

    def both(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """In pixels of the images; the way back is exact."""
        rows, columns = np.mgrid[: first[0].shape[0], : first[0].shape[1]].astype(np.float32)
        place = np.stack([columns, rows])[None]
        return 0.05 * place, (1 / 1.05 - 1) * place


def test_the_way_back_is_read_where_the_way_there_ends() -> None:
    crop = Crop((75.0, 60.0), 1.0, (64, 64))  # the upper left corner is that of its first pixel: (43.5, 28.5)
    grid = Grid.over(crop, 50.0)
    onward, back = motions((texture(150, 120),) * 2, (crop, crop), grid, 50.0, Zoom(0, 0))
    np.testing.assert_allclose(onward.error, 0, atol=1e-5)
    inside = slice(1, 29)  # where what has grown is still seen
    np.testing.assert_allclose(back.error[inside, inside], 0, atol=1e-5)
    places = grid.to_frame(grid.cells().numpy(), crop) - [43, 28] + 1 / 3  # shown at three times the size
    origin = grid.to_frame(onward.origin.numpy(), crop) - [43, 28] + 1 / 3
    np.testing.assert_allclose(origin[inside, inside], places[inside, inside] / 1.05, atol=1e-3)


def test_what_moves_against_the_rest_has_an_error_where_it_covers() -> None:
    first, second = moved(0, 0)
    first, second = first.copy(), second.copy()
    patch = texture(40, 40, seed=5)
    first[60:100, 60:100], second[60:100, 66:106] = patch, patch
    onward, _ = motions((first, second), (STILL, STILL), Grid.over(STILL, 90.0), 90.0, DisFlow())
    grid = Grid.over(STILL, 90.0)
    x, y = np.rint(grid.of_frame(np.array([86.0, 80.0]), STILL)).astype(int)
    np.testing.assert_allclose(onward.origin[y, x].numpy(), [x - 3, y], atol=0.15)
    assert onward.error[y, x] < 0.003
    x, y = np.rint(grid.of_frame(np.array([140.0, 80.0]), STILL)).astype(int)
    np.testing.assert_allclose(onward.origin[y, x].numpy(), [x, y], atol=0.05)
    # Behind the patch appears what was covered: nothing to come from.
    x, y = np.rint(grid.of_frame(np.array([62.0, 80.0]), STILL)).astype(int)
    assert onward.error[y - 3 : y + 4, x - 1 : x + 2].max() > 0.01


@pytest.mark.parametrize("centre", [(8.0, 80.0), (196.0, 152.0), (100.0, -20.0)])
def test_crops_over_the_edge_of_the_frame(centre: tuple[float, float]) -> None:
    crop = Crop(centre, 1.0, SIZE)
    grid = Grid.over(crop, 90.0)
    onward, _ = motions(moved(3, -2), (crop, crop), grid, 90.0, DisFlow())
    assert torch.isfinite(onward.origin).all()
    assert torch.isfinite(onward.error).all()
    places = grid.to_frame(grid.cells().numpy(), crop)
    # Not where what is seen came from outside the frame or goes there.
    seen = ((places > 12) & (places < np.array([187, 147]))).all(axis=-1)
    assert seen.sum() > 300
    away = (onward.origin - grid.cells()).numpy()[seen]
    assert np.median(np.hypot(*(away - [-1.5, 1]).T)) < 0.05
    assert np.quantile(np.hypot(*(away - [-1.5, 1]).T), 0.95) < 0.15


def test_crops_outside_of_the_frame_do_not_stop_the_work() -> None:
    crop = Crop((900.0, 900.0), 1.0, SIZE)
    for motion in motions(moved(3, -2), (crop, crop), Grid.over(crop, 90.0), 90.0, DisFlow()):
        assert motion.origin.shape == (48, 64, 2)
        assert torch.isfinite(motion.origin).all()
        assert torch.isfinite(motion.error).all()


def test_rows_of_frames_may_be_padded() -> None:
    pair = moved(3, -2)
    padded = [np.zeros((160, 224, 3), np.uint8)[:, :200] for _ in pair]
    for wide, image in zip(padded, pair):
        wide[:] = image
    grid = Grid.over(STILL, 90.0)
    plain = motions(pair, (STILL, STILL), grid, 90.0, DisFlow())[0]
    same = motions((padded[0], padded[1]), (STILL, STILL), grid, 90.0, DisFlow())[0]
    assert torch.equal(plain.origin, same.origin)
    assert torch.equal(plain.error, same.error)
