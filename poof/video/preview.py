"""Preview file: small pictures of every frame of a video, each decodable by itself.

Where keyframes lie far apart, the exact frame takes a while; the preview's picture is there at once. It is for the eye
only: nothing is computed from it. The file is a row of JPEG pictures; where each begins stands in a second file, which
is written last and so says that the first is whole.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from poof.files import atomic

SIDE = 800
"""Longer side of the pictures, pixels."""
QUALITY = 70
"""Of their JPEG."""


class Preview:
    """The pictures, while they are being made and afterwards.

    Parameters
    ----------
    path
        Of the pictures; ``.index`` is added for the places. An existing pair is opened whole; anything else is made
        anew by `add` and `finish`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: list[int] = [0]
        self._lock = threading.Lock()
        self.whole = False
        places = path.with_suffix(".index")
        with suppress(OSError, ValueError):
            stored = np.frombuffer(places.read_bytes(), "<i8")
            if len(stored) and int(stored[-1]) == path.stat().st_size:
                self._places, self.whole = stored.tolist(), True
        if not self.whole:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | (0 if self.whole else os.O_TRUNC), 0o600)

    def __len__(self) -> int:
        return len(self._places) - 1

    def __enter__(self) -> Preview:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def add(self, image: np.ndarray) -> None:
        """The picture of the next frame, from RGB (H, W, 3)."""
        data = shrunk(image)
        os.pwrite(self._file, data, self._places[-1])
        with self._lock:
            self._places.append(self._places[-1] + len(data))

    def finish(self) -> None:
        """All frames are there: keep the pictures for the next time."""
        with atomic(self._path.with_suffix(".index")) as temporary:
            temporary.write_bytes(np.array(self._places, "<i8").tobytes())
        self.whole = True

    def get(self, frame: int) -> np.ndarray | None:
        """The picture of a frame, RGB (h, w, 3); None if it is not there (yet)."""
        with self._lock:
            if not 0 <= frame < len(self._places) - 1:
                return None
            start, stop = self._places[frame], self._places[frame + 1]
        try:
            data = os.pread(self._file, stop - start, start)
        except OSError:
            return None
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
        return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def close(self) -> None:
        """Let the file go."""
        with suppress(OSError):
            os.close(self._file)


def shrunk(image: np.ndarray) -> bytes:
    """The JPEG of an image (H, W, 3), its longer side at most `SIDE`."""
    height, width = image.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    if scale < 1:
        image = cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return data.tobytes() if done else b""
