"""A project as `poof.toml` says it: keypoints, videos, where labels and results lie, and options."""

from __future__ import annotations

import glob
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poof.endings import VIDEO_ENDINGS, is_video_name
from poof.errors import PoofError
from poof.labels.model import LabelSet, Skeleton
from poof.labels.symmetry import mirror_pairs
from poof.printable import is_printable, one_line
from poof.projects.project_root import FILE, KEPT, find
from poof.projects.schema import COMMANDS, OPTIONS, SKELETON, TOP, Checker

__all__ = ["FILE", "KEPT", "Project", "Vocabulary", "colour_of", "find", "load"]

MEASURED = {"radius": "auto", "flow": "auto+"}
"""Values of options that only `propagate` knows."""
DEFAULT_VIDEOS = tuple(f"*{ending}" for ending in sorted(VIDEO_ENDINGS))


@dataclass(frozen=True)
class Vocabulary:
    """A skeleton as the project has it, and the colours in which its keypoints are drawn."""

    skeleton: Skeleton
    colours: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the subjects are."""
        return self.skeleton.name


@dataclass(frozen=True)
class Project:
    """A project.

    Attributes
    ----------
    file : Path
        Its `poof.toml`.
    videos : tuple of str
        Paths and patterns, as written.
    labels, truth : tuple of Path
        Files and folders of labels: those that are carried, and those that results are judged by.
    results, runs : Path
        Folders of results and of networks.
    vocabularies : tuple of Vocabulary
        Usually one; none when the file names no keypoints.
    options : dict
        Option -> value, for every command; paths are absolute.
    of_command : dict
        Command -> options of its own.
    """

    file: Path
    videos: tuple[str, ...]
    labels: tuple[Path, ...]
    truth: tuple[Path, ...]
    results: Path
    runs: Path
    vocabularies: tuple[Vocabulary, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    of_command: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.file.parent

    @property
    def kept(self) -> Path:
        """The folder of what poof keeps about it."""
        return self.folder / KEPT

    def options_of(self, command: str) -> dict[str, Any]:
        """The options of a command; what only `propagate` measures leaves the others at their defaults."""
        found = {**self.options, **self.of_command.get(command, {})}
        if command != "propagate":
            found = {name: value for name, value in found.items() if MEASURED.get(name) != value}
        return found

    def paths(self) -> list[Path]:
        """The videos in the order of the file, each once; those named that are gone too."""
        found: dict[Path, None] = {}
        for text in self.videos:
            whole = _place(self.folder, text)
            if glob.has_magic(text) and not whole.exists():
                pattern = _in_any_case(str(whole))
                matches = [Path(p) for p in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207
                found |= dict.fromkeys(p for p in matches if not self._own(p))
            else:
                found[whole] = None
        return list(found)

    def vocabulary_of(self, labels: LabelSet, name: str) -> Vocabulary | None:
        """The vocabulary that has the keypoints of some labels, the smallest; None when the project names none.

        Raises
        ------
        PoofError
            If the labels have a keypoint that no vocabulary has, with the nearest one.
        """
        if not self.vocabularies:
            return None
        own = set(labels.skeleton.keypoints)
        fitting = [v for v in self.vocabularies if own <= set(v.skeleton.keypoints)]
        if fitting:
            return min(fitting, key=lambda v: len(v.skeleton))
        near = max(self.vocabularies, key=lambda v: len(own & set(v.skeleton.keypoints)))
        strange = next(k for k in labels.skeleton.keypoints if k not in near.skeleton.keypoints)
        from difflib import get_close_matches

        close = get_close_matches(strange, near.skeleton.keypoints, 1)
        hint = (
            f"nearest is '{close[0]}'; correct one of them" if close else f"it has {', '.join(near.skeleton.keypoints)}"
        )
        raise PoofError(f"{name}: the keypoint '{strange}' is not in {self.file}: {hint}, or add it there")

    def _own(self, path: Path) -> bool:
        """Whether a path is one of the project's own folders or of what poof wrote, which a pattern must not catch."""
        real = path.resolve()
        own = (self.results.resolve(), self.runs.resolve(), self.kept.resolve())
        inside = any(real == place or place in real.parents for place in own)
        return inside or path.name.endswith(".overlay.mp4") or path.name.startswith(".")


def load(file: Path) -> Project:
    """Read a project's file.

    Raises
    ------
    PoofError
        If it is no TOML, or holds unknown keys (with the nearest name and the line) or values that make no sense.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise PoofError(f"{file}: cannot be read ({error.strerror}); check the path and its permissions") from None
    except UnicodeDecodeError:
        raise PoofError(f"{file}: is not UTF-8; save it as UTF-8") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PoofError(f"{file}: is not valid TOML: {error}; correct it there") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; nested too deeply
        raise PoofError(f"{file}: is not valid TOML ({one_line(error)[:80]}); correct it there") from None
    check = Checker(str(file), text)
    check.check(document, TOP)
    options = document.get("options", {})
    commands = {name: table for name, table in options.items() if name in COMMANDS and isinstance(table, dict)}
    plain = {name: value for name, value in options.items() if name not in commands}
    kinds = {name: kind for name, (kind, _) in OPTIONS.items()}
    check.check(plain, dict.fromkeys(COMMANDS, "table") | kinds, "options")
    for name, table in commands.items():
        check.check(table, kinds, f"options.{name}")
    folder = file.parent
    tables = document.get("skeleton", [])
    tables = [tables] if isinstance(tables, dict) else tables
    vocabularies = tuple(_vocabulary(table, check, nth) for nth, table in enumerate(tables))
    names = [v.name for v in vocabularies]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise check.error(f"two skeletons are called '{twice}'; give each its own name", "skeleton", "name", 1)
    results = folder / document.get("results", "results")
    return Project(
        file=file,
        videos=tuple(_several(document.get("videos", list(DEFAULT_VIDEOS)))),
        labels=tuple(_place(folder, p) for p in _several(document.get("labels", "labels"))),
        truth=tuple(_place(folder, p) for p in _several(document.get("truth", "truth"))),
        results=results,
        runs=folder / document.get("runs", "runs"),
        vocabularies=vocabularies,
        options=_absolute(plain, folder),
        of_command={name: _absolute(table, folder) for name, table in commands.items()},
    )


def _place(folder: Path, path: str) -> Path:
    """A path or pattern of the file, from its folder on, whose own name is no pattern; ``~`` is somebody's home."""
    try:
        whole = folder / Path(path).expanduser()
        if not glob.has_magic(path) or whole.exists():
            return whole
        return Path(glob.escape(str(folder))) / Path(path).expanduser()
    except RuntimeError:
        raise PoofError(f"{folder / FILE}: '{one_line(path)[:80]}': there is no such user; correct the path") from None


def _in_any_case(pattern: str) -> str:
    """The pattern with a video's ending in any case: cameras write ``GX010001.MP4``."""
    stem, dot, ending = pattern.rpartition(".")
    if not is_video_name(pattern):
        return pattern
    return stem + dot + "".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else c for c in ending)


def _several(value: Any) -> Sequence[str]:
    return [value] if isinstance(value, str) else value


def _absolute(options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Options whose paths do not depend on the working folder."""
    return {k: os.path.normpath(_place(folder, v)) if OPTIONS[k][0] == "path" else v
            for k, v in options.items()}  # fmt: skip


def _vocabulary(table: Mapping[str, Any], check: Checker, nth: int) -> Vocabulary:
    check.check(table, SKELETON, "skeleton", nth)
    if "keypoints" not in table:
        raise check.error("a skeleton needs keypoints = [...]", "skeleton", "", nth)
    names = tuple(table["keypoints"])
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise check.error(f"keypoint '{twice}' is given twice", "skeleton", "keypoints", nth)
    for name in (*names, str(table.get("name", "subject"))):
        if not is_printable(name) or not name.strip():
            raise check.error(f"the name '{one_line(name)[:50]}' cannot be shown; rename it", "skeleton", "", nth)
    place = {name: k for k, name in enumerate(names)}

    def pairs(key: str) -> tuple[tuple[int, int], ...]:
        for pair in table.get(key, []):
            for name in pair:
                if name not in place:
                    raise check.error(f"{key}: {_no_such(name, names)}", "skeleton", key, nth)
        return tuple((place[a], place[b]) for a, b in table.get(key, []))

    for name, colour in table.get("colours", {}).items():
        if name not in place:
            raise check.error(f"colours: {_no_such(name, names)}", "skeleton", "colours", nth)
        if colour_of(colour) is None:
            raise check.error(f"colours: '{colour}' is no colour; write #rrggbb", "skeleton", "colours", nth)
    mirror = pairs("mirror") if "mirror" in table else mirror_pairs(names)
    skeleton = Skeleton(names, pairs("edges"), mirror, str(table.get("name", "subject")))
    return Vocabulary(skeleton, dict(table.get("colours", {})))


def _no_such(name: str, names: Sequence[str]) -> str:
    """What is said of a keypoint that there is not."""
    try:
        Skeleton(tuple(names)).index(name)
    except PoofError as error:
        return str(error)
    return ""


def colour_of(text: str) -> tuple[int, int, int] | None:
    """'#ff8800' as three numbers; None for anything else."""
    digits = text.removeprefix("#")
    if len(digits) != 6:
        return None
    try:
        red, green, blue = (int(digits[i : i + 2], 16) for i in (0, 2, 4))
    except ValueError:
        return None
    return red, green, blue
