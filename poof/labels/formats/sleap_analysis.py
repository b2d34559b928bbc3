"""SLEAP's analysis ``.h5``: predicted tracks as dense arrays. It is read, not written: ``.slp`` holds more.

``tracks`` (track, xy, node, frame) unless an attribute ``dims`` says otherwise, NaN where there is nothing;
``point_scores`` (track, node, frame), ``node_names``, ``track_names``, ``edge_inds``, ``video_path``. The frames are
those of the video. All points are predicted: the file does not say which of them a person set.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from poof.errors import PoofError
from poof.labels.formats.foreign import settle_foreign
from poof.labels.formats.hdf5_formats import hdf5_kind, must_be_hdf5
from poof.labels.formats.reading import Choice
from poof.labels.hdf5 import MAGIC, Contents, read_hdf5
from poof.labels.model import LabelSet, Points, Skeleton, Source
from poof.labels.symmetry import mirror_pairs

__all__ = ["ENDINGS", "claims", "detect", "load", "save"]

ENDINGS: tuple[str, ...] = ()
_TRACKS = ("track", "xy", "node", "frame")
_SCORES = ("track", "node", "frame")


def detect(path: Path, head: bytes) -> bool:
    """Whether the file is HDF5 with tracks and nodes."""
    return head.startswith(MAGIC) and hdf5_kind(path) == "sleap-analysis"


def claims(path: Path) -> bool:
    """Never: it is not written."""
    del path
    return False


def save(labels: LabelSet, path: Path) -> None:
    """Not written."""
    raise PoofError(f"{path}: SLEAP's analysis files are read only; write .slp, or --to dlc-tracks for analysis")


def load(path: Path, choice: Choice) -> LabelSet:
    """Read an analysis file; see `poof.labels.load_labels` for the errors."""
    must_be_hdf5(path)
    contents = read_hdf5(path)
    names = contents.texts("/node_names")
    tracks = _ordered(contents, "/tracks", _TRACKS)
    count, pair, nodes, frames = tracks.shape
    if pair != 2 or nodes != len(names):
        raise PoofError(f"{path}: {nodes} points of {pair} coordinates for {len(names)} nodes; export it again")
    scores = np.full((count, nodes, frames), np.nan)
    if "/point_scores" in contents.datasets:
        scores = _ordered(contents, "/point_scores", _SCORES)
        if scores.shape != (count, nodes, frames):
            raise PoofError(f"{path}: point_scores does not fit tracks; export it again")
    try:
        edges = contents.values("/edge_inds").reshape(-1, 2).tolist() if "/edge_inds" in contents.datasets else []
        limbs = tuple((int(a), int(b)) for a, b in edges if 0 <= a < nodes and 0 <= b < nodes)
        skeleton = Skeleton(tuple(names), limbs, mirror_pairs(names))
    except (PoofError, ValueError) as error:
        raise PoofError(f"{path}: the skeleton is damaged ({error}); export it again") from None
    labels = LabelSet(skeleton)
    if "/track_names" in contents.datasets and contents.datasets["/track_names"].shape != (0,):
        individuals = contents.texts("/track_names")
        if individuals != [f"track_{i}" for i in range(count)]:
            labels.individuals = dict(enumerate(individuals[:count]))
    if "/video_path" in contents.datasets:
        labels.info["video"] = "".join(contents.texts("/video_path")[:1])
    with np.errstate(over="ignore", invalid="ignore"):
        xy = tracks.transpose(3, 0, 2, 1).astype(np.float32)
        sure = np.clip(scores.transpose(2, 0, 1), 0, 1).astype(np.float32)
    good = np.isfinite(xy[..., 0]) & np.isfinite(xy[..., 1])
    for frame, track in zip(*np.argwhere(good.any(axis=2)).T.tolist()):
        made = good[frame, track]
        points = Points.empty(nodes)
        points.xy[made] = xy[frame, track][made]
        points.visible[made] = 2
        points.source[made] = Source.PREDICTED
        points.confidence[made] = sure[frame, track][made]
        labels.add(int(frame), int(track), points)
    if not labels.instances:
        raise PoofError(f"{path}: holds no point; export it again")
    settle_foreign(path, labels, choice)
    return labels


def _ordered(contents: Contents, name: str, order: tuple[str, ...]) -> np.ndarray:
    """An array with its axes in this order; an attribute `dims` tells how they lie, else they lie so."""
    values = contents.values(name)
    if values.ndim != len(order) or values.dtype.kind not in "fiu":
        raise PoofError(f"{contents.path}: {name} is no array over {', '.join(order)}; export it again")
    dims: Any = contents.datasets[name].attributes.get("dims")
    if dims is None:
        return values.astype(np.float64)
    try:
        own = json.loads(dims)
        return values.transpose([own.index(axis) for axis in order]).astype(np.float64)
    except (ValueError, TypeError, AttributeError):
        raise PoofError(f"{contents.path}: {name} has unknown axes ({dims!r:.60}); export it again") from None
