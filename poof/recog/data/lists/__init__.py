"""Lists of labelled clips. One file per family of formats; to add one: a function, a line in `FORMATS`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from poof.errors import PoofError, names_near, not_there
from poof.recog.data.lists.base import ClipList, Options, Record, check_class_names, read_lines, resolve, shown
from poof.recog.data.lists.benchmarks import hmdb51, something_v1, something_v2, ucf101
from poof.recog.data.lists.folders import VIDEOS, class_folders
from poof.recog.data.lists.tables import csv_list, kinetics_csv, slowfast_csv
from poof.recog.data.lists.text import frames_list, offset_list, span_list, split_fields, video_list

__all__ = ["FORMATS", "ClipList", "Options", "Record", "read_labels", "read_list", "write_list"]

FORMATS: dict[str, Callable[[Path, Options], ClipList]] = {
    "folders": class_folders,
    "frames": frames_list,
    "videos": video_list,
    "span": span_list,
    "offset": offset_list,
    "csv": csv_list,
    "kinetics": kinetics_csv,
    "slowfast": slowfast_csv,
    "ucf101": ucf101,
    "hmdb51": hmdb51,
    "something-v1": something_v1,
    "something-v2": something_v2,
}


def read_list(
    path: Path | str,
    *,
    root: Path | str | None = None,
    labels: Sequence[str] | None = None,
    part: str = "train",
    split: int = 1,
    format: str = "auto",
    max_broken: float = 0.0,
) -> ClipList:
    """Records and class names of a list, checked: every file is there, every label in range.

    Parameters
    ----------
    path
        A list file, or a folder (of classes, of UCF101's or HMDB51's lists).
    root
        Folder that the list's paths start from; without it the list's folder and those above it are tried.
    labels
        Class names in order of their numbers; without them the list or the files beside it tell.
    part
        'train' or 'test', for formats that hold both.
    split
        Number of the split, for formats that hold several.
    format
        A name in `FORMATS`, or 'auto': by the file's ending, its neighbours and its first line.
    max_broken
        Share of the rows that may be bad (a file missing, a label out of range, fields missing): they are left out,
        with a warning, and stand in `ClipList.bad`.

    Raises
    ------
    PoofError
        If the list cannot be read, or more rows are bad; the first one's line is named.
    """
    path = Path(path)
    try:
        there = path.exists()
    except (OSError, ValueError):  # a name too long, or none of a file
        there = False
    if not there:
        raise not_there(path, "list or folder")
    if part not in ("train", "test"):
        raise PoofError(f"part={part}: choose train or test")
    if format != "auto" and format not in FORMATS:
        raise PoofError(f"unknown list format '{format}'; there are {names_near(format, FORMATS)}")
    if format == "auto":
        path = _list_in(path, part)
    options = Options(None if root is None else Path(root), None if labels is None else tuple(labels), part, split)
    if options.labels is None and path.is_file() and (path.parent / "labels.txt").is_file():
        options = replace(options, labels=tuple(read_labels(path.parent / "labels.txt")))
    if options.labels is not None:
        check_class_names(options.labels, "--labels" if labels is not None else str(path.parent / "labels.txt"))
    found = FORMATS[detect(path, options) if format == "auto" else format](path, options)
    return replace(found, bad=tuple(options.bad)).checked(max_broken)


def _list_in(path: Path, part: str) -> Path:
    """The list of a part, `train.txt` say, of a folder that has lists and no class folders; else the path itself."""
    for name in (part, {"test": "val"}.get(part, part)):
        found = path / f"{name}.txt"
        if found.is_file() and not any(p.is_dir() for p in _entries(path / name)):
            return found
    return path


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def detect(path: Path, options: Options | None = None) -> str:
    """The format of a list, by its looks.

    Raises
    ------
    PoofError
        If it is empty, or may as well hold several labels a clip.
    """
    if path.is_dir():
        if (path / "classInd.txt").is_file():
            return "ucf101"
        return "hmdb51" if any(path.glob("*_test_split[0-9].txt")) else "folders"
    if (path.parent / "classInd.txt").is_file() and path.name != "classInd.txt":
        return "ucf101"
    if path.suffix == ".json":
        return "something-v2"
    lines = read_lines(path)
    if not lines:
        raise PoofError(f"{path}: lists no clip")
    first = lines[0][1]
    if path.suffix == ".csv":
        head = first.split(",")
        if "youtube_id" in head:
            return "kinetics"
        if "original_vido_id" in first:
            return "slowfast"
        if ";" in first and "," not in first.partition(";")[0]:
            return "something-v1"
        return "csv"
    if ";" in first and first.count(";") == 1:
        return "something-v1"
    return _by_numbers(path, lines, options or Options())


def _by_numbers(path: Path, lines: list[tuple[str, str]], options: Options) -> str:
    """'span', 'frames' or 'videos': by how many numbers stand behind the name, if the name is then that of a file."""
    line, first = lines[0]
    numbers = 0
    for part in reversed(re.split(r"[\s,;]+", first)[1:]):
        numbers += bool(re.fullmatch("[0-9]+", part))
        if not re.fullmatch("[0-9]+", part):
            break
    for format, fields, separator in (("span", 4, ";"), ("frames", 3, ",")):
        if numbers < fields - 1:
            continue
        name = (split_fields(first, separator, fields) or [""])[0]
        # A folder may be called 'run 5': then fewer numbers are meant.
        shorter = (split_fields(first, ",", fields - 1) or [""])[0]
        if not _is_there(name, path, options) and _is_there(shorter, path, options):
            continue
        if Path(name).suffix.lower() in VIDEOS - {".npy"} and not _is_folder(name, path, options):
            raise PoofError(
                f"{line}: {fields - 1} numbers behind a video: lists with several labels a clip are not supported; "
                f"if they count frames, say --format {format}"
            )
        return format
    return "videos"


def _is_there(name: str, path: Path, options: Options) -> bool:
    try:
        return resolve(name, path, options).exists()
    except PoofError:
        return False


def _is_folder(name: str, path: Path, options: Options) -> bool:
    try:
        return resolve(name, path, options).is_dir()
    except PoofError:
        return False


def read_labels(path: Path | str) -> list[str]:
    """Class names, one a line, in order of their numbers."""
    return [text for _, text in read_lines(Path(path))]


def write_list(clips: ClipList, path: Path) -> None:
    """Write a list that `read_list` reads (`path label` a line), and labels.txt beside it."""
    from poof.files import atomic

    folder = path.parent.resolve()
    with atomic(path) as temporary:
        lines = []
        for record in clips.records:
            file = record.path.resolve()
            name = file.relative_to(folder) if file.is_relative_to(folder) else file
            text = name.as_posix()
            if not text.isprintable():
                raise PoofError(f"{shown(text)}: cannot stand in a list; rename it")
            text = f"./{text}" if text[0] in "# " else text
            lines.append(f"{text} {record.label}\n")
        temporary.write_text("".join(lines))
    with atomic(path.parent / "labels.txt") as temporary:
        temporary.write_text("".join(f"{label}\n" for label in clips.labels))
