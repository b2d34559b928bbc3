"""Files of projects (`poof.toml`): a damaged one is read, or refused in one line."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from harness import Fault, check_folder, check_message
from mutations import Rng, damage_bytes, damage_json

from poof.errors import PoofError
from poof.projects.project import load

SOUND: dict[str, Any] = {
    "videos": ["*.mp4", "x/*.avi"],
    "labels": "labels",
    "truth": ["truth"],
    "results": "results",
    "runs": "runs",
    "options": {"radius": 10, "flow": "dis", "refine": {"nets": 2}},
    "skeleton": [
        {
            "name": "mouse",
            "keypoints": ["nose", "left_ear", "right_ear"],
            "edges": [["nose", "left_ear"]],
            "mirror": [["left_ear", "right_ear"]],
            "colours": {"nose": "#ff0000"},
        }
    ],
}


def trial(rng: Rng, folder: Path) -> None:
    """One file."""
    path = folder / "poof.toml"
    text = toml(damage_json(SOUND, rng)).encode("utf-8", "surrogatepass")
    path.write_bytes(damage_bytes(text, rng) if rng.random() < 0.3 else text)
    try:
        project = load(path)
    except PoofError as error:
        check_message(str(error))
        return
    finally:
        check_folder(folder, {path.name})
    for vocabulary in project.vocabularies:
        for name in (vocabulary.name, *vocabulary.skeleton.keypoints):
            if re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", name):
                raise Fault("escape", f"name {name[:50]!r} came in")


def toml(value: Any) -> str:
    """A JSON value as TOML; what TOML cannot say (null) is left out."""
    if not isinstance(value, dict):
        return f"videos = {_inline(value)}\n"
    return "".join(f"{json.dumps(str(key))} = {_inline(one)}\n" for key, one in value.items() if one is not None)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(k))} = {_inline(v)}" for k, v in value.items() if v is not None) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(one) for one in value if one is not None) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if value != value else "inf" if value > 0 else "-inf"
    return json.dumps(value)
