"""HDF5 of other people: nothing in it runs, nothing in it takes the process down."""

from __future__ import annotations

import os
import pickle
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import tables

from poof.errors import PoofError
from poof.labels import hdf5, load_labels
from poof.labels.hdf5 import read_hdf5
from poof.labels.pandas_hdf5 import Table, read_table, table_bytes
from poof.labels.plain_pickle import plain

KEY = "df_with_missing"


class Payload:
    """What a pickle can do to whoever loads it: here, make an empty file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mknod, (str(self.target),)


@pytest.fixture
def own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader is started as poof does it."""
    monkeypatch.setattr(hdf5, "subprocess", subprocess)


@pytest.fixture
def table() -> pd.DataFrame:
    columns = pd.MultiIndex.from_product(
        [["Ann"], ["nose", "tail"], ["x", "y"]], names=["scorer", "bodyparts", "coords"]
    )
    rows = pd.MultiIndex.from_tuples([("labeled-data", "mouse", f"img{i}.png") for i in (3, 8)])
    return pd.DataFrame([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, np.nan, np.nan]], index=rows, columns=columns)


def stored(table: pd.DataFrame, path: Path, layout: str) -> Path:
    with warnings.catch_warnings(action="ignore"):
        if layout == "table":
            table = table.set_axis(["/".join(row) for row in table.index])
        table.to_hdf(path, key=KEY, mode="w", format=layout)
    return path


PLACES = ("root", "group", "level", "values", "title", "info", "levels", "vlarray", "cells", "file name")


@pytest.mark.parametrize("layout", ["fixed", "table"])
@pytest.mark.parametrize("place", PLACES)
def test_a_pickled_object_is_never_run(table: pd.DataFrame, tmp_path: Path, layout: str, place: str) -> None:
    proof = tmp_path / "proof"
    path = stored(table, tmp_path / "labels.json", layout)
    bomb = Payload(proof)
    with tables.open_file(str(path), "a") as file:
        group = file.get_node(f"/{KEY}")
        inner = group.table if layout == "table" else group.axis0_level0
        if place == "root":
            file.root._v_attrs.anything = bomb
        elif place in ("group", "title", "info", "levels"):
            names = {"group": "errors", "title": "TITLE", "info": "info", "levels": "non_index_axes"}
            group._v_attrs[names[place]] = bomb
        elif place == "level":
            inner._v_attrs.name = bomb
        elif place == "values":
            (inner if layout == "table" else group.block0_values)._v_attrs["values_block_0_kind"] = bomb
        else:
            if place == "cells" and layout == "fixed":
                group.block0_values.remove()
            name = "block0_values" if place == "cells" and layout == "fixed" else "extra"
            array = file.create_vlarray(group, name, tables.ObjectAtom())
            array.append(bomb)
    try:
        labels = load_labels(path)
        assert labels.frames == [3, 8]
    except PoofError as error:
        assert "export it again" in str(error)
        assert "\n" not in str(error)
    assert not proof.exists()
    with pytest.raises(ValueError, match="would run code"):
        plain(pickle.dumps(bomb))
    pickle.loads(pickle.dumps(bomb))
    assert proof.exists(), "the payload works where it is run"


def test_pandas_reads_what_is_written_and_the_other_way_round(table: pd.DataFrame, tmp_path: Path) -> None:
    for layout in ("fixed", "table"):
        found = read_table(stored(table, tmp_path / f"{layout}.h5", layout), KEY)
        assert found.levels == ["scorer", "bodyparts", "coords"]
        assert found.columns == list(table.columns)
        assert ["/".join(map(str, row)) for row in found.rows] == ["/".join(row) for row in table.index]
        np.testing.assert_array_equal(found.values, table.to_numpy())
    written = tmp_path / "written.h5"
    written.write_bytes(table_bytes(Table(found.levels, found.columns, list(table.index), found.values), KEY))
    with warnings.catch_warnings(action="error"):
        again = pd.read_hdf(written, KEY)
    pd.testing.assert_frame_equal(again, table, check_index_type=False, check_column_type=False)


def test_plain_values_in_a_pickle() -> None:
    value = {"names": ["ä", None, 3, 2.5, True], "index": ("x", ("y",), (1, 2), (1, 2, 3), (1, 2, 3, 4)), "": {}}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert plain(pickle.dumps(value, protocol)) == value
        shared = ["a", "b"]
        assert plain(pickle.dumps([shared, shared], protocol)) == [shared, shared]
    for data in (b"", b"N", b"(", b"(.", b"t.", b"a.", b"0.", b"(lp0\ng1\n.", b"cos\nsystem\n.", b"\x80\x04\x95"):
        with pytest.raises(ValueError, match=r"plain value|run code|cut short|."):
            plain(data)


@pytest.mark.usefixtures("own_process")
def test_nothing_outside_the_file_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"12345678" * 4)
    path = tmp_path / "x.h5"
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = [1.0]
    with h5py.File(path, "w") as file:
        file["own"] = [1.0, 2.0]
        file["own"].attrs["unit"] = "px"
        file["link"] = h5py.ExternalLink("other.h5", "/data")
        file["soft"] = h5py.SoftLink("/own")
        file["loop"] = file["/"]
        file.create_dataset("outside", (4,), "i8", external=[(str(secret), 0, 32)])
        layout = h5py.VirtualLayout((1,), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "data", (1,))
        file.create_virtual_dataset("virtual", layout)
        file["texts"] = ["a", "bä"]
        file["pairs"] = np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")])
        file.create_dataset("huge", (10**12,), "f8", chunks=(1000,))
    contents = read_hdf5(path)
    assert set(contents.datasets) == {"/own", "/outside", "/virtual", "/texts", "/pairs", "/huge"}
    assert contents.values("/own").tolist() == [1, 2]
    assert contents.datasets["/own"].attributes == {"unit": "px"}
    assert contents.texts("/texts") == ["a", "bä"]
    assert contents.values("/pairs")["b"].tolist() == [2.5]
    for name, reason in (("outside", "another file"), ("virtual", "another file"), ("huge", "too many")):
        with pytest.raises(PoofError, match=reason):
            contents.values(f"/{name}")
    assert set(read_hdf5(path, ["/own"]).datasets["/pairs"].attributes) == set()
    assert read_hdf5(path, ["/own"]).datasets["/pairs"].values is None


@pytest.mark.usefixtures("own_process")
@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("labels-h5-crash-c621", "12 frames"),
        ("labels-h5-traceback-c6ef", "damaged or unknown h5 table"),
        ("labels-h5-wrong-afcf", "12 frames"),
        ("rd-h5-crash-fe72", "damaged or unknown h5 table"),
        ("rd-h5-traceback-57bb", "outside 0..1"),
    ],
)
def test_inputs_of_a_campaign(data: Path, name: str, right: str) -> None:
    try:
        found = f"{len(load_labels(data / 'cases' / 'fuzz' / f'{name}.h5').frames)} frames"
    except PoofError as error:
        found = str(error)
    assert right in found
