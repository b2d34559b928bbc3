"""A small video whose points are known exactly, and sessions on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from label_material import scene

from poof.flow.dis import DisFlow
from poof.labelling.opening import open_session
from poof.labelling.services import Services
from poof.labelling.session import Session
from poof.labelling.session_group import SessionGroup
from poof.propagation import Settings
from poof.synthetic import SyntheticVideo
from poof.video import VideoWriter


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plane as H.264, 60 frames."""
    path = tmp_path_factory.mktemp("clip") / "plane.mp4"
    video = SyntheticVideo(scene())
    with VideoWriter(path, 30, video.size) as writer:
        for _, image in video.frames():
            writer.write(image)
    return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, with a cache of its own."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("POOF_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def opened(clip: Path, place: Path) -> Iterator[Callable[..., Session]]:
    """Opens sessions of the clip, with the keypoints a, b, c unless told otherwise, and closes them."""
    sessions: list[Session] = []

    def get(labels: Path | None = None, output: Path | None = None, **options: object) -> Session:
        options.setdefault("keypoints", [] if labels else ["a", "b", "c"])
        sessions.append(open_session(clip, labels, output, **options))  # type: ignore[arg-type]
        return sessions[-1]

    yield get
    for session in sessions:
        session.close()


@pytest.fixture
def services(place: Path) -> Iterator[Callable[..., Services]]:
    """Starts the services of sessions, with the fastest flow."""
    made_services: list[Services] = []

    def get(*sessions: Session, radius: int = 5, cache: Path | None = None) -> Services:
        made = Services(SessionGroup(sessions), [DisFlow("ultrafast")], "dis", Settings(radius), cache)
        made_services.append(made)
        made.start()
        return made

    yield get
    for made in made_services:
        made.close()
