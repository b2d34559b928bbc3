"""What a player wears: the shape and the texture of every part, from a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from poof.synthetic import skeleton as sk
from poof.synthetic.surfaces import Shape
from poof.synthetic.textures import Colour, finish, mottle, plain

Array = np.ndarray
Part = tuple[Shape, Array]

# Half-widths in body heights along each part.
_PROFILES: dict[str, tuple[float, list[tuple[float, float]], tuple[float, float], float]] = {
    "upper_arm": (sk.UPPER_ARM, [(0, 0.036), (0.3, 0.033), (1, 0.026)], (1, 1), 1.0),
    "forearm": (sk.FOREARM, [(0, 0.025), (0.25, 0.026), (1, 0.018)], (1, 1), 1.0),
    "hand": (sk.HAND, [(0, 0.018), (0.5, 0.022), (1, 0.018)], (1, 1), 1.0),
    "thigh": (sk.THIGH, [(0, 0.060), (0.3, 0.056), (0.62, 0.050), (1, 0.037)], (1, 1), 1.0),
    "shin": (sk.SHIN, [(0, 0.035), (0.3, 0.038), (0.75, 0.027), (1, 0.024)], (1, 1), 1.0),
    "foot": (sk.FOOT, [(0, 0.027), (0.5, 0.025), (1, 0.020)], (1, 1), 1.0),
    "torso": (0.230, [(0, 0.082), (0.3, 0.084), (0.75, 0.108), (1, 0.112)], (0.5, 0.42), 0.66),
    "pelvis": (0.097, [(0, 0.088), (0.5, 0.092), (1, 0.086)], (0.55, 0.3), 0.70),
    "neck": (0.080, [(0, 0.034), (1, 0.030)], (0.6, 0.6), 1.0),
    "face": (0.076, [(0, 0.030), (0.4, 0.044), (1, 0.053)], (0.6, 0.3), 1.0),
    "skull": (0.036, [(0, 0.056), (0.6, 0.055), (1, 0.050)], (0.22, 1.0), 1.0),
}

_SHIRTS: tuple[tuple[Colour, Colour], ...] = (
    ((205, 52, 48), (250, 240, 226)),
    ((36, 96, 168), (248, 214, 92)),
    ((24, 128, 104), (244, 240, 224)),
    ((238, 150, 36), (40, 48, 72)),
    ((112, 60, 140), (236, 224, 244)),
    ((240, 240, 236), (196, 40, 60)),
)
_SHORTS: tuple[Colour, ...] = ((36, 44, 66), (240, 238, 230), (70, 74, 84), (150, 36, 44), (28, 72, 92))
_SKIN: tuple[Colour, ...] = ((238, 196, 164), (214, 162, 126), (168, 116, 84), (118, 78, 56))
_HAIR: tuple[Colour, ...] = ((58, 40, 30), (30, 26, 26), (146, 96, 50), (196, 160, 96), (110, 50, 34))
_SHOES: tuple[Colour, ...] = ((250, 206, 60), (236, 240, 240), (60, 190, 170), (240, 96, 60))


@dataclass(frozen=True, eq=False)
class Costume:
    """Clothes, skin and hair of one player.

    Attributes
    ----------
    seed
        Decides colours, patterns and the number on the back.
    scale
        Pixels per body height at which the textures are sharp: the largest at which the player is seen.
    """

    seed: int = 0
    scale: float = 200.0

    @cached_property
    def _parts(self) -> dict[str, Part]:
        rng = np.random.default_rng((self.seed, 1))
        shirt, trim = _SHIRTS[self.seed % len(_SHIRTS)]
        style = _Style(
            shirt=shirt,
            trim=trim,
            shorts=_SHORTS[(self.seed + self.seed // 6) % len(_SHORTS)],
            skin=_SKIN[(self.seed * 3 + 1) % len(_SKIN)],
            hair=_HAIR[(self.seed * 2) % len(_HAIR)],
            shoes=_SHOES[self.seed % len(_SHOES)],
            pattern=int(rng.integers(3)),
            number=int(rng.integers(2, 29)),
        )
        parts: dict[str, Part] = {}
        for name in _PROFILES:
            for key in (f"left_{name}", f"right_{name}") if name in _PAINTERS_PAIRED else (name,):
                shape = self._shape(name)
                # The far half of each picture is never seen on a limb that does not turn; it is painted all the same.
                picture = _PAINT[name](shape, style, key.startswith("left"))
                parts[key] = shape, finish(mottle(picture, rng, 26.0, coarsest=self.scale / 18, finest=1.5))
        return parts

    def _shape(self, name: str) -> Shape:
        length, profile, caps, depth = _PROFILES[name]
        return Shape(length, np.array(profile, float), (float(caps[0]), float(caps[1])), depth, self.scale * 1.25)

    def part(self, name: str) -> Part:
        """Shape and texture (h, w, 3) uint8 of a part by name."""
        return self._parts[name]


@dataclass(frozen=True)
class _Style:
    shirt: Colour
    trim: Colour
    shorts: Colour
    skin: Colour
    hair: Colour
    shoes: Colour
    pattern: int
    number: int


class _Cloth:
    """A texture under construction, addressed in the part's own units."""

    def __init__(self, shape: Shape, colour: Colour) -> None:
        self.shape = shape
        self.size = shape.texture_size
        self.picture = plain(self.size, colour)

    def row(self, share: float) -> int:
        """Row of a position along the axis, 0 at the first joint and 1 at the last."""
        total = self.shape.length + 2 * self.shape.margin
        return round((share * self.shape.length + self.shape.margin) / total * self.size[1])

    def column(self, degrees: float) -> int:
        """Column of an angle around the axis, 0 in front."""
        return round((degrees / 360 + 0.5) * self.size[0])

    def band(self, start: float, stop: float, colour: Colour, left: float = -180, right: float = 180) -> None:
        """Fill between two positions along the axis and two angles around it."""
        first, last = sorted((self.row(start), self.row(stop)))
        columns = slice(max(self.column(left), 0), self.column(right))
        self.picture[max(first, 0) : max(last, first + 1), columns] = colour


def _upper_arm(shape: Shape, s: _Style, left: bool) -> Array:
    cloth = _Cloth(shape, s.skin)
    cloth.band(-9, 0.58, s.shirt)
    cloth.band(0.46, 0.58, s.trim)
    cloth.band(-0.35, 0.46, s.trim, -14, 14)
    return cloth.picture


def _forearm(shape: Shape, s: _Style, left: bool) -> Array:
    cloth = _Cloth(shape, s.skin)
    if left:
        cloth.band(0.66, 0.86, s.trim)
    else:
        cloth.band(-0.10, 0.24, s.shorts)
    return cloth.picture


def _hand(shape: Shape, s: _Style, left: bool) -> Array:
    return _Cloth(shape, s.skin).picture


def _thigh(shape: Shape, s: _Style, left: bool) -> Array:
    cloth = _Cloth(shape, s.skin)
    cloth.band(-9, 0.70, s.shorts)
    cloth.band(0.62, 0.70, s.shirt)
    cloth.band(-0.2, 0.62, s.shirt, -100, -62)
    cloth.band(-0.2, 0.62, s.shirt, 62, 100)
    return cloth.picture


def _shin(shape: Shape, s: _Style, left: bool) -> Array:
    cloth = _Cloth(shape, s.skin)
    cloth.band(0.16, 9, s.trim)
    for place in (0.22, 0.34):
        cloth.band(place, place + 0.06, s.shirt)
    return cloth.picture


def _foot(shape: Shape, s: _Style, left: bool) -> Array:
    cloth = _Cloth(shape, s.shoes)
    cloth.band(0.30, 0.40, s.shorts)
    cloth.band(0.52, 0.62, s.shorts)
    return cloth.picture


def _torso(shape: Shape, s: _Style, left: bool) -> Array:
    cloth = _Cloth(shape, s.shirt)
    if s.pattern == 0:
        for place in (0.08, 0.26):
            cloth.band(place, place + 0.10, s.trim)
    elif s.pattern == 1:
        cloth.band(0.0, 0.16, s.shorts)
        cloth.band(0.16, 0.20, s.trim)
    else:
        for degrees in range(-180, 180, 60):
            cloth.band(-9, 0.24, s.trim, degrees + 20, degrees + 40)
    cloth.band(-9, 1.2, s.trim, -98, -84)
    cloth.band(-9, 1.2, s.trim, 84, 98)
    # The collar opens to the front.
    cloth.band(1.0, 9, s.trim)
    _print_number(cloth, s, 180.0, 0.62, 0.50)
    _print_number(cloth, s, 0.0, 0.66, 0.32)
    # Rows run from the hem to the neck and the axis points up: flip the writing, not the map.
    return cloth.picture


def _print_number(cloth: _Cloth, s: _Style, degrees: float, share: float, height: float) -> None:
    tall = max(round(height * cloth.shape.length * cloth.shape.density), 6)
    font, thick = cv2.FONT_HERSHEY_DUPLEX, max(tall // 7, 1)
    scale = cv2.getFontScaleFromHeight(font, tall, thick)
    (width, _), _ = cv2.getTextSize(str(s.number), font, scale, thick)
    stamp = np.zeros((tall + 2 * thick, width + 2 * thick), np.uint8)
    cv2.putText(stamp, str(s.number), (thick, tall + thick), font, scale, 255, thick, cv2.LINE_AA)
    weight = stamp[::-1, :, None].astype(np.float32) / 255
    rows = np.arange(weight.shape[0]) + cloth.row(share) - weight.shape[0] // 2
    columns = (np.arange(weight.shape[1]) + cloth.column(degrees) - weight.shape[1] // 2) % cloth.size[0]
    area = np.ix_(np.clip(rows, 0, cloth.size[1] - 1), columns)
    cloth.picture[area] += weight * (np.array(s.trim, np.float32) - cloth.picture[area])


def _pelvis(shape: Shape, s: _Style, left: bool) -> Array:
    cloth = _Cloth(shape, s.shorts)
    cloth.band(0.86, 9, s.trim)
    return cloth.picture


def _neck(shape: Shape, s: _Style, left: bool) -> Array:
    return _Cloth(shape, s.skin).picture


def _face(shape: Shape, s: _Style, left: bool) -> Array:
    cloth = _Cloth(shape, s.hair)
    cloth.band(-9, 9, s.skin, -92, 92)
    dark: Colour = (44, 34, 34)
    for eye in (-30.0, 30.0):
        cloth.band(0.62, 0.80, dark, eye - 8, eye + 8)
        cloth.band(0.90, 0.98, s.hair, eye - 13, eye + 13)
    cloth.band(0.30, 0.56, tuple(0.90 * c for c in s.skin), -7, 7)  # type: ignore[arg-type]
    cloth.band(0.02, 0.10, (170, 76, 72), -22, 22)
    return cloth.picture


def _skull(shape: Shape, s: _Style, left: bool) -> Array:
    cloth = _Cloth(shape, s.hair)
    cloth.band(-0.30, 0.22, s.trim)
    return cloth.picture


_PAINT: dict[str, Callable[[Shape, _Style, bool], Array]] = {
    "upper_arm": _upper_arm,
    "forearm": _forearm,
    "hand": _hand,
    "thigh": _thigh,
    "shin": _shin,
    "foot": _foot,
    "torso": _torso,
    "pelvis": _pelvis,
    "neck": _neck,
    "face": _face,
    "skull": _skull,
}
_PAINTERS_PAIRED = {"upper_arm", "forearm", "hand", "thigh", "shin", "foot"}
