"""What every list format gives: records with labels, and class names."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from poof.errors import PoofError, PoofWarning


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
    """

    records: tuple[Record, ...]
    labels: tuple[str, ...]
    name: str

    def __len__(self) -> int:
        return len(self.records)

    def checked(self) -> ClipList:
        """The same list once it is sound; warns of classes without a clip.

        Raises
        ------
        PoofError
            If it is empty, a label is out of range or a file is not there; each names the line.
        """
        if not self.records:
            raise PoofError(f"{self.name}: lists no clip")
        for record in self.records:
            if not 0 <= record.label < len(self.labels):
                low = min(r.label for r in self.records)
                hint = "; labels count from 0, this list begins at 1" if low == 1 else "; give all names with --labels"
                raise PoofError(f"{record.line}: label {record.label} is beyond the {len(self.labels)} classes{hint}")
        missing = [record for record in self.records if not record.path.exists()]
        if missing:
            raise PoofError(
                f"{missing[0].line}: {missing[0].path} is not there ({len(missing)} of {len(self)} clips are missing); "
                "name the folder of the clips with --root"
            )
        used = {record.label for record in self.records}
        empty = [label for i, label in enumerate(self.labels) if i not in used]
        if empty:
            shown = ", ".join(empty[:5]) + (", ..." if len(empty) > 5 else "")
            have = "class has" if len(empty) == 1 else "classes have"
            warnings.warn(f"{self.name}: {len(empty)} {have} no clip: {shown}", PoofWarning, stacklevel=2)
        return self

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
    """

    root: Path | None = None
    labels: tuple[str, ...] | None = None
    part: str = "train"
    split: int = 1


def resolve(name: str, source: Path, options: Options) -> Path:
    """The file a list means; without a root the list's folder and the three above it are tried."""
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


def read_lines(path: Path) -> list[tuple[str, str]]:
    """(where, text) of every line that is neither blank nor a comment."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PoofError(f"{path}: cannot be read as a list ({error})") from error
    lines = enumerate(text.splitlines(), 1)
    return [(f"{path} line {n}", line.strip()) for n, line in lines if line.strip() and not line.startswith("#")]


def names_for(records: Sequence[Record], labels: tuple[str, ...] | None) -> tuple[str, ...]:
    """The names given, or 'class 0' and so on for as many as the labels need."""
    if labels is not None:
        return labels
    return tuple(f"class {i}" for i in range(max((r.label for r in records), default=-1) + 1))


def number(text: str, line: str, what: str) -> int:
    """An integer from a list."""
    try:
        return int(text)
    except ValueError:
        raise PoofError(f"{line}: '{text}' is no {what}; expected a whole number") from None
