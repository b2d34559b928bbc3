"""Unsupported formats, recognised by content: one line says what the file is and what to do.

To add one: a function of the first bytes in `_SIGNS`, with its line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

from poof.labels.formats.long_csv import ALIASES
from poof.labels.formats.reading import separator_of

_TABLE = "make a table of it with the columns frame,keypoint,x,y,likelihood"
_COCO = "export it there as COCO keypoints"


def recognised(path: Path, head: bytes) -> str | None:
    """What a file that begins with `head` is and what to do, None if it is none of those known here."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for sign, line in _SIGNS:
        if sign(text):
            return f"{path}: {line}"
    return None


def _json(*needed: bytes, never: tuple[bytes, ...] = (b'"images"',)) -> Callable[[bytes], bool]:
    """Whether the text is JSON that has all of these keys and none of those."""

    def sign(text: bytes) -> bool:
        return text[:1] in (b"{", b"[") and all(n in text for n in needed) and not any(n in text for n in never)

    return sign


def _header(text: bytes) -> list[str]:
    """The cells of the first line, in lower case."""
    lines = [line for line in text.decode("utf-8", "replace").splitlines() if line.strip() and line[0] != "#"]
    if not lines or "\x00" in lines[0]:
        return []
    try:
        return [cell.strip().lower() for cell in next(csv.reader([lines[0]], delimiter=separator_of(lines[0])))]
    except (csv.Error, StopIteration):
        return []


def _ends(*endings: str) -> Callable[[bytes], bool]:
    """Whether a table has a group of columns NAME_x, NAME_y ... for one name at least."""

    def sign(text: bytes) -> bool:
        header = set(_header(text))
        if {"x", "y"} <= header or header & {"keypoint", *ALIASES["keypoint"]}:
            return False
        for separator in ("_", ".", " ", "-"):
            names = {cell.rsplit(separator, 1)[0] for cell in header if separator in cell}
            if any(all(f"{name}{separator}{ending}" in header for ending in endings) for name in names):
                return True
        return False

    return sign


def _yolo(text: bytes) -> bool:
    """Whether every line is a class and numbers from 0 to 1, a box and keypoints of two or three numbers."""
    lines = [line.split() for line in text.decode("utf-8", "replace").splitlines()[:50] if line.strip()]
    if not lines:
        return False
    try:
        numbers = [[float(cell) for cell in line] for line in lines]
    except ValueError:
        return False
    if len({len(line) for line in numbers}) != 1 or len(numbers[0]) < 7:
        return False
    box = all(line[0] == int(line[0]) >= 0 and all(0 <= v <= 1 for v in line[1:5]) for line in numbers)
    return box and all(0 <= v <= 2 for line in numbers for v in line[5:])


_SIGNS: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (
        _json(b'"shapes"', b'"imagePath"', b'"kie_linking"'),
        f"is X-AnyLabeling's file of one image, which poof does not read; {_COCO}",
    ),
    (
        _json(b'"shapes"', b'"imagePath"'),
        f"is LabelMe's file of one image, which poof does not read; convert the folder to COCO keypoints, or {_TABLE}",
    ),
    (
        _json(b'"_via_', never=()),
        f"is a project of VIA (VGG Image Annotator), which poof does not read; {_TABLE}",
    ),
    (
        _json(b'"regions"', b'"shape_attributes"', never=()),
        f"is an export of VIA (VGG Image Annotator), which poof does not read; {_TABLE}",
    ),
    (
        _json(b'"people"', b'"pose_keypoints_2d"'),
        f"is OpenPose's output of one frame, which poof does not read; {_TABLE}",
    ),
    (
        _json(b'"instance_info"'),
        f"is MMPose's output, which poof does not read; {_TABLE}",
    ),
    (
        _json(b'"keypoint_scores"'),
        f"is MMPose's output, which poof does not read; {_TABLE}",
    ),
    (
        lambda text: bool(
            re.match(rb"\[\s*\{", text)
            and re.search(rb'"image_id"\s*:\s*"', text)
            and b'"keypoints"' in text
            and b'"score"' in text
        ),
        f"is AlphaPose's output, a list of results without names of keypoints, which poof does not read; {_TABLE}",
    ),
    (
        _json(b'"items"', b'"categories"', b'"media_type"', never=()),
        "is a Datumaro data set, which poof does not read; export it as coco_person_keypoints",
    ),
    (
        _ends("x", "y", "z", "error", "ncams"),
        "is Anipose's table of 3D points in world units; give the labels of one camera in pixels",
    ),
    (
        _ends("x", "y"),
        "is a wide table with columns of its own for each keypoint; poof reads long ones, a row a point:"
        " frame,keypoint,x,y (pandas.melt makes them)",
    ),
    (
        _yolo,
        "holds YOLO pose labels of one image, which poof does not read; sleap-io reads the data set"
        " (load_file of its data.yaml) and saves it as .slp, which poof reads",
    ),
    (
        lambda text: text.startswith(b"MATLAB "),
        "is a MATLAB file, which poof does not read; write the points with writetable: frame,keypoint,x,y as columns",
    ),
    (
        lambda text: text.startswith(b"PK\x03\x04"),
        "is a ZIP archive; unpack it and give the label file that it holds",
    ),
    (
        lambda text: bool(re.match(rb"\x80[\x02-\x05]", text)),
        "is a Python pickle, which can run code and is never opened; DeepLabCut writes an .h5 beside it, give that",
    ),
    (
        lambda text: text.startswith(b"PAR1"),
        "is a Parquet table, which poof does not read; save it as csv, a row a point",
    ),
    (
        lambda text: text.startswith((b"\x93NUMPY", b"CDF\x01", b"CDF\x02")),
        f"holds arrays without the names of keypoints; {_TABLE}",
    ),
    (
        lambda text: text.startswith((b"<?xml", b"<")) and b"<annotations" not in text[:500],
        "is XML, but not CVAT's, the only XML that poof reads; export it as CVAT for video 1.1 or COCO keypoints",
    ),
)


def hdf5(names: set[str], attributes: dict[str, object]) -> str:
    """What an HDF5 file of none of the formats read is, by the names of its groups and data sets."""
    if "nwb_version" in attributes:
        return (
            "is NWB, which poof does not read; movement turns it into a DeepLabCut csv"
            " (load_dataset, then save_poses.to_dlc_file), which poof reads"
        )
    if {"/poseest", "/poseest/points"} & names:
        return "is a pose file of JABS, which poof does not read; sleap-io reads it and saves it as .slp"
    if {"/position", "/keypoint"} <= names or {"/position", "/keypoints"} <= names:
        return (
            "is movement's netCDF, which poof does not read; movement saves it as a DeepLabCut csv"
            " (save_poses.to_dlc_file), which poof reads"
        )
    if {"/annotations", "/annotated"} <= names:
        return "is a DeepPoseKit data set, which poof does not read; write its annotations as a table"
    if "/#refs#" in names:
        return "is a MATLAB file (7.3), which poof does not read; write the points with writetable"
    held = ", ".join(sorted(name.lstrip("/") for name in names if name.count("/") == 1 and name != "/"))[:80]
    return f"is HDF5 of no format that poof reads: it holds {held or 'nothing'}; export it as .slp or DeepLabCut's .h5"
