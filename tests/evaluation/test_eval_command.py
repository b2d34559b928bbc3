"""`poof eval` from the outside, on files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from poof.cli import eval as command
from poof.errors import PoofError, PoofWarning
from poof.evaluation import METRICS
from poof.labels import LabelSet, save_labels

Make = Callable[..., LabelSet]
CORNERS = np.array([[100.0, 100.0], [130.0, 140.0]])

application = typer.Typer()
application.command()(command.evaluate)


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(application, [str(a) for a in arguments])


@pytest.fixture
def folder(people: Make, machine: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two clips with labels, a good and a bad prediction of each; the good one carried from frame 2."""
    size = {"image_size": (640, 480)}
    for name in ("gt", "good", "bad"):
        (tmp_path / name).mkdir()
    for clip in ("one", "two"):
        save_labels(people({(f, 0): CORNERS for f in range(8)}, **size), tmp_path / "gt" / f"{clip}.json")
        good = machine({(f, 0): CORNERS + (f != 2) for f in range(8)}, anchors=(2,), **size)
        save_labels(good, tmp_path / "good" / f"{clip}.json")
        save_labels(machine({(f, 0): CORNERS + 9 for f in range(8)}, **size), tmp_path / "bad" / f"{clip}.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_prediction_with_everything_written(folder: Path) -> None:
    result = run("good/one.json", "--labels", "gt/one.json", "--per-joint", "--per-distance", "--per-source", "--oks",
                 "--calibration", "--csv", "t.csv", "--json", "t.json", "--curve", "c.png")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "note: 2 points that a person set in a prediction's file are not judged" in result.output
    assert "By frames to the nearest anchor" in result.output
    rows = json.loads(Path("t.json").read_text())
    assert rows["rows"][0]["points"] == 14
    assert rows["rows"][0]["acc@5"] == 1.0
    assert rows["rows"][0]["thesis@5"] == 0.0  # 1 px is 5.12 px of the crop
    assert rows["rows"][0]["thesis@10"] == 1.0
    assert rows["presence"][0] | {"auroc": 0} == {
        "prediction": "one.json", "confidence": 0.0, "tp": 14, "fn": 0, "fp": 0, "tn": 0, "precision": 1.0,
        "recall": 1.0, "auroc": 0,
    }  # fmt: skip
    assert rows["rows"][0]["mean"] == pytest.approx(np.sqrt(2))
    assert rows["oks"][0]["AP"] == pytest.approx(0.9)  # OKS exp(-2 / (8 * 0.53 * 1200 * 0.067^2)) = 0.92
    assert rows["calibration"][0]["confidence"] == 0.5
    table = pd.read_csv("t.csv")
    assert table[table.group == "distance"]["name"].tolist() == ["1-2", "3-5"]
    with Image.open("c.png") as image:
        assert image.width > 400
        assert len(image.convert("L").getcolors() or []) > 10


def test_two_predictions_of_two_clips_side_by_side(folder: Path) -> None:
    result = run("good", "worse=bad/one.csv,bad/two.csv", "-l", "gt/one.json", "-l", "gt/two.json", "--per-video",
                 "--baseline", "worse", "--bootstrap", 50, "--json", "t.json", "--thresholds", "10,60")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "Difference from worse" in result.output
    content = json.loads(Path("t.json").read_text())
    assert content["settings"]["thresholds"] == [10, 60]
    gap = content["comparison"]["pairs"][0]
    assert (gap["prediction"], gap["measure"], gap["difference"]) == ("good", "acc@10", 1.0)
    assert gap["only_prediction"] == 28
    assert {r["name"] for r in content["rows"] if r["group"] == "video"} == {"one", "two"}
    assert {r["prediction"] for r in content["rows"]} == {"good", "worse"}
    assert content["files"]["labels"] == ["gt/one.json", "gt/two.json"]


def test_names_are_printed_as_they_are(folder: Path, people: Make, machine: Make) -> None:
    names = ("[red]a", "b:cat:")
    save_labels(people({(0, 0): CORNERS}, names), folder / "gt.json")
    save_labels(machine({(0, 0): CORNERS}, names), folder / "p[1].json")
    result = run("p[1].json", "-l", "gt.json", "--per-joint")
    assert result.exit_code == 0, result.output
    for name in (*names, "p[1].json"):
        assert name in result.output


def test_quiet_prints_nothing_and_no_bootstrap_compares_nothing(folder: Path) -> None:
    result = run("good/one.json", "bad/one.csv", "-l", "gt/one.json", "-q", "--bootstrap", 0, "--json", "t.json")
    assert (result.exit_code, result.output) == (0, "")
    assert json.loads(Path("t.json").read_text())["comparison"] is None


def test_options_reach_the_evaluation(folder: Path) -> None:
    result = run("bad/one.csv", "-l", "gt/one.json", "--metric", "pck-reference", "--reference", "a,b", "--thresholds",
                 "0.2,0.3", "--json", "t.json", "--size", "10x20")  # fmt: skip
    assert result.exit_code == 0, result.output
    row = json.loads(Path("t.json").read_text())["rows"][0]
    assert (row["acc@0.2"], row["acc@0.3"]) == (0.0, 1.0)  # 9 sqrt(2) px of 50
    result = run("good/one.json", "-l", "gt/one.json", "--frame", "image", "--metric", "l2", "--score-anchors",
                 "--thresholds", "1,2", "--json", "u.json")  # fmt: skip
    assert result.exit_code == 0, result.output
    row = json.loads(Path("u.json").read_text())["rows"][0]
    assert (row["points"], row["acc@1"], row["acc@2"]) == (16, 2 / 16, 1.0)


def test_the_choices_are_those_of_the_library() -> None:
    assert tuple(m.value for m in command.Metric) == METRICS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["good/one.json", "-l", "gt/one.json", "--thresholds", "5,x"], "thresholds: 'x' is not a number"),
        (["good/one.json", "-l", "gt/one.json", "--thresholds", ""], "thresholds: '' is not a number"),
        (["good/one.json", "-l", "gt/one.json", "--thresholds", "-5"], "-5 is not a positive number"),
        (["good/one.json", "-l", "gt/one.json", "--size", "640"], "size: '640' is not WIDTHxHEIGHT"),
        (["good/one.json", "-l", "gt/none.json"], "gt/none.json: there is no such label file"),
        (["good/one.json", "-l", "gt/one.json", "-l", "gt/two.json"], "1 files for 2 of labels"),
        (["good", "-l", "gt/one.json", "-l", "t/three.json"], "good: has no file three"),
        (["good/one.json", "good/one.json", "-l", "gt/one.json"], "a second prediction called 'one.json'"),
        (["good/one.json", "-l", "gt/one.json", "-l", "gt/one.json"], "gt/one.json is named twice"),
        (["good/one.json", "-l", "gt/one.json", "--baseline", "no"], "no prediction 'no'; there are one.json"),
        (["good/one.json", "-l", "gt/one.json", "--csv", "gt/one.json"], "is given with --labels and would be"),
        (["good/one.json", "-l", "gt/one.json", "--metric", "pck-torso"], "PCK by torso needs"),
        (["good/one.json", "-l", "gt/one.json", "--curve", "none/c.png"], "there is no folder none"),
        (["good/one.json", "-l", "gt/one.json", "--sigma", "0", "--oks"], "sigmas of keypoints must be positive"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(folder: Path, arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, PoofError), result.output
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)


def test_a_prediction_of_other_keypoints_is_judged_by_the_common_ones(folder: Path, machine: Make) -> None:
    save_labels(machine({(0, 0): CORNERS}, ("A", "z")), folder / "other.json")
    with pytest.warns(PoofWarning, match=r"other.json: has no b; judged by the 1 keypoints"):
        result = run("other.json", "-l", "gt/one.json", "--json", "t.json")
    assert result.exit_code == 0, result.output
    content = json.loads(Path("t.json").read_text())
    assert content["keypoints"] == ["a"]
    assert content["notes"][0].startswith("other.json: has no b")
    save_labels(machine({(0, 0): CORNERS}, ("y", "z")), folder / "alien.json")
    assert "no keypoint in common" in str(run("alien.json", "-l", "gt/one.json").exception)
    save_labels(machine({(90, 0): CORNERS}), folder / "late.json")
    assert "frames 90-90 against frames 0-7" in str(run("late.json", "-l", "gt/one.json").exception)


def test_names_come_from_the_files_the_folder_or_the_user(folder: Path) -> None:
    from poof.evaluation import load_pairs

    predictions, truth = load_pairs(["good", "x=bad/one.csv,bad/two.csv"], ["gt/one.json", "gt/two.json"])
    assert {name: list(videos) for name, videos in predictions.items()} == {"good": ["one", "two"], "x": ["one", "two"]}
    assert list(truth) == ["one", "two"]
    # Equal stems are told apart by their paths, an ending like the labels' wins in a folder, '=' may be in a name.
    (folder / "gt2").mkdir()
    (folder / "gt2" / "one.json").write_bytes((folder / "gt" / "one.json").read_bytes())
    (folder / "good" / "one.csv").write_bytes((folder / "bad" / "one.csv").read_bytes())
    (folder / "a=b.json").write_bytes((folder / "good" / "one.json").read_bytes())
    predictions, truth = load_pairs(["good/one.json,a=b.json"], ["gt/one.json", "gt2/one.json"])
    assert list(truth) == ["gt/one.json", "gt2/one.json"]
    assert list(predictions) == ["one.json"]
    predictions, _ = load_pairs(["good"], ["gt/one.json"])
    assert predictions["good"]["one"].instances[0, 0].xy[0, 0] == 101
    with pytest.raises(PoofError, match="at least one prediction"):
        load_pairs([], ["gt/one.json"])
