"""Lists of clips and tables of boxes: damaged ones are read right or refused in one line, and name what is there."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path

from harness import Fault, check_folder, check_message
from mutations import HOSTILE_TEXT, Rng, damage_bytes, damage_json, damage_table, json_bytes, pick

from poof.errors import PoofError, PoofWarning
from poof.pose.instance_boxes import boxes_from_file
from poof.recog.data.lists import FORMATS, ClipList, read_list

CLIPS = ("a/x.mp4", "a/y.mp4", "b/z, w.mp4", "b/10.webm")


def trial(rng: Rng, folder: Path) -> None:
    """One list."""
    for clip in CLIPS:
        path = folder / clip
        path.parent.mkdir(exist_ok=True)
        path.touch()
    if rng.random() < 0.1:
        _boxes(rng, folder)
        return
    name, format, data = _list(rng)
    path = folder / name
    path.write_bytes(damage_bytes(data, rng) if rng.random() < 0.15 else data)
    if rng.random() < 0.2:
        (folder / "labels.txt").write_bytes(f"walk\nrun\n{pick(rng, HOSTILE_TEXT)}\n".encode("utf-8", "replace"))
    before = {p.name for p in folder.iterdir()}
    form = pick(rng, (format, format, format, "auto", pick(rng, tuple(FORMATS))))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = read_list(path, format=form, max_broken=float(pick(rng, (0, 0, 0.5, 1))))
        except PoofError as error:
            check_message(str(error))
            found = None
    for warning in caught:
        if not issubclass(warning.category, PoofWarning):
            raise Fault("wrong", f"{warning.category.__name__}: {warning.message!s:.150}")
        check_message(str(warning.message))
    if found is not None:
        _check(found, folder)
    check_folder(folder, before)


def _check(found: ClipList, folder: Path) -> None:
    """Every clip is there and below the list's folder, every label is in its range, every name can be shown."""
    if not found.records:
        raise Fault("wrong", "a list without clips")
    for record in found.records:
        if not record.path.exists():
            raise Fault("wrong", f"{record.path} is not there")
        if not 0 <= record.label < len(found.labels):
            raise Fault("wrong", f"label {record.label} of {len(found.labels)}")
        if record.start < 0 or (record.count is not None and not 0 < record.count < 1e9):
            raise Fault("wrong", f"frames {record.start}, {record.count}")
    for label in found.labels:
        if not label.isprintable() or len(label) > 300:
            raise Fault("escape", f"class {label[:50]!r}")
    if len(set(found.labels)) != len(found.labels):
        raise Fault("wrong", "two classes of one name")


def _list(rng: Rng) -> tuple[str, str, bytes]:
    """A damaged list: name, its own format, content."""
    rows = [CLIPS[int(i)] for i in rng.integers(0, len(CLIPS), int(rng.integers(1, 6)))]
    label = [int(rng.integers(0, 3)) for _ in rows]
    kind = pick(
        rng, ("videos", "frames", "span", "offset", "csv", "kinetics", "slowfast", "something-v1", "something-v2")
    )
    if kind == "something-v2":
        entries = [{"id": Path(row).stem, "template": f"Moving [{n}] up"} for row, n in zip(rows, label)]
        return "sth.json", kind, json_bytes(damage_json(entries, rng))
    names = [pick(rng, ("walk", "run", n)) for n in label]
    tables = {
        "csv": ["path,label,start,count,split", *(f'"{r}",{n},0,5,train' for r, n in zip(rows, names))],
        "kinetics": ["label,youtube_id,time_start,time_end,split", *(f"b,{Path(r).stem},0,10,train" for r in rows)],
        "slowfast": ["original_vido_id video_id frame_id path labels",
                     *(f'"{r}" {i} 0 {r}/1.jpg "{n}"' for i, (r, n) in enumerate(zip(rows, label)))],
        "videos": [f"{r} {n}" for r, n in zip(rows, label)],
        "frames": [f"{r} 12 {n}" for r, n in zip(rows, label)],
        "span": [f"{r};1;12;{n}" for r, n in zip(rows, label)],
        "offset": [f"{r} 3 12 {n}" for r, n in zip(rows, label)],
        "something-v1": [f"{Path(r).stem};moving up {n}" for r, n in zip(rows, label)],
    }  # fmt: skip
    text = "\n".join(tables[kind]) + "\n"
    if kind in ("csv", "kinetics"):
        return "list.csv", kind, damage_table(text, rng).encode("utf-8", "surrogatepass")
    separator = ";" if kind in ("span", "something-v1") else " "
    damaged = damage_table(text.replace(",", "\x7f").replace(separator, ","), rng)
    return "list.txt", kind, damaged.replace(",", separator).replace("\x7f", ",").encode("utf-8", "surrogatepass")


def _boxes(rng: Rng, folder: Path) -> None:
    """A table of people's boxes."""
    path = folder / pick(rng, ("boxes.csv", "boxes.json"))
    rows = [(int(rng.integers(20)), *rng.uniform(0, 40, 4).round(2).tolist()) for _ in range(4)]
    if path.suffix == ".csv":
        text = "frame,x,y,width,height\n" + "\n".join(",".join(map(str, row)) for row in rows)
        path.write_bytes(damage_table(text, rng).encode("utf-8", "surrogatepass"))
    else:
        entries = [{"image_id": r[0], "category_id": 1, "bbox": list(r[1:]), "score": 0.9} for r in rows]
        path.write_text(json.dumps(damage_json(entries, rng)))
    try:
        with warnings.catch_warnings(action="ignore"):
            boxes = boxes_from_file(path)
    except PoofError as error:
        check_message(str(error))
        return
    for frame in range(20):
        for box in boxes.at(frame).values():
            if not all(math.isfinite(v) and abs(v) <= 1e7 for v in box.tolist()):
                raise Fault("wrong", f"frame {frame}: the box {box.tolist()}")
