"""Folders of images: one image a frame, in the natural order of their names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from poof.errors import PoofError
from poof.video.base import Damage, Video

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm")


def natural(name: str) -> tuple[object, ...]:
    """Sort key that compares the numbers in a name as numbers: ``img2`` before ``img10``."""
    parts = re.split(r"(\d+)", name.casefold())
    return (*(int(p) if i % 2 else p for i, p in enumerate(parts)), name)


class FolderVideo(Video):
    """A folder of images of one size."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.name = str(path)
        self.fps = 25.0
        names = [p.name for p in self.path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
        self.frame_names = tuple(sorted(names, key=natural))
        if not self.frame_names:
            raise PoofError(f"{self.name}: holds no images ({' '.join(SUFFIXES)}); give the folder that holds the frames")
        first = self._load(self.frame_names[0])
        if first is None:
            raise PoofError(f"{self.path / self.frame_names[0]}: is not an image that can be read; remove or repair it")
        self.size = (first.shape[1], first.shape[0])

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """See `Video.frames`."""
        for number in range(max(start, 0), min(len(self.frame_names), len(self.frame_names) if stop is None else stop)):
            image = self._load(self.frame_names[number])
            if image is None:
                self.damage = Damage(number, f"{self.frame_names[number]} cannot be read")
                return
            if (image.shape[1], image.shape[0]) != self.size:
                raise PoofError(f"{self.path / self.frame_names[number]}: differs in size from the first image")
            yield number, image

    def count(self) -> int:
        """See `Video.count`."""
        return sum(1 for _ in self.frames())

    def _load(self, name: str) -> np.ndarray | None:
        image = cv2.imread(str(self.path / name), cv2.IMREAD_COLOR)
        return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
