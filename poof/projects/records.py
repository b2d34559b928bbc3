"""Records of what each result was made from, so that it is known what is out of date, and why.

A record is a small file for each kind of result and each video: its inputs (the video's content, the label files, the
options), the checksums of the files that were written, and a summary. Projects keep theirs in `.poof/made`; without a
project they lie in the cache.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poof.errors import PoofError
from poof.files import write_text
from poof.origin import cache_folder
from poof.projects.contents import checksum

VERSION = 1
"""Raised when the same inputs would give another result."""


@dataclass
class Record:
    """What a result was made of.

    Attributes
    ----------
    parts : dict
        Name of an input -> what stands for its content; options are a part, as values.
    outputs : dict
        Path -> checksum.
    summary : dict
        Plain numbers, for the status.
    """

    parts: dict[str, Any]
    outputs: dict[str, str] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)


def parts_of(content: str, labels: Sequence[Path], options: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """The inputs of a result, in plain values."""
    digests = sorted(checksum(path) for path in labels)
    whole = hashlib.blake2b("".join(digests).encode(), digest_size=16).hexdigest() if digests else ""
    plain = json.loads(json.dumps(dict(options), default=str))
    return {"version": VERSION, "video": content, "labels": whole, "options": plain, **more}


class Records:
    """The records of a project, or of a user without one.

    Parameters
    ----------
    folder
        Of the records; None: in the cache.
    base
        Outputs below it are kept relative to it, so that the whole may be moved.
    """

    def __init__(self, folder: Path | None = None, base: Path | None = None) -> None:
        self._folder = folder if folder is not None else cache_folder() / "made"
        self._base = base

    def get(self, kind: str, name: str) -> Record | None:
        """The record of a result; None when there is none that can be read."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            content = json.loads(self._path(kind, name).read_text())
            base = self._base or Path()
            outputs = {str(base / path): known for path, known in content["outputs"].items()}
            return Record(dict(content["parts"]), outputs, dict(content["summary"]))
        return None

    def put(self, kind: str, name: str, record: Record) -> None:
        """Keep a record; a place that cannot be written only means that the work is done again."""
        path = self._path(kind, name)
        with suppress(PoofError, OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            outputs = {self._short(p): known for p, known in record.outputs.items()}
            write_text(path, json.dumps(vars(record) | {"outputs": outputs}, indent=1, default=str) + "\n")

    def _short(self, path: str) -> str:
        if self._base is not None and Path(path).is_relative_to(self._base):
            return str(Path(path).relative_to(self._base))
        return path

    def _path(self, kind: str, name: str) -> Path:
        safe = (
            name if len(name) < 100 and "/" not in name else hashlib.blake2b(name.encode(), digest_size=12).hexdigest()
        )
        return self._folder / kind / f"{safe}.json"


def why_outdated(record: Record | None, parts: Mapping[str, Any]) -> str:
    """Why a result must be made anew, '' when it need not; the outputs that a person changed are `changed_outputs`."""
    if record is None:
        return "not made yet"
    gone = [path for path in record.outputs if not Path(path).exists()]
    if gone:
        return f"{Path(gone[0]).name} is gone"
    if _said(record.parts) == _said(parts):
        return ""
    told = {"labels": "labels changed", "video": "the video changed", "model": "the model changed",
            "version": "made by an earlier version", "keypoints": "keypoints changed"}  # fmt: skip
    for name, value in parts.items():
        if record.parts.get(name) != value:
            if name == "options":
                before = record.parts.get("options") or {}
                keys = [k for k in {**before, **value} if before.get(k) != value.get(k)]
                return f"{', '.join(sorted(keys)[:3])} changed"
            return told.get(name, f"{name} changed")
    return "made of other things"


def _said(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs without options that say nothing: a version that has a new option makes no result out of date by it."""
    options = parts.get("options") or {}
    return {**parts, "options": {name: value for name, value in options.items() if value is not None}}


def changed_outputs(record: Record | None) -> list[Path]:
    """The outputs that are no longer as poof wrote them: a person's corrections, perhaps."""
    if record is None:
        return []
    return [Path(p) for p, known in record.outputs.items() if Path(p).exists() and checksum(Path(p)) != known]
