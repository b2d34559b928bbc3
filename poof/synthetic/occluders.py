"""Occluders between the camera and the player."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from poof.synthetic.surfaces import Plane
from poof.synthetic.textures import Colour, finish, mottle, plain

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Occluder:
    """A striped, textured board or post that stands still or moves on a straight line.

    Attributes
    ----------
    centre
        World point of its middle at time 0.
    size
        Width and height in world pixels.
    velocity
        World pixels a frame.
    parallax
        1 stands beside the player, more is nearer to the camera and passes faster when it pans.
    colours
        Of the stripes, in turn.
    stripe
        Height of a stripe in world pixels; 0 for none.
    seed
        Grain of the surface.
    """

    centre: tuple[float, float]
    size: tuple[float, float]
    velocity: tuple[float, float] = (0.0, 0.0)
    parallax: float = 1.0
    colours: tuple[Colour, ...] = ((206, 44, 44), (244, 242, 236))
    stripe: float = 36.0
    seed: int = 0

    @cached_property
    def texture(self) -> Array:
        """(h, w, 3) uint8, one pixel a world pixel, round like a post."""
        width, height = (max(round(v), 4) for v in self.size)
        rng = np.random.default_rng((self.seed, 5))
        picture = plain((width, height), self.colours[0])
        if self.stripe > 0:
            which = (np.arange(height) // self.stripe).astype(int) % len(self.colours)
            picture[:] = np.array(self.colours, np.float32)[which][:, None]
        across = np.linspace(-1, 1, width)
        picture *= (0.70 + 0.36 * np.sqrt(np.maximum(1 - (across * 0.92 + 0.25) ** 2, 0)))[None, :, None]
        return finish(mottle(picture, rng, 16.0, coarsest=24))

    def surface(self, time: float, view: Array, name: str) -> Plane:
        """Where it is at `time`, through the camera matrix `view` (3, 3)."""
        width, height = self.texture.shape[1], self.texture.shape[0]
        corner = np.eye(3)
        corner[0, 2] = self.centre[0] + time * self.velocity[0] - (width - 1) / 2
        corner[1, 2] = self.centre[1] + time * self.velocity[1] - (height - 1) / 2
        return Plane(name, view @ corner, self.texture, (-0.5, -0.5, width - 0.5, height - 0.5))
