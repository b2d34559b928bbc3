"""A new `poof.toml` from what lies in a folder, and videos added to one that is there."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from poof.endings import IMAGE_ENDINGS, is_video_name
from poof.errors import PoofError, not_there
from poof.files import write_text
from poof.labels.formats import dlc_project
from poof.labels.io import detect_format, load_labels
from poof.labels.model import Skeleton
from poof.printable import plural
from poof.projects.catalogue import NO_LABELS, label_files
from poof.projects.plan import TAGS
from poof.projects.project import FILE, KEPT, load
from poof.projects.schema import OPTIONS

OWN_FOLDERS = ("results", "runs", "labels", "truth", "labeled-data", "training-datasets", "dlc-models", KEPT)
MANY = 8
"""From so many files on a pattern is written in place of their names."""
SHOWN_OPTIONS = ("radius", "flow", "missing", "network", "nets", "device", "jobs")
"""Options that a new file shows, commented out, with their defaults."""
USUAL = {"radius": "10", "flow": '"auto"', "missing": '"absent"', "network": '"small"', "nets": "2",
         "device": '"auto"', "jobs": "2"}  # fmt: skip


def videos_in(folder: Path) -> list[Path]:
    """The video files and folders of images of a folder, not those that poof wrote."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or ".overlay." in path.name:
            continue
        if path.is_file() and is_video_name(path):
            found.append(path)
        elif path.is_dir() and path.name not in OWN_FOLDERS:
            with suppress(OSError):
                images = sum(p.suffix.lower() in IMAGE_ENDINGS for p in path.iterdir())
                if images > 1:
                    found.append(path)
    return found


def labels_in(folder: Path, videos: Sequence[Path]) -> list[Path]:
    """Where labels lie: the folder `labels`, a DeepLabCut project, or the label files beside the videos."""
    if (folder / "labels").is_dir() and label_files([folder / "labels"]):
        return [folder / "labels"]
    if (folder / dlc_project.CONFIG).is_file():
        return [folder / dlc_project.CONFIG]
    found = []
    for path in sorted(folder.iterdir()):
        machine = any(f".{tag}." in path.name for tag in TAGS.values())
        if not path.is_file() or path.name.startswith(".") or path.suffix.lower() in NO_LABELS or machine:
            continue
        if path.suffix.lower() not in (".json", ".csv", ".h5", ".slp", ".xml") or path in videos:
            continue
        with suppress(PoofError):
            detect_format(path)
            found.append(path)
    return found


def skeletons_of(files: Sequence[Path]) -> tuple[list[Skeleton], list[str]]:
    """The skeletons of label files, each once, those that are part of another left out; and notes on files unread."""
    found: list[Skeleton] = []
    notes: list[str] = []
    for path in files:
        try:
            if dlc_project.detect(path, path.read_bytes()[:4096]):
                project = dlc_project.read_project(path)
                place = {name: k for k, name in enumerate(project.bodyparts)}
                limbs = tuple((place[a], place[b]) for a, b in project.limbs if a in place and b in place)
                skeleton = Skeleton(project.bodyparts, limbs)
            else:
                skeleton = _first_skeleton(path)
        except (PoofError, OSError) as error:
            notes.append(str(error))
            continue
        own = set(skeleton.keypoints)
        if any(own <= set(s.keypoints) and (s.edges or not skeleton.edges) for s in found):
            continue
        found = [s for s in found if not set(s.keypoints) <= own]
        found.append(skeleton)
    names: list[str] = []
    for skeleton in found:
        plain = skeleton.name
        free = (f"{plain}-{n}" for n in range(2, len(found) + 2))
        names.append(plain if plain not in names else next(name for name in free if name not in names))
    return [Skeleton(s.keypoints, s.edges, s.symmetry, n) for s, n in zip(found, names)], notes


def _first_skeleton(path: Path) -> Skeleton:
    """The skeleton of a label file; of one with several videos, that of the one it names first."""
    try:
        return load_labels(path).skeleton
    except PoofError as error:
        names = str(error).partition("(")[2].partition(")")[0].split(", ")
        for name in names:
            with suppress(PoofError):
                return load_labels(path, video=name).skeleton
        raise


def create(folder: Path, videos: Sequence[Path], labels: Sequence[Path]) -> tuple[Path, list[str]]:
    """Write a commented `poof.toml`; the file, and notes.

    Parameters
    ----------
    folder
        Of the project.
    videos
        None: those in the folder.
    labels
        Files or folders; none: those in the folder.

    Raises
    ------
    PoofError
        If there is a `poof.toml` already, something given is missing, or there is no video.
    """
    file = folder / FILE
    if file.exists():
        raise PoofError(f"{file}: exists already; edit it, add videos with poof init VIDEO, or see poof status")
    for path in (*videos, *labels):
        if not path.exists():
            raise not_there(path)
    chosen = list(videos) or videos_in(folder)
    if not chosen:
        raise PoofError(f"{folder}: holds no video; name some: poof init VIDEO...")
    places = [dlc_project.config_of(p) for p in labels] or labels_in(folder, chosen)
    files = label_files(places)
    skeletons, notes = skeletons_of(files)
    truth = label_files([folder / "truth"])
    more, _ = skeletons_of(truth)
    if not skeletons:
        skeletons = more
    text = _text(folder, _written(folder, chosen, list(videos)), _label_places(folder, places), skeletons)
    write_text(file, text)
    load(file)  # what was written can be read
    named = ", ".join(f"{s.name}: {plural(len(s), 'keypoint')}" for s in skeletons) or "none found"
    counts = plural(len(chosen), "video"), plural(len(files), "label file"), plural(len(skeletons), "skeleton")
    notes.insert(0, f"{', '.join(counts)} ({named})")
    return file, notes


def add(file: Path, videos: Sequence[Path]) -> list[str]:
    """Add videos to a project's file, comments kept; the texts that were added.

    Raises
    ------
    PoofError
        If one is missing, or the file cannot be read.
    """
    project = load(file)
    known = {path.resolve() for path in project.paths()}
    for path in videos:
        if not path.exists():
            raise not_there(path)
    new = [_relative(path, file.parent) for path in videos if path.resolve() not in known]
    if new:
        import tomlkit

        document = tomlkit.parse(file.read_text(encoding="utf-8-sig"))
        present = document.get("videos")
        if present is None:
            document["videos"] = [*project.videos, *new]
        elif isinstance(present, str):
            document["videos"] = [str(present), *new]
        else:
            for text in new:
                present.append(text)
        write_text(file, tomlkit.dumps(document))
    return new


def _written(folder: Path, videos: Sequence[Path], named: Sequence[Path]) -> list[str]:
    """Videos as they are written: named ones as they are, found ones as patterns."""
    if named:
        return [_relative(path, folder) for path in named]
    endings = dict.fromkeys(path.suffix for path in videos if path.is_file())
    return [*(f"*{ending}" for ending in endings), *(path.name for path in videos if path.is_dir())]


def _label_places(folder: Path, places: Sequence[Path]) -> list[str]:
    """Label files as they are written: a pattern where many end alike."""
    if not places:
        return ["labels"]
    texts: list[str] = []
    by_ending: dict[str, list[Path]] = {}
    for path in places:
        by_ending.setdefault("".join(path.suffixes[-2:]), []).append(path)
    for ending, paths in by_ending.items():
        here = all(path.parent.resolve() == folder.resolve() for path in paths)
        if len(paths) >= MANY and here and len(ending) > 5:
            texts.append(f"*{ending}")
        else:
            texts += [_relative(path, folder) for path in paths]
    return texts


def _relative(path: Path, folder: Path) -> str:
    """A path as the file holds it: relative where it lies in the folder, absolute elsewhere."""
    whole, base = Path(os.path.abspath(path)), Path(os.path.abspath(folder))  # noqa: PTH100  (links stay links)
    return whole.relative_to(base).as_posix() if whole.is_relative_to(base) else str(whole)


def _text(folder: Path, videos: Sequence[str], labels: Sequence[str], skeletons: Sequence[Skeleton]) -> str:
    lines = [
        "# A poof project. In this folder and below it, commands without arguments do what is out of date:",
        "# poof status tells; poof label, propagate, refine, predict, render, eval, train, select.",
        "",
        '# Paths and patterns, also outside this folder ("/data/day-1/*.avi", "**/*.mp4").',
        f"videos = {_list(videos)}",
        "# Files and folders with your labels; each finds its video by what it says, else by its name.",
        f"labels = {_list(labels)}",
        "# Labels that were never carried, to judge by: poof eval.",
        'truth = "truth"',
        "# Where results and networks go.",
        'results = "results"',
        'runs = "runs"',
        "",
        "# The options of every command; [options.refine] and so on for one alone. Those given in a call win.",
        "[options]",
    ]
    lines += [f"# {name} = {USUAL[name]}  # {OPTIONS[name][1]}" for name in SHOWN_OPTIONS]
    if not skeletons:
        lines += [
            "",
            "# One vocabulary of keypoints for all videos:",
            "# [skeleton]",
            '# name = "mouse"',
            '# keypoints = ["nose", "left ear", "right ear", "tail"]',
            '# edges = [["nose", "tail"]]',
            '# mirror = [["left ear", "right ear"]]  # pairs that change places in a mirror; default: by name',
            '# colours = { nose = "#ff8800" }  # for poof render --colour keypoint',
        ]
    head = "[skeleton]" if len(skeletons) == 1 else "[[skeleton]]"
    for skeleton in skeletons:
        names = skeleton.keypoints
        lines += ["", head, f"name = {_quoted(skeleton.name)}", f"keypoints = {_list(names)}"]
        lines.append(f"edges = {_pairs(names, skeleton.edges)}")
        lines.append(f"mirror = {_pairs(names, skeleton.mirror_pairs)}  # change places in a mirror")
        lines.append("# colours = { " + f'{_quoted(names[0])} = "#ff8800"' + " }  # for poof render --colour keypoint")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A text as TOML has it; the escapes of JSON are a part of TOML's, except for the delete character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _list(texts: Sequence[str]) -> str:
    whole = f"[{', '.join(_quoted(t) for t in texts)}]"
    if len(whole) <= 110 or len(texts) < 2:
        return whole
    return "[\n" + "".join(f"  {_quoted(t)},\n" for t in texts) + "]"


def _pairs(names: Sequence[str], pairs: Sequence[tuple[int, int]]) -> str:
    return f"[{', '.join(f'[{_quoted(names[a])}, {_quoted(names[b])}]' for a, b in pairs)}]"
