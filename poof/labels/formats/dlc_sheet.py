"""Tables in DeepLabCut's layout, csv and h5, whoever wrote them: header rows, rows by image or frame, numbers.

A table has a row for each image or frame and three or four header rows: scorer, [individuals], bodyparts, coords. The
rows are named by the image, ``labeled-data/<video>/img005.png`` in one column or, since DeepLabCut 2.2, in three, or by
the number of the frame. The h5 file is pandas' table under the key ``df_with_missing``. Lightning Pose has the same
layout, in predictions a last column ``set`` of words.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poof.errors import PoofError
from poof.files import write_bytes
from poof.labels.formats.provenance import GROUP
from poof.labels.formats.reading import EMPTY_WORDS, read_rows
from poof.labels.hdf5 import MAGIC, Contents, read_hdf5
from poof.labels.model import Array
from poof.labels.pandas_hdf5 import Table, read_table, table_bytes

KEY = "df_with_missing"
SINGLE = "single"
"""The individual that has the bodyparts of which there is one in a video."""
LEVELS = ("scorer", "individuals", "bodyparts", "coords")
COORDS = ("x", "y", "likelihood", "visible")


@dataclass
class Sheet:
    """A DeepLabCut table, whichever file it came from.

    Attributes
    ----------
    scorer
        Who labelled.
    columns
        (individual or '', bodypart, coord) of each column.
    rows
        Image path of each row, or its frame.
    values : (rows, columns) float64
        NaN: not labelled.
    """

    scorer: str
    columns: list[tuple[str, str, str]]
    rows: Sequence[str] | Sequence[int]
    values: Array

    @property
    def individuals(self) -> list[str]:
        """The individuals in order, [''] in a table of one animal."""
        return list(dict.fromkeys(individual for individual, _, _ in self.columns))

    @property
    def bodyparts(self) -> tuple[str, ...]:
        """The bodyparts in order."""
        return tuple(dict.fromkeys(bodypart for _, bodypart, _ in self.columns))

    def has(self, coord: str) -> bool:
        """Whether there are columns of this kind."""
        return any(name == coord for _, _, name in self.columns)


def read_sheet(path: Path) -> tuple[Sheet, Contents | None]:
    """The table of a file, and all that an h5 file holds.

    Raises
    ------
    PoofError
        If it is damaged, of another layout, or three-dimensional.
    """
    with path.open("rb") as file:
        binary = file.read(len(MAGIC)) == MAGIC
    contents = read_hdf5(path) if binary else None
    sheet = _from_h5(path, contents) if contents else _from_csv(path)
    if sheet.has("z"):
        raise PoofError(
            f"{path}: is a 3D table (it has a column z) in units of the world; give the 2D table of one camera"
        )
    _refuse_doubles(path, sheet)
    return sheet, contents


def _from_csv(path: Path) -> Sheet:
    """The table of a csv file."""
    rows, decimal = read_rows(path)
    header: dict[str, list[str]] = {}
    body = 0
    while body < len(rows) and rows[body][1][0].lower() in LEVELS:
        header[rows[body][1][0].lower()] = rows[body][1]
        body += 1
    _refuse_header(path, list(header))
    size = len(header["coords"])
    width = next((i for i, cell in enumerate(header["coords"]) if cell.lower() in COORDS), None)
    if width is None:
        raise PoofError(f"{path}: the header row coords names neither x nor y; export it again")
    if width not in (1, 3):
        raise PoofError(f"{path}: images are named in {width} columns; DeepLabCut uses 1 or 3: export it again")
    for line, row in rows:
        if len(row) != size:
            raise PoofError(f"{path}: line {line}: has {len(row)} cells, the header {size}; correct the line")
    individuals = header.get("individuals", [""] * size)
    columns = list(zip(individuals, header["bodyparts"], (c.lower() for c in header["coords"])))[width:]
    while columns and not columns[-1][2]:  # Lightning Pose's words: which set an image belongs to
        columns.pop()
    values = np.full((len(rows) - body, len(columns)), np.nan)
    names = []
    for i, (line, row) in enumerate(rows[body:]):
        names.append("/".join(row[:width]))
        for j, cell in enumerate(row[width : width + len(columns)]):
            if cell and cell.lower() not in EMPTY_WORDS:
                try:
                    values[i, j] = float(cell.replace(decimal, "."))
                except ValueError:
                    raise PoofError(f"{path}: line {line}: '{cell}' is not a number; correct it") from None
    numeric = width == 1 and all(name.isdecimal() and len(name) < 20 for name in names)
    return Sheet(header["scorer"][width], columns, [int(name) for name in names] if numeric else names, values)


def _from_h5(path: Path, contents: Contents) -> Sheet:
    """The table of an h5 file."""
    table = read_table(path, KEY, contents)
    levels = [name.lower() for name in table.levels]
    if len(levels) not in (3, 4) or any(len(column) != len(levels) for column in table.columns):
        raise PoofError(f"{path}: is HDF5 but no DeepLabCut file: its table has other columns; export it again")
    _refuse_header(path, levels)
    at = {name: levels.index(name) for name in levels}
    columns = [
        (
            column[at["individuals"]] if "individuals" in at else "",
            column[at["bodyparts"]],
            column[at["coords"]].lower(),
        )
        for column in table.columns
    ]
    rows: Sequence[str] | Sequence[int]
    numbers = [row[0] for row in table.rows if len(row) == 1 and isinstance(row[0], int)]
    if len(numbers) == len(table.rows):
        rows = numbers
    else:
        rows = ["/".join(str(part) for part in row) for row in table.rows]
    if not columns:
        raise PoofError(f"{path}: is HDF5 but no DeepLabCut file: its table has no columns; export it again")
    return Sheet(table.columns[0][at["scorer"]], columns, rows, table.values)


def _refuse_header(path: Path, levels: Sequence[str]) -> None:
    """The header rows must be those of DeepLabCut."""
    missing = [name for name in ("scorer", "bodyparts", "coords") if name not in levels]
    if missing:
        raise PoofError(f"{path}: is no DeepLabCut table: the header lacks {', '.join(missing)}; export it again")


def _refuse_doubles(path: Path, sheet: Sheet) -> None:
    """Each image has one row, each coordinate one column."""
    for row, number in Counter(sheet.rows).items():
        if number > 1:
            raise PoofError(f"{path}: {'image' if isinstance(row, str) else 'frame'} {row} has {number} rows; keep one")
    for (individual, bodypart, coord), number in Counter(sheet.columns).items():
        if number > 1:
            whose = f" of {individual}" if individual else ""
            raise PoofError(f"{path}: {bodypart}{whose} has {number} columns {coord}; keep one")


def numbered(individuals: Sequence[str]) -> tuple[dict[str, int], dict[int, str]]:
    """Individual -> instance, and the names worth keeping: those that `save` would not give by itself."""
    if individuals == [""]:
        return {"": 0}, {}
    named = [name for name in individuals if name != SINGLE]
    found = [re.fullmatch(r"individual([1-9][0-9]*)", name) for name in named]
    if named and all(found):
        numbers = {m.group(): int(m.group(1)) - 1 for m in found if m}
        names: dict[int, str] = {}
        if SINGLE in individuals:
            numbers[SINGLE] = max(numbers.values()) + 1
            names = {numbers[SINGLE]: SINGLE}
    else:
        numbers = {name: i for i, name in enumerate(individuals)}
        names = {i: name for name, i in numbers.items()}
    return numbers, names


# ------------------------------------------------------------------------------------------------ writing


def write_sheet(
    path: Path, sheet: Sheet, kept: Mapping[str, Array] | None = None, tracked: int = 1, single: bool = False
) -> None:
    """Write a csv or h5 file, by the ending of `path`, atomically; see `sheet_bytes`."""
    write_bytes(path, sheet_bytes(path.suffix.lower(), sheet, kept, tracked, single))


def sheet_bytes(
    ending: str, sheet: Sheet, kept: Mapping[str, Array] | None = None, tracked: int = 1, single: bool = False
) -> bytes:
    """What a csv or h5 file of a table holds.

    Parameters
    ----------
    ending
        '.h5'; any other makes a csv.
    sheet
        Rows by image of three parts ('labeled-data/video/img.png') become an index of three columns, others one.
    kept
        Arrays for the group ``/poof`` of an h5 file, see `poof.labels.formats.provenance`.
    tracked
        `LabelSet.tracked` for that group.
    single
        Name images in one column all the same.
    """
    several = sheet.individuals != [""]
    names = [level for level in LEVELS if several or level != "individuals"]
    columns = [(sheet.scorer, *((i,) if several else ()), bodypart, coord) for i, bodypart, coord in sheet.columns]
    rows: list[tuple[str | int, ...]] = [
        tuple(row.split("/", 2)) if isinstance(row, str) and row.count("/") == 2 and not single else (row,)
        for row in sheet.rows
    ]
    if ending == ".h5":
        data = table_bytes(Table(names, columns, rows, sheet.values), KEY)
        return data if kept is None else _with_group(data, kept, tracked)
    import pandas as pd  # slow to import, and only a .csv needs it

    index: pd.Index = pd.MultiIndex.from_tuples(rows) if rows and len(rows[0]) > 1 else pd.Index([r[0] for r in rows])
    table = pd.DataFrame(sheet.values, index=index, columns=pd.MultiIndex.from_tuples(columns, names=names))
    return table.to_csv(lineterminator="\n").encode("utf-8", "replace")


def _with_group(data: bytes, kept: Mapping[str, Array], tracked: int) -> bytes:
    """An HDF5 file with our group of arrays in it; plain arrays, for a table would be taken for a second one."""
    import h5py

    memory = io.BytesIO(data)
    with h5py.File(memory, "r+") as file:
        group = file.create_group(GROUP)
        group.attrs["tracked"] = tracked
        for name, values in kept.items():
            group.create_dataset(name, data=values, track_times=False)
    return memory.getvalue()
