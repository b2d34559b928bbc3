"""`poof convert`, as a user runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer

from poof.cli.common import guarded
from poof.cli.convert import convert
from poof.labels import LabelSet, Points, Skeleton, Source, load_labels, save_labels


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Exit code, standard output, standard error."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(convert)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["poof", *map(str, arguments)])
        code = guarded(app)
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def source(tmp_path: Path) -> Path:
    labels = LabelSet(Skeleton(("nose", "tail")), image_size=(64, 48))
    for frame in (2, 3):
        labels.add(frame, 0, Points.human(frame, np.array([[10.0, 20.0], [30.5, 40.25]])))
    save_labels(labels, tmp_path / "gt.json")
    return tmp_path / "gt.json"


def test_one_line_says_what_was_done(run, source: Path) -> None:
    target = source.with_name("gt.csv")
    code, out, err = run(source, target)
    assert (code, err) == (0, "")
    told, following = out.splitlines()
    assert told == f"{target}: 2 frames, 2 instances, 2 keypoints; points: 4 human (coco -> csv)"
    assert following == (
        f"next: poof propagate VIDEO -l {target}    (VIDEO: the one that was labelled; none is in sight here)"
    )
    assert load_labels(target).instances[3, 0].xy.tolist() == [[10, 20], [30.5, 40.25]]


@pytest.mark.parametrize(
    ("videos", "shown"),
    [
        (["my clip.mp4"], "'{}/my clip.mp4'"),  # the only one beside the labels
        (["other.mp4", "gt.avi"], "{}/gt.avi"),  # the one of their name
        (["gt.mp4", "gt.overlay.mp4"], "{}/gt.mp4"),  # not what poof draws
        (["a.mp4", "b.mp4"], "VIDEO"),
    ],
)
def test_the_next_step_names_the_video_in_sight(run, source: Path, videos: list[str], shown: str) -> None:
    for name in videos:
        source.with_name(name).touch()
    _, out, _ = run(source, source.with_name("gt.csv"))
    assert f"next: poof propagate {shown.format(source.parent)} -l " in out


def test_the_next_step_takes_the_video_that_the_labels_name(run, source: Path) -> None:
    labels = load_labels(source)
    labels.info["video"] = "/elsewhere/second.mp4"
    save_labels(labels, source, checked=True)
    for name in ("first.mp4", "second.mp4"):
        source.with_name(name).touch()
    _, out, _ = run(source, source.with_name("gt.csv"))
    assert f"next: poof propagate {source.parent}/second.mp4 -l " in out


@pytest.mark.parametrize(
    ("name", "options", "format"),
    [
        ("x.h5", [], "deeplabcut"),
        ("CollectedData_x.csv", [], "deeplabcut"),
        ("x.csv", ["--to", "deeplabcut"], "deeplabcut"),
    ],
)
def test_there_and_back(run, source: Path, name: str, options: list[str], format: str) -> None:
    code, out, _ = run(source, source.with_name(name), *options)
    assert code == 0
    assert f"(coco -> {format})" in out
    code, out, _ = run(source.with_name(name), source.with_name("back.json"), "--from", format)
    assert code == 0
    assert load_labels(source.with_name("back.json")).instances[3, 0].xy.tolist() == [[10, 20], [30.5, 40.25]]


def test_quiet(run, source: Path) -> None:
    assert run(source, source.with_name("gt.csv"), "--quiet") == (0, "", "")


@pytest.mark.parametrize(
    ("scale", "size", "first"), [("2", (128, 96), [20.5, 40.5]), ("2,0.5", (128, 24), [20.5, 9.75])]
)
def test_scale(run, source: Path, scale: str, size: tuple[int, int], first: list[float]) -> None:
    target = source.with_name("scaled.json")
    assert run(source, target, "--scale", scale)[0] == 0
    labels = load_labels(target)
    assert labels.image_size == size
    assert labels.instances[2, 0].xy[0].tolist() == first


def test_scale_of_refined_labels_through_a_table(run, source: Path) -> None:
    labels = load_labels(source)
    points = labels.instances[3, 0]
    points.source[1] = Source.REFINED
    points.flow_xy, points.disputed = np.array([[np.nan] * 2, [20, 40.5]], np.float32), np.array([False, True])
    save_labels(labels, source, force=True)
    assert run(source, source.with_name("x.csv"), "--scale", "2")[0] == 0
    assert run(source.with_name("x.csv"), source.with_name("back.json"), "--scale", "0.5")[0] == 0
    assert "40.5,81.5,True" in source.with_name("x.csv").read_text()
    back = load_labels(source.with_name("back.json"))
    np.testing.assert_array_equal(back.instances[3, 0].flow_xy, points.flow_xy)
    assert back.instances[3, 0].in_dispute.tolist() == [False, True]
    assert back.instances[2, 0].flow_xy is None and back.instances[2, 0].disputed is None


@pytest.mark.parametrize("scale", ["half", "1,2,3", "1;2"])
def test_scale_that_is_none_is_a_usage_error(run, source: Path, scale: str) -> None:
    code, _, err = run(source, source.with_name("scaled.json"), "--scale", scale)
    assert code == 2
    assert "--scale" in err
    assert not source.with_name("scaled.json").exists()


def test_errors_are_one_line(run, source: Path) -> None:
    target = source.with_name("gt.csv")
    target.write_text("precious")
    code, out, err = run(source, target)
    assert (code, out) == (1, "")
    assert err.startswith(f"poof: error: {target}: was not written by poof") and err.count("\n") == 1
    assert target.read_text() == "precious" and run(source, target, "--force")[0] == 1
    target.unlink()
    assert run(source, target)[0] == run(source, target)[0] == 0
    assert run(source.with_name("nope.json"), source.with_name("y.csv"))[2].count("\n") == 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five images of 64x48 whose numbers begin at 1."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(1, 6):
        cv2.imwrite(str(folder / f"shot{number:03d}.png"), np.zeros((48, 64, 3), np.uint8))
    return folder


def test_frames_tell_names_and_size(run, source: Path, folder: Path) -> None:
    table = source.with_name("gt.csv")
    table.write_text("frame,keypoint,x,y\n1,nose,5,6\n")
    target = source.with_name("named.json")
    assert run(table, target, "--frames", folder)[0] == 0
    assert json.loads(target.read_text())["images"] == [
        {"id": 1, "file_name": "shot002.png", "width": 64, "height": 48, "frame_index": 1}
    ]
    code, _, err = run(target, source.with_name("named.h5"))
    assert code == 0
    assert "frame numbers, which differ from those in the names" in err
    back = source.with_name("back.csv")
    assert run(source.with_name("named.h5"), back, "--frames", folder)[0] == 0
    assert load_labels(back).frames == [1], "the folder tells that shot002.png is frame 1"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("5,nose,5,6", "ends at frame 4, the labels name frame 5"),
        ("1,nose,90,6", "frame 1: nose is labelled at (90.0, 6.0)"),
    ],
)
def test_labels_that_do_not_fit_the_frames(run, source: Path, folder: Path, row: str, problem: str) -> None:
    table = source.with_name("gt.csv")
    table.write_text(f"frame,keypoint,x,y\n{row}\n")
    code, _, err = run(table, source.with_name("x.json"), "--frames", folder)
    assert code == 1
    assert problem in err
    assert not source.with_name("x.json").exists()


def test_choosing_a_video(run, source: Path) -> None:
    table = source.with_name("CollectedData_A.csv")
    head = "scorer,A,A\nbodyparts,nose,nose\ncoords,x,y\n"
    table.write_text(f"{head}labeled-data/v1/img1.png,1,2\nlabeled-data/v2/img7.png,3,4\n")
    target = source.with_name("x.csv")
    code, _, err = run(table, target)
    assert code == 1
    assert "several videos (v1, v2)" in err
    assert run(table, target, "--video", "v2")[0] == 0
    assert load_labels(target).frames == [7]
    table.write_text(f"{head}labeled-data/v1/img1.png,1,2\n")
    code, _, err = run(table, target, "--video", "v2", "--force")
    assert code == 1
    assert f"{table}: holds no images of 'v2'" in err


def test_choosing_a_category(run, source: Path) -> None:
    document = json.loads(source.read_text())
    document["categories"].append({"id": 2, "name": "cat", "keypoints": ["ear"]})
    document["annotations"].append({"id": 9, "image_id": 1, "category_id": 2, "keypoints": [1, 2, 2]})
    source.write_text(json.dumps(document))
    target = source.with_name("x.csv")
    assert run(source, target)[0] == 1
    assert run(source, target, "--category", "cat")[0] == 0
    assert load_labels(target).skeleton.keypoints == ("ear",)
