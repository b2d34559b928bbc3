"""One step and a whole chain, by hand: constant flow, affine flow, between pixels, at the border."""

from __future__ import annotations

import numpy as np
import pytest

from poof.flow.field import FlowField, Region
from poof.propagation.steps import cycle_error, forward_step, thesis_backward_step

SIZE = (40, 30)


def field(dx: np.ndarray | float, dy: np.ndarray | float) -> FlowField:
    """A flow over the whole frame of `SIZE`."""
    data = np.empty((2, SIZE[1], SIZE[0]), np.float32)
    data[0], data[1] = dx, dy
    return FlowField(data, Region.whole(SIZE))


def affine(matrix: np.ndarray, shift: np.ndarray) -> FlowField:
    """The displacement of x -> A x + b."""
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]].astype(np.float32)
    moved = matrix @ np.stack([x.ravel(), y.ravel()]) + shift[:, None]
    return field(moved[0].reshape(x.shape) - x, moved[1].reshape(y.shape) - y)


def test_constant_flow_moves_every_point_by_it() -> None:
    points = np.array([[3.0, 4.0], [10.25, 20.75]])
    np.testing.assert_allclose(forward_step(points, field(2, -1)), [[5, 3], [12.25, 19.75]], atol=1e-6)
    np.testing.assert_allclose(thesis_backward_step(points, field(2, -1)), [[1, 5], [8.25, 21.75]], atol=1e-6)


def test_flow_is_read_bilinearly() -> None:
    data = np.zeros((2, 2, 2), np.float32)
    data[0] = [[0, 1], [2, 7]]
    flow = FlowField(data, Region.whole((2, 2)))
    # (1-.25)(1-.5)*0 + .25*(1-.5)*1 + (1-.25)*.5*2 + .25*.5*7 = 0.125 + 0.75 + 0.875
    np.testing.assert_allclose(flow.sample(np.array([[0.25, 0.5]])), [[1.75, 0]], atol=1e-6)
    np.testing.assert_allclose(flow.sample(np.array([[0.25, 0.6]]), "nearest"), [[2, 0]])


def test_points_beyond_the_border_read_the_edge_and_nan_stays_nan() -> None:
    data = np.zeros((2, 4, 4), np.float32)
    data[0, :, 0], data[0, :, 3] = -5, 9
    flow = FlowField(data, Region.whole((4, 4)))
    read = flow.sample(np.array([[-3.0, 1.0], [8.0, 2.0], [np.nan, 1.0]]))
    np.testing.assert_allclose(read[:2, 0], [-5, 9])
    assert np.isnan(read[2]).all()


def test_thesis_step_differs_from_the_exact_one_by_the_known_amount() -> None:
    """(3.2) gives 2 x - (A x + b), the exact step A^-1 (x - b); hand-computed for a growth by 10 %."""
    matrix, shift = np.array([[1.1, 0.0], [0.0, 1.1]]), np.array([1.0, -2.0])
    later = np.array([[12.0, 9.0]])
    forward = affine(matrix, shift)
    inverse = np.linalg.inv(matrix)
    backward = affine(inverse, -inverse @ shift)
    # A x + b = (14.2, 7.9); 2 x - that = (9.8, 10.1). Exact: ((12-1)/1.1, (9+2)/1.1) = (10, 10).
    np.testing.assert_allclose(thesis_backward_step(later, forward), [[9.8, 10.1]], atol=1e-5)
    np.testing.assert_allclose(forward_step(later, backward), [[10.0, 10.0]], atol=1e-5)


@pytest.mark.parametrize("steps", [1, 5])
def test_forward_then_exact_backward_returns(steps: int) -> None:
    turn = np.array([[0.999, -0.02], [0.02, 0.999]])
    shift = np.array([0.4, -0.3])
    inverse = np.linalg.inv(turn)
    there, back = affine(turn, shift), affine(inverse, -inverse @ shift)
    points = np.array([[20.0, 12.0], [15.5, 14.25]])
    moved = points
    for _ in range(steps):
        moved = forward_step(moved, there)
    for _ in range(steps):
        moved = forward_step(moved, back)
    np.testing.assert_allclose(moved, points, atol=1e-4)


def test_cycle_error_is_the_distance_after_going_there_and_back() -> None:
    points = np.array([[10.0, 10.0]])
    moved = forward_step(points, field(4, 0))
    np.testing.assert_allclose(cycle_error(points, moved, field(-4, 0)), [0.0], atol=1e-6)
    np.testing.assert_allclose(cycle_error(points, moved, field(-1, 4)), [5.0], atol=1e-6)


def test_a_region_shown_larger_gives_displacements_in_frame_pixels() -> None:
    region = Region(10, 5, 20, 10, (40, 30))  # twice as wide, three times as high
    flow = FlowField(np.full((2, 30, 40), 6, np.float32), region)
    np.testing.assert_allclose(flow.sample(np.array([[15.0, 8.0]])), [[3.0, 2.0]], atol=1e-6)


def test_region_coordinates_follow_image_resizing() -> None:
    region = Region(10, 5, 20, 10, (40, 20))
    # The centre of the region's first pixel lies half a shown pixel left of the middle of shown pixels 0 and 1.
    np.testing.assert_allclose(region.to_shown(np.array([[10.0, 5.0], [10.5, 5.5]])), [[0.5, 0.5], [1.5, 1.5]])
    frame = np.zeros((30, 40, 3), np.uint8)
    frame[8, 17] = 255
    shown = region.cut(frame)[..., 0].astype(float)
    y, x = np.mgrid[0:20, 0:40]
    centre = np.array([(x * shown).sum(), (y * shown).sum()]) / shown.sum()
    np.testing.assert_allclose(centre, region.to_shown(np.array([17.0, 8.0])), atol=0.1)


def test_region_contains_up_to_the_pixel_borders() -> None:
    region = Region(10, 5, 20, 10, (20, 10))
    inside = region.contains(np.array([[9.5, 4.5], [29.5, 14.5], [9.4, 6.0], [15.0, 14.6], [np.nan, 6.0]]))
    assert inside.tolist() == [True, True, False, False, False]
