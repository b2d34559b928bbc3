"""CVAT's XML, "CVAT for video 1.1" and "CVAT for images 1.1": tracks or images with skeletons and points.

Only key frames are labels; what CVAT interpolated between them (``keyframe="0"``) is not. ``outside`` is absent,
``occluded`` covered. A track is an individual. A label of the type skeleton names the keypoints; points without a
skeleton are keypoints by their own label, the subjects told apart by ``group_id`` or by the order of the tracks. Frames
are those of the video; in "CVAT for images" the image's name tells the frame.

Every point of ours has an attribute ``poof``: its source, confidence and place. While the point lies there, it is what
we wrote; moved in CVAT, it is a person's. Tracks that CVAT made by itself (``source="auto"``) are predicted.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from poof.errors import PoofError, names_near
from poof.labels.formats.cvat_writing import ABSENT, ATTRIBUTE, save
from poof.labels.formats.foreign import settle_foreign
from poof.labels.formats.reading import Choice, frame_number, frames_of
from poof.labels.model import LabelSet, Points, Skeleton, Source, Visible
from poof.labels.symmetry import mirror_pairs

__all__ = ["ENDINGS", "claims", "detect", "load", "save"]

ENDINGS: tuple[str, ...] = (".xml",)
_SAME = 0.01
"""Pixels within which a point of ours counts as not moved."""
_OURS = re.compile(rf"(\w+) (nan|[01]\.[0-9]+) (?:(-?[0-9]+\.[0-9]+),(-?[0-9]+\.[0-9]+)|{ABSENT})")
_SOURCES = {source.label: source for source in Source if source.label}
_Label = tuple[str, str]
"""Skeleton ('' without) and keypoint."""


def detect(path: Path, head: bytes) -> bool:
    """Whether the file is XML whose root is CVAT's."""
    return bool(re.match(rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<annotations\b", head, re.DOTALL))


def claims(path: Path) -> bool:
    """Whether the name ends in .xml."""
    return path.suffix.lower() in ENDINGS


@dataclass
class _Mark:
    """One point as the file has it."""

    frame: int | str
    label: _Label
    owner: tuple[str, str]
    xy: tuple[float, float]
    outside: bool
    occluded: bool
    human: bool
    ours: str


def load(path: Path, choice: Choice) -> LabelSet:
    """Read CVAT's XML; see `poof.labels.load_labels` for the errors."""
    root = _parse(path)
    order, limbs = _schema(root)
    marks = list(_marks(path, root))
    skeletons = list(dict.fromkeys(mark.label[0] for mark in marks))
    if choice.category is not None:
        if choice.category not in skeletons:
            raise PoofError(f"{path}: no skeleton '{choice.category}'; it has {names_near(choice.category, skeletons)}")
        skeletons = [choice.category]
    sets = {name: tuple(order.get(name) or _used(marks, name)) for name in skeletons}
    if len(set(sets.values())) > 1:
        raise PoofError(f"{path}: several skeletons are in use ({', '.join(sets)}); choose one (--category)")
    marks = [mark for mark in marks if mark.label[0] in sets]
    if not marks:
        raise PoofError(f"{path}: holds no keypoint; label skeletons or points, not boxes")
    keypoints = sets[skeletons[0]]
    try:
        bare = Skeleton(keypoints)
        edges = tuple((bare.index(a), bare.index(b)) for a, b in limbs.get(skeletons[0], []) if {a, b} <= {*keypoints})
        skeleton = Skeleton(keypoints, edges, mirror_pairs(keypoints), skeletons[0] or "subject")
    except PoofError as error:
        raise PoofError(f"{path}: {error}") from None
    labels = LabelSet(skeleton, image_size=_size(root))
    name = root.findtext("meta/source") or root.findtext("meta/task/source")
    if name:
        labels.info["video"] = name.strip()
    kept = _number(path, labels, marks, choice, len(skeletons) > 1)
    if not labels.instances:
        raise PoofError(f"{path}: holds no key frame with keypoints; label at least one frame")
    settle_foreign(path, labels, choice, kept=kept)
    return labels


class _Declares(Exception):
    """The document declares a type, in which entities stand."""


class _Plain(ElementTree.TreeBuilder):
    """Builds a document without a type of its own, in whatever encoding it is."""

    def doctype(self, *declared: str | None) -> None:
        raise _Declares


def _parse(path: Path) -> ElementTree.Element:
    """The root of the document; entities and types of its own are refused."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PoofError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None
    try:
        return ElementTree.fromstring(data, ElementTree.XMLParser(target=_Plain()))
    except _Declares:
        raise PoofError(f"{path}: declares a document type or entities, as CVAT does not; export it again") from None
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise PoofError(f"{path}: is broken XML ({error}); export it again") from None


def _schema(root: ElementTree.Element) -> tuple[dict[str, list[str]], dict[str, list[tuple[str, str]]]]:
    """Skeleton -> its keypoints in order, and its limbs."""
    order: dict[str, list[str]] = {}
    limbs: dict[str, list[tuple[str, str]]] = {}
    for label in root.iter("label"):
        name, parent = (label.findtext("name") or "").strip(), (label.findtext("parent") or "").strip()
        if parent:
            order.setdefault(parent, []).append(name)
    for label in root.iter("label"):
        name, svg = (label.findtext("name") or "").strip(), label.findtext("svg") or ""
        if name in order and svg:
            nodes: dict[str, str] = {}
            for tag in re.findall(r"<circle\b[^>]*>", svg):
                node, own = (re.search(rf'data-{key}="([^"]*)"', tag) for key in ("node-id", "label-name"))
                if node:
                    nodes[node.group(1)] = html.unescape(own.group(1)) if own else ""
            for tag in re.findall(r"<line\b[^>]*>", svg):
                ends = [re.search(rf'data-node-{key}="([^"]*)"', tag) for key in ("from", "to")]
                names = [nodes.get(end.group(1), "") if end else "" for end in ends]
                if all(names):
                    limbs.setdefault(name, []).append((names[0], names[1]))
    return order, limbs


def _used(marks: list[_Mark], skeleton: str) -> list[str]:
    """The keypoints in order of appearance."""
    return list(dict.fromkeys(mark.label[1] for mark in marks if mark.label[0] == skeleton))


def _size(root: ElementTree.Element) -> tuple[int, int] | None:
    """Width and height of the frames."""
    size = next(root.iter("original_size"), None)
    places = [(size.findtext("width"), size.findtext("height"))] if size is not None else []
    places += [(image.get("width"), image.get("height")) for image in root.iter("image")]
    found = {(int(w), int(h)) for w, h in places if w and h and w.strip().isdecimal() and h.strip().isdecimal()}
    return next(iter(found)) if len(found) == 1 and min(min(found)) > 0 else None


# ------------------------------------------------------------------------------------------------ points


def _marks(path: Path, root: ElementTree.Element) -> Iterator[_Mark]:
    """Every point of every key frame."""
    for i, track in enumerate(root.iter("track")):
        human = track.get("source") != "auto"
        number = track.get("id") or str(i)
        found: list[_Mark] = []
        for shape in track:
            frame = _frame(path, shape)
            if shape.tag == "skeleton":
                key = shape.get("keyframe", "1") == "1"
                owner = ("track", number)
                for element in shape.iter("points"):
                    if element.get("keyframe", shape.get("keyframe", "1")) == "1" and (
                        key or element.get("keyframe") is not None
                    ):
                        label = (track.get("label") or "", element.get("label") or "")
                        found.append(_mark(path, frame, label, owner, element, human, shape.get("outside") == "1"))
            elif shape.tag == "points" and shape.get("keyframe", "1") == "1":
                owner = ("group", track.get("group_id") or "0")
                found.append(_mark(path, frame, ("", track.get("label") or ""), owner, shape, human, False))
        yield from _without_end(found)
    for image in root.iter("image"):
        name = image.get("name") or ""
        for j, shape in enumerate(image):
            human = shape.get("source") != "auto"
            if shape.tag == "skeleton":
                group = shape.get("group_id") or "0"
                owner = ("group", group) if group != "0" else ("image", str(j))
                for element in shape.iter("points"):
                    label = (shape.get("label") or "", element.get("label") or "")
                    yield _mark(path, name, label, owner, element, human, False)
            elif shape.tag == "points":
                owner = ("group", shape.get("group_id") or "0")
                yield _mark(path, name, ("", shape.get("label") or ""), owner, shape, human, False)


def _frame(path: Path, shape: ElementTree.Element) -> int:
    text = shape.get("frame") or ""
    if not text.isdecimal():
        raise PoofError(f"{path}: a shape of a track is in frame '{text[:20]}', no number; export it again")
    return frame_number(int(text[:20]), str(path))


def _mark(
    path: Path,
    frame: int | str,
    label: _Label,
    owner: tuple[str, str],
    element: ElementTree.Element,
    human: bool,
    outside: bool,
) -> _Mark:
    """A point of the file."""
    if not label[1]:
        raise PoofError(f"{path}: frame {frame}: a point has no label; export it again")
    pairs = (element.get("points") or "").split(";")
    if len(pairs) != 1:
        raise PoofError(
            f"{path}: frame {frame}: '{label[1]}' is one shape of {len(pairs)} points, which have no names; label with"
            " skeletons, or one label a keypoint"
        )
    try:
        x, y = (float(v) for v in pairs[0].split(","))
        if not (math.isfinite(x) and math.isfinite(y)):
            raise ValueError
    except ValueError:
        raise PoofError(f"{path}: frame {frame}: {label[1]} is at '{pairs[0][:40]}'; export it again") from None
    ours = ""
    for attribute in element.iter("attribute"):
        if attribute.get("name") == ATTRIBUTE:
            ours = (attribute.text or "").strip()
    hidden = outside or element.get("outside") == "1"
    return _Mark(frame, label, owner, (x, y), hidden, element.get("occluded") == "1", human, ours)


def _without_end(marks: list[_Mark]) -> list[_Mark]:
    """Without the shape by which CVAT ends a track right behind its last key frame: nobody looked at that frame.

    In a track of ours every point of which something is known has our attribute.
    """
    if any(mark.ours for mark in marks):
        return [mark for mark in marks if mark.ours or not mark.outside]
    frames = sorted({mark.frame for mark in marks if isinstance(mark.frame, int)})
    if len(frames) < 2 or frames[-1] != frames[-2] + 1:
        return marks
    last = [mark for mark in marks if mark.frame == frames[-1]]
    before = [mark for mark in marks if mark.frame == frames[-2]]
    artefact = all(mark.outside for mark in last) and not all(mark.outside for mark in before)
    return [mark for mark in marks if mark.frame != frames[-1]] if artefact else marks


# ------------------------------------------------------------------------------------------------ into labels


def _number(
    path: Path, labels: LabelSet, marks: list[_Mark], choice: Choice, by_label: bool
) -> set[tuple[int, int, int]]:
    """Give every subject its number and put the points in; (frame, instance, keypoint) of those left as poof wrote."""
    kept: set[tuple[int, int, int]] = set()
    images = list(dict.fromkeys(mark.frame for mark in marks if isinstance(mark.frame, str)))
    by_name: Mapping[str, int] = frames_of(path, images, choice) if images else {}
    labels.frame_names = {frame: image for image, frame in by_name.items()}
    numbers = _owners(path, marks, by_label)
    if by_label:
        names = list(dict.fromkeys(mark.label[0] for mark in marks))
        labels.individuals = dict(enumerate(names))
    labels.tracked = all(mark.owner[0] != "image" for mark in marks) or by_label
    for i, mark in enumerate(marks):
        frame = by_name.get(mark.frame) if isinstance(mark.frame, str) else mark.frame
        if frame is None:
            continue
        key = (frame, numbers[i])
        if key not in labels.instances:
            labels.add(*key, Points.empty(len(labels.skeleton)))
        if mark.label[1] not in labels.skeleton.keypoints:
            raise PoofError(f"{path}: frame {frame}: '{mark.label[1]}' is no keypoint of {labels.skeleton.name}")
        points, k = labels.instances[key], labels.skeleton.index(mark.label[1])
        if points.decided[k]:
            raise PoofError(f"{path}: frame {frame}: {mark.label[1]} is labelled twice; keep one of them")
        if _put(points, k, frame, mark):
            kept.add((*key, k))
    labels.instances = {key: points for key, points in labels.instances.items() if points.decided.any()}
    if not labels.tracked and all(len(group) == 1 for group in labels.by_frame().values()):
        labels.instances = {(frame, 0): points for frame, _, points in labels}
        kept = {(frame, 0, k) for frame, _, k in kept}
        labels.tracked = True
    return kept


def _owners(path: Path, marks: list[_Mark], by_label: bool) -> list[int]:
    """The instance of each mark."""
    del path
    if by_label:
        names = list(dict.fromkeys(mark.label[0] for mark in marks))
        return [names.index(mark.label[0]) for mark in marks]
    tracks = list(dict.fromkeys(mark.owner for mark in marks if mark.owner[0] != "image"))
    places = {owner: i for i, owner in enumerate(tracks)}
    if tracks and all(kind == "track" and number.isdecimal() for kind, number in tracks):
        places = {owner: int(owner[1][:9]) for owner in tracks}
    taken: dict[int | str, dict[tuple[str, str], int]] = {}
    again: dict[tuple[int | str, tuple[str, str], str], int] = {}
    numbers = []
    for mark in marks:
        if mark.owner[0] == "image":
            inside = taken.setdefault(mark.frame, {})
            numbers.append(len(tracks) + inside.setdefault(mark.owner, len(inside)))
        elif mark.owner[0] == "group":  # of two tracks of the same label in a frame, the second is another subject
            key = (mark.frame, mark.owner, mark.label[1])
            again[key] = again.get(key, -1) + 1
            numbers.append(places[mark.owner] + again[key] * len(tracks))
        else:
            numbers.append(places[mark.owner])
    return numbers


def _put(points: Points, k: int, frame: int, mark: _Mark) -> bool:
    """One point into its instance; whether it is where poof wrote it."""
    unmoved = False
    source, confidence = (Source.HUMAN, 1.0) if mark.human else (Source.PREDICTED, math.nan)
    told = _OURS.fullmatch(mark.ours)
    if told and told.group(1) in _SOURCES:
        unmoved = mark.outside == (told.group(3) is None)
        if unmoved and not mark.outside:
            unmoved = math.hypot(mark.xy[0] - float(told.group(3)), mark.xy[1] - float(told.group(4))) < _SAME
        source = _SOURCES[told.group(1)] if unmoved else Source.HUMAN
        confidence = min(float(told.group(2)), 1.0) if unmoved else 1.0
    points.source[k] = source
    points.anchor[k] = frame if source == Source.HUMAN else -1
    points.confidence[k] = confidence
    if mark.outside:
        points.visible[k] = Visible.ABSENT
    else:
        points.xy[k] = np.array(mark.xy, np.float32)
        points.visible[k] = Visible.OCCLUDED if mark.occluded else Visible.VISIBLE
    return unmoved and not mark.outside
