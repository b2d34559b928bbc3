"""Files that poof wrote itself and may replace; a file of somebody else is never overwritten.

Poof's label files say so themselves, as does everything it writes as JSON. Of all others (pictures, videos, lists) the
checksum is kept beside the cache: a file that still has the content that poof gave it under this name is poof's.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import re
from contextlib import suppress
from enum import Enum
from pathlib import Path

HEAD = 2**20
"""Bytes of a file in which its mark is looked for."""
TABLES = (
    "frame,instance,keypoint,x,y,confidence,visible,source,anchor,steps",
    "keypoint,distance,points,error_measured",
    "prediction,group,name,points",
)
"""How the tables begin that poof writes without a mark."""
PICTURES = (".overlay.mp4", ".sheet.png", ".sheet.jpg", ".sheet.webp")
LABEL_ENDINGS = (".h5", ".slp", ".xml", ".zip")
UNWATCHED = (".pt", ".pth", ".npz", ".npy")
"""Endings of files that are no outputs of a command by themselves, or too large to be summed up each time."""


class Origin(Enum):
    """Who wrote a file."""

    OURS = "ours"
    """Poof, for sure."""
    LABELS = "labels"
    """Poof, and it holds labels: only labels may take its place, and only as `poof.labels.replacing` allows."""
    ALIKE = "alike"
    """It looks like what poof writes, and there is no proof."""
    FOREIGN = "foreign"
    """Somebody else, or a person has changed it."""


def cache_folder() -> Path:
    """Where poof keeps what it can compute again: $POOF_CACHE, else poof in the user's cache folder."""
    named = os.environ.get("POOF_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named) if named else base / "poof"


def origin_of(path: Path) -> Origin:
    """Who wrote an existing file, by what it says and by what is remembered of it."""
    path = Path(path)
    if not path.is_file():  # a pipe would be waited for
        return Origin.FOREIGN
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return Origin.FOREIGN
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):  # a spreadsheet's "Unicode text"
        head = head[: len(head) // 2 * 2].decode("utf-16", "replace").encode()
    ending = path.suffix.lower()
    first = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].decode("utf-8", "replace")
    table = ending == ".csv" and ("poof:" in first or first.startswith(("frame,instance,keypoint", "scorer,")))
    labels = table or ending in LABEL_ENDINGS or (ending == ".json" and b'"categories"' in head)
    if is_remembered(path):
        return Origin.LABELS if labels else Origin.OURS
    if ending == ".json" and re.search(rb'"poof":\s*\{\s*"version"', head):
        return Origin.LABELS if labels else Origin.OURS
    if ending == ".csv":
        if "poof:" in first:
            return Origin.LABELS
        if first.startswith(TABLES):
            return Origin.ALIKE
    if ending == ".txt" and re.fullmatch(rb"(\d+\s*)+", head):
        return Origin.ALIKE
    if path.name.lower().endswith(PICTURES) or not head:
        return Origin.ALIKE
    return Origin.FOREIGN


def is_remembered(path: Path) -> bool:
    """Whether a file has the content that poof gave it under this name."""
    try:
        return checksum(path) in _mark(path).read_text().split()
    except (OSError, ValueError):
        return False


def remember(path: Path, written: Path) -> None:
    """Keep the checksum of what is about to take the name `path`; where that cannot be kept nothing happens.

    The one kept before stays beside it: wherever a Ctrl-C falls, the file is one that poof knows.
    """
    if path.suffix.lower() in UNWATCHED:
        return
    with suppress(OSError, ValueError):
        mark = _mark(path)
        folder = cache_folder().resolve()
        if folder in path.resolve().parents:
            return
        mark.parent.mkdir(parents=True, exist_ok=True)
        temporary = mark.with_name(f".{mark.name}-{os.getpid()}")
        before = mark.read_text().split()[-1:] if mark.exists() else []
        temporary.write_text("\n".join([*before, checksum(written)]))
        temporary.replace(mark)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal: what other programs print as well."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mark(path: Path) -> Path:
    """Where the checksum of a file is kept."""
    name = hashlib.blake2b(os.fsencode(path.resolve()), digest_size=16).hexdigest()
    return cache_folder() / "written" / name


def checksum(path: Path) -> str:
    """The checksum by which poof knows a file again."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
