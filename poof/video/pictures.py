"""Reading one image file, whole or not at all."""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image

from poof.video.opening import MAX_PIXELS, TOO_LARGE

_START, _END = b"\xff\xd8", b"\xff\xd9"
_SCAN = 0xDA
# Long enough for many blocks of a picture, and unlike what a decoder fills a gap with.
_FILLING = b"\x55" * 4096


class Unreadable(Exception):
    """The image cannot be had; the text says why."""


def read_image(file: Path) -> np.ndarray:
    """RGB uint8 (H, W, 3) of an image file, turned as its EXIF orientation says.

    Raises
    ------
    Unreadable
        If the file cannot be read, is no image, is not whole, or claims more pixels than `MAX_PIXELS`.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise Unreadable("cannot be read") from error
    if not data:
        raise Unreadable("cannot be read")
    size = size_of(data)
    if size is not None and size[0] * size[1] > MAX_PIXELS:
        raise Unreadable(TOO_LARGE.format(size[0] * size[1] / 1e6))
    image = _whole_jpeg(data) if data.startswith(_START) else _decoded(data)
    if image is None:
        raise Unreadable("cannot be read")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def size_of(data: bytes) -> tuple[int, int] | None:
    """(width, height) in the header of an image, None where Pillow cannot read it."""
    header = _header(io.BytesIO(data))
    return None if header is None else header[0]


def header_of(file: Path) -> tuple[tuple[int, int], int] | None:
    """Stored size and EXIF orientation of an image file, None where its header cannot be read."""
    return _header(file)


def _header(source: Path | io.BytesIO) -> tuple[tuple[int, int], int] | None:
    limit = Image.MAX_IMAGE_PIXELS
    try:
        # A damaged header is found when the image is read; Pillow's own words about it help nobody.
        with warnings.catch_warnings(action="ignore"), Image.open(source) as image:
            # Pillow decodes a whole PNG to look for EXIF behind its pixels.
            late = image.format == "PNG" and "exif" not in image.info
            return image.size, 1 if late else image.getexif().get(ExifTags.Base.Orientation, 1)
    except Image.DecompressionBombError as error:  # tells the number of pixels only
        told = re.search(r"\d+", str(error))
        return (int(told.group()) if told else 2 * (limit or MAX_PIXELS) + 1, 1), 1
    except Exception:  # Pillow's many readers raise many things on garbage
        return None


def _decoded(data: bytes) -> np.ndarray | None:
    try:
        # Bytes, not a name: on Windows OpenCV opens no name outside the system's code page.
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (cv2.error, MemoryError):
        return None


def _whole_jpeg(data: bytes) -> np.ndarray | None:
    """A JPEG's picture, None if it is not all there.

    Phones write data behind the picture, and there are writers that forget its end-of-image code. OpenCV 4 paints what
    is missing grey and says nothing. In both cases the picture is whole if what is put in at its end changes nothing.
    """
    end = _end_of_jpeg(data)
    if end is None:
        body = data.removesuffix(b"\xff")
    elif end == len(data):
        return _decoded(data)
    else:
        body = data[: end - len(_END)]
    if _SCAN not in _codes(body):
        return None
    image, filled = _decoded(body + _END), _decoded(body + _FILLING + _END)
    if image is None or filled is None or not np.array_equal(image, filled):
        return None
    return image


def _end_of_jpeg(data: bytes) -> int | None:
    """Where a JPEG's picture ends, behind its end-of-image code; None if there is none."""
    for code, at in _walk(data):
        if code == _END[1]:
            return at + 2
    return None


def _codes(data: bytes) -> set[int]:
    return {code for code, _ in _walk(data)}


def _walk(data: bytes) -> list[tuple[int, int]]:
    """(code, offset) of a JPEG's segments, those within segments (previews) left out (ITU-T T.81, annex B)."""
    found, at = [], 2
    while at + 1 < len(data):
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            break
        code = data[at + 1]
        if code in (0x00, 0x01, 0xFF) or 0xD0 <= code <= 0xD7:  # stuffing, fill bytes, restarts
            at += 1 if code == 0xFF else 2
            continue
        found.append((code, at))
        if code == _END[1]:
            break
        at += 2 + max(int.from_bytes(data[at + 2 : at + 4], "big"), 2)
    return found
