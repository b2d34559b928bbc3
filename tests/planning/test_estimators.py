"""Which flow suits the footage: errors at labels left out, by hand, on a clock whose flow is off by a known amount."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from poof.errors import PoofError
from poof.flow.base import FlowEstimator
from poof.labels.model import LabelSet, Points, Skeleton
from poof.planning.estimators import LOST, compare_flows
from poof.propagation import Settings
from poof.video.base import ArrayVideo

SPEED, SIZE, FRAMES = 2.0, (200, 64), 41
WHOLE = Settings(crop=False)


class Clock(FlowEstimator):
    """Reads the time off the images: `SPEED` px a frame to the right, and `slip` px down in every step, both ways."""

    grey = True

    def __init__(self, name: str, slip: float, pause: float = 0.0) -> None:
        self.name, self.slip, self.pause = name, slip, pause
        self.pairs = 0

    def prepare(self, images: np.ndarray) -> list[np.ndarray]:
        return list(images)

    def between(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> np.ndarray:
        import time

        time.sleep(self.pause * len(first))
        flows = np.zeros((len(first), 2, *first[0].shape[:2]), np.float32)
        for flow, a, b in zip(flows, first, second):
            self.pairs += 1
            steps = (int(b[0, 0]) - int(a[0, 0])) // 4
            flow[0], flow[1] = SPEED * steps, self.slip
        return flows

    def describe(self) -> dict[str, object]:
        return {"name": self.name}


def video() -> ArrayVideo:
    return ArrayVideo([np.full((SIZE[1], SIZE[0], 3), 4 * number, np.uint8) for number in range(FRAMES)], name="clock")


def labels(*frames: int) -> LabelSet:
    """Two points that move as the clock says."""
    found = LabelSet(Skeleton(("a", "b")), image_size=SIZE)
    for frame in frames:
        x = 20 + SPEED * frame
        found.add(frame, 0, Points.human(frame, np.array([[x, 20], [x + 50, 30]], np.float32)))
    return found


def test_errors_at_labels_left_out_by_hand() -> None:
    exact, slipping = Clock("exact", 0.0), Clock("slipping", 0.25)
    found = compare_flows(video(), labels(0, 10, 20, 30), {"slipping": [slipping], "exact": [exact]}, WHOLE)
    # From either side ten steps of 0.25 px down: the blend of the two chains is off by 2.5 px at both inner labels.
    assert [row.flow for row in found.rows] == ["exact", "slipping"]
    assert found.rows[0].error == pytest.approx(0.0, abs=1e-4)
    assert found.rows[1].error == found.rows[1].median == pytest.approx(2.5, abs=1e-4)
    assert (found.frames, found.points, found.choice) == ((10, 20), 4, "exact")
    assert "exact: 0.0 px" in found.message and "slipping 2.5" in found.message
    assert found.as_dict()["rows"][1]["flow"] == "slipping"


def test_an_estimator_of_several_candidates_runs_once() -> None:
    exact, slipping = Clock("exact", 0.0), Clock("slipping", 0.25)
    both = {"exact": [exact], "exact+slipping": [exact, slipping], "slipping": [slipping]}
    compare_flows(video(), labels(0, 10, 20), both, WHOLE)
    assert exact.pairs == slipping.pairs == 2 * 20  # both directions of the pairs between the labels that remain


def test_of_two_that_are_as_good_the_faster_is_taken() -> None:
    found = compare_flows(
        video(), labels(0, 10, 20), {"slow": [Clock("slow", 0.0, 0.01)], "fast": [Clock("fast", 0.0)]}, WHOLE
    )
    assert found.choice == "fast"
    seconds = {row.flow: row.seconds for row in found.rows}
    assert seconds["slow"] >= 2.0 and seconds["slow"] > seconds["fast"]  # two directions, 10 ms each, 100 pairs


def test_one_lost_point_does_not_decide() -> None:
    # 3 px a step is 30 px after ten, past a fifth of the side of 51 px.
    found = compare_flows(video(), labels(0, 10, 20), {"lost": [Clock("lost", 3.0)], "e": [Clock("e", 0.0)]}, WHOLE)
    side = 50.0
    assert found.rows[1].error == pytest.approx(LOST * side, rel=0.03) and found.rows[1].median > 2 * LOST * side


@pytest.mark.parametrize(
    ("frames", "reason"),
    [((0,), "1 labelled frames are too few"), ((0, 20), "2 labelled frames"), ((0, 20, 60), "at most 41 frames apart")],
)
def test_with_too_few_labels_the_first_is_taken_and_it_is_said(frames: tuple[int, ...], reason: str) -> None:
    clock = Clock("exact", 0.0)
    found = compare_flows(video(), labels(*frames), {"first": [clock], "second": [clock]}, WHOLE)
    assert (found.choice, found.rows, clock.pairs) == ("first", (), 0)
    assert reason in found.message


def test_nothing_to_compare() -> None:
    with pytest.raises(PoofError, match="no flow estimators"):
        compare_flows(video(), labels(0), {})
    with pytest.raises(PoofError, match="no point that a person set"):
        compare_flows(video(), LabelSet(Skeleton(("a",))), {"first": [Clock("exact", 0.0)]})
