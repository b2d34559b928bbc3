"""The lists of UCF101, HMDB51 and Something-Something as their authors publish them."""

from __future__ import annotations

import json
from pathlib import Path

from poof.errors import PoofError
from poof.recog.data.lists.base import ClipList, Options, Record, number, read_lines, resolve

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
        names[name] = number(index, line, "class number") - 1
    records = []
    for line, text in read_lines(path):
        video = text.split()[0]
        label = names.get(Path(video).parts[0])
        if label is None:
            raise PoofError(f"{line}: {path.parent / 'classInd.txt'} has no class '{Path(video).parts[0]}'")
        # The videos' own folder is mostly called UCF-101 and lies beside that of the lists.
        found = resolve(video, path, options)
        if not found.exists():
            found = resolve(f"UCF-101/{video}", path, options)
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
            video, _, flag = text.rpartition(" ")
            if flag == wanted:
                records.append(Record(resolve(f"{labels[label]}/{video.strip()}", path, options), label, line=line))
    return ClipList(tuple(records), labels, str(path))


def something_v1(path: Path, options: Options) -> ClipList:
    """`id;label text` a line; folders of images by id. Classes are the sorted texts (as TSM, TEA and TDN number them).

    The other numbering, that of the published `*-labels.csv`, is had by giving its lines as `options.labels`.
    """
    rows = [(line, *text.partition(";")[::2]) for line, text in read_lines(path)]
    labels = options.labels
    if labels is None:
        beside = sorted(path.parent.glob("*-labels.csv"))
        texts = [text for _, text in read_lines(beside[0])] if beside else [label for _, _, label in rows]
        labels = tuple(sorted(set(texts)))
    return _something(rows, labels, path, options)


def something_v2(path: Path, options: Options) -> ClipList:
    """The JSON of V2: `id` and `template` (its brackets are dropped); videos by id. Classes from `*labels.json`."""
    try:
        content = json.loads(path.read_text())
        rows = [(f"{path} entry {i}", str(e["id"]), e["template"]) for i, e in enumerate(content)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PoofError(f"{path}: is no list of Something-Something V2 (entries need id and template)") from error
    rows = [(line, video, text.replace("[", "").replace("]", "")) for line, video, text in rows]
    labels = options.labels
    if labels is None:
        beside = [p for p in sorted(path.parent.glob("*labels.json")) if p != path]
        if beside:
            numbers = json.loads(beside[0].read_text())
            labels = tuple(sorted(numbers, key=lambda name: int(numbers[name])))
        else:
            labels = tuple(sorted({text for _, _, text in rows}))
    return _something(rows, labels, path, options)


def _something(rows: list[tuple[str, str, str]], labels: tuple[str, ...], path: Path, options: Options) -> ClipList:
    numbering = {label: i for i, label in enumerate(labels)}
    records = []
    for line, video, text in rows:
        if text not in numbering:
            raise PoofError(f"{line}: there is no class '{text}' among the {len(labels)} labels")
        found = resolve(video, path, options)
        for suffix in VIDEO_SUFFIXES:
            if not found.exists():
                found = resolve(video + suffix, path, options)
        if not found.exists():
            found = resolve(video, path, options)
        records.append(Record(found, numbering[text], line=line))
    return ClipList(tuple(records), labels, str(path))
