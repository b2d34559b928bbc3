"""Long tables with the column names of other tools."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from poof.labels import Source, load_labels

ROWS = "3,nose,1,2\n3,tail,3,4\n"


@pytest.mark.parametrize(
    "header",
    ["frame_idx,node,x,y", "frame_index,bodypart,x,y", "Frame_Number,Joint,X,Y", "frame,body_part,pos_x,pos_y"],
)
def test_names_of_columns(tmp_path: Path, header: str) -> None:
    (tmp_path / "a.csv").write_text(f"{header}\n{ROWS}")
    labels = load_labels(tmp_path / "a.csv")
    assert labels.skeleton.keypoints == ("nose", "tail")
    assert labels.instances[3, 0].xy.tolist() == [[1, 2], [3, 4]]
    assert labels.instances[3, 0].source.tolist() == [Source.HUMAN] * 2


def test_tracks(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("frame_idx,track,node,x,y\n3,Ann,nose,1,2\n3,Bob,nose,3,4\n5,Bob,nose,5,6\n")
    labels = load_labels(tmp_path / "a.csv")
    assert labels.individuals == {0: "Ann", 1: "Bob"}
    assert list(labels.instances) == [(3, 0), (3, 1), (5, 1)]
    (tmp_path / "a.csv").write_text("frame_idx,track,node,x,y\n3,,nose,1,2\n5,,nose,3,4\n")
    assert list(load_labels(tmp_path / "a.csv").instances) == [(3, 0), (5, 0)]


def test_a_likelihood_is_a_networks(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("frame,bodypart,x,y,likelihood\n3,nose,1,2,0.25\n3,tail,3,4,\n")
    points = load_labels(tmp_path / "a.csv").instances[3, 0]
    assert points.source.tolist() == [Source.PREDICTED, Source.HUMAN]
    np.testing.assert_allclose(points.confidence, [0.25, 1])
    assert points.anchor.tolist() == [-1, 3]


def test_our_own_names_come_first(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "frame,frame_idx,keypoint,node,x,y,confidence,likelihood\n3,9,nose,n,1,2,0.5,0.25\n"
    )
    labels = load_labels(tmp_path / "a.csv")
    assert labels.skeleton.keypoints == ("nose",)
    points = labels.instances[3, 0]
    assert (points.confidence[0], points.source[0]) == (0.5, Source.HUMAN)


def test_a_point_table_of_sleap_io(tmp_path: Path) -> None:
    rows = ["3,nose,1,2,t0,", "3,tail,,,t0,", "3,nose,9,9,t0,0.5", "3,tail,5,6,t0,0.25", "4,nose,7,8,t0,0.75"]
    (tmp_path / "a.csv").write_text("\n".join(["frame_idx,node,x,y,track,score", *rows]))
    labels = load_labels(tmp_path / "a.csv")
    points = labels.instances[3, 0]
    assert points.xy.tolist() == [[1, 2], [5, 6]], "a person's nose, the tail that only the network has"
    assert points.source.tolist() == [Source.HUMAN, Source.PREDICTED]
    assert labels.instances[4, 0].source[0] == Source.PREDICTED


def test_a_score_elsewhere_makes_nothing_a_networks(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("frame,keypoint,x,y,score\n3,nose,1,2,0.5\n")
    assert load_labels(tmp_path / "a.csv").instances[3, 0].source[0] == Source.HUMAN
