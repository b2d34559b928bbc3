"""Pairing of label files with videos: by what the file says, then by its name, then by the order given."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol

from poof.endings import is_video_name
from poof.errors import PoofError
from poof.labels.formats.reading import Missing, base_name, folder_of, read_rows, read_text
from poof.labels.io import detect_format, load_labels
from poof.labels.merging import merged
from poof.labels.model import LabelSet
from poof.labels.record import HEADER, unpack

GENERIC = {"", "frames", "frame", "images", "image", "img", "imgs", "video", "videos", "data", "labeleddata", "train",
           "val", "test", "jpg", "png", "rgb", "default"}  # fmt: skip
"""Names, without separators, that tell no video from another."""


class Footage(Protocol):
    """What is known of a video."""

    name: str
    size: tuple[int, int]
    frame_names: Sequence[str] | None


@dataclass
class Given:
    """The labels of one video.

    Attributes
    ----------
    labels
        Of all its files together.
    files
        Where they come from.
    how
        By what each file was found to belong to the video, in words.
    """

    labels: LabelSet
    files: list[Path] = field(default_factory=list)
    how: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Said:
    """What a label file says of where it belongs: the video, the folders of its images, and their names."""

    video: str | None = None
    folders: tuple[str, ...] = ()
    images: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The names that tell a video."""
        own = [self.video] if self.video else []
        return [n for n in dict.fromkeys([*own, *(f.split("/")[-1] for f in self.folders)]) if plain(n) not in GENERIC]

    @property
    def surely(self) -> bool:
        """Whether the names are meant as names of videos: poof's own, and DeepLabCut's `labeled-data/VIDEO`."""
        return bool(self.video) or any("labeled-data" in f.split("/")[:-1] for f in self.folders)


def labels_for(
    videos: Sequence[Footage],
    files: Sequence[str | Path],
    *,
    category: str | None = None,
    missing: Missing = "absent",
    prefer: str | None = None,
) -> list[Given]:
    """The labels of each video, from files given in any order; several of one video are merged.

    Parameters
    ----------
    videos
        At least one, all different.
    files
        At least one for each.
    category, missing
        See `load_labels`.
    prefer
        See `merged`.

    Raises
    ------
    PoofError
        If a file is of another video or of none that can be told, a video gets no file, or files contradict each other.
    """
    result = []
    for video, own in zip(videos, files_for(videos, files)):
        sets = [load_labels(p, video.frame_names, category=category, video=video.name, missing=missing) for p, _ in own]
        names = [str(p) for p, _ in own]
        result.append(Given(merged(sets, names, prefer), [p for p, _ in own], [how for _, how in own]))
    return result


def files_for(
    videos: Sequence[Footage], files: Sequence[str | Path], lenient: bool = False
) -> list[list[tuple[Path, str]]]:
    """The files of each video, and by what each was found to belong to it; see `labels_for`.

    `lenient`: a video may have none.
    """
    paths = [Path(file) for file in files]
    for number, path in enumerate(paths):
        if any(_same_file(path, other) for other in paths[:number]):
            raise PoofError(f"{path}: is given twice; leave one out")
    if not paths:
        raise PoofError("no labels; give your label file with -l")
    chosen: dict[int, list[tuple[Path, str]]] = {v: [] for v in range(len(videos))}
    if len(videos) == 1:
        for path in paths:
            check_names(path, videos[0])
            chosen[0].append((path, "the only video"))
    else:
        _assign(videos, paths, chosen)
    for number, video in enumerate(videos):
        if not chosen[number] and not lenient:
            raise PoofError(none_for(video.name, paths))
    return [chosen[number] for number in range(len(videos))]


def none_for(video: str, paths: Sequence[Path]) -> str:
    """What is said of a video without labels."""
    shown = ", ".join(map(str, paths[:6])) + (f", ... ({len(paths)} in all)" if len(paths) > 6 else "")
    return (
        f"{video}: none of the label files ({shown}) is of this video; give its labels with -l, under a name such as"
        f" {Path(video).stem}.json"
    )


def check_names(path: Path, video: Footage) -> None:
    """Refuse a label file that names another video than the one given; a nearer one beside it is named."""
    said = said_by(path)
    names = said.names
    if not names or plain(Path(video.name).resolve().stem) in GENERIC or any(match(n, video.name) for n in names):
        return
    folder = Path(video.name).resolve().parent
    try:
        siblings = [p.name for p in folder.iterdir() if is_video_name(p) or p.is_dir()]
    except OSError:
        siblings = []
    near = [s for n in names for s in siblings if match(n, s)]
    if not near and not said.surely:
        return  # a folder of images may be called anything
    near = near or get_close_matches(Path(names[0]).stem, [Path(s).stem for s in siblings], 1)
    hint = f"; nearest beside it is {near[0]}" if near else ""
    raise PoofError(
        f"{path}: is of the video '{Path(names[0]).name}', not of {Path(video.name).name}{hint}; if they are the same"
        f" footage, say so with: poof convert {path.name} NEW.json --frames {Path(video.name).name}"
    )


def said_by(path: Path) -> Said:
    """What a label file says of where it belongs; nothing where it cannot be read, which reading it will tell."""
    try:
        kind = detect_format(path)
        if kind == "coco":
            return _said_by_json(path)
        if path.suffix.lower() == ".csv":
            return _said_by_table(path)
        labels = load_labels(path)
    except (PoofError, ValueError, KeyError, IndexError):
        return Said()
    return _of_images(list(labels.frame_names.values()), labels.info.get("video"))


def match(said: str, video: str) -> int:
    """How surely a name means a video: 2 the same, 1 one within the other ('dog' and 'dog_small'), 0 not."""
    a, b = (plain(re.sub(r"\.\w{1,5}$", "", Path(name.replace("\\", "/")).name)) for name in (said, _whole(video)))
    if a == b:
        return 2
    short, long = sorted((a, b), key=len)
    if len(short) < 3:
        return 0
    at = long.find(short)
    while at >= 0:
        before, after = long[at - 1 : at], long[at + len(short) :][:1]
        if not (before.isdigit() and short[0].isdigit()) and not (after.isdigit() and short[-1].isdigit()):
            return 1
        at = long.find(short, at + 1)
    return 0


def plain(name: str) -> str:
    """A name in lower case without separators."""
    return re.sub(r"[\W_]+", "", name).casefold()


# ------------------------------------------------------------------------------------------------ several videos


def _assign(videos: Sequence[Footage], paths: Sequence[Path], chosen: dict[int, list[tuple[Path, str]]]) -> None:
    """Give every file to its videos."""
    open_: list[Path] = []
    for path in paths:
        said = said_by(path)
        found = _by_content(said, videos, images=False)
        how = "says so"
        if not found:
            found, how = _by_name(path, videos, exactly=True), "by its name"
        if not found:  # numbers as names of images are in many folders
            found, how = _by_content(said, videos), "says so"
        if not found:
            if said.names and said.surely and all(plain(Path(_whole(v.name)).stem) not in GENERIC for v in videos):
                names = ", ".join(Path(v.name).name for v in videos)
                raise PoofError(
                    f"{path}: is of the video '{Path(said.names[0]).name}', not of one of those given ({names}); leave"
                    f" it out, or say whose it is with: poof convert {path.name} NEW.json --frames VIDEO"
                )
            found, how = _by_name(path, videos), "by its name"
        if found:
            for v in found:
                chosen[v].append((path, how))
        else:
            open_.append(path)
    empty = [v for v, own in chosen.items() if not own]
    if not open_:
        return
    if len(open_) == len(empty) and (len(open_) == 1 or len(open_) == len(videos)):
        how = "the only one left" if len(videos) > len(open_) else "in the order given"
        for path, v in zip(open_, empty):
            chosen[v].append((path, how))
        return
    names = ", ".join(Path(v.name).name for v in videos)
    raise PoofError(
        f"{open_[0]}: neither its content nor its name tells to which of the videos it belongs ({names}); name it after"
        f" its video, as {Path(videos[empty[0] if empty else 0].name).stem}.labels{open_[0].suffix}"
    )


def _by_content(said: Said, videos: Sequence[Footage], images: bool = True) -> list[int]:
    """The videos that a file names, of one name the best match alone; else the only folder that has all its images."""
    found: list[int] = []
    for name in said.names:
        scores = [match(name, v.name) for v in videos]
        best = max(scores)
        own = [v for v, score in enumerate(scores) if best and score == best]
        if len(own) == 1:
            found += own
    if images and not found and said.images:
        stems = {Path(base_name(image)).stem for image in said.images}
        own = [v for v, video in enumerate(videos)
               if video.frame_names is not None and stems <= {Path(n).stem for n in video.frame_names}]  # fmt: skip
        found = own if len(own) == 1 else []
    return list(dict.fromkeys(found))


def _by_name(path: Path, videos: Sequence[Footage], exactly: bool = False) -> list[int]:
    """The video after which a file, or the folder that it lies in, is named; `exactly`: the file, and just so."""
    if exactly:
        own = [v for v, video in enumerate(videos) if match(path.name.split(".")[0], video.name) == 2]
        return own if len(own) == 1 else []
    for name in (path.name.split(".")[0], path.stem, path.resolve().parent.name):
        scores = [(match(name, v.name), len(plain(Path(_whole(v.name)).stem))) for v in videos]
        best = max(scores)
        if best[0] and scores.count(best) == 1:
            return [scores.index(best)]
    folders = [v for v, video in enumerate(videos) if Path(_whole(video.name)) in path.resolve().parents]
    return folders if len(folders) == 1 else []


def _said_by_json(path: Path) -> Said:
    document = json.loads(read_text(path))
    info: Any = document.get("info")
    images = [i.get("file_name") for i in document.get("images", []) if isinstance(i, dict)]
    return _of_images([i for i in images if isinstance(i, str)], info.get("video") if isinstance(info, dict) else None)


def _said_by_table(path: Path) -> Said:
    ((_, first), *rows), _ = read_rows(path)
    header = [name.lower() for name in first]
    video = None
    for name in first:
        if name.startswith(HEADER):
            video = (unpack(name.removeprefix(HEADER)) or {}).get("video")
    images: list[str] = []
    for column in ("image", "file_name", "image_name"):
        if column in header:
            images = [row[header.index(column)] for _, row in rows if len(row) == len(header)]
    if header[0] == "scorer":
        coords = next((row for _, row in rows if row[0].lower() == "coords"), header)
        width = next((i for i, cell in enumerate(coords) if cell.lower() in ("x", "y")), 1)
        body = [row for _, row in rows if row[0].lower() not in ("bodyparts", "individuals", "coords")]
        images = [name for row in body if not (name := "/".join(row[:width])).isdecimal()]
    return _of_images(images, video)


def _of_images(images: Sequence[str], video: Any) -> Said:
    folders = dict.fromkeys(folder_of(image) for image in images if folder_of(image))
    return Said(video if isinstance(video, str) and video else None, tuple(folders), tuple(images))


def _whole(video: str) -> str:
    """The path of a video, '.' included."""
    return str(Path(video).resolve()) if Path(video).name in ("", ".", "..") else video


def _same_file(a: Path, b: Path) -> bool:
    return a == b or (a.exists() and b.exists() and a.samefile(b))
