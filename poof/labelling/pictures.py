"""Pictures of frames for the screen: cut out, shrunk, encoded; those made last are kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from poof.errors import PoofError
from poof.video.access import FrameAccess
from poof.video.preview import Preview

LIMIT = 48 * 2**20
"""Bytes of encoded pictures that are kept."""
SMALL = 320
"""Longer side of a picture that counts as a thumbnail and is decoded beside what the eye waits for."""


@dataclass(frozen=True)
class Wanted:
    """What a picture shall show.

    Attributes
    ----------
    frame : int
    box : (int, int, int, int) or None
        x, y, width, height in whole pixels of the frame; None is all of it.
    scale : float
        Above 0, at most 1.
    quality : int
        Of the JPEG.
    png : bool
        The exact values instead.
    """

    frame: int
    box: tuple[int, int, int, int] | None = None
    scale: float = 1.0
    quality: int = 90
    png: bool = False

    def clipped(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """The part of the frame, at least one pixel of it."""
        if self.box is None:
            return 0, 0, *size
        x, y, w, h = self.box
        x0, y0 = min(max(x, 0), size[0] - 1), min(max(y, 0), size[1] - 1)
        x1, y1 = min(max(x + w, x0 + 1), size[0]), min(max(y + h, y0 + 1), size[1])
        return x0, y0, x1 - x0, y1 - y0


@dataclass(frozen=True)
class Picture:
    """An encoded picture, and whether it shows the exact frame."""

    data: bytes
    exact: bool
    box: tuple[int, int, int, int]

    @property
    def kind(self) -> str:
        """Media type."""
        return "image/png" if self.data[:4] == b"\x89PNG" else "image/jpeg"


class Pictures:
    """Makes the pictures of one video.

    Parameters
    ----------
    access
        Its frames.
    """

    def __init__(self, access: FrameAccess) -> None:
        self._access = access
        self._kept: OrderedDict[Wanted, Picture] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self.preview: Preview | None = None

    def make(self, wanted: Wanted, abandoned: Callable[[], bool]) -> Picture:
        """The exact picture.

        Raises
        ------
        PoofError
            If there is no such frame.
        Abandoned
            If nobody waits any more.
        """
        picture = self._find(wanted)
        if picture is None:
            w, h = wanted.clipped(self._access.video.size)[2:]
            decoder = "small" if max(w, h) * wanted.scale <= SMALL else "eye"
            image = self._access.get(wanted.frame, decoder, abandoned)
            box = wanted.clipped(self._access.video.size)
            x, y, w, h = box
            picture = Picture(_encoded(image[y : y + h, x : x + w], wanted), True, box)
            self._keep(wanted, picture)
        return picture

    def at_once(self, wanted: Wanted) -> Picture | None:
        """The exact picture if the frame is decoded, the preview's if not, None without either."""
        if self._find(wanted) is not None or self._access.has(wanted.frame):
            try:
                return self.make(wanted, lambda: False)
            except PoofError:
                return None
        small = None if self.preview is None else self.preview.get(wanted.frame)
        if small is None:
            return None
        width, height = self._access.video.size
        box = wanted.clipped((width, height))
        sx, sy = small.shape[1] / width, small.shape[0] / height
        x, y, w, h = box
        x0, y0 = min(int(x * sx), small.shape[1] - 1), min(int(y * sy), small.shape[0] - 1)
        part = small[y0 : max(y0 + 1, round((y + h) * sy)), x0 : max(x0 + 1, round((x + w) * sx))]
        scale = min(1.0, w * wanted.scale / part.shape[1])
        return Picture(_encoded(part, Wanted(wanted.frame, None, scale, wanted.quality)), False, box)

    def _find(self, wanted: Wanted) -> Picture | None:
        with self._lock:
            if wanted in self._kept:
                self._kept.move_to_end(wanted)
            return self._kept.get(wanted)

    def _keep(self, wanted: Wanted, picture: Picture) -> None:
        with self._lock:
            if wanted in self._kept:
                return
            self._kept[wanted] = picture
            self._bytes += len(picture.data)
            while self._bytes > LIMIT and self._kept:
                self._bytes -= len(self._kept.popitem(last=False)[1].data)

    def forget(self) -> None:
        """The frames have other numbers now."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0


def _encoded(image: np.ndarray, wanted: Wanted) -> bytes:
    h, w = image.shape[:2]
    size = max(1, round(w * wanted.scale)), max(1, round(h * wanted.scale))
    if size != (w, h):
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1] if wanted.png else [cv2.IMWRITE_JPEG_QUALITY, wanted.quality]
    done, data = cv2.imencode(".png" if wanted.png else ".jpg", bgr, options)
    if not done:
        raise PoofError(f"frame {wanted.frame}: cannot be made a picture of; choose a smaller part")
    return data.tobytes()
