"""Which label file is whose, and files and images that belong elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from poof.errors import PoofError, PoofWarning
from poof.labels import LabelSet, Points, Skeleton, load_labels, save_labels
from poof.labels.pairing import labels_for, match


@dataclass
class Clip:
    name: str
    frame_names: tuple[str, ...] | None = None
    size: tuple[int, int] = (64, 48)


def write(path: Path, x: float = 1.0, frames: tuple[int, ...] = (0,), **more: object) -> Path:
    labels = LabelSet(Skeleton(("nose",)), **more)  # type: ignore[arg-type]
    for frame in frames:
        labels.add(frame, 0, Points.human(frame, np.array([[x, x + frame]])))
    save_labels(labels, path)
    return path


def test_names_that_mean_a_video() -> None:
    assert match("dog", "a/dog.mp4") == match("Dog.avi", "dog.mp4") == 2
    assert match("dog_small", "dog.mp4") == match("dog", "dog_frames") == 1
    assert match("clip1", "clip10.mp4") == match("cat", "dog.mp4") == match("a", "ab.mp4") == 0


def test_files_find_their_videos_by_what_they_say_then_by_name_then_by_order(tmp_path: Path) -> None:
    cat, dog = Clip("cat.mp4"), Clip("dog.mp4")
    says = write(tmp_path / "b.json", 1, info={"video": "dog.mp4"})
    named = write(tmp_path / "cat.labels.json", 2)
    found = labels_for([cat, dog], [says, named])
    assert [one.files for one in found] == [[named], [says]]
    assert [one.how for one in found] == [["by its name"], ["says so"]]
    one, two = write(tmp_path / "x.json", 1), write(tmp_path / "y.json", 2)
    found = labels_for([cat, dog], [one, two])
    assert [given.labels.instances[0, 0].xy[0, 0] for given in found] == [1, 2]
    assert found[0].how == ["in the order given"]
    with pytest.raises(PoofError, match=r"x\.json: neither its content nor its name tells .*cat\.mp4, dog\.mp4"):
        labels_for([cat, dog], [one, two, write(tmp_path / "z.json")])
    with pytest.raises(PoofError, match=r"dog\.mp4: none of the label files"):
        labels_for([cat, dog], [named])
    with pytest.raises(PoofError, match="is given twice"):
        labels_for([cat], [named, named])


def test_labels_of_another_video_are_refused_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "dog.mp4").write_bytes(b"")
    path = write(tmp_path / "gt.json", info={"video": "elsewhere/dog.mp4"})
    with pytest.raises(PoofError, match=r"is of the video 'dog\.mp4', not of bear\.mp4; nearest .* dog\.mp4"):
        labels_for([Clip(str(tmp_path / "bear.mp4"))], [path])
    labels_for([Clip(str(tmp_path / "dog_small.mp4"))], [path])
    labels_for([Clip(str(tmp_path / "frames"), ("0.png",))], [path])


def test_a_file_of_several_videos_serves_each(tmp_path: Path) -> None:
    path = tmp_path / "CollectedData_me.csv"
    path.write_text(
        "scorer,me,me\nbodyparts,nose,nose\ncoords,x,y\n"
        "labeled-data/cat/img000.png,1,2\nlabeled-data/dog/img003.png,3,4\n"
    )
    cat, dog = labels_for([Clip("cat.mp4"), Clip("dog.mp4")], [path])
    assert (cat.labels.frames, dog.labels.frames) == ([0], [3])


def test_images_of_a_folder_with_gaps_go_by_their_names(tmp_path: Path) -> None:
    folder = ("img000.png", "img004.png", "img009.png")
    for header, rows in (
        ("image,keypoint,x,y", "img009.png,nose,1,2\nimg000.png,nose,3,4"),
        ("frame,keypoint,x,y", "img009.png,nose,1,2\nimg000.png,nose,3,4"),
        ("frame,image,keypoint,x,y", "9,img009.png,nose,1,2\n0,img000.png,nose,3,4"),
    ):
        path = tmp_path / "x.csv"
        path.write_text(f"{header}\n{rows}\n")
        labels = load_labels(path, folder)
        assert labels.frames == [0, 2] and labels.instances[2, 0].xy.tolist() == [[1, 2]]
    path.write_text("image,keypoint,x,y\nimg005.png,nose,1,2\n")
    with pytest.raises(
        PoofError, match=r"'img005\.png' is not among the 3 of the folder, nearest is 'img00[049]\.png'"
    ):
        load_labels(path, folder)
    named = write(tmp_path / "n.csv", frames=(0, 1, 2), frame_names=dict(enumerate(folder)))
    assert load_labels(named, ("img000.png", "img009.png", "img004.png")).instances[1, 0].xy[0, 1] == 3


def test_numbers_without_names_are_told_where_a_folder_has_gaps(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("frame,keypoint,x,y\n0,nose,3,4\n4,nose,1,2\n")
    images = [f"{n:03}.png" for n in (0, 1, 2, 4, 5)]
    with pytest.warns(PoofWarning, match=r"its frame 4 is taken for '005\.png', by counting in a folder .* gaps"):
        assert load_labels(path, images).frames == [0, 4]
    load_labels(path, [f"{n:03}.png" for n in range(1, 6)])  # counted from 1, nothing is missing
    path.write_text("frame,keypoint,x,y\n0,nose,3,4\n2,nose,1,2\n")
    load_labels(path, images)  # the same either way


def test_a_file_named_after_its_video_is_not_given_to_a_folder_that_has_images_of_its_numbers(tmp_path: Path) -> None:
    bear = Clip("bear.mp4")
    camel = Clip("camel", tuple(f"{number:05}.jpg" for number in range(9)))
    files = [write(tmp_path / f"{name}.json", frames=(3,), frame_names={3: "00003.jpg"}) for name in ("bear", "camel")]
    assert [given.files for given in labels_for([bear, camel], files)] == [[files[0]], [files[1]]]
    lone = write(tmp_path / "mine.json", frames=(3,), frame_names={3: "00003.jpg"})
    found = labels_for([bear, camel], [lone, files[0]])
    assert found[1].files == [lone] and found[1].how == ["says so"]
