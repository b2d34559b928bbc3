"""Labels in a line, as a table for notebooks, as a tidy frame, and as movement's arrays."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import poof
from poof.errors import PoofError
from poof.labels import LabelSet, Points, Skeleton, Source
from poof.video import VideoWriter


def labels() -> LabelSet:
    result = LabelSet(Skeleton(("nose", "<b>")), image_size=(64, 48), info={"video": "v.mp4"}, individuals={1: "anna"})
    result.add(2, 0, Points.human(2, np.array([[1.0, 2.0], [np.nan] * 2]), np.array([2, -1])))
    carried = Points.human(4, np.array([[5.0, 6.0], [7.0, 8.0]]))
    carried.source[:], carried.confidence[:] = Source.PROPAGATED, 0.5
    result.add(4, 1, carried)
    return result


def test_one_line_and_a_small_table() -> None:
    assert repr(labels()) == (
        "LabelSet(2 frames 2-4, 2 subjects, 2 keypoints; 1 human, 2 propagated points, 1 absent; v.mp4, 64x48)"
    )
    assert repr(LabelSet(Skeleton(("a",)))) == "LabelSet(0 frames, 0 subjects, 1 keypoint; no points)"
    html = labels()._repr_html_()
    assert "&lt;b&gt;" in html and "<tr><th>nose</th><td>1</td><td>1</td><td>0</td><td>0.50</td></tr>" in html


def test_a_tidy_frame_with_the_videos_times(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "v.mp4", 10, (64, 48)) as writer:
        for _ in range(6):
            writer.write(np.zeros((48, 64, 3), np.uint8))
    table = labels().to_frame(tmp_path / "v.mp4")
    assert table[["frame", "individual", "keypoint", "state"]].to_numpy().tolist() == [
        [2, "0", "nose", "visible"],
        [2, "0", "<b>", "absent"],
        [4, "anna", "nose", "visible"],
        [4, "anna", "<b>", "visible"],
    ]
    np.testing.assert_allclose(table.time, [0.2, 0.2, 0.4, 0.4])
    assert "time" not in labels().to_frame()


def test_movements_arrays() -> None:
    pytest.importorskip("xarray", reason="an extra")
    arrays = labels().to_xarray()
    assert arrays.position.dims == ("time", "space", "keypoints", "individuals")
    assert arrays.position.shape == (3, 2, 2, 2) and arrays.individuals.values.tolist() == ["id_0", "anna"]
    assert arrays.position.sel(time=4, keypoints="<b>", individuals="anna").values.tolist() == [7.0, 8.0]
    assert np.isnan(arrays.position.sel(time=3)).all() and np.isnan(arrays.position.sel(time=2, keypoints="<b>")).all()
    assert arrays.confidence.sel(time=4, keypoints="nose", individuals="anna") == 0.5
    assert arrays.attrs["time_unit"] == "frames"


def test_without_xarray_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(PoofError, match=r"pip install 'poof-pose\[xarray\]'"):
        labels().to_xarray()


def test_every_public_name_is_there() -> None:
    for name in poof.__all__:
        assert getattr(poof, name) is not None
    package = import_module("poof.refine")
    assert callable(package) and callable(poof.refine) and (Path(poof.__file__).parent / "py.typed").exists()
