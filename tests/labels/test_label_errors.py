"""Bad label files: one line that names the file, the place and the remedy."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from poof.errors import PoofError
from poof.labels import LabelSet, Points, Skeleton, load_labels, save_labels

COCO: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "img_3.png"}, {"id": 2, "frame_index": 8, "file_name": "img_8.png"}],
    "annotations": [
        {"id": 5, "image_id": 1, "category_id": 1, "keypoints": [1, 2, 2, 3, 4, 2]},
        {"id": 6, "image_id": 2, "category_id": 1, "keypoints": [5, 6, 2, 7, 8, 2]},
    ],
    "categories": [{"id": 1, "name": "cat", "keypoints": ["nose", "tail"]}],
}


def fails(path: Path, *fragments: str, **options: Any) -> None:
    """Reading raises one line that begins with the file and holds the fragments."""
    with pytest.raises(PoofError) as caught:
        load_labels(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    for fragment in fragments:
        assert fragment in message, message


def test_no_such_file(tmp_path: Path) -> None:
    fails(tmp_path / "gt.json", "there is no such label file", "check the path")


def test_folder(tmp_path: Path) -> None:
    fails(tmp_path, "is a folder")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_file_without_read_permission(tmp_path: Path) -> None:
    path = tmp_path / "gt.json"
    path.write_text("{}")
    path.chmod(0)
    fails(path, "cannot be read", "permissions")


@pytest.mark.parametrize("content", [b"", b" \n\n", b"\xef\xbb\xbf"])
def test_empty_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "gt.csv").write_bytes(content)
    fails(tmp_path / "gt.csv", "is empty")


@pytest.mark.parametrize("content", [b"hello world\n", b"\x00\x00\x00\x18ftypmp42", b"a,b,c\n1,2,3\n", b"\x89PNG\r\n"])
def test_not_a_label_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    fails(tmp_path / "x.json", "is no label file that poof knows", "coco", "deeplabcut", "csv")


def test_unknown_format_name(tmp_path: Path) -> None:
    with pytest.raises(PoofError, match=r"no label format 'ccoo'; there are coco, .* \(\d+ in all\)"):
        load_labels(tmp_path / "x", format="ccoo")


def test_forced_format_reports_a_missing_file(tmp_path: Path) -> None:
    for format in ("coco", "csv", "deeplabcut"):
        fails(tmp_path / "x", "there is no such label file", format=format)


# ------------------------------------------------------------------------------------------------ COCO


def test_broken_json(tmp_path: Path) -> None:
    (tmp_path / "gt.json").write_text('{\n"images": [,]\n}')
    fails(tmp_path / "gt.json", "broken JSON at line 2, column 12", "export it again")


def test_json_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "gt.json").write_bytes('{"ä": 1}'.encode("latin-1"))
    fails(tmp_path / "gt.json", "is not UTF-8 text", "save it again")


def image(number: int, **fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda d: d["images"][number].update(fields)


def annotation(number: int, **fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda d: d["annotations"][number].update(fields)


def whole(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda d: d.update(fields)


def without_its_image(document: dict[str, Any]) -> None:
    """Neither the image nor what is said of it has an id."""
    del document["images"][0]["id"], document["annotations"][0]["image_id"]


NAN = float("nan")
BAD_COCO: list[tuple[Callable[[dict[str, Any]], None], tuple[str, ...]]] = [
    (whole(images=None), ("not a COCO file", "no list 'images'")),
    (whole(annotations=[3]), ("is no COCO file", "'annotations'")),
    (whole(categories=[]), ("no category has keypoints",)),
    (whole(categories=[{"id": 1, "name": "cat"}]), ("no category has keypoints", "export as COCO keypoints")),
    (whole(categories=[{"id": 1, "name": "cat", "keypoints": 17}]), ("category 'cat'", "not a list of names")),
    (whole(categories=[{"id": 1, "name": "cat", "keypoints": ["a", "a"]}]), ("given twice: a",)),
    (whole(annotations=[]), ("holds no annotation with keypoints of 'cat'",)),
    (whole(categories=[{"id": 1, "name": "cat", "keypoints": ["a ", "a"]}]), ("given twice: a",)),
    (without_its_image, ("annotation 5", "names no image", "image_id")),
    (annotation(0, keypoints=[0] * 6), ()),
    (annotation(0, keypoints=[1, 2, 2, 3]), ("annotation 5", "4 numbers for 2 keypoints, not 6")),
    (annotation(0, keypoints=[1, 2, 2] * 3), ("annotation 5", "9 numbers")),
    (annotation(0, keypoints="all"), ("annotation 5", "str numbers")),
    (annotation(0, keypoints=[1, 2, 2, NAN, 4, 2]), ("frame 3: tail is at (nan, 4)", "visibility 0")),
    (annotation(1, keypoints=[1, float("inf"), 1, 3, 4, 2]), ("frame 8: nose is at (1, inf)",)),
    (annotation(1, keypoints=[1e39, 5, 1, 3, 4, 2]), ("frame 8: nose is at (inf, 5)",)),
    (annotation(1, keypoints=[1, None, 1, 3, 4, 2]), ("frame 8: nose is at (1, nan)",)),
    (annotation(1, keypoints=[1, "left", 1, 3, 4, 2]), ("frame 8", "'left' instead of a number")),
    (annotation(1, keypoints=[1, [2], 1, 3, 4, 2]), ("frame 8", "[2] instead of a number")),
    (annotation(1, keypoints=[1, 2, 0.9, 3, 4, 2]), ("frame 8: nose has visibility 0.9",)),
    (annotation(1, image_id=77), ("annotation 6", "names image 77", "remove it")),
    (annotation(1, image_id=[1]), ("is no COCO file", "image_id")),
    (annotation(1, category_id=4), ("annotation 6", "names category 4")),
    (annotation(1, track_id=1.5), ("annotation 6", "track_id 1.5")),
    (
        lambda d: [a.update(track_id=t) for a, t in zip(d["annotations"], (1, "Bob", 2))],
        ("annotation", "track_id 'Bob' is text, others numbers"),
    ),
    (annotation(1, instance_id=-1), ("annotation 6", "instance_id -1")),
    (image(0, file_name="nose.png"), ("image name 'nose.png' has no number", "frame_index")),
    (image(0, file_name=None), ("image 1 has neither frame_index nor file_name",)),
    (image(0, file_name="20240501123000.png"), ("20240501123000 is no frame number",)),
    (image(1, frame_index=-2), ("image 2: frame -2 is negative", "count from 0")),
    (image(1, frame_index=2.5), ("image 2: 2.5 is no frame number",)),
    (image(1, frame_index="8"), ("image 2: frame_index '8' is no number",)),
    (image(1, frame_index=NAN), ("image 2: frame_index nan",)),
    (image(1, frame_index=3), ("are both frame 3", "keep one")),
    (lambda d: d["images"].append({"id": 1}), ("two images have the id 1",)),
    (image(1, file_name="img_3.png", frame_index=None), ("both 'img_3.png'",)),
    (image(1, file_name="pic_3.png", frame_index=None), ("frame 3: both 'img_3.png' and 'pic_3.png' are this frame",)),
    (
        lambda d: [i.update(width=9 + i["id"], height=9) for i in d["images"]],
        ("'img_8.png' is 11x9 and 'img_3.png' 10x9",),
    ),
    (
        lambda d: [a.update(track_id=1, image_id=2) for a in d["annotations"]],
        ("frame 8: instance 1 is labelled twice", "keep one"),
    ),
    (
        lambda d: [a.update(keypoints=[0] * 6) for a in d["annotations"]],
        ("holds no labelled keypoint", "label at least one frame"),
    ),
]


@pytest.mark.parametrize(("change", "fragments"), BAD_COCO, ids=[" ".join(f)[:40] or "fine" for _, f in BAD_COCO])
def test_bad_coco(tmp_path: Path, change: Callable[[dict[str, Any]], None], fragments: tuple[str, ...]) -> None:
    document = copy.deepcopy(COCO)
    change(document)
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(document))
    if fragments:
        fails(path, *fragments)
    else:
        load_labels(path)


def test_coco_results(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps([{"image_id": 1, "category_id": 1, "keypoints": [1, 2, 2]}]))
    fails(tmp_path / "r.json", "is a JSON list")


def test_only_some_images_among_the_frames(tmp_path: Path) -> None:
    path = tmp_path / "gt.json"
    document = copy.deepcopy(COCO)
    del document["images"][1]["frame_index"]
    path.write_text(json.dumps(document))
    fails(
        path,
        "'img_8.png' is not among the 2 of the folder",
        "nearest is 'img_3.png'",
        frame_names=["img_1.png", "img_3.png"],
    )


# ------------------------------------------------------------------------------------------------ tables

HEADER = "frame,instance,keypoint,x,y,confidence,visible,source,anchor,steps"
BAD_CSV: list[tuple[str, tuple[str, ...]]] = [
    ("frame,keypoint,x\n0,a,1", ("header lacks y", "frame, keypoint, x, y")),
    ("frame,keypoint,x,y,x\n0,a,1,2,3", ("has x twice",)),
    ("frame,keypoint,x,y\n", ("holds no labels",)),
    ("frame,keypoint,x,y\n0,a,,\n", ("no row has coordinates",)),
    ("frame,keypoint,x,y\n0,a,1,2\n\n1,a,1\n", ("line 4: has 3 cells under 4 columns",)),
    ("frame,keypoint,x,y\n0,a,1,2\n0,,1,2\n", ("line 3: names no keypoint",)),
    ("frame,keypoint,x,y\n0,a,1,2\n3,b,1,inf\n", ("line 3: frame 3: b is at (1, inf)",)),
    ("frame,keypoint,x,y\n0,a,1,2\n3,b,1,\n", ("line 3: frame 3: b is at (1, empty)", "none for a point")),
    ("frame,keypoint,x,y\n0,a,1,2\n3,b,1,nan\n", ("line 3: frame 3: b is at (1, nan)",)),
    ("frame,keypoint,x,y\n0,a,1,left\n", ("line 2: y 'left' is not a number",)),
    ("frame,keypoint,x,y\n-4,a,1,2\n", ("line 2: frame -4 is negative", "count from 0")),
    ("frame,keypoint,x,y\n1.5,a,1,2\n", ("line 2: frame '1.5' is no whole number",)),
    ("frame,keypoint,x,y\n,a,1,2\n", ("line 2: frame '' is no whole number",)),
    ("frame,keypoint,x,y\n99999999999,a,1,2\n", ("line 2: frame '99999999999'",)),
    ("frame,keypoint,x,y\n1,a,1,2\n1,b,1,2\n1,a,5,6\n", ("line 4: frame 1: a of instance 0 is labelled twice",)),
    ("frame,keypoint,x,y,instance\n1,a,1,2,Bo\n1,a,5,6,\n", ("line 3: names no instance",)),
    ("frame,keypoint,x,y,visible\n1,a,1,2,3\n", ("line 2: visible '3' is not 0, 1, 2 or absent",)),
    ("frame,keypoint,x,y,confidence\n1,a,1,2,95\n", ("line 2: confidence 95 is outside 0..1",)),
    (f"{HEADER}\n1,0,a,1,2,1,2,guessed,1,0\n", ("line 2: unknown source 'guessed'", "human, propagated")),
    (f"{HEADER}\n1,0,a,1,2,1,2,human,one,0\n", ("line 2: anchor 'one' is not a number",)),
    (f"{HEADER},flow_x\n1,0,a,1,2,1,2,refined,1,0,3\n", ("the header lacks flow_y", "go together")),
    (
        f"{HEADER},flow_x,flow_y\n1,0,a,1,2,1,2,refined,1,0,3,\n",
        ("line 2: frame 1: flow had put a at (3, empty)", "none for a point that is not refined"),
    ),
    (f"{HEADER},flow_x,flow_y\n1,0,a,1,2,1,2,refined,1,0,inf,4\n", ("frame 1: flow had put a at (inf, 4)",)),
    (f"{HEADER},flow_x,flow_y\n1,0,a,1,2,1,2,refined,1,0,3,up\n", ("line 2: flow_y 'up' is not a number",)),
    (f"{HEADER},disputed\n1,0,a,1,2,1,2,refined,1,0,maybe\n", ("line 2: disputed 'maybe' is neither true nor",)),
    ('frame,keypoint,x,y\n0,"a,1,2\n0,b,1,2', ("line 2: is no table (",)),
    ('frame,keypoint,x,y\n0,"a\nb",1,2\n', ("line 2: a cell runs over several lines",)),
    ("scorer,ann,ann\nbodyparts,a,a\nframe,x,y\n", ("lacks coords",)),
    ("scorer,ann,ann\nbodyparts,a,a\ncoords,x,y\nimg.png,1,2\n", ("image name 'img.png' has no number",)),
    ("scorer,ann,ann\nbodyparts,a,a\ncoords,x,y\nimg1.png,1,\n", ("frame 1: a is at (1, nan)",)),
    ("scorer,ann,ann\nbodyparts,a,a\ncoords,x,y\nimg1.png,1,inf\n", ("frame 1: a is at (1, inf)",)),
    ("scorer,ann,ann\nbodyparts,a,a\ncoords,x,y\nimg1.png,1,?\n", ("line 4: '?' is not a number",)),
    ("scorer,ann,ann\nbodyparts,a,a\ncoords,x,y\nimg1.png,1\n", ("line 4: has 2 cells, the header 3",)),
    ("scorer,ann,ann\nbodyparts,a,a\ncoords,x,y\nimg1.png,,\n", ("holds no labelled point",)),
    ("scorer,ann,ann\nbodyparts,a,a\ncoords,x,y\n", ("holds no labelled point",)),
    ("scorer,ann,ann\nbodyparts,a,b\ncoords,x,y\nimg1.png,1,2\n", ("a has only one of the columns x and y",)),
    ("scorer,ann,ann\nbodyparts,a,a\ncoords,x,x\nimg1.png,1,2\n", ("a has 2 columns x",)),
    ("scorer,ann,ann\nbodyparts,a,a\ncoords,x,y\nimg1.png,1,2\nimg1.png,1,2\n", ("img1.png has 2 rows",)),
    (
        "scorer,ann,ann\nbodyparts,a,a\ncoords,x,y\nimg1.png,1,2\nimg01.png,1,2\n",
        ("frame 1: both 'img1.png' and 'img01.png'",),
    ),
    ("scorer,ann,ann\nbodyparts,a,a\ncoords,u,v\nimg1.png,1,2\n", ("coords names neither x nor y",)),
    ("scorer,,ann,ann\nbodyparts,,a,a\ncoords,,x,y\na,img1.png,1,2\n", ("named in 2 columns",)),
]


@pytest.mark.parametrize(("content", "fragments"), BAD_CSV, ids=[f[0][:40] for _, f in BAD_CSV])
def test_bad_tables(tmp_path: Path, content: str, fragments: tuple[str, ...]) -> None:
    path = tmp_path / "gt.csv"
    path.write_text(content)
    fails(path, *fragments)


def test_damaged_and_foreign_h5(tmp_path: Path) -> None:
    whole_file = tmp_path / "whole.h5"
    labels = LabelSet(Skeleton(("a",)), {(1, 0): Points.human(1, np.array([[1.0, 2.0]]))})
    save_labels(labels, whole_file)
    (tmp_path / "cut.h5").write_bytes(whole_file.read_bytes()[:3000])
    fails(tmp_path / "cut.h5", "damaged or unknown HDF5 file")
    pd.DataFrame({"a": [1.0]}).to_hdf(tmp_path / "other.h5", key="stuff")
    fails(tmp_path / "other.h5", "no DeepLabCut file")
    pd.DataFrame(columns=pd.MultiIndex.from_tuples([], names=["scorer", "bodyparts", "coords"])).to_hdf(
        tmp_path / "empty.h5", key="df_with_missing"
    )
    fails(tmp_path / "empty.h5", "export it again")
    import tables

    with tables.open_file(str(tmp_path / "sleap.h5"), "w") as file:
        file.create_array("/", "tracks", [1, 2, 3])
    fails(tmp_path / "sleap.h5", "is HDF5 of no format that poof reads: it holds tracks")


# ------------------------------------------------------------------------------------------------ writing


@pytest.fixture
def labels() -> LabelSet:
    return LabelSet(Skeleton(("a",)), {(1, 0): Points.human(1, np.array([[1.0, 2.0]]))})


@pytest.mark.parametrize("name", ["x.json", "x.csv", "x.h5", "CollectedData_x.csv"])
def test_files_of_others_stay_and_own_ones_are_replaced(tmp_path: Path, labels: LabelSet, name: str) -> None:
    path = tmp_path / name
    path.write_text("precious")
    for force in (False, True):
        with pytest.raises(PoofError, match="was not written by poof and is never written over"):
            save_labels(labels, path, force)
    assert path.read_text() == "precious"
    path.unlink()
    save_labels(labels, path)
    save_labels(labels, path)
    assert load_labels(path).frames == [1]
    assert list(tmp_path.iterdir()) == [path], "no temporary file is left"


def test_names_without_a_format(tmp_path: Path, labels: LabelSet) -> None:
    endings = r"\.json, \.slp, \.h5, \.csv, \.xml"
    with pytest.raises(PoofError, match=rf"x\.txt: the ending '\.txt' names no label format; use one of {endings}"):
        save_labels(labels, tmp_path / "x.txt")
    with pytest.raises(PoofError, match=r"files in the format coco end in \.json"):
        save_labels(labels, tmp_path / "x.csv", format="coco")
    with pytest.raises(PoofError, match="no label format 'yolo'"):
        save_labels(labels, tmp_path / "x.csv", format="yolo")


@pytest.mark.parametrize("name", ["x.json", "x.csv", "x.h5"])
def test_full_disk_leaves_the_old_file(
    tmp_path: Path, labels: LabelSet, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing fails half-way: the old file is untouched, nothing else lies beside it."""
    path = tmp_path / name
    path.write_text("precious")

    really_open = Path.open

    def full(file: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if "w" in mode:
            raise OSError(28, "No space left on device")
        return really_open(file, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(PoofError, match=f"{name}: cannot be written .No space left on device.; free space"):
        save_labels(labels, path, checked=True)
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]
