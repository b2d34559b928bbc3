"""Names of frames in image files and tables: the labels' own pattern, else that of the other tool."""

from __future__ import annotations

import re
from dataclasses import dataclass

from poof.labels.formats.reading import base_name, number_in
from poof.labels.model import LabelSet


@dataclass(frozen=True)
class Pattern:
    """How frames are called: prefix, number with at least `digits` digits, ending."""

    prefix: str = "img"
    digits: int = 6
    ending: str = ".png"

    def name(self, frame: int) -> str:
        """The file name of a frame."""
        return f"{self.prefix}{frame:0{self.digits}d}{self.ending}"


def pattern_of(labels: LabelSet, default: Pattern) -> Pattern:
    """The pattern that the names in the labels follow; `default` if they have none or follow several.

    The number in the names must be the frame: names that count otherwise (from 1, by time) are no pattern for others.
    """
    found: set[Pattern] = set()
    for frame, image in labels.frame_names.items():
        match = re.fullmatch(r"(.*?)([0-9]+)(\.[A-Za-z]\w*)?", base_name(image))
        if match is None or int(match.group(2)) != frame or number_in(image) != frame:
            return default
        digits = len(match.group(2)) if match.group(2).startswith("0") or len(match.group(2)) > 1 else 1
        found.add(Pattern(match.group(1), digits, match.group(3) or default.ending))
    if len({(one.prefix, one.ending) for one in found}) != 1:
        return default
    return min(found, key=lambda one: one.digits)


def image_name(labels: LabelSet, frame: int, default: Pattern = Pattern()) -> str:
    """The name of a frame's image: the one it has, else by the pattern of the others, else by `default`."""
    own = labels.frame_names.get(frame)
    return base_name(own) if own else pattern_of(labels, default).name(frame)
