"""A folder per class."""

from __future__ import annotations

from pathlib import Path

from poof.errors import PoofError
from poof.recog.data.lists.base import ClipList, Options, Record
from poof.video.folder import natural

VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".npy")


def class_folders(path: Path, options: Options) -> ClipList:
    """`path/class/video` or `path/class/folder-of-images/`; classes in alphabetical order.

    With folders called `train` and `test` (or `val`) in `path`, `options.part` chooses one of them.
    """
    for part in (options.part, {"test": "val"}.get(options.part, "")):
        if part and (path / part).is_dir():
            path = path / part
            break
    folders = sorted((p for p in path.iterdir() if p.is_dir() and not p.name.startswith(".")), key=lambda p: p.name)
    labels = options.labels or tuple(folder.name for folder in folders)
    records = []
    for folder in folders:
        if folder.name not in labels:
            raise PoofError(f"{folder}: is no class; the labels are {', '.join(labels)}")
        clips = [p for p in folder.iterdir() if p.is_dir() or p.suffix.lower() in VIDEOS]
        for clip in sorted(clips, key=lambda p: natural(p.name)):
            records.append(Record(clip, labels.index(folder.name), line=str(clip)))
    return ClipList(tuple(records), labels, str(path))
