"""Mirroring clips where left and right are part of the class: the label has to be mirrored too.

The pairs come from the class names, so they are right for whatever order a list numbers its classes in. (For
Something-Something they are 86-87, 93-94, 166-167 where ids are sorted, 2-4, 30-41, 52-66 in the order of V1's table.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

_PARTNERS = {"left": "right", "clockwise": "counterclockwise", "leftward": "rightward", "leftwards": "rightwards"}
_PARTNERS |= {b: a for a, b in _PARTNERS.items()}
_WORD = re.compile(r"[A-Za-z]+")


def mirror_labels(labels: Sequence[str]) -> np.ndarray:
    """(classes,) int: the class of a mirrored clip; -1 for classes that name a side but have no mirrored partner.

    'Pushing something from left to right' and '... from right to left' are each other's mirrors; a class that names
    no side is its own. Clips of a class with -1 must not be mirrored.
    """
    index = {_normal(label): i for i, label in enumerate(labels)}
    mirrored = [_mirror(label) for label in labels]
    return np.array([i if m is None else index.get(m, -1) for i, m in enumerate(mirrored)], dtype=int)


def _mirror(label: str) -> str | None:
    """The name with sides exchanged, None where it names no side."""
    label = _normal(label)
    words = label
    # 'pulling it right out' names no side.
    words = re.sub(r"\bright (?=(?:out|away|after|before|behind)\b)", "\0", words)
    words = _WORD.sub(lambda word: _PARTNERS.get(word.group(), word.group()), words).replace("\0", "right ")
    return None if words == label else words


def _split(label: str) -> str:
    # 'MoveLeft' and 'move_left' name a side as 'move left' does.
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label.replace("_", " ").replace("counter-clockwise", "counterclockwise"))


def _normal(label: str) -> str:
    return " ".join(_split(label).lower().split())
