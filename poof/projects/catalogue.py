"""The videos of a project by content, each with the name under which its results lie and with its label files.

A video gets its name when it is first seen, and keeps it when it is moved or renamed: `.poof/videos.json` has what it
contained, where it lay last and what it was called.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from poof.endings import IMAGE_ENDINGS, VIDEO_ENDINGS
from poof.errors import PoofError
from poof.files import make_folder, write_text
from poof.labels.formats import dlc_project
from poof.labels.io import detect_format
from poof.labels.pairing import match, plain, said_by
from poof.projects.contents import Seen, fingerprint
from poof.projects.project import Project

LEDGER = "videos.json"
CORRECTIONS = ".corrections.json"
"""Ending of the file in which corrections are kept that a person made in a result."""
KEPT_BY_PAGE = ".labels.json"
"""Ending of the label file that `poof label` keeps."""
NO_LABELS = {".journal", ".toml", ".txt", ".md", ".pt", ".pickle", *VIDEO_ENDINGS, *IMAGE_ENDINGS}


@dataclass
class Film:
    """A video of a project.

    Attributes
    ----------
    path : Path
        Where it lies now, or should.
    name : str
        What its results are called after; stays when the video is renamed.
    content : str
        Its fingerprint, '' when it cannot be read.
    called : list of str
        Every name that it had.
    labels, truth : list of Path
        Its label files; those that are carried, and those that judge.
    trouble : str
        Why it cannot be worked on, '' when it can.
    """

    path: Path
    name: str
    content: str = ""
    called: list[str] = field(default_factory=list)
    labels: list[Path] = field(default_factory=list)
    truth: list[Path] = field(default_factory=list)
    trouble: str = ""


@dataclass
class Catalogue:
    """The videos of a project, and label files that belong to none."""

    project: Project
    films: list[Film]
    strays: list[tuple[Path, str]]
    seen: Seen

    def named(self, paths: Sequence[Path]) -> list[Film]:
        """The films that are given by path, by the name of their file or of their results.

        Raises
        ------
        PoofError
            If one is not of the project, with the nearest.
        """
        found = []
        for path in paths:
            real = path.resolve()
            own = [f for f in self.films if f.path.resolve() == real]
            own = own or [f for f in self.films if str(path) in (f.name, f.path.name)]
            if not own and path.exists():
                content = self.seen.of(path.resolve(), "content", fingerprint)
                own = [f for f in self.films if f.content == content]
            if len(own) != 1:
                names = [f.path.name for f in self.films]
                near = get_close_matches(path.name, names, 1)
                hint = f"nearest is {near[0]}" if near else f"it has {len(names)} videos"
                raise PoofError(
                    f"{path}: is no video of the project {self.project.file} ({hint}); add it there, or give its labels"
                    " with -l"
                )
            found += own
        return list({id(f): f for f in found}.values())


def catalogue(project: Project) -> Catalogue:
    """Look at the videos and label files of a project; names of new videos are settled and kept."""
    make_folder(project.kept, FILE_OPTION)
    seen = Seen(project.kept / "seen.json")
    ledger = _Ledger(project.kept / LEDGER)
    films: list[Film] = []
    contents: dict[str, Film] = {}
    for path in project.paths():
        try:
            content = seen.of(path.resolve(), "content", fingerprint)
        except PoofError as error:
            film = Film(path, ledger.last_name(path, project.folder) or path.stem, trouble=str(error))
            films.append(film)
            continue
        if content in contents:
            continue  # a copy
        film = Film(path, "", content)
        contents[content] = film
        films.append(film)
    for film in films:
        if film.content:
            film.name, film.called = ledger.name(film, set(contents), project.folder)
        else:
            film.called = [film.path.name]
    ledger.save()
    strays = _assign(films, project, project.labels, "labels", seen)
    strays += _assign(films, project, project.truth, "truth", seen)
    seen.save()
    return Catalogue(project, films, strays, seen)


FILE_OPTION = "another folder for poof.toml"


class _Ledger:
    """Content -> name of the results, names of the file, where it lay last."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, dict[str, Any]] = {}
        with suppress(OSError, ValueError):
            content = json.loads(file.read_text())
            self._known = {k: v for k, v in content.items() if isinstance(v, dict) and "name" in v}
        self._before = json.dumps(self._known, sort_keys=True)

    def name(self, film: Film, present: set[str], folder: Path) -> tuple[str, list[str]]:
        """The name of a film's results, and every name that its file had."""
        place = _relative(film.path, folder)
        known = self._known.get(film.content)
        if known is None:
            # A file that was written anew under the name of one that is gone keeps what is called after it.
            former = [c for c, k in self._known.items() if k.get("path") == place and c not in present]
            if former:
                known = self._known.pop(former[0])
            else:
                known = {"name": self._free(film.path), "called": []}
            self._known[film.content] = known
        if film.path.name not in known["called"]:
            known["called"].append(film.path.name)
        known["path"] = place
        return str(known["name"]), list(known["called"])

    def last_name(self, path: Path, folder: Path) -> str | None:
        """The name of what lay under a path before."""
        return next((str(k["name"]) for k in self._known.values() if k.get("path") == _relative(path, folder)), None)

    def _free(self, path: Path) -> str:
        taken = {k["name"] for k in self._known.values()}
        whole = path.resolve()
        stem = whole.stem if path.suffix and not path.is_dir() else whole.name
        names = [stem, f"{whole.parent.name}-{stem}", *(f"{stem}-{n}" for n in range(2, len(taken) + 3))]
        return next(name for name in names if name not in taken)

    def save(self) -> None:
        if json.dumps(self._known, sort_keys=True) != self._before:
            write_text(self._file, json.dumps(self._known, indent=1) + "\n")


def _relative(path: Path, folder: Path) -> str:
    real = path.resolve()
    return str(real.relative_to(folder.resolve())) if folder.resolve() in real.parents else str(real)


# ------------------------------------------------------------------------------------------------ label files


def label_files(places: Iterable[Path]) -> list[Path]:
    """The label files in some folders, and those named."""
    found: list[Path] = []
    for place in places:
        if glob.has_magic(str(place)) and not place.exists():
            found += [Path(p) for p in sorted(glob.glob(str(place), recursive=True)) if Path(p).is_file()]  # noqa: PTH207
        elif place.is_dir() and not (place / dlc_project.CONFIG).is_file():
            found += sorted(p for p in place.iterdir() if p.is_file() and not p.name.startswith(".")
                            and p.suffix.lower() not in NO_LABELS)  # fmt: skip
        elif place.exists():
            found.append(dlc_project.config_of(place))
    return list(dict.fromkeys(found))


def _assign(
    films: Sequence[Film], project: Project, places: Sequence[Path], kind: str, seen: Seen
) -> list[tuple[Path, str]]:
    """Give every label file to its films; those of none with the reason."""
    strays: list[tuple[Path, str]] = []
    for path in label_files(places):
        try:
            own = [films[i] for i in _owners(films, path, seen)]
        except PoofError as error:
            strays.append((path, str(error)))
            continue
        if not own:
            strays.append((path, "says of no video of the project that it is of it; name it after its video"))
        for film in own:
            getattr(film, kind).append(path)
    for film in films:
        files: list[Path] = getattr(film, kind)
        kept = [p for p in files if p.name.endswith(KEPT_BY_PAGE)]
        if kept:  # the page has taken in what it was given, and what was taken out there must not come back
            files[:] = [p for p in files if p in kept or p.name.endswith(CORRECTIONS)]
        files.sort(key=lambda p: (p.name.endswith(CORRECTIONS), p.name))
    return strays


def _owners(films: Sequence[Film], path: Path, seen: Seen) -> list[int]:
    """The films of a label file: by what it says, else by its name."""
    own = [i for i, film in enumerate(films) if path.name in _own_names(film)]
    if own:
        return own
    said = seen.of(path, "said", _said)
    found: list[int] = []
    for name in said["names"]:
        scores = [max(match(name, c) for c in film.called) for film in films]
        best = max(scores, default=0)
        if best and scores.count(best) == 1:
            found.append(scores.index(best))
    if not found:  # before the images: numbers as their names are in many folders
        exact = [i for i, f in enumerate(films) if any(match(path.name.split(".")[0], c) == 2 for c in f.called)]
        found = exact if len(exact) == 1 else []
    if not found and said["images"]:
        stems = set(said["images"])
        found = [i for i, film in enumerate(films) if film.path.is_dir()
                 and stems <= {p.stem for p in film.path.iterdir()}]  # fmt: skip
        found = found if len(found) == 1 else []
    if found:
        return list(dict.fromkeys(found))
    for name in (path.name.split(".")[0], path.stem):
        marks = [max((match(name, c), len(plain(Path(c).stem))) for c in film.called) for film in films]
        top = max(marks, default=(0, 0))
        if top[0] and marks.count(top) == 1:
            return [marks.index(top)]
    return []


def _own_names(film: Film) -> tuple[str, str]:
    return f"{film.name}{CORRECTIONS}", f"{film.name}{KEPT_BY_PAGE}"


def _said(path: Path) -> dict[str, list[str]]:
    """What a label file says of where it belongs: names of videos, or names of images."""
    kind = detect_format(path)
    if kind == "dlc-project":
        tables = dlc_project.labelled_videos(path)
        return {"names": tables, "images": []}
    said = said_by(path)
    images = [] if said.names else sorted({Path(i).stem for i in said.images})
    return {"names": said.names, "images": images[:1000]}
