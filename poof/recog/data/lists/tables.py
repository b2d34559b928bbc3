"""CSV lists: poof's own (path, label), Kinetics' and SlowFast's frame tables."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from poof.errors import PoofError
from poof.recog.data.lists.base import (
    ClipList,
    Options,
    Record,
    check_class_names,
    check_file_name,
    frame_count,
    frame_number,
    label_number,
    names_for,
    number,
    read_text,
    resolve,
    shown,
)

VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi")
Row = dict[str, str]


def csv_list(path: Path, options: Options) -> ClipList:
    """Columns `path,label` and where wanted `start,count,split`; labels are names or numbers.

    Names are numbered in alphabetical order unless `options.labels` says otherwise. With a `split` column only the
    rows of `options.part` are taken.
    """
    rows = _read(path, options, ("path", "label"))
    numbering = _numbering([row["label"] for _, row in rows], options, path)
    records = []
    for line, row in rows:
        if row.get("split", options.part) != options.part:
            continue
        with options.row():
            start = frame_number(row["start"], line) if row.get("start") else 0
            count = frame_count(row["count"], line) if row.get("count") else None
            label = _label(row["label"], numbering, line)
            records.append(Record(resolve(row["path"], path, options, line), label, start, count, line))
    return ClipList(tuple(records), tuple(numbering), str(path))


def kinetics_csv(path: Path, options: Options) -> ClipList:
    """`label,youtube_id[,time_start,time_end],split` (Kinetics, HACS); clips as the usual downloaders name them.

    A clip is sought as root/label/id_start_end.mp4 (six digits each), root/label/id.mp4, and both without the label.
    """
    rows = _read(path, options, ("label", "youtube_id"), {"id": "youtube_id"})
    numbering = _numbering([row["label"] for _, row in rows], options, path)
    root = options.root or path.parent
    records = []
    for line, row in rows:
        part = row.get("split", options.part)
        if {"validate": "test", "val": "test"}.get(part, part) != options.part:
            continue
        with options.row():
            stems = [row["youtube_id"]]
            check_file_name(row["youtube_id"], line)
            check_file_name(row["label"], line)
            if row.get("time_start") and row.get("time_end"):
                first, last = (_seconds(row[key], line) for key in ("time_start", "time_end"))
                stems.insert(0, f"{row['youtube_id']}_{first:06d}_{last:06d}")
            folders = [root / row["label"], root / row["label"].replace(" ", "_"), root]
            tried = [folder / (stem + suffix) for folder in folders for stem in stems for suffix in VIDEO_SUFFIXES]
            found = next((file for file in tried if file.exists()), tried[0])
            records.append(Record(found, _label(row["label"], numbering, line), line=line))
    return ClipList(tuple(records), tuple(numbering), str(path))


def slowfast_csv(path: Path, options: Options) -> ClipList:
    """`original_vido_id video_id frame_id path labels`, one row a frame (SlowFast's and PyTorchVideo's spelling)."""
    rows = _read(path, options, ("original_vido_id", "path", "labels"), separator=" ")
    clips: dict[str, list[tuple[str, Row]]] = {}
    for line, row in rows:
        clips.setdefault(row["original_vido_id"], []).append((line, row))
    records = []
    for name, frames in clips.items():
        line, first = frames[0]
        with options.row():
            other = next((line for line, row in frames if row["labels"] != first["labels"]), None)
            if other is not None:
                raise PoofError(f"{other}: another label than in {line}; one label a clip is supported")
            label = label_number(first["labels"].strip('"'), line)
            records.append(Record(resolve(name, path, options, line), label, 0, len(frames), line))
    return ClipList(tuple(records), names_for(records, options.labels), str(path))


def _read(
    path: Path, options: Options, columns: tuple[str, ...], renamed: dict[str, str] | None = None, separator: str = ","
) -> list[tuple[str, Row]]:
    """(where, fields by column) of every row; rows with more or fewer fields than the header are bad rows."""
    lines = read_text(path).splitlines()
    if separator == " ":
        lines = [" ".join(line.split()) for line in lines]
    reader = csv.reader(lines, delimiter=separator, strict=True)
    rows: list[tuple[str, Row]] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        header = [(renamed or {}).get(name, name) for name in header]
        for column in columns:
            if column not in header:
                raise PoofError(f"{path}: has no column '{column}'; it has {shown(', '.join(header))}")
        for fields in reader:
            line = f"{path} line {reader.line_num}"
            if not any(field.strip() for field in fields):
                continue
            with options.row():
                if len(fields) != len(header):
                    raise PoofError(
                        f"{line}: {len(fields)} fields, the header has {len(header)}; put names with commas into quotes"
                    )
                rows.append((line, dict(zip(header, (field.strip() for field in fields)))))
    except csv.Error as error:
        raise PoofError(f"{path} line {reader.line_num}: cannot be read as a table ({error})") from error
    return rows


def _numbering(values: list[str], options: Options, path: Path) -> dict[str, int]:
    names = options.labels
    if names is None:
        numeric = all(re.fullmatch("[0-9]{1,9}", value) for value in values)
        top = max((int(value) for value in values), default=-1) + 1 if numeric else 0
        # Labels beyond all reason are told of with their lines.
        names = tuple(str(i) for i in range(min(top, 100_000))) if numeric else tuple(sorted(set(values)))
    check_class_names(names, str(path))
    return {name: i for i, name in enumerate(names)}


def _label(value: str, numbering: dict[str, int], line: str) -> int:
    if value in numbering:
        return numbering[value]
    if re.fullmatch("[0-9]+", value):
        return label_number(value, line)
    raise PoofError(f"{line}: there is no class '{shown(value, 60)}' among the {len(numbering)} labels")


def _seconds(text: str, line: str) -> int:
    """Whole seconds of a time such as 12 or 12.5."""
    whole, _, rest = text.partition(".")
    if rest and not rest.isdigit():
        raise PoofError(f"{line}: '{shown(text, 40)}' is no time in seconds")
    return number(whole, line, "time in seconds", 0, 1_000_000)
