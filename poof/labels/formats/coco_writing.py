"""Writing of COCO keypoints JSON; `poof.labels.formats.coco` says what the file holds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from poof.files import write_text
from poof.labels import record
from poof.labels.model import Array, LabelSet, Points, Source

VERSION = 1
"""Of the extra fields."""
LABELS = {source.value: source.label for source in Source}
"""`Source` -> its name in the file."""

_DECIMALS = 3


def save(labels: LabelSet, path: Path) -> None:
    """Write a COCO keypoints file, atomically."""
    numbers = {frame: i for i, frame in enumerate(sorted({*labels.frames, *labels.frame_names}), 1)}
    images = []
    for frame, number in numbers.items():
        image: dict[str, Any] = {"id": number, "file_name": labels.frame_names.get(frame, default_name(frame))}
        if labels.image_size:
            image["width"], image["height"] = labels.image_size
        images.append(image | {"frame_index": frame})
    extra: dict[str, Any] = {"version": VERSION, "tracked": labels.tracked}
    recorded = record.is_recorded(labels)
    if recorded:
        extra["written"] = record.list_of(labels)
    if labels.individuals:
        extra["individuals"] = {str(i): name for i, name in sorted(labels.individuals.items())}
    skeleton = labels.skeleton
    names = skeleton.keypoints
    category: dict[str, Any] = {
        "id": 1,
        "name": skeleton.name,
        "keypoints": list(names),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.edges],
        "poof": {"symmetry": [[names[a], names[b]] for a, b in skeleton.symmetry]},
    }
    document = {
        "info": _strict(labels.info),
        "poof": extra,
        "categories": [category],
        "images": images,
        "annotations": _annotations(labels, numbers, recorded),
    }
    write_text(path, _dump(document))


def _annotations(labels: LabelSet, numbers: Mapping[int, int], recorded: bool) -> Iterator[dict[str, Any]]:
    """One after the other: all of them take more memory than the labels themselves."""
    names = labels.skeleton.keypoints
    identified = labels.tracked and len(labels.instance_ids) > 1
    for i, (frame, instance, points) in enumerate(labels, 1):
        entry = _annotation(i, numbers[frame], frame, instance, points, names, identified)
        if recorded:
            stamps = record.stamps_of(frame, instance, points, names)
            entry["poof"] = entry.get("poof", {}) | {"written": stamps}
        yield entry


def _annotation(
    number: int, image: int, frame: int, instance: int, points: Points, keypoint_names: Sequence[str], identified: bool
) -> dict[str, Any]:
    """One annotation with the fields that COCO readers expect, and its provenance when there is any."""
    shown = points.labelled & (points.visible > 0)
    xy = points.xy.astype(np.float64).round(_DECIMALS)
    keypoints: list[float] = []
    for (x, y), flag, good in zip(xy.tolist(), points.visible.tolist(), shown.tolist()):
        keypoints += [_number(x), _number(y), flag] if good else [0, 0, 0]
    box = extent(xy[shown]) if points.box is None or not np.isfinite(points.box).all() else points.box
    bbox = [_number(v) for v in box]
    entry: dict[str, Any] = {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "keypoints": keypoints,
        "num_keypoints": int(shown.sum()),
        "bbox": bbox,
        "area": _number(bbox[2] * bbox[3]),
        "iscrowd": 0,
        "track_id": instance,
    }
    if identified:
        # 0 is no identity for sleap-io; for CVAT frames of a track that are no key frames are interpolated.
        entry["attributes"] = {"object_id": instance + 1, "track_id": instance + 1, "keyframe": True}
    machine = points.labelled & ~points.is_human
    if machine.any():
        known = points.confidence[machine & np.isfinite(points.confidence)].astype(np.float64).round(4)
        entry["score"] = round(float(known.mean()), 4) if len(known) else 0
    extra = _provenance(frame, points, shown, xy, keypoint_names)
    return entry | ({"poof": extra} if extra else {})


def _provenance(frame: int, points: Points, shown: Array, xy: Array, names: Sequence[str]) -> dict[str, Any]:
    """What COCO's own fields cannot hold, empty for points that a person set and that are in sight."""
    plain = Points.human(frame, np.where(shown[:, None], points.xy, np.nan), points.visible)
    fields = ("source", "anchor", "steps", "confidence")
    unseen = points.labelled & ~shown
    refined, disputed = points.was_refined, points.in_dispute
    extra: dict[str, Any] = {}
    if (unseen | refined | disputed).any() or not all(
        np.array_equal(getattr(points, f), getattr(plain, f), equal_nan=f == "confidence") for f in fields
    ):
        extra = {
            "source": [LABELS[code] for code in points.source.tolist()],
            "anchor": points.anchor.tolist(),
            "steps": points.steps.tolist(),
            "confidence": _rounded(points.confidence),
        }
    if unseen.any():
        extra["unseen"] = {str(k): [_number(v) for v in xy[k]] for k in np.flatnonzero(unseen)}
    if points.absent.any():
        extra["absent"] = [names[k] for k in np.flatnonzero(points.absent).tolist()]
    if points.presence is not None and np.isfinite(points.presence).any():
        extra["presence"] = _rounded(points.presence)
    if points.flow_xy is not None and refined.any():
        extra["flow"] = [[_number(v) for v in xy] if r else None for xy, r in zip(points.flow_xy, refined)]
    if disputed.any():
        extra["disputed"] = disputed.tolist()
    return extra


def _rounded(values: Array) -> list[float | None]:
    """Probabilities as the file holds them, null for unknown ones."""
    return [None if v != v else v for v in values.astype(np.float64).round(4).tolist()]


def default_name(frame: int) -> str:
    """The image name of a frame that has none of its own."""
    return f"img{frame:06d}.png"


def _number(value: float) -> float:
    """A coordinate as the file holds it; whole numbers as integers."""
    rounded = round(float(value), _DECIMALS)
    return int(rounded) if rounded.is_integer() else rounded


def _dump(document: Mapping[str, Any]) -> Iterator[str]:
    """JSON with one line for each image and annotation: compact, and still readable in a diff."""
    between = "{\n"
    for key, value in document.items():
        yield f"{between}{json.dumps(key)}: "
        between = ",\n"
        lines = map(_line, value) if isinstance(value, (list, Iterator)) else None
        first = next(lines, None) if lines is not None else _line(value)
        if lines is None or first is None:
            yield first or "[]"
            continue
        yield f"[\n{first}"
        yield from (f",\n{line}" for line in lines)
        yield "\n]"
    yield "\n}\n"


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _strict(value: Any) -> Any:
    """The same in strict JSON: numpy as plain numbers and lists, paths as text, NaN and infinities as null."""
    if isinstance(value, Mapping):
        return {str(k): _strict(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(v) for v in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return _strict(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def extent(xy: Array) -> Array:
    """x, y, width, height around the finite points; zeros without any."""
    good = xy[np.isfinite(xy).all(axis=1)]
    if not len(good):
        return np.zeros(4)
    low, high = good.min(axis=0), good.max(axis=0)
    return np.concatenate([low, high - low])
