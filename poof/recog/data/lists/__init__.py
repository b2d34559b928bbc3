"""Lists of labelled clips. One file per family of formats; to add one: a function, a line in `FORMATS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from poof.errors import PoofError
from poof.recog.data.lists.base import ClipList, Options, Record, read_lines
from poof.recog.data.lists.benchmarks import hmdb51, something_v1, something_v2, ucf101
from poof.recog.data.lists.folders import class_folders
from poof.recog.data.lists.tables import csv_list, kinetics_csv, slowfast_csv
from poof.recog.data.lists.text import frames_list, offset_list, span_list, video_list

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

    Raises
    ------
    PoofError
        If the list cannot be read, or a line names no file or a label out of range; the line is named.
    """
    path = Path(path)
    if not path.exists():
        raise PoofError(f"{path}: there is no such list or folder")
    if part not in ("train", "test"):
        raise PoofError(f"part={part}: choose train or test")
    if format != "auto" and format not in FORMATS:
        raise PoofError(f"unknown list format '{format}'; there are {', '.join(FORMATS)}")
    options = Options(None if root is None else Path(root), None if labels is None else tuple(labels), part, split)
    if options.labels is None and path.is_file() and (path.parent / "labels.txt").is_file():
        options = Options(options.root, tuple(read_labels(path.parent / "labels.txt")), part, split)
    return FORMATS[detect(path) if format == "auto" else format](path, options).checked()


def detect(path: Path) -> str:
    """The format of a list, by its looks."""
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
    numbers = [part.strip().isdigit() for part in first.replace(";", " ").replace(",", " ").split()[-3:]]
    if numbers == [True, True, True] and len(first.replace(";", " ").split()) >= 4:
        return "span"
    return "frames" if numbers[-2:] == [True, True] and len(numbers) == 3 else "videos"


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
            lines.append(f"{name.as_posix()} {record.label}\n")
        temporary.write_text("".join(lines))
    with atomic(path.parent / "labels.txt") as temporary:
        temporary.write_text("".join(f"{label}\n" for label in clips.labels))
