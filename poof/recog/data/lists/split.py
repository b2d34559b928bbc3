"""Cutting a validation part from training clips, so that no epoch is chosen by the clips that then judge it."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace

import numpy as np

from poof.errors import PoofError
from poof.recog.data.lists.base import ClipList, Record

SHARE = 0.15
"""Of the clips of each class that a validation part takes."""


def split_off(clips: ClipList, share: float = SHARE, seed: int = 0) -> tuple[ClipList, ClipList]:
    """(the rest, a validation part of about `share` of each class), in the order of the list.

    Clips cut from one recording stay together, where their names tell: UCF101's groups (v_Punch_g08_c01), parts of one
    file. A class with one recording stays in training.

    Raises
    ------
    PoofError
        If no class has two recordings, so that nothing can be cut off.
    """
    groups: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, record in enumerate(clips.records):
        groups[record.label][recording(record)].append(index)
    rng = np.random.default_rng([seed, len(clips)])
    taken: set[int] = set()
    for label in sorted(groups):
        names = sorted(groups[label])
        wanted = share * sum(len(groups[label][name]) for name in names)
        part: list[int] = []
        for number in rng.permutation(len(names))[: len(names) - 1]:
            # Always one; then as long as that brings the part nearer to its share.
            group = groups[label][names[number]]
            if part and len(part) + len(group) / 2 > wanted:
                break
            part += group
        taken |= set(part)
    if not taken:
        raise PoofError(
            f"{clips.name}: no class has two recordings, so no validation part can be cut off; name one with --val, or "
            "train without (--val none)"
        )
    rest = tuple(record for index, record in enumerate(clips.records) if index not in taken)
    cut = tuple(record for index, record in enumerate(clips.records) if index in taken)
    return replace(clips, records=rest), replace(clips, records=cut, name=f"{clips.name} (validation part)", bad=())


def recording(record: Record) -> str:
    """What clips of one recording share."""
    match = re.fullmatch(r"(v_.+_g[0-9]+)_c[0-9]+", record.path.stem)
    return match.group(1) if match else str(record.path)
