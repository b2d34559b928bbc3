"""Tracks of other tools: the layouts, and what cannot be tracks of this video."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from doubles import NAMES, SIZE, clock, labels_at, where

from poof.errors import PoofError, PoofWarning
from poof.labels import LabelSet, Points, Skeleton, save_labels
from poof.propagation.trackers import TracksFile, Trajectory

VIDEO = clock(30)
LABELS = labels_at(2, 12, 22)


def tidy(
    path: Path,
    place: Callable[[int], np.ndarray] = where,
    frames: Iterator[int] | range = range(30),
    names: tuple[str, ...] = NAMES,
    head: str = "frame,keypoint,x,y",
    more: str = "",
) -> Path:
    """A tidy table of the three keypoints."""
    lines = [head]
    for frame in frames:
        lines += [f"{frame},{name},{x:.3f},{y:.3f}{more}" for name, (x, y) in zip(names, place(frame))]
    path.write_text("\n".join(lines) + "\n")
    return path


def loaded(path: Path, labels: LabelSet = LABELS) -> list[Trajectory]:
    return TracksFile(path).trajectories(VIDEO, labels)


def refused(path: Path, labels: LabelSet = LABELS) -> str:
    with pytest.raises(PoofError) as error, warnings.catch_warnings():
        warnings.simplefilter("ignore", PoofWarning)
        loaded(path, labels)
    text = str(error.value)
    assert text.startswith(str(path)) and "\n" not in text
    return text


def test_a_tidy_table(tmp_path: Path) -> None:
    found = loaded(tidy(tmp_path / "t.csv"))
    assert [(t.instance, t.keypoint, t.query, t.direction) for t in found] == [(0, k, None, 0) for k in range(3)]
    for one in found:
        np.testing.assert_allclose(one.xy, [where(f)[one.keypoint] for f in range(30)], atol=1e-3)
        assert np.isnan(one.sure).all()


@pytest.mark.parametrize(
    ("head", "more", "sure"),
    [
        ("frame,bodypart,x,y,vis", ",0.25", 0.25),  # napari-cotrack
        ("frame_idx,node,x,y,occluded", ",True", 0.0),
        ("Frame,Keypoint,X,Y,confidence,visible", ",0.5,0.5", 0.25),
        ("frame,keypoint,x,y,visible", ",yes", 1.0),
        ("t,label,x,y,likelihood,extra", ",0.7,zzz", 0.7),
    ],
)
def test_columns_may_be_called_as_other_tools_call_them(tmp_path: Path, head: str, more: str, sure: float) -> None:
    for one in loaded(tidy(tmp_path / "t.csv", head=head, more=more)):
        np.testing.assert_allclose(one.sure, sure)


def test_visibility_in_three_states_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    tidy(path, head="frame,keypoint,x,y,visible", more=",2")
    path.write_text(path.read_text().replace("5,nose,27.500,32.500,2", "5,nose,27.500,32.500,1"))
    nose = loaded(path)[0]
    assert nose.sure[nose.frames == 5] == 0
    assert nose.sure[nose.frames == 6] == 1


def test_semicolons_with_decimal_commas(tmp_path: Path) -> None:
    path = tidy(tmp_path / "t.csv")
    path.write_text("\n".join(line.replace(",", ";").replace(".", ",") for line in path.read_text().splitlines()))
    np.testing.assert_allclose(loaded(path)[0].xy[:3], [where(f)[0] for f in range(3)], atol=1e-3)


def test_queries_and_directions_keep_tracks_apart(tmp_path: Path) -> None:
    lines = ["frame,keypoint,x,y,query_frame,direction"]
    for query, way in ((2, "forward"), (12, "backward"), (12, "forward")):
        lines += [f"{f},nose,{where(f)[0][0]},{where(f)[0][1]},{query},{way}" for f in range(2, 13)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines))
    assert [(t.query, t.direction) for t in loaded(path)] == [(2, 1), (12, -1), (12, 1)]


def test_a_query_that_is_no_label_is_an_unknown_one(tmp_path: Path) -> None:
    path = tidy(tmp_path / "t.csv", head="frame,keypoint,x,y,query_frame", more=",7")
    with pytest.warns(PoofWarning, match="query_frame 7 is no labelled frame"):
        assert {t.query for t in loaded(path)} == {None}


@pytest.mark.parametrize("head", ["track_id,t,y,x", "ID,T,Y,X", ""])
def test_naparis_layout_finds_its_names_by_the_labels(tmp_path: Path, head: str) -> None:
    order = [2, 0, 1]  # of the numbers, which mean nothing
    rows = [f"{n},{f},{where(f)[k][1]},{where(f)[k][0]}" for n, k in enumerate(order) for f in range(30)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join([head, *rows] if head else rows))
    assert [t.keypoint for t in loaded(path)] == order
    np.testing.assert_allclose(loaded(path)[0].xy[4], where(4)[2])


def test_two_numbered_tracks_of_one_point_stay_two(tmp_path: Path) -> None:
    rows = [
        f"{n},{f},{where(f)[0][1]},{where(f)[0][0]}" for n, part in ((7, (2, 12)), (9, (8, 22))) for f in range(*part)
    ]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["track_id,t,y,x", *rows]))
    found = loaded(path)
    assert [(t.keypoint, t.frames[0], t.frames[-1]) for t in found] == [(0, 2, 11), (0, 8, 21)]


def test_a_track_that_passes_no_label_is_refused(tmp_path: Path) -> None:
    rows = [f"{n},{f},{where(f)[0][1] + off},{where(f)[0][0]}" for n, off in ((0, 0), (1, 13)) for f in range(30)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["track_id,t,y,x", *rows]))
    assert "track 1 passes no label: the nearest is nose in frame" in refused(path)


def test_labels_of_any_format_serve_as_tracks(tmp_path: Path) -> None:
    table = LabelSet(Skeleton(NAMES))
    for frame in range(30):
        points = Points.human(frame, where(frame))
        points.source[:], points.confidence[:] = 3, 0.75
        table.add(frame, 0, points)
    path = tmp_path / "tracks.h5"
    save_labels(table, path)
    found = loaded(path)
    assert [t.keypoint for t in found] == [0, 1, 2]
    np.testing.assert_allclose(found[1].xy[5], where(5)[1], atol=1e-3)
    np.testing.assert_allclose(found[1].sure[5], 0.75, atol=1e-6)


def several() -> LabelSet:
    labels = labels_at(2, 12)
    for frame in (2, 12):
        labels.add(frame, 4, Points.human(frame, where(frame) + np.array([0, 10])))
    labels.individuals = {0: "anna", 4: "bert"}
    return labels


def test_individuals_go_by_name(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    lines = ["frame,individual,keypoint,x,y"]
    for f in range(30):
        lines += [
            f"{f},anna,nose,{where(f)[0][0]},{where(f)[0][1]}",
            f"{f},bert,nose,{where(f)[0][0]},{where(f)[0][1] + 10}",
        ]
    path.write_text("\n".join(lines))
    assert [t.instance for t in loaded(path, several())] == [0, 4]
    path.write_text("\n".join(lines).replace("bert", "berta"))
    assert "no individual of the labels is called 'berta'; near are bert" in refused(path, several())
    assert "add a column 'individual' with anna, bert" in refused(tidy(tmp_path / "u.csv"), several())


# ------------------------------------------------------------------------------------------------ bad input


def test_names_that_match_none_tell_three_near_ones(tmp_path: Path) -> None:
    text = refused(tidy(tmp_path / "t.csv", names=("nose", "left_pw", "tail")))
    assert "line 3: no keypoint of the labels is called 'left_pw'; near are left_paw, " in text
    assert text.count(",") >= 2


def test_tracks_of_a_longer_video_are_refused(tmp_path: Path) -> None:
    text = refused(tidy(tmp_path / "t.csv", frames=range(40)))
    assert "has frame 30, clock.mp4 ends at frame 29" in text


def test_tracks_of_another_size_are_told_the_factor(tmp_path: Path) -> None:
    half = refused(tidy(tmp_path / "t.csv", lambda f: (where(f) + 0.5) / 2 - 0.5))
    assert "its picture was 0.5 times as large: multiply x and y by 2" in half
    double = refused(tidy(tmp_path / "u.csv", lambda f: (where(f) + 0.5) * 2 - 0.5))
    assert "its picture was 2 times as large: multiply x and y by 0.5" in double


def test_points_outside_the_picture_are_told_where_no_label_helps(tmp_path: Path) -> None:
    text = refused(tidy(tmp_path / "t.csv", lambda f: where(f) * 3, frames=range(3, 12)))
    assert f"lie outside the {SIZE[0]}x{SIZE[1]} picture" in text and "factor" in text


def test_exchanged_coordinates_and_counting_from_one_are_told(tmp_path: Path) -> None:
    assert "x and y are exchanged" in refused(tidy(tmp_path / "t.csv", lambda f: where(f)[:, ::-1]))
    fast = LabelSet(LABELS.skeleton, image_size=SIZE)
    for frame in (2, 12, 22):
        fast.add(frame, 0, Points.human(frame, where(frame) + np.array([5.0 * frame, 0])))
    shifted = tidy(tmp_path / "u.csv", lambda f: where(f - 1) + np.array([5.0 * (f - 1), 0]), frames=range(1, 30))
    assert "frames count from 0, and here from 1" in refused(shifted, fast)


def test_tracks_of_something_else_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    other = {f: rng.uniform(0, 110, (3, 2)) for f in range(30)}
    assert "px away in the median" in refused(tidy(tmp_path / "t.csv", other.__getitem__))


def test_missing_frames_are_told(tmp_path: Path) -> None:
    with pytest.warns(PoofWarning, match="only every 2th frame is there"):
        loaded(tidy(tmp_path / "t.csv", frames=range(0, 30, 2)))
    with pytest.warns(PoofWarning, match="of the frames 0 to 29 10 are not; flow alone"):
        loaded(tidy(tmp_path / "u.csv", frames=iter([*range(5), *range(15, 30)])))


def test_tracks_beside_the_labels_are_told(tmp_path: Path) -> None:
    with pytest.warns(PoofWarning, match="is in none of the labelled frames"):
        loaded(tidy(tmp_path / "t.csv", frames=range(3, 12)))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("4,nose,26.000,32.000", "4,nose,,", None),
        ("4,nose,26.000,32.000", "4,nose,nan,NaN", None),
        ("4,nose,26.000,32.000", "4,nose,inf,1", "line 14: 'inf' is no x"),
        ("4,nose,26.000,32.000", "4,nose,left,1", "line 14: 'left' is no x"),
        ("4,nose,26.000,32.000", "4.5,nose,26,32", "line 14: 4.5 is no frame number"),
        ("4,nose,26.000,32.000", "-4,nose,26,32", "line 14: frame -4.0 is negative"),
        ("4,nose,26.000,32.000", ",nose,26,32", "line 14: '' is no frame"),
        ("4,nose,26.000,32.000", "3,nose,26,32", "line 14: frame 3 has nose twice"),
        ("4,nose,26.000,32.000", "4,nose", "line 14: has fewer cells than the header"),
    ],
)
def test_single_bad_cells_are_named(tmp_path: Path, old: str, new: str, said: str | None) -> None:
    path = tidy(tmp_path / "t.csv")
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    if said is None:
        assert len(loaded(path)[0].frames) == 29
    else:
        assert said in refused(path)


def test_certainties_beyond_one_and_other_directions_are_refused(tmp_path: Path) -> None:
    path = tidy(tmp_path / "t.csv", head="frame,keypoint,x,y,confidence", more=",87")
    assert "line 2: sure 87" in refused(path) or "line 2: confidence 87" in refused(path)
    path = tidy(tmp_path / "u.csv", head="frame,keypoint,x,y,direction", more=",sideways")
    assert "direction 'sideways'; valid are forward, backward and both" in refused(path)


@pytest.mark.parametrize(
    "content", ["", "a,b,c\n1,2,3\n", "frame,keypoint\n1,nose\n", "frame,keypoint,x,y\n1,nose,,\n"]
)
def test_files_without_tracks_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    refused(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "there is no such file" in refused(tmp_path / "none.csv")
