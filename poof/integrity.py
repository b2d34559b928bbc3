"""Integrity of files just written: the structure of the format is checked up to the last byte.

A full disk does not always reach the writer as an error. Each check here needs no library and reads the file once at
most; of formats not named here nothing is asked. Text is compared with what was meant (`poof.files.write_text`).
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path


def check_whole(path: Path) -> None:
    """Raise an `OSError` if the file is cut short or damaged, as far as the format of its ending can tell."""
    check = _CHECKS.get(path.suffix.lower())
    try:
        if check is not None and not check(path):
            raise OSError("what was read back is not whole")
    except (ValueError, struct.error, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        raise OSError("what was read back is damaged") from None


def _zip(path: Path) -> bool:
    """Every member has its checksum (.pt, .npz)."""
    with zipfile.ZipFile(path) as archive:
        return archive.testzip() is None


def _npy(path: Path) -> bool:
    """The header is there; how long the rest must be only numpy knows, which fails when it writes too little."""
    with path.open("rb") as file:
        return file.read(6) == b"\x93NUMPY"


def _png(path: Path) -> bool:
    """Every chunk has its checksum, the last one is IEND."""
    with path.open("rb") as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            return False
        while True:
            size, kind = struct.unpack(">I4s", file.read(8))
            data = file.read(size)
            (crc,) = struct.unpack(">I", file.read(4))
            if zlib.crc32(data, zlib.crc32(kind)) != crc:
                return False
            if kind == b"IEND":
                return not file.read(1)


def _jpeg(path: Path) -> bool:
    return _ends_with(path, (b"\xff\xd9",))


def _mp4(path: Path) -> bool:
    """The boxes fill the file and the index is among them."""
    size, place, kinds = path.stat().st_size, 0, set()
    with path.open("rb") as file:
        while place < size:
            file.seek(place)
            length, kind = struct.unpack(">I4s", file.read(8))
            if length == 1:
                (length,) = struct.unpack(">Q", file.read(8))
            if length < 8:
                return False
            kinds.add(kind)
            place += length
    return place == size and {b"moov", b"mdat"} <= kinds


def _hdf5(path: Path) -> bool:
    """The file is as long as its first block says."""
    with path.open("rb") as file:
        head = file.read(96)
    at = {0: 40, 1: 44, 2: 28, 3: 28}[head[8]] if head[:8] == b"\x89HDF\r\n\x1a\n" else -1
    return at > 0 and struct.unpack_from("<Q", head, at)[0] == path.stat().st_size


def _pdf(path: Path) -> bool:
    return _ends_with(path, (b"%%EOF", b"%%EOF\n"))


def _svg(path: Path) -> bool:
    return _ends_with(path, (b"</svg>", b"</svg>\n"))


def _ends_with(path: Path, endings: tuple[bytes, ...]) -> bool:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(-min(file.tell(), 16), os.SEEK_END)
        return file.read().endswith(endings)


_CHECKS: Mapping[str, Callable[[Path], bool]] = {
    ".pt": _zip,
    ".npz": _zip,
    ".npy": _npy,
    ".png": _png,
    ".jpg": _jpeg,
    ".jpeg": _jpeg,
    ".mp4": _mp4,
    ".h5": _hdf5,
    ".pdf": _pdf,
    ".svg": _svg,
}
