"""The two kinds of surface a scene is made of, each placed in the image at one instant.

A surface maps its own *material* coordinates to the image and back in closed form. That is what makes the flow exact:
the point of the surface seen at pixel p at one time is `first.material(p)`, and it stands at `second.place(...)` at
another, whatever the rotation, stretch or turn between the two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np

Array = np.ndarray
Box = tuple[int, int, int, int]

LIGHT = np.array([-0.38, -0.55, 0.74])
"""Direction to the lamp: x to the right, y down, z to the viewer."""


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

    matrix: Array = field(default_factory=lambda: np.eye(3))
    texture: Array = field(default_factory=lambda: np.zeros((1, 1, 3), np.uint8))
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


@dataclass(frozen=True, eq=False)
class Shape:
    """The outline of a limb in body heights, and the density of its texture.

    Attributes
    ----------
    length
        From the first to the last joint of the axis, at rest.
    profile : (n, 2)
        Radius along the axis: position in [0, 1], half-width.
    caps
        Height of the rounded ends as a share of their radius: 1 is a half circle, small is flat.
    depth
        Thickness front to back as a share of the width: how much a turn narrows the limb.
    density
        Texture pixels per body height.
    """

    length: float
    profile: Array
    caps: tuple[float, float] = (1.0, 1.0)
    depth: float = 1.0
    density: float = 300.0

    @cached_property
    def widest(self) -> float:
        """Largest radius in body heights."""
        return float(self.profile[:, 1].max())

    def radius(self, along: Array) -> Array:
        """Half-width (...) in body heights at positions along the axis (...), body heights from the first joint."""
        return np.interp(along, self.profile[:, 0] * self.length, self.profile[:, 1])

    @property
    def margin(self) -> float:
        """How far the texture reaches beyond each joint, body heights."""
        return self.widest

    @property
    def texture_size(self) -> tuple[int, int]:
        """(width, height) of the texture: once around the limb, and its length with both caps."""
        around = 2 * np.pi * self.widest * self.density
        return max(round(around), 8), max(round((self.length + 2 * self.margin) * self.density), 8)


@dataclass(eq=False)
class Limb(Surface):
    """A rounded, tapered, textured tube between two image points, seen from the side.

    Material coordinates are (u, phi): u in body heights along the axis from the first joint, phi the angle around it.
    The shaft stretches between the joints while the caps keep their size, so the joints, at u = 0 and u = length on
    the axis, are points of the surface for every pose. Across, a point stands at

        R g(u) sin(phi + delta),   R = sqrt(cos^2 psi + depth^2 sin^2 psi),   delta = atan2(depth sin psi, cos psi)

    which is the orthographic image of an elliptic cylinder turned by psi; g is the profile in pixels. Limbs that carry
    keypoints keep psi = 0: their texture does not slide over the joint.

    Attributes
    ----------
    start, stop : (2,)
        Image points of the two joints.
    scale
        Pixels per body height.
    turn
        psi in radians: 0 faces the camera, positive turns to the image's right.
    texture : (h, w, 3) uint8
        Columns run around (phi from -pi to pi, wrapping), rows along.
    """

    shape: Shape = field(default_factory=lambda: Shape(1.0, np.array([[0.0, 0.1], [1.0, 0.1]])))
    start: Array = field(default_factory=lambda: np.zeros(2))
    stop: Array = field(default_factory=lambda: np.ones(2))
    scale: float = 1.0
    turn: float = 0.0
    texture: Array = field(default_factory=lambda: np.zeros((8, 8, 3), np.uint8))

    def __post_init__(self) -> None:
        axis = self.stop - self.start
        # A limb that points at the camera has no length in the image; a hundredth of a pixel keeps the map invertible.
        self.span = max(float(np.hypot(*axis)), 1e-2)
        self.axis = axis / self.span if self.span > 1e-2 else np.array([0.0, 1.0])
        self.across = np.array([-self.axis[1], self.axis[0]])
        depth = self.shape.depth
        self.narrow = float(np.hypot(np.cos(self.turn), depth * np.sin(self.turn)))
        self.delta = float(np.arctan2(depth * np.sin(self.turn), np.cos(self.turn)))

    def bounds(self) -> tuple[Array, Array] | None:
        """See `Surface.bounds`."""
        reach = self.shape.widest * self.scale * max(1.0, *self.shape.caps) + 1.5
        return np.minimum(self.start, self.stop) - reach, np.maximum(self.start, self.stop) + reach

    def _local(self, points: Array) -> tuple[Array, Array]:
        offset = points - self.start
        return offset @ self.axis, offset @ self.across

    def _along(self, a: Array) -> Array:
        """u in body heights from pixels along the axis."""
        length = self.shape.length
        shaft = a * (length / self.span)
        return np.where(a < 0, a / self.scale, np.where(a > self.span, length + (a - self.span) / self.scale, shaft))

    def _half(self, u: Array) -> Array:
        """Half-width in pixels at u."""
        return self.shape.radius(u) * (self.scale * self.narrow)

    def distance(self, points: Array) -> Array:
        """See `Surface.distance`; first order in the taper, exact for round caps."""
        a, c = self._local(points)
        return self._distance(a, c, self._half(self._along(a)))

    def _distance(self, a: Array, c: Array, half: Array) -> Array:
        first, last = self.shape.caps
        beyond = np.where(a < 0, -a / first, np.where(a > self.span, (a - self.span) / last, 0.0))
        root = np.hypot(beyond, c)
        if first == last == 1.0:
            return root - half
        cap = np.where(a < 0, first, last)
        slope = np.hypot(beyond / cap, c) / np.maximum(root, 1e-9)
        return (root - half) / np.maximum(slope, 1.0)

    def material(self, points: Array) -> Array:
        """See `Surface.material`."""
        a, c = self._local(points)
        u = self._along(a)
        return np.stack([u, np.arcsin(np.clip(c / self._half(u), -1, 1)) - self.delta], -1)

    def place(self, material: Array) -> Array:
        """See `Surface.place`."""
        u, phi = material[..., 0], material[..., 1]
        length = self.shape.length
        shaft = u * (self.span / length)
        a = np.where(u < 0, u * self.scale, np.where(u > length, self.span + (u - length) * self.scale, shaft))
        c = self._half(u) * np.sin(phi + self.delta)
        return self.start + a[..., None] * self.axis + c[..., None] * self.across

    def faces(self, material: Array) -> Array:
        """See `Surface.faces`."""
        return np.cos(material[..., 1] + self.delta) > 0

    def paint(self, canvas: Array) -> None:
        """See `Surface.paint`."""
        x0, y0, x1, y1 = box = self.box((canvas.shape[1], canvas.shape[0]))
        if x1 <= x0 or y1 <= y0:
            return
        a, c = self._local(grid(box))
        u = self._along(a)
        half = self._half(u)
        alpha = np.clip(0.5 - self._distance(a, c, half), 0, 1)
        if not alpha.any():
            return
        s = np.clip(c / half, -1, 1)
        shape = self.shape
        height, width = self.texture.shape[:2]
        columns = ((np.arcsin(s) - self.delta) / (2 * np.pi) + 0.5) * width - 0.5
        rows = (u + shape.margin) / (shape.length + 2 * shape.margin) * height - 0.5
        columns = np.mod(columns, width).astype(np.float32)
        # One column is repeated on the right so that reading between the last and the first one is seamless.
        wrapped = cv2.copyMakeBorder(self.texture, 0, 0, 0, 1, cv2.BORDER_WRAP)
        colour = cv2.remap(wrapped, columns, rows.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        side = float(self.across @ LIGHT[:2])
        shade = 0.66 + 0.42 * np.maximum(LIGHT[2] * np.sqrt(1 - s * s) + side * s, 0)
        patch = canvas[y0:y1, x0:x1]
        lit = np.minimum(colour * shade[..., None].astype(np.float32), 255)
        patch += alpha[..., None].astype(np.float32) * (lit - patch)
