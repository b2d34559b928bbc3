"""Which label files may be written over: poof's own, and only when nothing that a person said is lost."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poof.errors import PoofError
from poof.labels import LabelSet, Points, Skeleton, Source, load_labels, save_labels
from poof.labels.replacing import check_label_output
from poof.origin import Origin, origin_of


def labels(frames: int = 6, human: tuple[int, ...] = (0,), **info: object) -> LabelSet:
    """Points of a person in the frames `human`, carried ones in the others."""
    result = LabelSet(Skeleton(("nose", "tail")), info={"propagation": {}, "video": "v.mp4"} | info)
    for frame in range(frames):
        points = Points.human(frame, np.array([[10.0, 20.0], [30.0, 40.0]]) + frame)
        if frame not in human:
            points.source[:] = Source.PROPAGATED
        result.add(frame, 0, points)
    return result


def move(path: Path, row: int) -> None:
    """A person corrects a row of a table."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[row, "x"] = "77"
    table.to_csv(path, index=False)


@pytest.mark.parametrize("name", ["x.json", "x.csv"])
def test_what_poof_wrote_is_replaced_without_asking(tmp_path: Path, name: str) -> None:
    save_labels(labels(), tmp_path / name)
    save_labels(labels(human=(0, 3)), tmp_path / name)
    assert load_labels(tmp_path / name).human().frames == [0, 3]


def test_the_file_may_have_been_moved_and_saved_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_labels(labels(), tmp_path / "a.csv")
    table = pd.read_csv(tmp_path / "a.csv", dtype=str, keep_default_na=False)
    table.to_csv(tmp_path / "b.csv", index=False, sep=";")
    monkeypatch.setenv("POOF_CACHE", str(tmp_path / "emptied"))
    save_labels(labels(), tmp_path / "b.csv")


@pytest.mark.parametrize("force", [False, True])
def test_a_correction_that_nobody_handed_in_is_kept(tmp_path: Path, force: bool) -> None:
    path = tmp_path / "x.csv"
    save_labels(labels(), path)
    move(path, 6)
    before = path.read_bytes()
    with pytest.raises(PoofError, match=r"x\.csv: holds one point that a person set there .*frame 3, nose.*with -l"):
        save_labels(labels(), path, force)
    assert path.read_bytes() == before
    check_label_output(path, [load_labels(path)], "propagate", "v.mp4")
    save_labels(load_labels(path), path)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("way", ["itself", "symlink", "second name"])
def test_a_file_of_somebody_else_is_never_overwritten(tmp_path: Path, way: str, force: bool) -> None:
    mine, path = tmp_path / "mine.csv", tmp_path / "x.csv"
    mine.write_text("frame,keypoint,x,y\n0,nose,1,2\n")
    if way == "itself":
        path = mine
    elif way == "symlink":
        path.symlink_to(mine)
    else:
        os.link(mine, path)
    with pytest.raises(PoofError, match="was not written by poof"):
        save_labels(labels(), path, force)
    assert mine.read_text().startswith("frame,keypoint,x,y\n0,nose") and path.exists()


def test_a_file_of_people_alone_is_their_only_copy(tmp_path: Path) -> None:
    path = tmp_path / "gt.json"
    save_labels(labels(2, (0, 1)), path)
    save_labels(labels(3, (0, 1, 2)), path)
    with pytest.raises(PoofError, match=r"2 points that the labels given lack \(first: frame 2, nose\).*--force"):
        save_labels(labels(2, (0, 1)), path)
    save_labels(labels(2, (0, 1)), path, force=True)
    path.write_text(path.read_text().replace("[10, 20, 2", "[12, 20, 2"))  # a person's hand, not poof's
    for force in (False, True):
        with pytest.raises(PoofError, match="one point that a person set there"):
            save_labels(labels(2, (0, 1)), path, force)


def test_another_command_or_video_needs_force(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    save_labels(labels(refinement={}), path)
    with pytest.raises(PoofError, match=r"is what poof refine wrote; .*--force"):
        save_labels(labels(), path)
    save_labels(labels(), path, force=True)
    with pytest.raises(PoofError, match=r"was made of v\.mp4, not of other\.mp4"):
        save_labels(labels(video="other.mp4"), path)
    with pytest.raises(PoofError, match="2 points that the labels given lack"):
        save_labels(labels(human=(1,)), path)


def test_a_moved_label_replaces_what_was_made_of_the_old_one(tmp_path: Path) -> None:
    save_labels(labels(), tmp_path / "x.json")
    new = labels()
    new.instances[0, 0].xy[0] = 100, 100
    save_labels(new, tmp_path / "x.json")


def test_files_of_an_earlier_version_need_force(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    save_labels(labels(), path)
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.drop(columns=table.columns[-1]).to_csv(path, index=False)
    with pytest.raises(PoofError, match="earlier version"):
        save_labels(labels(), path)
    save_labels(labels(), path, force=True)


@pytest.mark.parametrize("name", ["x.h5", "CollectedData_me.csv", "x.slp"])
def test_a_format_without_stamps_is_replaced_as_long_as_nobody_touched_it(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POOF_CACHE", str(tmp_path / "cache"))
    path = tmp_path / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the format cannot hold
        save_labels(labels(), path)
    check_label_output(path, [labels()], "propagate")  # the second run of the same command
    with pytest.raises(PoofError, match=r"that the labels given lack .*--force"):
        check_label_output(path, [labels(human=())], "propagate")  # which would lose a label of frame 0
    path.write_bytes(path.read_bytes() + b"\n")  # a person has been there
    with pytest.raises(PoofError, match=r"never written over|give this file with -l|written by an earlier"):
        check_label_output(path, [labels(human=())], "propagate")


def test_a_pipe_in_the_place_of_an_output_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(PoofError, match="is no ordinary file; choose another name"):
        check_label_output(tmp_path / "pipe.json", [], "propagate", None, force=False)
    assert origin_of(tmp_path / "pipe.json") is Origin.FOREIGN
