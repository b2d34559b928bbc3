"""The state of every video of a project, and which command brings it up to date."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from poof.errors import PoofError
from poof.labels import load_labels
from poof.projects.catalogue import Catalogue, Film, catalogue
from poof.projects.plan import BEST, TAGS, Item, carried, drawn, models_of, predicted, records_of, refined
from poof.projects.project import Project
from poof.video.length import expected_frames


@dataclass
class Row:
    """A video of a project.

    Attributes
    ----------
    video, name : str
        Where it lies (relative to the project if inside), and what its results are called after.
    frames : int or None
        Of the video; `exact` says whether they were counted or are the header's word.
    labels : int
        Labelled frames.
    covered : int or None
        Frames with points in the best result.
    result : str
        What that is: 'refined', 'poof' or 'predicted'.
    confidence : float or None
        Mean of its points that nobody set.
    disputes : int
        Points on which flow and appearance disagree.
    todo : list of (command, reason)
        What is out of date, and what brings it up to date.
    trouble : str
        Why nothing can be done.
    """

    video: str
    name: str
    frames: int | None = None
    exact: bool = False
    labels: int = 0
    covered: int | None = None
    result: str = ""
    confidence: float | None = None
    disputes: int = 0
    todo: list[tuple[str, str]] = field(default_factory=list)
    trouble: str = ""

    def as_dict(self) -> dict[str, Any]:
        """In plain values."""
        return asdict(self)


@dataclass
class Status:
    """Of a whole project: its videos, label files of none, and the commands that are due."""

    rows: list[Row]
    strays: list[tuple[str, str]]

    @property
    def due(self) -> dict[str, int]:
        """Command -> videos that it would bring up to date."""
        found: dict[str, int] = {}
        for row in self.rows:
            for command, _ in row.todo:
                found[command] = found.get(command, 0) + 1
        return found

    def as_dict(self) -> dict[str, Any]:
        """In plain values."""
        return {"videos": [row.as_dict() for row in self.rows], "due": self.due,
                "labels_of_no_video": [{"file": f, "reason": r} for f, r in self.strays]}  # fmt: skip


def status(project: Project) -> Status:
    """The state of a project; nothing is computed, results are judged by what they were made of."""
    known = catalogue(project)
    labelled = [f for f in known.films if f.labels and not f.trouble]
    due: dict[int, list[tuple[str, str]]] = {}
    records = records_of(project)
    for item in carried(known, labelled, project.options_of("propagate")):
        _note(due, item, "poof propagate")
    for films in groups(known, labelled):
        items = refined(known, films, project.options_of("refine"))
        for item in items:
            if item.record is not None:
                _note(due, item, "poof refine")
    models = models_of(project)
    free = [f for f in known.films if not f.labels and not f.trouble]
    chosen = project.options_of("predict").get("model")
    for item in predicted(known, free, project.options_of("predict"), [Path(chosen)] if chosen else models[:1]):
        if item.record is not None or models:
            _note(due, item, "poof predict")
    for item in drawn(known, known.films, project.options_of("render")):
        if item.record is not None:
            _note(due, item, "poof render")
    rows = []
    for film in known.films:
        row = _row(known, film, records.get)
        row.todo = due.get(id(film), [])
        if not film.labels and not row.todo and row.result == "" and not film.trouble:
            row.todo = [(f"poof label {shlex.quote(row.video)}", "no labels")]
        rows.append(row)
    known.seen.save()
    folder = project.folder
    return Status(rows, [(_shown(path, folder), reason) for path, reason in known.strays])


def groups(known: Catalogue, films: Sequence[Film]) -> list[list[Film]]:
    """Films by the vocabulary of their labels: networks are shared by those that have the same keypoints."""
    found: dict[Any, list[Film]] = {}
    for film in films:
        try:
            keypoints = keypoints_of(known, film)
        except PoofError:
            keypoints = ()
        found.setdefault(keypoints, []).append(film)
    return list(found.values())


def keypoints_of(known: Catalogue, film: Film) -> tuple[str, ...]:
    """The keypoints of a film's vocabulary, or of its labels where the project names none."""
    facts = known.seen.of(film.labels[0], f"facts {film.called[0]}", lambda path: _facts(path, film))
    names = tuple(facts["keypoints"])
    fitting = [v.skeleton for v in known.project.vocabularies if set(names) <= set(v.skeleton.keypoints)]
    return min(fitting, key=len).keypoints if fitting else names


def _facts(path: Path, film: Film) -> dict[str, Any]:
    """Keypoints and labelled frames of a label file."""
    error: PoofError | None = None
    for name in (str(film.path), *film.called):
        try:
            labels = load_labels(path, video=name)
            return {"keypoints": list(labels.skeleton.keypoints), "frames": labels.human().frames}
        except PoofError as trouble:
            error = error or trouble
    assert error is not None
    raise error


def _note(due: dict[int, list[tuple[str, str]]], item: Item, command: str) -> None:
    if item.why:
        due.setdefault(id(item.film), []).append((command, item.why))


def _row(known: Catalogue, film: Film, record: Callable[[str, str], Any]) -> Row:
    project = known.project
    row = Row(_shown(film.path, project.folder), film.name, trouble=film.trouble)
    frames: set[int] = set()
    for path in film.labels:
        try:
            frames |= set(known.seen.of(path, f"facts {film.called[0]}", lambda p: _facts(p, film))["frames"])
        except PoofError as error:
            row.trouble = row.trouble or str(error)
    row.labels = len(frames)
    for kind in BEST:
        made = record(kind, film.name)
        if made is None or not (project.results / f"{film.name}.{TAGS[kind]}.json").exists():
            continue
        facts: Mapping[str, Any] = made.summary
        row.result, row.covered = TAGS[kind], facts.get("covered")
        row.confidence, row.disputes = facts.get("confidence"), int(facts.get("disputes") or 0)
        row.frames, row.exact = facts.get("frames"), bool(facts.get("exact"))
        break
    if row.frames is None and not film.trouble:
        if film.path.is_dir():
            from poof.video import open_video

            try:
                row.frames, row.exact = len(open_video(film.path).frame_names or ()), True
            except PoofError as error:
                row.trouble = row.trouble or str(error)
        else:
            row.frames = known.seen.of(film.path, "header", expected_frames)
            if row.frames is None:
                row.trouble = row.trouble or _cannot_open(film.path)
    return row


def _cannot_open(path: Path) -> str:
    from poof.video import open_video

    try:
        open_video(path)
    except PoofError as error:
        return str(error)
    return ""


def _shown(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
