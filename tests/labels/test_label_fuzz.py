"""Damaged files of any kind: an error a user can read, or labels; never another exception, never more than one line."""

from __future__ import annotations

import copy
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poof.errors import PoofError, PoofWarning
from poof.labels import FORMATS, LabelSet, Points, Skeleton, Source, load_labels, save_labels

fuzz = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])

FILES = ("a.json", "a.csv", "a.h5", "CollectedData_a.csv")
junk = st.sampled_from(
    [None, True, -1, 0, 1, 2, 3.5, 1e300, float("nan"), float("inf"), 2**70, "", "a", "7", [], [1], [[]], {}, {"a": 1}]
)


def sample() -> LabelSet:
    labels = LabelSet(Skeleton(("left_ear", "right_ear"), ((0, 1),)), image_size=(64, 48))
    for frame in (2, 9):
        for instance in (0, 1):
            points = Points.human(frame, np.array([[1.5, 2.0], [30.0, 4.0]]))
            points.source[1], points.anchor[1], points.steps[1], points.confidence[1] = Source.PROPAGATED, 2, 1, 0.5
            if instance:
                points.flow_xy = np.array([[np.nan, np.nan], [28.5, 4.25]], np.float32)
                points.disputed = np.array([False, True])
            labels.add(frame, instance, points)
    labels.individuals = {0: "Anna", 1: "Bert"}
    return labels


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample in every kind of file."""
    folder = tmp_path_factory.mktemp("sample")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PoofWarning)
        for name in FILES:
            save_labels(sample(), folder / name)
    return folder


def read_or_one_line(content: bytes, name: str, **options: Any) -> LabelSet | None:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", PoofWarning)
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            labels = load_labels(path, **options)
        except PoofError as error:
            assert "\n" not in str(error)
            assert str(path) in str(error)
            return None
    for frame, _, points in labels:
        assert frame >= 0
        assert len(points) == len(labels.skeleton)
        assert points.decided.any()
        assert (points.source[points.decided] > 0).all()
        assert (points.source[~points.decided] == 0).all()
    return labels


def nodes(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything in a JSON value."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += nodes(inner, (*path, key))
    return found


@fuzz
@given(data=st.data())
def test_json_with_a_node_replaced_or_removed(samples: Path, data: st.DataObject) -> None:
    document = json.loads((samples / "a.json").read_text())
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(nodes(document)))
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        if data.draw(st.booleans()):
            del parent[path[-1]]
        else:
            parent[path[-1]] = copy.deepcopy(data.draw(junk))
    read_or_one_line(json.dumps(document).encode(), "a.json")


@fuzz
@given(data=st.data())
@pytest.mark.parametrize("name", ["a.csv", "CollectedData_a.csv"])
def test_table_with_a_cell_replaced(samples: Path, name: str, data: st.DataObject) -> None:
    rows = [line.split(",") for line in (samples / name).read_text().splitlines()]
    row = data.draw(st.integers(0, len(rows) - 1))
    cell = data.draw(st.integers(0, len(rows[row]) - 1))
    rows[row][cell] = data.draw(
        st.sampled_from(["", "a", "nan", "inf", "-1", "1e400", "2.5", '"', "x,y", "\0", "# ", "²"])
    )
    read_or_one_line("\n".join(",".join(row) for row in rows).encode(), name)


@pytest.mark.parametrize("name", FILES)
def test_cut_and_scrambled_files(samples: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    whole = (samples / name).read_bytes()
    count = 5 if name == "a.h5" else 30  # a process each
    for cut in rng.integers(0, len(whole), count):
        read_or_one_line(whole[:cut], name)
    for place in rng.integers(0, len(whole), count):
        read_or_one_line(whole[:place] + rng.bytes(3) + whole[place + 3 :], name)


@pytest.mark.parametrize("format", FORMATS)
def test_every_file_under_every_format(samples: Path, format: str) -> None:
    """A wrong --from is an error, never nonsense."""
    right = {"coco": {"a.json"}, "csv": {"a.csv"}}
    right |= {name: {"a.h5", "CollectedData_a.csv"} for name in ("deeplabcut", "dlc-tracks", "lp")}
    for name in FILES:
        labels = read_or_one_line((samples / name).read_bytes(), name, format=format)
        assert (labels is not None) == (name in right.get(format, ()))
    assert read_or_one_line(b"hello\nworld\n", "a.txt", format=format) is None


@fuzz
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@pytest.mark.parametrize("format", [None, *FORMATS])
def test_arbitrary_bytes(content: bytes, format: str | None) -> None:
    assert read_or_one_line(content, "x", format=format) is None
