"""Frames of a video as image files, under the names that the tables use."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from poof.errors import PoofError
from poof.files import make_folder, write_bytes
from poof.labels.formats.names import Pattern, pattern_of
from poof.labels.formats.reading import base_name
from poof.labels.model import LabelSet
from poof.progress import Track, silent
from poof.video.base import Video

_KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP", ".webp": "WEBP"}
_QUALITY = 95


def image_names(labels: LabelSet, footage: Video, default: Pattern, png: bool = False) -> dict[int, str]:
    """Frame -> the file name of its image: its own, else by the labels' pattern, else by `default`.

    `png`: with that ending, whatever the pattern says.
    """
    pattern = pattern_of(labels, default)
    names = {}
    for frame in labels.frames:
        own = labels.frame_names.get(frame)
        if footage.frame_names and frame < len(footage.frame_names):
            own = footage.frame_names[frame]
        name = Path(base_name(own) if own else pattern.name(frame))
        names[frame] = f"{name.stem}.png" if png or name.suffix.lower() not in _KINDS else name.name
    return names


def write_frames(footage: Video, names: Mapping[int, str], folder: Path, track: Track = silent) -> list[Path]:
    """Write the frames into `folder`, which is made; images that are there already stay as they are.

    Returns
    -------
    list of Path
        The files that were written; none if an error ends the writing, those written before are removed then.
    """
    wanted = {frame: folder / name for frame, name in names.items() if not (folder / name).exists()}
    if len(set(wanted.values())) < len(wanted):
        raise PoofError(f"{folder}: two frames would be the same image; give the folder of the frames as VIDEO")
    written: list[Path] = []
    try:
        make_folder(folder, "-o")
        if wanted:
            for number, image in track(
                footage.frames(min(wanted), max(wanted) + 1), "frames", max(wanted) + 1 - min(wanted)
            ):
                if number in wanted:
                    write_bytes(wanted[number], _encoded(image, wanted[number].suffix))
                    written.append(wanted[number])
        if len(written) < len(wanted):
            missing = min(set(wanted) - {frame for frame, path in wanted.items() if path in written})
            raise PoofError(f"{footage.name}: ends before frame {missing}, which is labelled; give the labelled video")
    except OSError as error:
        _undo(written)
        raise PoofError(f"{folder}: cannot be written ({error.strerror}); choose another place with -o") from error
    except BaseException:
        _undo(written)
        raise
    return written


def _undo(written: list[Path]) -> None:
    for path in written:
        path.unlink(missing_ok=True)


def _encoded(image: object, ending: str) -> bytes:
    """An RGB image as a file of this kind."""
    import numpy as np
    from PIL import Image

    memory = io.BytesIO()
    kind = _KINDS[ending.lower()]
    options = {"quality": _QUALITY} if kind in ("JPEG", "WEBP") else {}
    Image.fromarray(np.ascontiguousarray(image)).save(memory, kind, **options)
    return memory.getvalue()
