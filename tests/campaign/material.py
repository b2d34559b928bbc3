"""Label files as poof and other tools write them, small and different each time."""

from __future__ import annotations

import io
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mutations import Rng, pick

from poof.labels import LabelSet, Points, Skeleton, Source, save_labels

SIZE = (64, 48)
NAMES = (("nose", "tail"), ("left_ear", "right_ear", "back"), ("a",))


def label_set(rng: Rng) -> LabelSet:
    """Labels of one to three subjects in a few frames, with everything that poof can say of a point."""
    names = pick(rng, NAMES)
    labels = LabelSet(Skeleton(names, ((0, 1),) if len(names) > 1 else ()), image_size=SIZE)
    subjects = int(rng.integers(1, 4))
    for frame in sorted(rng.choice(30, int(rng.integers(1, 6)), replace=False).tolist()):
        for subject in range(subjects):
            xy = rng.uniform(1, SIZE, (len(names), 2)).astype(np.float32)
            points = Points.human(frame, xy, rng.integers(1, 3, len(names)))
            if rng.random() < 0.5:
                k = int(rng.integers(len(names)))
                points.source[k] = pick(rng, (Source.PROPAGATED, Source.PREDICTED, Source.REFINED))
                points.anchor[k], points.steps[k], points.confidence[k] = frame, 0, round(float(rng.random()), 4)
                if rng.random() < 0.5:
                    points.flow_xy = np.full((len(names), 2), np.nan, np.float32)
                    points.flow_xy[k] = xy[k] + 1
                    points.disputed = np.arange(len(names)) == k
            elif len(names) > 1 and rng.random() < 0.5:
                points.put(np.arange(len(names)) == 0, Points.empty(len(names)))
            labels.add(frame, subject, points)
    if subjects > 1 and rng.random() < 0.5:
        labels.individuals = dict(enumerate(("Anna", "Bert", "Carl")[:subjects]))
    return labels


def foreign_coco(rng: Rng) -> dict[str, Any]:
    """COCO as another tool writes it."""
    names = list(pick(rng, NAMES))
    frames = sorted(rng.choice(30, int(rng.integers(1, 6)), replace=False).tolist())
    naming = pick(rng, ("img{:05d}.png", "frame_{}.jpg", "v/{:04d}.png", "cam2_{:03d}.png", "{:06d}"))
    subjects = int(rng.integers(1, 4))
    images = [
        {"id": i, "file_name": naming.format(f), "width": SIZE[0], "height": SIZE[1]} for i, f in enumerate(frames)
    ]
    annotations: list[dict[str, Any]] = []
    tracks = pick(rng, (None, "track_id", "instance_id", "attributes"))
    for image in images:
        for subject in range(subjects):
            points = [[*np.round(rng.uniform(1, SIZE), 2).tolist(), int(rng.integers(1, 3))] for _ in names]
            if rng.random() < 0.2:
                points[0] = [0, 0, 0]
            entry = {
                "id": len(annotations),
                "image_id": image["id"],
                "category_id": 1,
                "keypoints": [value for point in points for value in point],
                "num_keypoints": len(names),
                "bbox": [0, 0, *SIZE],
                "iscrowd": 0,
            }
            if tracks == "attributes":
                entry["attributes"] = {"track_id": subject}
            elif tracks:
                entry[tracks] = subject
            annotations.append(entry)
    limbs = [[1, 2]] if len(names) > 1 else []
    category = {"id": 1, "name": "mouse", "keypoints": names, "skeleton": limbs}
    return {"info": {"year": 2024}, "images": images, "annotations": annotations, "categories": [category]}


def deeplabcut(rng: Rng) -> pd.DataFrame:
    """A table as DeepLabCut keeps it, labels or a network's output."""
    names = pick(rng, NAMES)
    predicted = bool(rng.random() < 0.5)
    several = bool(rng.random() < 0.5)
    coords = ["x", "y", "likelihood"] if predicted else ["x", "y"]
    parts: list[list[str]] = [["Ann"], *([["mus1", "mus2"]] if several else []), list(names), coords]
    levels = ["scorer", *(["individuals"] if several else []), "bodyparts", "coords"]
    columns = pd.MultiIndex.from_product(parts, names=levels)
    count = int(rng.integers(1, 6))
    values = np.round(rng.uniform(1, 40, (count, len(columns))), 3)
    if predicted:
        values[:, len(coords) - 1 :: len(coords)] = rng.uniform(0, 1, values[:, len(coords) - 1 :: len(coords)].shape)
        return pd.DataFrame(values, columns=columns)
    if rng.random() < 0.5:
        values[0, :2] = np.nan
    images = [("labeled-data", "v", f"img{i:03d}.png") for i in sorted(rng.choice(99, count, replace=False).tolist())]
    rows: Any = pd.MultiIndex.from_tuples(images) if rng.random() < 0.5 else ["/".join(image) for image in images]
    return pd.DataFrame(values, index=rows, columns=columns)


def saved(labels: LabelSet, ending: str) -> bytes:
    """What poof writes."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
        path = Path(folder) / ending
        save_labels(labels, path)
        return path.read_bytes()


def hdf5(table: pd.DataFrame, rng: Rng) -> bytes:
    """A table as pandas stores it."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
        path = Path(folder) / "x.h5"
        layout: Any = "fixed"
        if table.index.nlevels == 1 and rng.random() < 0.5:
            layout = "table"
        table.to_hdf(path, key="df_with_missing", mode="w", format=layout)
        return path.read_bytes()


def csv_text(table: pd.DataFrame) -> str:
    """The table as DeepLabCut's csv."""
    text = io.StringIO()
    table.to_csv(text, lineterminator="\n")
    return text.getvalue()


def own_json(rng: Rng) -> Any:
    """poof's own COCO, as a document."""
    return json.loads(saved(label_set(rng), "x.json"))
