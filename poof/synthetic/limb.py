"""A limb: a tapered, textured tube between two joints, and the closed form of its image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from poof.synthetic.surfaces import Surface, grid

Array = np.ndarray

LIGHT = np.array([-0.38, -0.55, 0.74])
"""Direction to the lamp: x to the right, y down, z to the viewer."""

STIFF = 0.014
"""Length beside each joint, in body heights, that does not stretch: more than the 1.5 pixels a bilinear read needs."""


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
    The shaft stretches between the joints while the caps, and a little of the shaft beside them (`STIFF`), keep their
    size. So the joints, at u = 0 and u = length on the axis, are points of the surface for every pose, and the flow
    is affine over the pixels around each of them, where a bilinear read is exact. Across, a point stands at

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

    shape: Shape
    start: Array
    stop: Array
    scale: float
    turn: float
    texture: Array

    def __post_init__(self) -> None:
        axis = self.stop - self.start
        # A limb that points at the camera has no length in the image; a hundredth of a pixel keeps the map invertible.
        self.span = max(float(np.hypot(*axis)), 1e-2)
        self.axis = axis / self.span if self.span > 1e-2 else np.array([0.0, 1.0])
        self.across = np.array([-self.axis[1], self.axis[0]])
        depth = self.shape.depth
        self.narrow = float(np.hypot(np.cos(self.turn), depth * np.sin(self.turn)))
        self.delta = float(np.arctan2(depth * np.sin(self.turn), np.cos(self.turn)))
        # Knots of the piecewise linear map along the axis, body heights and pixels.
        length, stiff = self.shape.length, min(STIFF, self.shape.length / 4)
        ends = min(stiff * self.scale, self.span / 4)
        reach = 2 * (length + self.shape.margin)
        beyond = reach * self.scale
        self.knots_u = np.array([-reach, 0, stiff, length - stiff, length, length + reach])
        self.knots_a = np.array([-beyond, 0, ends, self.span - ends, self.span, self.span + beyond])

    def bounds(self) -> tuple[Array, Array] | None:
        """See `Surface.bounds`."""
        reach = self.shape.widest * self.scale * max(1.0, *self.shape.caps) + 1.5
        return np.minimum(self.start, self.stop) - reach, np.maximum(self.start, self.stop) + reach

    def probes(self, size: tuple[int, int]) -> Array:
        """See `Surface.probes`."""
        return np.stack([self.start, self.stop]) if len(super().probes(size)) else np.zeros((0, 2))

    def _local(self, points: Array) -> tuple[Array, Array]:
        offset = points - self.start
        return offset @ self.axis, offset @ self.across

    def _along(self, a: Array) -> Array:
        """u in body heights from pixels along the axis."""
        return np.interp(a, self.knots_a, self.knots_u)

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
        a = np.interp(u, self.knots_u, self.knots_a)
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
