"""Coarse flow: DIS on downscaled frames, to plan regions and to find scene cuts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from poof.flow.dis import DisFlow
from poof.flow.field import FlowField, Region
from poof.propagation.cuts import agreement, find_cuts
from poof.propagation.regions import COARSE


@dataclass
class CoarsePair:
    """Both coarse flows between two consecutive frames, and how well the frames agree along them."""

    forward: FlowField
    backward: FlowField
    agreement: float
    lost: bool = False
    """Whether one of the frames cannot be read: nothing is carried over such a pair."""


@dataclass
class CoarseSegment:
    """Coarse flows of every pair of a segment, and the scene cuts between them."""

    flows: list[tuple[FlowField, FlowField]]
    cuts: set[int]

    @classmethod
    def of(cls, pairs: Sequence[CoarsePair]) -> CoarseSegment:
        """Of consecutive pairs."""
        cuts = set(find_cuts([p.agreement for p in pairs])) | {index for index, p in enumerate(pairs) if p.lost}
        return cls([(p.forward, p.backward) for p in pairs], cuts)


class CoarseFlow:
    """DIS on frames of `size` = (width, height) downscaled to `COARSE` pixels."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.region = Region.whole(size, COARSE)
        self._dis = DisFlow("fast", workers=1)

    def shrink(self, image: np.ndarray) -> np.ndarray:
        """A frame, grey and small."""
        return cv2.cvtColor(self.region.cut(image), cv2.COLOR_RGB2GRAY)

    def pair(self, first: np.ndarray, second: np.ndarray) -> CoarsePair:
        """Coarse flows between two downscaled frames."""
        forward, backward = (flows[0] for flows in self._dis.both([first], [second]))
        fields = FlowField(forward, self.region), FlowField(backward, self.region)
        return CoarsePair(*fields, agreement(first, second, forward))

    def segment(self, small: Sequence[np.ndarray]) -> CoarseSegment:
        """Coarse flows and cuts of consecutive downscaled frames."""
        return CoarseSegment.of([self.pair(a, b) for a, b in zip(small, small[1:])])
