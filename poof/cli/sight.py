"""The files in sight: the video that labels belong to, for the next step that a command prints; what examples name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from poof.endings import IMAGE_ENDINGS, is_video_name

if TYPE_CHECKING:
    from poof.labels import LabelSet

LABELS = (".json", ".csv", ".h5", ".slp", ".xml")
_RESULTS = (".poof.", ".refined.", ".predicted.")
_LABELS_HAVE = {
    ".csv": (b"keypoint", b"bodypart", b"joint", b"node", b"landmark"),
    ".json": (b'"annotations"', b'"images"', b'"categories"', b"keypointlabels"),
    ".xml": (b"<annotations",),
}
"""Ending -> words of which a label file has one near its beginning."""


def video_of(labels: LabelSet | None, *files: Path) -> Path | None:
    """The video or folder of frames that labels were made on, as far as it can be seen from here.

    By what the labels say, beside their files or here; else the video of the file's own name; else the only one there.

    Parameters
    ----------
    labels
        What was read; None where nothing was.
    files
        Where they came from.
    """
    folders = list(dict.fromkeys([Path(), *(file.parent for file in files)]))
    named = labels.info.get("video") if labels is not None else None
    if isinstance(named, str) and named:
        for place in (Path(named), *(folder / Path(named).name for folder in folders)):
            if place.exists():
                return place
    if labels is not None:
        for image in list(labels.frame_names.values())[:1]:
            for place in (Path(image), *(folder / image for folder in folders)):
                if place.is_file() and place.parent != Path():
                    return place.parent
    for folder in folders:
        there = _videos_in(folder)
        for file in files:
            own = [video for video in there if video.stem == file.name.split(".")[0]]
            if own:
                return own[0]
        if len(there) == 1:
            return there[0]
    return None


def _videos_in(folder: Path) -> list[Path]:
    """The videos of a folder, without the overlays that poof draws."""
    try:
        found = sorted(p for p in folder.iterdir() if is_video_name(p) and not p.name.startswith("."))
    except OSError:
        return []
    return [p for p in found if ".overlay." not in p.name]


def in_sight() -> dict[str, list[str]]:
    """What examples may name, of this folder: videos, labels (of the first video first), results, models, runs."""
    try:
        here = sorted(p for p in Path().iterdir() if not p.name.startswith("."))
    except OSError:
        here = []
    videos = [*_videos_in(Path()), *(p for p in here if p.is_dir() and _has_images(p))]
    made = [p for p in here if p.suffix.lower() in LABELS and p.is_file() and _may_be_labels(p)]
    results = [p for p in made if any(tag in p.name for tag in _RESULTS)]
    labels = [p for p in made if p not in results]
    for video in videos:
        own = [p for p in labels if p.name.startswith(f"{video.stem}.")]
        if own:
            labels = [*own, *(p for p in labels if p not in own)]
            videos = [video, *(other for other in videos if other != video)]
            break
    models = sorted(Path().glob("runs/*/best.pt"))
    found = {"videos": videos, "labels": labels or results, "results": results or labels, "models": models}
    return {kind: [str(p) for p in paths] for kind, paths in (found | {"runs": [p.parent for p in models]}).items()}


def _has_images(folder: Path) -> bool:
    try:
        return sum(p.suffix.lower() in IMAGE_ENDINGS for p in folder.iterdir()) > 1
    except OSError:
        return False


def _may_be_labels(path: Path) -> bool:
    """Whether the file begins like labels, as far as a glance tells; an empty one may become some."""
    words = _LABELS_HAVE.get(path.suffix.lower(), ())
    try:
        with path.open("rb") as file:
            head = file.read(65536).lower().replace(b"\0", b"")  # UTF-16
    except OSError:
        return False
    return not head or not words or any(word in head for word in words)
