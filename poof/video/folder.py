"""Folders of images: one image a frame, in the natural order of their names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from poof.endings import IMAGE_ENDINGS
from poof.errors import PoofError
from poof.video.base import DEFAULT_FPS, Damage, Hole, OnDamage, Video
from poof.video.pictures import Unreadable, header_of, read_image


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
    on_damage
        What to do at an image that cannot be read whole: 'stop', or 'continue' with the next.

    Raises
    ------
    PoofError
        If the folder must not be read, holds no image, holds one name in two kinds (``1.jpg`` and ``1.png``), its first
        image cannot be read or the images differ in size.
    """

    frame_names: tuple[str, ...]

    def __init__(self, path: Path, on_damage: OnDamage = "stop") -> None:
        self.path = Path(path)
        self.name = str(path)
        self.fps = DEFAULT_FPS
        self._count: int | None = None
        self.frame_names = tuple(sorted(self._images_in_folder(), key=natural))
        if not self.frame_names:
            raise PoofError(f"{self.name}: holds no images ({', '.join(IMAGE_ENDINGS)}); give the folder of frames")
        twice = [stem for stem, count in Counter(Path(name).stem for name in self.frame_names).items() if count > 1]
        if twice:
            kinds = " and ".join(name for name in self.frame_names if Path(name).stem == twice[0])
            raise PoofError(f"{self.name}: {kinds} would be two frames; keep one kind of image in the folder")
        self._go_on = on_damage == "continue"
        self._lost: dict[int, str] = {}
        first = self._first()
        self._check_sizes(first)

    def _first(self) -> int:
        """Number of the first image that can be read, which gives the size."""
        for number in range(len(self.frame_names)):
            try:
                image = read_image(self._file(number))
            except Unreadable as error:
                if number == 0 and not self._go_on:
                    raise PoofError(f"{self._file(0)}: the first image {error}; repair or remove it") from None
                continue
            self.size = (image.shape[1], image.shape[0])
            return number
        raise PoofError(f"{self.name}: not one image can be read; repair them")

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """See `Video.frames`."""
        end = len(self.frame_names)
        for number in range(max(start, 0), end if stop is None else min(stop, end)):
            try:
                image = self._load(number)
            except Unreadable as error:
                reason = f"{self.frame_names[number]} {error}"
                if self._go_on:
                    self._note(number, reason)
                    continue
                if self.damage is None or number < self.damage.frame:
                    self.damage = Damage(number, reason)
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
            files = [file for file in self.path.iterdir() if file.suffix.lower() in IMAGE_ENDINGS]
            # macOS leaves '._img1.png' beside img1.png, which is no image.
            return [file.name for file in files if not file.name.startswith(".") and file.is_file()]
        except PermissionError:
            raise PoofError(f"{self.name}: may not be read; give yourself the right to read it (chmod u+rx)") from None

    def _file(self, number: int) -> Path:
        return self.path / self.frame_names[number]

    def _note(self, number: int, reason: str) -> None:
        """Keep an unreadable image as a hole; neighbours are one."""
        self._lost[number] = reason
        holes: list[Hole] = []
        for lost in sorted(self._lost):
            if holes and holes[-1].stop == lost:
                holes[-1] = replace(holes[-1], stop=lost + 1)
            else:
                holes.append(Hole(lost, lost + 1, self._lost[lost]))
        self.holes = tuple(holes)

    def _load(self, number: int) -> np.ndarray:
        image = read_image(self._file(number))
        if (image.shape[1], image.shape[0]) != self.size:
            raise PoofError(
                "{}: is {}x{} but the images before it are {}x{}; make all images one size".format(
                    self._file(number), image.shape[1], image.shape[0], *self.size
                )
            )
        return image

    def _check_sizes(self, first: int) -> None:
        """Find an image of another size now, by the headers, and not after an hour of work."""
        usual = header_of(self._file(first))
        for number in range(first + 1, len(self.frame_names)):
            if header_of(self._file(number)) != usual:
                # A header that differs is no proof: it may be unreadable or the image turned. Reading it decides.
                with suppress(Unreadable):
                    self._load(number)
