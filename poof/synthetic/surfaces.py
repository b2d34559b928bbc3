"""Surfaces of a scene, each placed in the image at one instant; the flat ones are here.

A surface maps its own *material* coordinates to the image and back in closed form. That is what makes the flow exact:
the point of the surface seen at pixel p at one time is `first.material(p)`, and it stands at `second.place(...)` at
another, whatever the rotation, stretch or turn between the two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

Array = np.ndarray
Box = tuple[int, int, int, int]


@dataclass(eq=False)
class Surface(ABC):
    """One surface at one instant.

    Attributes
    ----------
    key
        What it is, the same at all times ('player 0/left_thigh'): flow joins surfaces of equal key.
    """

    key: str

    @abstractmethod
    def bounds(self) -> tuple[Array, Array] | None:
        """Two corners (2,), (2,) of the image points it may touch, pixels; None when it has no end."""

    def box(self, size: tuple[int, int]) -> Box:
        """x0, y0, x1, y1 (exclusive) of the pixels it may touch in an image of `size` (width, height); may be empty."""
        corners = self.bounds()
        if corners is None:
            return 0, 0, *size
        x0, y0 = np.maximum(np.floor(corners[0]).astype(int), 0)
        x1, y1 = np.minimum(np.ceil(corners[1]).astype(int) + 1, size)
        return int(x0), int(y0), int(max(x1, x0)), int(max(y1, y0))

    def probes(self, size: tuple[int, int]) -> Array:
        """Image points (n, 2) of the surface that move at least as far as the rest of it in the image; may be none."""
        x0, y0, x1, y1 = self.box(size)
        if x1 <= x0 or y1 <= y0:
            return np.zeros((0, 2))
        return np.array([[x0, y0], [x1, y0], [x0, y1], [x1, y1]], float)

    @abstractmethod
    def distance(self, points: Array) -> Array:
        """Signed distance (...) in pixels of image points (..., 2) from the outline, negative inside."""

    @abstractmethod
    def material(self, points: Array) -> Array:
        """Material coordinates (..., 2) of what is seen at image points (..., 2), pixels, meant inside the outline."""

    @abstractmethod
    def place(self, material: Array) -> Array:
        """Image points (..., 2), pixels, of material coordinates (..., 2); the inverse of `material`."""

    def faces(self, material: Array) -> Array:
        """Whether (...) the material points (..., 2) lie on the side turned to the camera."""
        return np.ones(material.shape[:-1], bool)

    @abstractmethod
    def paint(self, canvas: Array) -> None:
        """Draw over `canvas`, float32 (H, W, 3), with an antialiased outline."""


def grid(box: Box) -> Array:
    """Pixel centres (h, w, 2) of a box, float64."""
    x0, y0, x1, y1 = box
    points = np.empty((y1 - y0, x1 - x0, 2))
    points[..., 0] = np.arange(x0, x1)
    points[..., 1] = np.arange(y0, y1)[:, None]
    return points


@dataclass(eq=False)
class Plane(Surface):
    """A flat picture under an affine map: the background, a post, a board.

    Attributes
    ----------
    matrix : (3, 3)
        From material coordinates (pixels of the texture) to the image.
    texture : (h, w, 3) uint8
        Continued by reflection beyond its border, so the plane has no end.
    rectangle
        x0, y0, x1, y1 in material coordinates; None for a plane without edges.
    """

    matrix: Array
    texture: Array
    rectangle: tuple[float, float, float, float] | None = None

    @cached_property
    def inverse(self) -> Array:
        """(3, 3) from the image to material coordinates."""
        return np.linalg.inv(self.matrix)

    def bounds(self) -> tuple[Array, Array] | None:
        """See `Surface.bounds`."""
        if self.rectangle is None:
            return None
        x0, y0, x1, y1 = self.rectangle
        corners = self.place(np.array([[x0, y0], [x1, y0], [x0, y1], [x1, y1]]))
        return corners.min(0) - 1, corners.max(0) + 1

    def distance(self, points: Array) -> Array:
        """See `Surface.distance`."""
        if self.rectangle is None:
            return np.full(points.shape[:-1], -np.inf)
        x0, y0, x1, y1 = self.rectangle
        inner = np.abs(self.material(points) - [(x0 + x1) / 2, (y0 + y1) / 2]) - [(x1 - x0) / 2, (y1 - y0) / 2]
        return inner.max(-1) * np.sqrt(abs(np.linalg.det(self.matrix)))

    def material(self, points: Array) -> Array:
        """See `Surface.material`."""
        return points @ self.inverse[:2, :2].T + self.inverse[:2, 2]

    def place(self, material: Array) -> Array:
        """See `Surface.place`."""
        return material @ self.matrix[:2, :2].T + self.matrix[:2, 2]

    def paint(self, canvas: Array) -> None:
        """See `Surface.paint`."""
        x0, y0, x1, y1 = box = self.box((canvas.shape[1], canvas.shape[0]))
        if x1 <= x0 or y1 <= y0:
            return
        shifted = self.inverse @ np.array([[1, 0, x0], [0, 1, y0], [0, 0, 1.0]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        colour = cv2.warpAffine(
            self.texture, shifted[:2], (x1 - x0, y1 - y0), flags=flags, borderMode=cv2.BORDER_REFLECT_101
        )
        if self.rectangle is None:
            canvas[:] = colour
            return
        alpha = np.clip(0.5 - self.distance(grid(box)), 0, 1).astype(np.float32)[..., None]
        patch = canvas[y0:y1, x0:x1]
        patch += alpha * (colour - patch)
