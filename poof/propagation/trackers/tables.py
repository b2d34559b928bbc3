"""Tables of tracks as other tools write them: tidy, a row a point, or napari's (track_id, t, y, x).

Tidy: `frame`, `keypoint`, `x`, `y`; and where the tool has them `individual`, `visible` (or `occluded`), `confidence`,
`query_frame` (the labelled frame that the point was started from) and `direction` (forward, backward). napari's layout
has a number in place of a name. Every format of `load_labels` is understood as well, DeepLabCut's and SLEAP's say.
Commas, semicolons and tabs separate columns; other columns are ignored. Rows without coordinates are places that the
tracker does not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from poof.errors import PoofError, not_there
from poof.labels import load_labels
from poof.labels.formats.long_csv import ALIASES
from poof.labels.formats.reading import frame_number, read_rows

NAMES: dict[str, tuple[str, ...]] = {
    "frame": ("frame", *ALIASES["frame"], "t", "time", "axis-0"),
    "keypoint": ("keypoint", *ALIASES["keypoint"], "label", "name", "point"),
    "track": ("track_id", "track", "id", "point_id", "n"),
    "individual": ("individual", "individuals", "instance", "instance_id", "animal", "subject", "person_id"),
    "x": ("x", *ALIASES["x"], "axis-2"),
    "y": ("y", *ALIASES["y"], "axis-1"),
    "visible": ("visible", "visibility", "vis", "is_visible"),
    "occluded": ("occluded", "occlusion", "is_occluded"),
    "sure": ("confidence", "certainty", "likelihood", "conf", "score"),
    "query": ("query_frame", "query", "anchor", "anchor_frame", "start_frame"),
    "direction": ("direction", "pass"),
}
"""How the columns may be called, in any case; the first that a table has is taken."""
WAYS = {"forward": 1, "forwards": 1, "fwd": 1, "1": 1, "+1": 1, "backward": -1, "backwards": -1, "bwd": -1, "-1": -1}
WAYS |= {"": 0, "both": 0, "0": 0}
YES, NO = ("true", "yes"), ("false", "no")
WANTED = "give columns frame, keypoint, x, y (tidy), or track_id, t, y, x (napari); see docs/trackers.md"


@dataclass(eq=False)
class TrackTable:
    """The rows of a file of tracks that have coordinates, arrays over the rows.

    Attributes
    ----------
    path
        The file, for messages.
    line : int
        Where each row stands in it.
    frame : int
    name : str
        Keypoint, or the track's number where `numbered`.
    individual : str
        '' where the file has none.
    xy : (N, 2) float64
    sure : float64
        Certainty times visibility, in [0, 1]; NaN where the file says nothing.
    query, direction : int
        -1 and 0 where the file says nothing.
    numbered : bool
        Whether it has numbers in place of names.
    """

    path: Path
    line: np.ndarray
    frame: np.ndarray
    name: np.ndarray
    individual: np.ndarray
    xy: np.ndarray
    sure: np.ndarray
    query: np.ndarray
    direction: np.ndarray
    numbered: bool


def read_tracks(path: Path) -> TrackTable:
    """Read a file of tracks.

    Raises
    ------
    PoofError
        If the file is missing, no table of tracks, or a value in it makes no sense (with its line).
    """
    if not path.is_file():
        raise not_there(path, remedy="give the tracks that a point tracker wrote")
    table, lines, decimal = _columns(path)
    if "frame" not in table or not {"x", "y"} <= set(table) or not {"keypoint", "track"} & set(table):
        table, decimal = _of_labels(path), "."
        lines = np.arange(len(table["frame"])) + 1
    numbered = "keypoint" not in table
    if "individual" not in table and not numbered and "track" in table:
        table["individual"] = table["track"]
    given = _numbers(path, table, "frame", lines, decimal, True).tolist()
    frame = np.array([frame_number(v, f"{path}: line {n}") for v, n in zip(given, lines)])
    xy = np.column_stack([_numbers(path, table, c, lines, decimal) for c in ("x", "y")])
    known = np.isfinite(xy).all(axis=1)
    if not known.any():
        raise PoofError(f"{path}: no row has coordinates; the tracker gave none, or its columns are not called x and y")
    count = len(lines)
    query = np.full(count, -1)
    if "query" in table:
        begun = _numbers(path, table, "query", lines, decimal)
        said = np.isfinite(begun)
        query[said] = [frame_number(v, f"{path}: line {n}") for v, n in zip(begun[said].tolist(), lines[said])]
    direction = np.zeros(count, int)
    for row, text in enumerate(table.get("direction", [])):
        if text.lower() not in WAYS:
            raise PoofError(f"{path}: line {lines[row]}: direction '{text}'; valid are forward, backward and both")
        direction[row] = WAYS[text.lower()]
    names = table["track"] if numbered else table["keypoint"]
    if numbered:
        names = [text.removesuffix(".0") for text in names]
    whole = TrackTable(
        path,
        lines,
        frame,
        np.array(names, object),
        np.array(table.get("individual", [""] * count), object),
        xy,
        _sure(path, table, lines, decimal),
        query,
        direction,
        numbered,
    )
    _refuse_twice(whole)
    for field in ("line", "frame", "name", "individual", "xy", "sure", "query", "direction"):
        setattr(whole, field, getattr(whole, field)[known])
    return whole


def _columns(path: Path) -> tuple[dict[str, list[str]], np.ndarray, str]:
    """Our name of a column -> its cells, the line of each row, and the decimal sign; nothing where it is no table."""
    try:
        rows, decimal = read_rows(path)
    except PoofError:
        return {}, np.arange(0), "."
    head = [cell.lower() for cell in rows[0][1]]
    if any(cell.startswith("poof:") for cell in head):
        raise PoofError(f"{path}: is what poof made of flow; give the tracks of a point tracker, or leave it out")
    if len(head) == 4 and all(_is_number(cell, decimal) for cell in head):  # napari's array, as numpy.savetxt writes it
        head = ["track_id", "t", "y", "x"]
    else:
        rows = rows[1:]
    places: dict[str, int] = {}
    for ours, theirs in NAMES.items():
        found = next((head.index(name) for name in theirs if name in head), None)
        if found is not None and found not in places.values():
            places[ours] = found
    short = next((line for line, cells in rows if len(cells) < len(head)), None)
    if short is not None and {"frame", "x", "y"} <= set(places):
        raise PoofError(f"{path}: line {short}: has fewer cells than the header; it was cut short, export it again")
    table = {ours: [cells[at] if at < len(cells) else "" for _, cells in rows] for ours, at in places.items()}
    return table, np.array([line for line, _ in rows], int), decimal


def _of_labels(path: Path) -> dict[str, list[str]]:
    """The points of a file in any format of labels, as a tidy table."""
    try:
        labels = load_labels(path)
    except PoofError as error:
        raise PoofError(f"{path}: is no table of tracks; {WANTED}") from error
    rows: pd.DataFrame = labels.to_table()
    rows = rows[rows["x"].notna()]
    table = {name: rows[name].astype(str).tolist() for name in ("frame", "keypoint", "x", "y")}
    table["sure"] = rows["confidence"].fillna(1.0).astype(str).tolist()
    if len(labels.instance_ids) > 1:
        names = {i: labels.individuals.get(i, str(i)) for i in labels.instance_ids}
        table["individual"] = rows["instance"].map(names).astype(str).tolist()
    return table


def _is_number(text: str, decimal: str) -> bool:
    try:
        float(text.replace(decimal, "."))
    except ValueError:
        return False
    return True


def _numbers(
    path: Path, table: dict[str, list[str]], column: str, lines: np.ndarray, decimal: str, needed: bool = False
) -> np.ndarray:
    """A column as numbers, NaN where it is empty; infinite ones and words are refused."""
    cells = pd.Series(table[column], dtype=str)
    cells = cells.str.replace(",", ".") if decimal == "," else cells
    empty = cells.str.lower().isin(["", "nan", "none", "null", "na", "n/a"]).to_numpy()
    values = pd.to_numeric(cells.mask(empty, "nan"), errors="coerce").to_numpy(np.float64)
    bad = (~empty & ~np.isfinite(values)) | (needed & empty)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise PoofError(
            f"{path}: line {lines[row]}: '{cells.iloc[row]}' is no {column}; correct it, or take the row out"
        )
    return values


def _sure(path: Path, table: dict[str, list[str]], lines: np.ndarray, decimal: str) -> np.ndarray:
    """Certainty times visibility of each row; NaN where the file has neither."""
    total = np.full(len(lines), np.nan)
    for column in ("sure", "visible", "occluded"):
        if column not in table:
            continue
        words = {**dict.fromkeys(YES, "1"), **dict.fromkeys(NO, "0")}
        cells = [words.get(text.lower(), text) for text in table[column]]
        values = _numbers(path, {column: cells}, column, lines, decimal)
        if column == "visible" and np.nanmax(values, initial=0) == 2:  # COCO's: 2 visible, 1 occluded
            values = values - 1
        wrong = (values < 0) | (values > 1)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise PoofError(f"{path}: line {lines[row]}: {column} {table[column][row]} does not lie between 0 and 1")
        values = 1 - values if column == "occluded" else values
        total = np.where(np.isfinite(total), total * np.where(np.isfinite(values), values, 1), values)
    return total


def _refuse_twice(table: TrackTable) -> None:
    """Refuse two rows for the same point of the same frame, query and direction."""
    keys = pd.DataFrame({f: getattr(table, f) for f in ("individual", "name", "query", "direction", "frame")})
    twice = keys.duplicated().to_numpy()
    if twice.any():
        row = int(np.flatnonzero(twice)[0])
        raise PoofError(
            f"{table.path}: line {table.line[row]}: frame {table.frame[row]} has {table.name[row]} twice; tell the two"
            " apart by columns query_frame or direction, or take one out"
        )
