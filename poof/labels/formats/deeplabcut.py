"""DeepLabCut's label tables: ``CollectedData_<scorer>``, ``machinelabels`` and what its networks write.

The folder of an image is the video and the number in the image's name the frame. In a table of several animals
'individual1' is instance 0 and so on; other names are numbered as they stand and kept in `LabelSet.individuals`.
Bodyparts of the individual 'single' (objects of which there is one) are keypoints like the others, labelled in that
instance only. An empty cell is a keypoint that is absent (`--missing`, see `load_labels`).

Who set a point is told by the likelihood: what has one is a machine's, what has none a person's. In a file called
``CollectedData`` everything is a person's, unless a list of machine-made points lies beside it
(`poof.labels.formats.machine_list`), as it does where we wrote such points into one.

Lightning Pose's tables are read here too: the same layout, with a column ``visible`` (0 not labelled, 1 covered, 2
visible) or, in predictions, a last column of words. Tables in three dimensions are refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from poof.errors import PoofError
from poof.labels.formats import machine_list
from poof.labels.formats.capabilities import Capabilities, warn_lost
from poof.labels.formats.dlc_sheet import COORDS, SINGLE, Sheet, numbered, read_sheet, write_sheet
from poof.labels.formats.foreign import off_marks, settle_foreign
from poof.labels.formats.hdf5_formats import hdf5_kind
from poof.labels.formats.provenance import arrays, restored_from
from poof.labels.formats.reading import Choice, base_name, folder_of, frame_number, frames_of, number_in
from poof.labels.hdf5 import MAGIC
from poof.labels.model import Array, LabelSet, Points, Skeleton, Source, Visible
from poof.labels.symmetry import mirror_pairs

ENDINGS: tuple[str, ...] = (".h5", ".csv")
CAPABILITIES = Capabilities(human=True, confidence=True, names=True)
"""The table alone: in .h5 files and with a list beside it, more comes back."""

PERSONS = "CollectedData"
"""How files are called in which everything is a person's."""
OURS = re.compile(r"poof(?:-(propagated|refined|predicted))?")
"""The scorer of tables by frame that we wrote, in which a likelihood of exactly 1 is a person's point."""

_ROUNDING = 1e-3
_LIKELIHOOD = COORDS.index("likelihood")
_VISIBLE = COORDS.index("visible")


def detect(path: Path, head: bytes) -> bool:
    """Whether the file is a text whose first cell is 'scorer', or HDF5 with a table of pandas."""
    if head.startswith(MAGIC):
        return hdf5_kind(path) == "deeplabcut"
    return re.match(rb'(\xef\xbb\xbf)?\s*"?scorer"?[,;\t]', head) is not None


def claims(path: Path) -> bool:
    """Whether the name ends in .h5 or is ``CollectedData*.csv`` or ``machinelabels*.csv``."""
    ending = path.suffix.lower()
    return ending == ".h5" or (ending == ".csv" and path.name.startswith((PERSONS, "machinelabels")))


# ------------------------------------------------------------------------------------------------ reading


def load(path: Path, choice: Choice) -> LabelSet:
    """Read a DeepLabCut table; see `poof.labels.load_labels` for the errors."""
    sheet, contents = read_sheet(path)
    keypoints, individuals = sheet.bodyparts, sheet.individuals
    numbers, names = numbered(individuals)
    labels = LabelSet(Skeleton(keypoints, symmetry=mirror_pairs(keypoints)), individuals=names)
    labels.info = {"scorer": sheet.scorer}
    if SINGLE in individuals and len(individuals) > 1:
        labels.info["unique_bodyparts"] = [b for i, b, c in sheet.columns if i == SINGLE and c == "x"]
    frames: list[int | None]
    timed = not any(isinstance(row, str) for row in sheet.rows)
    if timed:
        frames = [frame_number(int(row), str(path)) for row in sheet.rows]
    else:
        labelled = ~np.isnan(sheet.values).all(axis=1)
        named = frames_of(path, [str(row) for row, used in zip(sheet.rows, labelled) if used], choice)
        labels.frame_names = {frame: image for image, frame in named.items()}
        frames = [named.get(str(row)) for row in sheet.rows]
    places = _places(path, sheet, keypoints)
    told: set[tuple[int, int, int]] = set()
    for frame, values in zip(frames, sheet.values):
        if frame is not None:
            for individual in individuals:
                cells = np.append(values, np.nan)[places[individual]]
                points = _points(path, frame, cells, keypoints, _by_machine(path, sheet, cells, timed))
                hidden = np.isin(cells[:, _VISIBLE], (0, 1)) & ~points.labelled  # not looked for, or covered somewhere
                told |= {(frame, numbers[individual], k) for k in np.flatnonzero(hidden).tolist()}
                if points.labelled.any():
                    labels.add(frame, numbers[individual], points)
    ours = OURS.fullmatch(sheet.scorer) if timed else None
    if ours and ours.group(1):
        _name_sources(labels, ours.group(1))
    known = restored_from(contents, labels, edited=True) if contents else set()
    known |= machine_list.apply(path, labels)
    if not labels.instances:
        raise PoofError(f"{path}: holds no labelled point; label at least one frame")
    told |= {(frame, instance, k) for frame, instance in known for k in range(len(keypoints))}
    settle_foreign(path, labels, choice, told | _foreign_columns(labels, places, numbers))
    return labels


def _by_machine(path: Path, sheet: Sheet, cells: Array, timed: bool) -> Array:
    """(K,) bool: which points of one individual in one row a machine set."""
    if path.name.startswith(PERSONS) and not timed:
        return np.zeros(len(cells), bool)
    if not sheet.has("likelihood"):
        return np.full(len(cells), timed)
    made: Array = np.isfinite(cells[:, _LIKELIHOOD])
    if timed and OURS.fullmatch(sheet.scorer):
        made &= cells[:, _LIKELIHOOD] != 1
    return made


def _name_sources(labels: LabelSet, name: str) -> None:
    """All machine-made points of a table of ours are of the source that its scorer names."""
    source = next(one for one in Source if one.label == name)
    for _, _, points in labels:
        points.source[points.source == Source.PREDICTED] = source


def _foreign_columns(
    labels: LabelSet, places: Mapping[str, Array], numbers: Mapping[str, int]
) -> set[tuple[int, int, int]]:
    """The keypoints for which an individual has no columns: nobody can have looked for them."""
    none = {numbers[individual]: np.flatnonzero(table[:, 0] < 0).tolist() for individual, table in places.items()}
    return {(frame, instance, k) for frame, instance in labels.instances for k in none.get(instance, ())}


def _places(path: Path, sheet: Sheet, keypoints: tuple[str, ...]) -> dict[str, Array]:
    """Individual -> (K, 4) columns of x, y, likelihood and visible of each keypoint, -1 where there is none."""
    index = {name: k for k, name in enumerate(keypoints)}
    places = {individual: np.full((len(keypoints), len(COORDS)), -1) for individual in sheet.individuals}
    for column, (individual, bodypart, coord) in enumerate(sheet.columns):
        if coord in COORDS:
            places[individual][index[bodypart], COORDS.index(coord)] = column
    for table in places.values():
        for k in np.flatnonzero((table[:, 0] < 0) != (table[:, 1] < 0)).tolist():
            raise PoofError(f"{path}: {keypoints[k]} has only one of the columns x and y; export it again")
    return places


def _points(path: Path, frame: int, cells: Array, keypoints: tuple[str, ...], machine: Array) -> Points:
    """The points of one individual in one row; `machine` (K,) bool says which of them no person set."""
    with np.errstate(over="ignore"):
        xy = cells[:, :2].astype(np.float32)
    for k in np.flatnonzero(np.isinf(xy).any(axis=1) | (np.isnan(xy).sum(axis=1) == 1)).tolist():
        raise PoofError(
            f"{path}: frame {frame}: {keypoints[k]} is at ({xy[k, 0]:g}, {xy[k, 1]:g}); give both coordinates, or none"
        )
    flags = cells[:, _VISIBLE]
    for k in np.flatnonzero(~np.isin(flags, (0, 1, 2)) & ~np.isnan(flags)).tolist():
        raise PoofError(f"{path}: frame {frame}: {keypoints[k]} has visible {flags[k]:g}, not 0, 1 or 2; correct it")
    xy[flags == 0] = np.nan
    points = Points.human(frame, xy, np.where(flags == 1, Visible.OCCLUDED, Visible.VISIBLE))
    made = points.labelled & machine
    likelihood = cells[:, _LIKELIHOOD]
    # A network's float32 may lie a little beyond 1.
    for k in np.flatnonzero(made & ((likelihood < -_ROUNDING) | (likelihood > 1 + _ROUNDING))).tolist():
        raise PoofError(
            f"{path}: frame {frame}: {keypoints[k]} has the likelihood {likelihood[k]:g}, outside 0..1; correct it"
        )
    points.source[made] = Source.PREDICTED
    points.anchor[made] = -1
    points.confidence[made] = np.clip(likelihood[made], 0, 1)
    return points


# ------------------------------------------------------------------------------------------------ writing


def save(labels: LabelSet, path: Path) -> None:
    """Write a csv or h5 file, by the ending of `path`, atomically; a `PoofWarning` names what does not fit in it.

    Where a person set everything there is no likelihood, as in ``CollectedData``. In a file of that name machine-made
    points have none either; a list of them is written beside it.
    """
    images = images_of(labels, path)
    scorer = path.stem.removeprefix(f"{PERSONS}_") if path.stem.startswith(f"{PERSONS}_") else ""
    machine = any((points.labelled & ~points.is_human).any() for _, _, points in labels)
    persons = path.name.startswith(PERSONS)
    sheet = sheet_of(
        labels,
        {frame: "/".join(image) for frame, image in images.items()},
        scorer or str(labels.info.get("scorer") or "poof"),
        likelihood=machine and not persons,
        sure=1.0 if path.suffix.lower() == ".h5" else np.nan,
    )
    holds = CAPABILITIES
    if machine and not persons and path.suffix.lower() == ".h5":
        holds = Capabilities(
            **vars(CAPABILITIES) | dict.fromkeys(("sources", "chains", "refinement", "covered", "absent"), True)
        )
        write_sheet(path, sheet, arrays(labels), int(labels.tracked))
    elif not persons:
        write_sheet(path, sheet)
    others = []
    if any(number_in(image[2]) != frame for frame, image in images.items()):
        others.append("the frame numbers, which differ from those in the names")
    if persons:
        note = machine_list.write(path, labels, sheet)
        if note:
            holds = Capabilities(**vars(CAPABILITIES) | dict.fromkeys(("sources", "chains", "refinement"), True))
            others.append(note)
    warn_lost(labels, path, "DeepLabCut's format", holds, others)


def sheet_of(
    labels: LabelSet, rows: Mapping[int, str | int], scorer: str, likelihood: bool, sure: float, most: float = 1.0
) -> Sheet:
    """The table as DeepLabCut lays it out.

    Parameters
    ----------
    labels
        Points that are in sight.
    rows
        Frame -> name of its row.
    scorer
        Who labelled.
    likelihood
        Whether there is a column of that name.
    sure
        What stands in it for a person's point; for a machine's it is the confidence, 0 if that is unknown.
    most
        The largest likelihood of a machine's point.
    """
    several = bool(labels.individuals) or any(instance != 0 for instance in labels.instance_ids)
    instances = sorted({*labels.instance_ids, *labels.individuals}) if several else [0]
    unique = set(labels.info.get("unique_bodyparts") or ())
    coords = ("x", "y", "likelihood") if likelihood else ("x", "y")
    columns: list[tuple[str, str, str]] = []
    place: dict[tuple[int, int], int] = {}
    for instance in instances:
        name = labels.individuals.get(instance, f"individual{instance + 1}") if several else ""
        for k, bodypart in enumerate(labels.skeleton.keypoints):
            if not unique or (bodypart in unique) == (name == SINGLE):
                place[instance, k] = len(columns)
                columns += [(name, bodypart, coord) for coord in coords]
    order = {frame: i for i, frame in enumerate(rows)}
    values = np.full((len(rows), len(columns)), np.nan)
    for frame, instance, points in labels:
        machine = np.minimum(np.nan_to_num(points.confidence.astype(np.float64), nan=0.0).round(4), most)
        for k in np.flatnonzero(points.labelled & (points.visible > 0)).tolist():
            if (instance, k) in place:
                j = place[instance, k]
                values[order[frame], j : j + 2] = off_marks(points.xy[k : k + 1])[0]
                if likelihood:
                    values[order[frame], j + 2] = sure if points.is_human[k] else machine[k]
    return Sheet(scorer, columns, list(rows.values()), values)  # type: ignore[arg-type]


def images_of(labels: LabelSet, path: Path) -> dict[int, tuple[str, str, str]]:
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
