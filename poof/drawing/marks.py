"""Marks, lines and text on RGB images, anti-aliased, at sub-pixel positions.

Positions are (x, y) in pixels with the origin at the centre of the top-left pixel. Marks are painted by their signed
distance function: coverage = clip(1/2 - distance, 0, 1), exact to the fraction of a pixel at any size. Everything may
lie partly or wholly outside the image. All functions change the image in place.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from poof.drawing.style import DARK, WHITE, Colour
from poof.labels.model import Source

Array = np.ndarray
Distance = Callable[[Array, Array], Array]

_SHIFT = 4  # fractional bits of OpenCV's coordinates


def _circle(radius: float) -> Distance:
    return lambda dx, dy: np.hypot(dx, dy) - radius


def _square(half: float) -> Distance:
    return lambda dx, dy: np.maximum(np.abs(dx), np.abs(dy)) - half


def _diamond(half: float) -> Distance:
    return lambda dx, dy: (np.abs(dx) + np.abs(dy) - half) / np.sqrt(2.0)


def _triangle(radius: float) -> Distance:
    cos, sin = np.cos(np.pi / 6), np.sin(np.pi / 6)
    return lambda dx, dy: np.maximum(np.maximum(cos * dx - sin * dy, -cos * dx - sin * dy), dy) - radius / 2


def _shape(source: int, radius: float) -> Distance:
    """The outline of a source, scaled so that all shapes look equally large."""
    if source == Source.HUMAN:
        return _square(radius)
    if source == Source.PREDICTED:
        return _diamond(1.35 * radius)
    if source == Source.REFINED:
        return _triangle(1.55 * radius)
    return _circle(radius)


def _paint(image: Array, x: float, y: float, reach: float, layers: list[tuple[Distance, Colour]]) -> None:
    """Cover a patch of +-reach around (x, y) with each layer, in order."""
    height, width = image.shape[:2]
    left, top = max(int(np.floor(x - reach)), 0), max(int(np.floor(y - reach)), 0)
    right, bottom = min(int(np.ceil(x + reach)) + 1, width), min(int(np.ceil(y + reach)) + 1, height)
    if left >= right or top >= bottom:
        return
    dx, dy = np.arange(left, right)[None, :] - x, np.arange(top, bottom)[:, None] - y
    patch = image[top:bottom, left:right].astype(np.float32)
    for distance, colour in layers:
        cover = np.clip(0.5 - distance(dx, dy), 0.0, 1.0).astype(np.float32)[..., None]
        patch += cover * (np.asarray(colour, np.float32) - patch)
    image[top:bottom, left:right] = np.rint(patch).astype(np.uint8)


def _ring(shape: Distance, inner: float, outer: float) -> Distance:
    """The band from `inner` to `outer` pixels beyond the outline of a shape (negative: within)."""
    return lambda dx, dy: np.abs(shape(dx, dy) - (inner + outer) / 2) - (outer - inner) / 2


def mark(
    image: Array,
    xy: Array,
    radius: float,
    colour: Colour,
    source: int = Source.PROPAGATED,
    visible: bool = True,
    tinted: bool = False,
) -> None:
    """One keypoint: the shape says its source, filled or hollow whether it is visible.

    Parameters
    ----------
    image : (H, W, 3) uint8
        Changed in place.
    xy : (2,)
        Position in pixels; not finite or outside the image draws nothing.
    radius
        Half the width of the mark in pixels, without its dark border.
    colour
        Fill, or the ring of a hollow mark. Human marks are white (filled: with a dark core) whatever it is.
    source
        `Source`; its shape: square human, diamond predicted, triangle refined, disc everything else.
    visible
        False draws the mark hollow, a little larger: the image shows through.
    tinted
        Human marks have the colour as well.
    """
    x, y = float(xy[0]), float(xy[1])
    if not (np.isfinite(x) and np.isfinite(y)):
        return
    human = source == Source.HUMAN
    border = max(1.0, 0.25 * radius)
    ink = WHITE if human and not tinted else colour
    if visible:
        layers = [(_shape(source, radius + border), DARK), (_shape(source, radius), ink)]
        if human:
            layers.append((_square(0.4 * radius), DARK))
    else:
        shape, line = _shape(source, 1.1 * radius), max(1.3, 0.4 * radius)
        layers = [(_ring(shape, -0.8, line + border), DARK), (_ring(shape, 0.0, line), ink)]
    _paint(image, x, y, 3.0 * radius + 2 * border + 2.0, layers)


def line(image: Array, start: Array, end: Array, thickness: float, colour: Colour, dash: float = 0.0) -> None:
    """A straight line from (x, y) to (x, y), `thickness` px wide, in dashes of `dash` px (0: solid)."""
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    length = float(np.hypot(*(end - start)))
    # OpenCV's fixed-point coordinates overflow far outside the image.
    if not np.isfinite(length) or max(np.abs(start).max(), np.abs(end).max()) > 2**20 or length == 0:
        return
    pieces = [(0.0, 1.0)]
    if dash > 0 and length > 3 * dash:
        count = 2 * int(length // (2 * dash)) + 1  # dashes and gaps, a dash at either end
        # OpenCV rounds the ends off beyond where they are set; without this the gaps close.
        cap = min((thickness / 2 + 0.5) / length, 0.4 / count)
        pieces = [(i / count + cap, (i + 1) / count - cap) for i in range(0, count, 2)]
    for a, b in pieces:
        ends = [tuple(int(v) for v in np.rint((start + t * (end - start)) * 2**_SHIFT)) for t in (a, b)]
        cv2.line(image, ends[0], ends[1], colour, max(1, round(thickness)), cv2.LINE_AA, _SHIFT)


# ---------------------------------------------------------------------------------------------------------------- text


@cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and knows Latin, Greek and Cyrillic, `size` px high."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


@lru_cache(maxsize=512)
def _letters(string: str, size: int, bold: bool) -> Array:
    """(h, w) float32 coverage of a line of text; its height depends on the size alone."""
    face = font(size, bold)
    ascent, descent = face.getmetrics()
    canvas = Image.new("L", (max(int(np.ceil(face.getlength(string))), 1), ascent + descent))
    ImageDraw.Draw(canvas).text((0, 0), string, fill=255, font=face)
    return np.asarray(canvas, np.float32)[..., None] / 255.0


def text_size(string: str, size: int, bold: bool = False) -> tuple[int, int]:
    """(width, height) in pixels that `text` covers."""
    height, width = _letters(string, size, bold).shape[:2]
    return width, height


def text(image: Array, x: int, y: int, string: str, size: int, colour: Colour, bold: bool = False) -> int:
    """Write one line with its top-left corner at (x, y); gives the x behind it. What does not fit is cut off."""
    cover = _letters(string, size, bold)
    height, width = cover.shape[:2]
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, image.shape[1]), min(y + height, image.shape[0])
    if left < right and top < bottom:
        part = cover[top - y : bottom - y, left - x : right - x]
        patch = image[top:bottom, left:right].astype(np.float32)
        patch += part * (np.asarray(colour, np.float32) - patch)
        image[top:bottom, left:right] = np.rint(patch).astype(np.uint8)
    return x + width


def badge(image: Array, x: int, y: int, string: str, size: int, ink: Colour, ground: Colour, bold: bool = True) -> int:
    """Text on a coloured plate with its top-left corner at (x, y); gives the x behind the plate."""
    width, height = text_size(string, size, bold)
    pad = max(2, size // 3)
    cv2.rectangle(image, (x, y), (x + width + 2 * pad, y + height), ground, cv2.FILLED)
    text(image, x + pad, y, string, size, ink, bold)
    return x + width + 2 * pad + 1
