"""A bare command names all that is missing, with an example of the files in sight; help shows flags as flags."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from poof.cli import command as whole
from poof.cli.common import guarded
from poof.cli.sight import video_of
from poof.labels import LabelSet, Skeleton


def asked(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str]:
    """Exit code and standard error of a command."""
    monkeypatch.setattr("sys.argv", ["poof", *words])
    code = guarded(whole(words))
    return code, capsys.readouterr().err


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_all_that_is_missing_is_named_at_once(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, told = asked(capsys, monkeypatch, "propagate")
    assert code == 2 and told.count("\n") == 1
    assert "missing VIDEO and --labels FILE" in told or "missing VIDEO and --labels" in told
    assert "for example: poof propagate video.mp4 -l labels.json" in told
    code, told = asked(capsys, monkeypatch, "convert", "in.json")
    assert code == 2 and "missing OUT" in told and "missing IN" not in told


def test_the_example_takes_the_files_in_sight_and_quotes_them(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("my clip.avi", "my clip.poof.json", "points.csv", "a.overlay.mp4", ".hidden.mp4"):
        (here / name).touch()
    _, told = asked(capsys, monkeypatch, "propagate")
    assert "poof propagate 'my clip.avi' -l points.csv" in told  # neither an overlay nor a result of poof's
    _, told = asked(capsys, monkeypatch, "train")
    assert "poof train -d points.csv -v 'my clip.avi'" in told
    (here / "runs" / "mine").mkdir(parents=True)
    (here / "runs" / "mine" / "best.pt").touch()
    _, told = asked(capsys, monkeypatch, "predict")
    assert "poof predict 'my clip.avi' -m runs/mine/best.pt" in told


def test_an_example_goes_on_from_what_was_given_and_takes_folders_results_and_no_other_files(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def example(*words: str) -> str:
        return asked(capsys, monkeypatch, *words)[1].partition("for example: ")[2].rpartition(" (")[0]

    (here / "a.json").write_text('{"name": "no labels"}')
    assert example("propagate") == "poof propagate video.mp4 -l labels.json"
    (here / "dog").mkdir()
    for name in ("0.jpg", "1.JPG"):
        (here / "dog" / name).touch()
    (here / "z.csv").write_text("frame,keypoint,x,y\n0,a,1,2\n")
    assert example("propagate") == "poof propagate dog -l z.csv"
    assert example("propagate", "-l", "z.csv", "-r", "5") == "poof propagate -l z.csv -r 5 dog"
    (here / "dog.labels.csv").touch()
    (here / "dog.poof.json").touch()
    assert example("propagate", "dog") == "poof propagate dog -l dog.labels.csv"
    assert example("eval") == "poof eval dog.poof.json -l dog.labels.csv"
    assert example("eval", "dog.poof.json") == "poof eval dog.poof.json -l dog.labels.csv"
    assert example("convert") == "poof convert dog.labels.csv dog.labels.json"
    assert example("tracks") == "poof tracks dog.poof.json -o tracks.csv"
    assert example("export") == "poof export dog.poof.json dog --to cvat -o task"
    assert example("recog", "train") == "poof recog train resnet18 -d LIST -o runs/first"


def test_radius_needs_its_labels_in_a_project_too(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "poof.toml").write_text('videos = ["*.avi"]\n')
    code, told = asked(capsys, monkeypatch, "radius")
    assert code == 2 and "missing VIDEO and --labels FILE" in told


@pytest.mark.parametrize("words", [(), ("recog",)])
def test_a_group_alone_shows_its_help_and_no_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    assert asked(capsys, monkeypatch, *words) == (2, "")


@pytest.mark.parametrize(("command", "needs"), [("predict", "--model FILE"), ("train", "--video VIDEO")])
def test_what_click_does_not_know_to_be_needed_is_named_too(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, needs: str
) -> None:
    _, told = asked(capsys, monkeypatch, command)
    assert needs in told


def test_a_choice_that_is_none_is_told_without_the_librarys_words(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, told = asked(capsys, monkeypatch, "eval", "a.json", "-l", "b.json", "--match", "neer")
    assert code == 2 and "'neer' is not one of" in told and "Value error" not in told


def test_flags_have_no_type_in_any_command() -> None:
    seen = []

    def look(command: object) -> None:
        for inner in getattr(command, "commands", {}).values():
            look(inner)
        seen.extend(p for p in getattr(command, "params", []) if getattr(p, "is_flag", False))

    look(whole())
    assert len(seen) > 20 and all(p.metavar in ("", None) or "bool" not in p.metavar.lower() for p in seen)
    assert all(p.metavar == "" for p in seen)


def labels(**info: object) -> LabelSet:
    return LabelSet(Skeleton(("a",)), info=dict(info))


def test_the_video_of_labels_is_the_one_they_name_then_the_one_of_their_name_then_the_only_one(here: Path) -> None:
    for name in ("one.mp4", "two.mp4"):
        (here / name).touch()
    assert video_of(labels(video="/elsewhere/two.mp4"), Path("x.json")) == Path("two.mp4")
    assert video_of(labels(), Path("one.poof.json")) == Path("one.mp4")
    assert video_of(labels(), Path("x.json")) is None
    (here / "two.mp4").unlink()
    assert video_of(None, Path("x.json")) == Path("one.mp4")


def test_labels_of_images_mean_their_folder(here: Path) -> None:
    (here / "frames").mkdir()
    (here / "frames" / "img1.png").touch()
    named = labels()
    named.frame_names = {0: "frames/img1.png"}
    assert video_of(named, Path("x.json")) == Path("frames")


def test_a_command_line_makes_only_what_it_needs_and_shows_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], ["propagate", "--help"], ["recog", "list", "--help"]):
        told = []
        for app in (whole(), whole(words)):
            with pytest.raises(SystemExit):
                app(words, prog_name="poof")
            told.append(capsys.readouterr().out)
        assert told[0] == told[1] and "Usage: poof" in told[0]
    assert list(whole(["propagate"]).commands) == ["propagate"]
    assert len(whole(["propagat"]).commands) == len(whole().commands)


@pytest.mark.parametrize(
    ("words", "found"), [("poof propagate --ra", "--radius"), ("poof recog tr", "train"), ("poof pro", "propagate")]
)
def test_a_shell_completes_commands_and_their_options(words: str, found: str) -> None:
    asked_for = {"_POOF_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    main = "import sys; sys.argv = ['poof']; from poof.__main__ import main; main()"
    told = subprocess.run([sys.executable, "-c", main], env=os.environ | asked_for, capture_output=True, text=True)
    assert found in told.stdout.split()


def test_a_recipe_is_shown_without_data_and_folder(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked(capsys, monkeypatch, "recog", "train", "resnet18", "--recipe", "tsm", "--show-recipe") == (0, "")
    code, told = asked(capsys, monkeypatch, "recog", "train", "--show-recipe")
    assert code == 2 and "missing NETWORK; for example" in told
    code, told = asked(capsys, monkeypatch, "recog", "train", "resnet18")
    assert code == 2 and "missing --data FILE and --output FILE" in told
