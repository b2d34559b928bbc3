"""DeepLabCut tables: the genuine one, both row styles, several animals, several videos, networks' output."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poof.errors import PoofError, PoofWarning
from poof.labels import LabelSet, Points, Skeleton, Source, Visible, load_labels, save_labels

NAN = float("nan")


def assert_same(a: LabelSet, b: LabelSet, tolerance: float = 0.0) -> None:
    assert a.skeleton == b.skeleton
    assert list(a.instances) == list(b.instances)
    assert a.frame_names == b.frame_names
    for key, points in a.instances.items():
        np.testing.assert_allclose(points.xy, b.instances[key].xy, rtol=0, atol=tolerance)


# ------------------------------------------------------------------------------------------------ the genuine file


def test_the_genuine_file_is_the_same_in_csv_and_h5(data: Path) -> None:
    csv = load_labels(data / "dlc-reaching" / "CollectedData_Mackenzie.csv")
    h5 = load_labels(data / "dlc-reaching" / "CollectedData_Mackenzie.h5")
    assert_same(csv, h5)
    assert csv.skeleton.keypoints == ("Hand", "Finger1", "Tongue", "Joystick1", "Joystick2")
    assert len(csv.frames) == 55
    assert csv.frames[:3] == [5, 20, 23]
    assert csv.frame_names[5] == "labeled-data/reachingvideo1/img005.png"
    assert csv.info == h5.info == {"scorer": "Mackenzie"}
    assert csv.tracked
    points = csv.instances[5, 0]
    np.testing.assert_allclose(points.xy[0], [185.25173502386923, 610.3622760638572], rtol=1e-7)
    assert points.labelled.tolist() == [True, True, False, True, True], "no tongue is to be seen in frame 5"
    assert points.source.tolist() == [Source.HUMAN] * 5
    assert points.visible.tolist() == [2, 2, Visible.ABSENT, 2, 2]
    assert len(csv.assumed_absent) == sum(int(p.absent.sum()) for _, _, p in csv) == 42


@pytest.mark.parametrize("kind", ["csv", "h5"])
def test_the_genuine_file_written_again_is_what_pandas_finds_in_the_original(
    data: Path, tmp_path: Path, kind: str
) -> None:
    folder = data / "dlc-reaching"
    labels = load_labels(folder / f"CollectedData_Mackenzie.{kind}")
    written = tmp_path / f"CollectedData_Mackenzie.{kind}"
    save_labels(labels, written)
    assert_same(labels, load_labels(written), 6e-4)
    original = pd.read_hdf(folder / "CollectedData_Mackenzie.h5", "df_with_missing")
    if kind == "h5":
        again = pd.read_hdf(written, "df_with_missing")
    else:
        again = pd.read_csv(written, header=[0, 1, 2], index_col=[0, 1, 2])
    assert isinstance(again, pd.DataFrame)
    assert list(again.columns) == list(original.columns)
    assert list(again.columns.names) == ["scorer", "bodyparts", "coords"]
    assert ["/".join(row) for row in again.index] == list(original.index)
    np.testing.assert_allclose(again.to_numpy(), original.to_numpy(), rtol=0, atol=6e-4)


# ------------------------------------------------------------------------------------------------ both row styles

ONE_COLUMN = """scorer,Ann,Ann,Ann,Ann
bodyparts,nose,nose,tail,tail
coords,x,y,x,y
labeled-data/mouse1/img007.png,1.5,2.5,,
labeled-data/mouse1/img012.png,3,4,5,6
labeled-data/mouse1/img013.png,,,,
"""
THREE_COLUMNS = """scorer,,,Ann,Ann,Ann,Ann
bodyparts,,,nose,nose,tail,tail
coords,,,x,y,x,y
labeled-data,mouse1,img007.png,1.5,2.5,,
labeled-data,mouse1,img012.png,3,4,5,6
labeled-data,mouse1,img013.png,,,,
"""


def written(folder: Path, text: str, kind: str, levels: int, header: int) -> Path:
    """The text as a csv, or as the h5 that DeepLabCut makes of it."""
    path = folder / f"CollectedData_Ann.{kind}"
    csv = folder / "CollectedData_Ann.csv"
    csv.write_text(text)
    if kind == "h5":
        table = pd.read_csv(csv, header=list(range(header)), index_col=list(range(levels)) if levels > 1 else 0)
        table.to_hdf(path, key="df_with_missing", mode="w")
    return path


@pytest.mark.parametrize("kind", ["csv", "h5"])
@pytest.mark.parametrize(("text", "levels"), [(ONE_COLUMN, 1), (THREE_COLUMNS, 3)])
def test_rows_named_in_one_or_three_columns(tmp_path: Path, text: str, levels: int, kind: str) -> None:
    labels = load_labels(written(tmp_path, text, kind, levels, 3))
    assert labels.skeleton.keypoints == ("nose", "tail")
    assert labels.frame_names == {7: "labeled-data/mouse1/img007.png", 12: "labeled-data/mouse1/img012.png"}
    np.testing.assert_array_equal(labels.instances[7, 0].xy, np.array([[1.5, 2.5], [NAN, NAN]], np.float32))
    np.testing.assert_array_equal(labels.instances[12, 0].xy, np.array([[3, 4], [5, 6]], np.float32))
    assert list(labels.instances) == [(7, 0), (12, 0)], "a row without labels is no instance"


def test_excel_in_german_and_windows(tmp_path: Path) -> None:
    path = tmp_path / "CollectedData_Ann.csv"
    text = ONE_COLUMN.replace(",", ";").replace("1.5", "1,5").replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("labeled-data/mouse1/", "labeled-data\\mouse1\\").encode())
    labels = load_labels(path)
    assert labels.instances[7, 0].xy[0].tolist() == [1.5, 2.5]


def test_place_among_the_frames(tmp_path: Path) -> None:
    labels = load_labels(
        written(tmp_path, ONE_COLUMN, "csv", 1, 3), frame_names=["img001.png", "img007.png", "img012.png"]
    )
    assert labels.frames == [1, 2]


# ------------------------------------------------------------------------------------------------ several animals

ANIMALS = """scorer,,,Ann,Ann,Ann,Ann,Ann,Ann,Ann,Ann,Ann,Ann
individuals,,,{0},{0},{0},{0},{1},{1},{1},{1},single,single
bodyparts,,,nose,nose,tail,tail,nose,nose,tail,tail,feeder,feeder
coords,,,x,y,x,y,x,y,x,y,x,y
labeled-data,cage,img007.png,1,2,3,4,5,6,7,8,9,10
labeled-data,cage,img008.png,,,,,5,6,,,,
"""


@pytest.mark.parametrize("kind", ["csv", "h5"])
@pytest.mark.parametrize("names", [("individual1", "individual2"), ("Anna", "Bert")])
def test_several_animals(tmp_path: Path, kind: str, names: tuple[str, str]) -> None:
    source = written(tmp_path, ANIMALS.format(*names), kind, 3, 4)
    labels = load_labels(source)
    assert labels.skeleton.keypoints == ("nose", "tail", "feeder")
    assert list(labels.instances) == [(7, 0), (7, 1), (7, 2), (8, 1)]
    np.testing.assert_array_equal(labels.instances[7, 1].xy, np.array([[5, 6], [7, 8], [NAN, NAN]], np.float32))
    np.testing.assert_array_equal(labels.instances[7, 2].xy, np.array([[NAN] * 2, [NAN] * 2, [9, 10]], np.float32))
    named = {0: "Anna", 1: "Bert"} if names[0] == "Anna" else {}
    assert labels.individuals == named | {2: "single"}

    again = tmp_path / f"again.{kind}"
    save_labels(labels, again, format="deeplabcut")
    back = load_labels(again)
    assert_same(labels, back)
    assert back.individuals == labels.individuals
    if kind == "csv":
        expected = ANIMALS.format(*names).replace("1,2,3,4,5,6,7,8,9,10", "1.0,2.0,3.0,4.0,5.0,6.0,7.0,8.0,9.0,10.0")
        assert again.read_text() == expected.replace("5,6,,,,", "5.0,6.0,,,,"), "the columns are those of the original"


def test_the_only_animal_of_a_table_for_several(tmp_path: Path) -> None:
    text = "scorer,A,A\nindividuals,single,single\nbodyparts,nose,nose\ncoords,x,y\nimg3.png,1,2\n"
    path = tmp_path / "CollectedData_A.csv"
    path.write_text(text)
    labels = load_labels(path)
    assert list(labels.instances) == [(3, 0)]
    save_labels(labels, tmp_path / "CollectedData_B.csv")
    assert "individuals,,,single,single" in (tmp_path / "CollectedData_B.csv").read_text()


def test_instance_numbers_survive_through_the_default_names(tmp_path: Path) -> None:
    labels = LabelSet(Skeleton(("a",)))
    for instance in (1, 4):
        labels.add(3, instance, Points.human(3, np.array([[1.0, instance]])))
    save_labels(labels, tmp_path / "x.h5")
    table = pd.read_hdf(tmp_path / "x.h5")
    assert list(table.columns.get_level_values("individuals").unique()) == ["individual2", "individual5"]
    back = load_labels(tmp_path / "x.h5")
    assert list(back.instances) == [(3, 1), (3, 4)]
    assert back.individuals == {}


# ------------------------------------------------------------------------------------------------ several videos


def test_several_videos(tmp_path: Path) -> None:
    path = tmp_path / "CollectedData_Ann.csv"
    path.write_text(ONE_COLUMN + "labeled-data/mouse2/img007.png,7,8,9,10\n")
    with pytest.raises(
        PoofError, match=r"images of several videos \(mouse1, mouse2\); choose one by its name \(--video\)"
    ):
        load_labels(path)
    with pytest.raises(PoofError, match=r"\(mouse1, mouse2\); 'mouse3' is none of them"):
        load_labels(path, video="mouse3")
    assert load_labels(path, video="mouse1").frames == [7, 12]
    second = load_labels(path, video="/somewhere/mouse2.avi")
    assert second.frames == [7]
    assert second.instances[7, 0].xy[0].tolist() == [7, 8]


def test_the_video_is_not_looked_at_when_there_is_one(tmp_path: Path) -> None:
    assert load_labels(written(tmp_path, ONE_COLUMN, "csv", 1, 3), video="renamed.mp4").frames == [7, 12]


# ------------------------------------------------------------------------------------------------ networks' output


@pytest.mark.parametrize("kind", ["csv", "h5"])
def test_what_a_network_wrote(tmp_path: Path, kind: str) -> None:
    text = (
        "scorer,DLC_resnet50,DLC_resnet50,DLC_resnet50\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n"
        "0,1.5,2.5,0.25\n1,3,4,0.875\n"
    )
    labels = load_labels(written(tmp_path, text, kind, 1, 3))
    assert labels.frames == [0, 1]
    assert labels.frame_names == {}
    points = labels.instances[1, 0]
    assert points.xy.tolist() == [[3, 4]]
    assert (points.source[0], points.confidence[0], points.anchor[0]) == (Source.PREDICTED, 0.875, -1)


# ------------------------------------------------------------------------------------------------ writing


def small(**changes: object) -> LabelSet:
    labels = LabelSet(Skeleton(("a", "b")))
    labels.add(3, 0, Points.human(3, np.array([[1.0, 2.0], [3.0, 4.0]])))
    return labels.replace(**changes)


@pytest.mark.parametrize(
    ("name", "info", "expected"),
    [
        ("CollectedData_Kim.csv", {"scorer": "Ann"}, "Kim"),
        ("CollectedData.csv", {"scorer": "Ann"}, "Ann"),
        ("CollectedData.csv", {}, "poof"),
    ],
)
def test_scorer(tmp_path: Path, name: str, info: dict[str, str], expected: str) -> None:
    save_labels(small(info=info), tmp_path / name)
    assert (tmp_path / name).read_text().startswith(f"scorer,,,{expected},{expected}")


@pytest.mark.parametrize(
    ("names", "info", "folder", "expected"),
    [
        ({}, {}, ".", "labeled-data,video,img003.png"),
        ({}, {}, "labeled-data/run5", "labeled-data,run5,img003.png"),
        ({}, {"video": "/data/run7.mp4"}, "labeled-data/run5", "labeled-data,run7,img003.png"),
        ({3: "00003.jpg"}, {"video": "run7"}, ".", "labeled-data,run7,00003.jpg"),
        ({3: "x\\run9\\img0003.png"}, {"video": "run7"}, ".", "labeled-data,run9,img0003.png"),
        ({12: "run9/img0012.png"}, {}, ".", "labeled-data,run9,img0003.png"),
    ],
)
def test_image_names(tmp_path: Path, names: dict[int, str], info: dict, folder: str, expected: str) -> None:
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    path = tmp_path / folder / "CollectedData_x.csv"
    save_labels(small(frame_names=names, info=info), path)
    assert path.read_text().splitlines()[3] == f"{expected},1.0,2.0,3.0,4.0"


def test_a_made_up_name_that_is_taken(tmp_path: Path) -> None:
    labels = small(frame_names={2: "v/img003.png"}, info={})
    with pytest.raises(PoofError, match=r"frames 2 and 3 would both be the image 'img003\.png'"):
        save_labels(labels, tmp_path / "x.h5")


def test_one_warning_names_all_that_is_lost(tmp_path: Path) -> None:
    labels = small(skeleton=Skeleton(("a", "b"), ((0, 1),)), tracked=False, frame_names={3: "00004.png"})
    traced = Points.human(3, np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 0]), np.array([0, 0, 9, 9]))
    traced.source[0] = Source.PROPAGATED
    labels.add(3, 1, traced)
    with pytest.warns(PoofWarning) as caught:
        save_labels(labels, tmp_path / "x.h5")
    assert len(caught) == 1
    assert str(caught[0].message).endswith(
        "/x.h5: DeepLabCut's format cannot hold points out of sight, boxes, limbs, that instances are no fixed"
        " individuals, the frame numbers, which differ from those in the names; keep the labels as .json too"
    )


def test_no_warning_without_a_loss(tmp_path: Path) -> None:
    with warnings.catch_warnings(action="error"):
        save_labels(small(), tmp_path / "x.h5")
