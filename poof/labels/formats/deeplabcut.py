"""DeepLabCut's ``CollectedData_<scorer>`` tables, csv and h5, of one or several animals.

A table has a row for each labelled image and three or four header rows: scorer, [individuals], bodyparts, coords. The
rows are named by the image, ``labeled-data/<video>/img005.png`` in one column or, since DeepLabCut 2.2, in three; both
are read, three are written, as DeepLabCut does. The h5 file is pandas' table under the key ``df_with_missing``.

The folder is the video and the number in the image's name the frame. In a table of several animals 'individual1' is
instance 0 and so on; other names are numbered as they stand and kept in `LabelSet.individuals`. Bodyparts of the
individual 'single' (objects of which there is one) are keypoints like the others, labelled in that instance only.

The tables that DeepLabCut's networks write (rows named by the frame, a column likelihood) are read too; their points
are predicted ones.

An empty cell of an animal that has other points in the image is absent (`--missing`, see `load_labels`): DeepLabCut's
guide has people leave out what they do not see. A table holds coordinates and nothing else: provenance, confidence,
occlusion, limbs and boxes are lost on writing.
pandas' own reader unpickles, which runs code; .h5 files are read by `poof.labels.pandas_hdf5`, which does not.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from poof.errors import PoofError, PoofWarning
from poof.files import write_bytes, write_text
from poof.labels.formats.reading import (
    Choice,
    base_name,
    folder_of,
    frame_number,
    frames_of,
    number_in,
    read_rows,
    settle_missing,
)
from poof.labels.model import Array, LabelSet, Points, Skeleton, Source, Visible
from poof.labels.pandas_hdf5 import Table, read_table, table_bytes
from poof.labels.symmetry import mirror_pairs

ENDINGS: tuple[str, ...] = (".h5", ".csv")
KEY = "df_with_missing"
SINGLE = "single"

_HDF5 = b"\x89HDF\r\n\x1a\n"
_LEVELS = ("scorer", "individuals", "bodyparts", "coords")
_ROUNDING = 1e-3
_COORDS = ("x", "y", "likelihood")


def detect(path: Path, head: bytes) -> bool:
    """Whether the file is HDF5, or a text whose first cell is 'scorer'."""
    return head.startswith(_HDF5) or re.match(rb'(\xef\xbb\xbf)?\s*"?scorer"?[,;\t]', head) is not None


def claims(path: Path) -> bool:
    """Whether the name ends in .h5 or is ``CollectedData*.csv``."""
    ending = path.suffix.lower()
    return ending == ".h5" or (ending == ".csv" and path.name.startswith("CollectedData"))


@dataclass
class _Sheet:
    """A DeepLabCut table, whichever file it came from.

    Attributes
    ----------
    scorer
        Who labelled.
    columns
        (individual or '', bodypart, coord) of each column.
    rows
        Image path of each row, or its frame in a network's table.
    values : (rows, columns) float64
        NaN: not labelled.
    """

    scorer: str
    columns: list[tuple[str, str, str]]
    rows: Sequence[str] | Sequence[int]
    values: Array


# ------------------------------------------------------------------------------------------------ reading


def load(path: Path, choice: Choice) -> LabelSet:
    """Read a DeepLabCut table; see `poof.labels.load_labels` for the errors."""
    with path.open("rb") as file:
        binary = file.read(len(_HDF5)) == _HDF5
    sheet = _from_h5(path) if binary else _from_csv(path)
    _refuse_doubles(path, sheet)
    keypoints = tuple(dict.fromkeys(bodypart for _, bodypart, _ in sheet.columns))
    individuals = list(dict.fromkeys(individual for individual, _, _ in sheet.columns))
    numbers, names = _numbered(individuals)
    labels = LabelSet(Skeleton(keypoints, symmetry=mirror_pairs(keypoints)), individuals=names)
    labels.info = {"scorer": sheet.scorer}
    if SINGLE in individuals and len(individuals) > 1:
        labels.info["unique_bodyparts"] = [b for i, b, c in sheet.columns if i == SINGLE and c == "x"]
    predicted = not any(isinstance(row, str) for row in sheet.rows)
    frames: list[int | None]
    if predicted:
        frames = [frame_number(int(row), str(path)) for row in sheet.rows]
    else:
        labelled = ~np.isnan(sheet.values).all(axis=1)
        named = frames_of(path, [str(row) for row, used in zip(sheet.rows, labelled) if used], choice)
        labels.frame_names = {frame: image for image, frame in named.items()}
        frames = [named.get(str(row)) for row in sheet.rows]
    places = _places(path, sheet, keypoints)
    for frame, values in zip(frames, sheet.values):
        if frame is not None:
            for individual in individuals:
                points = _points(path, frame, values, places[individual], keypoints, predicted)
                if points.labelled.any():
                    labels.add(frame, numbers[individual], points)
    if not labels.instances:
        raise PoofError(f"{path}: holds no labelled point; label at least one frame")
    exempt = _foreign_columns(labels, places, numbers)
    settle_missing(labels, choice, exempt)
    return labels


def _foreign_columns(labels: LabelSet, places: dict[str, Array], numbers: dict[str, int]) -> set[tuple[int, int, int]]:
    """The keypoints for which an individual has no columns: nobody can have looked for them."""
    none = {numbers[individual]: np.flatnonzero(table[:, 0] < 0).tolist() for individual, table in places.items()}
    return {(frame, instance, k) for frame, instance in labels.instances for k in none.get(instance, ())}


def _from_csv(path: Path) -> _Sheet:
    """The table of a csv file."""
    rows, decimal = read_rows(path)
    header: dict[str, list[str]] = {}
    body = 0
    while body < len(rows) and rows[body][1][0].lower() in _LEVELS:
        header[rows[body][1][0].lower()] = rows[body][1]
        body += 1
    _refuse_header(path, list(header))
    size = len(header["coords"])
    width = next((i for i, cell in enumerate(header["coords"]) if cell.lower() in _COORDS), None)
    if width is None:
        raise PoofError(f"{path}: the header row coords names neither x nor y; export it again")
    if width not in (1, 3):
        raise PoofError(f"{path}: images are named in {width} columns; DeepLabCut uses 1 or 3: export it again")
    for line, row in rows:
        if len(row) != size:
            raise PoofError(f"{path}: line {line}: has {len(row)} cells, the header {size}; correct the line")
    individuals = header.get("individuals", [""] * size)
    columns = list(zip(individuals, header["bodyparts"], (c.lower() for c in header["coords"])))[width:]
    values = np.full((len(rows) - body, size - width), np.nan)
    names = []
    for i, (line, row) in enumerate(rows[body:]):
        names.append("/".join(row[:width]))
        for j, cell in enumerate(row[width:]):
            if cell:
                try:
                    values[i, j] = float(cell.replace(decimal, "."))
                except ValueError:
                    raise PoofError(f"{path}: line {line}: '{cell}' is not a number; correct it") from None
    numeric = width == 1 and all(name.isdecimal() for name in names)
    return _Sheet(header["scorer"][width], columns, [int(name) for name in names] if numeric else names, values)


def _from_h5(path: Path) -> _Sheet:
    """The table of an h5 file."""
    table = read_table(path, KEY)
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
    return _Sheet(table.columns[0][at["scorer"]], columns, rows, table.values)


def _refuse_header(path: Path, levels: Sequence[str]) -> None:
    """The header rows must be those of DeepLabCut."""
    missing = [name for name in ("scorer", "bodyparts", "coords") if name not in levels]
    if missing:
        raise PoofError(f"{path}: is no DeepLabCut table: the header lacks {', '.join(missing)}; export it again")


def _refuse_doubles(path: Path, sheet: _Sheet) -> None:
    """Each image has one row, each coordinate one column."""
    for row, number in Counter(sheet.rows).items():
        if number > 1:
            raise PoofError(f"{path}: {'image' if isinstance(row, str) else 'frame'} {row} has {number} rows; keep one")
    for (individual, bodypart, coord), number in Counter(sheet.columns).items():
        if number > 1:
            whose = f" of {individual}" if individual else ""
            raise PoofError(f"{path}: {bodypart}{whose} has {number} columns {coord}; keep one")


def _numbered(individuals: Sequence[str]) -> tuple[dict[str, int], dict[int, str]]:
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


def _places(path: Path, sheet: _Sheet, keypoints: Sequence[str]) -> dict[str, Array]:
    """Individual -> (K, 3) columns of x, y and likelihood of each keypoint, -1 where there is none."""
    index = {name: k for k, name in enumerate(keypoints)}
    places = {individual: np.full((len(keypoints), 3), -1) for individual, _, _ in sheet.columns}
    for column, (individual, bodypart, coord) in enumerate(sheet.columns):
        if coord in _COORDS:
            places[individual][index[bodypart], _COORDS.index(coord)] = column
    for table in places.values():
        for k in np.flatnonzero((table[:, 0] < 0) != (table[:, 1] < 0)).tolist():
            raise PoofError(f"{path}: {keypoints[k]} has only one of the columns x and y; export it again")
    return places


def _points(path: Path, frame: int, values: Array, places: Array, keypoints: Sequence[str], predicted: bool) -> Points:
    """The points of one individual in one row."""
    cells = np.append(values, np.nan)[places]
    with np.errstate(over="ignore"):
        xy = cells[:, :2].astype(np.float32)
    for k in np.flatnonzero(np.isinf(xy).any(axis=1) | (np.isnan(xy).sum(axis=1) == 1)).tolist():
        raise PoofError(
            f"{path}: frame {frame}: {keypoints[k]} is at ({xy[k, 0]:g}, {xy[k, 1]:g}); give both coordinates, or none"
        )
    points = Points.human(frame, xy)
    if predicted:
        made = points.labelled
        points.source[made] = Source.PREDICTED
        points.anchor[made] = -1
        likelihood = cells[:, 2]
        # A network's float32 may lie a little beyond 1.
        for k in np.flatnonzero(made & ((likelihood < -_ROUNDING) | (likelihood > 1 + _ROUNDING))).tolist():
            raise PoofError(
                f"{path}: frame {frame}: {keypoints[k]} has the likelihood {likelihood[k]:g}, outside 0..1; correct it"
            )
        points.confidence[made] = np.clip(likelihood[made], 0, 1)
    return points


# ------------------------------------------------------------------------------------------------ writing


def save(labels: LabelSet, path: Path) -> None:
    """Write a csv or h5 file, by the ending of `path`, atomically; a `PoofWarning` names what does not fit in it."""
    images = _images(labels, path)
    _warn_losses(labels, path, images)
    table = _frame(labels, path, images)
    if path.suffix.lower() == ".h5":
        names = [str(name) for name in table.columns.names]
        write_bytes(path, table_bytes(Table(names, [*table.columns], [*images.values()], table.to_numpy()), KEY))
    else:
        write_text(path, table.to_csv(lineterminator="\n"))


def _frame(labels: LabelSet, path: Path, images: dict[int, tuple[str, str, str]]) -> pd.DataFrame:
    """The table as DeepLabCut lays it out."""
    scorer = path.stem.removeprefix("CollectedData_") if path.stem.startswith("CollectedData_") else ""
    scorer = scorer or str(labels.info.get("scorer") or "poof")
    several = bool(labels.individuals) or any(instance != 0 for instance in labels.instance_ids)
    instances = labels.instance_ids or [0]
    if several:
        instances = sorted({*labels.instance_ids, *labels.individuals})
    unique = set(labels.info.get("unique_bodyparts") or ())
    columns, keys = [], []
    for instance in instances:
        name = labels.individuals.get(instance, f"individual{instance + 1}")
        for k, bodypart in enumerate(labels.skeleton.keypoints):
            if not unique or (bodypart in unique) == (name == SINGLE):
                for axis, coord in enumerate("xy"):
                    columns.append((scorer, name, bodypart, coord) if several else (scorer, bodypart, coord))
                    keys.append((instance, k, axis))
    rows = {frame: i for i, frame in enumerate(images)}
    place = {key: j for j, key in enumerate(keys)}
    values = np.full((len(rows), len(keys)), np.nan)
    for frame, instance, points in labels:
        for k in np.flatnonzero(points.labelled & (points.visible > 0)).tolist():
            if (instance, k, 0) in place:
                j = place[instance, k, 0]
                values[rows[frame], j : j + 2] = np.round(points.xy[k].astype(np.float64), 3)
    names = [level for level in _LEVELS if several or level != "individuals"]
    index = pd.MultiIndex.from_tuples(list(images.values()))
    return pd.DataFrame(values, index=index, columns=pd.MultiIndex.from_tuples(columns, names=names))


def _images(labels: LabelSet, path: Path) -> dict[int, tuple[str, str, str]]:
    """Frame -> ('labeled-data', video, image), for all frames with labels or a name."""
    own = labels.frame_names
    folders = Counter(folder_of(name).split("/")[-1] for name in own.values())
    folders.pop("", None)
    if folders:
        video = folders.most_common(1)[0][0]
    elif isinstance(labels.info.get("video"), str):
        video = Path(labels.info["video"]).stem
    else:
        folder = path.absolute().parent
        video = folder.name if folder.parent.name == "labeled-data" else "video"
    frames = sorted({*labels.frames, *own})
    digits = max(3, len(str(frames[-1]))) if frames else 3
    for name in own.values():
        same = re.fullmatch(r"img([0-9]+)\.\w+", base_name(name))
        digits = len(same.group(1)) if same else digits
    images: dict[int, tuple[str, str, str]] = {}
    taken: dict[tuple[str, str, str], int] = {}
    for frame in frames:
        name = own.get(frame, f"img{frame:0{digits}d}.png")
        image = ("labeled-data", folder_of(name).split("/")[-1] or video, base_name(name))
        if image in taken:
            raise PoofError(
                f"{path}: the frames {taken[image]} and {frame} would both be the image '{image[2]}', by which"
                " DeepLabCut tells frames; give the folder of the frames or save as .json"
            )
        images[frame] = image
        taken[image] = frame
    return images


def _warn_losses(labels: LabelSet, path: Path, images: dict[int, tuple[str, str, str]]) -> None:
    """One warning that names everything that reading the file again will not bring back."""
    lost = []
    everything = [points for _, _, points in labels]
    if any((points.source[points.labelled] != Source.HUMAN).any() for points in everything):
        lost.append("who set the points")
    if any((points.visible[points.labelled] == Visible.OCCLUDED).any() for points in everything):
        lost.append("occlusion")
    if any((points.visible[points.labelled] == Visible.UNLABELLED).any() for points in everything):
        lost.append("points out of sight")
    absent = sum(int(points.absent.sum()) for points in everything)
    if absent > len(labels.assumed_absent) and any((~points.decided).any() for points in everything):
        lost.append("who is absent and where nobody looked")
    if any(points.box is not None for points in everything):
        lost.append("boxes")
    if labels.skeleton.edges:
        lost.append("limbs")
    if not labels.tracked and len(labels.instance_ids) > 1:
        lost.append("that instances are no fixed individuals")
    if any(number_in(image[2]) != frame for frame, image in images.items()):
        lost.append("the frame numbers, which differ from those in the names")
    if lost:
        warnings.warn(
            f"{path}: DeepLabCut's format cannot hold {', '.join(lost)}; keep the labels as .json too",
            PoofWarning,
            stacklevel=3,
        )
