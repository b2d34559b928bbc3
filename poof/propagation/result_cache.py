"""Cache of finished results on disk: an interrupted run goes on, a corrected label re-runs its windows only.

An entry's name is a checksum of everything its content follows from: the video's bytes, the settings, the estimators,
the segment, and the labels that its chains start from or end at. Nothing needs to be invalidated, and a run
from entries gives the same as a full one.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from poof.errors import PoofError
from poof.files import atomic
from poof.origin import cache_folder
from poof.video.base import Video

__all__ = ["ResultCache", "cache_folder", "fingerprint", "key_of"]

LIMIT = 512 * 2**20
"""Bytes of entries that are kept; those used longest ago go first."""
FORMAT = 2
"""Raised when what an entry means changes."""


def fingerprint(video: Video) -> str | None:
    """Checksum of the bytes of a video file or of the images of a folder; None for frames that are in no file."""
    known = getattr(video, "content", None)
    if known is not None:  # a part of a video that lies elsewhere
        return str(known)
    path = getattr(video, "path", None)
    if path is None or not Path(path).exists():
        return None
    path = Path(path)
    files = [path] if path.is_file() else [path / name for name in video.frame_names or ()]
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(file.name.encode() + b"\0")
        with file.open("rb") as stream:
            while block := stream.read(2**20):
                digest.update(block)
    return digest.hexdigest()


def key_of(*parts: Any) -> str:
    """Checksum of values that JSON can hold, and of arrays."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (FORMAT, *parts):
        if isinstance(part, np.ndarray):
            digest.update(str((part.dtype, part.shape)).encode() + np.ascontiguousarray(part).tobytes())
        else:
            digest.update(json.dumps(part, sort_keys=True, default=str).encode())
        digest.update(b"\0")
    return digest.hexdigest()


class ResultCache:
    """A folder of entries, each a set of named arrays.

    Any number of processes may share it: entries appear whole, damaged ones count as absent, and where the folder
    cannot be written nothing is kept.
    """

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self._folder = folder
        self._limit = limit

    def get(self, key: str) -> dict[str, np.ndarray] | None:
        """The arrays under `key`, or None."""
        path = self._path(key)
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            os.utime(path)
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            return None
        return arrays

    def put(self, key: str, arrays: dict[str, np.ndarray]) -> None:
        """Keep arrays under `key`."""
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with atomic(self._path(key), durable=False) as temporary:
                temporary.write_bytes(buffer.getvalue())
        except (PoofError, OSError):
            return  # the work does not depend on it

    def has(self, key: str) -> bool:
        """Whether there is an entry under `key`; it may turn out to be damaged."""
        return self._path(key).exists()

    def trim(self) -> None:
        """Drop the entries used longest ago beyond the limit, and what killed processes left."""
        entries = []
        for path in self._all():
            try:
                state = path.stat()
            except OSError:
                continue
            if path.name.startswith("."):
                if time.time() - state.st_mtime > 3600:
                    path.unlink(missing_ok=True)
                continue
            entries.append((state.st_mtime_ns, state.st_size, path))
        size = sum(entry[1] for entry in entries)
        for _, bytes_, path in sorted(entries):
            if size <= self._limit:
                break
            path.unlink(missing_ok=True)
            size -= bytes_

    def _all(self) -> Iterable[Path]:
        try:
            return [*self._folder.glob("*.npz"), *self._folder.glob(".*.npz")]
        except OSError:
            return []

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.npz"
