"""The frame number in an image's name, where several numbers stand in it.

The number that tells the images of a video apart is the frame: a camera's number, a width or a year stand still, and a
hash is no number. Where two numbers would do, a word before it (frame, img) decides, or the file is refused. Names made
of a time are refused too: milliseconds are no frames.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

from poof.errors import PoofError, PoofWarning

_ROBOFLOW = re.compile(r"[._](?:png|jpe?g|bmp|webp)\.rf\.[0-9A-Za-z]+\.\w+$")
"""Roboflow appends a hash with digits of its own to every image: frame_12_png.rf.8f3a9c.jpg."""
_ENDING = re.compile(r"\.[A-Za-z]\w*$")
_TIME = re.compile(r"(?<![0-9])[0-9]{1,2}[.:hH_-][0-5]?[0-9][.:mM_-][0-5]?[0-9][.:,sS_-][0-9]{3}(?![0-9])")
_DATE = re.compile(r"(?<![0-9])(?:19|20)[0-9]{2}([-_.])[01][0-9]\1[0-3][0-9](?![0-9])")
_WORD = re.compile(r"(?:^|[^a-z])(?:frame|frm|fr|f|image|img|im)[^a-z0-9]*$", re.IGNORECASE)
_PART = re.compile(r"[0-9]+|[^0-9]+")
_HASH = re.compile(r"(?<![0-9A-Za-z])(?=[0-9a-fA-F]*[0-9])(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{6,}(?![0-9A-Za-z])")


def stem_of(image: str) -> str:
    """The name of an image without folders, ending and what Roboflow appends."""
    name = image.replace("\\", "/").rsplit("/", 1)[-1]
    return _ENDING.sub("", _ROBOFLOW.sub("", name))


def numbers_of(path: Path, images: Sequence[str]) -> dict[str, int]:
    """The number in each name that tells the images apart.

    A `PoofWarning` says which was taken where a name holds several and it is not plain.

    Raises
    ------
    PoofError
        If a name has no number, is made of a time, or holds several numbers either of which could be the frame.
    """
    stems = {image: stem_of(image) for image in images}
    for image, stem in stems.items():
        if _TIME.search(stem):
            raise PoofError(
                f"{path}: the image '{image}' is named by a time, not by a frame; number the images, add a frame_index,"
                " or give the folder of the frames"
            )
    cells = {image: _cells(stem) for image, stem in stems.items()}
    for image, found in cells.items():
        if not found:
            raise PoofError(
                f"{path}: the image name '{image}' has no number to tell its frame; rename it, add a frame_index,"
                " or give the folder of its frames"
            )
    if all(len(found) == 1 for found in cells.values()):
        return {image: found[0][1] for image, found in cells.items()}
    shapes = {tuple(text for text, _ in found) for found in cells.values()}
    chosen = _by_column(path, cells) if len(shapes) == 1 and len(cells) > 1 else None
    if chosen is None:
        chosen = {image: _by_word(found) for image, found in cells.items()}
        if not all(_plain(chosen[image], found) for image, found in cells.items()):
            _tell(path, chosen, cells)
    return chosen


def _cells(stem: str) -> list[tuple[str, int]]:
    """The numbers of a name, each with the text before it; digits within a hash or a date are none."""
    # Without a number outside of it what looks like a hash or a date is all there is: 'abc123' is a name, too.
    bare = _DATE.sub("#", _HASH.sub("#", stem))
    found: list[tuple[str, int]] = []
    before = ""
    for part in _PART.findall(bare if re.search("[0-9]", bare) else stem):
        if part.isdigit() and part.isascii():
            found.append((before, int(part)))
            before = ""
        else:
            before = part
    return found


def _by_column(path: Path, cells: dict[str, list[tuple[str, int]]]) -> dict[str, int] | None:
    """For names of one pattern: the number that differs from image to image; None if none does."""
    columns = list(zip(*([number for _, number in found] for found in cells.values())))
    words = [bool(_WORD.search(text)) for text, _ in next(iter(cells.values()))]
    telling = [i for i, column in enumerate(columns) if len(set(column)) == len(column)]
    if not telling:
        return None
    if len({columns[i] for i in telling}) > 1:
        named = [i for i in telling if words[i]]
        if len(named) != 1:
            image, found = next(iter(cells.items()))
            choices = " or ".join(str(found[i][1]) for i in telling)
            raise PoofError(
                f"{path}: '{image}' and the others hold several numbers that could be the frame ({choices}); rename the"
                " images, add a frame_index, or give the folder of the frames"
            )
        telling = named
    chosen = dict(zip(cells, columns[telling[-1]]))
    if telling[-1] != len(columns) - 1:
        _tell(path, chosen, cells)
    return chosen


def _by_word(found: list[tuple[str, int]]) -> int:
    """The one number behind a word for frame, or else the last."""
    named = [number for text, number in found if _WORD.search(text)]
    return named[0] if len(named) == 1 else found[-1][1]


def _plain(number: int, found: list[tuple[str, int]]) -> bool:
    """Whether nobody would take another number: it is the last, and alone or behind a word for frame."""
    return number == found[-1][1] and (len(found) == 1 or bool(_WORD.search(found[-1][0])))


def _tell(path: Path, chosen: dict[str, int], cells: dict[str, list[tuple[str, int]]]) -> None:
    image = next(image for image, found in cells.items() if len(found) > 1)
    warnings.warn(
        f"{path}: image names hold several numbers; took {chosen[image]} of '{image}' as its frame, and so on",
        PoofWarning,
        stacklevel=6,
    )
