"""The root folder of a project, found from the working folder upwards; imports nothing that takes time."""

from __future__ import annotations

from pathlib import Path

FILE = "poof.toml"
KEPT = ".poof"
"""Folder of a project in which it is kept which videos there are and what results were made of."""


def find(start: Path | None = None) -> Path | None:
    """The `poof.toml` of the folder `start` (the working one) or of the nearest folder above that has one."""
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return folder / FILE
    return None
