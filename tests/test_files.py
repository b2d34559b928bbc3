"""Outputs: flushed, read back, renamed; full disks, killed runs, names that cannot be files."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from poof import files
from poof.errors import PoofError
from poof.files import atomic, check_output, tidy, write_bytes, write_text
from poof.integrity import check_whole
from poof.labels import LabelSet, Points, Skeleton, load_labels, save_labels
from poof.video.writer import VideoWriter


@contextmanager
def largest(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: what a full disk is to the writer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def labels() -> LabelSet:
    rng = np.random.default_rng(0)
    return LabelSet(Skeleton(("a", "b")), {(f, 0): Points.human(f, rng.uniform(0, 99, (2, 2))) for f in range(400)})


def save_video(path: Path) -> None:
    rng = np.random.default_rng(0)
    with VideoWriter(path, 25, (64, 64)) as writer:
        for _ in range(20):
            writer.write(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8))


def save_weights(path: Path) -> None:
    with atomic(path) as temporary:
        torch.save({"weight": torch.arange(20000.0)}, temporary)


def save_figure(path: Path) -> None:
    from matplotlib.figure import Figure

    from poof.drawing.plots import save_figure as save

    figure = Figure()
    figure.subplots().plot(np.random.default_rng(0).normal(size=1000))
    save(figure, path, force=True)


def save_image(path: Path) -> None:
    with atomic(path) as temporary:
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (99, 99, 3), dtype=np.uint8)).save(temporary)


WRITERS: dict[str, Callable[[Path], None]] = {
    "o.json": lambda path: save_labels(labels(), path, force=True),
    "o.csv": lambda path: save_labels(labels(), path, force=True),
    "o.h5": lambda path: save_labels(labels(), path, force=True),
    "CollectedData_o.csv": lambda path: save_labels(labels(), path, force=True),
    "o.mp4": save_video,
    "o.pt": save_weights,
    "f.png": save_figure,
    "f.pdf": save_figure,
    "f.svg": save_figure,
    "i.png": save_image,
    "i.jpg": save_image,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_keeps_the_previous_output(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    whole, size = path.read_bytes(), path.stat().st_size
    assert size > 4096
    for room in (0, 1, 4096, size // 2, size - 1):
        with largest(room), pytest.raises(PoofError, match=rf"{name}: cannot be written .*; free space"):
            WRITERS[name](path)
        assert path.read_bytes() == whole, f"{room} bytes of room"
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", [name for name in WRITERS if not name.endswith((".json", ".csv"))])
def test_a_file_that_is_cut_short_is_not_taken_for_whole(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    check_whole(path)
    data = path.read_bytes()
    for cut in (0, 1, 100, len(data) // 2, len(data) - 3):
        path.write_bytes(data[:cut])
        with pytest.raises(OSError, match="read back"):
            check_whole(path)


def test_a_write_that_fails_in_silence_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "o.h5"
    save_labels(labels(), path)
    right = load_labels(path)
    monkeypatch.setattr("pathlib.Path.write_bytes", lambda *_: 0)
    with pytest.raises(PoofError, match=r"o.h5: cannot be written \(what was read back is not what was written\)"):
        save_labels(labels(), path, force=True)
    monkeypatch.undo()
    assert load_labels(path).frames == right.frames
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_that_is_no_fault_of_the_disk_stays_itself(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="mine"), atomic(tmp_path / "o.txt"):
        raise RuntimeError("mine")
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_left_goes_with_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        "import sys, time; from pathlib import Path; from poof.files import atomic\n"
        "with atomic(Path(sys.argv[1])): print('there', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "o.sheet.png")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
    assert len(list(tmp_path.iterdir())) == 2
    running[0].send_signal(signal.SIGKILL)
    running[0].communicate()
    other = tmp_path / ".notes.poof-someone"
    other.write_text("not ours: another length")
    monkeypatch.setattr(files, "_tidied", set())
    check_output(tmp_path / "o.sheet.png")
    assert len(list(tmp_path.iterdir())) == 2, "the file of the run that lives, and what is not ours"
    running[1].send_signal(signal.SIGKILL)
    running[1].communicate()
    monkeypatch.setattr(files, "_tidied", set())
    with atomic(tmp_path / "o.txt") as temporary:
        temporary.write_text("x")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".notes.poof-someone", "o.txt"]


def test_tidying_does_not_disturb_a_writer_that_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary file of another process, seen before it is locked, is made again."""
    real = files.tempfile.mkstemp
    made: list[str] = []

    def seen_too_early(*args: str, **options: str) -> tuple[int, str]:
        handle, name = real(*args, **options)  # type: ignore[arg-type]
        made.append(name)
        if len(made) == 1:
            monkeypatch.setattr(files, "_tidied", set())
            tidy(tmp_path)
        return handle, name

    monkeypatch.setattr(files.tempfile, "mkstemp", seen_too_early)
    write_text(tmp_path / "o.txt", "x")
    assert len(made) == 2
    assert (tmp_path / "o.txt").read_text() == "x"


def test_names_that_cannot_be_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    begun = time.monotonic()
    for path, reason in (
        (tmp_path / "fifo", "no ordinary file"),
        (Path("/dev/null"), "no ordinary file"),
        (tmp_path / ("x" * 300), "cannot be a file here"),
        (tmp_path / ("x" * 250), "longer than 200 bytes"),
        (tmp_path / "\0", "cannot be a file here"),
        (tmp_path / ("x/" * 3000) / "x", "cannot be a file here"),
        (tmp_path / "fifo" / "x", "cannot be a file here"),
    ):
        with pytest.raises(PoofError, match=reason):
            check_output(path, force=True)
    assert time.monotonic() - begun < 60
    write_bytes(tmp_path / ("x" * 200), b"")


def test_a_text_in_parts_is_the_text(tmp_path: Path) -> None:
    write_text(tmp_path / "o.txt", (part for part in ("ä", "", "\ud800b", "\n")))
    assert (tmp_path / "o.txt").read_bytes() == "ä?b\n".encode()

    def parts() -> Iterator[str]:
        yield "begun"
        raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        write_text(tmp_path / "o.txt", parts())
    assert [file.name for file in tmp_path.iterdir()] == ["o.txt"]
    assert (tmp_path / "o.txt").read_bytes() == "ä?b\n".encode()
