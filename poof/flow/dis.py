"""Dense inverse search (Kroeger et al., ECCV 2016) by OpenCV: fast, no weights, the default where there is no GPU.

OpenCV's result does not depend on its number of threads (checked in the tests). It uses several cores within one pair,
but not well: two cores give 1.4x at 1280x720, 1.13x at 512x384, nothing at 256x192 (CPU time of the threads). Pairs
spread over cores give the full factor, which is why `between` and `both` work on a batch with one thread for each core.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np

from poof.errors import PoofError, names_near
from poof.flow.base import FlowEstimator

PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
PATCH = 8  # px, in every preset


def cores() -> int:
    """Number of cores this process may use: those it may run on, no more than $POOF_THREADS where that is set."""
    asked = os.environ.get("POOF_THREADS", "")
    if asked.isdecimal() and int(asked):
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class DisFlow(FlowEstimator):
    """OpenCV's DIS optical flow.

    Prepared images are lists of grey images. One object may be used from several threads.

    Parameters
    ----------
    preset
        'ultrafast', 'fast' or 'medium' (OpenCV's names; medium is the most careful).
    workers
        Pairs of one batch that are worked on at the same time; None is one for each core.
    finest_scale
        Scale at which the search ends, 0 being full resolution, and the flow is enlarged from; None is the preset's.
    stride
        See `FlowEstimator.stride`.
    """

    name = "dis"
    grey = True

    def __init__(
        self, preset: str = "medium", workers: int | None = None, finest_scale: int | None = None, stride: int = 1
    ) -> None:
        if preset not in PRESETS:
            raise PoofError(f"unknown DIS preset '{preset}'; valid: {names_near(preset, PRESETS)}")
        self.preset = preset
        self.finest_scale = finest_scale
        self.stride = stride
        self.workers = cores() if workers is None else max(1, workers)
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def prepare(self, images: np.ndarray) -> list[np.ndarray]:
        """See `FlowEstimator.prepare`; grey images (H, W) uint8."""
        return [image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]

    def between(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> np.ndarray:
        """See `FlowEstimator.between`."""
        return self._spread([(a, b, None) for a, b in zip(first, second, strict=True)])

    def both(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """See `FlowEstimator.both`; the two directions are worked on at the same time."""
        forward = [(a, b, None) for a, b in zip(first, second, strict=True)]
        flows = self._spread(forward + [(b, a, None) for a, b, _ in forward])
        return flows[: len(forward)], flows[len(forward) :]

    def refine(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray], start: np.ndarray) -> np.ndarray:
        """Flow (B, 2, H, W) from first to second, begun from the flow `start` (B, 2, H, W) instead of from nothing."""
        return self._spread(list(zip(first, second, start, strict=True)))

    def batch_size(self, height: int, width: int) -> int:
        """See `FlowEstimator.batch_size`: one pair for each core."""
        del height, width
        return self.workers

    def describe(self) -> dict[str, Any]:
        """See `FlowEstimator.describe`."""
        scale = {} if self.finest_scale is None else {"finest_scale": self.finest_scale}
        stride = {} if self.stride == 1 else {"stride": self.stride}
        return {"name": self.name, "preset": self.preset, **scale, **stride, "opencv": cv2.__version__}

    # ---------------------------------------------------------------------------------------------------- the work

    def _spread(self, pairs: list[tuple[np.ndarray, np.ndarray, np.ndarray | None]]) -> np.ndarray:
        """The flow of every pair, (len(pairs), 2, H, W)."""
        if not pairs:
            return np.zeros((0, 2, 0, 0), np.float32)
        flows = np.empty((len(pairs), 2, *pairs[0][0].shape), np.float32)

        def one(index: int) -> None:
            flows[index] = np.moveaxis(self._pair(*pairs[index]), -1, 0)

        self._map(one, len(pairs))
        return flows

    def _map(self, work: Callable[[int], None], count: int) -> None:
        if count == 1 or self.workers == 1:
            for index in range(count):
                work(index)
            return
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.workers, thread_name_prefix="dis")
        for _ in self._pool.map(work, range(count)):
            pass

    def _pair(self, first: np.ndarray, second: np.ndarray, start: np.ndarray | None) -> np.ndarray:
        """Flow (H, W, 2) of one pair of grey images; `start` is (2, H, W)."""
        height, width = first.shape
        # OpenCV writes its result into the start it is given, so it gets a copy.
        begin: Any = None if start is None else np.array(np.moveaxis(start, 0, -1), np.float32, order="C")
        # A new solver each time, which costs nothing: OpenCV's keeps the scales that a small image made it choose for
        # all images after it, so a used one gives other flows (differences of 10 px seen) and is four times slower.
        solver = cv2.DISOpticalFlow.create(PRESETS[self.preset])
        if self.finest_scale is not None:
            solver.setFinestScale(self.finest_scale)
        # OpenCV 5.0.0 crashes or gives NaN where a patch does not fit the shorter side at the finest scale.
        smallest = PATCH << solver.getFinestScale()
        above, left = max(0, smallest - height) // 2, max(0, smallest - width) // 2
        below, right = max(0, smallest - height) - above, max(0, smallest - width) - left
        if above or below or left or right:
            border = (above, below, left, right, cv2.BORDER_REPLICATE)
            first, second = cv2.copyMakeBorder(first, *border), cv2.copyMakeBorder(second, *border)
            begin = None if begin is None else cv2.copyMakeBorder(begin, *border)
        flow = solver.calc(first, second, begin)
        return flow[above : above + height, left : left + width]
