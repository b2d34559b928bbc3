"""Left and right: pairs of keypoints that swap in a mirrored image, read from their names."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SWAP = {"left": "right", "right": "left", "l": "r", "r": "l"}
# Words of a name: ABBREVIATION before a Word, Word or word, ABBREVIATION, number. What lies between them is kept.
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def mirror_pairs(keypoints: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Pairs (left, right) of keypoint indices, found by name.

    Two keypoints are a pair when exchanging left and right in one name gives the other. Sides are recognised as

    - a word of the name, set off by a separator, a digit or a capital: ``left_eye``, ``eye-R``, ``LEye``, ``handLeft``,
      ``paw1l``, ``LEFT KNEE``; when several words are sides, all of them swap, else the first;
    - ``left``/``right`` glued to the rest: ``lefteye``, ``eyeright``;
    - a leading ``l``/``r`` glued to the rest: ``lhip``, ``RHIP``.

    A keypoint belongs to one pair at most; one without a partner swaps with nobody.
    """
    index = {name: i for i, name in enumerate(keypoints)}
    pairs: dict[int, tuple[int, int]] = {}
    for i, name in enumerate(keypoints):
        if i in pairs:
            continue
        for side, mirrored in _mirrored(name):
            j = index.get(mirrored)
            if j is not None and j != i and j not in pairs:
                pairs[i] = pairs[j] = (i, j) if side == "l" else (j, i)
                break
    return tuple(sorted(set(pairs.values())))


def _mirrored(name: str) -> list[tuple[str, str]]:
    """(side of `name`, 'l' or 'r'; name of its mirror image) for every reading of the name, the surest first."""
    found: list[tuple[str, str]] = []
    words = [m for m in _WORD.finditer(name) if m.group().lower() in _SWAP]
    if words:
        side = words[0].group()[0].lower()
        everything = name
        for m in reversed(words):
            everything = everything[: m.start()] + _swapped(m.group()) + everything[m.end() :]
        first = words[0]
        found.append((side, everything))
        found.append((side, name[: first.start()] + _swapped(first.group()) + name[first.end() :]))
    for m in re.finditer("left|right", name, re.IGNORECASE):
        found.append((m.group()[0].lower(), name[: m.start()] + _swapped(m.group()) + name[m.end() :]))
    if name[:1].lower() in ("l", "r"):
        found.append((name[0].lower(), _swapped(name[0]) + name[1:]))
    return found


def _swapped(word: str) -> str:
    """The other side in the same case."""
    other = _SWAP[word.lower()]
    if word.isupper():
        return other.upper()
    return other.capitalize() if word[0].isupper() else other
