"""Crops of instances, and the mapping of points between crop and frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from poof.errors import PoofError
from poof.labels import LabelSet

Array = np.ndarray

Margin = float | tuple[float, float]
"""How much larger than a box a crop is; or how much wider and how much higher."""
MARGIN = 1.25
"""The crop is this much larger than the box, so that limbs that reach out of it stay in view."""
LARGEST_MARGIN = 100.0

AROUND_POINTS = 1.2
"""Keypoints lie inside a subject's outline: a box is this much larger than what they span."""

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


def parse_margin(text: str) -> Margin:
    """How much larger than a box the crops are, from '1.25' or '1.09x1.135' (width, height).

    Raises
    ------
    PoofError
        When it is something else, or a factor is not between 0 and 100.
    """
    try:
        factors = [float(part) for part in text.lower().split("x")]
    except ValueError:
        factors = []
    if len(factors) not in (1, 2) or not all(0 < factor < LARGEST_MARGIN for factor in factors):
        raise PoofError(f"a margin is a factor or WIDTHxHEIGHT, such as 1.25 or 1.09x1.135, not '{text}'")
    return factors[0] if len(factors) == 1 else (factors[0], factors[1])


@dataclass(frozen=True)
class Crop:
    """A rectangle of the frame, brought to the size of the network's input; no rotation, no distortion.

    Attributes
    ----------
    centre
        (x, y) in pixels of the frame; lies in the middle of the crop.
    scale
        Pixels of the crop per pixel of the frame.
    size
        (height, width) of the crop in pixels.
    """

    centre: tuple[float, float]
    scale: float
    size: tuple[int, int]

    @classmethod
    def around(cls, box: Array, size: tuple[int, int], margin: Margin = MARGIN) -> Crop:
        """The crop that holds `margin` times the box (x, y, width, height), widened to the shape of `size`.

        A pair makes the box wider by one factor and higher by another: (1.09, 1.135) is the official test crop of MSPN
        on COCO.

        Raises
        ------
        PoofError
            If the box has no area or is not finite.
        """
        x, y, width, height = (float(v) for v in box)
        if not (np.isfinite([x, y, width, height]).all() and width > 0 and height > 0):
            raise PoofError(f"a box of {width:g}x{height:g} pixels holds no subject; boxes need an area")
        wider, higher = margin if isinstance(margin, tuple) else (margin, margin)
        scale = min(size[1] / (wider * width), size[0] / (higher * height))
        return cls((x + width / 2, y + height / 2), scale, size)

    def wider(self, factor: float) -> Crop:
        """The same place at the same scale with `factor` times as much around it."""
        height, width = (2 * round(side * factor / 2) for side in self.size)
        return Crop(self.centre, self.scale, (height, width))

    @property
    def middle(self) -> Array:
        """(2,) the middle of the crop in its own pixels."""
        return np.array([(self.size[1] - 1) / 2, (self.size[0] - 1) / 2])

    def to_crop(self, xy: Array) -> Array:
        """(..., 2) points of the frame in pixels of the crop."""
        return (np.asarray(xy, float) - self.centre) * self.scale + self.middle

    def to_frame(self, xy: Array) -> Array:
        """(..., 2) points of the crop in pixels of the frame."""
        return (np.asarray(xy, float) - self.middle) / self.scale + self.centre

    def cut(self, image: Array) -> Array:
        """The crop's pixels from an RGB uint8 (H, W, 3) image; black where the frame ends.

        Shrinking by more than two averages whole blocks first, so that fine texture does not turn into noise.
        """
        height, width = self.size
        low = np.floor(self.to_frame(np.array([0, 0]))).astype(int) - 2
        high = np.ceil(self.to_frame(np.array([width - 1, height - 1]))).astype(int) + 3
        left, top = np.maximum(low, 0)
        right, bottom = np.minimum(high, [image.shape[1], image.shape[0]])
        if right <= left or bottom <= top:
            return np.zeros((height, width, 3), np.uint8)
        part = image[top:bottom, left:right]
        block = max(1, int(1 / self.scale))
        if block > 1:
            rows, columns = -(-part.shape[0] // block) * block, -(-part.shape[1] // block) * block
            part = cv2.copyMakeBorder(part, 0, rows - part.shape[0], 0, columns - part.shape[1], cv2.BORDER_REPLICATE)
            part = cv2.resize(part, (columns // block, rows // block), interpolation=cv2.INTER_AREA)
        # Pixel i of `part` stands at block * i + (block - 1) / 2 + left of the frame.
        scale = self.scale * block
        origin = self.to_crop(np.array([left, top]) + (block - 1) / 2)
        matrix = np.array([[scale, 0, origin[0]], [0, scale, origin[1]]])
        return cv2.warpAffine(np.ascontiguousarray(part), matrix, (width, height), flags=cv2.INTER_LINEAR)


def subject_boxes(labels: LabelSet, name: str) -> dict[tuple[int, int], Array]:
    """(frame, instance) -> (4,) x, y, width, height of every instance with a labelled point.

    A box of the label file is taken as it is, grown where a labelled point lies outside of it. Without one, the box is
    what the points span, times the ratio that boxes have to it elsewhere in this label set, `AROUND_POINTS` if there
    are none. It is at least half as long as such boxes are in the median (a few points of one arm do not show how
    large the subject is), and at least a third as wide as long (nor does a straight line of points).

    Raises
    ------
    PoofError
        If a box has no area, or no instance has two points; `name` names the labels.
    """
    extents = {(frame, instance): extent for frame, instance, p in labels if (extent := p.extent()) is not None}
    sides = {key: float(extent[2:].max()) for key, extent in extents.items() if extent[2:].max() > 0}
    least = 0.5 * float(np.median(list(sides.values()))) if sides else 0.0
    ratios = [box[2:].max() / side for key, side in sides.items() if (box := labels.instances[key].box) is not None]
    around = float(np.clip(np.median(ratios), 1, 2)) if ratios else AROUND_POINTS
    boxes = {}
    for (frame, instance), extent in extents.items():
        given = labels.instances[frame, instance].box
        low, high = extent[:2].astype(float), (extent[:2] + extent[2:]).astype(float)
        where = f"{name}: frame {frame}, instance {instance}"
        if given is not None:
            if not (np.isfinite(given).all() and (given[2:] > 0).all()):
                raise PoofError(f"{where}: the box is {given[2]:g}x{given[3]:g} pixels; correct it, or remove it")
            low, high = np.minimum(low, given[:2]), np.maximum(high, given[:2] + given[2:])
            boxes[frame, instance] = np.concatenate([low, high - low])
            continue
        longer = around * max(float(extent[2:].max()), least)
        if longer <= 0:
            raise PoofError(f"{where}: one point does not show how large the subject is; label more, or give a box")
        spread = np.maximum(around * extent[2:], longer / 3)
        spread[int(extent[2:].argmax())] = longer
        boxes[frame, instance] = np.concatenate([(low + high - spread) / 2, spread])
    return boxes


def normalise(images: Tensor) -> Tensor:
    """RGB uint8 (B, 3, H, W) as the network wants it: ImageNet's mean and deviation, float32."""
    mean = torch.tensor(_MEAN, device=images.device).view(1, 3, 1, 1)
    std = torch.tensor(_STD, device=images.device).view(1, 3, 1, 1)
    return (images.float() / 255 - mean) / std
