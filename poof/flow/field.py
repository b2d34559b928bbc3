"""A displacement field over a region of the frame, read at keypoints."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Region:
    """A rectangle of whole pixels of the frame and the size in which it is shown to a flow estimator.

    Attributes
    ----------
    x, y : int
        First column and row.
    width, height : int
        Size in the frame.
    shown : (int, int)
        (width, height) after resizing.
    """

    x: int
    y: int
    width: int
    height: int
    shown: tuple[int, int]

    @classmethod
    def whole(cls, size: tuple[int, int], max_size: int | None = None) -> Region:
        """The whole frame of `size` = (width, height), shrunk so that its longer side is at most `max_size`."""
        scale = min(1.0, max_size / max(size)) if max_size else 1.0
        shown = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
        return cls(0, 0, size[0], size[1], shown)

    @property
    def scale(self) -> np.ndarray:
        """(2,) shown pixels per frame pixel in x and y."""
        return np.array([self.shown[0] / self.width, self.shown[1] / self.height], np.float32)

    def cut(self, image: np.ndarray, grey: bool = False) -> np.ndarray:
        """The region of a frame (H, W, 3) or (H, W) in its shown size, on demand in grey.

        Shrinking averages areas, enlarging is bicubic; grey is made before, at full resolution.
        """
        part = image[self.y : self.y + self.height, self.x : self.x + self.width]
        if grey and part.ndim == 3:
            part = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
        if self.shown == (self.width, self.height):
            return np.ascontiguousarray(part)
        smaller = self.shown[0] < self.width
        return cv2.resize(part, self.shown, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)

    def to_shown(self, xy: np.ndarray) -> np.ndarray:
        """Frame coordinates (..., 2) to coordinates of the shown image, pixel centres at integers in both."""
        return (np.asarray(xy) - [self.x, self.y] + 0.5) * self.scale - 0.5

    def contains(self, xy: np.ndarray, margin: float = 0.0) -> np.ndarray:
        """(...,) bool: which points (..., 2) lie inside by at least `margin` frame pixels; NaN is outside."""
        low = np.array([self.x, self.y]) - 0.5 + margin
        high = np.array([self.x + self.width, self.y + self.height]) - 0.5 - margin
        return np.asarray(((xy >= low) & (xy <= high)).all(axis=-1))


@dataclass(frozen=True)
class FlowField:
    """Displacements (2, h, w) float, in shown pixels, over a `Region`."""

    data: np.ndarray
    region: Region

    def sample(self, xy: np.ndarray, interpolation: str = "bilinear") -> np.ndarray:
        """Displacement at points of the frame.

        Parameters
        ----------
        xy : (N, 2)
            Frame coordinates. Points outside the region read its nearest edge; NaN rows give NaN.
        interpolation
            'bilinear', or 'nearest' for the literal reading of M[K] with rounded coordinates.

        Returns
        -------
        (N, 2) float32
            (dx, dy) in pixels of the frame.
        """
        height, width = self.data.shape[-2:]
        where = self.region.to_shown(xy)
        known = np.isfinite(where).all(axis=-1)
        u = np.clip(np.where(known, where[..., 0], 0), 0, width - 1)
        v = np.clip(np.where(known, where[..., 1], 0), 0, height - 1)
        if interpolation == "nearest":
            value = self.data[:, np.rint(v).astype(int), np.rint(u).astype(int)].astype(np.float32)
        else:
            u0 = np.minimum(u.astype(int), max(width - 2, 0))
            v0 = np.minimum(v.astype(int), max(height - 2, 0))
            u1, v1 = np.minimum(u0 + 1, width - 1), np.minimum(v0 + 1, height - 1)
            fu, fv = (u - u0).astype(np.float32), (v - v0).astype(np.float32)
            data = self.data
            top = data[:, v0, u0] * (1 - fu) + data[:, v0, u1] * fu
            bottom = data[:, v1, u0] * (1 - fu) + data[:, v1, u1] * fu
            value = top * (1 - fv) + bottom * fv
        result = (value.T / self.region.scale).astype(np.float32)
        result[~known] = np.nan
        return result
