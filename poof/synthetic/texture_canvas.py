"""A canvas to paint the texture of a limb on: bands and numbers at positions along and around the limb."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from poof.synthetic.limb import Shape
from poof.synthetic.textures import Colour, plain


@dataclass(frozen=True)
class ClothingStyle:
    """Colours and other choices of one player's clothing."""

    shirt: Colour
    trim: Colour
    shorts: Colour
    skin: Colour
    hair: Colour
    shoes: Colour
    pattern: int
    number: int


class TextureCanvas:
    """The texture of one body part, painted in coordinates of that part.

    Positions along the axis are 0 at the first joint and 1 at the last, and go on into the caps; angles around it are
    degrees, 0 in front, 90 to the image's right of a trunk that faces the camera.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.size = shape.texture_size
        self.picture = plain(self.size, (0, 0, 0))

    def row(self, share: float) -> int:
        """Row of a position along the axis."""
        total = self.shape.length + 2 * self.shape.margin
        return round((share * self.shape.length + self.shape.margin) / total * self.size[1])

    def column(self, degrees: float) -> int:
        """Column of an angle."""
        return round((degrees / 360 + 0.5) * self.size[0])

    def fill(self, colour: Colour) -> None:
        """All of it."""
        self.picture[:] = colour

    def band(self, start: float, stop: float, colour: Colour, left: float = -180, right: float = 180) -> None:
        """Between two positions along the axis and two angles around it."""
        first, last = max(self.row(start), 0), min(self.row(stop), self.size[1])
        columns = slice(max(self.column(left), 0), self.column(right))
        self.picture[first : max(last, first + 1), columns] = colour

    def number(self, value: int, colour: Colour, degrees: float, share: float, height: float) -> None:
        """Digits centred at a position and an angle, `height` of the axis tall."""
        tall = max(round(height * self.shape.length * self.shape.density), 6)
        font, thick = cv2.FONT_HERSHEY_DUPLEX, max(tall // 7, 1)
        scale = cv2.getFontScaleFromHeight(font, tall, thick)
        (width, _), _ = cv2.getTextSize(str(value), font, scale, thick)
        stamp = np.zeros((tall + 2 * thick, width + 2 * thick), np.uint8)
        cv2.putText(stamp, str(value), (thick, tall + thick), font, scale, 255, thick, cv2.LINE_AA)
        # Rows of a trunk run from the hem up to the neck, so the stamp stands on its head.
        weight = stamp[::-1, :, None].astype(np.float32) / 255
        rows = np.arange(weight.shape[0]) + self.row(share) - weight.shape[0] // 2
        columns = (np.arange(weight.shape[1]) + self.column(degrees) - weight.shape[1] // 2) % self.size[0]
        area = np.ix_(np.clip(rows, 0, self.size[1] - 1), columns)
        self.picture[area] += weight * (np.array(colour, np.float32) - self.picture[area])
