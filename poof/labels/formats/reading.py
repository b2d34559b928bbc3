"""Shared by the readers of label files: the text of a file, the frame of an image, the caller's choices."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from poof.errors import PoofError
from poof.labels.formats.image_numbers import numbers_of, stem_of
from poof.labels.model import LabelSet, Source, Visible

Missing = Literal["absent", "unlabelled"]

EMPTY_WORDS = ("nan", "na", "n/a", "#n/a", "none", "null", "-")
"""What statistics programs and spreadsheets write into an empty cell, in lower case."""
SEPARATOR_LINE = re.compile(rb'\A(\xef\xbb\xbf)?"?sep=.?"?\r?\n')
"""What a spreadsheet reads above a table to know how it is cut; the header tells as much."""
_LAST_FRAME = 2**31 - 1


@dataclass(frozen=True)
class Choice:
    """What the caller of `load_labels` said beyond the path.

    Attributes
    ----------
    frame_names
        Image file names of the video's frames in order; decides the frame of an image that is among them.
    category
        Which category of a file that holds several.
    video
        Name or path of the video whose labels are wanted from a file that holds those of several.
    missing
        What an empty keypoint of a subject that has others means, in formats that cannot say: 'absent' (looked for,
        not in the picture) or 'unlabelled' (nobody looked).
    """

    frame_names: Sequence[str] | None = None
    category: str | None = None
    video: str | None = None
    missing: Missing = "absent"


def settle_missing(labels: LabelSet, choice: Choice, exempt: Container[tuple[int, int, int]] = ()) -> None:
    """Apply the rule for empty keypoints to labels of a format that cannot tell absent from not labelled.

    With `choice.missing` 'absent', in an instance in which a person set other points, every keypoint of which nothing
    is known becomes absent and is noted in `labels.assumed_absent`. That is how DeepLabCut's and SLEAP's guides tell
    people to label: leave out what is not in the picture.

    Parameters
    ----------
    labels
        Changed in place.
    choice
        What the caller wants.
    exempt
        (frame, instance, keypoint index) of points that are empty for another reason.
    """
    if choice.missing != "absent":
        return
    for frame, instance, points in labels:
        if not points.is_human.any():
            continue
        for k in np.flatnonzero(~points.decided).tolist():
            if (frame, instance, k) not in exempt:
                labels.assumed_absent.add((frame, instance, k))
                points.visible[k] = Visible.ABSENT
                points.source[k] = Source.HUMAN
                points.anchor[k] = frame
                points.confidence[k] = 1.0


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a byte order mark (a spreadsheet's "Unicode text").

    The mark goes, and line ends become `\\n`.

    Raises
    ------
    PoofError
        If the file cannot be read or is in another encoding.
    """
    try:
        with path.open("rb") as file:
            wide = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        return path.read_text(encoding="utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise PoofError(f"{path}: is not UTF-8 text (byte {error.start}); save it again as UTF-8") from None
    except OSError as error:
        raise PoofError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None


def separator_of(header: str) -> str:
    """Comma, semicolon or tab: whichever cuts the header of a table into most columns."""
    return max(",;\t", key=header.count)


def read_rows(path: Path) -> tuple[list[tuple[int, list[str]]], str]:
    """(line number, stripped cells) of the rows of a table in text, and its decimal sign.

    Commas, semicolons and tabs separate cells; with semicolons, as spreadsheets write them in much of Europe, the
    decimal sign is a comma (a point is understood as well). Blank lines and comment lines (#) before the header are
    left out.

    Raises
    ------
    PoofError
        If the file cannot be read or no table can be made of it.
    """
    lines = read_text(path).split("\n")
    if SEPARATOR_LINE.match(f"{lines[0]}\n".encode()):
        lines[0] = ""
    start = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
    if start is None:
        raise PoofError(f"{path}: is empty; label at least one frame")
    separator = separator_of(lines[start])
    reader = csv.reader(io.StringIO("\n".join(lines[start:])), delimiter=separator, strict=True)
    rows: list[tuple[int, list[str]]] = []
    line = start
    try:
        for cells in reader:
            line += 1
            if start + reader.line_num != line:
                raise PoofError(f"{path}: line {line}: a cell runs over several lines; close its quotation marks")
            cells = [cell.strip() for cell in cells]
            if any(cells):
                rows.append((line, cells))
    except csv.Error as error:
        raise PoofError(f"{path}: line {line + 1}: is no table ({error}); export it again") from None
    if not rows:
        raise PoofError(f"{path}: is empty; label at least one frame")
    return rows, "," if separator == ";" else "."


def base_name(image: str) -> str:
    """The file name of an image path, whichever slashes it was written with."""
    return image.replace("\\", "/").rsplit("/", 1)[-1]


def folder_of(image: str) -> str:
    """The folder of an image path with forward slashes, '' when it names none."""
    return "/".join(image.replace("\\", "/").split("/")[:-1])


def number_in(image: str) -> int | None:
    """The last number in the stem of an image name: 5 for `labeled-data/run2/img005.png`, None without a digit."""
    numbers = re.findall(r"[0-9]+", stem_of(image))
    return int(numbers[-1]) if numbers else None


def frame_number(value: float, where: str) -> int:
    """`value` as a frame; `where` begins the message of the `PoofError` if it can be none."""
    if value < 0:
        raise PoofError(f"{where}: frame {value!r:.20} is negative; frames count from 0")
    if value > _LAST_FRAME or value != int(value):
        raise PoofError(f"{where}: {value!r:.20} is no frame number; frames are whole numbers and count from 0")
    return int(value)


def frames_of(path: Path, images: Sequence[str], choice: Choice) -> dict[str, int]:
    """The frame of each image, for the images of one video.

    When the images lie in several folders, each folder is one video: the one that `choice.video` names is taken and
    the images of the others are left out. A name that is among `choice.frame_names` (with its ending or, where that
    is unique, without) has that place as its frame; otherwise the last number in the name is the frame.

    Returns
    -------
    dict
        Image, as spelled in `images`, -> frame.

    Raises
    ------
    PoofError
        If there are several folders and none is chosen, a name has no number and no match, only some names match,
        or two images are the same frame.
    """
    images = list(dict.fromkeys(images))
    chosen = _of_one_video(path, images, choice.video)
    frames = _matched(path, chosen, choice.frame_names) if choice.frame_names else None
    if frames is None:
        frames = {}
        for image, number in numbers_of(path, chosen).items():
            frames[image] = frame_number(number, f"{path}: image '{image}'")
    taken: dict[int, str] = {}
    for image, frame in frames.items():
        if frame in taken:
            raise PoofError(
                f"{path}: frame {frame}: both '{taken[frame]}' and '{image}' are this frame; keep one of them"
            )
        taken[frame] = image
    return frames


def is_of_video(images: Iterable[str], video: str) -> bool:
    """Whether some of the images lie in the folder of `video`, or none of them in any folder."""
    folders = {folder_of(image) for image in images} - {""}
    return not folders or any(_holds(folder, video) for folder in folders)


def _holds(folder: str, video: str) -> bool:
    """Whether a folder bears the name of a video, which may be a path and have an ending."""
    return bool({Path(video).name, Path(video).stem} & set(folder.split("/")))


def _of_one_video(path: Path, images: list[str], video: str | None) -> list[str]:
    """The images of the chosen folder, or all of them when they lie in one."""
    folders = list(dict.fromkeys(folder_of(image) for image in images))
    if len(folders) <= 1:
        return images
    matching = [folder for folder in folders if video and _holds(folder, video)]
    if len(matching) == 1:
        return [image for image in images if folder_of(image) == matching[0]]
    short = {folder.split("/")[-1] or "(none)" for folder in folders}
    names = ", ".join(sorted(short if len(short) == len(folders) else folders))
    asked = f"; '{video}' is {'several' if matching else 'none'} of them" if video else ""
    raise PoofError(f"{path}: holds the images of several videos ({names}){asked}; choose one by its name (--video)")


def _matched(path: Path, images: list[str], frame_names: Sequence[str]) -> dict[str, int] | None:
    """Image -> its place in `frame_names`; None, with a warning, when none of them is there."""
    by_name = {base_name(name): frame for frame, name in enumerate(frame_names)}
    by_stem: dict[str, int | None] = {}
    for name, frame in by_name.items():
        stem = Path(name).stem
        by_stem[stem] = None if stem in by_stem else frame
    found: dict[str, int] = {}
    missing: list[str] = []
    for image in images:
        name = base_name(image)
        place = by_name.get(name, by_stem.get(Path(name).stem))
        if place is None:
            missing.append(image)
        else:
            found[image] = place
    if missing:
        from poof.labels.naming import lacking

        raise PoofError(lacking(path, missing[0], frame_names))
    return found
