"""The tables of numbers that pandas stores in HDF5, read and written without pandas' own reader, which unpickles.

pandas has two layouts, 'fixed' (an array for each axis and block) and 'table' (a row of a compound type for each row,
column names pickled in an attribute). Both are read as DeepLabCut uses them: columns with several levels of names, rows
named by text, whole numbers or several levels, cells that are numbers. The fixed layout is written, as DeepLabCut does.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from poof.errors import PoofError
from poof.labels.hdf5 import Attributes, Contents, read_hdf5
from poof.labels.plain_pickle import plain

Array = np.ndarray
MAX_LEVELS = 8


@dataclass
class Table:
    """A table with named rows and columns.

    Attributes
    ----------
    levels
        What the levels of the column names are ('scorer', 'bodyparts', 'coords'), '' where they have no name.
    columns
        A tuple of text for each column, as long as `levels`.
    rows
        A tuple of text or whole numbers for each row.
    values : (rows, columns) float64
    """

    levels: list[str]
    columns: list[tuple[str, ...]]
    rows: list[tuple[str | int, ...]]
    values: Array


class _Wrong(Exception):
    """Something in the file is not as pandas writes it."""


# ------------------------------------------------------------------------------------------------ reading


def read_table(path: Path, key: str, contents: Contents | None = None) -> Table:
    """The table under `key`, or the only one of the file; `contents` is the file where it was read already.

    Raises
    ------
    PoofError
        If the file is damaged, holds no such table, or cells that are not numbers.
    """
    contents = contents or read_hdf5(path)
    tables = [
        name
        for name, attributes in contents.groups.items()
        if _text(attributes.get("pandas_type")) in ("frame", "frame_table")
    ]
    if f"/{key}" not in tables and len(tables) != 1:
        held = ", ".join(tables[:5]) or "no table"
        raise PoofError(f"{path}: is HDF5 but no DeepLabCut file: it holds {held}, not '{key}'; export it again")
    name = f"/{key}" if f"/{key}" in tables else tables[0]
    attributes = contents.groups[name]
    try:
        read = _appendable if _text(attributes["pandas_type"]) == "frame_table" else _fixed
        table = read(contents, name, attributes)
        if table.values.shape != (len(table.rows), len(table.columns)):
            raise _Wrong("names and values differ in number")
    except _Wrong as error:
        raise PoofError(f"{path}: is a damaged or unknown h5 table ({error}); export it again") from None
    return table


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else ""


def _whole(value: Any, what: str, most: int) -> int:
    """An attribute that counts something."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise _Wrong(f"{what} is no count")
    return value


def _names(contents: Contents, name: str) -> list[str | int]:
    """The names that a dataset holds, as its attribute `kind` says."""
    dataset = contents.datasets.get(name)
    if dataset is None:
        raise _Wrong(f"{name} is missing")
    kind = _text(dataset.attributes.get("kind"))
    if dataset.strings is not None and kind == "string":
        return list(dataset.strings)
    values = dataset.values
    if values is None or values.ndim != 1:
        raise _Wrong(f"{name}: {dataset.missing or 'is no list'}")
    if kind == "string" and values.dtype.kind == "S":
        return [text.decode("utf-8", "replace") for text in values.tolist()]
    if kind == "integer" and values.dtype.kind in "iu":
        return [int(value) for value in values.tolist()]
    raise _Wrong(f"{name} holds neither text nor whole numbers")


def _level_name(attributes: Attributes) -> str:
    """The name of an axis level; pandas stores None pickled."""
    name = _text(attributes.get("name"))
    return "" if name == "N." else name


def _axis(contents: Contents, group: str, attributes: Attributes, axis: str) -> tuple[list[tuple[Any, ...]], list[str]]:
    """The names along an axis of the fixed layout, a tuple each, and the names of their levels."""
    variety = _text(attributes.get(f"{axis}_variety"))
    if variety == "regular":
        dataset = f"{group}/{axis}"
        return [(name,) for name in _names(contents, dataset)], [_level_name(contents.datasets[dataset].attributes)]
    if variety != "multi":
        raise _Wrong(f"{axis} is of the unknown kind '{variety:.20}'")
    levels: list[list[Any]] = []
    titles = []
    for i in range(_whole(attributes.get(f"{axis}_nlevels"), f"{axis}_nlevels", MAX_LEVELS)):
        names = _names(contents, f"{group}/{axis}_level{i}")
        titles.append(_level_name(contents.datasets[f"{group}/{axis}_level{i}"].attributes))
        codes = contents.datasets.get(f"{group}/{axis}_label{i}")
        if codes is None or codes.values is None or codes.values.dtype.kind not in "iu" or codes.values.ndim != 1:
            raise _Wrong(f"{axis}_label{i} is missing")
        if len(codes.values) and not (codes.values.min() >= -1 and codes.values.max() < len(names)):
            raise _Wrong(f"{axis}_label{i} points outside its names")
        levels.append([names[code] if code >= 0 else "" for code in codes.values.tolist()])
    if not levels or len({len(level) for level in levels}) != 1:
        raise _Wrong(f"the levels of {axis} differ in length")
    return list(zip(*levels)), titles


def _fixed(contents: Contents, group: str, attributes: Attributes) -> Table:
    """A table in the fixed layout."""
    columns, levels = _axis(contents, group, attributes, "axis0")
    rows, _ = _axis(contents, group, attributes, "axis1")
    names = [tuple(str(part) for part in column) for column in columns]
    places: dict[tuple[str, ...], list[int]] = {}
    for i, column in enumerate(names):
        places.setdefault(column, []).append(i)
    values = np.full((len(rows), len(names)), np.nan)
    filled = 0
    for b in range(_whole(attributes.get("nblocks"), "nblocks", len(names))):
        dataset = contents.datasets.get(f"{group}/block{b}_values")
        if dataset is None:
            raise _Wrong(f"block{b}_values is missing")
        block = dataset.values
        if block is None or block.dtype.kind not in "biuf":
            raise _Wrong(f"a cell is not a number: {dataset.missing or 'text'}")
        # An axis without this mark was stored as it lay in memory, items first.
        if block.ndim == 2 and not dataset.attributes.get("transposed"):
            block = block.T
        items = [tuple(str(p) for p in item) for item in _axis(contents, group, attributes, f"block{b}_items")[0]]
        if block.shape != (len(rows), len(items)):
            raise _Wrong(f"block{b} is of another size than its names")
        for j, item in enumerate(items):
            if not places.get(item):
                raise _Wrong(f"block{b} has columns that the table lacks")
            values[:, places[item].pop(0)] = block[:, j]
            filled += 1
    if filled != len(names):
        raise _Wrong("columns without values")
    return Table(levels, names, rows, values)


def _appendable(contents: Contents, group: str, attributes: Attributes) -> Table:
    """A table in the layout 'table'."""
    try:
        ((_, columns),) = plain(attributes["non_index_axes"])
        info = plain(attributes["info"]) if "info" in attributes else {}
        columns = [column if isinstance(column, (list, tuple)) else (column,) for column in columns]
        if not all(isinstance(part, (str, int, float)) for column in columns for part in column):
            raise ValueError("a name that is neither text nor number")
    except (KeyError, TypeError, ValueError) as error:
        raise _Wrong(f"its column names: {error}") from None
    names = [tuple(str(part) for part in column) for column in columns]
    titles = next((v["names"] for v in info.values() if isinstance(v, dict) and "names" in v), None)
    levels = [title if isinstance(title, str) else "" for title in titles or [""]]
    dataset = contents.datasets.get(f"{group}/table")
    table = None if dataset is None else dataset.values
    if dataset is None or table is None or table.dtype.names is None or table.ndim != 1:
        raise _Wrong(f"no table of cells: {dataset.missing if dataset else 'missing'}")
    fields = table.dtype.names
    blocks = [name for name in fields if name.startswith("values_block_")]
    if "index" not in fields or set(fields) != {"index", *blocks}:
        raise _Wrong("other fields than index and blocks of values")
    parts, found = [], []
    for name in blocks:
        block = table[name]
        if block.dtype.kind not in "biuf":
            raise _Wrong("a cell is not a number")
        parts.append(block.reshape(len(table), -1).astype(np.float64))
        found += _block_columns(dataset.attributes, name)
    values = np.concatenate(parts, axis=1) if parts else np.zeros((len(table), 0))
    if len(found) != values.shape[1] or sorted(found) != sorted(names) or len(set(found)) != len(found):
        raise _Wrong("columns without values, or twice")
    place = {column: i for i, column in enumerate(found)}
    values = values[:, [place[column] for column in names]]
    kind = _text(dataset.attributes.get("index_kind"))
    index = table["index"]
    rows: list[tuple[str | int, ...]]
    if kind == "string" and index.dtype.kind == "S" and index.ndim == 1:
        rows = [(text.decode("utf-8", "replace"),) for text in index.tolist()]
    elif kind == "integer" and index.dtype.kind in "iu" and index.ndim == 1:
        rows = [(int(value),) for value in index.tolist()]
    else:
        raise _Wrong("rows named by neither text nor whole numbers")
    return Table(levels, names, rows, values)


def _block_columns(attributes: Attributes, name: str) -> list[tuple[str, ...]]:
    """The names of the columns that a block of values holds."""
    try:
        columns = plain(attributes[f"{name}_kind"])
        columns = [column if isinstance(column, (list, tuple)) else (column,) for column in columns]
    except (KeyError, TypeError, ValueError) as error:
        raise _Wrong(f"the names of {name}: {error}") from None
    return [tuple(str(part) for part in column) for column in columns]


# ------------------------------------------------------------------------------------------------ writing


def table_bytes(table: Table, key: str) -> bytes:
    """The HDF5 file that holds `table` in pandas' fixed layout, for `pandas.read_hdf`.

    It is made in memory: on a full disk it is then an ordinary file that cannot be written, not a library that fails
    in its own way. Row names are text, or whole numbers in one level.
    """
    import h5py

    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        _mark(file, CLASS="GROUP", VERSION="1.0", TITLE="", PYTABLES_FORMAT_VERSION="2.1")
        group = file.create_group(key)
        _mark(group, CLASS="GROUP", VERSION="1.0", TITLE="", pandas_type="frame", pandas_version="0.15.2")
        _mark(group, encoding="UTF-8", errors="strict", axis0_variety="multi", axis1_variety="multi")
        _mark(group, block0_items_variety="multi")
        group.attrs["ndim"], group.attrs["nblocks"] = np.int64(2), np.int64(1)
        nameless = [None] * (len(table.rows[0]) if table.rows else 1)
        numbered = bool(table.rows) and all(len(row) == 1 and isinstance(row[0], int) for row in table.rows)
        axes: list[tuple[str, Sequence[tuple[Any, ...]], Sequence[str | None]]] = [
            ("axis0", table.columns, table.levels),
            ("block0_items", table.columns, table.levels),
            *([] if numbered else [("axis1", table.rows, nameless)]),
        ]
        for axis, names, titles in axes:
            group.attrs[f"{axis}_nlevels"] = np.int64(len(titles))
            for i, title in enumerate(titles):
                _write_level(group, axis, i, title, [str(name[i]) for name in names])
        if numbered:
            _mark(group, axis1_variety="regular")
            index = _write_array(group, "axis1", np.array([row[0] for row in table.rows], np.int64))
            _mark(index, kind="integer")
        _write_array(group, "block0_values", np.ascontiguousarray(table.values, np.float64))
    return memory.getvalue()


def _write_level(group: Any, axis: str, i: int, title: str | None, names: Sequence[str]) -> None:
    """One level of the names along an axis: the different names, and which each place has."""
    known = {name: code for code, name in enumerate(sorted(set(names)))}
    encoded = [name.encode("utf-8", "surrogatepass") for name in known]
    width = max([1, *(len(text) for text in encoded)])
    level = _write_array(group, f"{axis}_level{i}", np.array(encoded or [b""], f"S{width}")[: len(encoded)])
    _mark(level, kind="string", nan_rep="")
    if title is not None:  # pandas would store None pickled; where the name is missing it reads None
        _mark(level, **{"name": title, f"{axis}_name{title}": title})
    codes = np.array([known[name] for name in names], np.int64)
    for kind in (np.int8, np.int16, np.int32):
        if len(known) <= np.iinfo(kind).max:
            codes = codes.astype(kind)
            break
    _write_array(group, f"{axis}_label{i}", codes)


def _write_array(group: Any, name: str, values: Array) -> Any:
    dataset = group.create_dataset(name, data=values, track_times=False)
    _mark(dataset, CLASS="ARRAY", VERSION="2.4", TITLE="", FLAVOR="numpy")
    dataset.attrs["transposed"] = np.uint8(1)
    return dataset


def _mark(node: Any, **texts: str) -> None:
    """Attributes as PyTables writes text: of fixed length, in UTF-8, an empty one without an extent."""
    import h5py

    for name, text in texts.items():
        data = text.encode()
        kind = h5py.string_dtype("utf-8", max(len(data), 1))
        if data:
            node.attrs.create(name, np.array(data, f"S{len(data)}"), dtype=kind)
        else:
            node.attrs[name] = h5py.Empty("S1")
