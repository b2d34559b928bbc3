"""Normalisers of errors by subject size: crop pixels (thesis), or shares of a body (PCK).

Definitions, all taken from the truth, never from the prediction:

* **box**: the box of the label file, else the extent of the labelled points. PCK uses its longer side.
* **crop**: the thesis measures in a 256x192 (height x width) crop; its scale is that of the box padded by 25 % and
  widened to 4:3, the same as in the propagation benchmark.
* **torso**: the longer of the two diagonals left shoulder - right hip and right shoulder - left hip.
* **head**: head top - neck, else ear - ear (the only measure of the head that COCO's points give).
* **reference**: the distance between any two keypoints the user names.

A size of 0 and a size whose keypoints are not labelled are NaN: such points cannot be judged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from poof.errors import PoofError
from poof.labels.model import Points, Skeleton

Array = np.ndarray
Pairs = Sequence[tuple[int, int]]

CROP_SIZE = (192, 256)
CROP_PADDING = 0.25

_SHOULDERS, _HIPS = ("shoulder", "sho"), ("hip",)
_HEADS, _NECKS, _EARS = ("headtop", "tophead", "head", "face"), ("neck", "upperneck"), ("ear",)


def plain(name: str) -> str:
    """A keypoint's name without case and separators: 'Left_Shoulder', 'left shoulder' -> 'leftshoulder'."""
    return re.sub(r"[\W_]+", "", name).casefold()


def shown(points: Points) -> Array:
    """(K,) bool: which points are labelled with coordinates and not marked as unlabelled (COCO's v > 0)."""
    return points.labelled & (points.visible > 0)


def subject_box(points: Points) -> Array:
    """(4,) x, y, width, height: the label file's box where it has a size, else the extent of the labelled points."""
    if points.box is not None and np.isfinite(points.box).all() and points.box[2:].max() > 0:
        return np.asarray(points.box, np.float64)
    xy = points.xy[shown(points)].astype(np.float64)
    if not len(xy):
        return np.full(4, np.nan)
    low, high = xy.min(axis=0), xy.max(axis=0)
    return np.concatenate([low, high - low])


def longer_side(box: Array) -> float:
    """Longer side of a box (x, y, width, height) in its pixels; NaN for a box without size."""
    side = float(max(box[2], box[3]))
    return side if side > 0 else float("nan")


def crop_scale(box: Array, padding: float = CROP_PADDING, size: tuple[int, int] = CROP_SIZE) -> float:
    """Pixels of the crop per pixel of the video (000-gebotys S1: goalie crops of 256x192).

    The box (x, y, width, height) grows by `padding` in both directions, then its shorter direction grows until it has
    the shape of `size` (width, height), and the result is scaled to `size`. NaN for a box without size.
    """
    width, height = float(box[2]) * (1 + padding), float(box[3]) * (1 + padding)
    tall = max(height, width * size[1] / size[0])
    return size[1] / tall if tall > 0 else float("nan")


def reference_length(points: Points, pairs: Pairs) -> float:
    """The longest of the distances between `pairs` of labelled keypoints, px; NaN without a pair or a distance."""
    there, xy = shown(points), points.xy.astype(np.float64)
    lengths = [float(np.hypot(*(xy[a] - xy[b]))) for a, b in pairs if there[a] and there[b]]
    longest = max(lengths, default=0.0)
    return longest if longest > 0 else float("nan")


def torso_pairs(skeleton: Skeleton) -> list[tuple[int, int]]:
    """The torso's diagonals as keypoint indices.

    Raises
    ------
    PoofError
        If the skeleton has neither left shoulder and right hip nor right shoulder and left hip.
    """
    names = {plain(k): i for i, k in enumerate(skeleton.keypoints)}
    found = [
        (_side(names, side, _SHOULDERS), _side(names, other, _HIPS))
        for side, other in (("left", "right"), ("right", "left"))
    ]
    pairs = [(a, b) for a, b in found if a is not None and b is not None]
    if not pairs:
        raise PoofError(_unmeasurable("torso", "a shoulder and the opposite hip", skeleton))
    return pairs


def head_pairs(skeleton: Skeleton) -> list[tuple[int, int]]:
    """The head's measure as keypoint indices: head top - neck, else ear - ear.

    Raises
    ------
    PoofError
        If the skeleton has neither.
    """
    names = {plain(k): i for i, k in enumerate(skeleton.keypoints)}
    head = next((names[n] for n in _HEADS if n in names), None)
    neck = next((names[n] for n in _NECKS if n in names), None)
    if head is not None and neck is not None:
        return [(head, neck)]
    left, right = _side(names, "left", _EARS), _side(names, "right", _EARS)
    if left is not None and right is not None:
        return [(left, right)]
    raise PoofError(_unmeasurable("head", "head and neck, or two ears", skeleton))


def reference_pairs(skeleton: Skeleton, names: Sequence[str]) -> list[tuple[int, int]]:
    """Two keypoints, named by the user, as indices; a `PoofError` when they are not two of the skeleton."""
    if len(names) != 2 or names[0] == names[1]:
        raise PoofError(f"a reference length needs two different keypoints, not '{','.join(names)}'")
    return [(skeleton.index(names[0]), skeleton.index(names[1]))]


def _side(names: dict[str, int], side: str, parts: Sequence[str]) -> int | None:
    """The index of e.g. the left shoulder under any of its usual names, None without."""
    forms = (f for part in parts for f in (side + part, side[0] + part, part + side, part + side[0]))
    return next((names[form] for form in forms if form in names), None)


def _unmeasurable(what: str, need: str, skeleton: Skeleton) -> str:
    return (
        f"PCK by {what} needs {need} among the labels' keypoints ({', '.join(skeleton.keypoints)}); "
        "take --metric pck-reference --reference A,B with two keypoints, or --metric pck-box"
    )
