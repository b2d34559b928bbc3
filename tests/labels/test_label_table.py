"""The long CSV: what people write by hand, what the shared label files hold, what spreadsheets do to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poof.errors import PoofWarning
from poof.labels import LabelSet, Points, Skeleton, Source, Visible, describe_sources, load_labels, save_labels

NAN = float("nan")


@pytest.fixture
def read(tmp_path: Path):
    def read_text(text: str | bytes) -> LabelSet:
        path = tmp_path / "gt.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return load_labels(path)

    return read_text


def test_the_least_a_table_needs(read) -> None:
    labels = read("frame,keypoint,x,y\n4,LEye,1.5,2\n4,REye,,\n2,nose,0,0.5\n")
    assert labels.skeleton == Skeleton(("LEye", "REye", "nose"), (), ((0, 1),))
    assert labels.frames == [2, 4]
    points = labels.instances[4, 0]
    np.testing.assert_array_equal(points.xy, np.array([[1.5, 2], [NAN, NAN], [NAN, NAN]], np.float32))
    assert points.source.tolist() == [Source.HUMAN] * 3
    assert points.visible.tolist() == [Visible.VISIBLE, Visible.ABSENT, Visible.ABSENT]
    assert points.anchor.tolist() == [4, 4, 4]
    assert points.confidence.tolist() == [1, 1, 1]
    assert labels.assumed_absent == {(4, 0, 1), (4, 0, 2), (2, 0, 0), (2, 0, 1)}


def test_columns_in_any_order_with_strangers_among_them(read) -> None:
    labels = read("note,Y,X,instance,Keypoint,Frame\nhm,2,1,3,a,7.0\n")
    assert labels.instances[7, 3].xy.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("1,0", [Visible.VISIBLE, Visible.OCCLUDED]),
        ("True,False", [Visible.VISIBLE, Visible.OCCLUDED]),
        ("2,1", [Visible.VISIBLE, Visible.OCCLUDED]),
        ("1,", [Visible.VISIBLE, Visible.VISIBLE]),
        ("yes,no", [Visible.VISIBLE, Visible.OCCLUDED]),
        ("1,covered", [Visible.VISIBLE, Visible.OCCLUDED]),
        ("Visible,Not there", [Visible.VISIBLE, Visible.ABSENT]),
        ("2,0", [Visible.VISIBLE, Visible.UNLABELLED]),
    ],
)
def test_visible_as_yes_and_no_or_as_coco_counts(read, flags: str, expected: list[int]) -> None:
    first, second = flags.split(",")
    labels = read(f"frame,keypoint,x,y,visible\n0,a,1,2,{first}\n0,b,3,4,{second}\n")
    assert labels.instances[0, 0].visible.tolist() == expected


def test_rows_that_are_not_reliable_keep_their_name_only(read) -> None:
    labels = read("frame,keypoint,x,y,source,reliable\n0,a,1,2,openpose,0\n0,b,3,4,openpose,1\n")
    assert labels.skeleton.keypoints == ("a", "b")
    assert labels.instances[0, 0].labelled.tolist() == [False, True]
    assert labels.instances[0, 0].source[1] == Source.HUMAN


@pytest.mark.parametrize(
    "text",
    [
        "frame;keypoint;x;y\n0;a;1,5;2,25\n",
        "frame;keypoint;x;y\n0;a;1.5;2.25\n",
        "frame\tkeypoint\tx\ty\n0\ta\t1.5\t2.25\n",
        "\ufeffframe,keypoint,x,y\r\n0,a,1.5,2.25\r\n",
        "# made by hand\n\nframe, keypoint, x, y\n0, a, 1.5, 2.25\n\n",
        'frame,keypoint,"x","y"\n"0","a","1.5",2.25\n',
        "sep=;\nframe;keypoint;x;y\n0;a;1,5;2,25\n",
        '\ufeff"sep=,"\r\nframe,keypoint,x,y\r\n0,a,1.5,2.25\r\n',
    ],
)
def test_what_spreadsheets_do(read, text: str) -> None:
    assert read(text).instances[0, 0].xy.tolist() == [[1.5, 2.25]]


def test_instances_by_name(read) -> None:
    labels = read("frame,instance,keypoint,x,y\n0,Bo,a,1,2\n0,Al,a,3,4\n1,Al,a,5,6\n")
    assert labels.individuals == {0: "Bo", 1: "Al"}
    assert labels.instances[1, 1].xy.tolist() == [[5, 6]]


def test_our_own_table_keeps_every_source(read) -> None:
    labels = read(
        "frame,instance,keypoint,x,y,confidence,visible,source,anchor,steps\n"
        "5,0,a,1,2,0.5,1,propagated,2,3\n5,0,b,1,2,,2,predicted,-1,0\n5,0,c,1,2,0.75,0,refined,4,1\n5,0,d,1,2,1,2,human,5,0\n"
    )
    points = labels.instances[5, 0]
    assert points.source.tolist() == [Source.PROPAGATED, Source.PREDICTED, Source.REFINED, Source.HUMAN]
    assert points.visible.tolist() == [1, 2, 0, 2], "0 stays 0: the point left the image"
    assert points.anchor.tolist() == [2, -1, 4, 5]
    assert points.steps.tolist() == [3, 0, 1, 0]
    np.testing.assert_array_equal(points.confidence, np.array([0.5, NAN, 0.75, 1], np.float32))
    assert describe_sources(labels) == {"propagated": 1, "predicted": 1, "refined": 1, "human": 1}


@pytest.mark.parametrize(
    ("cell", "disputed"), [("True", True), ("1", True), ("TRUE", True), ("False", False), ("0", False), ("", False)]
)
def test_disputes_as_spreadsheets_write_them(read, cell: str, disputed: bool) -> None:
    labels = read(
        "frame;instance;keypoint;x;y;confidence;visible;source;anchor;steps;disputed;flow_y;flow_x\n"
        f"5;0;a;1;2;0,5;1;refined;2;3;{cell};4,25;3,5\n5;0;b;1;2;0,5;1;refined;2;3;;;\n"
    )
    points = labels.instances[5, 0]
    assert points.in_dispute.tolist() == [disputed, False]
    assert points.flow_xy is not None
    np.testing.assert_array_equal(points.flow_xy, np.array([[3.5, 4.25], [NAN, NAN]], np.float32))


def test_a_table_that_is_not_ours_has_no_disputes(read) -> None:
    """Such points are a person's, and the columns may mean anything."""
    points = read("frame,keypoint,x,y,flow_x,disputed\n0,a,1,2,far,maybe\n").instances[0, 0]
    assert points.flow_xy is None and points.disputed is None


def test_the_table_of_labels_that_were_not_refined_has_the_ten_columns() -> None:
    labels = LabelSet(Skeleton(("a", "b")))
    points = Points.human(0, np.array([[1.0, 2.0], [NAN, NAN]]))
    labels.add(0, 0, points)
    ten = ["frame", "instance", "keypoint", "x", "y", "confidence", "visible", "source", "anchor", "steps"]
    assert list(labels.to_table()) == ten
    points.flow_xy, points.disputed = np.full((2, 2), NAN, np.float32), np.array([False, True])
    assert list(labels.to_table()) == ten, "nothing of a labelled point is told"
    points.source[0], points.disputed[0] = Source.REFINED, True
    table = labels.to_table()
    assert list(table) == [*ten, "flow_x", "flow_y", "disputed"]
    assert table["disputed"].tolist() == [True] and table["flow_x"].isna().all()
    points.flow_xy[0] = 7, 8
    assert labels.to_table()[["flow_x", "flow_y"]].to_numpy().tolist() == [[7, 8]]


def test_a_row_added_by_hand_to_our_own_table_is_a_persons(read) -> None:
    labels = read(
        "frame,instance,keypoint,x,y,confidence,visible,source,anchor,steps\n"
        "5,0,a,1,2,0.5,2,propagated,2,3\n5,0,b,1,2,,,,,\n"
    )
    points = labels.instances[5, 0]
    assert (points.source[1], points.anchor[1], points.steps[1], points.confidence[1], points.visible[1]) == (
        1,
        5,
        0,
        1,
        2,
    )


def test_written_tables_open_in_pandas_without_options(tmp_path: Path) -> None:
    labels = LabelSet(Skeleton(("a", "b")))
    labels.add(0, 0, Points.human(0, np.array([[1.23456, 2.0], [NAN, NAN]])))
    labels.add(1, 0, Points.human(1, np.array([[1.0, 2.0], [3.0, 4.0]])))
    save_labels(labels, tmp_path / "x.csv")
    table = pd.read_csv(tmp_path / "x.csv")
    assert table.dropna(subset=["x"]).reset_index(drop=True)["keypoint"].tolist() == ["a", "a", "b"]
    assert table["x"][0] == 1.235
    for column in ("frame", "instance", "visible", "anchor", "steps"):
        assert table[column].dtype == np.int64


def test_labels_without_a_single_point_name_the_keypoints(tmp_path: Path) -> None:
    save_labels(LabelSet(Skeleton(("a", "b")), {(3, 0): Points.empty(2)}), tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text().splitlines()[1:] == ["3,0,a,,,,0,,-1,0", "3,0,b,,,,0,,-1,0"]


def test_one_warning_when_identities_are_lost(tmp_path: Path) -> None:
    labels = LabelSet(Skeleton(("a",)), tracked=False, individuals={0: "Bo"})
    for instance in (0, 1):
        labels.add(0, instance, Points.human(0, np.array([[1.0, 2.0]])))
    with pytest.warns(PoofWarning, match="the names of the individuals or that instances are no fixed") as caught:
        save_labels(labels, tmp_path / "x.csv")
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("file", "frames", "keypoints", "points"),
    [
        ("badja/bear.labels.csv", 17, 20, 300),
        ("jhmdb/labels.csv", 40, 15, 600),
        ("dlc-reaching/labels_video_416x374.csv", 55, 5, 233),
        ("pose2sim/cam01.labels.csv", 100, 25, 2079),
    ],
)
def test_shared_labels(data: Path, file: str, frames: int, keypoints: int, points: int) -> None:
    """Counts as pandas sees them in the files."""
    labels = load_labels(data / file)
    table = pd.read_csv(data / file)
    if "reliable" in table:
        table = table[table.reliable == 1]
    assert len(table.dropna(subset=["x", "y"])) == points
    assert (len(labels.frames), len(labels.skeleton)) == (frames, keypoints)
    assert describe_sources(labels) == {"human": points}


def test_rows_in_any_order(tmp_path: Path) -> None:
    """Shuffled rows of many frames and instances give the same labels, but for the order of the keypoints."""
    rng = np.random.default_rng(0)
    labels = LabelSet(Skeleton(("a", "b", "c")))
    for frame in rng.choice(1000, 200, replace=False).tolist():
        for instance in (0, 2):
            labels.add(frame, instance, Points.human(frame, rng.uniform(0, 1000, (3, 2))))
    save_labels(labels, tmp_path / "x.csv")
    pd.read_csv(tmp_path / "x.csv").sample(frac=1, random_state=1).to_csv(tmp_path / "y.csv", index=False)
    back = load_labels(tmp_path / "y.csv")
    order = [back.skeleton.index(k) for k in labels.skeleton.keypoints]
    assert order != [0, 1, 2]
    assert set(back.instances) == set(labels.instances)
    for key, points in labels.instances.items():
        np.testing.assert_allclose(back.instances[key].xy[order], points.xy, rtol=0, atol=1e-3)


def test_instances_do_not_share_memory(read) -> None:
    labels = read("frame,keypoint,x,y\n0,a,1,2\n1,a,3,4\n")
    labels.instances[0, 0].xy[:] = 9
    assert labels.instances[1, 0].xy.tolist() == [[3, 4]]
