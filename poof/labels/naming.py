"""Frame numbers of image folders by the names of their images, whatever numbers a label file gives them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path

from poof.errors import PoofError, PoofWarning
from poof.labels.formats.reading import base_name, number_in
from poof.labels.model import LabelSet


def placed(labels: LabelSet, frame_names: Sequence[str], path: Path) -> LabelSet:
    """The labels with the frames that their images have in a folder.

    Parameters
    ----------
    labels
        As a file numbers them. Frames of which it names no image keep their number.
    frame_names
        The images of the folder in order.
    path
        The file, for messages.

    Raises
    ------
    PoofError
        If it names an image that the folder lacks (the nearest one is told), or two of its frames become one.
    """
    _warn_of_gaps(labels, frame_names, path)
    if all(_same(labels.frame_names.get(f), frame_names[f] if f < len(frame_names) else "") for f in labels.frames):
        return labels
    places = {Path(base_name(name)).stem: frame for frame, name in enumerate(frame_names)}
    new: dict[int, int] = {}
    for frame in sorted({*labels.frames, *labels.frame_names}):
        name = labels.frame_names.get(frame)
        if name is None:
            new[frame] = frame
        elif (stem := Path(base_name(name)).stem) in places:
            new[frame] = places[stem]
        elif frame in labels.frames:
            raise PoofError(lacking(path, name, frame_names))
    taken: dict[int, int] = {}
    for frame in labels.frames:
        if new[frame] in taken:
            raise PoofError(
                f"{path}: the frames {taken[new[frame]]} and {frame} are both the image {frame_names[new[frame]]}"
                " of the folder; keep one of them"
            )
        taken[new[frame]] = frame
    instances = {}
    for (frame, instance), points in labels.instances.items():
        moved = points.copy()
        moved.anchor[:] = [new.get(a, -1) if a >= 0 else a for a in points.anchor.tolist()]
        instances[new[frame], instance] = moved
    return labels.replace(
        instances=dict(sorted(instances.items())),
        frame_names={frame: frame_names[frame] for frame in sorted(taken)},
        assumed_absent={(new.get(f, f), i, k) for f, i, k in labels.assumed_absent},
        changes=labels.changes.renumbered(new),
    )


def _warn_of_gaps(labels: LabelSet, frame_names: Sequence[str], path: Path) -> None:
    """Frames without an image's name count images; in a folder with gaps they may have been meant as its numbers."""
    unnamed = [frame for frame in labels.frames if frame not in labels.frame_names and frame < len(frame_names)]
    numbers = [number_in(name) for name in frame_names]
    if not unnamed or any(number is None for number in numbers):
        return
    steps = [b - a for a, b in pairwise(number for number in numbers if number is not None)]
    first = next((frame for frame, step in enumerate(steps, 1) if step != 1), None)
    behind = [frame for frame in unnamed if first is not None and frame >= first]
    if behind:
        warnings.warn(
            f"{path}: names no images: its frame {behind[0]} is taken for '{frame_names[behind[0]]}', by counting in a"
            " folder whose numbers have gaps; if it has the numbers of the names, give it a column 'image' with them",
            PoofWarning,
            stacklevel=4,
        )


def lacking(path: Path, image: str, frame_names: Sequence[str]) -> str:
    """What to say of an image that is not in the folder."""
    stems = [Path(name).stem for name in frame_names]
    near = get_close_matches(Path(base_name(image)).stem, stems, 1, 0.0)
    number = number_in(image)
    numbered = [name for name in frame_names if number is not None and number_in(name) == number]
    nearest = numbered[0] if numbered else frame_names[stems.index(near[0])] if near else frame_names[0]
    return (
        f"{path}: the image '{image}' is not among the {len(frame_names)} of the folder, nearest is '{nearest}'; remove"
        " its labels, rename the images alike, or give the folder that was labelled"
    )


def _same(name: str | None, other: str) -> bool:
    return name is None or Path(base_name(name)).stem == Path(base_name(other)).stem
