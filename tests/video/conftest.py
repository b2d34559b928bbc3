"""Synthetic files, each written once in a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest
from numbered_video import FILES, write_numbered


@pytest.fixture(scope="session")
def numbered_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the path of one of `FILES` by name: 60 frames, each carrying its number. Not to be changed."""
    folder = tmp_path_factory.mktemp("numbered")

    def get(name: str) -> Path:
        path = folder / name
        if FILES[name]["codec"] not in av.codecs_available:
            pytest.skip(f"this PyAV has no encoder {FILES[name]['codec']}")
        return path if path.exists() else write_numbered(path, **FILES[name])

    return get
