"""The estimators of one blend: names joined by '+', and DIS at two scales."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from flow_material import shifted_pair

from poof.errors import PoofError
from poof.flow.cache import CachedFlow
from poof.flow.dis import DisFlow
from poof.flow.registry import at_hand, create_flow, create_flows


def test_the_coarse_scale_is_opencvs_with_that_finest_scale() -> None:
    first, second = shifted_pair(180, 240, 4, -3)
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (first, second)]
    solver = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    solver.setFinestScale(2)
    coarse = create_flow("dis-coarse").estimate(first[None], second[None])[0]
    np.testing.assert_array_equal(coarse, np.moveaxis(solver.calc(*grey, None), -1, 0))
    assert np.abs(coarse - DisFlow().estimate(first[None], second[None])[0]).max() > 0.01


def test_the_scale_is_part_of_the_description() -> None:
    assert create_flow("dis-coarse").describe()["finest_scale"] == 2
    assert create_flow("dis-coarse").describe() != create_flow("dis").describe()


def test_dis_brings_its_coarse_scale_along_unless_told_not_to() -> None:
    assert [(e.name, e.stride) for e in create_flows("dis")] == [("dis", 1), ("dis-coarse", 1), ("dis-coarse", 2)]
    assert [e.name for e in create_flows("dis", both_scales=False)] == ["dis"]
    assert all(e.reason for e in create_flows("dis"))


def test_names_are_joined_by_plus(data: Path) -> None:
    weights = data / "weights" / "raft-small.pth"
    names = [(e.name, e.stride) for e in create_flows("raft-small+dis", weights)]
    assert names == [("raft-small", 1), ("dis", 1), ("dis-coarse", 1), ("dis-coarse", 2), ("dis", 2)]


def test_flows_of_networks_are_kept_and_found_again(data: Path, tmp_path: Path) -> None:
    weights = data / "weights" / "raft-small.pth"
    first, second = shifted_pair(128, 136, 3, 1)
    given = create_flows("raft-small+dis", weights, keep=tmp_path)
    assert [type(e).__name__ for e in given] == ["CachedFlow"] + 4 * ["DisFlow"]
    plain = create_flow("raft-small", weights).estimate(first[None], second[None])
    for estimator, hits in ((given[0], 0), (create_flows("raft-small", weights, keep=tmp_path)[0], 1)):
        np.testing.assert_array_equal(estimator.estimate(first[None], second[None]), plain)
        assert isinstance(estimator, CachedFlow) and estimator.hits == hits


@pytest.mark.parametrize(("names", "words"), [("dis+dis", "twice"), ("dis+magic", "magic"), ("", "unknown flow")])
def test_senseless_names_are_refused(names: str, words: str) -> None:
    with pytest.raises(PoofError, match=words):
        create_flows(names)


def test_what_is_at_hand_with_weights_is_dis_raft_and_both(data: Path, tmp_path: Path) -> None:
    found = at_hand(data / "weights" / "raft-small.pth", "cpu", tmp_path)
    assert list(found) == ["dis", "raft-small", "raft-small+dis"]
    assert [e.name for e in found["raft-small"]] == ["raft-small"]
    both = {str(e.describe()) for e in found["raft-small+dis"]}
    assert {str(e.describe()) for e in [*found["dis"], *found["raft-small"]]} < both  # each runs once in a comparison
    with pytest.raises(PoofError, match="holds no RAFT network"):
        at_hand(data / "weights" / "mobilenet_v2-b0353104.pth", "cpu")
