"""The commands, end to end on tiny clips, and their errors in one line."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from poof.cli.recog import recog
from poof.errors import PoofError, PoofWarning


@pytest.fixture(autouse=True)
def undrawn() -> None:
    """Here curves are drawn."""


@pytest.fixture
def app() -> typer.Typer:
    application = typer.Typer()
    application.add_typer(recog, name="recog")
    return application


def run(app: typer.Typer, *arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["recog", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def test_profile_prints_measured_and_published(app: typer.Typer, tmp_path: Path) -> None:
    text = run(app, "profile", "resnet18", "-m", "m2a", "--explain", "--json", tmp_path / "p.json")
    assert "14.730" in text
    assert "14.81" in text
    assert "before layer1.0.conv1" in text
    content = json.loads((tmp_path / "p.json").read_text())
    assert content["profile"]["GMACs"] == pytest.approx(14.7296, abs=1e-4)
    assert len(content["places"]) == 8


def test_list_names_all(app: typer.Typer) -> None:
    text = run(app, "list", "--no-costs")
    for name in ("m2a", "tsm", "i3d_resnet50", "m2a+tsm-resnet18", "something-v2"):
        assert name in text


def test_render_train_eval_predict_explain(app: typer.Typer, tmp_path: Path) -> None:
    folder = tmp_path / "task"
    run(app, "motion-task", folder, "--train", 8, "--test", 8, "--frames", 6, "--size", 32, "-q")
    assert "8 of 8 clips of 8 classes are sound" in run(app, "check", "-d", folder / "train.txt")
    common = ["-d", folder / "train.txt", "-o", tmp_path / "run", "--size", 32, "--frames", 4, "--workers", 0]
    text = run(app, "train", "resnet18_quarter", "-m", "tsm", *common, "--val", folder / "test.txt", "--epochs", 1)
    assert "validation top-1" in text
    assert cv2.imread(str(tmp_path / "run" / "curves.png")) is not None
    assert "clips/s" in text
    with pytest.raises(PoofError, match="holds a run; go on with --resume"):
        run(app, "train", "resnet18_quarter", "-m", "tsm", *common, "--epochs", 1)
    with (
        pytest.warns(PoofWarning, match="a figure on it will be too good"),
        pytest.raises(PoofError, match=r"train\.txt: has no test part; leave out --val test"),
    ):
        run(app, "train", "resnet18_quarter", *common, "--val", "test", "--force")
    assert "milestones     3, 7" in run(
        app, "train", "resnet18", *common, "--recipe", "tsm", "--milestone", 7, "--milestone", 3, "--show-recipe"
    )
    with pytest.raises(PoofError, match=r"none\.csv: there is no such file of answers"):
        run(app, "eval", tmp_path / "run", "-d", folder / "none.txt", "--against", tmp_path / "none.csv")
    judge = ["-d", folder / "test.txt", "--workers", 0, "--clips", 2]
    with pytest.warns(PoofWarning, match="best epoch was chosen by 8 of these 8 clips.*judge last"):
        run(app, "eval", tmp_path / "run", *judge, "-o", tmp_path / "a.csv", "-q")
    last = tmp_path / "run" / "last.pt"
    text = run(app, "eval", last, *judge, "-o", tmp_path / "b.csv", "--against", tmp_path / "a.csv")
    assert "clips of 4 frames over the whole video, 32 px, as trained" in text
    fused = run(app, "eval", last, tmp_path / "a.csv", *judge, "--fuse", "--weights", "2,1", "--per-class")
    assert "fused against run" in fused and "per class (fused)" in fused
    assert "McNemar (exact) p = 1" in text
    assert len(pd.read_csv(tmp_path / "a.csv")) == 8
    clip = next((folder / "test").glob("*.npy"))
    assert "disc" in run(app, "predict", tmp_path / "run", clip, "-k", 8)
    run(app, "explain", tmp_path / "run", clip, "-o", tmp_path / "heat")
    assert (tmp_path / "heat" / f"{clip.stem}-heat.png").is_file()


def test_extract_prints_bytes_and_milliseconds(app: typer.Typer, tmp_path: Path) -> None:
    run(app, "motion-task", tmp_path / "task", "--train", 8, "--test", 8, "--frames", 4, "--size", 16, "-q")
    text = run(app, "extract", "-d", tmp_path / "task" / "train.txt", "-o", tmp_path / "out")
    assert "ms/clip after" in text
    assert (tmp_path / "out" / "list.txt").is_file()


def test_check_fails_on_a_broken_file(app: typer.Typer, tmp_path: Path) -> None:
    (tmp_path / "jump").mkdir()
    (tmp_path / "jump" / "bad.mp4").write_bytes(b"x")
    assert "bad.mp4" in run(app, "check", "-d", tmp_path, code=1)
