"""The interface of list formats: records with labels, and class names."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from poof.errors import PoofError, PoofWarning

MAX_CLASSES = 100_000
"""Classes of a list; the largest known has some ten thousand."""
MAX_FRAMES = 100_000_000
"""Of a number of frames in a list: a month of video."""
LONGEST_NAME = 300
"""Characters of a class name."""
LARGEST_LIST = 1 << 30
"""Bytes of a list file; the largest known has some ten million."""


@dataclass(frozen=True)
class Record:
    """One labelled clip.

    Attributes
    ----------
    path
        A video, a folder of images or an extracted array (.npy).
    label
        Class number from 0.
    start, count
        The part of it that belongs to the clip, in frames; count None: to the end.
    line
        Where it stands, for messages: 'train.txt line 3'.
    """

    path: Path
    label: int
    start: int = 0
    count: int | None = None
    line: str = ""


@dataclass(frozen=True)
class ClipList:
    """Records with the names of their classes.

    Attributes
    ----------
    records
        In the order of the list.
    labels
        Class names by number.
    name
        How messages call the list.
    bad
        What is wrong with each row that gave no record.
    """

    records: tuple[Record, ...]
    labels: tuple[str, ...]
    name: str
    bad: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.records)

    @property
    def named(self) -> bool:
        """Whether the classes have names, not numbers alone."""
        return not all(re.fullmatch(r"(class )?[0-9]+", label) for label in self.labels)

    def checked(self, tolerance: float = 0.0) -> ClipList:
        """The same list once it is sound; warns of rows left out and of classes without a clip.

        Parameters
        ----------
        tolerance
            Share of the rows that may be bad: not to be read, a label out of range, a file that is not there. They
            are left out.

        Raises
        ------
        PoofError
            If nothing is left or more rows are bad; the first is named.
        """
        if not self.records and not self.bad:
            raise PoofError(f"{self.name}: lists no clip")
        self._check_names()
        lowest = min((record.label for record in self.records), default=0)
        hint = "; labels count from 0, this list begins at 1" if lowest == 1 else "; give all names with --labels"
        good, unknown, missing = [], [], []
        for record in self.records:
            if not 0 <= record.label < len(self.labels):
                text = f"label {record.label} is beyond the {len(self.labels)} classes{hint}"
                unknown.append(f"{record.line}: {text}")
            elif not record.path.exists():
                missing.append(record)
            else:
                good.append(record)
        total = len(self.records) + len(self.bad)
        gone = f"is not there ({len(missing)} of {total} clips are missing)"
        bad = [*self.bad, *unknown, *(f"{r.line}: {shown(r.path)} {gone}; {_remedy(r)}" for r in missing)]
        if bad and (len(bad) > tolerance * total or not good):
            several = f" ({len(bad)} of {total} rows are bad)" if 1 < len(bad) != len(missing) else ""
            raise PoofError(bad[0] + several)
        for text in bad[:5]:
            warnings.warn(f"left out: {text}", PoofWarning, stacklevel=3)
        if len(bad) > 5:
            warnings.warn(f"{self.name}: {len(bad) - 5} more rows are left out", PoofWarning, stacklevel=3)
        used = {record.label for record in good}
        empty = [label for i, label in enumerate(self.labels) if i not in used]
        if empty:
            names = ", ".join(shown(label, 40) for label in empty[:5]) + (", ..." if len(empty) > 5 else "")
            have = "class has" if len(empty) == 1 else "classes have"
            warnings.warn(f"{self.name}: {len(empty)} {have} no clip: {names}", PoofWarning, stacklevel=3)
        return replace(self, records=tuple(good), bad=tuple(bad))

    def _check_names(self) -> None:
        check_class_names(self.labels, self.name)

    def with_labels(self, labels: Sequence[str] | None) -> ClipList:
        """The same clips with a network's classes: matched by name, or by number where either has numbers alone.

        Raises
        ------
        PoofError
            If the network does not know a class that occurs.
        """
        if labels is None or tuple(labels) == self.labels:
            return self
        theirs = ClipList((), tuple(labels), "")
        used = sorted({record.label for record in self.records})
        if not self.named or not theirs.named:
            if used and used[-1] >= len(labels):
                raise PoofError(
                    f"{self.name}: has class {used[-1]}, the network {len(labels)} classes (0 to {len(labels) - 1}); "
                    "give it clips of the classes it was trained for"
                )
            return replace(self, labels=tuple(labels))
        number_of = {label: i for i, label in enumerate(labels)}
        unknown = [self.labels[i] for i in used if self.labels[i] not in number_of]
        if unknown:
            raise PoofError(
                f"{self.name}: the network does not know the class '{shown(unknown[0], 60)}' ({len(unknown)} of "
                f"{len(used)} classes, it has {len(labels)}); give it clips of the classes it was trained for"
            )
        records = tuple(replace(r, label=number_of[self.labels[r.label]]) for r in self.records)
        return replace(self, records=records, labels=tuple(labels))

    def without(self, paths: Sequence[Path]) -> ClipList:
        """The list without the records of these files."""
        gone = set(paths)
        return replace(self, records=tuple(r for r in self.records if r.path not in gone))


@dataclass(frozen=True)
class Options:
    """What a list does not say itself.

    Attributes
    ----------
    root
        Folder that relative paths start from; None: the list's own folder, then its parents.
    labels
        Class names, None where the list must tell.
    part
        'train' or 'test', for formats that hold both.
    split
        Number of the split, for formats that hold several.
    bad
        What was wrong with the rows so far; readers add to it by `row`.
    """

    root: Path | None = None
    labels: tuple[str, ...] | None = None
    part: str = "train"
    split: int = 1
    bad: list[str] = field(default_factory=list)

    @contextmanager
    def row(self) -> Iterator[None]:
        """Inside, an error is that of one row: it is noted, and the reader goes on with the next."""
        try:
            yield
        except PoofError as error:
            self.bad.append(str(error))


def resolve(name: str, source: Path, options: Options, line: str = "") -> Path:
    """The file a list means; without a root the list's folder and the three above it are tried.

    Raises
    ------
    PoofError
        If the name cannot be one of a file.
    """
    check_file_name(name, line or str(source))
    path = Path(name)
    if path.is_absolute():
        return path
    if options.root is not None:
        return options.root / path
    folder = source if source.is_dir() else source.parent
    for base in [folder, *list(folder.resolve().parents)[:3]]:
        if (base / path).exists():
            return base / path
    return folder / path


def check_file_name(name: str, line: str) -> None:
    """Refuse what no file can be called, before the system is asked."""
    if not name or not name.isprintable():
        raise PoofError(f"{line}: '{shown(name)}' is no file name")
    if len(name) > 1000 or any(len(part.encode()) > 255 for part in name.split("/")):
        raise PoofError(f"{line}: a name of {len(name)} characters, longer than files can have ({shown(name, 40)})")


def check_class_names(labels: Sequence[str], where: str) -> None:
    """Refuse class names that are too many, empty, too long, alike or not to be printed."""
    if len(labels) > MAX_CLASSES:
        raise PoofError(f"{where}: {len(labels)} classes, at most {MAX_CLASSES} are taken")
    for label in labels:
        if not label.strip() or not label.isprintable() or len(label) > LONGEST_NAME:
            raise PoofError(
                f"{where}: '{shown(label, 40)}' is no class name (printable, 1 to {LONGEST_NAME} characters)"
            )
    if len(set(labels)) < len(labels):
        twice = next(label for i, label in enumerate(labels) if label in labels[:i])
        raise PoofError(f"{where}: two classes are called '{shown(twice, 60)}'; make the names differ")


def read_text(path: Path) -> str:
    """The text of a list.

    Raises
    ------
    PoofError
        If it is no ordinary file, too large or no text.
    """
    try:
        if not path.is_file():
            raise PoofError(f"{path}: is no ordinary file; give a list of clips")
        if path.stat().st_size > LARGEST_LIST:
            raise PoofError(f"{path}: is larger than lists can be (1 GiB); is it a video?")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise PoofError(f"{path}: is no text (UTF-8) from byte {error.start} on; give a list of clips") from error
    except OSError as error:
        raise PoofError(f"{path}: cannot be read as a list ({error.strerror})") from error


def read_lines(path: Path) -> list[tuple[str, str]]:
    """(where, text) of every line that is neither blank nor a comment."""
    # Not splitlines(): it also breaks at control codes, which would shift the numbers of the lines.
    lines = enumerate(re.split(r"\r\n|\r|\n", read_text(path)), 1)
    return [(f"{path} line {n}", line.strip()) for n, line in lines if line.strip() and not line.startswith("#")]


def names_for(records: Sequence[Record], labels: tuple[str, ...] | None) -> tuple[str, ...]:
    """The names given, or 'class 0' and so on for as many as the labels need."""
    if labels is not None:
        return labels
    return tuple(f"class {i}" for i in range(max((r.label for r in records), default=-1) + 1))


def number(text: str, line: str, what: str, low: int = -1, high: int = MAX_FRAMES) -> int:
    """An integer from a list, within limits."""
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text.strip()):
        raise PoofError(f"{line}: '{shown(text, 40)}' is no {what}; expected a whole number")
    value = int(text)
    if not low <= value <= high:
        raise PoofError(f"{line}: {value} is no {what}; expected {low} to {high}")
    return value


def label_number(text: str, line: str) -> int:
    """A class number from a list; whether the class is there is checked with the whole list."""
    return number(text, line, "label", -1, MAX_CLASSES - 1)


def frame_number(text: str, line: str) -> int:
    """A start from 0."""
    return number(text, line, "start frame", 0)


def frame_count(text: str, line: str) -> int:
    """A number of frames, at least one."""
    return number(text, line, "number of frames", 1)


def shown(text: object, limit: int = 100) -> str:
    """Text of a file for a message: control codes written out, the middle of what is long left out."""
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text)[: 4 * limit])
    return plain if len(plain) <= limit else f"{plain[: limit // 2]}...{plain[-limit // 3 :]}"


def _remedy(record: Record) -> str:
    """What helps where a file is not there."""
    # 'path 1 3' read as the video 'path 1' with label 3.
    for stem in (re.sub(r"([\s,;]+[0-9]+)+$", "", str(record.path)),):
        if stem != str(record.path) and Path(stem).exists():
            return "lists with several labels a clip are not supported: give one label a line"
    return "name the folder of the clips with --root"
