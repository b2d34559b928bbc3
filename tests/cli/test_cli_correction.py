"""The whole circle: propagate, correct the result as a spreadsheet or a program would, hand it back."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typed import poof, refused

from poof.labels import LabelSet, Source, load_labels, save_labels
from poof.synthetic import SyntheticVideo, sample, truth
from poof.video import VideoWriter

Rows = list[list[str]]
MOVED = ((6, "x"), (8, "y"), (9, "x"))
"""Frames whose second point a person moves, and which coordinate."""
GONE = 7
"""The frame whose third point the person deletes."""


def english(rows: Rows) -> bytes:
    """Excel, 'CSV UTF-8': a mark at the beginning, commas, lines that end as on Windows."""
    return b"\xef\xbb\xbf" + _written(rows, ",")


def german(rows: Rows) -> bytes:
    """Excel on a German system: semicolons, decimal commas."""
    places = [rows[0].index(name) for name in ("x", "y", "confidence")]
    told = [[c.replace(".", ",") if i in places else c for i, c in enumerate(row)] for row in rows[1:]]
    return _written([rows[0], *told], ";")


def unicode_text(rows: Rows) -> bytes:
    """Excel, 'Unicode text': UTF-16, tabs."""
    return _written(rows, "\t").decode("utf-8").encode("utf-16")


def _written(rows: Rows, comma: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=comma, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode("utf-8")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """video.mp4 (16 frames of a moving plane), gt.json (frames 2 and 13) and what poof propagate makes of it."""
    folder = tmp_path_factory.mktemp("circle")
    scene = sample("constant", velocity=(1.0, 0.5), frames=16)
    with VideoWriter(folder / "video.mp4", 25, scene.size, lossless=True) as writer:
        for _, image in SyntheticVideo(scene).frames():
            writer.write(image)
    exact = truth(scene)
    save_labels(exact.replace(instances={k: p for k, p in exact.instances.items() if k[0] in (2, 13)}),
                folder / "gt.json")  # fmt: skip
    assert poof("propagate", "video.mp4", "-l", "gt.json", cwd=folder).returncode == 0
    return folder


@pytest.fixture
def here(clip: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    for path in clip.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def correct(path: Path, save: Callable[[Rows], bytes]) -> dict[tuple[int, str], tuple[float, float]]:
    """Move three points, delete one, save; (frame, keypoint) -> where the person has put it."""
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    header = rows[0]
    frame, keypoint, x, y = (header.index(name) for name in ("frame", "keypoint", "x", "y"))
    names = list(dict.fromkeys(row[keypoint] for row in rows[1:]))
    put = {}
    for row in rows[1:]:
        for at, axis in MOVED:
            if row[frame] == str(at) and row[keypoint] == names[1]:
                place = header.index(axis)
                row[place] = str(round(float(row[place]) + 7, 2))
                put[at, names[1]] = float(row[x]), float(row[y])
    kept = [row for row in rows if not (row[frame] == str(GONE) and row[keypoint] == names[2])]
    assert len(put) == 3 and len(kept) == len(rows) - 1
    path.write_bytes(save(kept))
    return put


def judge(labels: LabelSet, put: dict[tuple[int, str], tuple[float, float]]) -> None:
    """What the person said is in the labels: positions to the hundredth, and the absence."""
    names = labels.skeleton.keypoints
    for (frame, name), place in put.items():
        points = labels.instances[frame, 0]
        k = names.index(name)
        np.testing.assert_allclose(points.xy[k], place, atol=0.006)
        assert points.source[k] == Source.HUMAN and points.confidence[k] == 1
    gone = labels.instances[GONE, 0]
    assert gone.absent[2] and gone.by_person[2] and not gone.labelled[2]


@pytest.mark.parametrize("save", [english, german, unicode_text])
def test_a_table_corrected_in_a_spreadsheet(here: Path, save: Callable[[Rows], bytes]) -> None:
    put = correct(here / "video.poof.csv", save)
    again = poof("propagate", "video.mp4", "-l", "video.poof.csv", cwd=here)  # no --force
    assert again.returncode == 0, again.stderr
    assert "3 corrected, 1 removed since poof wrote it" in again.stdout
    for name in ("video.poof.json", "video.poof.csv"):
        judge(load_labels(here / name), put)
    # What is a person's now stays so, and is told once.
    if save is english:
        third = poof("propagate", "video.mp4", "-l", "video.poof.csv", cwd=here)
        assert third.returncode == 0 and "corrected" not in third.stdout
        judge(load_labels(here / "video.poof.json"), put)


def test_a_coco_file_corrected_by_a_program(here: Path) -> None:
    path = here / "video.poof.json"
    content = json.loads(path.read_text())
    frame_of = {image["id"]: int(image.get("frame", image.get("frame_number", -1))) for image in content["images"]}
    names = content["categories"][0]["keypoints"]
    put = {}
    before = load_labels(path)
    frames = dict(zip(sorted(frame_of), sorted(before.frames)))
    for annotation in content["annotations"]:
        frame = frames[annotation["image_id"]]
        for at, axis in MOVED:
            if frame == at:
                annotation["keypoints"][3 + "xy".index(axis)] += 7
                put[at, names[1]] = tuple(annotation["keypoints"][3:5])
        if frame == GONE:
            annotation["keypoints"][6:9] = [0, 0, 0]
    path.write_text(json.dumps(content, indent=2))
    again = poof("propagate", "video.mp4", "-l", "video.poof.json", cwd=here)
    assert again.returncode == 0, again.stderr
    assert "3 corrected, 1 removed since poof wrote it" in again.stdout
    judge(load_labels(here / "video.poof.json"), put)
    judge(load_labels(here / "video.poof.csv"), put)


def test_a_correction_that_was_not_handed_in_is_not_lost(here: Path) -> None:
    put = correct(here / "video.poof.csv", english)
    for force in ([], ["--force"]):
        refused(poof("propagate", "video.mp4", "-l", "gt.json", *force, cwd=here), "video.poof.csv", "-l")
    judge(load_labels(here / "video.poof.csv"), put)


def test_several_videos_are_corrected_at_once(here: Path) -> None:
    (here / "other.mp4").write_bytes((here / "video.mp4").read_bytes())
    (here / "other.gt.json").write_bytes((here / "gt.json").read_bytes())
    both = ["propagate", "video.mp4", "other.mp4"]
    first = poof(*both, "-l", "video.poof.csv", "-l", "other.gt.json", cwd=here)
    assert first.returncode == 0, first.stderr
    put = correct(here / "other.poof.csv", german)
    again = poof(*both, "-l", "video.poof.csv", "-l", "other.poof.csv", cwd=here)
    assert again.returncode == 0, again.stderr
    (line,) = [line for line in again.stdout.splitlines() if "corrected" in line]
    assert "other.poof.csv: 3 corrected, 1 removed" in line
    judge(load_labels(here / "other.poof.json"), put)
    assert not load_labels(here / "video.poof.json").instances[GONE, 0].absent[2]
