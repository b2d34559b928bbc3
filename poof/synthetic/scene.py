"""A scene and its frames: pixels, keypoints, visibility and flow, all from the same closed-form surfaces."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from poof.errors import PoofError
from poof.labels.model import Skeleton, Visible
from poof.synthetic.camera import Camera, View
from poof.synthetic.occluders import Occluder
from poof.synthetic.player import Player
from poof.synthetic.surfaces import Plane, Surface, grid

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Backdrop:
    """The picture behind everything.

    Attributes
    ----------
    texture : (h, w, 3) uint8
        One pixel a world pixel; continued by reflection.
    origin
        World point of its top-left pixel.
    """

    texture: Array
    origin: tuple[float, float] = (0.0, 0.0)

    def surface(self, view: Array, name: str) -> Plane:
        """Where it is, through the camera matrix `view` (3, 3)."""
        corner = np.eye(3)
        corner[:2, 2] = self.origin
        return Plane(name, view @ corner, self.texture)


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that is to be seen, at all times. The same scene renders the same bytes.

    Attributes
    ----------
    backdrop
        What is behind, in one piece with the ground.
    players
        Figures, or `BackdropKeypoints`; one instance each, all of one skeleton.
    occluders
        What stands in front, the last one nearest.
    camera
        Pan, zoom, roll and shake.
    size
        (width, height) in pixels.
    frames, fps
        Length and rate.
    shutter
        Share of the frame interval during which light is gathered; 0 freezes every movement.
    noise
        Standard deviation of the sensor's noise in grey levels.
    flicker
        Relative amplitude of a slow change of brightness.
    shadow
        Darkness of the shadow at a player's feet, 0 for none.
    seed
        Of noise and flicker.
    name
        How messages call it.
    """

    backdrop: Backdrop
    players: tuple[Player, ...]
    occluders: tuple[Occluder, ...] = ()
    camera: View = field(default_factory=Camera)
    size: tuple[int, int] = (640, 360)
    frames: int = 60
    fps: float = 25.0
    shutter: float = 0.0
    noise: float = 0.0
    flicker: float = 0.0
    shadow: float = 0.0
    seed: int = 0
    name: str = "synthetic"

    def __post_init__(self) -> None:
        if self.frames < 1 or min(self.size) < 1:
            raise PoofError(
                f"{self.name}: a scene needs a frame and a pixel; it has {self.frames} frames of {self.size}"
            )
        if not self.players or any(player.skeleton != self.skeleton for player in self.players):
            raise PoofError(f"{self.name}: a scene needs at least one player, and one skeleton for all")

    @property
    def skeleton(self) -> Skeleton:
        """Of its players; `p0`, `p1` ... for keypoints on the backdrop."""
        return self.players[0].skeleton

    # ---------------------------------------------------------------------------------------------- what is where

    def surfaces(self, time: float) -> list[Surface]:
        """Every surface at `time` (frames, also between them), farthest first."""
        view = self.camera.matrix(time, self.size)
        found: list[Surface] = [self.backdrop.surface(view, "backdrop")]
        for number in sorted(range(len(self.players)), key=lambda n: self.players[n].depth):
            found += self.players[number].surfaces(time, view, f"player {number}")
        for number, occluder in enumerate(self.occluders):
            through = self.camera.matrix(time, self.size, occluder.parallax)
            found.append(occluder.surface(time, through, f"occluder {number}"))
        return found

    def points(self, time: float) -> Array:
        """(I, K, 2) image points of all keypoints at `time`."""
        view = self.camera.matrix(time, self.size)
        return np.stack([player.points(time, view) for player in self.players])

    def visible(self, time: float) -> Array:
        """(I, K) int8 `Visible` of all keypoints at `time`."""
        points = self.points(time)
        surfaces = self.surfaces(time)
        top = topmost(surfaces, points)
        keys = np.array([s.key for s in surfaces])[top]
        flags = np.full(points.shape[:2], Visible.OCCLUDED, np.int8)
        for i, player in enumerate(self.players):
            for k in range(points.shape[1]):
                if keys[i, k] in player.carriers(k, f"player {i}"):
                    flags[i, k] = Visible.VISIBLE
        flags[~inside(points, self.size)] = Visible.UNLABELLED
        return flags

    # ------------------------------------------------------------------------------------------------------- flow

    def flow(self, first: float, second: float) -> tuple[Array, Array]:
        """Where each pixel of one frame stands in another, in either direction of time.

        Exact at every pixel's centre. Read between the pixels at a visible keypoint it gives the keypoint's
        displacement to 0.05 pixels, unless another surface begins within two pixels or the limb points at the camera
        (is only a few pixels long in the image): a bilinear read mixes what lies beside each other there.

        Parameters
        ----------
        first, second
            Frames (mid-exposure).

        Returns
        -------
        flow : (2, H, W) float32
            dx, dy of the surface on top at each pixel's centre in `first`, also where `second` does not show it.
        valid : (H, W) bool
            Whether `second` shows it: inside the image, covered by nothing, and not turned away.
        """
        width, height = self.size
        start, end = self.surfaces(first), self.surfaces(second)
        where = {s.key: n for n, s in enumerate(end)}
        pixels = grid((0, 0, width, height))
        top = topmost(start, pixels)
        target = pixels.copy()
        partner = np.full((height, width), -1)
        faces: Array = np.zeros((height, width), bool)
        for number, surface in enumerate(start):
            mine = top == number
            if not mine.any() or surface.key not in where:
                continue
            other = end[where[surface.key]]
            material = surface.material(pixels[mine])
            target[mine] = other.place(material)
            partner[mine] = where[surface.key]
            faces[mine] = other.faces(material)
        valid = faces & inside(target, self.size) & (topmost(end, target) == partner)
        return np.moveaxis(target - pixels, -1, 0).astype(np.float32), valid

    # ------------------------------------------------------------------------------------------------------ image

    def exposure(self, number: int) -> list[float]:
        """The instants that are averaged into a frame: enough that nothing jumps by over two pixels, at most 15."""
        if self.shutter <= 0:
            return [float(number)]
        ends = [number - self.shutter / 2, number + self.shutter / 2]
        after = {surface.key: surface for surface in self.surfaces(ends[1])}
        longest = 0.0
        for before in self.surfaces(ends[0]):
            points = before.probes(self.size)
            if before.key in after and len(points):
                longest = max(longest, float(np.abs(after[before.key].place(before.material(points)) - points).max()))
        count = int(np.clip(np.ceil(longest / 2) + 1, 1, 15))
        return [number + self.shutter * ((i + 0.5) / count - 0.5) for i in range(count)]

    def image(self, number: int) -> Array:
        """(H, W, 3) uint8 RGB of a frame."""
        width, height = self.size
        total = np.zeros((height, width, 3), np.float32)
        instants = self.exposure(number)
        for time in instants:
            canvas = np.empty_like(total)
            surfaces = self.surfaces(time)
            surfaces[0].paint(canvas)
            if self.shadow > 0:
                self._shade(canvas, time)
            for surface in surfaces[1:]:
                surface.paint(canvas)
            total += canvas
        total /= len(instants)
        if self.flicker > 0:
            rng = np.random.default_rng((self.seed, 21))
            total *= 1 + self.flicker * np.sin(2 * np.pi * (number / rng.uniform(18, 40) + rng.uniform()))
        if self.noise > 0:
            rng = np.random.default_rng((self.seed, 22, number))
            total += self.noise * rng.standard_normal(total.shape, np.float32)
        return np.clip(np.rint(total), 0, 255).astype(np.uint8)

    def _shade(self, canvas: Array, time: float) -> None:
        """A soft shadow on the ground under each player."""
        view = self.camera.matrix(time, self.size)
        for player in self.players:
            cast = player.shadow(time, view)
            if cast is None:
                continue
            centre, wide = cast
            reach = np.array([2.6 * wide, 0.7 * wide])
            x0, y0 = np.maximum(np.floor(centre - reach).astype(int), 0)
            x1, y1 = np.minimum(np.ceil(centre + reach).astype(int), self.size)
            if x1 <= x0 or y1 <= y0:
                continue
            offset = (grid((x0, y0, x1, y1)) - centre) / [wide, 0.24 * wide]
            dark = self.shadow * np.exp(-0.5 * (offset**2).sum(-1))
            canvas[y0:y1, x0:x1] *= (1 - dark)[..., None].astype(np.float32)


def topmost(surfaces: list[Surface], points: Array) -> Array:
    """Index (...) into `surfaces` (farthest first) of the one on top at image points (..., 2)."""
    flat, x, y = points.reshape(-1, 2), points[..., 0].ravel(), points[..., 1].ravel()
    result = np.zeros(len(flat), np.int32)
    for number, surface in enumerate(surfaces):
        corners = surface.bounds()
        if corners is None:
            result[:] = number
            continue
        (x0, y0), (x1, y1) = corners
        near = np.flatnonzero((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1))
        if len(near):
            result[near[surface.distance(flat[near]) < 0]] = number
    return result.reshape(points.shape[:-1])


def inside(points: Array, size: tuple[int, int]) -> Array:
    """Whether (...) points (..., 2) lie within the centres of the border pixels."""
    x, y = points[..., 0], points[..., 1]
    return np.asarray((x >= 0) & (y >= 0) & (x <= size[0] - 1) & (y <= size[1] - 1))
