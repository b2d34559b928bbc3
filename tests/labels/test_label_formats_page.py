"""docs/formats.md: every cell of its table of what comes back is measured here, every format has a row."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from peer_material import rich

from poof.errors import PoofWarning
from poof.exchange import PEERS
from poof.labels import FORMATS, LabelSet, Points, load_labels, save_labels

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"
FILES = {
    "coco": "a.json",
    "csv": "a.csv",
    "sleap": "a.slp",
    "deeplabcut": "machinelabels-iter0.h5",
    "deeplabcut csv": "machinelabels.csv",
    "CollectedData": "CollectedData_Ann.csv",
    "dlc-tracks": "t.csv",
    "dlc-tracks h5": "t.h5",
    "lp": "lp.csv",
    "cvat": "a.xml",
    "label-studio": "ls.json",
}
"""Row of the table -> a file of that format."""


def everything(several: bool) -> LabelSet:
    """`rich`, with names, a keypoint at which nobody looked beside an absent one, and a box."""
    labels = rich(several)
    if several:
        labels.individuals = {0: "Ann", 1: "Bob"}
    unknown = np.array([False, False, True, False])
    labels.instances[2, 0].put(unknown, Points.empty(4))
    labels.instances[2, 0].box = np.array([5, 6, 610, 410], np.float32)
    return labels


def comes_back(row: str, folder: Path) -> Mapping[str, bool]:
    """Column of the table -> whether it survives writing and reading."""
    labels = everything(several=row != "lp")
    path = folder / FILES[row]
    name = row.split()[0]
    with warnings.catch_warnings(action="ignore", category=PoofWarning):
        save_labels(labels, path, format=name if name in FORMATS else None)
        back = load_labels(path)
    pairs = []
    for key, points in labels.instances.items():
        other = back.instances[key]
        keep = points.labelled & (points.visible > 0)
        np.testing.assert_allclose(points.xy[keep], other.xy[keep], atol=0.01, err_msg=f"{row} {key}")
        pairs.append((points, other, keep))

    def same(field: str, machine: bool = False) -> bool:
        """Whether a field is as it was, for all points or for those that no person set."""
        found = []
        for points, other, keep in pairs:
            where = keep & ~points.is_human if machine else keep
            found.append(np.allclose(getattr(points, field)[where], getattr(other, field)[where], atol=1e-4))
        return all(found)

    human = all((p.is_human[k] == o.is_human[k]).all() for p, o, k in pairs)
    states = all((p.absent == o.absent).all() for p, o, _ in pairs)
    box, theirs = labels.instances[2, 0].box, back.instances[2, 0].box
    return {
        "who set it": human,
        "what made it": human and same("source"),
        "confidence": same("confidence", machine=True),
        "anchor, steps": same("anchor", machine=True) and same("steps", machine=True),
        "covered": same("visible"),
        "absent": states,
        "limbs": back.skeleton.edges == labels.skeleton.edges,
        "names": back.individuals == labels.individuals and bool(labels.individuals),
        "boxes": theirs is not None and bool(np.allclose(theirs, box)),
        "size": back.image_size == labels.image_size,
    }


def table(first: str) -> list[dict[str, str]]:
    """The rows of the table on the page whose first column has this head."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first} |"))
    heads = [cell.strip() for cell in lines[start].strip("|").split("|")]
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(heads, (cell.strip() for cell in line.strip().strip("|").split("|")))))
    return rows


@pytest.mark.parametrize("row", FILES)
def test_what_comes_back(row: str, tmp_path: Path) -> None:
    written = next(cells for cells in table("written as") if cells["written as"].replace("`", "") == row)
    measured = comes_back(row, tmp_path)
    assert {head: written[head] == "yes" for head in measured} == measured


def test_every_format_has_a_row() -> None:
    rows = {name for cells in table("peer") for name in re.findall(r"`([a-z-]+)`", cells["format"])}
    assert rows >= set(FORMATS), "a format has no row"
    told = {name for cells in table("peer") for name in re.findall(r"`([a-z-]+)`", cells["export"])}
    assert told == set(PEERS)
    for cells in table("peer"):
        for name in re.findall(r"`([a-z-]+)`", cells["format"]):
            assert (cells["write"] != "no") == bool(FORMATS[name].ENDINGS), name
