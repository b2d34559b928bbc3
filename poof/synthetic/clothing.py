"""Clothing of a player: shape and texture of every body part, from an outfit and a seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from poof.errors import PoofError, names_near
from poof.synthetic import skeleton as sk
from poof.synthetic.limb import Shape
from poof.synthetic.outfits import OUTFITS
from poof.synthetic.texture_canvas import ClothingStyle, TextureCanvas
from poof.synthetic.textures import Colour, finish, mottle

Array = np.ndarray

PAIRED = ("upper_arm", "forearm", "hand", "thigh", "shin", "foot")
"""Parts that exist on both sides, as `left_` and `right_`."""

# Length of the axis, half-widths along it, height of the rounded ends, thickness; body heights, see `Shape`.
_BODY: dict[str, tuple[float, tuple[tuple[float, float], ...], tuple[float, float], float]] = {
    "upper_arm": (sk.UPPER_ARM, ((0, 0.036), (0.3, 0.033), (1, 0.026)), (1, 1), 1.0),
    "forearm": (sk.FOREARM, ((0, 0.025), (0.25, 0.026), (1, 0.018)), (1, 1), 1.0),
    "hand": (sk.HAND, ((0, 0.018), (0.5, 0.022), (1, 0.018)), (1, 1), 1.0),
    "thigh": (sk.THIGH, ((0, 0.060), (0.3, 0.056), (0.62, 0.050), (1, 0.037)), (1, 1), 1.0),
    "shin": (sk.SHIN, ((0, 0.035), (0.3, 0.038), (0.75, 0.027), (1, 0.024)), (1, 1), 1.0),
    "foot": (sk.FOOT, ((0, 0.027), (0.5, 0.025), (1, 0.020)), (1, 1), 1.0),
    "torso": (0.230, ((0, 0.082), (0.3, 0.084), (0.75, 0.108), (1, 0.112)), (0.5, 0.42), 0.66),
    "pelvis": (0.097, ((0, 0.088), (0.5, 0.092), (1, 0.086)), (0.55, 0.3), 0.70),
    "neck": (0.080, ((0, 0.034), (1, 0.030)), (0.6, 0.6), 1.0),
    "face": (0.076, ((0, 0.030), (0.4, 0.044), (1, 0.053)), (0.6, 0.3), 1.0),
    "skull": (0.036, ((0, 0.056), (0.6, 0.055), (1, 0.050)), (0.22, 1.0), 1.0),
}

_SHIRTS: tuple[tuple[Colour, Colour], ...] = (
    ((205, 52, 48), (250, 240, 226)),
    ((36, 96, 168), (248, 214, 92)),
    ((24, 128, 104), (244, 240, 224)),
    ((238, 150, 36), (40, 48, 72)),
    ((112, 60, 140), (236, 224, 244)),
    ((236, 236, 232), (196, 40, 60)),
)
_SHORTS: tuple[Colour, ...] = ((36, 44, 66), (70, 74, 84), (150, 36, 44), (28, 72, 92), (226, 224, 216))
_SKIN: tuple[Colour, ...] = ((238, 196, 164), (214, 162, 126), (168, 116, 84), (118, 78, 56))
_HAIR: tuple[Colour, ...] = ((58, 40, 30), (30, 26, 26), (146, 96, 50), (196, 160, 96), (110, 50, 34))
_SHOES: tuple[Colour, ...] = ((250, 206, 60), (236, 240, 240), (60, 190, 170), (240, 96, 60))


@dataclass(frozen=True, eq=False)
class Clothing:
    """Clothes, skin and hair of one player.

    Attributes
    ----------
    seed
        Decides colours, patterns, build and the number on the back; neighbouring seeds wear different shirts.
    scale
        Pixels per body height at which the textures are sharp: the largest at which the player is seen.
    outfit
        One of `OUTFITS`: what is worn, and how bulky it is.
    """

    seed: int = 0
    scale: float = 200.0
    outfit: str = "court"

    def __post_init__(self) -> None:
        if self.outfit not in OUTFITS:
            raise PoofError(f"no outfit '{self.outfit}'; there are {names_near(self.outfit, OUTFITS)}")

    @cached_property
    def _parts(self) -> dict[str, tuple[Shape, Array]]:
        rng = np.random.default_rng((self.seed, 1))
        shirt, trim = _SHIRTS[self.seed % len(_SHIRTS)]
        style = ClothingStyle(
            shirt=shirt,
            trim=trim,
            shorts=_SHORTS[(self.seed + self.seed // 6) % len(_SHORTS)],
            skin=_SKIN[(self.seed * 3 + 1) % len(_SKIN)],
            hair=_HAIR[(self.seed * 2) % len(_HAIR)],
            shoes=_SHOES[self.seed % len(_SHOES)],
            pattern=int(rng.integers(3)),
            number=int(rng.integers(2, 29)),
        )
        outfit = OUTFITS[self.outfit]
        build = 1.0 if self.seed == 0 else float(rng.uniform(0.92, 1.12))
        parts: dict[str, tuple[Shape, Array]] = {}
        for name, (length, profile, caps, depth) in _BODY.items():
            wide = np.array(profile, float) * [1.0, outfit.padding.get(name, 1.0) * build]
            shape = Shape(length, wide, caps, depth, self.scale * 1.25)
            for key in (f"left_{name}", f"right_{name}") if name in PAIRED else (name,):
                canvas = TextureCanvas(shape)
                outfit.paint[name](canvas, style, key.startswith("left"))
                grain = mottle(canvas.picture, rng, 26.0, coarsest=max(self.scale / 18, 3.0), finest=1.5)
                parts[key] = shape, finish(grain)
        return parts

    def part(self, name: str) -> tuple[Shape, Array]:
        """Shape and texture (h, w, 3) uint8 of a part by name."""
        return self._parts[name]
