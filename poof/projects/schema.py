"""The schema of `poof.toml`: every key, its type, and the comment that `poof init` writes beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from poof.errors import PoofError

TOP: Mapping[str, str] = {
    "videos": "paths",
    "labels": "paths",
    "truth": "paths",
    "results": "text",
    "runs": "text",
    "skeleton": "tables",
    "options": "table",
}
SKELETON: Mapping[str, str] = {
    "name": "text",
    "keypoints": "names",
    "edges": "pairs",
    "mirror": "pairs",
    "colours": "texts",
}
OPTIONS: Mapping[str, tuple[str, str]] = {
    "radius": ("whole or text", "frames before and after each label; \"auto\" measures what is safe"),
    "flow": ("text", "auto, dis, raft-small, raft-large, or several with +"),
    "weights": ("path", "checkpoint of RAFT"),
    "iterations": ("whole", "updates of RAFT"),
    "tracker": ("names", "point trackers beside the flow"),
    "method": ("text", "blend, chain or thesis"),
    "missing": ("text", "what an empty keypoint beside set ones means: absent or unlabelled"),
    "category": ("text", "which category, when labels have keypoints for several"),
    "max_size": ("whole", "longest side that the flow sees, pixels"),
    "crop": ("yes or no", "compute flow around the subjects only"),
    "min_confidence": ("number", "leave carried points out below this (0 to 1)"),
    "min_presence": ("number", "leave a keypoint out where it is in the picture with less than this"),
    "on_damage": ("text", "of a damaged video: stop there, or continue behind it"),
    "network": ("text", "of refine: small, fine or mspn (for a GPU)"),
    "init": ("text", "what an MSPN starts from"),
    "nets": ("whole", "networks of refine whose views are averaged"),
    "rounds": ("whole", "of refine: 1 or 2"),
    "model": ("path", "of predict: a checkpoint; default: the newest of this project"),
    "recipe": ("text", "of train: default, thesis or footage"),
    "body": ("text", "of train: resnet50, resnet18 or unet"),
    "epochs": ("whole", "of train"),
    "batch": ("whole", "of train and predict"),
    "flip": ("yes or no", "of predict: average with the mirrored image"),
    "metric": ("text", "of eval"),
    "count": ("whole", "of select: frames of each video"),
    "seed": ("whole", "of everything random"),
    "device": ("text", "auto, cpu, cuda or cuda:N"),
    "precision": ("text", "float32, bfloat16 or auto"),
    "jobs": ("whole", "videos at the same time; default: what cores and memory carry"),
    "on": ("text", "where to work: a cluster, see docs/many-videos.md"),
}  # fmt: skip
"""Name of an option -> its type and what it means."""
COMMANDS = ("propagate", "refine", "predict", "render", "eval", "train", "label", "select", "convert", "radius")
"""Commands that may have options of their own, in a table `[options.COMMAND]`."""

TOLD = {
    "text": "a text in quotes",
    "path": "a path in quotes",
    "paths": "a path in quotes, or a list of them",
    "names": "a list of names in quotes",
    "pairs": 'a list of pairs of keypoints, [["a", "b"], ...]',
    "texts": 'names and texts, { nose = "#ff8800" }',
    "table": "a table, [name]",
    "tables": "a table, [skeleton], or several, [[skeleton]]",
    "whole": "a whole number",
    "number": "a number",
    "yes or no": "true or false",
    "whole or text": "a whole number or a text in quotes",
}
"""Kind of a value -> what a message calls it."""


def fits(value: Any, kind: str) -> bool:
    """Whether a value is of a kind."""
    if kind in ("text", "path"):
        return isinstance(value, str) and bool(value)
    if kind == "paths":
        return fits(value, "text") or (isinstance(value, list) and all(fits(v, "text") for v in value))
    if kind == "names":
        return isinstance(value, list) and bool(value) and all(fits(v, "text") for v in value)
    if kind == "pairs":
        return isinstance(value, list) and all(fits(v, "names") and len(v) == 2 for v in value)
    if kind == "texts":
        return isinstance(value, dict) and all(fits(v, "text") for v in value.values())
    if kind == "table":
        return isinstance(value, dict)
    if kind == "tables":
        return isinstance(value, dict) or (isinstance(value, list) and all(isinstance(v, dict) for v in value))
    if kind == "whole":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "yes or no":
        return isinstance(value, bool)
    return fits(value, "whole") or fits(value, "text")


class Checker:
    """Checks tables of one file; messages name it, and the line."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._lines = lines_of(text)

    def check(self, table: Mapping[str, Any], known: Mapping[str, str], inside: str = "", nth: int = 0) -> None:
        """Refuse unknown keys, with the nearest, and values of another kind.

        Parameters
        ----------
        table
            Key -> value.
        known
            Key -> kind.
        inside
            The table's own name, '' at the top.
        nth
            Which of several tables of this name.
        """
        for key, value in table.items():
            if key not in known:
                raise self.error(f"unknown key '{key}'{_of(inside)}; {_nearest(key, known)}", inside, key, nth)
            if not fits(value, known[key]):
                raise self.error(f"{key} must be {TOLD[known[key]]}", inside, key, nth)

    def error(self, message: str, inside: str = "", key: str = "", nth: int = 0) -> PoofError:
        """An error that names the file and the line of a key, if it can be found."""
        found = self._lines.get((inside, key), self._lines.get((inside, ""), []))
        line = found[min(nth, len(found) - 1)] if found else None
        return PoofError(f"{self._file}{'' if line is None else f', line {line}'}: {message}")


def _of(inside: str) -> str:
    return f" in [{inside}]" if inside else ""


def _nearest(key: str, known: Mapping[str, str]) -> str:
    near = get_close_matches(key.casefold(), known, 1, 0.5)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def lines_of(text: str) -> dict[tuple[str, str], list[int]]:
    """(table, key) -> the lines, from 1, on which the key is given; (table, '') -> those of the table's header."""
    found: dict[tuple[str, str], list[int]] = {}
    inside = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$", line)
        if header and "," not in header.group(1) and header.group(1)[0] not in "\"'":
            inside = re.sub(r"\s*\.\s*", ".", header.group(1))
            found.setdefault((inside, ""), []).append(number)
            outer, _, last = inside.rpartition(".")
            found.setdefault((outer, last), []).append(number)
            continue
        key = re.match(r"\s*([\"']?)([^\"'=#]+?)\1\s*=", line)
        if key:
            parts = [part.strip() for part in key.group(2).split(".")]
            found.setdefault((".".join(p for p in (inside, *parts[:-1]) if p), parts[-1]), []).append(number)
            if len(parts) > 1:
                found.setdefault((inside, parts[0]), []).append(number)
    return found
