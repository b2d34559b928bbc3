"""Label Studio's task JSON: a list of tasks with annotations and predictions, coordinates in per cent of the image.

A task is an image (one frame) or a video (regions with a ``sequence`` of key frames, counted from 1). Regions of the
type ``keypointlabels`` are points; a rectangle that they hang on (``parentID`` or a relation) is the individual, its
label the name. What a person submitted stands in ``annotations``, ``predictions`` come from models, with scores; those
of a task count where no annotation is. The smaller JSON-MIN export is understood too. Label Studio's COCO export
rounds to whole pixels; this one does not.

The frame of an image is ``meta.video.frame_idx``, as sleap-io writes it, else it is told by the image's name, as
everywhere. Written are image tasks: a person's points as an annotation, all others as a prediction with a score for
each region.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from poof.errors import PoofError, PoofWarning
from poof.labels.formats.dlc_sheet import SINGLE
from poof.labels.formats.foreign import settle_foreign
from poof.labels.formats.label_studio_writing import OURS, save
from poof.labels.formats.reading import Choice, base_name, frame_number, frames_of, read_text
from poof.labels.model import LabelSet, Points, Skeleton, Source, Visible
from poof.labels.symmetry import mirror_pairs

__all__ = ["ENDINGS", "claims", "detect", "load", "save"]

ENDINGS: tuple[str, ...] = (".json",)
_POINTS = "keypointlabels"
_BOXES = "rectanglelabels"
_BEYOND = 1.0
"""Per cent that a point may lie outside the image: clicks on the rim do."""
_TASK = re.compile(rb'"(annotations|completions|predictions)"\s*:\s*\[|"keypointlabels"\s*:\s*\[')


def detect(path: Path, head: bytes) -> bool:
    """Whether the file is a JSON list (or one object) with the fields of tasks."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"[":
        return (bool(re.match(rb"\[\s*\{", text)) and b'"data"' in text and bool(_TASK.search(text))) or _min(text)
    return text[:1] == b"{" and b'"data"' in text and b'"images"' not in text and b'"result"' in text


def _min(text: bytes) -> bool:
    """Whether the text begins like a JSON-MIN export with keypoints."""
    return b'"keypointlabels"' in text and b'"original_width"' in text and b'"images"' not in text


def claims(path: Path) -> bool:
    """Never by its name: .json is COCO (say --to label-studio)."""
    del path
    return False


@dataclass
class _Point:
    """A point of one region, in pixels."""

    keypoint: str
    xy: tuple[float, float]
    owner: str
    human: bool
    score: float
    ours: bool = False


@dataclass
class _Shot:
    """What is known of one frame."""

    image: str
    frame: int | None
    video: str
    points: list[_Point] = field(default_factory=list)
    sizes: set[tuple[int, int]] = field(default_factory=set)
    anonymous: bool = False


def load(path: Path, choice: Choice) -> LabelSet:
    """Read a task file; see `poof.labels.load_labels` for the errors."""
    tasks = _parse(path)
    names: list[str] = []
    shots = [shot for i, task in enumerate(tasks) for shot in _shots(path, i, task, names) if shot.points]
    if not shots:
        raise PoofError(f"{path}: no task has a keypoint; label at least one (KeyPointLabels)")
    shots = _of_video(path, shots, choice)
    known = _frames(path, shots, choice)
    shots = [shot for shot, frame in zip(shots, known) if frame is not None]
    frames = [frame for frame in known if frame is not None]
    if not shots:
        raise PoofError(f"{path}: no task belongs to the chosen video; choose another")
    sizes = {size for shot in shots for size in shot.sizes}
    if len(sizes) > 1:
        first, second = [f"{w}x{h}" for w, h in sorted(sizes)[:2]]
        raise PoofError(f"{path}: holds images of {first} and {second}; label the frames of one video at one size")
    found = dict.fromkeys([*names, *(point.keypoint for shot in shots for point in shot.points)])
    keypoints = tuple(found)
    labels = LabelSet(Skeleton(keypoints, symmetry=mirror_pairs(keypoints)), image_size=next(iter(sizes), None))
    if shots[0].video:
        labels.info["video"] = shots[0].video
    labels.frame_names = {frame: shot.image for frame, shot in zip(frames, shots) if shot.image}
    owners = list(dict.fromkeys(p.owner for shot in shots for p in shot.points))
    numbers = _numbers(owners)
    if owners != [""] and any(owner != f"subject {numbers[owner] + 1}" for owner in owners):
        labels.individuals = {numbers[owner]: owner or SINGLE for owner in owners}
    if any(shot.anonymous for shot in shots):
        labels.tracked, labels.individuals = False, {}
    kept: set[tuple[int, int, int]] = set()
    for shot, frame in zip(shots, frames):
        kept |= _put(path, labels, frame, shot, numbers)
    _refuse_shares(path, shots)
    settle_foreign(path, labels, choice, _never_labelled(labels) if len(owners) > 1 else (), kept)
    return labels


def _never_labelled(labels: LabelSet) -> set[tuple[int, int, int]]:
    """(frame, instance, keypoint) of the keypoints that an individual has in no frame: they are another kind's."""
    own: dict[int, np.ndarray] = {}
    for _, instance, points in labels:
        own[instance] = own.get(instance, np.zeros(len(points), bool)) | points.labelled
    return {(f, i, k) for f, i in labels.instances for k in np.flatnonzero(~own[i]).tolist()}


def _numbers(owners: Sequence[str]) -> dict[str, int]:
    """Individual -> instance; those that we named ourselves have their numbers in their names."""
    found = [re.fullmatch(r"subject ([1-9][0-9]{0,8})", owner) for owner in owners]
    if all(found):
        return {match.group(): int(match.group(1)) - 1 for match in found if match}
    return {owner: i for i, owner in enumerate(owners)}


def _parse(path: Path) -> list[Mapping[str, Any]]:
    try:
        document = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise PoofError(f"{path}: is broken JSON ({str(error)[:100]}); export it again") from None
    tasks = document if isinstance(document, list) else [document]
    if not tasks or not all(isinstance(task, dict) for task in tasks):
        raise PoofError(f"{path}: is no list of Label Studio tasks; export it again as JSON")
    return tasks


def _shots(path: Path, number: int, task: Mapping[str, Any], names: list[str]) -> Iterator[_Shot]:
    """The frames of one task, each with its points."""
    where = f"{path}: task {task.get('id', number + 1)}"
    data = task.get("data") if isinstance(task.get("data"), dict) else task
    assert isinstance(data, Mapping)
    images = [v for v in data.values() if isinstance(v, str) and re.search(r"\.\w{2,5}($|[?&])", v)]
    image = next(iter(images), "")
    meta = task.get("meta") if isinstance(task.get("meta"), dict) else {}
    assert isinstance(meta, Mapping)
    video = meta.get("video") if isinstance(meta.get("video"), dict) else {}
    assert isinstance(video, Mapping)
    known = meta.get("keypoints")
    if isinstance(known, list):
        names += [str(name) for name in known if str(name) not in names]
    frame = video.get("frame_idx")
    if frame is not None:
        at = _real(frame)
        if at is None:
            raise PoofError(f"{where}: frame_idx {frame!r:.20} is no number; correct it")
        frame = frame_number(int(at) if at.is_integer() else at, where)
    origin = meta.get("original_file")  # DeepLabCut's path, of images that were taken over from there
    name = origin if isinstance(origin, str) and origin else re.sub(r"^[0-9a-f]{8}-", "", base_name(image))
    shot = _Shot(name, frame, str(video.get("filename") or ""))
    timed: dict[int, _Shot] = {}
    for human, result in _results(where, task):
        parents, anonymous = _parents(result)
        shot.anonymous |= anonymous
        for region in result:
            value = region.get("value", region)
            if not isinstance(value, dict):
                continue
            labels = value.get(_POINTS) or (value.get("labels") if "sequence" in value else None)
            if not isinstance(labels, list) or not labels:
                continue
            owner = parents.get(str(region.get("id")), "")
            size = (_side(where, region, "original_width"), _side(where, region, "original_height"))
            if "sequence" not in value:
                shot.sizes.add(size)
                point = _point(where, str(labels[0]), value, size, owner, human, region.get("score"))
                point.ours = str(region.get("id", "")).startswith(OURS)
                shot.points.append(point)
                continue
            for at, place in _sequence(where, value):
                one = timed.setdefault(at, _Shot("", at, image))
                one.sizes.add(size)
                one.points.append(_point(where, str(labels[0]), place, size, owner, human, region.get("score")))
    yield shot
    yield from timed.values()


def _results(where: str, task: Mapping[str, Any]) -> list[tuple[bool, list[dict[str, Any]]]]:
    """(whether a person made it, regions) of what counts in a task."""
    if not any(key in task for key in ("annotations", "completions", "predictions")):
        return [(True, [one for value in task.values() if isinstance(value, list) for one in _regions(value)])]
    given = [a for a in _regions(task.get("annotations") or task.get("completions")) if not a.get("was_cancelled")]
    truth = [a for a in given if a.get("ground_truth")] or given
    if len(truth) > 1:
        warnings.warn(f"{where}: has {len(truth)} annotations; took the last one", PoofWarning, stacklevel=5)
    human = _regions(truth[-1].get("result")) if truth else []
    untouched = all(str(region.get("id", "")).startswith(OURS) for region in human)
    predictions = _regions(task.get("predictions"))
    machine = _regions(predictions[-1].get("result")) if predictions and untouched else []
    score = predictions[-1].get("score") if machine else None
    return [(True, human), (False, [{"score": score} | region for region in machine])]


def _regions(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _parents(result: Sequence[Mapping[str, Any]]) -> tuple[dict[str, str], bool]:
    """Region id -> name of the individual that it hangs on; and whether several share one, so that it names nobody."""
    boxes: dict[str, str] = {}
    for region in result:
        value = region.get("value")
        names = value.get(_BOXES) if isinstance(value, dict) else None
        if isinstance(names, list) and names:
            boxes[str(region.get("id"))] = str(names[0])
    # Several rectangles of one label are several individuals, told apart by their order.
    counts: dict[str, int] = {}
    for key, name in boxes.items():
        counts[name] = counts.get(name, 0) + 1
        if counts[name] > 1:
            boxes[key] = f"{name} {counts[name]}"
    owners: dict[str, str] = {}
    for region in result:
        if region.get("type") == "relation":
            a, b = str(region.get("from_id")), str(region.get("to_id"))
            owners |= {a: boxes[b]} if b in boxes else {b: boxes[a]} if a in boxes else {}
        elif region.get("parentID") is not None and str(region["parentID"]) in boxes:
            owners[str(region.get("id"))] = boxes[str(region["parentID"])]
    return owners, any(number > 1 for number in counts.values())


def _side(where: str, region: Mapping[str, Any], key: str) -> int:
    """Width or height of the image."""
    value = region.get(key)
    side = _real(value)
    if side is None or not 1 <= side < 2**31:
        raise PoofError(f"{where}: a region has no {key}, so its per cent mean no pixels; export it again as JSON")
    return int(side)


def _real(value: Any) -> float | None:
    """A finite number of the file, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer of hundreds of digits
        return None


def _sequence(where: str, value: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(frame, place) of the key frames of a video region; Label Studio counts frames from 1."""
    for one in _regions(value.get("sequence")):
        at = one.get("frame")
        number = _real(at)
        if number is None or number < 1:
            raise PoofError(f"{where}: a key frame {at!r:.20} is no number from 1; correct it")
        if (_real(one.get("width")) or 0) > 2 or (_real(one.get("height")) or 0) > 2:
            raise PoofError(f"{where}: holds boxes in a video, not keypoints; label keypoints")
        yield frame_number(number - 1, where), one


def _point(
    where: str, keypoint: str, value: Mapping[str, Any], size: tuple[int, int], owner: str, human: bool, score: Any
) -> _Point:
    """A point in pixels."""
    place = []
    for axis, side in zip("xy", size):
        cent = _real(value.get(axis))
        if cent is None:
            raise PoofError(f"{where}: {keypoint} has {axis} {value.get(axis)!r:.20}, no number; correct it")
        if not -_BEYOND <= cent <= 100 + _BEYOND:
            raise PoofError(f"{where}: {keypoint} has {axis} {cent:g} %, outside 0..100; export it again as JSON")
        place.append(cent / 100 * side)
    sure = _real(score)
    return _Point(
        keypoint, (place[0], place[1]), owner, human, sure if sure is not None and 0 <= sure <= 1 else math.nan
    )


def _of_video(path: Path, shots: list[_Shot], choice: Choice) -> list[_Shot]:
    """The frames of the chosen video."""
    videos = list(dict.fromkeys(shot.video for shot in shots if shot.video))
    if len(videos) <= 1:
        return shots
    stems = {video: Path(base_name(video)).stem for video in videos}
    wanted = Path(choice.video).stem if choice.video else None
    matching = [video for video, stem in stems.items() if stem == wanted]
    if len(matching) != 1:
        raise PoofError(
            f"{path}: holds the tasks of several videos ({', '.join(stems.values())[:150]}); choose one (--video)"
        )
    return [shot for shot in shots if shot.video == matching[0]]


def _frames(path: Path, shots: Sequence[_Shot], choice: Choice) -> list[int | None]:
    """The frame of each shot, None if it belongs to another video."""
    unnamed = [i for i, shot in enumerate(shots) if shot.frame is None and not shot.image]
    if unnamed:
        raise PoofError(f"{path}: task {unnamed[0] + 1} names no image and no frame; export it again as JSON")
    by_name = (
        frames_of(path, [shot.image for shot in shots if shot.frame is None], choice)
        if any(shot.frame is None for shot in shots)
        else {}
    )
    return [shot.frame if shot.frame is not None else by_name.get(shot.image) for shot in shots]


def _refuse_shares(path: Path, shots: Sequence[_Shot]) -> None:
    """Label Studio counts from 0 to 100; a converter that left shares from 0 to 1 puts all into the first corner."""
    points = [(p.xy, size) for shot in shots for size in shot.sizes for p in shot.points if len(shot.sizes) == 1]
    if len(points) >= 4:
        cents = np.array([(x / w * 100, y / h * 100) for (x, y), (w, h) in points])
        if cents.max() <= 1 and np.ptp(cents) > 0.01:
            raise PoofError(f"{path}: all coordinates lie between 0 and 1, not 100 per cent; multiply them by 100")


def _put(
    path: Path, labels: LabelSet, frame: int, shot: _Shot, numbers: Mapping[str, int]
) -> set[tuple[int, int, int]]:
    """The points of one frame into the labels, a person's first; (frame, instance, keypoint) of those of poof."""
    kept: set[tuple[int, int, int]] = set()
    for point in sorted(shot.points, key=lambda point: not point.human):
        key = (frame, numbers[point.owner])
        if key not in labels.instances:
            labels.add(*key, Points.empty(len(labels.skeleton)))
        points, k = labels.instances[key], labels.skeleton.index(point.keypoint)
        if points.labelled[k]:
            if point.human:
                raise PoofError(
                    f"{path}: frame {frame}: {point.keypoint} is labelled twice; put each subject's points on its own"
                    " rectangle, or keep one of them"
                )
            continue
        points.xy[k] = np.array(point.xy, np.float32)
        points.visible[k] = Visible.VISIBLE
        points.source[k] = Source.HUMAN if point.human else Source.PREDICTED
        points.anchor[k] = frame if point.human else -1
        points.confidence[k] = 1.0 if point.human else point.score
        if point.ours:
            kept.add((*key, k))
    return kept
