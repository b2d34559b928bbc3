"""`poof train` and `poof predict` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from card import card_video
from PIL import Image
from typer.testing import CliRunner

from poof.cli.common import STOPPED
from poof.cli.predict import predict
from poof.cli.train import train
from poof.errors import PoofError
from poof.labels import load_labels, save_labels
from poof.labels.pairing import labels_for
from poof.pose import Pair
from poof.pose.files import load_pairs
from poof.video import VideoWriter, open_video


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> typer.Typer:
    """Both commands, in a folder with a video and labels of the card."""
    monkeypatch.chdir(tmp_path)
    for name, pair in (("a", card_video(6)), ("b", card_video(3, seed=5))):
        write(Path(f"{name}.mp4"), pair)
        save_labels(pair.labels, f"{name}.json")
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command("train")(train)
    app.command("predict")(predict)
    return app


def write(path: Path, pair: Pair) -> None:
    with VideoWriter(path, 25, pair.video.size, lossless=True) as writer:
        for _, image in pair.video.frames():
            writer.write(image)


TRAIN = ["train", "--data", "a.json", "--video", "a.mp4", "--val", "b.json", "--val-video", "b.mp4", "-o", "run",
         "--body", "unet", "--input-size", "64x64", "--batch", "2", "--epochs", "1",
         "--device", "cpu"]  # fmt: skip


def run(app: typer.Typer, *arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_train_then_predict(app: typer.Typer) -> None:
    Path("run").mkdir()
    Path("run/last.pt").write_bytes(b"")  # of another run
    shown = run(app, *TRAIN, "--json", "run.json", "--force", "--body", "resnet18", "--stages", "1")
    assert sorted(p.name for p in Path("run").iterdir()) == ["best.pt", "curves.csv", "curves.png", "last.pt"]
    report = json.loads(Path("run.json").read_text())
    assert report["steps"] == 3
    assert report["best_step"] == report["history"][0]["step"] == 3
    assert "all 4 keypoints started from chance" in shown
    assert "6 training crops, 3 to judge by: validated on videos of their own" in shown
    assert "3 steps of 2" in shown
    assert "px of a 256x192 crop" in shown
    assert "run/best.pt: the model" in shown
    shown = run(app, "predict", "b.mp4", "--model", "run/best.pt", "--labels", "b.json", "--device", "cpu")
    assert "b.predicted.json: 3 frames, 3 subjects, 12 keypoints" in shown
    labels = load_labels("b.predicted.json")
    assert labels.frames == [0, 1, 2]
    assert set(labels.to_table()["source"]) == {"predicted"}
    run(app, "predict", "--ensemble", "run/best.pt", "run/last.pt", "b.mp4", "-o", "b.csv", "--stop", "1")
    assert Path("b.csv").read_text().count("\n") == 5


def test_resume_and_refusals(app: typer.Typer, monkeypatch: pytest.MonkeyPatch) -> None:
    def error(*arguments: str) -> str:
        with pytest.raises(PoofError) as caught:
            CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "holds no run to resume" in error(*TRAIN, "--resume")

    def interrupted(*_: object, **__: object) -> None:
        (Path("run") / "last.pt").write_bytes(b"")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("poof.pose.train_pose", interrupted)
        result = CliRunner().invoke(app, TRAIN)
        assert result.exit_code == STOPPED
        assert "run: the same command with --resume goes on from here\n" in result.stderr
    assert "run: holds a run already; go on with --resume, overwrite with --force" in error(*TRAIN)
    Path("run/last.pt").unlink()
    assert "1 label files and 0 videos; give one --video for each" in error("train", "--data", "a.json")
    assert "1 label files and 0 videos; give one --val-video" in error(*TRAIN[:7])
    assert "there is no such file" in error("train", "--data", "a.json", "--video", "none.mp4")
    assert "an input size is HEIGHTxWIDTH" in error(*TRAIN, "--input-size", "big")
    assert "a batch of 99 is larger than the 6 training examples" in error(*TRAIN, "--batch", "99")
    assert "lacks a pose model: --model" in error("predict", "a.mp4")
    assert "either --model or --ensemble" in error("predict", "a.mp4", "y.pt", "--model", "x.pt")
    assert "x.pt: there is no such checkpoint" in error("predict", "a.mp4", "--model", "x.pt")
    both = ("--labels", "a.json", "--boxes", "a.csv")
    assert "either --labels or --boxes" in error("predict", "a.mp4", "--model", "x.pt", *both)


@pytest.mark.parametrize(
    "arguments", [("--batch", "99"), ("--input-size", "big"), ("--init", "none.pt"), ("--rate", "1e30")]
)
def test_a_run_that_fails_leaves_no_empty_folder(app: typer.Typer, arguments: tuple[str, ...]) -> None:
    for folder in ("deep/in/run", "there/run"):
        Path("there").mkdir(exist_ok=True)
        with pytest.raises(PoofError):
            CliRunner().invoke(app, [*TRAIN, *arguments, "-o", folder], catch_exceptions=False)
    assert not Path("deep").exists()
    assert list(Path("there").iterdir()) == []
    Path("kept").mkdir()
    Path("kept/notes.txt").write_text("mine")
    with pytest.raises(PoofError):
        CliRunner().invoke(app, [*TRAIN, *arguments, "-o", "kept"], catch_exceptions=False)
    assert [path.name for path in Path("kept").iterdir()] == ["notes.txt"]


def test_images_that_are_missing_are_named(app: typer.Typer) -> None:
    pair = card_video(6)
    Path("images").mkdir()
    for frame, image in pair.video.frames():
        Image.fromarray(image).save(f"images/{frame:03}.png")
    pair.labels.frame_names = {frame: f"{frame:03}.png" for frame in pair.labels.frames}
    save_labels(pair.labels, "named.json")
    assert len(load_pairs([Path("named.json")], [Path("images")], "--video")[0].labels) == 6
    Path("images/002.png").unlink()
    wanted = r"named\.json: the image '002\.png' is not among the 5 of the folder, nearest is '00[0-9]\.png'"
    with pytest.raises(PoofError, match=wanted):
        load_pairs([Path("named.json")], [Path("images")], "--video")
    wanted = "'005.png' is not among the 5 of the folder"
    Path("images/005.png").rename("images/002.png")
    with pytest.raises(PoofError, match=wanted):
        labels_for([open_video("images")], [Path("named.json")])


def test_a_stopped_run_goes_on(app: typer.Typer) -> None:
    assert run(app, *TRAIN, "--quiet") == ""
    before = Path("run/best.pt").read_bytes()
    Path("run/curves.png").unlink()
    run(app, *TRAIN, "--resume", "--quiet")
    assert Path("run/best.pt").read_bytes() == before
    assert Path("run/curves.png").exists()
