"""Style of drawn labels: the colour scale of confidence, colours of individuals, sizes of marks.

One visual language for pictures, videos, contact sheets and plots:

=============  ==================================================================================
shape          where the point comes from: white square with a dark core = set by a person, disc = carried by flow,
               diamond = predicted by a model, triangle = refined
fill           filled = visible, hollow = occluded; limbs that end in an occluded point are dashed
hue            confidence, from red (0) over yellow to blue (1); grey where it is unknown
limb, number   the individual, when there are several (a box where the skeleton has no limbs)
=============  ==================================================================================

Red-yellow-blue stays readable with each of the common colour vision deficiencies, and the three things that matter
most (person or machine, visible or hidden, sure or unsure) use three different channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from matplotlib.colors import Colormap, LinearSegmentedColormap

from poof.errors import PoofError
from poof.labels.model import LabelSet, Points, Source

Array = np.ndarray
Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
DARK: Colour = (16, 18, 22)
GREY: Colour = (168, 172, 180)

# ColorBrewer's RdYlBu with ends that are bright enough to be seen on dark footage.
CONFIDENCE_STOPS = ("#e0261b", "#fb8c35", "#fde45c", "#7fc7f2", "#1f78ff")

# Hues that neither the confidence scale nor the white of human points uses; numbers are drawn beside them anyway.
INSTANCE_COLOURS: tuple[Colour, ...] = (
    (38, 208, 124),
    (236, 120, 214),
    (178, 150, 255),
    (196, 226, 60),
    (84, 224, 214),
    (214, 166, 124),
)


# Okabe and Ito's palette without black, its blue and green a little brighter.
KEYPOINT_COLOURS: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 178, 130),
    (240, 228, 66),
    (40, 130, 220),
    (213, 94, 0),
    (224, 136, 184),
    (235, 235, 235),
)


@dataclass(frozen=True)
class Style:
    """What is drawn of the labels.

    Attributes
    ----------
    radius
        Radius of a mark in pixels of the picture that is drawn on; None chooses it by `mark_radius`.
    limbs
        Whether the skeleton's edges are drawn.
    names
        Whether the keypoints' names stand beside the marks.
    min_confidence
        Points of lower confidence are not drawn; points a person set and points of unknown confidence always are.
    individuals
        Number -> name of the individuals that are told apart by colour and name; none: they are not. None: those of
        the picture by their numbers, when there is more than one.
    colour
        What the colour of a mark tells: its 'confidence', or its 'keypoint'.
    palette
        Keypoint -> '#rrggbb', for 'keypoint'; the others have colours of their own.
    """

    radius: float | None = None
    limbs: bool = True
    names: bool = False
    min_confidence: float = 0.0
    individuals: Mapping[int, str] | None = None
    colour: str = "confidence"
    palette: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.colour not in ("confidence", "keypoint"):
            raise PoofError(f"colour '{self.colour}' is neither confidence nor keypoint")

    def settled(self, labels: LabelSet, size: tuple[int, int], instances: Iterable[Points]) -> Style:
        """The same style for all pictures of a label set: what is left open is chosen once, from all of them.

        Parameters
        ----------
        labels
            Tells whether there are several individuals, and their names.
        size
            (width, height) of the pictures in pixels.
        instances
            Points in pixels of the pictures.
        """
        radius = mark_radius(size, instances) if self.radius is None else self.radius
        individuals = self.individuals
        if individuals is None:
            every = labels.instance_ids
            individuals = {i: labels.individuals.get(i, str(i)) for i in every} if len(every) > 1 else {}
        return replace(self, radius=radius, individuals=individuals)


@cache
def confidence_map() -> Colormap:
    """The colour scale of confidence as matplotlib's type; NaN is grey."""
    red, green, blue = (channel / 255 for channel in GREY)
    scale = LinearSegmentedColormap.from_list("confidence", CONFIDENCE_STOPS, N=256)
    return scale.with_extremes(bad=(red, green, blue))


def confidence_colour(confidence: Array) -> Array:
    """(N,) confidences in [0, 1] to (N, 3) uint8 RGB; NaN is grey, values outside are clipped."""
    values = np.ma.masked_invalid(np.atleast_1d(np.asarray(confidence, np.float64)))
    return np.asarray(confidence_map()(values, bytes=True))[:, :3].copy()


def instance_colour(instance: int) -> Colour:
    """The colour of an individual; repeats after six."""
    return INSTANCE_COLOURS[instance % len(INSTANCE_COLOURS)]


def keypoint_colours(count: int) -> Array:
    """(count, 3) uint8 RGB, one for each keypoint, told apart with every colour vision.

    Up to eight: the palette of Okabe and Ito (2008), brightened for dark footage. More: hues of growing lightness in
    turn, so that neighbours in the skeleton differ in both.
    """
    if count <= len(KEYPOINT_COLOURS):
        return np.array(KEYPOINT_COLOURS[:count], np.uint8).reshape(-1, 3)
    rounds = -(-count // len(KEYPOINT_COLOURS))
    colours = []
    for k in range(count):
        base = np.array(KEYPOINT_COLOURS[k % len(KEYPOINT_COLOURS)], float)
        turn = k // len(KEYPOINT_COLOURS)
        light = turn / rounds
        # Every other round towards white, the others towards black.
        target = 255.0 if turn % 2 else 0.0
        colours.append(base + 0.75 * light * (target - base))
    return np.rint(colours).astype(np.uint8)


def colours_of(keypoints: Sequence[str], palette: Mapping[str, str]) -> Array:
    """(K, 3) uint8 RGB of keypoints: those of the palette, else as `keypoint_colours` has them."""
    colours = keypoint_colours(len(keypoints))
    for k, name in enumerate(keypoints):
        if name in palette:
            digits = palette[name].removeprefix("#")
            colours[k] = [int(digits[i : i + 2], 16) for i in (0, 2, 4)]
    return colours


def drawable(points: Points, min_confidence: float = 0.0) -> Array:
    """(K,) bool: the points that have coordinates and are human, sure enough or of unknown confidence."""
    return points.labelled & ((points.source == Source.HUMAN) | ~(points.confidence < min_confidence))


def mark_radius(size: tuple[int, int], instances: Iterable[Points]) -> float:
    """A radius of marks, in pixels, that is seen in the picture and does not hide the subject.

    2.2 % of the subject's longer side and at most 35 % of the distance between neighbouring keypoints (medians over
    the instances), held between 0.4 % (at least 2.5 px) and 0.75 % (at least 3.2 px) of the geometric mean of the
    picture's sides.

    Parameters
    ----------
    size
        (width, height) of the picture in pixels.
    instances
        Points in pixels of that picture; those without coordinates do not count.
    """
    unit = float(np.sqrt(size[0] * size[1]))
    sides, gaps = [], []
    for points in instances:
        xy = points.xy[points.labelled]
        if len(xy) < 2:
            continue
        sides.append(float(np.ptp(xy, axis=0).max()))
        apart = np.linalg.norm(xy[:, None] - xy, axis=2)
        np.fill_diagonal(apart, np.inf)
        gaps.append(float(np.median(apart.min(axis=1))))
    wanted = min(0.022 * float(np.median(sides)), 0.35 * float(np.median(gaps))) if sides else 0.006 * unit
    return float(np.clip(wanted, max(0.004 * unit, 2.5), max(0.0075 * unit, 3.2)))
