"""Reading the frames of one record, whatever holds them: a video, a folder of images, an extracted array."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from poof.endings import IMAGE_ENDINGS
from poof.errors import PoofError, not_there
from poof.files import atomic
from poof.progress import Track, silent
from poof.recog.data.lists.base import Record
from poof.video import open_video
from poof.video.folder import natural

Array = np.ndarray


class FrameCounts:
    """How many frames each video has: counted by decoding, once, and kept in a file.

    Headers lie about it, and a clip's frames cannot be chosen without it. Folders and extracted arrays tell at once.
    A video that changed (size or time) is counted anew.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self.cache = cache
        self._known: dict[str, list[int]] = {}
        if cache is not None and cache.is_file():
            try:
                self._known = _sound(json.loads(cache.read_text()))
            except (OSError, ValueError, RecursionError):
                self._known = {}  # a cache that cannot be read costs time, nothing else

    def of(self, record: Record) -> int:
        """Frames that the record may use.

        Raises
        ------
        PoofError
            If nothing of it can be read.
        """
        total = self._total(record.path)
        count = min(record.count, total - record.start) if record.count is not None else total - record.start
        if count < 1:
            raise PoofError(f"{record.path}: has {total} frames, but {record.line} begins at frame {record.start}")
        return count

    def fill(self, records: Sequence[Record], workers: int = 1, track: Track = silent) -> dict[Path, str]:
        """Count all of them; gives the broken ones with the reason, and writes the file."""
        todo = sorted({record.path for record in records if not self._is_known(record.path)})
        broken: dict[Path, str] = {}

        def count(path: Path) -> None:
            try:
                self._total(path)
            except PoofError as error:
                broken[path] = str(error)

        if not todo:
            return broken
        pool = ThreadPoolExecutor(max(workers, 1))
        try:
            for _ in track(pool.map(count, todo), "counting frames", len(todo)):
                pass
        finally:
            # Also after Ctrl-C: what was counted is not counted again.
            pool.shutdown(cancel_futures=True)
            if self.cache is not None:
                with atomic(self.cache) as temporary:
                    temporary.write_text(json.dumps(self._known, indent=0) + "\n")
        return broken

    def _is_known(self, path: Path) -> bool:
        known = self._known.get(str(path))
        return known is not None and known[1:] == _stamp(path)

    def _total(self, path: Path) -> int:
        if not self._is_known(path):
            with reading(path):
                if path.is_dir():
                    count = len(image_names(path))
                elif path.suffix == ".npy":
                    count = len(load_array(path))
                else:
                    count = open_video(path).count()
            if not count:
                raise PoofError(f"{path}: has no frame")
            self._known[str(path)] = [count, *_stamp(path)]
        return self._known[str(path)][0]


def read_frames(record: Record, frames: Array) -> Array:
    """(len(frames), H, W, 3) RGB uint8; `frames` are numbered from the record's start and may repeat.

    Raises
    ------
    PoofError
        If one of them cannot be read.
    """
    with reading(record.path):
        return _read(record.path, np.asarray(frames) + record.start)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Inside, whatever a decoder throws is the fault of this one file: a training leaves it out and goes on."""
    try:
        yield
    except PoofError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())[:120]
        raise PoofError(f"{path}: cannot be read ({type(error).__name__}: {text}); repair or remove it") from error


def _sound(content: Any) -> dict[str, list[int]]:
    """The entries of a cache that are what this class writes."""
    if not isinstance(content, dict):
        return {}
    return {
        path: entry
        for path, entry in content.items()
        if isinstance(entry, list) and len(entry) == 3 and all(type(v) is int and v >= 0 for v in entry) and entry[0]
    }


def _read(path: Path, wanted: Array) -> Array:
    if path.suffix == ".npy":
        return np.asarray(load_array(path)[wanted])
    if path.is_dir():
        names = image_names(path)
        if wanted.max() >= len(names):
            raise PoofError(f"{path}: has no image {int(wanted.max())}; it holds {len(names)}")
        images = {int(i): _read_image(path / names[i]) for i in np.unique(wanted)}
    else:
        images = open_video(path).read([int(i) for i in np.unique(wanted)])
    if len({image.shape for image in images.values()}) > 1:
        raise PoofError(f"{path}: the images differ in size; make all of one clip the same")
    return np.stack([images[int(i)] for i in wanted])


def image_names(path: Path) -> list[str]:
    """The images of a folder in natural order."""
    names = [entry.name for entry in os.scandir(path) if Path(entry.name).suffix.lower() in IMAGE_ENDINGS]
    if not names:
        raise PoofError(f"{path}: holds no images")
    return sorted((name for name in names if not name.startswith(".")), key=natural)


def load_array(path: Path) -> Array:
    """An extracted clip (N, H, W, 3) uint8, mapped into memory, not read."""
    try:
        array = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        # NumPy's own words on a damaged file are long, and advise to load it unsafely.
        reason = getattr(error, "strerror", None) or "it is damaged or of another kind"
        raise PoofError(f"{path}: cannot be read as an extracted clip ({reason}); extract it anew") from error
    if array.ndim != 4 or array.shape[3] != 3 or array.dtype != np.uint8:
        raise PoofError(f"{path}: holds {array.dtype} {array.shape}, not uint8 (frames, height, width, 3)")
    return array


def _read_image(path: Path) -> Array:
    data = np.fromfile(path, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise PoofError(f"{path}: cannot be read as an image; repair or remove it")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _stamp(path: Path) -> list[int]:
    try:
        status = path.stat()
    except OSError:
        raise not_there(path, remedy="check the list's root") from None
    return [status.st_size, zlib.crc32(str(status.st_mtime_ns).encode())]
