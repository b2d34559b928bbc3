"""Folders of images: one image a frame, in the natural order of their names."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image

from poof.errors import PoofError
from poof.video.base import DEFAULT_FPS, Damage, Video

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm")
"""Endings, in any case, of the files that are frames; all other files are ignored."""


def natural(name: str) -> tuple[object, ...]:
    """Sort key that compares the numbers in a name as numbers: ``img2.png`` before ``img10.png``."""
    parts = re.split(r"(\d+)", name.casefold())
    # Odd parts are the numbers; the name itself decides between img1 and img01.
    return (*(int(part) if i % 2 else part for i, part in enumerate(parts)), name)


class FolderVideo(Video):
    """A folder of images of one size, read by OpenCV.

    Images are turned as their EXIF orientation says. 16-bit images are reduced to eight bits, grey becomes three equal
    channels, alpha is dropped. The rate is `DEFAULT_FPS`. An image that cannot be read whole is damage and ends a pass;
    `read` gives every image that can be read by itself.

    Parameters
    ----------
    path
        The folder; files in folders below it are no frames.

    Raises
    ------
    PoofError
        If the folder must not be read, holds no image, holds one name in two kinds (``1.jpg`` and ``1.png``), its first
        image cannot be read or the images differ in size.
    """

    frame_names: tuple[str, ...]

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.name = str(path)
        self.fps = DEFAULT_FPS
        self._count: int | None = None
        self.frame_names = tuple(sorted(self._images_in_folder(), key=natural))
        if not self.frame_names:
            raise PoofError(f"{self.name}: holds no images ({', '.join(SUFFIXES)}); give the folder with the frames")
        twice = [stem for stem, count in Counter(Path(name).stem for name in self.frame_names).items() if count > 1]
        if twice:
            kinds = " and ".join(name for name in self.frame_names if Path(name).stem == twice[0])
            raise PoofError(f"{self.name}: {kinds} would be two frames; keep one kind of image in the folder")
        first = _read_image(self._file(0))
        if first is None:
            raise PoofError(f"{self._file(0)}: the first image cannot be read; repair or remove it")
        self.size = (first.shape[1], first.shape[0])
        self._check_sizes()

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """See `Video.frames`."""
        end = len(self.frame_names)
        for number in range(max(start, 0), end if stop is None else min(stop, end)):
            image = self._load(number)
            if image is None:
                if self.damage is None or number < self.damage.frame:
                    self.damage = Damage(number, f"{self.frame_names[number]} cannot be read")
                if start <= 0:
                    self._count = number
                return
            yield number, image
        if start <= 0 and (stop is None or stop >= end):
            self._count = end

    def count(self) -> int:
        """See `Video.count`."""
        if self._count is None:
            for _ in self.frames():
                pass
        assert self._count is not None, "a pass to the end counts"
        return self._count

    def _pick(self, wanted: Collection[int]) -> Iterator[tuple[int, np.ndarray]]:
        for number in sorted(wanted):
            yield from self.frames(number, number + 1)

    def _images_in_folder(self) -> list[str]:
        try:
            files = [file for file in self.path.iterdir() if file.suffix.lower() in SUFFIXES]
            # macOS leaves '._img1.png' beside img1.png, which is no image.
            return [file.name for file in files if not file.name.startswith(".") and file.is_file()]
        except PermissionError:
            raise PoofError(f"{self.name}: may not be read; give yourself the right to read it (chmod u+rx)") from None

    def _file(self, number: int) -> Path:
        return self.path / self.frame_names[number]

    def _load(self, number: int) -> np.ndarray | None:
        image = _read_image(self._file(number))
        if image is not None and (image.shape[1], image.shape[0]) != self.size:
            raise PoofError(
                "{}: is {}x{} but the images before it are {}x{}; make all images one size".format(
                    self._file(number), image.shape[1], image.shape[0], *self.size
                )
            )
        return image

    def _check_sizes(self) -> None:
        """Find an image of another size now, by the headers, and not after an hour of work."""
        first = _header(self._file(0))
        for number in range(1, len(self.frame_names)):
            if _header(self._file(number)) != first:
                # A header that differs is no proof: it may be unreadable or the image turned. Reading it decides.
                self._load(number)


def _read_image(file: Path) -> np.ndarray | None:
    """RGB uint8 (H, W, 3) of one image file, None if it cannot be read whole."""
    try:
        data = file.read_bytes()
    except OSError:
        return None
    if not data or _is_cut_off(data):
        return None
    # Bytes, not a name: on Windows OpenCV opens no name outside the system's code page.
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _is_cut_off(data: bytes) -> bool:
    """Whether a JPEG lacks its end; OpenCV 4 paints what is missing grey and says nothing."""
    # Neither marker can occur within the picture data; previews in the header have both.
    return data.startswith(b"\xff\xd8") and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")


def _header(file: Path) -> tuple[tuple[int, int], int] | None:
    """Stored size and EXIF orientation, None where the header cannot be read."""
    try:
        # A damaged header is found when the image is read; Pillow's own words about it help nobody.
        with warnings.catch_warnings(action="ignore"), Image.open(file) as image:
            return image.size, image.getexif().get(ExifTags.Base.Orientation, 1)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
