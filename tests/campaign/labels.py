"""Label files: damaged ones are read right or refused in one line; what is read is sound and survives being written."""

from __future__ import annotations

import contextlib
import re
import warnings
from pathlib import Path

import numpy as np
from foreign_files import write
from forked import forked_reader
from harness import Fault, check_folder, check_message
from material import csv_text, deeplabcut, foreign_coco, hdf5, label_set, own_json, saved
from mutations import Rng, damage_bytes, damage_json, damage_table, json_bytes, pick

from poof.errors import PoofError, PoofWarning
from poof.labels import LabelSet, Source, load_labels, save_labels

FARTHEST = 1e7
OUTPUTS = ("out.json", "out.csv", "out.h5", "CollectedData_out.csv")


def trial(rng: Rng, folder: Path) -> None:
    """One label file."""
    with contextlib.nullcontext() if rng.random() < 0.05 else forked_reader():
        _trial(rng, folder)


def _trial(rng: Rng, folder: Path) -> None:
    if rng.random() < 0.4:
        path = write(rng, folder)
    else:
        path = folder / pick(rng, ("labels.json", "labels.csv", "labels.h5", "labels"))
        path.write_bytes(_content(rng))
    given = {file.name for file in folder.iterdir()}
    frames = [f"img{i:05d}.png" for i in range(40)] if rng.random() < 0.2 else None
    labels = _told(lambda: load_labels(path, frame_names=frames))
    if labels is None:
        check_folder(folder, given)
        return
    check_valid(labels)
    written = given
    # HDF5 takes a process each; the others are nearly free.
    for name in OUTPUTS if rng.random() < 0.1 else OUTPUTS[:2]:
        target = folder / name
        if _told(lambda target=target: save_labels(labels, target) or True) is None:
            continue
        written |= {name, "CollectedData_out.machine.csv"}  # a list of the machine's points beside CollectedData
        again = _told(lambda target=target: load_labels(target))
        if again is None:
            raise Fault("wrong", f"what was written as {name} is refused")
        check_valid(again)
        _check_same(labels, again, name)
    check_folder(folder, written)


def _content(rng: Rng) -> bytes:
    """A damaged label file of any format."""
    kind = int(rng.integers(12))
    if kind < 4:
        document = own_json(rng) if kind < 2 else foreign_coco(rng)
        data = json_bytes(damage_json(document, rng))
        return damage_bytes(data, rng) if rng.random() < 0.1 else data
    if kind < 10:
        text = saved(label_set(rng), "x.csv").decode() if kind < 7 else csv_text(deeplabcut(rng))
        if rng.random() < 0.2:
            text = text.replace(",", pick(rng, ";\t"))
        data = damage_table(text, rng).encode("utf-8", "surrogatepass")
        return damage_bytes(data, rng) if rng.random() < 0.1 else data
    return damage_bytes(hdf5(deeplabcut(rng), rng), rng)


def _told(action):  # type: ignore[no-untyped-def]
    """The result of an action, None where it was refused as it should be; its warnings are looked at."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = action()
        except PoofError as error:
            check_message(str(error))
            result = None
    for warning in caught:
        if not issubclass(warning.category, PoofWarning):
            raise Fault("wrong", f"{warning.category.__name__}: {warning.message!s:.150}")
        check_message(str(warning.message))
    return result


def check_valid(labels: LabelSet) -> None:
    """Every number is in its range, every name can be shown."""
    names = [
        *labels.skeleton.keypoints,
        *labels.individuals.values(),
        *labels.frame_names.values(),
        labels.skeleton.name,
    ]
    for name in names:
        if re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", name):
            raise Fault("escape", f"name {name[:50]!r} came in")
    for frame, instance, points in labels:
        where = f"frame {frame} instance {instance}"
        if not (0 <= frame < 2**31 and 0 <= instance < 2**31):
            raise Fault("wrong", f"{where}: numbers")
        if np.isinf(points.xy).any() or (np.abs(points.xy[points.labelled]) > FARTHEST).any():
            raise Fault("wrong", f"{where}: at {points.xy.tolist()}")
        if not (np.isfinite(points.xy).all(axis=1) | np.isnan(points.xy).all(axis=1)).all():
            raise Fault("wrong", f"{where}: half a point")
        known = points.confidence[~np.isnan(points.confidence)]
        if ((known < 0) | (known > 1)).any():
            raise Fault("wrong", f"{where}: confidence {known.tolist()}")
        if not points.decided.any():
            raise Fault("wrong", f"{where}: nothing labelled")
        if (points.source[points.labelled] == Source.NONE).any():
            raise Fault("wrong", f"{where}: a point without a source")
        if points.box is not None and not np.isfinite(points.box).all():
            raise Fault("wrong", f"{where}: box {points.box.tolist()}")
        if (points.anchor < -1).any() or (points.steps < 0).any():
            raise Fault("wrong", f"{where}: anchor or steps")


def _check_same(a: LabelSet, b: LabelSet, name: str) -> None:
    """What the format can hold came back."""
    shown = {
        (f, i): p for f, i, p in a
        if (p.labelled & (p.visible > 0)).any() or (name in OUTPUTS[:2])
    }  # fmt: skip
    deeplabcut = name not in OUTPUTS[:2]
    if deeplabcut:  # what it says of absent ones may come back or not
        b = b.replace(instances={key: p for key, p in b.instances.items() if (p.labelled & (p.visible > 0)).any()})
    if deeplabcut and [f for f, _ in shown] != [f for f, _, _ in b]:
        if len(shown) != len(b):
            raise Fault("wrong", f"{name}: {len(shown)} instances became {len(b)}")
        return
    if len(shown) != len(b):
        raise Fault("wrong", f"{name}: {len(shown)} instances became {len(b)}")
    if set(a.skeleton.keypoints) != set(b.skeleton.keypoints):
        raise Fault("wrong", f"{name}: keypoints {a.skeleton.keypoints} became {b.skeleton.keypoints}"[:200])
    order = [b.skeleton.keypoints.index(k) for k in a.skeleton.keypoints]
    for (frame, instance), points in shown.items():
        found = b.instances.get((frame, instance))
        if found is None:
            if deeplabcut:
                continue
            raise Fault("wrong", f"{name}: frame {frame} instance {instance} is gone")
        found = found.ordered(order)
        kept = points.labelled & (points.visible > 0) if deeplabcut else points.labelled
        if not np.allclose(points.xy[kept], found.xy[kept], rtol=1e-6, atol=2e-3):
            raise Fault("wrong", f"{name}: frame {frame}: {points.xy.tolist()} became {found.xy.tolist()}")
        if not deeplabcut and not np.array_equal(points.absent, found.absent):
            raise Fault("wrong", f"{name}: frame {frame}: absent {points.absent} became {found.absent}")
        if not deeplabcut and not np.array_equal(points.is_human, found.is_human):
            raise Fault("wrong", f"{name}: frame {frame}: a person's points changed")
