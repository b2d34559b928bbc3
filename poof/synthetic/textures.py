"""Procedural pictures: noise of several octaves, fabrics, wood. All are functions of a random generator."""

from __future__ import annotations

import cv2
import numpy as np

Array = np.ndarray
Colour = tuple[float, float, float]


def octaves(
    size: tuple[int, int], rng: np.random.Generator, coarsest: float = 64.0, finest: float = 2.0, roughness: float = 0.6
) -> Array:
    """Noise (h, w) float32 in [-1, 1] with grains from `coarsest` to `finest` pixels, each half as large as the last.

    `size` is (width, height); `roughness` is the strength of each octave relative to the coarser one.
    """
    width, height = size
    total = np.zeros((height, width), np.float32)
    grain, strength = coarsest, 1.0
    while grain >= finest:
        small = rng.uniform(-1, 1, (int(height / grain) + 3, int(width / grain) + 3)).astype(np.float32)
        # Whole cells only, then cut: stretching to the exact size would tie the grain to the picture's proportions.
        shape = (int(small.shape[1] * grain), int(small.shape[0] * grain))
        total += strength * cv2.resize(small, shape, interpolation=cv2.INTER_CUBIC)[:height, :width]
        grain, strength = grain / 2, strength * roughness
    return total / max(float(np.abs(total).max()), 1e-6)


def plain(size: tuple[int, int], colour: Colour) -> Array:
    """One colour (h, w, 3) float32."""
    return np.broadcast_to(np.array(colour, np.float32), (size[1], size[0], 3)).copy()


def mottle(
    picture: Array, rng: np.random.Generator, amount: float, coarsest: float = 16.0, finest: float = 2.0
) -> Array:
    """The picture with noise of `amount` grey levels on all channels alike."""
    noise = octaves((picture.shape[1], picture.shape[0]), rng, coarsest, finest, roughness=0.8)
    return picture + amount * noise[..., None]


def finish(picture: Array, soften: float = 0.6) -> Array:
    """uint8, slightly softened: a texture without detail finer than a pixel can be resampled without loss."""
    return np.clip(np.rint(cv2.GaussianBlur(picture, (0, 0), soften)), 0, 255).astype(np.uint8)
