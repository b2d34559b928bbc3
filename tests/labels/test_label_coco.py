"""COCO keypoints: files as peers write them, and what our own look like to peers."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poof.errors import PoofError, PoofWarning
from poof.labels import LabelSet, Points, Skeleton, Source, Visible, load_labels, save_labels

NAN = float("nan")


def document(**changes: Any) -> dict[str, Any]:
    """Two frames of one goalie with three keypoints, as the plainest of peers writes it."""
    return {
        "images": [
            {"id": 10, "file_name": "shots/frame_0012.jpg", "width": 640, "height": 480},
            {"id": 11, "file_name": "shots/frame_0030.jpg", "width": 640, "height": 480},
        ],
        "annotations": [
            {
                "id": 1,
                "image_id": 10,
                "category_id": 1,
                "keypoints": [1.5, 2.25, 2, 30, 40, 1, 0, 0, 0],
                "bbox": [0, 1, 50, 60],
            },
            {"id": 2, "image_id": 11, "category_id": 1, "keypoints": [5, 6, 2, 9, 9, 0, 7, 8, 2]},
        ],
        "categories": [
            {"id": 1, "name": "goalie", "keypoints": ["left_pad", "right_pad", "stick"], "skeleton": [[1, 2], [2, 3]]}
        ],
    } | changes


@pytest.fixture
def write(tmp_path: Path):
    def write_document(content: Any, name: str = "gt.json") -> Path:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write_document


def test_plain_file(write) -> None:
    labels = load_labels(write(document()))
    assert labels.skeleton == Skeleton(("left_pad", "right_pad", "stick"), ((0, 1), (1, 2)), ((0, 1),), "goalie")
    assert labels.image_size == (640, 480)
    assert labels.tracked
    assert labels.frame_names == {12: "shots/frame_0012.jpg", 30: "shots/frame_0030.jpg"}
    assert list(labels.instances) == [(12, 0), (30, 0)]
    first, second = labels.instances[12, 0], labels.instances[30, 0]
    np.testing.assert_array_equal(first.xy, np.array([[1.5, 2.25], [30, 40], [NAN, NAN]], np.float32))
    assert first.visible.tolist() == [Visible.VISIBLE, Visible.OCCLUDED, Visible.ABSENT]
    assert first.source.tolist() == [Source.HUMAN] * 3
    assert first.anchor.tolist() == [12, 12, 12]
    assert labels.assumed_absent == {(12, 0, 2), (30, 0, 1)}
    bare = load_labels(write(document()), missing="unlabelled")
    assert bare.instances[12, 0].visible.tolist() == [Visible.VISIBLE, Visible.OCCLUDED, Visible.UNLABELLED]
    assert bare.instances[12, 0].source.tolist() == [Source.HUMAN, Source.HUMAN, Source.NONE]
    assert bare.assumed_absent == set()
    assert first.box is not None and first.box.tolist() == [0, 1, 50, 60]
    assert second.labelled.tolist() == [True, False, True], "coordinates with v = 0 are not labelled in COCO"
    assert second.box is None


def test_visibility_as_yes_and_no(write) -> None:
    """Without a 2 in the whole file, 1 means visible; in our own files it means occluded in any case."""
    annotations = [{"id": 1, "image_id": 10, "category_id": 1, "keypoints": [1, 2, 1, 3, 4, 0, 5, 6, 1]}]
    path = write(document(annotations=annotations))
    with pytest.warns(PoofWarning, match=r"gt\.json: no keypoint has COCO's visibility 2 .visible.; took 1 as visible"):
        labels = load_labels(path)
    assert labels.instances[12, 0].visible.tolist() == [2, -1, 2]
    own = load_labels(write(document(annotations=annotations, poof={"version": 1})))
    assert own.instances[12, 0].visible.tolist() == [1, 0, 1]


def test_frame_index_wins_over_the_number_in_a_name_and_gives_way_to_the_folder(write) -> None:
    images = document()["images"]
    images[0]["frame_index"], images[1]["frame_index"] = 0, 3.0
    path = write(document(images=images))
    assert load_labels(path).frames == [0, 3]
    assert load_labels(path, frame_names=["frame_0012.jpg", "x.jpg", "frame_0030.jpg"]).frames == [0, 2]


@pytest.mark.parametrize(
    "frame_names",
    [
        ["a.jpg", "frame_0012.jpg", "frame_0030.jpg"],
        ["a.png", "frame_0012.png", "frame_0030.png"],
    ],
)
def test_place_among_the_frames_wins_over_the_number(write, frame_names: list[str]) -> None:
    assert load_labels(write(document()), frame_names=frame_names).frames == [1, 2]


def test_images_that_the_folder_lacks_are_refused_with_the_nearest(write) -> None:
    with pytest.raises(PoofError, match=r"'shots/frame_0012\.jpg' is not among the 2 .* nearest is '00012\.png'"):
        load_labels(write(document()), frame_names=["00000.png", "00012.png"])


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("img005.png", 5),
        ("run2/img_7.final.jpg", 7),
        ("C:\\data\\cam3\\0042.PNG", 42),
        ("video2_frame_000123_png.rf.8f3a9c4d.jpg", 123),
        ("2024-05-01_clip_88", 88),
    ],
)
def test_the_last_number_of_a_name_is_the_frame(write, name: str, frame: int) -> None:
    images = [{"id": 10, "file_name": name}]
    assert load_labels(write(document(images=images, annotations=document()["annotations"][:1]))).frames == [frame]


def two_in_a_frame(**fields: list[Any]) -> list[dict[str, Any]]:
    """Instances A, B in frame 12 and B in frame 30, with extra fields."""
    points = {"A": [1, 1, 2, 2, 2, 2, 3, 3, 2], "B": [11, 11, 2, 12, 12, 2, 13, 13, 2]}
    return [
        {"id": i, "image_id": image, "category_id": 1, "keypoints": points[who]} | {k: v[i] for k, v in fields.items()}
        for i, (image, who) in enumerate([(10, "A"), (10, "B"), (11, "B")])
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"track_id": [4, 7, 7]},
        {"instance_id": [4, 7, 7]},
        {"attributes": [{"track_id": 4, "occluded": False}, {"track_id": 7}, {"track_id": 7}]},
    ],
)
def test_identities(write, fields: dict[str, list[Any]]) -> None:
    labels = load_labels(write(document(annotations=two_in_a_frame(**fields))))
    assert labels.tracked
    assert list(labels.instances) == [(12, 4), (12, 7), (30, 7)]
    assert labels.instances[30, 7].xy[0, 0] == 11


@pytest.mark.parametrize("fields", [{}, {"track_id": [4, 7, None]}])
def test_order_in_the_frame_without_identities(write, fields: dict[str, list[Any]]) -> None:
    labels = load_labels(write(document(annotations=two_in_a_frame(**fields))))
    assert not labels.tracked
    assert list(labels.instances) == [(12, 0), (12, 1), (30, 0)]


def test_other_categories_and_boxes_without_keypoints_do_not_disturb(write) -> None:
    changed = document()
    changed["categories"] += [{"id": 2, "name": "puck"}, {"id": 3, "name": "skater", "keypoints": ["head"]}]
    changed["images"].append({"id": 12, "file_name": "no number here.jpg"})
    changed["annotations"] += [
        {"id": 3, "image_id": 12, "category_id": 2, "bbox": [1, 2, 3, 4]},
        {"id": 4, "image_id": 10, "category_id": 1, "bbox": [1, 2, 3, 4], "keypoints": []},
        {"id": 5, "image_id": 10, "category_id": 1, "bbox": [1, 2, 3, 4], "keypoints": [0] * 9},
    ]
    labels = load_labels(write(changed))
    assert labels.skeleton.name == "goalie"
    assert list(labels.instances) == [(12, 0), (30, 0)]
    assert labels.tracked


def test_category_is_chosen_by_name(write) -> None:
    changed = document()
    changed["categories"].append({"id": 3, "name": "skater", "keypoints": ["head"]})
    changed["annotations"].append({"id": 4, "image_id": 10, "category_id": 3, "keypoints": [1, 2, 2]})
    path = write(changed)
    with pytest.raises(PoofError, match=r"gt\.json: several categories have keypoints \(goalie, skater\); choose"):
        load_labels(path)
    with pytest.raises(PoofError, match=r"gt\.json: no category 'fan' with keypoints; it has goalie, skater"):
        load_labels(path, category="fan")
    assert load_labels(path, category="skater").skeleton.keypoints == ("head",)
    assert len(load_labels(path, category="goalie")) == 2


def test_video_is_chosen_by_its_folder(write) -> None:
    changed = document()
    changed["images"][1]["file_name"] = "warmup/frame_0030.jpg"
    path = write(changed)
    with pytest.raises(PoofError, match=r"gt\.json: holds the images of several videos \(shots, warmup\); choose"):
        load_labels(path)
    with pytest.raises(PoofError, match=r"'game.mp4' is none of them"):
        load_labels(path, video="game.mp4")
    assert load_labels(path, video="/videos/shots.mp4").frames == [12]
    assert load_labels(path, video="warmup").frames == [30]


def test_folders_of_one_name_are_told_apart(write) -> None:
    changed = document()
    changed["images"][0]["file_name"] = "shots/images/frame_0012.jpg"
    changed["images"][1]["file_name"] = "warmup/images/frame_0030.jpg"
    path = write(changed)
    with pytest.raises(PoofError, match=r"several videos \(shots/images, warmup/images\); choose"):
        load_labels(path)
    assert load_labels(path, video="warmup").frames == [30]


def test_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "gt.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(document(), indent=1).replace("\n", "\r\n").encode())
    assert load_labels(path).frames == [12, 30]


def propagated() -> LabelSet:
    """Two instances with every kind of point."""
    labels = LabelSet(
        Skeleton(("a", "b", "c"), ((0, 2),), (), "mouse"), image_size=(64, 48), info={"flow": {"name": "dis"}}
    )
    points = Points.human(5, np.array([[1.23456, 2.0], [3.0, 4.0], [-1.0, 50.0]]))
    points.source[1:] = Source.PROPAGATED
    points.anchor[1:], points.steps[1:], points.confidence[1:] = 2, 3, 0.54321
    points.visible[:] = [2, 1, 0]
    labels.add(5, 1, points)
    labels.add(5, 0, Points.human(5, np.array([[10.0, 20.0], [30.0, 60.5], [NAN, NAN]])))
    labels.individuals = {0: "Anna", 1: "Bert"}
    return labels


def test_written_file_is_what_coco_prescribes(tmp_path: Path) -> None:
    save_labels(propagated(), tmp_path / "out.json")
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["images"] == [{"id": 1, "file_name": "img000005.png", "width": 64, "height": 48, "frame_index": 5}]
    category = written["categories"][0]
    assert (category["name"], category["keypoints"], category["skeleton"]) == ("mouse", ["a", "b", "c"], [[1, 3]])
    plain, traced = written["annotations"]
    assert len(plain.pop("poof")["written"]) == len(traced["poof"].pop("written")) == 3  # see test_label_record
    assert plain == {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "keypoints": [10, 20, 2, 30, 60.5, 2, 0, 0, 0],
        "num_keypoints": 2,
        "bbox": [10, 20, 20, 40.5],
        "area": 810,
        "iscrowd": 0,
        "track_id": 0,
        "attributes": {"object_id": 1, "track_id": 1, "keyframe": True},
    }
    assert traced["score"] == 0.5432, "the mean confidence of what no person set"
    assert traced["keypoints"] == [1.235, 2, 2, 3, 4, 1, 0, 0, 0]
    assert (traced["num_keypoints"], traced["bbox"], traced["track_id"]) == (2, [1.235, 2, 1.765, 2], 1)
    assert traced["poof"] == {
        "source": ["human", "propagated", "propagated"],
        "anchor": [5, 2, 2],
        "steps": [0, 3, 3],
        "confidence": [1.0, 0.5432, 0.5432],
        "unseen": {"2": [-1, 50]},
    }
    assert written["info"] == {"flow": {"name": "dis"}}


def refined() -> LabelSet:
    """A frame with a person's point, a refined one in dispute, and one that flow and appearance agree on."""
    labels = LabelSet(Skeleton(("a", "b", "c")))
    points = Points.human(5, np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    points.source[1:] = Source.REFINED
    points.anchor[1:], points.steps[1:], points.confidence[1:] = 2, 3, 0.5
    points.flow_xy = np.array([[NAN, NAN], [30.12345, 4.0], [5.5, 6.0]], np.float32)
    points.disputed = np.array([False, True, False])
    labels.add(5, 0, points)
    return labels


def test_both_results_of_refined_points(tmp_path: Path) -> None:
    labels = refined()
    save_labels(labels, tmp_path / "out.json")
    written = json.loads((tmp_path / "out.json").read_text())["annotations"][0]["poof"]
    assert written["flow"] == [None, [30.123, 4], [5.5, 6]]
    assert written["disputed"] == [False, True, False]
    points = load_labels(tmp_path / "out.json").instances[5, 0]
    assert points.flow_xy is not None and points.flow_xy.dtype == np.float32
    np.testing.assert_array_equal(points.flow_xy, np.array([[NAN, NAN], [30.123, 4], [5.5, 6]], np.float32))
    assert points.in_dispute.tolist() == [False, True, False]

    labels.instances[5, 0].source[1] = Source.HUMAN  # a person set it since
    save_labels(labels, tmp_path / "set.json")
    written = json.loads((tmp_path / "set.json").read_text())["annotations"][0]["poof"]
    assert "disputed" not in written and len(written["flow"]) == 3
    labels.instances[5, 0].flow_xy = None
    save_labels(labels, tmp_path / "none.json")
    written = json.loads((tmp_path / "none.json").read_text())["annotations"][0]["poof"]
    assert written.keys() == {"source", "anchor", "steps", "confidence", "written"}
    points = load_labels(tmp_path / "none.json").instances[5, 0]
    assert points.flow_xy is None and points.disputed is None


@pytest.mark.parametrize(
    "damage",
    [
        {"flow": 3},
        {"flow": [None, None]},
        {"flow": [None, None, [1]]},
        {"flow": [None, None, [1, 2, 3]]},
        {"flow": [None, None, [1, None]]},
        {"flow": [None, None, [1, "2"]]},
        {"flow": [None, None, [1, True]]},
        {"flow": [None, None, [1, NAN]]},
        {"flow": [None, None, [1, 1e39]]},
        {"flow": [None, None, [1, 10**400]]},
        {"flow": {"0": [1, 2]}},
        {"disputed": True},
        {"disputed": [True, False]},
        {"disputed": [True, False, 1]},
        {"disputed": [True, False, None]},
        {"disputed": "yes"},
    ],
)
def test_damaged_refinement(tmp_path: Path, damage: dict[str, Any]) -> None:
    path = tmp_path / "out.json"
    save_labels(refined(), path)
    written = json.loads(path.read_text())
    written["annotations"][0]["poof"] |= damage
    path.write_text(json.dumps(written))
    with pytest.raises(PoofError, match=r"out\.json: frame 5: the field 'poof' of an annotation is damaged"):
        load_labels(path)


@pytest.mark.parametrize("loop", [False, True], ids=["human", "refined"])
def test_written_file_scores_full_marks_against_itself(tmp_path: Path, loop: bool) -> None:
    """An independent COCO implementation reads it, finds every instance and computes an AP of one."""
    from faster_coco_eval import COCO, COCOeval_faster

    rng = np.random.default_rng(0)
    labels = LabelSet(Skeleton(("a", "b", "c", "d")), image_size=(200, 200))
    for frame in range(4):
        for instance in range(2):
            points = Points.human(frame, rng.uniform(20, 180, (4, 2)), np.array([2, 1, 2, 2]))
            if loop:
                points.source[1:] = Source.REFINED
                points.flow_xy, points.disputed = points.xy + np.float32(40), np.array([False, True, False, True])
            labels.add(frame, instance, points)
    save_labels(labels, tmp_path / "out.json")
    truth = COCO(str(tmp_path / "out.json"))
    assert len(truth.getImgIds()) == 4
    assert len(truth.getAnnIds()) == 8
    results = [a | {"score": 1.0} for a in truth.loadAnns(truth.getAnnIds())]
    evaluation = COCOeval_faster(truth, truth.loadRes(results), "keypoints", kpt_oks_sigmas=[0.05] * 4)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)


def test_points_edited_by_a_tool_that_carries_the_extra_field_along(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    save_labels(propagated(), path)
    written = json.loads(path.read_text())
    annotation = written["annotations"][1]
    annotation["keypoints"][3:9] = [0, 0, 0, 7, 8, 2]
    annotation["poof"] = annotation["poof"] | {"source": ["human", "propagated", ""], "unseen": {}}
    path.write_text(json.dumps(written))
    points = load_labels(path).instances[5, 1]
    assert points.source.tolist() == [Source.HUMAN] * 3
    assert points.visible.tolist() == [Visible.VISIBLE, Visible.ABSENT, Visible.VISIBLE]  # who removes a point says so


@pytest.mark.parametrize(
    "damage",
    [
        {"source": ["human"]},
        {"source": ["human", "guess", ""]},
        {"anchor": 3},
        {"steps": [1, "x", 2]},
        {"confidence": None},
    ],
)
def test_damaged_provenance(tmp_path: Path, damage: dict[str, Any]) -> None:
    path = tmp_path / "out.json"
    save_labels(propagated(), path)
    written = json.loads(path.read_text())
    written["annotations"][1]["poof"] |= damage
    path.write_text(json.dumps(written))
    with pytest.raises(PoofError, match=r"out\.json: frame 5: the field 'poof' of an annotation is damaged"):
        load_labels(path)


def test_numpy_and_paths_in_info_become_strict_json(tmp_path: Path) -> None:
    labels = propagated()
    labels.info = {"radius": np.int64(10), "error": np.float32(0.5), "weights": Path("a/b.pth"), "loss": [NAN, (1, 2)]}
    save_labels(labels, tmp_path / "x.json")
    assert load_labels(tmp_path / "x.json").info == {
        "radius": 10,
        "error": 0.5,
        "weights": "a/b.pth",
        "loss": [None, [1, 2]],
    }


def test_fields_of_a_newer_poof(tmp_path: Path) -> None:
    save_labels(propagated(), tmp_path / "out.json")
    written = json.loads((tmp_path / "out.json").read_text())
    written["poof"]["version"] = 2
    (tmp_path / "out.json").write_text(json.dumps(written))
    with pytest.raises(PoofError, match=r"out\.json: was written by a newer poof"):
        load_labels(tmp_path / "out.json")


def test_a_long_file_is_written_without_being_held(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "labels.json"
    labels = LabelSet(Skeleton(tuple(f"k{i}" for i in range(20))))
    for frame in range(600):
        labels.add(frame, 0, Points.human(frame, rng.uniform(0, 100, (20, 2))))
    save_labels(labels, tmp_path / "first.json")  # what is imported does not count
    tracemalloc.start()
    save_labels(labels, path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (
        peak < 1.5 * path.stat().st_size
    )  # images and the runs of frames; with all annotations nearly eight times as much
    assert load_labels(path).instances[599, 0].xy[19] == pytest.approx(labels.instances[599, 0].xy[19], abs=1e-3)
