"""Transforms from frames to a network's input: crops, mirroring, size. Frames are uint8 until normalised."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from poof.errors import PoofError, names_near

Array = np.ndarray
Crops = Literal["center", "three", "five", "ten"]
CROPS: tuple[Crops, ...] = ("center", "three", "five", "ten")
SCALES = (1.0, 0.875, 0.75, 0.66)


def random_crop(frames: Array, size: int, rng: np.random.Generator, scales: Sequence[float] = SCALES) -> Array:
    """TSN's multi-scale crop: one crop for the whole clip (T, H, W, 3), resized to size x size.

    Width and height are each one of `scales` times the shorter side, at most one step of the list apart; the place is
    one of 13: corners, edge centres, centre, and the four points half-way between corners and centre.
    """
    height, width = frames.shape[1:3]
    sides = [max(int(min(height, width) * scale), 1) for scale in scales]
    pairs = [(sides[i], sides[j]) for i, j in product(range(len(sides)), repeat=2) if abs(i - j) <= 1]
    h, w = pairs[rng.integers(len(pairs))]
    quarter = [(y, x) for y, x in product(range(5), repeat=2) if (y % 2 == 0 and x % 2 == 0) or (y % 2 and x % 2)]
    y, x = quarter[rng.integers(len(quarter))]
    top, left = (height - h) * y // 4, (width - w) * x // 4
    return resize(frames[:, top : top + h, left : left + w], size, size)


def fixed_crops(frames: Array, size: int, crops: Crops = "center", short: int | None = None) -> list[Array]:
    """Crops of a test: the shorter side becomes `short` (default size * 256 / 224), each crop is size x size.

    center; three: along the longer side; five: corners and centre; ten: five and their mirror images.
    """
    short = round(size * 256 / 224) if short is None else short
    if short < size:
        raise PoofError(f"crops of {size} pixels do not fit into frames whose shorter side is {short}")
    height, width = frames.shape[1:3]
    scale = short / min(height, width)
    frames = resize(frames, max(round(height * scale), size), max(round(width * scale), size))
    down, right = frames.shape[1] - size, frames.shape[2] - size
    centre = (down // 2, right // 2)
    if crops == "center":
        places = [centre]
    elif crops == "three":
        long = [0, right // 2, right] if right >= down else [0, down // 2, down]
        places = [(centre[0], v) if right >= down else (v, centre[1]) for v in long]
    elif crops in ("five", "ten"):
        places = [(0, 0), (0, right), (down, 0), (down, right), centre]
    else:
        raise PoofError(f"crops={crops}: choose one of {names_near(crops, CROPS)}")
    cut = [frames[:, y : y + size, x : x + size] for y, x in places]
    return cut + [mirror(clip) for clip in cut] if crops == "ten" else cut


def mirror(frames: Array) -> Array:
    """Left and right exchanged."""
    return frames[:, :, ::-1]


def resize(frames: Array, height: int, width: int) -> Array:
    """Every frame of (T, H, W, 3) to height x width; averaging where it shrinks, so that nothing flickers."""
    if frames.shape[1:3] == (height, width):
        return frames
    kind = cv2.INTER_AREA if frames.shape[1] > height and frames.shape[2] > width else cv2.INTER_LINEAR
    return np.stack([cv2.resize(frame, (width, height), interpolation=kind) for frame in frames])


def to_tensor(frames: Array) -> Tensor:
    """(T, H, W, 3) uint8 array to (T, 3, H, W) uint8 tensor."""
    return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))


def normalise(clips: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """uint8 (..., 3, H, W) to the float input of a network, on whatever device the clips are."""
    shape = (3, 1, 1)
    centre = torch.tensor(mean, device=clips.device).view(shape)
    spread = torch.tensor(std, device=clips.device).view(shape)
    return (clips.float() / 255 - centre) / spread
