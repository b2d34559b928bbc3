"""A small video whose points are known exactly, and sessions on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from poof.flow.dis import DisFlow
from poof.labelling.desk import Desk
from poof.labelling.opening import open_session
from poof.labelling.session import Session
from poof.labelling.studio import Studio
from poof.labels import LabelSet
from poof.propagation import Settings
from poof.synthetic import SyntheticVideo, sample, truth
from poof.video import VideoWriter

FRAMES = 60


def scene():  # type: ignore[no-untyped-def]
    """A textured plane that moves evenly."""
    return sample("constant", velocity=(0.75, 0.5), frames=FRAMES)


def exact(*frames: int) -> LabelSet:
    """The true points of some frames."""
    whole = truth(scene())
    return whole.replace(instances={k: p.copy() for k, p in whole.instances.items() if k[0] in frames})


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
def studio(place: Path) -> Iterator[Callable[..., Studio]]:
    """Makes a started studio on sessions, with the fastest flow."""
    studios: list[Studio] = []

    def get(*sessions: Session, radius: int = 5, cache: Path | None = None) -> Studio:
        made = Studio(Desk(sessions), [DisFlow("ultrafast")], "dis", Settings(radius), cache)
        studios.append(made)
        made.start()
        return made

    yield get
    for made in studios:
        made.close()


def put(frame: int, keypoint: int, x: float, y: float, **more: object) -> dict[str, object]:
    """An edit that sets a point."""
    return {"op": "set", "frame": frame, "keypoint": keypoint, "x": x, "y": y, **more}
