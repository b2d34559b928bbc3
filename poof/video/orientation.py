"""Orientation of frames: the display matrix that phones write beside the pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from av.buffer import Buffer
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame


def _unknown_type(cls: type[Type], value: int) -> Type:
    member: Any = object.__new__(cls)
    member._name_, member._value_ = f"UNKNOWN_{value}", value
    return cast(Type, member)


# FFmpeg hands out kinds of side data (EXIF, 31) that PyAV's table lacks; it then refuses to give those that it knows.
if "_missing_" not in vars(Type):
    Type._missing_ = classmethod(_unknown_type)  # type: ignore[method-assign,assignment]


@dataclass(frozen=True)
class Orientation:
    """How stored pixels become shown ones: rows and columns exchanged first, then each axis reversed.

    Attributes
    ----------
    transpose, flip_x, flip_y : bool
        Exchange rows and columns; then reverse the columns; then reverse the rows.
    """

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation:
        """The orientation that a decoded frame carries, upright when it carries none.

        The matrix (a b u; c d v; x y w) of the QuickTime and ISO base media formats takes a stored pixel (p, q) to
        (a p + c q + x, b p + d q + y). Only quarter turns and mirrors matter here; any other angle is taken to the
        nearest quarter turn.
        """
        # PyAV's stubs know one of the kinds only.
        matrix = cast("Mapping[str, Buffer]", frame.side_data).get("DISPLAYMATRIX")
        if matrix is None:
            return cls()
        a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(True, flip_x=c < 0, flip_y=b < 0)
        return cls(False, flip_x=a < 0, flip_y=d < 0)

    def apply(self, image: np.ndarray) -> np.ndarray:
        """The image (H, W, 3) as it is shown, (W, H, 3) when rows and columns change places; itself when upright."""
        if self.transpose:
            image = cv2.transpose(image)
        if self.flip_x or self.flip_y:
            # OpenCV's code: 0 reverses the rows, 1 the columns, -1 both.
            return cv2.flip(image, -1 if self.flip_x and self.flip_y else int(self.flip_x))
        return image
