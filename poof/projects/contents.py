"""Fingerprints of files by content, quick even for a long video, and a store of those seen before."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from poof import origin
from poof.errors import PoofError, not_there
from poof.files import write_text

BLOCKS, BLOCK = 64, 65536
"""A large file is known by its size and so many blocks of so many bytes, evenly spread: 4 MiB of any video."""
IMAGES = 32
"""Of a folder of images so many are looked into; of the others name and size are taken."""


def fingerprint(path: Path) -> str:
    """What tells a video or folder of images from any other, wherever it lies and whatever it is called.

    A file that was changed in place without changing its size, between the blocks that are looked at, keeps its
    fingerprint; encoders leave no such files.

    Raises
    ------
    PoofError
        If it cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        if path.is_dir():
            files = sorted((e for e in os.scandir(path) if e.is_file() and not e.name.startswith(".")),
                           key=lambda e: e.name)  # fmt: skip
            for entry in files:
                digest.update(f"{entry.name}\0{entry.stat().st_size}\0".encode("utf-8", "surrogateescape"))
            for number in _spread(len(files), IMAGES):
                _add(digest, Path(files[number].path), 1)
        else:
            _add(digest, path, BLOCKS)
    except FileNotFoundError:
        raise not_there(path) from None
    except OSError as error:
        raise PoofError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    return digest.hexdigest()


def checksum(path: Path) -> str:
    """The checksum of a whole file, '' when there is none: a device would be read for ever, a pipe wait."""
    try:
        return origin.checksum(path) if path.is_file() else ""
    except OSError:
        return ""


def _spread(count: int, most: int) -> list[int]:
    """At most `most` numbers below `count`, evenly spread, first and last among them."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / max(1, most - 1)) for i in range(most)})


def _add(digest: Any, path: Path, blocks: int) -> None:
    size = path.stat().st_size
    digest.update(f"{size}\0".encode())
    with path.open("rb") as file:
        for number in _spread(-(-size // BLOCK), blocks):
            file.seek(number * BLOCK)
            digest.update(file.read(BLOCK))


class Seen:
    """What was found out about files, kept as long as their size and time of change stay the same.

    Parameters
    ----------
    file
        Where it is kept; a file that is damaged or cannot be written is done without.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._changed = False
        self._known: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            content = json.loads(file.read_text())
            self._known = content if isinstance(content, dict) else {}

    def of(self, path: Path, what: str, find: Callable[[Path], Any]) -> Any:
        """A fact about a file, found with `find` unless it is known; facts are values that JSON can hold."""
        try:
            state = path.stat()
            mark = [state.st_size, state.st_mtime_ns]
            if path.is_dir():  # its time says whether names came or went, not whether a file was written anew
                mark += [sum(e.stat().st_mtime_ns for e in os.scandir(path) if e.is_file()) % 2**53]
        except OSError:
            return find(path)
        entry = self._known.get(str(path))
        if not isinstance(entry, dict) or entry.get("state") != mark:
            entry = self._known[str(path)] = {"state": mark}
        if what not in entry:
            entry[what] = find(path)
            self._changed = True
        return entry[what]

    def save(self) -> None:
        """Keep what was found."""
        if self._changed:
            with suppress(PoofError, OSError):
                write_text(self._file, json.dumps(self._known) + "\n")
            self._changed = False
