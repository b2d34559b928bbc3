"""SLEAP's .slp and analysis .h5: what they mean, what we write, what is damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from peer_material import assert_same, rich

from poof.errors import PoofError, PoofWarning
from poof.labels import LabelSet, Points, Skeleton, Source, Visible, load_labels, save_labels

NAN = float("nan")
POINT = [("x", "f8"), ("y", "f8"), ("visible", "?"), ("complete", "?")]
FRAME = [(n, "u8") for n in ("frame_id", "video", "frame_idx", "instance_id_start", "instance_id_end")]
INSTANCE = [
    ("instance_id", "i8"),
    ("instance_type", "u1"),
    ("frame_id", "u8"),
    ("skeleton", "u4"),
    ("track", "i4"),
    ("from_predicted", "i8"),
    ("score", "f4"),
    ("point_id_start", "u8"),
    ("point_id_end", "u8"),
]


def written(
    path: Path,
    frames: list[tuple[int, int, list[tuple[bool, int, int, list[tuple[float, float, bool]]]]]],
    videos: tuple[str, ...] = ("a.mp4",),
    tracks: tuple[str, ...] = (),
    version: float = 1.2,
    links: list[dict[str, Any]] | None = None,
) -> Path:
    """A file as SLEAP lays it out: (video, frame, [(human, track, from_predicted, points)]); keypoints nose, tail."""
    points: list[list[tuple[Any, ...]]] = [[], []]
    instances: list[tuple[Any, ...]] = []
    table = []
    for i, (video, frame, group) in enumerate(frames):
        first = len(instances)
        for human, track, origin, xy in group:
            kind = 0 if human else 1
            start = len(points[kind])
            points[kind] += [(x, y, shown, False, *(() if human else (0.75,))) for x, y, shown in xy]
            instances.append((len(instances), kind, i, 0, track, origin, 0.5, start, len(points[kind])))
        table.append((i, video, frame, first, len(instances)))
    skeleton = {"graph": {"name": "mouse"}, "links": links or [], "nodes": [{"id": 1}, {"id": 0}]}
    with h5py.File(path, "w") as file:
        group = file.create_group("metadata")
        group.attrs["format_id"] = version
        group.attrs["json"] = np.bytes_(
            json.dumps({"skeletons": [skeleton], "nodes": [{"name": "tail"}, {"name": "nose"}]})
        )
        file["frames"] = np.array(table, FRAME)
        file["instances"] = np.array(instances, INSTANCE)
        file["points"] = np.array(points[0], POINT)
        file["pred_points"] = np.array(points[1], [*POINT, ("score", "f8")])
        entries = [json.dumps({"backend": {"filename": name, "shape": [9, 48, 64, 3]}}) for name in videos]
        file["videos_json"] = np.array([entry.encode() for entry in entries] or [b""], "S200")[: len(entries)]
        file["tracks_json"] = np.array([json.dumps([0, name]).encode() for name in tracks] or [b""], "S90")[
            : len(tracks)
        ]
    return path


A = [(1.0, 2.0, True), (3.0, 4.0, True)]
B = [(5.0, 6.0, True), (7.0, 8.0, True)]


def test_a_persons_instance_and_a_predicted_one(tmp_path: Path) -> None:
    path = written(tmp_path / "a.slp", [(0, 3, [(True, -1, -1, A)]), (0, 4, [(False, -1, -1, B)])])
    labels = load_labels(path)
    assert labels.skeleton.keypoints == ("nose", "tail"), "in the order of the skeleton, not of the nodes"
    assert (labels.image_size, labels.info["video"], labels.tracked) == ((64, 48), "a.mp4", True)
    human, machine = labels.instances[3, 0], labels.instances[4, 0]
    assert human.xy.tolist() == [[1, 2], [3, 4]]
    assert human.source.tolist() == [Source.HUMAN] * 2
    assert machine.source.tolist() == [Source.PREDICTED] * 2
    assert machine.confidence.tolist() == [0.75, 0.75]
    assert labels.human().frames == [3]


def test_what_a_person_set_replaces_what_was_predicted_there(tmp_path: Path) -> None:
    frames = [(0, 3, [(False, 1, -1, B), (True, -1, 0, A)]), (0, 4, [(False, 1, -1, B)])]
    labels = load_labels(written(tmp_path / "a.slp", frames, tracks=("left", "right")))
    assert list(labels.instances) == [(3, 1), (4, 1)], "a corrected prediction keeps its track"
    assert labels.instances[3, 1].xy.tolist() == [[1, 2], [3, 4]]
    assert labels.instances[3, 1].source.tolist() == [Source.HUMAN] * 2
    assert labels.individuals == {0: "left", 1: "right"}
    assert labels.tracked


def test_covered_and_missing(tmp_path: Path) -> None:
    path = written(tmp_path / "a.slp", [(0, 3, [(True, -1, -1, [(1, 2, False), (NAN, NAN, False)])])])
    points = load_labels(path).instances[3, 0]
    assert points.visible.tolist() == [Visible.OCCLUDED, Visible.ABSENT]
    points = load_labels(path, missing="unlabelled").instances[3, 0]
    assert points.visible.tolist() == [Visible.OCCLUDED, Visible.UNLABELLED]


def test_instances_without_tracks_are_no_individuals(tmp_path: Path) -> None:
    labels = load_labels(written(tmp_path / "a.slp", [(0, 3, [(True, -1, -1, A), (True, -1, -1, B)])]))
    assert list(labels.instances) == [(3, 0), (3, 1)]
    assert not labels.tracked


def test_several_videos(tmp_path: Path) -> None:
    frames = [(0, 3, [(True, -1, -1, A)]), (1, 5, [(True, -1, -1, B)])]
    path = written(tmp_path / "a.slp", frames, videos=("/data/one.mp4", "C:\\data\\two.mp4"))
    with pytest.raises(PoofError, match=r"several videos \(one, two\); choose one \(--video\)"):
        load_labels(path)
    assert load_labels(path, video="elsewhere/two.avi").frames == [5]
    with pytest.raises(PoofError, match="'three' is none of them"):
        load_labels(path, video="three.mp4")
    only = written(tmp_path / "b.slp", frames[1:], videos=("/data/one.mp4", "two.mp4"))
    assert load_labels(only).frames == [5], "a video without labels is no choice"


def test_limbs_and_symmetry(tmp_path: Path) -> None:
    def kind(value: int) -> dict[str, Any]:
        return {"py/reduce": [{"py/type": "sleap.skeleton.EdgeType"}, {"py/tuple": [value]}]}

    links = [
        {"source": 1, "target": 0, "edge_insert_idx": 1, "type": kind(1)},
        {"source": 0, "target": 1, "edge_insert_idx": 0, "type": {"py/id": 1}},
        {"source": 0, "target": 1, "type": kind(2)},
        {"source": 1, "target": 0, "type": {"py/id": 2}},
    ]
    skeleton = load_labels(written(tmp_path / "a.slp", [(0, 3, [(True, -1, -1, A)])], links=links)).skeleton
    assert skeleton.edges == ((1, 0), (0, 1)), "in the order in which they were made"
    assert skeleton.symmetry == ((1, 0),)


def test_old_files_count_from_the_corner_of_the_image(tmp_path: Path) -> None:
    path = written(tmp_path / "a.slp", [(0, 3, [(True, -1, -1, A)])], version=1.0)
    assert load_labels(path).instances[3, 0].xy.tolist() == [[0.5, 1.5], [2.5, 3.5]]


@pytest.mark.parametrize("several", [True, False])
def test_everything_comes_back(tmp_path: Path, several: bool) -> None:
    labels = rich(several)
    save_labels(labels, tmp_path / "out.slp")
    back = load_labels(tmp_path / "out.slp")
    assert_same(labels, back, "visible", "source", "anchor", "steps", "confidence")
    assert (back.skeleton, back.tracked, back.image_size, back.info) == (
        labels.skeleton,
        True,
        labels.image_size,
        {"video": "clip.mp4"},
    )


def test_without_our_group_persons_stay_persons_and_machines_machines(tmp_path: Path) -> None:
    labels = rich()
    save_labels(labels, tmp_path / "out.slp")
    with h5py.File(tmp_path / "out.slp", "r+") as file:
        del file["poof"]
    back = load_labels(tmp_path / "out.slp")
    assert_same(labels, back, "confidence")
    for key, points in labels.instances.items():
        np.testing.assert_array_equal(points.is_human, back.instances[key].is_human)
        assert set(back.instances[key].source.tolist()) <= {Source.HUMAN, Source.PREDICTED}


def test_a_point_that_was_moved_is_not_ours_any_more(tmp_path: Path) -> None:
    save_labels(rich(), tmp_path / "out.slp")
    with h5py.File(tmp_path / "out.slp", "r+") as file:
        points = file["pred_points"][:]
        points["x"][0] += 5
        file["pred_points"][...] = points
    sources = load_labels(tmp_path / "out.slp").instances[3, 0].source.tolist()
    assert sources == [Source.PREDICTED, Source.PROPAGATED, Source.PROPAGATED, Source.PROPAGATED]


def test_numbers_and_names_of_tracks(tmp_path: Path) -> None:
    labels = LabelSet(Skeleton(("a",)), individuals={4: "Ann"})
    for instance in (4, 9):
        labels.add(1, instance, Points.human(1, np.array([[1.0 + instance, 2.0]])))
    labels.info["video"] = "v.mp4"
    save_labels(labels, tmp_path / "out.slp")
    back = load_labels(tmp_path / "out.slp")
    assert back.individuals == {0: "Ann", 1: "track_9"}
    labels.individuals = {}
    save_labels(labels, tmp_path / "out.slp", force=True)
    assert list(load_labels(tmp_path / "out.slp").instances) == [(1, 4), (1, 9)]


@pytest.mark.parametrize(
    ("frames", "options", "message"),
    [
        ([], {}, "holds no labelled frame"),
        ([(0, 3, [(True, -1, -1, [(NAN, NAN, False)] * 2)])], {}, "holds no labelled point"),
        ([(0, 3, [(True, -1, -1, A)])], {"videos": ()}, "names no video"),
        ([(2, 3, [(True, -1, -1, A)])], {}, "belongs to video 2, which the file does not have"),
        ([(0, 3, [(True, -1, -1, A[:1])])], {}, "frame 3: 1 points for 2 keypoints"),
    ],
)
def test_bad_files(tmp_path: Path, frames: Any, options: Any, message: str) -> None:
    path = written(tmp_path / "a.slp", frames, **options)
    with pytest.raises(PoofError) as caught:
        load_labels(path)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_damaged_files(tmp_path: Path) -> None:
    path = written(tmp_path / "a.slp", [(0, 3, [(True, -1, -1, A)])])
    (tmp_path / "cut.slp").write_bytes(path.read_bytes()[:2500])
    with pytest.raises(PoofError, match="damaged or unknown HDF5 file"):
        load_labels(tmp_path / "cut.slp")
    with h5py.File(path, "r+") as file:
        file["metadata"].attrs["json"] = np.bytes_(b"{no json")
    with pytest.raises(PoofError, match="the metadata is no JSON"):
        load_labels(path)


@pytest.mark.parametrize("dims", [None, ("frame", "track", "node", "xy")])
def test_analysis_files(tmp_path: Path, dims: tuple[str, ...] | None) -> None:
    tracks = np.full((2, 2, 3, 5), NAN)  # track, xy, node, frame
    tracks[0, :, :2, 3], tracks[1, :, 2, 4] = [[1, 2], [10, 20]], [7, 8]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["node_names"] = np.array([b"nose", b"tail", b"ear"])
        file["track_names"] = np.array([b"Ann", b"Bob"])
        file["edge_inds"] = np.array([[0, 1]])
        file["video_path"] = b"v.mp4"
        scores = np.full((2, 3, 5), 0.5)
        if dims:
            axes = [("track", "xy", "node", "frame").index(axis) for axis in dims]
            file["tracks"] = tracks.transpose(axes)
            file["tracks"].attrs["dims"] = json.dumps(dims)
            file["point_scores"] = scores.transpose(2, 0, 1)
            file["point_scores"].attrs["dims"] = json.dumps(["frame", "track", "node"])
        else:
            file["tracks"], file["point_scores"] = tracks, scores
    labels = load_labels(tmp_path / "a.h5")
    assert list(labels.instances) == [(3, 0), (4, 1)]
    assert labels.instances[3, 0].xy[:2].tolist() == [[1, 10], [2, 20]]
    assert labels.instances[3, 0].source.tolist() == [Source.PREDICTED, Source.PREDICTED, Source.NONE]
    assert labels.instances[4, 1].confidence[2] == 0.5
    assert labels.individuals == {0: "Ann", 1: "Bob"}
    assert (labels.skeleton.edges, labels.info["video"]) == (((0, 1),), "v.mp4")


def test_places_that_mean_missing_and_a_version_that_is_none(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.slp",
        [(0, 3, [(True, -1, -1, [(0.0, 0.0, True), (3.0, 4.0, True)])]), (0, 4, [(True, -1, -1, A)])],
    )
    with h5py.File(path, "r+") as file:
        file["metadata"].attrs["format_id"] = "text"
    with pytest.warns(PoofWarning, match=r"took 1 points at \(0, 0\) or \(-1, -1\) as missing"):
        labels = load_labels(path)
    assert [points.labelled.tolist() for points in labels.instances.values()] == [[False, True], [True, True]]
