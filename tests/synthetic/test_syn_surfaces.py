"""The maps of the surfaces: inverse to each other, exact at the joints, outlines where the formulas put them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poof.synthetic.limb import Limb, Shape
from poof.synthetic.surfaces import Plane

SHAPE = Shape(0.25, np.array([[0, 0.06], [0.5, 0.05], [1, 0.03]]), caps=(1.0, 0.5), depth=0.6, density=200)
pixels = st.floats(-300, 300)
angles = st.floats(-7, 7)


def limb(start: tuple[float, float], stop: tuple[float, float], turn: float = 0.0, scale: float = 200.0) -> Limb:
    texture = np.full((*SHAPE.texture_size[::-1], 3), 128, np.uint8)
    return Limb("limb", SHAPE, np.array(start), np.array(stop), scale, turn, texture)


@given(pixels, pixels, pixels, pixels, angles, st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_material_and_place_are_inverse_inside_the_outline(
    x0: float, y0: float, x1: float, y1: float, turn: float, seed: int
) -> None:
    one = limb((x0, y0), (x1, y1), turn)
    low, high = one.bounds()
    points = np.random.default_rng(seed).uniform(low, high, (300, 2))
    inside = points[one.distance(points) < -1e-3]
    material = one.material(inside)
    assert one.faces(material).all()
    # A limb seen end on has no length: its shaft is one hundredth of a pixel there.
    np.testing.assert_allclose(one.place(material), inside, atol=1e-6 * max(1.0, np.abs(inside).max(initial=1)))


@given(pixels, pixels, pixels, pixels)
@settings(max_examples=60, deadline=None)
def test_joints_are_points_of_the_surface(x0: float, y0: float, x1: float, y1: float) -> None:
    if np.hypot(x1 - x0, y1 - y0) < 0.1:
        return
    one = limb((x0, y0), (x1, y1))
    ends = one.place(np.array([[0.0, 0.0], [SHAPE.length, 0.0]]))
    np.testing.assert_allclose(ends, [[x0, y0], [x1, y1]], atol=1e-9)


def test_distance_of_a_straight_limb_by_hand() -> None:
    one = limb((100, 50), (150, 50))
    # Radius 0.06 * 200 = 12 px at the first joint, 10 px in the middle, 6 px at the last, the last cap half as high.
    got = one.distance(np.array([[125.0, 50], [125, 60], [100, 50], [88, 50], [90, 50], [153, 50], [156, 50]]))
    np.testing.assert_allclose(got[:5], [-10, 0, -12, 0, -2], atol=1e-9)
    assert got[5] == pytest.approx(0, abs=1e-9) and got[6] > 1


def test_turning_narrows_by_the_ellipse_and_moves_the_texture() -> None:
    front, side = limb((0, 0), (0, -50)), limb((0, 0), (0, -50), np.pi / 2)
    assert front.distance(np.array([9.9, -25.0])) < 0 < front.distance(np.array([10.1, -25.0]))
    # Seen from the side the half-width is depth * 10 px.
    assert side.distance(np.array([5.9, -25.0])) < 0 < side.distance(np.array([6.1, -25.0]))
    # Turned to the right by a quarter, the front (phi = 0) stands on the right edge.
    np.testing.assert_allclose(side.place(np.array([0.125, 0.0])), [6.0, -25.0], atol=1e-9)
    assert not side.faces(np.array([0.125, np.pi / 2 + 0.1]))


@given(st.floats(0.5, 2), angles, pixels, pixels)
@settings(max_examples=40, deadline=None)
def test_plane_maps_are_inverse(zoom: float, turn: float, x: float, y: float) -> None:
    cos, sin = zoom * np.cos(turn), zoom * np.sin(turn)
    texture = np.zeros((20, 10, 3), np.uint8)
    plane = Plane("plane", np.array([[cos, -sin, x], [sin, cos, y], [0, 0, 1.0]]), texture, (0, 0, 10, 20))
    points = np.array([[0.0, 0.0], [3.5, -7.25], [640, 360]])
    np.testing.assert_allclose(plane.place(plane.material(points)), points, atol=1e-9)
    # The rectangle's middle lies half its shorter side from the nearest edge.
    assert plane.distance(plane.place(np.array([5.0, 10.0]))) == pytest.approx(-5 * zoom)


def test_painting_covers_what_the_distance_says() -> None:
    one = limb((40, 30), (90, 62), 0.7)
    canvases = [np.full((100, 140, 3), level, np.float32) for level in (0.0, 255.0)]
    for canvas in canvases:
        one.paint(canvas)
    alpha = 1 - (canvases[1] - canvases[0])[..., 0] / 255
    y, x = np.mgrid[:100, :140]
    distance = one.distance(np.stack([x, y], -1).astype(float))
    np.testing.assert_allclose(alpha, np.clip(0.5 - distance, 0, 1), atol=1e-4)
    assert (alpha > 0.99).sum() > 500


def test_painting_outside_the_image_changes_nothing() -> None:
    canvas = np.full((40, 50, 3), 7.0, np.float32)
    limb((-400, 10), (-350, 20)).paint(canvas)
    limb((10, 900), (30, 950)).paint(canvas)
    assert (canvas == 7).all()
