"""Writing of SLEAP's ``.slp``; `poof.labels.formats.sleap` says what the file holds.

What a person set is an Instance, everything else a PredictedInstance with scores; an instance with both gives both, of
the same track. A covered point is written as visible: SLEAP, sleap-io and movement take a point that is not visible
for one without coordinates.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from poof.files import write_bytes
from poof.labels.formats.capabilities import Capabilities, warn_lost
from poof.labels.formats.provenance import GROUP, VERSION, arrays
from poof.labels.model import LabelSet, Skeleton

CAPABILITIES = Capabilities(
    human=True,
    sources=True,
    confidence=True,
    chains=True,
    refinement=True,
    covered=True,
    hidden=True,
    absent=True,
    limbs=True,
    identities=True,
    names=True,
    size=True,
)

_FORMAT = 1.2
_FRAME = [("frame_id", "u8"), ("video", "u4"), ("frame_idx", "u8"), ("first", "u8"), ("last", "u8")]
_INSTANCE = [
    ("instance_id", "i8"),
    ("instance_type", "u1"),
    ("frame_id", "u8"),
    ("skeleton", "u4"),
    ("track", "i4"),
    ("from_predicted", "i8"),
    ("score", "f4"),
    ("point_id_start", "u8"),
    ("point_id_end", "u8"),
    ("tracking_score", "f4"),
]
_POINT = [("x", "f8"), ("y", "f8"), ("visible", "?"), ("complete", "?")]


def save(labels: LabelSet, path: Path) -> None:
    """Write a SLEAP file, atomically; a `PoofWarning` names what does not fit in it."""
    unknown = [] if labels.info.get("video") else ["the name of the video, which nobody told (--frames)"]
    warn_lost(labels, path, "a SLEAP file", CAPABILITIES, unknown)
    tables, tracks = _tables(labels)
    metadata: dict[str, Any] = {
        "version": "2.0.0",
        "skeletons": [_skeleton(labels.skeleton)],
        "nodes": [{"name": name, "weight": 1.0} for name in labels.skeleton.keypoints],
        "videos": [],
        "tracks": [],
        "suggestions": [],
        "negative_anchors": {},
        "provenance": {"made by": "poof"},
    }
    import h5py

    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        group = file.create_group("metadata")
        group.attrs["format_id"] = _FORMAT
        group.attrs["json"] = np.bytes_(json.dumps(metadata).encode())
        _texts(file, "videos_json", [json.dumps(_video(labels, path))])
        _texts(file, "tracks_json", [json.dumps([0, name]) for name in tracks])
        _texts(file, "suggestions_json", [])
        for name, table in tables.items():
            file.create_dataset(name, data=table)
        own = file.create_group(GROUP)
        own.attrs["version"] = VERSION
        own.attrs["tracked"] = int(labels.tracked)
        for name, values in arrays(labels).items():
            own.create_dataset(name, data=values)
    write_bytes(path, memory.getvalue())


def _texts(file: Any, name: str, texts: list[str]) -> None:
    """Text of fixed length, as SLEAP writes it."""
    encoded = [text.encode() for text in texts]
    kind = f"S{max(map(len, encoded), default=1)}"
    file.create_dataset(name, data=np.array(encoded, kind), maxshape=(None,))


def _video(labels: LabelSet, path: Path) -> dict[str, Any]:
    """The video; an image sequence where every frame up to the last has a name."""
    name = str(labels.info.get("video") or f"{path.stem}.mp4")
    last = labels.frames[-1] if labels.instances else -1
    names = labels.frame_names
    count = max(names, default=-1) + 1
    backend: dict[str, Any] = {"filename": name, "grayscale": False}
    if count > last and all(frame in names for frame in range(count)):
        backend = {"filename": names[0], "filenames": [names[frame] for frame in range(count)], "grayscale": False}
        backend["type"] = "ImageVideo"
    else:
        backend |= {"type": "MediaVideo", "bgr": True, "dataset": "", "input_format": "channels_last"}
        count = last + 1
    if labels.image_size:
        width, height = labels.image_size
        backend["shape"] = [count, height, width, 3]
    return {"filename": backend["filename"], "backend": backend}


def _skeleton(skeleton: Skeleton) -> dict[str, Any]:
    """The graph of a skeleton, in the form in which jsonpickle gave it to SLEAP."""
    links: list[dict[str, Any]] = []
    types = 0
    for value, pairs in ((1, skeleton.edges), (2, skeleton.symmetry)):
        for i, (a, b) in enumerate(pairs):
            link: dict[str, Any] = {"key": 0, "source": a, "target": b}
            if i == 0:
                types += 1
                link["type"] = {"py/reduce": [{"py/type": "sleap.skeleton.EdgeType"}, {"py/tuple": [value]}]}
            else:
                link["type"] = {"py/id": types}
            links.append(link | ({"edge_insert_idx": i} if value == 1 else {}))
    return {
        "directed": True,
        "graph": {"name": skeleton.name, "num_edges_inserted": len(skeleton.edges)},
        "links": links,
        "multigraph": True,
        "nodes": [{"id": k} for k in range(len(skeleton))],
    }


def _tables(labels: LabelSet) -> tuple[Mapping[str, np.ndarray], list[str]]:
    """The four tables, and the names of the tracks."""
    ids = sorted({*labels.instance_ids, *labels.individuals})
    several = labels.tracked and (len(ids) > 1 or bool(labels.individuals) or ids != [0])
    tracks = [labels.individuals.get(i, f"track_{i}") for i in ids] if several else []
    frames: list[tuple[Any, ...]] = []
    instances: list[tuple[Any, ...]] = []
    points: list[np.ndarray] = []
    predicted: list[np.ndarray] = []
    lengths = [0, 0]
    for frame, group in labels.by_frame().items():
        first = len(instances)
        for instance, one in group.items():
            shown = one.labelled
            for kind, keep in enumerate((shown & one.is_human, shown & ~one.is_human)):
                if not keep.any():
                    continue
                rows = np.zeros(len(one), _POINT + ([("score", "f8")] if kind else []))
                xy = np.where(keep[:, None], one.xy.astype(np.float64), np.nan)
                rows["x"], rows["y"] = xy.T
                rows["visible"] = keep & (one.visible > 0)
                rows["complete"] = rows["visible"] if not kind else False
                score = 0.0
                if kind:
                    sure = np.nan_to_num(one.confidence.astype(np.float64), nan=0.0)
                    rows["score"] = np.where(keep, sure, 0.0)
                    score = float(sure[keep].mean())
                (predicted if kind else points).append(rows)
                start, lengths[kind] = lengths[kind], lengths[kind] + len(one)
                track = ids.index(instance) if several else -1
                number, row = len(instances), len(frames)
                instances.append((number, kind, row, 0, track, -1, score, start, lengths[kind], 0.0))
        frames.append((len(frames), 0, frame, first, len(instances)))
    frame_table = np.array(frames, _FRAME)
    frame_table.dtype.names = ("frame_id", "video", "frame_idx", "instance_id_start", "instance_id_end")
    return {
        "frames": frame_table,
        "instances": np.array(instances, _INSTANCE),
        "points": np.concatenate([np.zeros(0, _POINT), *points]),
        "pred_points": np.concatenate([np.zeros(0, [*_POINT, ("score", "f8")]), *predicted]),
    }, tracks
