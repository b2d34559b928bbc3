"""Label files on the command line: which prediction belongs to which labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from poof.errors import PoofError
from poof.files import there
from poof.labels import LabelSet, load_labels


def load_pairs(
    predictions: Sequence[str], labels: Sequence[str | Path]
) -> tuple[dict[str, dict[str, LabelSet]], dict[str, LabelSet]]:
    """Read the files of predictions and labels and bring them together by video.

    Parameters
    ----------
    predictions
        One text for each prediction, `[NAME=]PATH[,PATH...]`: as many files as there are labels, in their order, or a
        folder, in which the files have the stems of the labels' files. A prediction is called as its file or folder
        unless a name is given.
    labels
        One label file for each video.

    Returns
    -------
    predictions, labels
        Name -> video -> label set, and video -> label set, as `evaluate` takes them. A video is called after the stem
        of its labels' file.

    Raises
    ------
    PoofError
        If the numbers of files differ, a file of a folder is missing, two predictions have one name or a file cannot be
        read.
    """
    if not predictions or not labels:
        raise PoofError("name at least one prediction and one file of labels")
    files = [Path(label) for label in labels]
    videos = _distinct(files, "labels")
    named: dict[str, list[Path]] = {}
    for text in predictions:
        name, paths = _parse(text, files)
        if name in named:
            raise PoofError(f"{text}: a second prediction called '{name}'; name them, e.g. new={paths[0]}")
        if len(paths) != len(files):
            raise PoofError(
                f"{text}: {len(paths)} files for {len(files)} of labels; write PATH,PATH in their order, or a folder"
            )
        named[name] = paths
    truth = {video: load_labels(file) for video, file in zip(videos, files)}
    return {name: {v: load_labels(p) for v, p in zip(videos, paths)} for name, paths in named.items()}, truth


def _parse(text: str, labels: Sequence[Path]) -> tuple[str, list[Path]]:
    """Name and files of one prediction."""
    name = ""
    if "=" in text and not all(there(path) for path in _paths(text)):
        name, text = text.split("=", 1)
    paths = _paths(text)
    name = name or paths[0].name
    if len(paths) == 1 and paths[0].is_dir():
        return name, [_in_folder(paths[0], label) for label in labels]
    return name, paths


def paths_of(text: str) -> list[Path]:
    """The files that a prediction on the command line may mean, its name left out or taken for part of one."""
    return [*_paths(text), *_paths(text.split("=", 1)[-1])]


def _paths(text: str) -> list[Path]:
    return [Path(text)] if there(Path(text)) else [Path(part) for part in text.split(",")]


def _in_folder(folder: Path, label: Path) -> Path:
    """The file of a folder with the stem of a labels' file; the same ending wins."""
    found = sorted(p for p in folder.iterdir() if p.stem == label.stem and p.is_file())
    found.sort(key=lambda p: p.suffix != label.suffix)
    if not found:
        raise PoofError(f"{folder}: has no file {label.stem}.* for the labels {label}; name the files one by one")
    return found[0]


def _distinct(files: Sequence[Path], what: str) -> list[str]:
    """Stems, or whole paths where stems are not different."""
    stems = [file.stem for file in files]
    names = stems if len(set(stems)) == len(stems) else [str(file) for file in files]
    if len(set(names)) != len(names):
        raise PoofError(f"{what}: {max(names, key=names.count)} is named twice")
    return names
