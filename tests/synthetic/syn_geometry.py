"""Helpers of the renderer's tests: a scene reduced to its geometry, and reading a field between pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from poof.synthetic import Scene


def sharp(scene: Scene) -> Scene:
    """The scene without anything the flow does not explain."""
    return replace(scene, shutter=0.0, noise=0.0, flicker=0.0, shadow=0.0)


def read(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """A field (C, H, W) at points (..., 2) inside it, bilinear; (..., C)."""
    height, width = field.shape[1:]
    x0 = np.clip(np.floor(points[..., 0]).astype(int), 0, width - 2)
    y0 = np.clip(np.floor(points[..., 1]).astype(int), 0, height - 2)
    a, b = points[..., 0] - x0, points[..., 1] - y0
    top = (1 - a) * field[:, y0, x0] + a * field[:, y0, x0 + 1]
    bottom = (1 - a) * field[:, y0 + 1, x0] + a * field[:, y0 + 1, x0 + 1]
    return np.moveaxis((1 - b) * top + b * bottom, 0, -1)
