"""Two sides that look alike: heat maps with two peaks, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from poof.refine.beliefs import Grid, read
from poof.refine.mirror import LIMB, TAKEN, told_apart

GRID = Grid(40, 60, 50.0)
HERE, THERE = (12, 20), (44, 20)
SURE = np.ones(3)


def seen(here: float) -> Tensor:
    """(h, w): so much in one cell, the rest in another."""
    cells = torch.zeros(GRID.height, GRID.width)
    cells[HERE[1], HERE[0]], cells[THERE[1], THERE[0]] = here, 1 - here
    return cells


def peaks(maps: Tensor) -> list[tuple[float, float]]:
    return [(float(one[HERE[1], HERE[0]]), float(one[THERE[1], THERE[0]])) for one in maps]


def test_what_is_seen_on_the_limb_of_the_other_side_does_not_count() -> None:
    """The networks have left and right exchanged; the chains of both sides say which limb is whose."""
    maps = torch.stack([seen(0.3), seen(0.9), seen(0.3)])
    flow = np.array([HERE, THERE, HERE], float)
    after = told_apart(maps, [(0, 1)], flow, SURE, GRID)
    expected = [(0.3, 0.7 * (1 - TAKEN)), (0.9 * (1 - TAKEN), 0.1), (0.3, 0.7)]  # the third has no other side
    np.testing.assert_allclose(peaks(after), expected, rtol=1e-4)
    cells, *_ = read(after, GRID)
    np.testing.assert_allclose(cells, [HERE, THERE, THERE], atol=0.01)
    np.testing.assert_allclose(peaks(maps)[0], (0.3, 0.7), rtol=1e-6)  # what was given stays


@pytest.mark.parametrize("apart", [0.0, 0.5, 1.0])
def test_legs_that_cross_may_meet(apart: float) -> None:
    """The nearer flow has the two, in `LIMB`, the less is taken."""
    maps = torch.stack([seen(0.6), seen(0.9)])
    flow = np.array([(HERE[0] + apart * LIMB * GRID.side, HERE[1]), HERE])
    taken = TAKEN * (1 - math.exp(-(apart**2) / 2))
    assert peaks(told_apart(maps, [(0, 1)], flow, SURE, GRID))[0][0] == pytest.approx(0.6 * (1 - taken), rel=1e-4)


def test_a_side_that_flow_has_lost_takes_nothing() -> None:
    maps = torch.stack([seen(0.6), seen(0.9)])
    flow = np.array([HERE, THERE], float)
    half = told_apart(maps, [(0, 1)], flow, np.array([1.0, 0.5]), GRID)
    assert peaks(half)[0] == pytest.approx((0.6, 0.4 * (1 - TAKEN / 2)), rel=1e-4)
    missing = np.array([HERE, (np.nan, np.nan)])
    for pairs, places, sure in (([(0, 1)], missing, SURE), ([(0, 1)], flow, np.full(2, np.nan)), ([], flow, SURE)):
        np.testing.assert_allclose(told_apart(maps, pairs, places, sure, GRID), maps)
