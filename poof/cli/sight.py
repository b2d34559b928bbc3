"""The video that a label file belongs to, for the next step that a command prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from poof.endings import is_video_name

if TYPE_CHECKING:
    from poof.labels import LabelSet

LABELS = (".json", ".csv", ".h5", ".slp")


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
