"""A DeepLabCut project: its folder or ``config.yaml``, and in it the labels of one of its videos.

``config.yaml`` names the scorer, the bodyparts in order, the limbs (``skeleton``) and the videos; the labels of a video
lie in ``labeled-data/VIDEO/CollectedData_<scorer>.h5`` or ``.csv``. `poof.labels.formats.deeplabcut` reads the table.
``poof export --to dlc`` writes into a project.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from poof.errors import PoofError
from poof.labels.formats import deeplabcut
from poof.labels.formats.deeplabcut import PERSONS
from poof.labels.formats.machine_list import ENDING
from poof.labels.formats.reading import Choice, base_name, read_text
from poof.labels.model import LabelSet, Points, Skeleton
from poof.labels.symmetry import mirror_pairs

__all__ = ["ENDINGS", "claims", "detect", "load", "save"]

ENDINGS: tuple[str, ...] = ()
CONFIG = "config.yaml"
_NAME = (str, int, float)  # lists within lists can be written in a few lines that are longer than all memory


@dataclass(frozen=True)
class Project:
    """What a project's ``config.yaml`` says.

    Attributes
    ----------
    config
        The file.
    scorer
        Who labels.
    bodyparts
        Their order; in a project of several animals the ones they share, then the unique ones.
    unique
        Bodyparts of which there is one in a video, whatever the number of animals.
    individuals
        The animals, () in a project of one.
    limbs
        Pairs of bodyparts.
    videos
        Names of the videos, without folder and ending.
    iteration
        How often the training set was refined.
    """

    config: Path
    scorer: str
    bodyparts: tuple[str, ...]
    unique: tuple[str, ...] = ()
    individuals: tuple[str, ...] = ()
    limbs: tuple[tuple[str, str], ...] = ()
    videos: tuple[str, ...] = field(default=())
    iteration: int = 0

    @property
    def folder(self) -> Path:
        """The folder with the labelled frames of all videos."""
        return self.config.parent / "labeled-data"


def config_of(path: Path) -> Path:
    """The ``config.yaml`` of a project's folder; any other path as it is."""
    try:
        return path / CONFIG if path.is_dir() and (path / CONFIG).is_file() else path
    except OSError:  # a name longer than any file's
        return path


def detect(path: Path, head: bytes) -> bool:
    """Whether the file is a project's configuration."""
    return path.suffix.lower() in (".yaml", ".yml") and bool(re.search(rb"^(video_sets|scorer|Task)\s*:", head, re.M))


def claims(path: Path) -> bool:
    """Never: `poof export` writes into a project."""
    del path
    return False


def save(labels: LabelSet, path: Path) -> None:
    """Not written as a file."""
    raise PoofError(f"{path}: labels go into a DeepLabCut project with poof export --to dlc")


def read_project(path: Path) -> Project:
    """What the configuration says.

    Raises
    ------
    PoofError
        If it is no YAML, or lacks the scorer or the bodyparts.
    """
    import yaml

    try:
        document = yaml.safe_load(read_text(path))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = "" if line is None else f" at line {line + 1}"
        raise PoofError(f"{path}: is broken YAML{where}; correct it, or let DeepLabCut write it again") from None
    if not isinstance(document, dict):
        raise PoofError(f"{path}: is no configuration of DeepLabCut; give a project's {CONFIG}")
    several = bool(document.get("multianimalproject"))
    shared = _names(document, "multianimalbodyparts" if several else "bodyparts")
    unique = _names(document, "uniquebodyparts") if several else ()
    scorer = document.get("scorer")
    if not isinstance(scorer, (str, int)) or not str(scorer).strip() or not shared:
        lacks = "bodyparts" if scorer else "a scorer"
        raise PoofError(f"{path}: names no {lacks.removeprefix('a ')}; correct the project's configuration")
    limbs = document.get("skeleton")
    limbs = [pair for pair in limbs if isinstance(pair, list) and len(pair) == 2] if isinstance(limbs, list) else []
    limbs = [(a, b) for a, b in limbs if isinstance(a, _NAME) and isinstance(b, _NAME)]
    videos = document.get("video_sets")
    iteration = document.get("iteration")
    return Project(
        path,
        str(scorer).strip(),
        tuple(dict.fromkeys((*shared, *unique))),
        unique,
        _names(document, "individuals") if several else (),
        tuple((str(a).strip(), str(b).strip()) for a, b in limbs),
        tuple(Path(base_name(str(video))).stem for video in videos) if isinstance(videos, dict) else (),
        iteration if isinstance(iteration, int) and not isinstance(iteration, bool) and 0 <= iteration < 10**6 else 0,
    )


def _names(document: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list of names; DeepLabCut writes 'MULTI!' where a project of several animals has none."""
    value = document.get(key)
    return tuple(str(name).strip() for name in value if isinstance(name, _NAME)) if isinstance(value, list) else ()


def load(path: Path, choice: Choice) -> LabelSet:
    """Read the labels of one video of a project; see `poof.labels.load_labels` for the errors."""
    project = read_project(path)
    video = _video(project, choice.video)
    labels = deeplabcut.load(_table(project, video), choice)
    labels.info["video"] = video
    return _in_order(project, labels)


def labelled_videos(path: Path) -> list[str]:
    """The names of the videos of a project that have labels."""
    return list(_tables(read_project(path)))


def _tables(project: Project) -> dict[str, list[Path]]:
    """Video -> its label tables, of any scorer, those of the project's first, .h5 before .csv."""
    found: dict[str, list[Path]] = {}
    if project.folder.is_dir():
        for folder in sorted(project.folder.iterdir()):
            tables = [f for f in folder.glob(f"{PERSONS}*") if f.suffix in (".h5", ".csv") and ENDING not in f.name]
            tables.sort(key=lambda f: (f.stem != f"{PERSONS}_{project.scorer}", f.suffix != ".h5", f.name))
            if tables:
                found[folder.name] = tables
    return found


def _video(project: Project, wanted: str | None) -> str:
    """The chosen video, or the only one with labels."""
    tables = _tables(project)
    if not tables:
        raise PoofError(f"{project.config}: no video of the project is labelled; label frames in DeepLabCut first")
    names = [wanted, Path(wanted).stem, Path(wanted).name] if wanted else []
    matching = [video for video in tables if video in names]
    if matching:
        return matching[0]
    if len(tables) == 1:
        return next(iter(tables))
    asked = f"; '{wanted}' is none of them" if wanted else ""
    shown = ", ".join(list(tables)[:8]) + (" ..." if len(tables) > 8 else "")
    raise PoofError(f"{project.config}: {len(tables)} videos are labelled ({shown}){asked}; choose one (--video)")


def _table(project: Project, video: str) -> Path:
    """The table of the project's scorer."""
    tables = _tables(project)[video]
    if tables[0].stem != f"{PERSONS}_{project.scorer}":
        raise PoofError(
            f"{project.config}: names the scorer '{project.scorer}', the labels of {video} are by"
            f" '{tables[0].stem.removeprefix(PERSONS).lstrip('_')}'; correct the scorer, or give {tables[0]}"
        )
    return tables[0]


def _in_order(project: Project, labels: LabelSet) -> LabelSet:
    """The labels with the bodyparts and limbs of the project, in its order; those that it no longer has are last."""
    own = labels.skeleton.keypoints
    keypoints = (*project.bodyparts, *(name for name in own if name not in project.bodyparts))
    place = {name: k for k, name in enumerate(keypoints)}
    limbs = tuple((place[a], place[b]) for a, b in project.limbs if a in place and b in place)
    skeleton = Skeleton(keypoints, limbs, mirror_pairs(keypoints))
    places = [place[name] for name in own]
    instances = {key: _spread(points, places, len(keypoints)) for key, points in labels.instances.items()}
    return labels.replace(
        skeleton=skeleton,
        instances=instances,
        assumed_absent={(frame, instance, place[own[k]]) for frame, instance, k in labels.assumed_absent},
    )


def _spread(points: Points, places: Sequence[int], count: int) -> Points:
    """The points at their places among `count`; nothing is known of the others."""
    where = np.full(count, len(points))
    where[list(places)] = np.arange(len(points))
    room = Points.empty(len(points) + 1)
    for name in ("xy", "visible", "source", "anchor", "steps", "confidence"):
        getattr(room, name)[: len(points)] = getattr(points, name)
    return room.ordered(where)
