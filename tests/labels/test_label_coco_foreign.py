"""COCO as other tools write it: who set a point, who is who, limbs that cannot be, and what is no label at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poof.errors import PoofError, PoofWarning
from poof.labels import LabelSet, Points, Skeleton, Source, load_labels, save_labels


def written(path: Path, annotations: list[dict[str, Any]], **category: Any) -> Path:
    """A file of one category (nose, tail) with these annotations, each in its own image unless it names one."""
    whole = [
        {"id": i, "image_id": i, "category_id": 1, "keypoints": [10 * i, 20, 2, 30, 40, 2]} | annotation
        for i, annotation in enumerate(annotations, 1)
    ]
    images = sorted({annotation["image_id"] for annotation in whole})
    document = {
        "images": [{"id": i, "file_name": f"frame_{i:06d}.png", "width": 640, "height": 480} for i in images],
        "categories": [{"id": 1, "name": "mouse", "keypoints": ["nose", "tail"]} | category],
        "annotations": whole,
    }
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("limbs", "kept", "message"),
    [
        ([[1, 2]], ((0, 1),), None),
        ([[1, 2], [2, 3], [16, 14]], ((0, 1),), "left out 2 limbs"),
        ([[0, 1]], (), "count from 0"),
        ([[1, 2], [1, 2], [2, 2]], ((0, 1),), "left out 2 limbs"),
        ([[1, 2, 2], ["nose", "tail"], [1, None]], (), "left out 3 limbs"),
        ("none", (), "left out all limbs"),
    ],
)
def test_limbs_are_never_a_reason_to_refuse(
    tmp_path: Path, limbs: Any, kept: tuple[tuple[int, int], ...], message: str | None
) -> None:
    path = written(tmp_path / "gt.json", [{}], skeleton=limbs)
    if message:
        with pytest.warns(PoofWarning, match=message) as caught:
            labels = load_labels(path)
        assert len(caught) == 1
    else:
        labels = load_labels(path)
    assert labels.skeleton.edges == kept
    assert labels.instances[1, 0].xy.tolist() == [[10, 20], [30, 40]]


IDENTITIES = [
    {"track_id": 7},
    {"instance_id": 7},
    {"attributes": {"track_id": 7}},
    {"attributes": {"object_id": 7}},
    {"track_id": "7"},
]


@pytest.mark.parametrize("seven", IDENTITIES)
def test_who_is_who(tmp_path: Path, seven: dict[str, Any]) -> None:
    nine = json.loads(json.dumps(seven).replace("7", "9"))
    annotations = [seven | {"image_id": 1}, nine | {"image_id": 1}, nine | {"image_id": 2}, seven | {"image_id": 2}]
    labels = load_labels(written(tmp_path / "gt.json", annotations))
    assert labels.tracked
    assert list(labels.instances) == [(1, 7), (1, 9), (2, 9), (2, 7)]
    assert labels.instances[2, 7].xy[0].tolist() == [40, 20]


def test_individuals_named_by_text(tmp_path: Path) -> None:
    annotations = [{"track_id": "Ann", "image_id": 1}, {"track_id": "Bob", "image_id": 1}, {"track_id": "Bob"}]
    labels = load_labels(written(tmp_path / "gt.json", annotations))
    assert labels.individuals == {0: "Ann", 1: "Bob"}
    assert list(labels.instances) == [(1, 0), (1, 1), (3, 1)]


def test_individuals_as_categories(tmp_path: Path) -> None:
    path = written(tmp_path / "gt.json", [{"image_id": 1}, {"image_id": 1, "category_id": 2}, {"category_id": 2}])
    document = json.loads(path.read_text())
    document["categories"].append({"id": 2, "name": "other mouse", "keypoints": ["nose", "tail"]})
    path.write_text(json.dumps(document))
    labels = load_labels(path)
    assert labels.individuals == {0: "mouse", 1: "other mouse"}
    assert labels.tracked
    assert list(labels.instances) == [(1, 0), (1, 1), (3, 1)]
    only = load_labels(path, category="other mouse")
    assert list(only.instances) == [(1, 0), (3, 0)]


def test_what_cvat_interpolated_is_no_label(tmp_path: Path) -> None:
    flags: list[Any] = [True, False, "false", "true", None]
    annotations = [{"attributes": {"track_id": 1, "keyframe": flag}} for flag in flags]
    labels = load_labels(written(tmp_path / "gt.json", annotations))
    assert labels.frames == [1, 4, 5]
    written(tmp_path / "gt.json", annotations[1:3])
    with pytest.raises(PoofError, match="holds 2 interpolated annotations and no key frame"):
        load_labels(tmp_path / "gt.json")


def test_an_annotation_with_a_score_is_a_models(tmp_path: Path) -> None:
    labels = load_labels(written(tmp_path / "gt.json", [{}, {"score": 0.75}, {"score": 3.2}, {"score": "high"}]))
    sources = [labels.instances[frame, 0].source.tolist() for frame in labels.frames]
    assert sources == [[Source.HUMAN] * 2, [Source.PREDICTED] * 2, [Source.PREDICTED] * 2, [Source.HUMAN] * 2]
    assert labels.instances[2, 0].confidence.tolist() == [0.75, 0.75]
    assert np.isnan(labels.instances[3, 0].confidence).all()
    assert set(labels.human().frames) == {1, 4}


def test_label_studios_rounding_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "gt.json", [{}])
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"info": {"contributor": "Label Studio"}}))
    with pytest.warns(PoofWarning, match="rounds to whole pixels; export JSON there"):
        load_labels(path)


def test_identities_are_written_for_those_to_whom_0_is_none(tmp_path: Path) -> None:
    labels = LabelSet(Skeleton(("nose",)))
    for instance in (0, 1):
        labels.add(4, instance, Points.human(4, np.array([[1.0 + instance, 2.0]])))
    save_labels(labels, tmp_path / "out.json")
    document = json.loads((tmp_path / "out.json").read_text())
    assert [a["attributes"]["object_id"] for a in document["annotations"]] == [1, 2]
    assert [a["track_id"] for a in document["annotations"]] == [0, 1]
    assert list(load_labels(tmp_path / "out.json").instances) == [(4, 0), (4, 1)]
