"""DIS initialised with the flow of another estimator.

RAFT-small finds large motions but has no learned upsampling: its flow of 1/8 resolution slides off thin limbs. DIS sees
every pixel but searches only near where it begins. Begun from RAFT's flow it keeps the large motion and finds the limb.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from poof.flow.base import FlowEstimator
from poof.flow.dis import DisFlow


class StartedDisFlow(FlowEstimator):
    """The flow of `start`, refined by `dis`.

    OpenCV tries the start at every scale of its pyramid against what it found at the coarser one and keeps the better
    of the two, patch by patch; a wrong start does little harm.

    Parameters
    ----------
    start
        Any estimator; called first.
    dis
        The refinement.
    """

    def __init__(self, start: FlowEstimator, dis: DisFlow) -> None:
        self.start = start
        self.dis = dis
        self.name = f"{start.name}>{dis.name}"

    def prepare(self, images: np.ndarray) -> list[tuple[Any, np.ndarray]]:
        """See `FlowEstimator.prepare`."""
        return list(zip(self.start.prepare(images), self.dis.prepare(images), strict=True))

    def between(self, first: Sequence[tuple[Any, np.ndarray]], second: Sequence[tuple[Any, np.ndarray]]) -> np.ndarray:
        """See `FlowEstimator.between`."""
        begin = self.start.between([start for start, _ in first], [start for start, _ in second])
        return self.dis.refine([grey for _, grey in first], [grey for _, grey in second], begin)

    def both(
        self, first: Sequence[tuple[Any, np.ndarray]], second: Sequence[tuple[Any, np.ndarray]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `FlowEstimator.both`."""
        there, back = self.start.both([start for start, _ in first], [start for start, _ in second])
        grey_first, grey_second = [grey for _, grey in first], [grey for _, grey in second]
        begin = np.concatenate([there, back])
        flows = self.dis.refine(grey_first + grey_second, grey_second + grey_first, begin)
        return flows[: len(first)], flows[len(first) :]

    def batch_size(self, height: int, width: int) -> int:
        """See `FlowEstimator.batch_size`: what is best for the start, which costs far more than DIS."""
        return self.start.batch_size(height, width)

    def describe(self) -> dict[str, Any]:
        """See `FlowEstimator.describe`."""
        return {"name": self.name, "start": self.start.describe(), "refinement": self.dis.describe()}
