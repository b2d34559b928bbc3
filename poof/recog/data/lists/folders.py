"""A folder per class."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

from poof.endings import VIDEO_ENDINGS
from poof.errors import PoofError, PoofWarning
from poof.recog.data.lists.base import ClipList, Options, Record, check_class_names, shown
from poof.video.folder import natural

VIDEOS = VIDEO_ENDINGS | {".npy"}
"""Endings of clips in class folders; a list may name any file."""


def class_folders(path: Path, options: Options) -> ClipList:
    """`path/class/video` or `path/class/folder-of-images/`; classes in alphabetical order.

    With folders called `train` and `test` (or `val`) in `path`, `options.part` chooses one of them.
    """
    if not path.is_dir():
        raise PoofError(f"{path}: is no folder of class folders")
    for part in (options.part, {"test": "val"}.get(options.part, "")):
        if part and (path / part).is_dir():
            path = path / part
            break
    folders = sorted((p for p in path.iterdir() if p.is_dir() and not p.name.startswith(".")), key=lambda p: p.name)
    labels = options.labels or tuple(folder.name for folder in folders)
    check_class_names(labels, str(path))
    records = []
    others: list[Path] = []
    for folder in folders:
        if folder.name not in labels:
            raise PoofError(f"{shown(folder)}: is no class; the labels are {shown(', '.join(labels))}")
        entries = [p for p in folder.iterdir() if not p.name.startswith(".")]
        clips = [p for p in entries if p.is_dir() or p.suffix.lower() in VIDEOS]
        others += [p for p in entries if not p.is_dir() and p.suffix.lower() not in VIDEOS]
        for clip in sorted(clips, key=lambda p: natural(p.name)):
            records.append(Record(clip, labels.index(folder.name), line=str(clip)))
    if others:
        kinds = ", ".join(
            f"{n} {kind or 'without ending'}" for kind, n in Counter(p.suffix for p in others).most_common(5)
        )
        warnings.warn(
            f"{path}: {len(others)} files in the class folders are taken for no clips ({shown(kinds)}; first: "
            f"{shown(min(others))}); a list with 'path label' a line takes any file",
            PoofWarning,
            stacklevel=4,
        )
    return ClipList(tuple(records), labels, str(path))
