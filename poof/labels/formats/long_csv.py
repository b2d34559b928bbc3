"""Long CSV: one row a point, the columns of `TABLE_COLUMNS`; opens in any spreadsheet and in `pandas.read_csv`.

The table is plain: no comment lines, no second header. So that no keypoint is forgotten, the first instance of a
written file lists every keypoint of the skeleton, those without a label with empty x and y; all other rows are
labelled points. What is not a point does not fit in the table and stays in the JSON file: limbs, boxes, `info`.
Tables of refined labels have `REFINED_COLUMNS`: where flow alone had put the point, and whether appearance disagrees.
`image` names the images of a folder. A table with points of a machine ends with a column of stamps, whose name begins
with `poof:` and holds the list of all points (see `poof.labels.record`): by them a person's edits are found, whatever
`source` says.

Reading needs `frame` (or `image`), `keypoint`, `x`, `y`; the other columns are optional and unknown ones are ignored.
Where the frames of a folder are known, `image` decides, and a column `frame` may hold the names as well. The skeleton
is the keypoints in order of appearance. In a table without stamps that lacks some of `TABLE_COLUMNS`

- the points are a person's, whatever a column `source` says (in a complete file those with an empty `source` are),
- `REFINED_COLUMNS` are ignored,
- `visible` may be a plain yes/no column: without a 2 in it, 1 means visible and 0, with coordinates, occluded,
- rows with `reliable` equal to 0 are left out,
- unless some `visible` says so itself, a keypoint without coordinates of a subject that has others in the frame is
  absent (`--missing`, see `load_labels`).

Other tools' names of the columns are understood where ours are missing (`ALIASES`: frame_idx, node, track ...).
A point with a `likelihood`, as networks write it, is predicted, one without it a person's.

`visible` is `absent` for a keypoint that was looked for and is not in the picture; coordinates beside it do not count.
It may also be said in words (`STATES`), and so may `source` what a person set (`is_persons`).

Commas, semicolons (with decimal points or decimal commas) and tabs separate columns.
"""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poof.errors import PoofError, PoofWarning
from poof.files import write_text
from poof.labels import record
from poof.labels.formats.foreign import settle_foreign
from poof.labels.formats.reading import EMPTY_WORDS, Choice, base_name, frames_of, read_rows, separator_of
from poof.labels.formats.words import STATES, YES_AND_NO, is_persons
from poof.labels.model import (
    PRESENCE_COLUMN,
    REFINED_COLUMNS,
    TABLE_COLUMNS,
    Array,
    LabelSet,
    Points,
    Skeleton,
    Source,
    Visible,
)
from poof.labels.symmetry import mirror_pairs
from poof.labels.validation import MAX_FRAME

if TYPE_CHECKING:
    import pandas as pd

ENDINGS: tuple[str, ...] = (".csv",)
_REQUIRED = ("frame", "keypoint", "x", "y")
ABSENT = "absent"
"""How `visible` says that a keypoint is not in the picture."""
IMAGES = ("image", "file_name", "image_name", "filename", "image_path")
"""Columns that name the image of a row; the first is the one that is written."""
ALIASES = {
    "frame": ("frame_idx", "frame_index", "frame_number", "frame_id", "frame_no", "fnum"),
    "keypoint": (
        "node",
        "bodypart",
        "bodyparts",
        "body_part",
        "joint",
        "landmark",
        "marker",
        "keypoint_name",
        "keypoints",
    ),
    "instance": ("track", "individual", "individuals", "track_id", "instance_id", "animal", "subject", "person_id"),
    "confidence": ("likelihood", "conf"),
    "visible": ("visibility",),
    "x": ("x_px", "pos_x", "position_x"),
    "y": ("y_px", "pos_y", "position_y"),
}
"""How other tools call our columns; the first that a table has is taken."""
_BY_MACHINE = "likelihood"
_SLEAPS = "node"
"""A column by which SLEAP's tables are told: in them a `score` is a network's word too."""
_STAMPS = "poof"
_STRANGE = -1
"""Of a row whose `source` is no known word, until it is known whether a person changed the point."""
_NUMBER = r"[-+]?[0-9.,]*(e[-+]?[0-9]+)?|[-+]?(nan|inf(inity)?)|none|null"
_SOURCES = {source.label: source.value for source in Source if source.label}


def detect(path: Path, head: bytes) -> bool:
    """Whether the first line names a frame and a keypoint column, or most of the columns."""
    lines = [line for line in head.decode("utf-8-sig", "replace").splitlines() if line.strip() and line[0] != "#"]
    if not lines:
        return False
    cells = [name.strip().lower() for name in next(csv.reader([lines[0]], delimiter=separator_of(lines[0])))]
    header = set(_renamed(cells))
    return len(header & set(_REQUIRED)) >= 2


def claims(path: Path) -> bool:
    """Whether the name ends in .csv."""
    return path.suffix.lower() in ENDINGS


# ------------------------------------------------------------------------------------------------ reading


def load(path: Path, choice: Choice) -> LabelSet:
    """Read a long CSV; see `poof.labels.load_labels` for the errors."""
    table, decimal = _table(path)
    lost_states = _STAMPS in table and "visible" not in table
    if _STAMPS in table:
        for column in {*TABLE_COLUMNS} - {*table}:
            table[column] = "?" if column == "source" else ""
    packed = table.attrs["written"]
    table, images = _framed(path, table, choice)
    for line in _lines(table, table["keypoint"] == ""):
        raise PoofError(f"{path}: line {line}: names no keypoint; fill the column 'keypoint'")
    keypoints = tuple(dict.fromkeys(table["keypoint"]))
    complete = set(TABLE_COLUMNS) <= set(table)
    left_out = table.iloc[:0]
    if not complete and "reliable" in table:
        reliable = _numbers(path, table, "reliable", decimal) != 0
        table, left_out = table[reliable], table[~reliable]
    if not len(table):
        raise PoofError(f"{path}: holds no labels; label at least one frame")
    frames = _whole(path, table, "frame", decimal)
    instances, individuals = _instances(path, table)
    stamps = _stamped(table, frames, instances, keypoints)
    joints = table["keypoint"].map({name: k for k, name in enumerate(keypoints)}).to_numpy(np.int64)
    _refuse_duplicates(path, table, frames, instances)
    xy = _coordinates(path, table, decimal, ("x", "y"), "not labelled")
    visible = _visible(path, table, complete, decimal)
    absent = visible == Visible.ABSENT
    xy[absent] = np.nan
    keep = np.isfinite(xy).all(axis=1) | absent
    if not keep.any():
        raise PoofError(f"{path}: no row has coordinates; label at least one frame")
    values = {
        "xy": xy,
        "visible": visible,
        "source": _sources(path, table, complete),
        "anchor": np.where(table["anchor"] == "", frames, _whole(path, table, "anchor", decimal))
        if complete
        else frames,
        "steps": _whole(path, table, "steps", decimal) if complete else np.zeros(len(table), np.int64),
        "confidence": _confidence(path, table, complete, decimal),
    }
    unknown = values["source"] == _STRANGE
    values["source"] = np.where(unknown, Source.NONE, values["source"])
    if not complete:
        values["anchor"] = np.where(values["source"] == Source.PREDICTED, -1, frames)
    if complete:
        values |= _refinement(path, table, decimal)
        if PRESENCE_COLUMN in table:
            values[PRESENCE_COLUMN] = _probability(path, table, PRESENCE_COLUMN, decimal)
    keys, where = np.unique(np.stack([frames, instances], axis=1)[keep], axis=0, return_inverse=True)
    labels = LabelSet(Skeleton(keypoints, symmetry=mirror_pairs(keypoints)), individuals=individuals)
    # One array for all instances, filled at once, of which each instance holds its part.
    count = len(keypoints)
    everything = Points.empty(len(keys) * count)
    everything.flow_xy = np.full_like(everything.xy, np.nan)
    everything.disputed = np.zeros(len(everything), bool)
    everything.presence = np.full(len(everything), np.nan, np.float32)
    for field, cells in values.items():
        getattr(everything, field)[where.ravel() * count + joints[keep]] = cells[keep]
    for i, (frame, instance) in enumerate(keys.tolist()):
        part = slice(i * count, (i + 1) * count)
        labels.add(frame, instance, Points(**{field: getattr(everything, field)[part] for field in values}))
    spelled = dict(zip(frames.tolist(), table["frame"]))
    labels.frame_names = {frame: images[spelled[frame]] for frame in labels.frames if spelled[frame] in images}
    if stamps is not None:
        written = record.unpack(packed or "")
        if written is None:
            warnings.warn(
                f"{path}: the name of its last column was cut off or changed: rows that were deleted are not noticed",
                PoofWarning,
                stacklevel=4,
            )
        labels.changes = record.restate(labels, stamps, written, choice.missing == "absent", not lost_states)
        edited = {*labels.changes.places}
        rows = zip(frames.tolist(), instances.tolist(), joints.tolist())
        _refuse_sources(path, table, unknown & ~np.array([place in edited for place in rows]))
        labels.info = _info(written or {})
        labels.image_size = _size(written or {})
        labels.tracked = bool((written or {}).get("tracked", True))
    elif complete:
        labels.changes.lost = bool(np.isin(values["source"], (Source.PROPAGATED, Source.REFINED)).any())
    elif not absent.any():
        exempt = _keys(path, left_out, labels, decimal)
        settle_foreign(path, labels, choice, exempt)
    return labels


def _framed(path: Path, table: pd.DataFrame, choice: Choice) -> tuple[pd.DataFrame, dict[str, str]]:
    """The table with numbers of frames, where it has but the names of images, and the image of each frame cell."""
    column = next((name for name in IMAGES if name in table), None)
    if "frame" in table and len(table) and not table["frame"].str.fullmatch(_NUMBER, case=False).any():
        column, table = "frame", table.drop(columns=[c for c in IMAGES if c in table])  # all of them names of images
    if column is None or not len(table):
        return table, {}
    named = table[column] != ""
    if column != "frame" and "frame" in table:
        return table, dict(zip(table["frame"][named], table[column][named]))
    for line in _lines(table, ~named):
        raise PoofError(f"{path}: line {line}: names no image; fill the column '{column}'")
    found = frames_of(path, list(dict.fromkeys(table[column])), choice)
    table = table[table[column].isin(list(found))]
    return table.assign(frame=table[column].map(found).astype(str)), {str(f): image for image, f in found.items()}


def _stamped(
    table: pd.DataFrame, frames: Array, instances: Array, keypoints: tuple[str, ...]
) -> dict[tuple[int, int], list[str]] | None:
    """(frame, instance) -> the stamp of each keypoint, None for a table without stamps."""
    if _STAMPS not in table:
        return None
    joints = {name: k for k, name in enumerate(keypoints)}
    stamps: dict[tuple[int, int], list[str]] = {}
    for frame, instance, name, stamp in zip(frames.tolist(), instances.tolist(), table["keypoint"], table[_STAMPS]):
        stamps.setdefault((frame, instance), [""] * len(keypoints))[joints[name]] = stamp
    return stamps


def _info(written: dict[str, Any]) -> dict[str, Any]:
    """What the list of points says of the making."""
    told = {key: written[key] for key in ("made_by", "video") if isinstance(written.get(key), str)}
    return {key: value for key, value in told.items() if value != "labels"}


def _size(written: dict[str, Any]) -> tuple[int, int] | None:
    size = written.get("size")
    good = isinstance(size, list) and len(size) == 2 and all(isinstance(v, int) and v > 0 for v in size)
    return (size[0], size[1]) if good and size is not None else None


def _lines(table: pd.DataFrame, wrong: Any) -> list[int]:
    """The line numbers of the rows for which `wrong` is true."""
    return [int(line) for line in table.index[np.asarray(wrong, bool)]]


def _cell(table: pd.DataFrame, line: int, column: str) -> str:
    return str(table.at[line, column])


def _table(path: Path) -> tuple[pd.DataFrame, str]:
    """The cells as text, indexed by line number, and the decimal sign."""
    import pandas as pd  # slow to import, and only tables need it

    ((line, first), *rows), decimal = read_rows(path)
    written = next((name.removeprefix(record.HEADER) for name in first if name.startswith(record.HEADER)), None)
    header = [_STAMPS if name.startswith(record.HEADER) else name.lower() for name in first]
    own = header
    header = _renamed(header)
    missing = [name for name in _REQUIRED if name not in header]
    if missing == ["frame"] and set(IMAGES) & set(header):
        missing = []
    if missing:
        raise PoofError(
            f"{path}: the header lacks {', '.join(missing)}; a label table has the columns {', '.join(_REQUIRED)}"
        )
    twice = [name for name in header if name and header.count(name) > 1]
    if twice:
        raise PoofError(f"{path}: the header has {twice[0]} twice; remove one of the columns")
    for line, row in rows:
        if len(row) != len(header):
            raise PoofError(f"{path}: line {line}: has {len(row)} cells under {len(header)} columns; correct the line")
    cells, numbers = [row for _, row in rows], [line for line, _ in rows]
    table = pd.DataFrame(cells, index=numbers, columns=header, dtype=object)
    table.attrs["written"] = written
    if "instance" not in own and "instance" in table and (table["instance"] == "").all():
        table = table.drop(columns="instance")  # SLEAP's column track, where nothing was tracked
    sleap = _SLEAPS in own
    if sleap:
        table = _one_row_a_point(table)
    made = _BY_MACHINE in own or (sleap and "score" in own)
    table.attrs |= {"written": written, _BY_MACHINE: "confidence" not in own and made}
    return table, decimal


def _one_row_a_point(table: pd.DataFrame) -> pd.DataFrame:
    """A table of sleap-io may have a person's instance and a predicted one of a track: the person's point counts."""
    keys = [name for name in ("frame", "instance", "keypoint") if name in table]
    order = table.assign(empty=(table["x"] == "") | (table["y"] == ""))
    order["made"] = table["confidence"] != "" if "confidence" in table else False
    kept = order.sort_values(["empty", "made"], kind="stable").drop_duplicates(keys).index
    return table.loc[sorted(kept)]


def _renamed(header: list[str]) -> list[str]:
    """The header with our names for columns that it lacks and has under another tool's name."""
    names = list(header)
    for name, others in ALIASES.items():
        if name == "confidence" and _SLEAPS in header:
            others = (*others, "score")
        found = next((other for other in others if other in names), None)
        if name not in names and found is not None:
            names[names.index(found)] = name
    return names


def _numbers(path: Path, table: pd.DataFrame, column: str, decimal: str) -> Array:
    """A column as float64, NaN for empty cells."""
    text = table[column]
    if decimal == ",":
        text = text.str.replace(",", ".", regex=False)
    values = _floats(text)
    wrong = np.isnan(values) & ~text.str.lower().isin(["", *EMPTY_WORDS]).to_numpy(bool)
    for line in _lines(table, wrong):
        raise PoofError(f"{path}: line {line}: {column} '{_cell(table, line, column)}' is not a number; correct it")
    return values


def _floats(cells: pd.Series[str]) -> Array:
    """Text as float64; NaN for what is empty and for what is no number."""
    import pandas as pd  # as above

    return pd.to_numeric(cells.where(cells != "", "nan"), errors="coerce").to_numpy(np.float64)


def _whole(path: Path, table: pd.DataFrame, column: str, decimal: str, empty: Array | int = 0) -> Array:
    """A column of whole numbers as int64: `frame` from 0; the others from -1, with `empty` for empty cells."""
    values = _numbers(path, table, column, decimal)
    if column != "frame":
        values = np.where(np.isnan(values), empty, values)
    for line in _lines(table, ~(np.isfinite(values) & (values == np.round(values)) & (np.abs(values) < 2**31))):
        raise PoofError(f"{path}: line {line}: {column} '{_cell(table, line, column)}' is no whole number; correct it")
    for line in _lines(table, values < (0 if column == "frame" else -1)):
        raise PoofError(f"{path}: line {line}: {column} {_cell(table, line, column)} is negative; frames count from 0")
    return values.astype(np.int64)


def _instances(path: Path, table: pd.DataFrame) -> tuple[Array, dict[int, str]]:
    """Instance numbers, and their names where the column holds names."""
    if "instance" not in table:
        return np.zeros(len(table), np.int64), {}
    text = table["instance"]
    if text.str.fullmatch(r"[0-9]{1,10}(\.0*)?").all() and (text.astype(float) <= MAX_FRAME).all():
        return text.astype(float).to_numpy(np.int64), {}
    if _STAMPS in table and len(set(text)) == 2 and "" in set(text):  # rows that a person added
        return _instances(path, table.assign(instance=max(text)))
    for line in _lines(table, text == ""):
        raise PoofError(f"{path}: line {line}: names no instance; fill the column 'instance' or remove it")
    numbers = {name: i for i, name in enumerate(dict.fromkeys(text))}
    return text.map(numbers).to_numpy(np.int64), {i: name for name, i in numbers.items()}


def _keys(path: Path, table: pd.DataFrame, labels: LabelSet, decimal: str) -> set[tuple[int, int, int]]:
    """(frame, instance, keypoint index) of each row, for rows of keypoints and instances that the labels have."""
    numbers = {name: i for i, name in labels.individuals.items()}
    joints = {name: k for k, name in enumerate(labels.skeleton.keypoints)}
    names = table["instance"] if "instance" in table else ["0"] * len(table)
    frames = _whole(path, table, "frame", decimal).tolist()
    return {
        (frame, numbers.get(name, 0) if numbers else int(float(name)), joints[keypoint])
        for frame, name, keypoint in zip(frames, names, table["keypoint"])
    }


def _refuse_duplicates(path: Path, table: pd.DataFrame, frames: Array, instances: Array) -> None:
    """Each keypoint of an instance may stand in a frame once."""
    keys = table[["keypoint"]].assign(frame=frames, instance=instances)
    for line in _lines(table, keys.duplicated()):
        keypoint, frame, instance = keys.loc[line]
        raise PoofError(
            f"{path}: line {line}: frame {frame}: {keypoint} of instance {instance} is labelled twice; keep one row"
        )


def _coordinates(path: Path, table: pd.DataFrame, decimal: str, columns: tuple[str, str], absent: str) -> Array:
    """(N, 2) float32 of two columns, NaN for rows without coordinates; messages say that these are `absent`."""
    with np.errstate(over="ignore"):
        xy = np.stack([_numbers(path, table, c, decimal) for c in columns], axis=1).astype(np.float32)
    for line in _lines(table, np.isinf(xy).any(axis=1) | (np.isnan(xy).sum(axis=1) == 1)):
        frame, keypoint, x, y = table.loc[line, ["frame", "keypoint", *columns]]
        what = f"{keypoint} is" if columns == ("x", "y") else f"flow had put {keypoint}"
        raise PoofError(
            f"{path}: line {line}: frame {frame}: {what} at ({x or 'empty'}, {y or 'empty'});"
            f" give both coordinates, or none for a point that is {absent}"
        )
    return xy


def _refinement(path: Path, table: pd.DataFrame, decimal: str) -> dict[str, Array]:
    """`flow_xy` and `disputed` of each row, as far as the table has the columns."""
    values: dict[str, Array] = {}
    flow = ("flow_x", "flow_y")
    missing = [name for name in flow if name not in table]
    if len(missing) == 1:
        raise PoofError(f"{path}: the header lacks {missing[0]}; {' and '.join(flow)} go together")
    if not missing:
        values["flow_xy"] = _coordinates(path, table, decimal, flow, "not refined")
    if "disputed" in table:
        flags = table["disputed"].str.lower().map({"true": True, "1": True, "false": False, "0": False, "": False})
        for line in _lines(table, flags.isna()):
            cell = _cell(table, line, "disputed")
            raise PoofError(f"{path}: line {line}: disputed '{cell}' is neither true nor false; correct it")
        values["disputed"] = flags.to_numpy(bool)
    return values


def _visible(path: Path, table: pd.DataFrame, complete: bool, decimal: str) -> Array:
    """COCO's flags; a plain yes/no column is translated, an absent one means visible."""
    if "visible" not in table:
        return np.full(len(table), Visible.VISIBLE, np.int64)
    words = table["visible"].str.lower().str.replace(r"[\s_-]+", " ", regex=True)
    states = words.map(STATES)
    told = states.notna().to_numpy(bool)
    cells = (
        words.map(YES_AND_NO).fillna(table["visible"].str.replace(",", ".")).mask(told | words.isin(EMPTY_WORDS), "")
    )
    flags = _floats(cells)
    for line in _lines(table, ~np.isin(flags, (0, 1, 2)) & (cells != "")):
        raise PoofError(
            f"{path}: line {line}: visible '{_cell(table, line, 'visible')}' is not 0, 1, 2 or {ABSENT} (in words:"
            " visible, covered); correct it"
        )
    if not complete and not (flags == 2).any():
        flags = np.where(flags == 0, Visible.OCCLUDED, Visible.VISIBLE)
    flags = np.where(np.isnan(flags), Visible.VISIBLE, flags)
    return np.where(told, states.fillna(0), flags).astype(np.int64)


def _sources(path: Path, table: pd.DataFrame, complete: bool) -> Array:
    """`Source` of each row; with stamps, of a word that is none it is said later whether it matters."""
    if not complete:
        made = np.zeros(len(table), bool)
        if table.attrs.get(_BY_MACHINE):
            made = ~table["confidence"].str.lower().isin(["", *EMPTY_WORDS]).to_numpy(bool)
        return np.where(made, Source.PREDICTED.value, Source.HUMAN.value)
    people = {word: Source.HUMAN.value for word in table["source"].str.lower().unique() if is_persons(word)}
    codes = table["source"].str.lower().map(people | _SOURCES | {"": Source.HUMAN.value, "?": Source.NONE.value})
    if _STAMPS not in table:
        _refuse_sources(path, table, codes.isna())
    return codes.fillna(_STRANGE).to_numpy(np.int64)


def _refuse_sources(path: Path, table: pd.DataFrame, unknown: Any) -> None:
    """Words of `source` that mean nothing; a person's edit is one whatever they wrote beside it."""
    for line in _lines(table, unknown):
        raise PoofError(
            f"{path}: line {line}: unknown source '{_cell(table, line, 'source')}'; it is one of {', '.join(_SOURCES)},"
            " or manual"
        )


def _confidence(path: Path, table: pd.DataFrame, complete: bool, decimal: str) -> Array:
    """Confidence of each row; 1 for rows without one that a person wrote."""
    if "confidence" not in table:
        return np.ones(len(table), np.float32)
    values = _probability(path, table, "confidence", decimal)
    by_hand = (table["source"] == "").to_numpy(bool) if complete else np.ones(len(table), bool)
    return np.where(np.isnan(values) & by_hand, 1.0, values)


def _probability(path: Path, table: pd.DataFrame, column: str, decimal: str) -> Array:
    """A column of numbers in 0..1, NaN for empty cells."""
    values = _numbers(path, table, column, decimal)
    for line in _lines(table, (values < 0) | (values > 1)):
        raise PoofError(f"{path}: line {line}: {column} {_cell(table, line, column)} is outside 0..1; correct it")
    return values


# ------------------------------------------------------------------------------------------------ writing


def save(labels: LabelSet, path: Path) -> None:
    """Write a long CSV, atomically; a `PoofWarning` says what of the instances does not fit in it."""
    lost = ["the names of the individuals"] if labels.individuals else []
    if not labels.tracked and len(labels.instance_ids) > 1:
        lost.append("that instances are no fixed individuals")
    if lost:
        warnings.warn(
            f"{path}: a table cannot hold {' or '.join(lost)}; keep the labels as .json too", PoofWarning, stacklevel=3
        )
    write_text(path, text_of(labels))


def text_of(labels: LabelSet) -> str:
    """What a long CSV of these labels holds."""
    table = labels.to_table()
    if labels.frame_names:
        table[IMAGES[0]] = [base_name(labels.frame_names.get(frame, "")) for frame in table["frame"]]
    header = None
    if record.is_recorded(labels):
        header = record.HEADER + record.pack(_told(labels))
        names = labels.skeleton.keypoints
        table[_STAMPS] = [s for f, i, p in labels for s in record.stamps_of(f, i, p, names) if s]
    for column in {"confidence", PRESENCE_COLUMN} & set(table):
        table[column] = table[column].round(4)
    for column in {"x", "y", "flow_x", "flow_y"} & set(table):
        table[column] = table[column].round(3)
    first = next(iter(labels), None)
    if first is not None:
        table = _with_every_keypoint(table, labels, *first)
    if header is not None:
        table = table.rename(columns={_STAMPS: header})
    table["visible"] = table["visible"].replace({Visible.ABSENT.value: ABSENT})
    return table.to_csv(index=False, lineterminator="\n")


def _told(labels: LabelSet) -> dict[str, Any]:
    """What the name of the last column holds."""
    told = record.list_of(labels) | {"version": 1, "tracked": labels.tracked}
    if isinstance(labels.info.get("video"), str):
        told["video"] = labels.info["video"]
    return told | ({"size": list(labels.image_size)} if labels.image_size else {})


def _with_every_keypoint(
    table: pd.DataFrame, labels: LabelSet, frame: int, instance: int, points: Points
) -> pd.DataFrame:
    """The table with all keypoints of the first instance, in the order of the skeleton."""
    import pandas as pd  # as above

    count = int(points.decided.sum())
    blank = {"frame": frame, "instance": instance, "visible": 0, "source": "", "anchor": -1, "steps": 0}
    if set(REFINED_COLUMNS) <= set(table):
        blank["disputed"] = False
    blank |= {_STAMPS: "", IMAGES[0]: base_name(labels.frame_names.get(frame, ""))}
    rows = pd.DataFrame([blank | {"keypoint": name} for name in labels.skeleton.keypoints], columns=list(table))
    if table.empty:  # its columns know no types
        return rows
    rows = rows.astype({name: float for name in table if table[name].dtype == float})
    rows.loc[points.decided, :] = table.iloc[:count].to_numpy()
    return pd.concat([rows.astype(table.dtypes.to_dict()), table.iloc[count:]], ignore_index=True)
