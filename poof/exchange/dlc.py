"""Into a DeepLabCut project: frames and machine labels, which napari-deeplabcut opens to be refined.

The project's ``config.yaml`` tells scorer, bodyparts in order and animals. Frames go to ``labeled-data/VIDEO`` as PNG,
named as those that are there, and beside them ``machinelabels-iter<n>.h5`` and ``machinelabels.csv`` with likelihood.
Saving them in napari puts what a person has seen into ``CollectedData``, which is never written here, except on request
for a video that has none; then a list says which points are no person's. Frames that are in ``CollectedData`` are a
person's already and stay out.
"""

from __future__ import annotations

from pathlib import Path

from poof.errors import PoofError, first_names, names_near
from poof.exchange.choosing import only
from poof.exchange.export import Export, Order, check_file
from poof.exchange.frames import image_names, write_frames
from poof.labels.check import aligned
from poof.labels.formats import deeplabcut, machine_list
from poof.labels.formats.deeplabcut import PERSONS, sheet_of
from poof.labels.formats.dlc_project import CONFIG, Project, config_of, read_project
from poof.labels.formats.dlc_sheet import SINGLE, write_sheet
from poof.labels.formats.names import Pattern
from poof.labels.formats.provenance import arrays
from poof.labels.formats.reading import Choice, number_in
from poof.labels.model import LabelSet, Points, Skeleton


def export(order: Order) -> Export:
    """Write frames and labels into the project `order.folder`."""
    config = config_of(order.folder)
    if not config.is_file():
        raise PoofError(f"{order.folder}: is no DeepLabCut project, it has no {CONFIG}; create one in DeepLabCut first")
    project = read_project(config)
    folder = project.folder / order.video
    labels = fitted(order.labels, project)
    names = image_names(labels, order.footage, _pattern(folder, order), png=True)
    notes = []
    if order.video not in project.videos:
        notes.append(f"{config} does not list {order.video}: add it (deeplabcut.add_new_videos), or training skips it")
    persons = sorted(path for path in folder.glob(f"{PERSONS}*") if path.suffix in (".h5", ".csv"))
    if persons and order.as_labels:
        raise PoofError(f"{persons[0]}: is there already and a person's; leave --as-labels out")
    if persons:
        done = _labelled(persons, names)
        labels = only(labels, [frame for frame in labels.frames if frame not in done])
        if done:
            notes.append(f"{len(done)} frames stay out: a person labelled them in {persons[0].name}")
        if not labels.instances:
            raise PoofError(f"{persons[0]}: holds all of these frames already; there is nothing to refine")
    stem = f"{PERSONS}_{project.scorer}" if order.as_labels else f"machinelabels-iter{project.iteration}"
    tables = [folder / f"{stem}.h5", folder / (f"{stem}.csv" if order.as_labels else "machinelabels.csv")]
    for table in tables:
        if folder.is_dir():
            check_file(table, order)
    names = {frame: names[frame] for frame in labels.frames}
    written = write_frames(order.footage, names, folder, order.track)
    rows = {frame: f"labeled-data/{order.video}/{name}" for frame, name in names.items()}
    sheet = sheet_of(labels, rows, project.scorer, likelihood=not order.as_labels, sure=1.0)
    files = list(tables)
    if order.as_labels:
        note = machine_list.write(tables[0], labels, sheet)
        write_sheet(tables[1], sheet)
        if note:
            notes.append(f"{note.removeprefix('that ')}")
            files.append(machine_list.beside(tables[0]))
        then = "deeplabcut.create_training_dataset(config)"
    else:
        for table in tables:
            write_sheet(table, sheet, arrays(labels), int(labels.tracked))
        then = f"open {folder} in napari-deeplabcut, correct {stem}, save: that puts it into {PERSONS}"
    return Export(folder, files, len(written), labels.frames, notes, then)


def _pattern(folder: Path, order: Order) -> Pattern:
    """As the frames that are in the folder are named, else as DeepLabCut would: as many digits as the video needs."""
    for image in sorted(folder.glob("img*.png")) if folder.is_dir() else ():
        if image.stem.removeprefix("img").isdecimal():
            return Pattern("img", len(image.stem) - 3, ".png")
    return Pattern("img", len(str(order.footage.count() - 1)), ".png")


def _labelled(tables: list[Path], names: dict[int, str]) -> set[int]:
    """The frames, by the names of their images, in which a person labelled something."""
    found: set[str] = set()
    for table in tables:
        if not table.name.endswith(machine_list.ENDING):
            known = deeplabcut.load(table, Choice())
            found |= {Path(known.frame_names.get(frame, "")).name for frame in known.frames}
    numbers = {number_in(name) for name in found}
    return {frame for frame, name in names.items() if name in found or number_in(name) in numbers}


def fitted(labels: LabelSet, project: Project) -> LabelSet:
    """The labels with the bodyparts of a project in its order, and its animals.

    Raises
    ------
    PoofError
        If a keypoint or an individual is not in the project.
    """
    unknown = [name for name in labels.skeleton.keypoints if name not in project.bodyparts]
    if unknown:
        raise PoofError(
            f"{project.config}: has no bodypart {first_names(unknown)}; it has"
            f" {names_near(unknown[0], project.bodyparts)}"
        )
    missing = [name for name in project.bodyparts if name not in labels.skeleton.keypoints]
    if missing:
        wider = Skeleton((*labels.skeleton.keypoints, *missing), labels.skeleton.edges, (), labels.skeleton.name)
        instances = {key: _wider(points, len(missing)) for key, points in labels.instances.items()}
        labels = labels.replace(skeleton=wider, instances=instances)
    labels = aligned(labels, Skeleton(project.bodyparts), str(project.config))
    if not project.individuals:
        if len(labels.instance_ids) > 1:
            raise PoofError(f"{project.config}: is a project of one animal, the labels have {len(labels.instance_ids)}")
        labels = labels.replace(
            individuals={}, instances={(f, 0): points for (f, _), points in labels.instances.items()}
        )
        return labels.replace(info={k: v for k, v in labels.info.items() if k != "unique_bodyparts"})
    animals = list(project.individuals)
    own = labels.individuals
    free = [name for name in animals if name not in own.values()]
    places: dict[int, int] = {}
    for instance in labels.instance_ids:
        name = own.get(instance)
        if name == SINGLE:
            places[instance] = len(animals)
        elif name in animals:
            places[instance] = animals.index(name)
        elif name is None and free:
            places[instance] = animals.index(free.pop(0))
        else:
            who = f"'{name}'" if name else f"{len(labels.instance_ids)} animals"
            raise PoofError(f"{project.config}: has no place for {who}; its individuals are {', '.join(animals)}")
    names = dict(enumerate(animals)) | ({len(animals): SINGLE} if project.unique else {})
    return labels.replace(
        instances={(frame, places[i]): points for (frame, i), points in labels.instances.items()},
        individuals=names,
        info=labels.info | ({"unique_bodyparts": list(project.unique)} if project.unique else {}),
    )


def _wider(points: Points, count: int) -> Points:
    """The points with `count` unlabelled ones behind them."""
    room = Points.empty(len(points) + count)
    for name in ("xy", "visible", "source", "anchor", "steps", "confidence"):
        getattr(room, name)[: len(points)] = getattr(points, name)
    return room
