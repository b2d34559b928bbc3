"""`poof render` from the outside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from poof.cli.render import render
from poof.errors import PoofError
from poof.labels import save_labels

application = typer.Typer()
application.command()(render)


@pytest.fixture
def clip(tmp_path, labels, monkeypatch) -> Path:
    """A folder of images, its labels, and an empty working folder."""
    folder = tmp_path / "clip"
    folder.mkdir()
    for number in range(16):
        Image.fromarray(np.full((160, 200, 3), 60 + number, np.uint8)).save(folder / f"{number:03d}.png")
    save_labels(labels, tmp_path / "labels.json")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(application, [str(a) for a in arguments])


def test_without_outputs_named_it_writes_video_and_sheet(clip):
    result = run(clip / "clip", "--labels", clip / "labels.json", "--quiet")
    assert result.exit_code == 0, result.output
    assert result.output == ""
    assert sorted(p.name for p in Path.cwd().iterdir()) == ["labels.overlay.mp4", "labels.sheet.png"]


def test_only_what_was_asked_for(clip):
    result = run(clip / "clip", "-l", clip / "labels.json", "--plots", "plots", "--sheet", "s.png", "--tiles", 4)
    assert result.exit_code == 0, result.output
    assert sorted(str(p) for p in Path().rglob("*.*")) == ["plots/trajectories-1.png", "s.png"]
    assert "s.png: contact sheet, 4 of 11 labelled frames" in result.output


def test_an_existing_output_is_refused_before_any_work(clip):
    Path("o.mp4").write_bytes(b"mine")
    result = run(clip / "clip", "-l", clip / "labels.json", "-o", "o.mp4", "--sheet", "s.png", "-q")
    assert isinstance(result.exception, PoofError) and "exists already" in str(result.exception)
    assert not Path("s.png").exists() and Path("o.mp4").read_bytes() == b"mine"
    Path("o.mp4").unlink()
    for _ in range(2):  # what it wrote itself it replaces
        assert run(clip / "clip", "-l", clip / "labels.json", "-o", "o.mp4", "-q").exit_code == 0
    assert Path("o.mp4").stat().st_size > 1000


def test_wrong_names_and_numbers(clip):
    result = run(clip / "clip", "-l", clip / "labels.json", "-o", "o.avi")
    assert isinstance(result.exception, PoofError) and ".mp4" in str(result.exception)
    assert run(clip / "clip", "-l", clip / "labels.json", "--min-confidence", 1.5).exit_code == 2
    assert run(clip / "clip", "-l", clip / "labels.json", "--span", "some").exit_code == 2
    result = run(clip / "nothing", "-l", clip / "labels.json", "-o", "o.mp4")
    assert isinstance(result.exception, PoofError) and "nothing" in str(result.exception)
    assert not list(Path.cwd().iterdir())
