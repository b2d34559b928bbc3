"""Files of other tools, damaged where it matters to their readers: SLEAP, CVAT, Label Studio, DeepLabCut's projects."""

from __future__ import annotations

import io
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from material import csv_text, deeplabcut, foreign_coco, label_set, saved
from mutations import HOSTILE_NUMBERS, Rng, damage_bytes, damage_json, damage_table, hostile, json_bytes, pick

from poof.labels import save_labels


def write(rng: Rng, folder: Path) -> Path:
    """Write a damaged file of another tool, and what lies beside it; the file to be read."""
    return pick(rng, (_sleap, _sleap, _analysis, _cvat, _cvat, _label_studio, _lightning_pose, _project, _coco))(
        rng, folder
    )


def _put(rng: Rng, path: Path, data: bytes) -> Path:
    path.write_bytes(damage_bytes(data, rng) if rng.random() < 0.1 else data)
    return path


def _sleap(rng: Rng, folder: Path) -> Path:
    path = folder / "labels.slp"
    path.write_bytes(saved(label_set(rng), "x.slp"))
    if rng.random() < 0.4:
        path.write_bytes(damage_bytes(path.read_bytes(), rng))
    else:
        damage_hdf5(path, rng)
    return path


def _analysis(rng: Rng, folder: Path) -> Path:
    path = folder / "labels.analysis.h5"
    tracks, nodes, frames = (int(rng.integers(1, 4)) for _ in range(3))
    with h5py.File(path, "w") as file:
        file["tracks"] = rng.uniform(1, 40, (tracks, 2, nodes, frames))
        file["point_scores"] = rng.random((tracks, nodes, frames))
        file["node_names"] = [f"n{i}".encode() for i in range(nodes)]
        file["track_names"] = [f"t{i}".encode() for i in range(tracks)]
        file["edge_inds"] = np.array([[0, nodes - 1]])
        file["video_path"] = b"v.mp4"
    if rng.random() < 0.4:
        path.write_bytes(damage_bytes(path.read_bytes(), rng))
    else:
        damage_hdf5(path, rng)
    return path


def damage_hdf5(path: Path, rng: Rng) -> None:
    """Replace, resize or remove datasets, cells and attributes of a sound file."""
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        for _ in range(int(rng.integers(1, 4))):
            name = pick(rng, names)
            if name not in file:
                continue
            node = file[name]
            what = int(rng.integers(6))
            if what == 0 and rng.random() < 0.3:
                del file[name]
            elif isinstance(node, h5py.Group):
                _damage_attribute(node, rng)
            elif what == 1:
                data = node[()]
                del file[name]
                file[name] = pick(rng, (0, "text", b"", [], [1, 2, 3], np.zeros((2, 2, 2)), data if what else 0))
            elif what == 2 and node.ndim:
                data = np.concatenate([node[()], node[()][:1]]) if rng.random() < 0.5 else node[()][:-1]
                kind = node.dtype
                del file[name]
                file.create_dataset(name, data=data, dtype=kind)
            else:
                _damage_cells(node, rng)


def _damage_attribute(node: Any, rng: Rng) -> None:
    for key in [pick(rng, tuple(node.attrs))] if len(node.attrs) else []:
        value = node.attrs[key]
        if isinstance(value, (str, bytes)) and rng.random() < 0.8:
            with_json = _damaged_json(value, rng)
            node.attrs[key] = with_json if len(with_json) < 60000 else "x"
        elif rng.random() < 0.2:
            del node.attrs[key]
        else:
            node.attrs[key] = pick(rng, (0, -1, 1e9, float("nan"), "text", b"\xff", [1, 2]))


def _damaged_json(text: str | bytes, rng: Rng) -> str:
    """JSON with a node damaged, any other text with a hostile one in its place."""
    try:
        return json.dumps(damage_json(json.loads(text), rng))
    except ValueError:
        return str(hostile(rng)).replace("\0", "").encode("utf-8", "replace").decode()


def _damage_cells(node: Any, rng: Rng) -> None:
    """Some numbers or texts of a dataset."""
    data = np.array(node[()])
    if not data.size:
        return
    flat = data.reshape(-1)
    i = int(rng.integers(flat.size))
    if data.dtype.names:
        field = pick(rng, data.dtype.names)
        cells = flat[field]
        if cells.dtype.kind in "biuf" and cells.ndim == 1:
            with np.errstate(over="ignore"):
                cells[i] = _number(cells.dtype, rng)
    elif data.dtype.kind in "biuf":
        with np.errstate(over="ignore"):
            flat[i] = _number(data.dtype, rng)
    elif data.dtype.kind == "S":
        flat[i] = str(hostile(rng)).replace("\0", "").encode("utf-8", "replace")[: data.dtype.itemsize]
    elif data.dtype.kind == "O":
        flat[i] = _damaged_json(flat[i], rng).encode("utf-8", "replace")
    node[...] = data


def _number(kind: np.dtype[Any], rng: Rng) -> Any:
    value = pick(rng, [v for v in HOSTILE_NUMBERS if abs(v) < 1e308 or v != v or abs(v) == float("inf")])
    if kind.kind == "f":
        return value
    if kind.kind == "b":
        return bool(rng.random() < 0.5)
    low, high = np.iinfo(kind).min, np.iinfo(kind).max
    return int(min(max(value if value == value else 0, low), high))


def _cvat(rng: Rng, folder: Path) -> Path:
    text = saved(label_set(rng), "x.xml").decode()
    parts = text.split('"')
    for _ in range(int(rng.integers(1, 4))):
        what = int(rng.integers(4))
        if what < 2 and len(parts) > 2:  # a value between quotation marks
            value = str(hostile(rng)).replace("\0", "").replace("<", "&lt;").replace("&", "&amp;").replace('"', "")
            parts[2 * int(rng.integers(len(parts) // 2)) + 1] = value
        else:
            lines = '"'.join(parts).split("\n")
            y = int(rng.integers(len(lines)))
            lines[y : y + 1] = [] if what == 2 else [lines[y]] * 2
            parts = "\n".join(lines).split('"')
    return _put(rng, folder / "labels.xml", '"'.join(parts).encode("utf-8", "replace"))


def _label_studio(rng: Rng, folder: Path) -> Path:
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings(action="ignore"):
        path = Path(place) / "x.json"
        save_labels(label_set(rng), path, format="label-studio")
        document = json.loads(path.read_text())
    if rng.random() < 0.3:  # what the page exports of a video
        sequence = [{"frame": int(f) + 1, "x": 30.5, "y": 40.25, "enabled": True} for f in rng.integers(0, 40, 3)]
        value = {"sequence": sequence, "labels": ["nose"], "framesCount": 40, "duration": 1.6}
        region = {"id": "a", "value": value, "original_width": 64, "original_height": 48, "type": "videorectangle"}
        document.append({"id": 9, "data": {"video": "/data/v.mp4"}, "annotations": [{"result": [region]}]})
    return _put(rng, folder / "labels.json", json_bytes(damage_json(document, rng)))


def _lightning_pose(rng: Rng, folder: Path) -> Path:
    labels = label_set(rng)
    one = min(labels.instance_ids)
    labels.instances = {key: points for key, points in labels.instances.items() if key[1] == one}
    labels.individuals = {}
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings(action="ignore"):
        path = Path(place) / "CollectedData.csv"
        save_labels(labels, path, format="lp")
        text = path.read_text()
        for beside in Path(place).iterdir():
            if beside != path:
                (folder / beside.name).write_bytes(
                    damage_table(beside.read_text(), rng).encode("utf-8", "surrogatepass")
                )
    return _put(rng, folder / "CollectedData.csv", damage_table(text, rng).encode("utf-8", "surrogatepass"))


def _project(rng: Rng, folder: Path) -> Path:
    """A DeepLabCut project with one labelled video."""
    table = deeplabcut(rng)
    names = list(dict.fromkeys(table.columns.get_level_values("bodyparts")))
    individuals = list(dict.fromkeys(table.columns.get_level_values(1))) if table.columns.nlevels == 4 else []
    config: dict[str, Any] = {
        "Task": "t", "scorer": "Ann", "date": "Jan1", "multianimalproject": bool(individuals), "project_path": "/x",
        "video_sets": {"/videos/v.mp4": {"crop": "0, 64, 0, 48"}}, "skeleton": [names[:2]], "iteration": 0,
        "multianimalbodyparts" if individuals else "bodyparts": names, "individuals": individuals,
        "uniquebodyparts": [],
    }  # fmt: skip
    place = folder / "labeled-data" / "v"
    place.mkdir(parents=True)
    text = csv_text(table)
    text = text if rng.random() < 0.5 else damage_table(text, rng)
    (place / "CollectedData_Ann.csv").write_bytes(text.encode("utf-8", "surrogatepass"))
    path = folder / "config.yaml"
    lines = _yaml(damage_json(config, rng)).encode("utf-8", "surrogatepass")
    return _put(rng, path, lines)


def _yaml(document: Any) -> str:
    """A damaged configuration as YAML; JSON, which is YAML as well, where there is no other way to say it."""
    import yaml

    text = io.StringIO()
    try:
        yaml.safe_dump(document, text, sort_keys=False)
    except (yaml.YAMLError, UnicodeError, ValueError):
        return "\n".join(f"{key}: {json.dumps(value)}" for key, value in dict(document or {}).items())
    return text.getvalue()


def _coco(rng: Rng, folder: Path) -> Path:
    """COCO with what its variants add: attributes, scores, several categories, boxes and masks, no sizes."""
    document = foreign_coco(rng)
    changes: tuple[Callable[[], Any], ...] = (
        lambda: [a.update(attributes={"keyframe": bool(rng.random() < 0.7)}) for a in _annotations(document)],
        lambda: [a.update(score=float(rng.random())) for a in _annotations(document)],
        lambda: [a.update(bbox=[float(v) for v in rng.uniform(-5, 70, 4)]) for a in _annotations(document)],
        lambda: [a.update(attributes={"object_id": int(rng.integers(3))}) for a in _annotations(document)],
        lambda: [a.update(segmentation=[[1, 1, 2, 2, 3, 3]], area=1.5) for a in _annotations(document)],
        lambda: document["categories"].append({"id": 2, "name": "box"}),
        lambda: document["categories"].append(document["categories"][0] | {"id": 2, "name": "rat"}),
        lambda: [image.pop("width", 0) for image in document["images"]],
        lambda: [image.update(frame_index=7 * i) for i, image in enumerate(document["images"])],
        lambda: [a.update(keypoints=[v - (v == 2) for v in a["keypoints"]]) for a in _annotations(document)],
        lambda: document["info"].update(contributor="Label Studio"),
    )  # fmt: skip
    for _ in range(int(rng.integers(1, 4))):
        pick(rng, changes)()
    if rng.random() < 0.8:
        document = damage_json(document, rng)
    return _put(rng, folder / "labels.json", json_bytes(document))


def _annotations(document: Any) -> list[dict[str, Any]]:
    return document["annotations"]
