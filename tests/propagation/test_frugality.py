"""What the work on a segment holds on to, and what the process of a command does with memory that was freed."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from poof.flow.base import FlowEstimator
from poof.propagation.regions import plan_layouts
from poof.propagation.segment_flow import fine_flows

SIZE = (48, 32)


class Counting(FlowEstimator):
    """Counts the pairs that it was asked for, in batches of two."""

    name = "counting"

    def __init__(self) -> None:
        self.pairs = 0

    def prepare(self, images: np.ndarray) -> list[int]:
        return [0] * len(images)

    def between(self, first: Sequence[int], second: Sequence[int]) -> np.ndarray:
        self.pairs += len(first)
        return np.zeros((len(first), 2, SIZE[1], SIZE[0]), np.float32)

    def both(self, first: Sequence[int], second: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        flow = self.between(first, second)
        return flow, flow

    def batch_size(self, height: int, width: int) -> int:
        return 2

    def describe(self) -> dict[str, Any]:
        return {"name": self.name}


def frames(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 255, (count, SIZE[1], SIZE[0], 3), np.uint8))


def test_the_pairs_of_a_run_are_handed_on_before_the_rest_of_it_is_computed() -> None:
    """All in one region: two of eight pairs are enough for the first two, whatever the number of estimators."""
    layouts = plan_layouts([{0: (0.0, 0.0, 47.0, 31.0)}] * 8, SIZE, 48 * 32)
    estimators = [Counting(), Counting()]
    done = []
    for pairs in fine_flows(frames(9), layouts, set(), set(), estimators):
        assert len(pairs) == 2 and None not in pairs
        done.append([estimator.pairs for estimator in estimators])
    assert done == [[n, n] for n in (2, 2, 4, 4, 6, 6, 8, 8)]


def test_a_pair_that_is_kept_keeps_its_own_two_frames_and_no_others() -> None:
    images = [image.copy() for image in frames(9)]
    alive = [weakref.ref(image) for image in images]
    layouts = plan_layouts([{0: (0.0, 0.0, 20.0, 20.0)}] * 8, SIZE, 48 * 32)
    flows = fine_flows(images, layouts, set(), set(), [Counting()])
    kept = next(flows)
    flows.close()  # type: ignore[attr-defined]
    del images, flows
    gc.collect()
    assert [reference() is not None for reference in alive] == [True, True] + [False] * 7
    assert kept[0] is not None and kept[0].widen is not None
    assert kept[0].widen().forward.data.shape == (2, 32, 48)


FAULTS = """
import resource, sys
from poof.cli.common import settle_for_flow
if sys.argv[1] == "settled":
    settle_for_flow()
import numpy as np
def work():
    for _ in range(20):
        np.ones(40_000_000, np.uint8)
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_freed_memory_stays_with_the_process_of_a_command() -> None:
    """20 blocks of 40 MB, one after the other: their pages are met for the first time once, not twenty times over."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    faults = [
        int(subprocess.run([sys.executable, "-c", FAULTS, kind], env=plain, capture_output=True, check=True).stdout)
        for kind in ("settled", "plain")
    ]
    assert faults[0] < 100 < 300 < faults[1]


def test_settings_of_the_users_environment_hold() -> None:
    code = (
        "import os; from poof.cli.common import settle_for_flow; settle_for_flow(); import cv2;"
        "print(os.environ['OPENBLAS_NUM_THREADS'], cv2.getNumThreads())"
    )
    given = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")}
    for more, expected in (({}, "1 1"), ({"OPENBLAS_NUM_THREADS": "3", "OPENCV_FOR_THREADS_NUM": "2"}, "3 2")):
        run = subprocess.run([sys.executable, "-c", code], env=given | more, capture_output=True, check=True, text=True)
        assert run.stdout.strip() == expected
