"""A video with its labels, as it is handed to a job: paths and choices, read where the job runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poof.errors import PoofError
from poof.labels import load_labels, save_labels
from poof.labels.merging import in_skeleton, merged
from poof.labels.model import LabelSet, Points
from poof.labels.representations import notes_on
from poof.projects.catalogue import CORRECTIONS
from poof.projects.project import Project
from poof.video import Video, open_video


@dataclass(frozen=True)
class Source:
    """Where a video and its labels are.

    Attributes
    ----------
    video : Path
    files : tuple of Path
        Its label files.
    called : tuple of str
        Names that the video had, by which files of several videos may call it.
    category, missing, prefer, on_damage : str or None
        See `load_labels`, `merged` and `open_video`.
    changed : tuple of Path
        Results of poof that a person changed: what they corrected is taken over into `corrections`.
    corrections : Path or None
        Where that is kept.
    project : Project or None
        Whose vocabulary the labels must speak.
    """

    video: Path
    files: tuple[Path, ...] = ()
    called: tuple[str, ...] = ()
    category: str | None = None
    missing: str = "absent"
    prefer: str | None = None
    on_damage: str = "stop"
    changed: tuple[Path, ...] = ()
    corrections: Path | None = None
    project: Project | None = None

    def open(self) -> Video:
        """The video."""
        return open_video(self.video, self.on_damage)


@dataclass
class Read:
    """What was read of the labels.

    Attributes
    ----------
    labels : LabelSet
    files : list of Path
    notes : list of str
        Lines for the person.
    changes : dict
        What a person changed in files of poof, counted.
    """

    labels: LabelSet
    files: list[Path]
    notes: list[str] = field(default_factory=list)
    changes: dict[str, int] = field(default_factory=dict)


def read(source: Source, video: Video) -> Read:
    """The labels of a source; corrections are kept first, so that they are not lost with the result they were made in.

    Raises
    ------
    PoofError
        As `load_labels` and `merged`; on keypoints that the project does not have.
    """
    notes: list[str] = []
    kept = _take_corrections(source, video, notes)
    plain = [p for p in source.files if not p.name.endswith(CORRECTIONS)]
    corrected = [p for p in source.files if p.name.endswith(CORRECTIONS)]
    corrected += [kept] if kept is not None and kept not in corrected else []
    sets = [_load(source, path, video) for path in plain]
    if not sets and not corrected:
        raise PoofError(f"{source.video}: has no labels; label it with poof label, or give them with -l")
    vocabulary = source.project.vocabulary_of(sets[0], str(plain[0])) if source.project and sets else None
    labels = merged(sets, [str(p) for p in plain], source.prefer) if sets else None
    changes = labels.changes if labels is not None else None
    for path in corrected:
        more = _load(source, path, video)
        labels = more if labels is None else merged([labels, more], ["labels", str(path)], "last")
    assert labels is not None
    notes += notes_on(plain, changes, len(labels.assumed_absent))
    if source.project and vocabulary is None:
        vocabulary = source.project.vocabulary_of(labels, str([*plain, *corrected][0]))
    if vocabulary is not None:
        labels = in_skeleton(labels, vocabulary.skeleton, str([*plain, *corrected][0])).replace(
            skeleton=vocabulary.skeleton
        )
    return Read(labels, [*plain, *corrected], notes, changes.counts() if changes is not None else {})


def _load(source: Source, path: Path, video: Video) -> LabelSet:
    """One file, under whichever of the video's names it knows."""
    first: PoofError | None = None
    for name in (video.name, *source.called):
        options: dict[str, Any] = {"category": source.category, "video": name, "missing": source.missing}
        try:
            return load_labels(path, video.frame_names, **options)
        except PoofError as error:
            first = first or error
    assert first is not None
    raise first


def _take_corrections(source: Source, video: Video, notes: list[str]) -> Path | None:
    """Keep what a person corrected in results; the file it is in, None where there is none."""
    if source.corrections is None:
        return None
    for path in source.changed:
        result = _load(source, path, video)
        if not result.changes.places:
            continue
        new = corrections_of(result)
        if source.corrections.exists():
            new = merged([_load(source, source.corrections, video), new], ["kept", str(path)], "last")
        source.corrections.parent.mkdir(parents=True, exist_ok=True)
        save_labels(new.replace(info={"video": video.name}), source.corrections, force=True)
        notes.append(f"your corrections in {path}: {result.changes} since poof wrote it; kept in {source.corrections}")
    return source.corrections if source.corrections.exists() else None


def corrections_of(labels: LabelSet) -> LabelSet:
    """Only what a person changed in a file of poof."""
    kept: dict[tuple[int, int], Points] = {}
    for frame, instance, k in labels.changes.places:
        points = labels.instances.get((frame, instance))
        if points is None or not points.decided[k]:
            continue
        own = kept.setdefault((frame, instance), Points.empty(len(points)))
        where = own.decided & False
        where[k] = True
        own.put(where, points)
    return labels.replace(instances=kept, assumed_absent=set())
