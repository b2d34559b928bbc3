"""COCO keypoints JSON, the native format: what every peer reads, with provenance in extra fields they ignore.

A file is ``{"info", "images", "annotations", "categories"}`` (https://cocodataset.org/#format-data). The extra fields:

``image.frame_index``
    The 0-based frame; wins over the file name.
``annotation.track_id``
    The instance; the same individual in every frame when ``poof.tracked`` says so. In files of other tools also
    ``instance_id``, CVAT's ``attributes.track_id`` and sleap-io's ``attributes.object_id``, as numbers or text.
``annotation.poof``
    Provenance: ``source``, ``anchor``, ``steps``, ``confidence``, each a list over the keypoints, and ``unseen``,
    keypoint -> [x, y] of points that have coordinates although they are not visible (COCO wants 0, 0, 0 there).
    Left out where every labelled point is plainly a person's. Where there is something to say also ``absent``, the
    names of the keypoints that are not in the picture (0, 0, 0 in COCO's own field; who says so is in ``source``, a
    person where that is left out), and ``presence``, the probability of each keypoint to be there. In refined labels
    ``flow``, [x, y] where flow alone had put each keypoint or null, and ``disputed``, true or false for each.
    In files with points of a machine, ``written``, a stamp for each keypoint: see `poof.labels.record`.
``category.poof``
    ``symmetry``: pairs [left, right] of names.
``poof``
    ``version`` of these fields, ``tracked``, ``individuals`` (instance -> name), ``written``, the list of all points.

In a file of other origin an annotation with a ``score`` is a model's, and one that CVAT interpolated between key frames
(``attributes.keyframe`` false) is no label; categories with the same keypoints are individuals, one each; an empty
keypoint of a subject that has others is absent (`--missing`, see `load_labels`); and without a single visibility of 2,
1 is taken to mean visible, with a `PoofWarning`.
`LabelSet.info` is the file's ``info``. A box equal to the extent of the visible points says nothing and is not kept.
Coordinates are written with three decimals.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np

from poof.errors import PoofError, PoofWarning
from poof.labels import record
from poof.labels.formats.coco_schema import categories_of, identities_of, is_whole, skeleton_of
from poof.labels.formats.coco_writing import LABELS, VERSION, default_name, extent, save
from poof.labels.formats.foreign import drop_boxes, settle_foreign
from poof.labels.formats.reading import Choice, frame_number, frames_of, read_text
from poof.labels.formats.words import is_persons
from poof.labels.model import MAX_COORDINATE, Array, LabelSet, Points, Skeleton, Source, Visible

__all__ = ["ENDINGS", "claims", "detect", "load", "save"]

ENDINGS: tuple[str, ...] = (".json",)
_BOX_TOLERANCE = 0.01
_IDS = (("images", "id"), ("categories", "id"), ("annotations", "image_id"), ("annotations", "category_id"))


def detect(path: Path, head: bytes) -> bool:
    """Whether the file is JSON at all; `load` says what is wrong with JSON that is not COCO."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def claims(path: Path) -> bool:
    """Whether the name ends in .json."""
    return path.suffix.lower() in ENDINGS


def load(path: Path, choice: Choice) -> LabelSet:
    """Read a COCO keypoints file; see `poof.labels.load_labels` for the errors."""
    document = _parse(path)
    ours = "poof" in document
    categories = categories_of(path, document, choice.category)
    skeleton = skeleton_of(path, categories[0], ours)
    annotations = _annotations(path, document, categories, len(skeleton), ours)
    frames, names, size = _images(path, document, annotations, choice)
    annotations = [a for a in annotations if a["image_id"] in frames]
    extra, info = (document.get(key) for key in ("poof", "info"))
    extra = extra if isinstance(extra, dict) else {}
    if is_whole(extra.get("version")) and extra["version"] > VERSION:
        raise PoofError(f"{path}: was written by a newer poof (version {extra['version']} of its fields); update poof")
    labels = LabelSet(skeleton, image_size=size, frame_names=names, info=info if isinstance(info, dict) else {})
    identities, individuals = identities_of(path, annotations)
    if len(categories) > 1:
        individuals = {i: str(category.get("name")) for i, category in enumerate(categories)}
        places = {category.get("id"): i for i, category in enumerate(categories)}
        identities = [places[a.get("category_id", categories[0].get("id"))] for a in annotations]
    identified = all(i is not None for i in identities)
    order: dict[int, count[int]] = {}
    stamps: dict[tuple[int, int], list[str]] = {}
    for annotation, identity in zip(annotations, identities):
        frame = frames[annotation["image_id"]]
        number = next(order.setdefault(frame, count()))
        instance = identity if identified and identity is not None else number
        points = _points(path, frame, annotation, skeleton, ours)
        if (frame, instance) in labels.instances:
            raise PoofError(f"{path}: frame {frame}: instance {instance} is labelled twice; keep one of them")
        if points.decided.any():
            labels.add(frame, instance, points)
        stamps[frame, instance] = _stamps(annotation, len(skeleton))
    if isinstance(extra.get("written"), dict):
        labels.changes = record.restate(labels, stamps, extra["written"], choice.missing == "absent")
    if not labels.instances:
        raise PoofError(f"{path}: holds no labelled keypoint; label at least one frame")
    if not ours:
        _warn_of_rounding(path, labels)
        _correct_yes_and_no(path, labels)
        settle_foreign(path, labels, choice)
    else:
        drop_boxes(path, labels, ours=True)
    single = all(len(instances) == 1 for instances in labels.by_frame().values())
    labels.tracked = bool(extra.get("tracked", identified or single))
    if not identified and single:
        labels.instances = {(frame, 0): points for frame, _, points in labels}
        labels.assumed_absent = {(frame, 0, k) for frame, _, k in labels.assumed_absent}
    try:
        labels.individuals = individuals | {int(k): str(v) for k, v in (extra.get("individuals") or {}).items()}
    except (AttributeError, ValueError):
        raise PoofError(f"{path}: the list of individuals in the field 'poof' is damaged; remove it") from None
    return labels


def _warn_of_rounding(path: Path, labels: LabelSet) -> None:
    """Label Studio's COCO export rounds every coordinate to whole pixels."""
    if labels.info.get("contributor") != "Label Studio":
        return
    whole = all((points.xy[points.labelled] % 1 == 0).all() for points in labels.instances.values())
    if whole:
        warnings.warn(
            f"{path}: Label Studio's COCO export rounds to whole pixels; export JSON there, which poof reads, for exact"
            " labels",
            PoofWarning,
            stacklevel=4,
        )


def _stamps(annotation: Mapping[str, Any], keypoints: int) -> list[str]:
    """The stamp of every keypoint, '' where there is none."""
    extra = annotation.get("poof")
    stamps = extra.get("written") if isinstance(extra, dict) else None
    if not (isinstance(stamps, list) and len(stamps) == keypoints):
        return [""] * keypoints
    return [stamp if isinstance(stamp, str) else "" for stamp in stamps]


def _correct_yes_and_no(path: Path, labels: LabelSet) -> None:
    """Some tools write visibility as 0 or 1; that a whole file of points were occluded is the less likely reading."""
    if not any((points.visible == Visible.VISIBLE).any() for points in labels.instances.values()):
        for points in labels.instances.values():
            points.visible[points.labelled] = Visible.VISIBLE
        warnings.warn(
            f"{path}: no keypoint has COCO's visibility 2 (visible); took 1 as visible, not as occluded",
            PoofWarning,
            stacklevel=4,
        )


def _parse(path: Path) -> dict[str, Any]:
    """The JSON object of the file."""
    try:
        document = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise PoofError(
            f"{path}: is broken JSON at line {error.lineno}, column {error.colno} ({error.msg}); export it again"
        ) from None
    except (RecursionError, ValueError) as error:  # nested too deeply; a number of thousands of digits
        raise PoofError(f"{path}: is no label file ({error}); export it again") from None
    if isinstance(document, list):
        raise PoofError(f"{path}: is a JSON list, perhaps COCO results; give a COCO file with images and categories")
    if not isinstance(document, dict):
        raise PoofError(f"{path}: is JSON but not a COCO file; export as COCO keypoints")
    for key in ("images", "annotations", "categories"):
        if not isinstance(document.get(key), list):
            raise PoofError(f"{path}: is JSON but not a COCO file: it has no list '{key}'; export as COCO keypoints")
        if not all(isinstance(item, dict) for item in document[key]):
            raise PoofError(f"{path}: is no COCO file: '{key}' holds something else than objects; export it again")
    for key, field in _IDS:
        if any(isinstance(item.get(field), (list, dict)) for item in document[key]):
            raise PoofError(f"{path}: is no COCO file: a {field} of '{key}' is no number; export it again")
    return document


def _annotations(
    path: Path, document: Mapping[str, Any], categories: Sequence[Mapping[str, Any]], keypoints: int, ours: bool
) -> list[dict[str, Any]]:
    """The annotations of the categories that have keypoints, all naming an image of the file.

    CVAT exports what it interpolated between key frames as well, and marks it; that is nobody's label.
    """
    known = {c.get("id") for c in document["categories"]}
    images = {image.get("id") for image in document["images"]}
    wanted = [category.get("id") for category in categories]
    found = []
    interpolated = 0
    for annotation in document["annotations"]:
        where = f"{path}: annotation {annotation.get('id')}"
        own = annotation.get("category_id", wanted[0])
        if own not in known:
            raise PoofError(f"{where}: names category {own}, which the file does not have; export it again")
        if own not in wanted or not annotation.get("keypoints"):
            continue
        if not ours and _attribute(annotation, "keyframe") is False:
            interpolated += 1
            continue
        image = annotation.get("image_id")
        if image is None:
            raise PoofError(f"{where}: names no image; give it an image_id, or remove it")
        if image not in images:
            raise PoofError(f"{where}: names image {image}, which the file does not have; remove it")
        values = annotation["keypoints"]
        if not isinstance(values, list) or len(values) != 3 * keypoints:
            got = len(values) if isinstance(values, list) else type(values).__name__
            raise PoofError(
                f"{where}: has {got} numbers for {keypoints} keypoints, not {3 * keypoints} (x, y, visible for each);"
                " export it again"
            )
        found.append(annotation)
    if not found:
        kind = f"holds no annotation with keypoints of '{categories[0].get('name')}'"
        if interpolated:
            kind = f"holds {interpolated} interpolated annotations and no key frame"
        raise PoofError(f"{path}: {kind}; label a frame first")
    return found


def _attribute(annotation: Mapping[str, Any], name: str) -> Any:
    """A value of CVAT's attributes, as a truth value where it is one in words."""
    attributes = annotation.get("attributes")
    value = attributes.get(name) if isinstance(attributes, dict) else None
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


def _images(
    path: Path, document: Mapping[str, Any], annotations: Sequence[Mapping[str, Any]], choice: Choice
) -> tuple[dict[Any, int], dict[int, str], tuple[int, int] | None]:
    """Image id -> frame of the annotated images, frame -> file name, and the size they share."""
    images: dict[Any, dict[str, Any]] = {}
    for image in document["images"]:
        if image.get("id") in images:
            raise PoofError(f"{path}: two images have the id {image.get('id')}; number them anew")
        images[image.get("id")] = image
    used = list(dict.fromkeys(a["image_id"] for a in annotations))
    by_name: dict[str, Any] = {}
    frames: dict[Any, int] = {}
    for key in used:
        image = images[key]
        if image.get("frame_index") is not None:
            frames[key] = _frame_index(path, image)
            continue
        name = image.get("file_name")
        if not isinstance(name, str) or not name:
            raise PoofError(f"{path}: image {key} has neither frame_index nor file_name; add one of them")
        if name in by_name:
            raise PoofError(f"{path}: the images {by_name[name]} and {key} are both '{name}'; keep one of them")
        by_name[name] = key
    if by_name:
        for name, frame in frames_of(path, list(by_name), choice).items():
            frames[by_name[name]] = frame
    taken: dict[int, Any] = {}
    for key, frame in frames.items():
        if frame in taken:
            raise PoofError(f"{path}: the images {taken[frame]} and {key} are both frame {frame}; keep one of them")
        taken[frame] = key
    size = _size(path, [images[key] for key in taken.values()])
    for key, image in images.items():
        if key not in frames and image.get("frame_index") is not None:
            taken.setdefault(_frame_index(path, image), key)
    names = {}
    for frame, key in taken.items():
        name = images[key].get("file_name")
        if isinstance(name, str) and name and name != default_name(frame):
            names[frame] = name
    return frames, names, size


def _frame_index(path: Path, image: Mapping[str, Any]) -> int:
    """The frame that an image names itself."""
    value = image["frame_index"]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise PoofError(f"{path}: image {image.get('id')}: frame_index {value!r:.40} is no number; correct it")
    return frame_number(value, f"{path}: image {image.get('id')}")


def _size(path: Path, images: Sequence[Mapping[str, Any]]) -> tuple[int, int] | None:
    """(width, height) when every image gives one, which must then be the same."""
    sizes: dict[tuple[int, int], Any] = {}
    for image in images:
        width, height = image.get("width"), image.get("height")
        if not (is_whole(width) and is_whole(height) and width > 0 and height > 0):
            return None
        sizes.setdefault((int(width), int(height)), image.get("file_name") or image.get("id"))
    if len(sizes) > 1:
        (first, a), (second, b) = list(sizes.items())[:2]
        raise PoofError(
            f"{path}: image '{a}' is {first[0]}x{first[1]} and '{b}' {second[0]}x{second[1]};"
            " label the frames of one video at one size"
        )
    return next(iter(sizes))


def _points(path: Path, frame: int, annotation: Mapping[str, Any], skeleton: Skeleton, ours: bool) -> Points:
    """The points of one annotation; those of other tools with a score are a model's."""
    for value in annotation["keypoints"]:
        if isinstance(value, bool) or not isinstance(value, (int, float, NoneType)):  # numpy makes numbers of texts
            raise PoofError(f"{path}: frame {frame}: a keypoint holds {value!r:.40} instead of a number; correct it")
    try:
        with np.errstate(over="ignore"):
            table = np.asarray(annotation["keypoints"], np.float64).astype(np.float32).reshape(-1, 3)
    except OverflowError:
        raise PoofError(f"{path}: frame {frame}: a keypoint holds a huge integer; correct it") from None
    flags = table[:, 2]
    for k in np.flatnonzero(~np.isin(flags, (0, 1, 2))):
        raise PoofError(
            f"{path}: frame {frame}: {skeleton.keypoints[k]} has visibility {flags[k]:g}, not 0, 1 or 2; correct it"
        )
    for k in np.flatnonzero((flags > 0) & ~np.isfinite(table[:, :2]).all(axis=1)):
        raise PoofError(
            f"{path}: frame {frame}: {skeleton.keypoints[k]} is at ({table[k, 0]:g}, {table[k, 1]:g});"
            " give finite coordinates or visibility 0"
        )
    xy = np.where(flags[:, None] > 0, table[:, :2], np.nan)
    points = Points.human(frame, xy, flags.astype(np.int8))
    extra = annotation.get("poof")
    score = annotation.get("score")
    if not ours and isinstance(score, (int, float)) and not isinstance(score, bool):
        made = points.labelled
        points.source[made] = Source.PREDICTED
        points.anchor[made] = -1
        points.confidence[made] = float(score) if 0 <= score <= 1 else np.nan
    if isinstance(extra, dict):
        _restore(path, frame, points, extra, skeleton)
    points.box = _box(annotation.get("bbox"), xy)
    return points


def _restore(path: Path, frame: int, points: Points, extra: Mapping[str, Any], skeleton: Skeleton) -> None:
    """Provenance from the extra field of an annotation."""
    try:
        for k, xy in (extra.get("unseen") or {}).items():
            if points.visible[int(k)] <= 0:  # a tool may have made it a point in sight since
                points.xy[int(k)] = xy
        _restore_absent(frame, points, extra, skeleton)
        if "source" in extra:
            codes = {label: code for code, label in LABELS.items()}
            columns = {
                "source": [Source.HUMAN if is_persons(str(name)) else codes[name] for name in extra["source"]],
                "anchor": extra["anchor"],
                "steps": extra["steps"],
                "confidence": _probabilities(extra["confidence"]),
            }
            for name, values in columns.items():
                if len(values) != len(points):
                    raise ValueError(f"{len(values)} values of {name}")
                getattr(points, name)[:] = values
        if extra.get("presence") is not None:
            points.presence = np.full(len(points), np.nan, np.float32)
            points.presence[:] = _probabilities(extra["presence"])
        _restore_refinement(points, extra)
    except (KeyError, ValueError, TypeError, IndexError, OverflowError, AttributeError):
        raise PoofError(
            f"{path}: frame {frame}: the field 'poof' of an annotation is damaged; remove it or write the file again"
        ) from None
    # Somebody may have added or removed points with a tool that carries the field along without knowing it.
    points.source[~points.decided] = Source.NONE
    points.source[points.decided & (points.source == Source.NONE)] = Source.HUMAN


def _restore_absent(frame: int, points: Points, extra: Mapping[str, Any], skeleton: Skeleton) -> None:
    """The absent keypoints; a point that has been given coordinates since is not absent any more."""
    absent = np.zeros(len(points), bool)
    absent[[skeleton.keypoints.index(name) for name in extra.get("absent") or ()]] = True
    # By its stamp a point was there when this was written: then it is the word that is new, not the coordinates.
    there = np.array([stamp[:1] in ("v", "o") for stamp in _stamps({"poof": extra}, len(points))], bool)
    absent &= ~points.labelled | there
    points.xy[absent] = np.nan
    points.visible[absent] = Visible.ABSENT
    points.source[absent] = Source.HUMAN
    points.anchor[absent] = frame
    points.confidence[absent] = 1.0


def _probabilities(values: Sequence[Any]) -> list[float]:
    """Numbers in 0..1, NaN for null; a `ValueError` or `TypeError` for anything else."""
    numbers = [math.nan if v is None else v for v in values]
    if any(not (v != v or 0 <= v <= 1) for v in numbers):
        raise ValueError("a probability outside 0..1")
    return numbers


def _restore_refinement(points: Points, extra: Mapping[str, Any]) -> None:
    """What the extra field tells of refined points; a `ValueError` or `TypeError` when it is damaged."""
    flow, disputed = extra.get("flow"), extra.get("disputed")
    for name, values in (("flow", flow), ("disputed", disputed)):
        if values is not None and not (isinstance(values, list) and len(values) == len(points)):
            raise ValueError(f"{name} is no list over the keypoints")
    if flow is not None:
        with np.errstate(over="ignore"):
            points.flow_xy = np.array([(math.nan, math.nan) if xy is None else _place(xy) for xy in flow], np.float32)
        if np.isinf(points.flow_xy).any():
            raise ValueError("a place beyond all pixels")
    if disputed is not None:
        if not all(isinstance(value, bool) for value in disputed):
            raise ValueError("disputed is neither true nor false")
        points.disputed = np.array(disputed, bool)


def _place(value: Any) -> tuple[float, float]:
    """A JSON value as [x, y], both finite."""
    x, y = value
    if any(isinstance(v, bool) or not isinstance(v, (int, float)) or not math.isfinite(v) for v in (x, y)):
        raise ValueError(f"{value!r:.40} is no place")
    return x, y


def _box(value: Any, xy: Array) -> Array | None:
    """x, y, width, height of the file; None when absent, unusable or the mere extent of the points."""
    if not (isinstance(value, list) and len(value) == 4 and all(isinstance(v, (int, float)) for v in value)):
        return None
    if any(abs(v) > MAX_COORDINATE for v in value):
        return None
    box = np.asarray(value, np.float32)
    if not np.isfinite(box).all() or np.allclose(box, extent(xy), rtol=0, atol=_BOX_TOLERANCE):
        return None
    return box
