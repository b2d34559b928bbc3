"""CSV lists: poof's own (path, label), Kinetics' and SlowFast's frame tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from poof.errors import PoofError
from poof.recog.data.lists.base import ClipList, Options, Record, number, resolve

VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi")


def csv_list(path: Path, options: Options) -> ClipList:
    """Columns `path,label` and where wanted `start,count,split`; labels are names or numbers.

    Names are numbered in alphabetical order unless `options.labels` says otherwise. With a `split` column only the
    rows of `options.part` are taken.
    """
    table = _read(path)
    _need(table, path, ("path", "label"))
    numbering = _numbering(table["label"], options, path)
    records = []
    for row in table.to_dict("records"):
        line = f"{path} line {row['line']}"
        if "split" in table and row["split"] != options.part:
            continue
        start = number(row["start"], line, "start frame") if row.get("start") else 0
        count = number(row["count"], line, "number of frames") if row.get("count") else None
        label = _label(row["label"], numbering, line)
        records.append(Record(resolve(row["path"], path, options), label, start, count, line))
    return ClipList(tuple(records), tuple(numbering), str(path))


def kinetics_csv(path: Path, options: Options) -> ClipList:
    """`label,youtube_id[,time_start,time_end],split` (Kinetics, HACS); clips as the usual downloaders name them.

    A clip is sought as root/label/id_start_end.mp4 (six digits each), root/label/id.mp4, and both without the label.
    """
    table = _read(path).rename(columns={"id": "youtube_id"})
    _need(table, path, ("label", "youtube_id"))
    numbering = _numbering(table["label"], options, path)
    root = options.root or path.parent
    records = []
    for row in table.to_dict("records"):
        line = f"{path} line {row['line']}"
        if "split" in table and {"validate": "test", "val": "test"}.get(row["split"], row["split"]) != options.part:
            continue
        stems = [row["youtube_id"]]
        if row.get("time_start") and row.get("time_end"):
            first, last = (int(float(row[key])) for key in ("time_start", "time_end"))
            stems.insert(0, f"{row['youtube_id']}_{first:06d}_{last:06d}")
        folders = [root / row["label"], root / row["label"].replace(" ", "_"), root]
        tried = [folder / (stem + suffix) for folder in folders for stem in stems for suffix in VIDEO_SUFFIXES]
        found = next((file for file in tried if file.exists()), tried[0])
        records.append(Record(found, _label(row["label"], numbering, line), line=line))
    return ClipList(tuple(records), tuple(numbering), str(path))


def slowfast_csv(path: Path, options: Options) -> ClipList:
    """`original_vido_id video_id frame_id path labels`, one row a frame (SlowFast's and PyTorchVideo's spelling)."""
    table = _read(path, r"\s+")
    _need(table, path, ("original_vido_id", "path", "labels"))
    records = []
    for name, rows in table.groupby("original_vido_id", sort=False):
        line = f"{path} line {rows['line'].iloc[0]}"
        label = number(str(rows["labels"].iloc[0]).strip('"'), line, "label")
        records.append(Record(resolve(str(name), path, options), label, 0, len(rows), line))
    labels = options.labels or tuple(f"class {i}" for i in range(max(r.label for r in records) + 1))
    return ClipList(tuple(records), labels, str(path))


def _read(path: Path, separator: str = ",") -> pd.DataFrame:
    try:
        table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, engine="python")
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise PoofError(f"{path}: cannot be read as a table ({str(error).splitlines()[0]})") from error
    table["line"] = range(2, len(table) + 2)
    return table


def _need(table: pd.DataFrame, path: Path, columns: tuple[str, ...]) -> None:
    for column in columns:
        if column not in table:
            raise PoofError(f"{path}: has no column '{column}'; it has {', '.join(map(str, table.columns[:-1]))}")


def _numbering(values: pd.Series, options: Options, path: Path) -> dict[str, int]:
    names = options.labels
    if names is None:
        numeric = all(value.isdigit() for value in values)
        top = max((int(value) for value in values), default=-1) + 1 if numeric else 0
        names = tuple(str(i) for i in range(top)) if numeric else tuple(sorted(set(values)))
    return {name: i for i, name in enumerate(names)}


def _label(value: str, numbering: dict[str, int], line: str) -> int:
    if value in numbering:
        return numbering[value]
    if value.isdigit():
        return int(value)
    raise PoofError(f"{line}: there is no class '{value}' among the {len(numbering)} labels")
