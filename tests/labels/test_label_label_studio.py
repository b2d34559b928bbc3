"""Label Studio's task JSON: per cent without rounding, individuals, predictions, videos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from peer_material import assert_same, rich

from poof.errors import PoofError, PoofWarning
from poof.labels import Source, load_labels, save_labels
from poof.labels.formats.label_studio_writing import interface


def region(name: str, x: float, y: float, **more: Any) -> dict[str, Any]:
    return {
        "type": "keypointlabels",
        "original_width": 640,
        "original_height": 480,
        "value": {"x": x, "y": y, "width": 0.5, "keypointlabels": [name]},
    } | more


def task(image: str, *regions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": 7, "data": {"image": f"/data/upload/1/{image}"}, "annotations": [{"result": list(regions)}]} | more


def written(path: Path, *tasks: dict[str, Any]) -> Path:
    path.write_text(json.dumps(tasks))
    return path


def test_per_cent_without_rounding(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.json", task("8a1b2c3d-img012.png", region("nose", 6.1796875, 10), region("tail", 50, 25))
    )
    labels = load_labels(path)
    assert (labels.frames, labels.image_size) == ([12], (640, 480))
    np.testing.assert_allclose(labels.instances[12, 0].xy, [[39.55, 48], [320, 120]], atol=1e-4)
    assert labels.instances[12, 0].source.tolist() == [Source.HUMAN] * 2
    assert labels.frame_names == {12: "img012.png"}, "without the hash of the upload"


@pytest.mark.parametrize("by", ["parentID", "relation"])
def test_individuals(tmp_path: Path, by: str) -> None:
    boxes = [
        {"id": f"b{i}", "type": "rectanglelabels", "value": {"rectanglelabels": [name]}}
        for i, name in enumerate(("Ann", "Bob"))
    ]
    points = [region("nose", 10, 10, id="p0"), region("nose", 20, 10, id="p1")]
    links = []
    for i, point in enumerate(points):
        if by == "parentID":
            point["parentID"] = f"b{i}"
        else:
            links.append({"type": "relation", "from_id": f"p{i}", "to_id": f"b{i}"})
    labels = load_labels(written(tmp_path / "a.json", task("img3.png", *boxes, *points, *links)))
    assert labels.individuals == {0: "Ann", 1: "Bob"}
    assert [labels.instances[3, i].xy[0, 0] for i in (0, 1)] == [64, 128]


def test_rectangles_of_one_name_are_nobody_in_particular(tmp_path: Path) -> None:
    boxes = [{"id": f"b{i}", "type": "rectanglelabels", "value": {"rectanglelabels": ["mouse"]}} for i in (0, 1)]
    points = [region("nose", 10 + 10 * i, 10, id=f"p{i}", parentID=f"b{i}") for i in (0, 1)]
    labels = load_labels(written(tmp_path / "a.json", task("img3.png", *boxes, *points)))
    assert list(labels.instances) == [(3, 0), (3, 1)]
    assert not labels.tracked and not labels.individuals


def test_videos_taken_over_from_deeplabcut(tmp_path: Path) -> None:
    """`meta.original_file` names the video; sizes differ between videos; unique bodyparts belong to nobody."""
    box = {"id": "b", "type": "rectanglelabels", "value": {"rectanglelabels": ["pup1"]}}
    link = {"type": "relation", "from_id": "p", "to_id": "b"}
    one = task("img5.png", box, region("snout", 10, 10, id="p"), region("nest", 50, 50), link)
    one["meta"] = {"original_file": "labeled-data/one/img5.png"}
    two = task("img7.png", region("nest", 10, 10, original_width=1280))
    two["meta"] = {"original_file": "labeled-data/two/img7.png"}
    path = written(tmp_path / "a.json", one, two)
    with pytest.raises(PoofError, match=r"several videos \(one, two\)"):
        load_labels(path)
    labels = load_labels(path, video="one.mp4")
    assert (labels.frames, labels.image_size) == ([5], (640, 480))
    assert labels.individuals == {0: "pup1", 1: "single"}
    assert labels.instances[5, 0].visible.tolist() == [2, 0], "a pup has no nest that could be absent"


def test_predictions_count_where_nobody_labelled(tmp_path: Path) -> None:
    predicted = {"score": 0.5, "result": [region("nose", 10, 10), region("tail", 20, 10, score=0.25)]}
    only = task("img3.png", predictions=[predicted]) | {"annotations": []}
    both = task("img4.png", region("nose", 30, 10), predictions=[predicted])
    labels = load_labels(written(tmp_path / "a.json", only, both), missing="unlabelled")
    assert labels.instances[3, 0].source.tolist() == [Source.PREDICTED] * 2
    np.testing.assert_allclose(labels.instances[3, 0].confidence, [0.5, 0.25])
    assert labels.instances[4, 0].source.tolist() == [Source.HUMAN, Source.NONE]


def test_cancelled_and_several_annotations(tmp_path: Path) -> None:
    first, second = [{"result": [region("nose", x, 10)]} for x in (10, 20)]
    one = {"data": {"image": "img3.png"}, "annotations": [first, second | {"was_cancelled": True}]}
    assert load_labels(written(tmp_path / "a.json", one)).instances[3, 0].xy[0, 0] == 64
    one["annotations"] = [first | {"ground_truth": True}, second]
    assert load_labels(written(tmp_path / "a.json", one)).instances[3, 0].xy[0, 0] == 64
    one["annotations"] = [first, second]
    with pytest.warns(PoofWarning, match="has 2 annotations; took the last one"):
        assert load_labels(written(tmp_path / "a.json", one)).instances[3, 0].xy[0, 0] == 128


def test_key_frames_of_a_video(tmp_path: Path) -> None:
    value = {
        "labels": ["nose"],
        "sequence": [{"frame": 1, "x": 10, "y": 10, "enabled": True}, {"frame": 8, "x": 20, "y": 10, "enabled": False}],
    }
    one = task("clip.mp4", {"type": "videokeypoint", "original_width": 640, "original_height": 480, "value": value})
    labels = load_labels(written(tmp_path / "a.json", one))
    assert labels.frames == [0, 7], "Label Studio counts frames from 1"
    value["sequence"][0]["width"] = 12.0  # type: ignore[index]
    with pytest.raises(PoofError, match="holds boxes in a video"):
        load_labels(written(tmp_path / "a.json", one))


def test_the_small_export(tmp_path: Path) -> None:
    point = {"x": 10, "y": 10, "keypointlabels": ["nose"], "original_width": 640, "original_height": 480}
    labels = load_labels(written(tmp_path / "a.json", {"image": "/data/img5.png", "id": 1, "kp": [point]}))
    assert labels.instances[5, 0].xy.tolist() == [[64, 48]]


@pytest.mark.parametrize("several", [True, False])
def test_what_we_write_comes_back(tmp_path: Path, several: bool) -> None:
    labels = rich(several)
    with pytest.warns(PoofWarning, match="cannot hold"):
        save_labels(labels, tmp_path / "out.json", format="label-studio")
    tasks = json.loads((tmp_path / "out.json").read_text())
    assert [("annotations" in t, "predictions" in t) for t in tasks] == [
        (True, False),
        (False, True),
        (False, True),
        (True, False),
        (True, True),
    ]
    back = load_labels(tmp_path / "out.json")
    assert_same(labels, back, "confidence")
    for key, points in labels.instances.items():
        np.testing.assert_array_equal(points.is_human, back.instances[key].is_human)
    assert (back.image_size, back.info["video"]) == (labels.image_size, "clip.mp4")
    for name in (*labels.skeleton.keypoints, *(("subject 1", "subject 2") if several else ())):
        assert f'<Label value="{name}"/>' in interface(labels)


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([task("img3.png", region("nose", 123, 10))], "task 7: nose has x 123 %, outside 0..100"),
        ([task("img3.png", region("nose", "ten", 10))], "nose has x 'ten', no number"),
        ([task("img3.png", region("nose", 10, 10, original_width=None))], "has no original_width"),
        ([task("img3.png", region("nose", 10, 10), region("nose", 20, 10))], "frame 3: nose is labelled twice"),
        ([task("img3.png")], "no task has a keypoint"),
        ([task("img3.png", region("nose", 10, 10)) | {"meta": {"video": {"frame_idx": -1}}}], "frame -1 is negative"),
    ],
)
def test_bad_tasks(tmp_path: Path, tasks: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(PoofError) as caught:
        load_labels(written(tmp_path / "a.json", *tasks))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_places_that_mean_missing_and_shares(tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", task("img1.png", region("nose", 0, 0), region("tail", 50, 25)))
    with pytest.warns(PoofWarning, match=r"took 1 points at \(0, 0\) or \(-1, -1\) as missing"):
        assert load_labels(path).instances[1, 0].labelled.tolist() == [False, True]
    places = [(0.1, 0.4), (0.9, 0.2)]
    path = written(
        tmp_path / "b.json",
        *(task(f"img{i}.png", *(region(f"k{k}", *p) for k, p in enumerate(places))) for i in (1, 2)),
    )
    with pytest.raises(PoofError, match="all coordinates lie between 0 and 1, not 100 per cent"):
        load_labels(path)
