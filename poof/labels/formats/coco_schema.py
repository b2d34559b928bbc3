"""The schema of a COCO file: categories, keypoints, limbs, identities."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from poof.errors import PoofError, PoofWarning
from poof.labels.model import Skeleton
from poof.labels.symmetry import mirror_pairs

_IDENTITIES = (
    ("", "track_id"),
    ("", "instance_id"),
    ("attributes", "track_id"),
    ("attributes", "object_id"),
)
"""Where an annotation may name its individual: (object, key), the first wins."""


def is_whole(value: Any) -> TypeGuard[float]:
    """Whether a JSON value is a number without a fraction."""
    return not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))


def categories_of(path: Path, document: Mapping[str, Any], wanted: str | None) -> list[dict[str, Any]]:
    """The categories whose annotations are read.

    It is one: the one that was asked for, the only one with keypoints, the only one in use. Several that are in use and
    have the same keypoints are the individuals of one kind (two mice, each with a label of its own).

    Raises
    ------
    PoofError
        If there is none, or several with different keypoints.
    """
    categories = [c for c in document["categories"] if c.get("keypoints")]
    if not categories:
        raise PoofError(f"{path}: no category has keypoints; export as COCO keypoints, not as boxes or masks")
    names = ", ".join(str(c.get("name")) for c in categories)
    if wanted is not None:
        chosen = [c for c in categories if c.get("name") == wanted]
        if not chosen:
            raise PoofError(f"{path}: no category '{wanted}' with keypoints; it has {names}")
        return [dict(chosen[0])]
    if len(categories) > 1:
        used = {a.get("category_id") for a in document["annotations"] if a.get("keypoints")}
        categories = [c for c in categories if c.get("id") in used] or categories
    if any(c["keypoints"] != categories[0]["keypoints"] for c in categories):
        raise PoofError(f"{path}: several categories have keypoints ({names}); choose one (--category)")
    return [dict(c) for c in categories]


def skeleton_of(path: Path, category: Mapping[str, Any], ours: bool) -> Skeleton:
    """Names, limbs (COCO counts from 1) and left/right pairs of a category.

    Limbs are only drawn: those of other tools that cannot be right are dropped, with a warning, and nothing is refused.
    """
    names = category["keypoints"]
    if not isinstance(names, list):
        raise PoofError(f"{path}: category '{category.get('name')}': keypoints is not a list of names; export it again")
    keypoints = tuple(str(name) for name in names)
    edges = _limbs(path, category.get("skeleton"), len(keypoints), ours)
    extra = category.get("poof")
    pairs = extra.get("symmetry") if isinstance(extra, dict) else None
    try:
        bare = Skeleton(keypoints)
        symmetry = mirror_pairs(keypoints) if pairs is None else tuple((bare.index(a), bare.index(b)) for a, b in pairs)
        return Skeleton(keypoints, edges, symmetry, str(category.get("name") or "subject"))
    except PoofError as error:
        raise PoofError(f"{path}: {error}") from None
    except (TypeError, ValueError):
        raise PoofError(f"{path}: the field 'poof' of the category is damaged; remove it") from None


def _limbs(path: Path, limbs: Any, count: int, ours: bool) -> tuple[tuple[int, int], ...]:
    """The limbs that make sense, counted from 0."""
    given = limbs if isinstance(limbs, list) else []
    pairs = [
        (int(limb[0]) - 1, int(limb[1]) - 1)
        for limb in given
        if isinstance(limb, list) and len(limb) == 2 and all(is_whole(i) and abs(i) < 2**31 for i in limb)
    ]
    if any(-1 in pair for pair in pairs):
        warnings.warn(
            f"{path}: the limbs of the skeleton count from 0, COCO from 1; left them out, they are only drawn",
            PoofWarning,
            stacklevel=5,
        )
        return ()
    good = [pair for pair in pairs if all(0 <= i < count for i in pair)]
    if not ours:
        good = [pair for pair in dict.fromkeys(good) if pair[0] != pair[1]]
    if len(good) < len(given) or (limbs and not isinstance(limbs, list)):
        number = len(given) - len(good) if given else "all"
        warnings.warn(
            f"{path}: left out {number} limbs of the skeleton that are outside its {count} keypoints or there twice;"
            " they are only drawn",
            PoofWarning,
            stacklevel=5,
        )
    return tuple(good)


def identities_of(path: Path, annotations: Sequence[Mapping[str, Any]]) -> tuple[list[int | None], dict[int, str]]:
    """The individual of each annotation, None where none is named; and the names, where text names them."""
    named: list[Any] = []
    for annotation in annotations:
        attributes = annotation.get("attributes")
        places = {"": annotation, "attributes": attributes if isinstance(attributes, dict) else {}}
        values = [places[where].get(key) for where, key in _IDENTITIES]
        value, key = next(((v, k) for v, (_, k) in zip(values, _IDENTITIES) if v is not None), (None, ""))
        if isinstance(value, str):
            value = value.strip() or None
        elif value is not None and (not is_whole(value) or not 0 <= value < 2**31):
            raise PoofError(
                f"{path}: annotation {annotation.get('id')}: {key} {value!r:.20} is no whole number from 0; correct it"
            )
        if named and isinstance(value, str) and any(not isinstance(v, (str, type(None))) for v in named):
            raise PoofError(
                f"{path}: annotation {annotation.get('id')}: {key} {value!r:.20} is text, others numbers; correct it"
            )
        named.append(value)
    texts = [value for value in named if isinstance(value, str)]
    if not all(text.isdecimal() and len(text) < 10 for text in texts):
        numbers = {value: i for i, value in enumerate(dict.fromkeys(str(v) for v in named if v is not None))}
        return [None if v is None else numbers[str(v)] for v in named], {i: name for name, i in numbers.items()}
    return [None if v is None else int(v) for v in named], {}
