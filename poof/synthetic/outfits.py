"""Outfits: how the texture of each body part is painted, for three sports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from poof.synthetic.texture_canvas import ClothingStyle, TextureCanvas
from poof.synthetic.textures import Colour

DARK: Colour = (44, 34, 34)

Painter = Callable[[TextureCanvas, ClothingStyle, bool], None]


@dataclass(frozen=True)
class Outfit:
    """The clothes of one sport.

    Attributes
    ----------
    paint
        Painter of each part; the last argument tells the left side.
    padding
        Factor on the half-width of each part, 1 where it is not named.
    """

    paint: dict[str, Painter]
    padding: dict[str, float]


# ---------------------------------------------------------------------------------------------------- bare parts


def _skin(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill(s.skin)


def _face(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill(s.hair)
    canvas.band(-9, 9, s.skin, -92, 92)
    for eye in (-30.0, 30.0):
        canvas.band(0.62, 0.80, DARK, eye - 8, eye + 8)
        canvas.band(0.90, 0.98, s.hair, eye - 13, eye + 13)
    red, green, blue = s.skin
    canvas.band(0.30, 0.56, (0.9 * red, 0.9 * green, 0.9 * blue), -7, 7)
    canvas.band(0.02, 0.10, (170, 76, 72), -22, 22)


def _headband(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill(s.hair)
    canvas.band(-0.30, 0.22, s.trim)


def _side_stripe(canvas: TextureCanvas, colour: Colour, start: float, stop: float) -> None:
    for middle in (-90.0, 90.0):
        canvas.band(start, stop, colour, middle - 9, middle + 9)


def _numbers(canvas: TextureCanvas, s: ClothingStyle) -> None:
    canvas.number(s.number, s.trim, 180.0, 0.62, 0.50)
    canvas.number(s.number, s.trim, 0.0, 0.66, 0.32)


# --------------------------------------------------------------------------------------------------------- court


def _short_sleeve(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill(s.skin)
    canvas.band(-9, 0.58, s.shirt)
    canvas.band(0.46, 0.58, s.trim)
    canvas.band(-0.35, 0.46, s.trim, -14, 14)


def _wristband(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill(s.skin)
    if left:
        canvas.band(0.66, 0.86, s.trim)
    else:
        canvas.band(-0.10, 0.24, s.shorts)


def _short_leg(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill(s.skin)
    canvas.band(-9, 0.70, s.shorts)
    canvas.band(0.62, 0.70, s.shirt)
    for middle in (-81.0, 81.0):
        canvas.band(-0.2, 0.62, s.shirt, middle - 19, middle + 19)


def _knee_socks(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill(s.skin)
    canvas.band(0.16, 9, s.trim)
    for place in (0.22, 0.34):
        canvas.band(place, place + 0.06, s.shirt)


def _shoe(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill(s.shoes)
    for place in (0.30, 0.52):
        canvas.band(place, place + 0.10, s.shorts)


def _jersey(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill(s.shirt)
    if s.pattern == 0:
        for place in (0.08, 0.26):
            canvas.band(place, place + 0.10, s.trim)
    elif s.pattern == 1:
        canvas.band(0.0, 0.16, s.shorts)
        canvas.band(0.16, 0.20, s.trim)
    else:
        for degrees in range(-180, 180, 60):
            canvas.band(-9, 0.24, s.trim, degrees + 20, degrees + 40)
    _side_stripe(canvas, s.trim, -9, 1.2)
    canvas.band(1.0, 9, s.trim)
    _numbers(canvas, s)


def _waistband(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill(s.shorts)
    canvas.band(0.86, 9, s.trim)


# ----------------------------------------------------------------------------------------------------------- ice


def _long_sleeve(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill(s.shirt)
    canvas.band(0.50, 0.64, s.trim)
    canvas.band(0.70, 0.84, s.trim)


def _sleeve_end(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill(s.shirt)
    canvas.band(0.34, 0.66, s.trim)
    canvas.band(0.44, 0.56, s.shorts)
    canvas.band(0.90, 9, s.shorts)


def _glove(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill(s.shorts)
    canvas.band(0.10, 0.40, s.trim)


def _padded_pants(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill(s.shorts)
    _side_stripe(canvas, s.trim, -0.2, 0.90)
    canvas.band(0.90, 1.0, s.trim)


def _hooped_socks(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill(s.shirt)
    for place in (0.20, 0.48):
        canvas.band(place, place + 0.16, s.trim)
        canvas.band(place + 0.05, place + 0.11, s.shorts)


def _skate(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill((40, 42, 50))
    canvas.band(0.35, 0.50, s.trim)
    canvas.band(0.85, 9, (208, 214, 222))


def _hooped_jersey(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill(s.shirt)
    for place, colour in ((0.02, s.trim), (0.10, s.shorts), (0.18, s.trim)):
        canvas.band(place, place + 0.08, colour)
    canvas.band(0.94, 9, s.shorts)
    _numbers(canvas, s)


def _helmet(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill(s.shirt)
    canvas.band(0.42, 0.62, s.trim)
    canvas.band(-9, -0.10, s.shorts)


# --------------------------------------------------------------------------------------------------------- track


def _bare_arm(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill(s.skin)
    canvas.band(-9, 0.02, s.shirt)
    if left:
        canvas.band(0.52, 0.66, s.trim)


def _leggings(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill(s.shorts)
    for middle in (-50.0, 50.0):
        canvas.band(-9, 9, s.shirt, middle - 10, middle + 10)
    canvas.band(0.44, 0.50, s.trim)


def _legging_end(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill(s.shorts)
    canvas.band(0.30, 0.60, s.trim, -40, 40)
    canvas.band(0.78, 9, s.skin)


def _singlet(canvas: TextureCanvas, s: ClothingStyle, left: bool) -> None:
    canvas.fill(s.shirt)
    rows = np.arange(canvas.size[1])[:, None]
    columns = np.arange(canvas.size[0])[None, :]
    # Slanting stripes, whole in number so that they close behind the back.
    wave = np.sin(2 * np.pi * (5 * columns / canvas.size[0] + 2.2 * rows / canvas.size[1]))
    canvas.picture[wave > 0.72] = s.trim
    canvas.band(0.30, 0.84, s.trim, -46, 46)
    canvas.band(0.30, 0.84, s.trim, 134, 180)
    canvas.band(0.30, 0.84, s.trim, -180, -134)
    for degrees in (0.0, 180.0):
        canvas.number(s.number, s.shorts, degrees, 0.57, 0.36)
    canvas.band(1.04, 9, s.skin)


_COURT: dict[str, Painter] = {
    "upper_arm": _short_sleeve,
    "forearm": _wristband,
    "hand": _skin,
    "thigh": _short_leg,
    "shin": _knee_socks,
    "foot": _shoe,
    "torso": _jersey,
    "pelvis": _waistband,
    "neck": _skin,
    "face": _face,
    "skull": _headband,
}
_ICE: dict[str, Painter] = {
    **_COURT,
    "upper_arm": _long_sleeve,
    "forearm": _sleeve_end,
    "hand": _glove,
    "thigh": _padded_pants,
    "shin": _hooped_socks,
    "foot": _skate,
    "torso": _hooped_jersey,
    "skull": _helmet,
}
_TRACK: dict[str, Painter] = {
    **_COURT,
    "upper_arm": _bare_arm,
    "thigh": _leggings,
    "shin": _legging_end,
    "torso": _singlet,
}
_PADS = {"upper_arm": 1.22, "forearm": 1.28, "hand": 1.35, "thigh": 1.18, "shin": 1.16, "torso": 1.08, "pelvis": 1.10}

OUTFITS: dict[str, Outfit] = {
    "court": Outfit(_COURT, {}),
    "ice": Outfit(_ICE, {**_PADS, "skull": 1.08}),
    "track": Outfit(_TRACK, {"thigh": 0.94, "upper_arm": 0.94}),
}
"""Short sleeves and shorts; pads, gloves and a helmet; a singlet and leggings."""
