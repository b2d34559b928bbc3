"""Flows kept on disk, so that another anchor, another radius or another run does not compute them again.

An entry's name is a checksum of everything that decides its content: the pixels of both frames as they were given and
the description of the estimator. Nothing needs to be invalidated: another crop, size or checkpoint is another name.
Values are kept as they are, in float32: a result from the disk equals a computed one bit for bit, with or without the
cache. (float16 would halve the files and move a displacement of 40 px by up to 0.016 px.)

Any number of threads and processes may share a folder. Entries appear by renaming, so a killed process leaves at worst
a temporary file, which a later run removes; an entry that is damaged all the same counts as absent.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
import threading
import time
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from poof.errors import PoofError, PoofWarning
from poof.files import atomic
from poof.flow.base import FlowEstimator

HEADER = struct.Struct("<8sIII")  # magic, height, width, CRC-32 of the values
MAGIC = b"poofflo1"
ABANDONED = 3600.0  # s after which a temporary file belongs to no living process
DEFAULT_LIMIT = 8 * 2**30


class FlowStore:
    """A folder of flow fields by key, held below a size by dropping what was used longest ago.

    Parameters
    ----------
    folder
        Created when missing.
    limit_bytes
        Most that the entries may take together. Other processes may overstep it by a sixteenth each for a moment.

    Raises
    ------
    PoofError
        If the folder cannot be created or written, or the limit is not positive.
    """

    def __init__(self, folder: Path, limit_bytes: int = DEFAULT_LIMIT) -> None:
        if limit_bytes <= 0:
            raise PoofError(f"{folder}: a limit of {limit_bytes} bytes keeps nothing; give a positive size")
        self.folder = Path(folder)
        self.limit = limit_bytes
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PoofError(f"{folder}: cannot hold the flow cache ({error.strerror}); name another folder") from error
        if not os.access(self.folder, os.W_OK):
            raise PoofError(f"{folder}: cannot hold the flow cache (read-only); name another folder")
        self._lock = threading.Lock()
        self._size = 0  # as last counted, plus what was written since
        self._written = 0  # since last counted
        self._full = False
        self.trim()

    def get(self, key: str, height: int, width: int) -> np.ndarray | None:
        """The field (2, height, width) under `key`, None when there is none or it is damaged."""
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        values = memoryview(content)[HEADER.size :]
        if len(content) < HEADER.size or HEADER.unpack_from(content) != (MAGIC, height, width, zlib.crc32(values)):
            path.unlink(missing_ok=True)
            return None
        with contextlib.suppress(OSError):  # another process may have dropped it after we read it
            os.utime(path)  # used now: reading alone does not reliably leave a trace
        return np.frombuffer(values, "<f4").reshape(2, height, width)

    def put(self, key: str, flow: np.ndarray) -> None:
        """Keep a field (2, H, W) float32 under `key`. A disk that is full is warned about once, then left alone."""
        size = HEADER.size + flow.nbytes
        if self._full or size > self.limit:
            return
        values = np.ascontiguousarray(flow, "<f4").tobytes()
        path = self._path(key)
        try:
            path.parent.mkdir(exist_ok=True)
            with atomic(path, durable=False) as temporary, temporary.open("wb") as file:
                file.write(HEADER.pack(MAGIC, flow.shape[1], flow.shape[2], zlib.crc32(values)))
                file.write(values)
        except (PoofError, OSError) as error:
            self._full = True
            warnings.warn(f"no more flows are kept, the work goes on: {error}", PoofWarning, stacklevel=2)
            return
        with self._lock:
            self._size += size
            self._written += size
            due = self._size > self.limit or self._written > self.limit // 16
        if due:
            self.trim()

    def trim(self) -> None:
        """Count the entries and, beyond the limit, drop the ones used longest ago; remove what dead processes left."""
        with self._lock:
            entries = []
            for path in self.folder.glob("??/*"):
                try:
                    state = path.stat()
                except OSError:
                    continue  # another process was faster
                if path.name.startswith("."):
                    if time.time() - state.st_mtime > ABANDONED:
                        path.unlink(missing_ok=True)
                    continue
                entries.append((state.st_mtime_ns, state.st_size, path))
            self._size = sum(size for _, size, _ in entries)
            self._written = 0
            if self._size > self.limit:
                # Some more than needed, so that not every new entry has to count them all.
                for _, size, path in sorted(entries):
                    path.unlink(missing_ok=True)
                    self._size -= size
                    if self._size <= self.limit * 0.9:
                        break

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key[2:]}.flow"


@dataclass(eq=False)
class CachedFrame:
    """An image that may never have to be prepared.

    Attributes
    ----------
    digest
        Checksum of size and pixels.
    size
        (height, width).
    image
        Its pixels, until they are prepared.
    prepared
        What the estimator behind makes of it, once it is needed.
    """

    digest: bytes
    size: tuple[int, int]
    image: np.ndarray | None
    prepared: Any = None


class CachedFlow(FlowEstimator):
    """An estimator whose flows are kept in a folder. Gives exactly what the estimator gives.

    Images are prepared only when a flow has to be computed. Pays for RAFT; DIS on small crops is hardly slower than
    reading a file.

    Parameters
    ----------
    estimator
        What computes the flows that are not there yet.
    folder, limit_bytes
        See `FlowStore`.

    Attributes
    ----------
    hits, misses
        Fields that came from the folder, and that were computed.
    """

    def __init__(self, estimator: FlowEstimator, folder: Path, limit_bytes: int = DEFAULT_LIMIT) -> None:
        self.estimator = estimator
        self.store = FlowStore(folder, limit_bytes)
        self.name = estimator.name
        self.grey = estimator.grey
        self.stride = estimator.stride
        self.reason = estimator.reason
        self.hits = 0
        self.misses = 0
        self._settings = json.dumps(estimator.describe(), sort_keys=True).encode()
        self._lock = threading.Lock()

    def prepare(self, images: np.ndarray) -> list[CachedFrame]:
        """See `FlowEstimator.prepare`; only takes checksums."""
        frames = []
        for image in images:
            pixels = np.array(image, order="C")
            digest = hashlib.sha256(repr(pixels.shape).encode())
            digest.update(pixels.data)
            frames.append(CachedFrame(digest.digest(), (pixels.shape[0], pixels.shape[1]), pixels))
        return frames

    def between(self, first: Sequence[CachedFrame], second: Sequence[CachedFrame]) -> np.ndarray:
        """See `FlowEstimator.between`."""
        pairs = list(zip(first, second, strict=True))
        flows = [self._get(a, b) for a, b in pairs]
        missing = [k for k, flow in enumerate(flows) if flow is None]
        if missing:
            origins, targets = [first[k] for k in missing], [second[k] for k in missing]
            self._prepare([*origins, *targets])
            computed = self.estimator.between([f.prepared for f in origins], [f.prepared for f in targets])
            for k, flow in zip(missing, computed):
                flows[k] = self._put(*pairs[k], flow)
        return _stacked(flows)

    def both(self, first: Sequence[CachedFrame], second: Sequence[CachedFrame]) -> tuple[np.ndarray, np.ndarray]:
        """See `FlowEstimator.both`; a pair of which one direction is missing is computed in both."""
        pairs = list(zip(first, second, strict=True))
        there, back = [self._get(a, b) for a, b in pairs], [self._get(b, a) for a, b in pairs]
        missing = [k for k in range(len(pairs)) if there[k] is None or back[k] is None]
        if missing:
            origins, targets = [first[k] for k in missing], [second[k] for k in missing]
            self._prepare([*origins, *targets])
            computed = self.estimator.both([f.prepared for f in origins], [f.prepared for f in targets])
            for k, forward, backward in zip(missing, *computed):
                a, b = pairs[k]
                if there[k] is None:
                    there[k] = self._put(a, b, forward)
                if back[k] is None:
                    back[k] = self._put(b, a, backward)
        return _stacked(there), _stacked(back)

    def batch_size(self, height: int, width: int) -> int:
        """See `FlowEstimator.batch_size`."""
        return self.estimator.batch_size(height, width)

    def describe(self) -> dict[str, Any]:
        """See `FlowEstimator.describe`; the estimator's own, since the cache changes nothing."""
        return self.estimator.describe()

    # ---------------------------------------------------------------------------------------------------- the work

    def _key(self, first: CachedFrame, second: CachedFrame) -> str:
        return hashlib.sha256(first.digest + second.digest + self._settings).hexdigest()

    def _get(self, first: CachedFrame, second: CachedFrame) -> np.ndarray | None:
        flow = self.store.get(self._key(first, second), *first.size)
        with self._lock:
            self.hits += flow is not None
            self.misses += flow is None
        return flow

    def _put(self, first: CachedFrame, second: CachedFrame, flow: np.ndarray) -> np.ndarray:
        self.store.put(self._key(first, second), flow)
        return flow

    def _prepare(self, frames: Sequence[CachedFrame]) -> None:
        """Have the estimator prepare those frames that it has not seen yet, in one batch."""
        # Pixels are dropped after the prepared entry is set: whoever finds no pixels finds the entry.
        waiting = {frame: image for frame in frames if (image := frame.image) is not None}
        if waiting:
            for frame, prepared in zip(waiting, self.estimator.prepare(np.stack(list(waiting.values())))):
                frame.prepared = prepared
                frame.image = None


def _stacked(flows: Sequence[np.ndarray | None]) -> np.ndarray:
    if not flows:
        return np.zeros((0, 2, 0, 0), np.float32)
    return np.stack([flow for flow in flows if flow is not None])
