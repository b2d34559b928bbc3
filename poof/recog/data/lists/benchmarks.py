"""The lists of UCF101, HMDB51 and Something-Something as their authors publish them."""

from __future__ import annotations

import json
from pathlib import Path

from poof.errors import PoofError
from poof.recog.data.lists.base import (
    MAX_CLASSES,
    ClipList,
    Options,
    Record,
    check_class_names,
    number,
    read_lines,
    read_text,
    resolve,
    shown,
)

VIDEO_SUFFIXES = (".webm", ".mp4", ".avi")


def ucf101(path: Path, options: Options) -> ClipList:
    """`trainlist01.txt` (`Class/video.avi number`) or `testlist01.txt` (no number), `classInd.txt` beside it.

    `path` is one of the lists, or their folder, where part and split choose. Numbers count from 1.
    """
    if path.is_dir():
        path = path / f"{options.part}list{options.split:02d}.txt"
    names: dict[str, int] = {}
    for line, text in read_lines(path.parent / "classInd.txt"):
        index, _, name = text.partition(" ")
        names[name.strip()] = number(index, line, "class number", 1, MAX_CLASSES) - 1
    if sorted(names.values()) != list(range(len(names))):
        raise PoofError(f"{path.parent / 'classInd.txt'}: the classes are not numbered from 1 without a gap")
    records = []
    for line, text in read_lines(path):
        with options.row():
            video, _, last = text.rpartition(" ")
            video = video.strip() if last.isdigit() and video else text
            name = video.split("/")[0]
            label = names.get(name)
            if label is None:
                raise PoofError(f"{line}: {path.parent / 'classInd.txt'} has no class '{shown(name, 60)}'")
            # The videos' own folder is mostly called UCF-101 and lies beside that of the lists.
            found = resolve(video, path, options, line)
            if not found.exists():
                found = resolve(f"UCF-101/{video}", path, options, line)
            records.append(Record(found, label, line=line))
    return ClipList(tuple(records), tuple(sorted(names, key=lambda name: names[name])), str(path))


def hmdb51(path: Path, options: Options) -> ClipList:
    """A folder of `class_test_split1.txt` files, `video.avi flag` a line: 1 trains, 2 tests, 0 neither."""
    files = sorted(path.glob(f"*_test_split{options.split}.txt"))
    if not files:
        raise PoofError(f"{path}: has no list '<class>_test_split{options.split}.txt'")
    labels = tuple(file.name.removesuffix(f"_test_split{options.split}.txt") for file in files)
    wanted = {"train": "1", "test": "2"}.get(options.part)
    records = []
    for label, file in enumerate(files):
        for line, text in read_lines(file):
            with options.row():
                video, _, flag = text.rpartition(" ")
                if flag not in ("0", "1", "2"):
                    raise PoofError(f"{line}: expected 'video flag' with the flag 0, 1 or 2, got '{shown(text, 60)}'")
                if flag == wanted:
                    found = resolve(f"{labels[label]}/{video.strip()}", path, options, line)
                    records.append(Record(found, label, line=line))
    return ClipList(tuple(records), labels, str(path))


def something_v1(path: Path, options: Options) -> ClipList:
    """`id;label text` a line; folders of images by id. Classes are the sorted texts (as TSM, TEA and TDN number them).

    The other numbering, that of the published `*-labels.csv`, is had by giving its lines as `options.labels`.
    """
    rows = []
    for line, text in read_lines(path):
        with options.row():
            video, semicolon, label = text.partition(";")
            if not semicolon:
                raise PoofError(f"{line}: expected 'id;label text', got '{shown(text, 60)}'")
            rows.append((line, video.strip(), label.strip()))
    labels = options.labels
    if labels is None:
        beside = sorted(path.parent.glob("*-labels.csv"))
        texts = [text for _, text in read_lines(beside[0])] if beside else [label for _, _, label in rows]
        labels = tuple(sorted(set(texts)))
    return _something(rows, labels, path, options)


def something_v2(path: Path, options: Options) -> ClipList:
    """The JSON of V2: `id` and `template` (its brackets are dropped); videos by id. Classes from `*labels.json`."""
    content = _json(path)
    if not isinstance(content, list):
        raise PoofError(f"{path}: is no list of Something-Something V2 (a JSON list of entries with id and template)")
    rows = []
    for i, entry in enumerate(content):
        with options.row():
            entry = entry if isinstance(entry, dict) else {}
            video, text = entry.get("id"), entry.get("template")
            if not isinstance(video, (str, int)) or not isinstance(text, str):
                raise PoofError(f"{path} entry {i}: needs an id and a template (texts)")
            rows.append((f"{path} entry {i}", str(video), text.replace("[", "").replace("]", "")))
    labels = options.labels
    if labels is None:
        beside = [p for p in sorted(path.parent.glob("*labels.json")) if p != path]
        if beside:
            numbers = _json(beside[0])
            if not isinstance(numbers, dict):
                raise PoofError(f"{beside[0]}: is no table of class names and numbers")
            order = {
                name: number(str(i), f"{beside[0]}: {shown(name, 60)}", "class number", 0)
                for name, i in numbers.items()
            }
            labels = tuple(sorted(order, key=lambda name: order[name]))
        else:
            labels = tuple(sorted({text for _, _, text in rows}))
    return _something(rows, labels, path, options)


def _json(path: Path) -> object:
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise PoofError(f"{path}: is no JSON ({shown(error, 60)})") from error


def _something(rows: list[tuple[str, str, str]], labels: tuple[str, ...], path: Path, options: Options) -> ClipList:
    check_class_names(labels, str(path))
    numbering = {label: i for i, label in enumerate(labels)}
    records = []
    for line, video, text in rows:
        with options.row():
            if text not in numbering:
                raise PoofError(f"{line}: there is no class '{shown(text, 60)}' among the {len(labels)} labels")
            found = resolve(video, path, options, line)
            for suffix in VIDEO_SUFFIXES:
                if not found.exists():
                    found = resolve(video + suffix, path, options, line)
            if not found.exists():
                found = resolve(video, path, options, line)
            records.append(Record(found, numbering[text], line=line))
    return ClipList(tuple(records), labels, str(path))
