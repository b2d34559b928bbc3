"""Files of formats that are not read: one true line says what each is and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from poof.errors import PoofError
from poof.labels import load_labels

LABELME = {"version": "5.0", "flags": {}, "shapes": [{"label": "nose"}], "imagePath": "a.png", "imageData": None}
ALPHAPOSE = [{"image_id": "0.jpg", "category_id": 1, "keypoints": [1, 2, 0.5], "score": 2.9}]
JSON: list[tuple[Any, str]] = [
    (LABELME, "is LabelMe's file of one image"),
    (LABELME | {"shapes": [{"kie_linking": []}]}, "is X-AnyLabeling's file of one image"),
    ({"_via_settings": {}, "_via_img_metadata": {}}, "is a project of VIA"),
    ({"a.png1": {"regions": [{"shape_attributes": {"name": "point"}}]}}, "is an export of VIA"),
    ({"version": 1.3, "people": [{"pose_keypoints_2d": [1, 2, 0.5]}]}, "is OpenPose's output of one frame"),
    ({"meta_info": {}, "instance_info": []}, "is MMPose's output"),
    ([{"keypoints": [[1, 2]], "keypoint_scores": [0.5]}], "is MMPose's output"),
    (ALPHAPOSE, "is AlphaPose's output"),
    ({"info": {}, "categories": {}, "items": [{"media_type": 2}]}, "is a Datumaro data set"),
]
TEXT = [
    ("nose_x,nose_y,nose_z,nose_error,nose_ncams,nose_score,fnum\n1,2,3,4,5,6,0\n", "is Anipose's table of 3D points"),
    ("frame,nose_x,nose_y,tail_x,tail_y\n0,1,2,3,4\n", "is a wide table"),
    ("track,frame_idx,instance.score,nose.x,nose.y,nose.score\n,0,1,2,3,4\n", "is a wide table"),
    ("0 0.5 0.5 0.1 0.1 0.4 0.4 2 0.6 0.6 1\n", "holds YOLO pose labels of one image"),
    ('<?xml version="1.0"?><annotation><object/></annotation>', "is XML, but not CVAT's"),
]
BINARY = [
    (b"MATLAB 5.0 MAT-file, Platform: GLNXA64", "is a MATLAB file"),
    (b"PK\x03\x04\x14\x00", "is a ZIP archive"),
    (b"\x80\x04\x95\x00", "is a Python pickle, which can run code and is never opened"),
    (b"PAR1\x15\x04", "is a Parquet table"),
]
CASES = [
    *((json.dumps(value).encode(), message) for value, message in JSON),
    *((text.encode(), message) for text, message in TEXT),
    *BINARY,
]


@pytest.mark.parametrize(("content", "message"), CASES, ids=[m[3:30] for _, m in CASES])
def test_what_it_is_and_what_to_do(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(PoofError) as caught:
        load_labels(path)
    line = str(caught.value)
    assert line.startswith(str(path)) and message in line
    assert "\n" not in line and len(line.removeprefix(str(path))) < 240


@pytest.mark.parametrize(
    ("names", "attributes", "message"),
    [
        ((), {"nwb_version": "2.7"}, "is NWB"),
        (("poseest/points",), {}, "is a pose file of JABS"),
        (("position", "keypoint"), {}, "is movement's netCDF"),
        (("annotations", "annotated"), {}, "is a DeepPoseKit data set"),
        (("stuff",), {}, "is HDF5 of no format that poof reads: it holds stuff"),
    ],
)
def test_hdf5(tmp_path: Path, names: tuple[str, ...], attributes: dict[str, str], message: str) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)
        for name in names:
            file[name] = np.zeros(3)
    with pytest.raises(PoofError) as caught:
        load_labels(path)
    assert message in str(caught.value) and "\n" not in str(caught.value)
