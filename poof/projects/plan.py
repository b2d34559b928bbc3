"""The plan of a command in a project: each video's inputs and outputs, and whether it is out of date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poof.projects.catalogue import CORRECTIONS, Catalogue, Film
from poof.projects.contents import checksum
from poof.projects.project import Project
from poof.projects.records import Record, Records, changed_outputs, parts_of, why_outdated
from poof.projects.sources import Source

TAGS = {"propagate": "poof", "refine": "refined", "predict": "predicted"}
"""Command -> how the names of its results end."""
BEST = ("refine", "propagate", "predict")
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "propagate": {
        "radius": 10, "method": "blend", "backward": "", "overlap": "nearest", "crop": True, "max_size": None,
        "min_confidence": 0.0, "min_presence": 0.01, "flow": "auto", "weights": None, "iterations": None,
        "tracker": None, "tracks_from": None, "category": None,
        "missing": "absent", "prefer": None, "on_damage": "stop",
    },
    "refine": {
        "radius": 10, "max_size": None, "network": "small", "init": "random", "nets": 2, "rounds": 1, "seed": 0,
        "flow": "auto", "weights": None, "category": None, "missing": "absent", "prefer": None, "on_damage": "stop",
        "always": False,
    },
    "predict": {"flip": True, "on_damage": "stop", "margin": None},
    "render": {"min_confidence": 0.0, "names": False, "colour": "confidence", "span": "labelled", "scale": None,
               "tiles": 24, "columns": None},
}  # fmt: skip
"""Command -> the options that decide its results, with their defaults, as the command line has them."""


@dataclass
class Item:
    """What a command would do with one video.

    Attributes
    ----------
    film : Film
    source : Source
        What it works on.
    outputs : list of Path
    parts : dict
        See `Record`.
    why : str
        Why it is out of date; '' when it is not.
    record : Record or None
        Of what is there.
    """

    film: Film
    source: Source
    outputs: list[Path]
    parts: dict[str, Any]
    why: str
    record: Record | None = None
    notes: list[str] = field(default_factory=list)


def records_of(project: Project) -> Records:
    """The records of a project."""
    return Records(project.kept / "made", project.folder)


def decisive(command: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Of a command's options those that decide its results, in the form in which they are compared."""
    own = DEFAULTS[command]
    return {name: _plain(name, options.get(name, default)) for name, default in own.items()}


def _plain(name: str, value: Any) -> Any:
    if name == "weights" and value is not None:
        return checksum(Path(value)) or str(value)
    if name == "tracks_from" and value is not None:
        return [checksum(Path(path)) for path in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return f"{value:g}"
    return str(value)


def carried(catalogue: Catalogue, films: Iterable[Film], options: Mapping[str, Any]) -> list[Item]:
    """What `propagate` would do."""
    project, records = catalogue.project, records_of(catalogue.project)
    items = []
    for film in films:
        record = records.get("propagate", film.name)
        changed = _corrected(records, film)
        parts = parts_of(film.content, film.labels, decisive("propagate", options), keypoints=vocabulary_mark(project))
        why = why_outdated(record, parts)
        if changed:
            why = f"corrections in {changed[0].name}"
        outputs = [project.results / f"{film.name}.poof.{ending}" for ending in ("json", "csv")]
        items.append(Item(film, source_of(project, film, options, changed), outputs, parts, why, record))
    return items


def refined(catalogue: Catalogue, films: Sequence[Film], options: Mapping[str, Any]) -> list[Item]:
    """What `refine` would do; the networks learn from all of `films` together."""
    project, records = catalogue.project, records_of(catalogue.project)
    together = parts_of("", [path for film in films for path in film.labels], {})["labels"]
    own = decisive("refine", options)
    items = []
    for film in films:
        record = records.get("refine", film.name)
        changed = _corrected(records, film)
        parts = parts_of(film.content, film.labels, own, keypoints=vocabulary_mark(project), others=together)
        why = f"corrections in {changed[0].name}" if changed else why_outdated(record, parts)
        outputs = [project.results / f"{film.name}.refined.{ending}" for ending in ("json", "csv")]
        items.append(Item(film, source_of(project, film, options, changed), outputs, parts, why, record))
    return items


def predicted(
    catalogue: Catalogue, films: Iterable[Film], options: Mapping[str, Any], models: Sequence[Path]
) -> list[Item]:
    """What `predict` would do."""
    project, records = catalogue.project, records_of(catalogue.project)
    items = []
    for film in films:
        record = records.get("predict", film.name)
        own = decisive("predict", options)
        parts = parts_of(film.content, [], own, model=[checksum(m) for m in models])
        outputs = [project.results / f"{film.name}.predicted.json"]
        source = source_of(project, film, options, [])
        items.append(Item(film, source, outputs, parts, why_outdated(record, parts), record))
    return items


def drawn(catalogue: Catalogue, films: Iterable[Film], options: Mapping[str, Any]) -> list[Item]:
    """What `render` would do: the best result of each video that has one."""
    project, records = catalogue.project, records_of(catalogue.project)
    items = []
    for film in films:
        best = best_result(project, film)
        if best is None:
            continue
        record = records.get("render", film.name)
        parts = parts_of(film.content, [best], decisive("render", options), colours=_colours_mark(project))
        outputs = [best.with_suffix(".overlay.mp4"), best.with_suffix(".sheet.png")]
        source = Source(film.path, (best,), tuple(film.called), on_damage=str(options.get("on_damage") or "stop"))
        why = why_outdated(record, parts).replace("labels changed", "the result changed")
        items.append(Item(film, source, outputs, parts, why, record))
    return items


def best_result(project: Project, film: Film) -> Path | None:
    """The result file to look at: refined, unless that is of older labels than what was carried; else predicted."""
    records = records_of(project)
    here = {kind: project.results / f"{film.name}.{TAGS[kind]}.json" for kind in BEST}
    there = {kind: path for kind, path in here.items() if path.exists()}
    if "refine" in there and "propagate" in there:
        of_refined, of_carried = records.get("refine", film.name), records.get("propagate", film.name)
        stale = of_refined and of_carried and of_refined.parts.get("labels") != of_carried.parts.get("labels")
        return there["propagate"] if stale else there["refine"]
    return next((there[kind] for kind in BEST if kind in there), None)


def source_of(project: Project, film: Film, options: Mapping[str, Any], changed: Sequence[Path] = ()) -> Source:
    """A film as a source of labels."""
    return Source(
        film.path,
        tuple(film.labels),
        tuple(film.called),
        options.get("category"),
        options.get("missing") or "absent",
        options.get("prefer"),
        options.get("on_damage") or "stop",
        tuple(changed),
        corrections_file(project, film),
        project,
    )


def corrections_file(project: Project, film: Film) -> Path:
    """Where corrections of a film's results are kept: in its folder of labels."""
    folders = [p for p in project.labels if p.is_dir() or not p.suffix]
    folder = folders[0] if folders else project.results
    return folder / f"{film.name}{CORRECTIONS}"


def _corrected(records: Records, film: Film) -> list[Path]:
    """The results of a film that somebody changed."""
    return [path for kind in ("propagate", "refine") for path in changed_outputs(records.get(kind, film.name))]


def vocabulary_mark(project: Project) -> list[Any]:
    """What of the vocabularies decides results."""
    return [[list(v.skeleton.keypoints), [list(p) for p in v.skeleton.symmetry]] for v in project.vocabularies]


def _colours_mark(project: Project) -> list[Any]:
    return [[dict(v.colours), [list(e) for e in v.skeleton.edges]] for v in project.vocabularies]


def models_of(project: Project) -> list[Path]:
    """The pose models of a project's runs, the newest first."""
    found = [p for p in project.runs.glob("*/best.pt") if p.is_file()] if project.runs.is_dir() else []
    return sorted(found, key=lambda p: p.stat().st_mtime_ns, reverse=True)
