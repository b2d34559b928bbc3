"""SLEAP's ``.slp`` (HDF5): labels and predictions of one or several videos.

``/videos_json``, ``/tracks_json``
    A JSON text for each video and track.
``/metadata``, attribute ``json``
    Skeletons: node names, edges, symmetric pairs.
``/frames``, ``/instances``, ``/points``, ``/pred_points``
    Structured arrays; a frame is a range of instances, an instance a range of points. `frame_idx` is the n-th frame of
    the video. An instance is a person's (type 0) or predicted (type 1, its points have scores).

A person's point that SLEAP calls not visible is covered if it has coordinates. Where a frame has an instance of a
person and a predicted one of the same track, the person's takes the place of the other, as in SLEAP. Files older than
format 1.1 count pixels from the corner of the image; they are moved by half a pixel.

Our own files have all that is known of each point in a group ``/poof`` (`poof.labels.formats.provenance`), which
sleap-io keeps when it saves the file again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from poof.errors import PoofError, names_near
from poof.labels.formats.foreign import settle_foreign
from poof.labels.formats.hdf5_formats import hdf5_kind, must_be_hdf5
from poof.labels.formats.provenance import GROUP, restored_from
from poof.labels.formats.reading import Choice, base_name, frame_number, frames_of
from poof.labels.formats.sleap_writing import save
from poof.labels.hdf5 import MAGIC, Contents, read_hdf5
from poof.labels.model import LabelSet, Points, Skeleton, Source, Visible
from poof.labels.symmetry import mirror_pairs

__all__ = ["ENDINGS", "claims", "detect", "load", "save"]

ENDINGS: tuple[str, ...] = (".slp",)
_FIELDS = {
    "/frames": ("video", "frame_idx", "instance_id_start", "instance_id_end"),
    "/instances": ("instance_type", "skeleton", "track", "point_id_start", "point_id_end"),
    "/points": ("x", "y", "visible"),
    "/pred_points": ("x", "y", "visible", "score"),
}
_TRACK = re.compile(r"track_([0-9]{1,9})")
_LINK = {1: "edge", 2: "symmetry"}


def detect(path: Path, head: bytes) -> bool:
    """Whether the file is HDF5 with SLEAP's tables."""
    return head.startswith(MAGIC) and hdf5_kind(path) == "sleap"


def claims(path: Path) -> bool:
    """Whether the name ends in .slp."""
    return path.suffix.lower() in ENDINGS


def load(path: Path, choice: Choice) -> LabelSet:
    """Read a SLEAP file; see `poof.labels.load_labels` for the errors."""
    must_be_hdf5(path)
    contents = read_hdf5(path, [*_FIELDS, "/videos_json", "/tracks_json", "/video_crops", f"{GROUP}/*"])
    tables = {name: _table(contents, name, fields) for name, fields in _FIELDS.items()}
    metadata = _metadata(contents)
    video, name, size, images = _video(path, contents, tables["/frames"], choice)
    skeleton, number = _skeleton(path, metadata, tables["/instances"], choice.category)
    labels = LabelSet(skeleton, image_size=size)
    labels.info["video"] = name
    tracks = [_track_name(path, text) for text in contents.texts("/tracks_json")]
    numbers, labels.individuals = _numbered(tracks)
    version = contents.groups.get("/metadata", {}).get("format_id")
    shift = 0.5 if isinstance(version, (int, float)) and version < 1.1 else 0.0
    found = list(_instances(path, tables, video, number, len(skeleton), shift))
    frames = _frames(path, [frame for frame, _ in found], images, labels, choice)
    _fill(labels, [(frames[frame], one) for frame, one in found if frame in frames], numbers)
    if not labels.instances:
        raise PoofError(f"{path}: holds no labelled point; label at least one frame")
    told = restored_from(contents, labels)
    exempt = {(f, i, k) for f, i in told for k in range(len(skeleton))}
    settle_foreign(path, labels, choice, exempt, kept=exempt)
    return labels


@dataclass
class _Instance:
    """An instance as the file has it: its points, track (-1: none), and the predicted instance that it came from."""

    points: Points
    human: bool
    track: int
    source: int
    number: int


def _table(contents: Contents, name: str, fields: Sequence[str]) -> np.ndarray:
    """A structured array with these fields."""
    table = contents.values(name)
    if table.dtype.names is None or not set(fields) <= set(table.dtype.names) or table.ndim != 1:
        raise PoofError(f"{contents.path}: {name} is no table with {', '.join(fields)}; save it again with SLEAP")
    return table


def _json(path: Path, text: Any, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise PoofError(f"{path}: {what} is no JSON; save it again with SLEAP") from None


def _track_name(path: Path, text: str) -> str:
    """The name in [frame where the track begins, name]."""
    track = _json(path, text, "a track")
    if not isinstance(track, list) or len(track) < 2:
        raise PoofError(f"{path}: a track has no name; save it again with SLEAP")
    return str(track[1])


def _metadata(contents: Contents) -> dict[str, Any]:
    """The JSON of the metadata, with nodes and skeletons."""
    text = contents.groups.get("/metadata", {}).get("json")
    if text is None:
        raise PoofError(f"{contents.path}: has no skeleton (/metadata lacks json); save it again with SLEAP")
    metadata = _json(contents.path, text, "the metadata")
    if not isinstance(metadata, dict):
        raise PoofError(f"{contents.path}: the metadata are no object; save it again with SLEAP")
    return metadata


# ------------------------------------------------------------------------------------------------ videos


def _video(
    path: Path, contents: Contents, frames: np.ndarray, choice: Choice
) -> tuple[int, str, tuple[int, int] | None, list[str]]:
    """Number in `frames`, name, size and images (of an image sequence) of the chosen video."""
    entries = [_json(path, text, "a video") for text in contents.texts("/videos_json")]
    if not entries:
        raise PoofError(f"{path}: names no video; add the video in SLEAP and save it again")
    known: dict[int, tuple[str, Any, list[str]]] = {}
    for i, entry in enumerate(entries):
        backend = entry.get("backend") if isinstance(entry, dict) else None
        if not isinstance(backend, dict):
            raise PoofError(f"{path}: video {i} is described by no object; save it again with SLEAP")
        images = [str(name) for name in backend.get("filenames") or []]
        name = str(images[0] if images else backend.get("filename") or entry.get("filename") or "")
        embedded = re.fullmatch(r"video([0-9]+)/video", str(backend.get("dataset") or ""))
        if name == "." and embedded:  # the images lie in the file; the video they were taken from has a name of its own
            source = contents.groups.get(f"/video{embedded.group(1)}/source_video", {}).get("json")
            origin = _json(path, source, "a video") if source else {}
            name = str((origin.get("backend") or {}).get("filename") or origin.get("filename") or name)
        known[int(embedded.group(1)) if embedded else i] = (name, backend.get("shape"), images)
    used = [int(v) for v in dict.fromkeys(frames["video"].tolist())]
    for number in used:
        if number not in known:
            raise PoofError(f"{path}: a frame belongs to video {number}, which the file does not have; save it again")
    if not used:
        raise PoofError(f"{path}: holds no labelled frame; label at least one frame")
    chosen = used[0]
    if len(used) > 1:
        wanted = Path(choice.video).stem if choice.video else None
        matching = [n for n in used if wanted and wanted in (_stem(known[n][0]), _folder(known[n]))]
        if len(matching) != 1:
            names = ", ".join(_folder(known[n]) or _stem(known[n][0]) or str(n) for n in used)
            asked = f"; '{wanted}' is {'several' if matching else 'none'} of them" if wanted else ""
            raise PoofError(f"{path}: holds the labels of several videos ({names}){asked}; choose one (--video)")
        chosen = matching[0]
    if "/video_crops" in contents.datasets:
        for text in contents.texts("/video_crops"):
            if f'"video": {chosen}' in text or f'"video":{chosen}' in text:
                raise PoofError(f"{path}: the video is cropped in SLEAP; save the labels of the whole video")
    name, shape, images = known[chosen]
    try:
        _, height, width, _ = (int(v) for v in shape)
        size = (width, height) if width > 0 and height > 0 else None
    except (TypeError, ValueError):
        size = None
    return chosen, name, size, images


def _stem(name: str) -> str:
    return Path(base_name(name)).stem


def _folder(video: tuple[str, Any, list[str]]) -> str:
    """The folder of an image sequence, '' for a video file."""
    return video[0].replace("\\", "/").split("/")[-2] if video[2] and "/" in video[0].replace("\\", "/") else ""


def _frames(
    path: Path, wanted: Sequence[int], images: Sequence[str], labels: LabelSet, choice: Choice
) -> dict[int, int]:
    """Index in the file -> frame; of an image sequence by the names of the images, where the frames have names."""
    wanted = sorted(set(wanted))
    if not images:
        return {index: index for index in wanted}
    for index in wanted:
        if index >= len(images):
            raise PoofError(f"{path}: frame {index} lies behind the {len(images)} images of the video; save it again")
    names = {index: images[index] for index in wanted}
    if choice.frame_names:
        by_name = frames_of(path, list(names.values()), choice)
        frames = {index: by_name[name] for index, name in names.items() if name in by_name}
    else:
        frames = {index: index for index in wanted}
    labels.frame_names = {frame: names[index] for index, frame in frames.items()}
    return frames


# ------------------------------------------------------------------------------------------------ skeletons


def _skeleton(
    path: Path, metadata: Mapping[str, Any], instances: np.ndarray, wanted: str | None
) -> tuple[Skeleton, int]:
    """The skeleton of the instances and its number: the one that is asked for, or the only one in use."""
    try:
        nodes = [str(node["name"]) for node in metadata["nodes"]]
        skeletons = [one.get("nx_graph", one) for one in metadata["skeletons"]]
        names = [str(one["graph"].get("name") or f"skeleton {i}") for i, one in enumerate(skeletons)]
        used = sorted({int(v) for v in instances["skeleton"]}) or [0]
        if wanted is not None:
            used = [i for i in range(len(skeletons)) if names[i] == wanted]
            if not used:
                raise PoofError(f"{path}: no skeleton '{wanted}'; it has {names_near(wanted, names)}")
        if len(used) > 1:
            raise PoofError(
                f"{path}: several skeletons are in use ({', '.join(names[i] for i in used)}); choose one (--category)"
            )
        one = skeletons[used[0]]
        ids = [int(node["id"]) for node in one["nodes"]]
        keypoints = tuple(nodes[i] for i in ids)
        pairs = _links(one["links"], {node: k for k, node in enumerate(ids)})
        bare = Skeleton(keypoints)
    except PoofError as error:
        raise error if str(error).startswith(str(path)) else PoofError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        raise PoofError(f"{path}: the skeleton is damaged; save it again with SLEAP") from None
    named = mirror_pairs(bare.keypoints)  # SLEAP's pairs have no order, ours are left and right
    found = dict.fromkeys(pair[::-1] if pair[::-1] in named else pair for pair in pairs["symmetry"])
    symmetry = tuple(found) or named
    return Skeleton(keypoints, tuple(pairs["edge"]), symmetry, names[used[0]]), used[0]


def _links(links: Sequence[Any], place: Mapping[int, int]) -> dict[str, list[tuple[int, int]]]:
    """Edges and symmetric pairs; jsonpickle writes a link's type once and refers to it afterwards."""
    found: dict[str, list[tuple[int, int]]] = {"edge": [], "symmetry": []}
    told: dict[int, int] = {}
    edges: list[tuple[int, tuple[int, int]]] = []
    for link in links:
        kind = link["type"]
        if "py/reduce" in kind:
            value = int(kind["py/reduce"][1]["py/tuple"][0])
            told[len(told) + 1] = value
        else:
            value = told.get(int(kind["py/id"]), int(kind["py/id"]))
        pair = (place[int(link["source"])], place[int(link["target"])])
        if _LINK.get(value) == "edge":
            edges.append((int(link.get("edge_insert_idx", len(edges))), pair))
        elif _LINK.get(value) == "symmetry" and pair[::-1] not in found["symmetry"]:
            found["symmetry"].append(pair)
    found["edge"] = [pair for _, pair in sorted(edges, key=lambda edge: edge[0])]
    return found


def _numbered(tracks: Sequence[str]) -> tuple[list[int], dict[int, str]]:
    """Instance of each track, and the names worth keeping: those that writing would not give by itself."""
    found = [_TRACK.fullmatch(name) for name in tracks]
    numbers = [int(match.group(1)) for match in found if match]
    if len(set(numbers)) == len(tracks):
        return numbers, {}
    return list(range(len(tracks))), dict(enumerate(tracks))


# ------------------------------------------------------------------------------------------------ instances


def _instances(
    path: Path, tables: Mapping[str, np.ndarray], video: int, skeleton: int, keypoints: int, shift: float
) -> Iterator[tuple[int, _Instance]]:
    """(frame index, instance) of the video and skeleton, in the order of the file."""
    instances = tables["/instances"]
    ids = instances["instance_id"].tolist() if "instance_id" in (instances.dtype.names or ()) else range(len(instances))
    origin = instances["from_predicted"].tolist() if "from_predicted" in (instances.dtype.names or ()) else None
    for frame in tables["/frames"]:
        if int(frame["video"]) != video:
            continue
        index = frame_number(int(frame["frame_idx"]), str(path))
        first, last = int(frame["instance_id_start"]), int(frame["instance_id_end"])
        if not 0 <= first <= last <= len(instances):
            raise PoofError(f"{path}: frame {index}: its instances {first}..{last} are not in the file; save it again")
        for i in range(first, last):
            one = instances[i]
            if int(one["skeleton"]) != skeleton:
                continue
            human = int(one["instance_type"]) == 0
            rows = tables["/points" if human else "/pred_points"][int(one["point_id_start"]) : int(one["point_id_end"])]
            if len(rows) != keypoints:
                raise PoofError(f"{path}: frame {index}: {len(rows)} points for {keypoints} keypoints; save it again")
            source = -1 if origin is None else int(origin[i])
            yield index, _Instance(_points(index, rows, human, shift), human, int(one["track"]), source, int(ids[i]))


def _points(frame: int, rows: np.ndarray, human: bool, shift: float) -> Points:
    """The points of one instance."""
    with np.errstate(over="ignore", invalid="ignore"):
        xy = np.stack([rows["x"], rows["y"]], axis=1).astype(np.float64) - shift
        xy = xy.astype(np.float32)
    xy[~np.isfinite(xy).all(axis=1)] = np.nan
    points = Points.human(frame, xy, np.where(rows["visible"], Visible.VISIBLE, Visible.OCCLUDED))
    if not human:
        made = points.labelled
        points.source[made] = Source.PREDICTED
        points.anchor[made] = -1
        points.confidence[made] = np.clip(rows["score"][made], 0, 1)  # SLEAP's peaks overshoot 1 a little
    return points


def _fill(labels: LabelSet, found: Sequence[tuple[int, _Instance]], numbers: Sequence[int]) -> None:
    """Put the instances in, each under its track; what a person set takes the place of what was predicted there.

    Where the two have no keypoint in common, they complete each other: so we write a frame of which a person set some
    points only.
    """
    frames: dict[int, list[_Instance]] = {}
    for frame, one in found:
        frames.setdefault(frame, []).append(one)
    by_number = {one.number: one for _, one in found}
    untracked = False
    for frame, instances in frames.items():
        free = count(max(numbers, default=-1) + 1)
        replaced = {one.source for one in instances if one.human and one.source >= 0}
        taken: dict[int, list[_Instance]] = {}
        alone = sum(one.human for one in instances) <= 1 and sum(not one.human for one in instances) <= 1
        for one in instances:
            track = one.track
            if track < 0 and one.human and one.source in by_number:
                track = by_number[one.source].track
            if 0 <= track < len(numbers):
                key = numbers[track]
            elif not numbers and alone:
                key = 0
            elif not one.human and one.number in replaced:
                continue
            else:
                key, untracked = next(free), True
            taken.setdefault(key, []).append(one)
        for key, those in taken.items():
            merged = Points.empty(len(labels.skeleton))
            for one in sorted(those, key=lambda one: one.human):
                apart = not (merged.labelled & one.points.labelled).any()
                merged.put(one.points.labelled if apart or not one.human else np.ones(len(merged), bool), one.points)
            if merged.labelled.any():
                labels.add(frame, key, merged)
    labels.tracked = not untracked or all(len(v) == 1 for v in labels.by_frame().values())
