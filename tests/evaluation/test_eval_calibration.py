"""Reliability, calibration error and ranking against counts made by hand and by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poof.errors import PoofError
from poof.evaluation.calibration import auroc, expected_calibration_error, reliability


def test_reliability_by_hand() -> None:
    confidence = np.array([0.0, 0.05, 0.5, 0.55, 0.6, 1.0, np.nan])
    right = np.array([False, True, True, False, True, True, True])
    table = reliability(confidence, right, bins=2)
    assert table.low.tolist() == [0.0, 0.5]
    assert table.points.tolist() == [3, 3]  # 0.5 belongs to the lower bin, NaN to none
    assert table.confidence.tolist() == pytest.approx([0.55 / 3, 2.15 / 3])
    assert table.accuracy.tolist() == pytest.approx([2 / 3, 2 / 3])
    ece = (abs(0.55 - 2) / 3 + abs(2.15 - 2) / 3) / 2
    assert expected_calibration_error(confidence, right, bins=2) == pytest.approx(ece)


def test_empty_bins_and_no_points() -> None:
    table = reliability(np.array([0.95]), np.array([True]))
    assert table.points.sum() == 1
    assert table.confidence.isna().sum() == 9
    assert np.isnan(expected_calibration_error(np.array([np.nan]), np.array([True])))


def test_perfect_and_worst_calibration() -> None:
    generator = np.random.default_rng(0)
    confidence = generator.random(40_000)
    right = generator.random(40_000) < confidence
    assert expected_calibration_error(confidence, right) < 0.01
    assert expected_calibration_error(np.ones(10), np.zeros(10, bool)) == 1.0


def test_confidences_beyond_one_are_refused() -> None:
    with pytest.raises(PoofError, match=r"must lie in \[0, 1\], not 0.2 to 97"):
        reliability(np.array([0.2, 97.0]), np.array([True, True]))
    with pytest.raises(PoofError, match="at least one bin"):
        reliability(np.array([0.2]), np.array([True]), bins=0)


def test_auroc_by_hand() -> None:
    score = np.array([0.1, 0.4, 0.35, 0.8])
    assert auroc(score, np.array([False, False, True, True])) == 0.75
    assert auroc(np.zeros(4), np.array([False, False, True, True])) == 0.5
    assert np.isnan(auroc(score, np.ones(4, bool)))
    assert np.isnan(auroc(score, np.array([False, False, True, True]), least=3))
    assert auroc(np.array([np.nan, 0.1, 0.2]), np.array([True, False, True])) == 1.0


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_auroc_counts_pairs_and_halves_ties(pairs: list[tuple[int, bool]]) -> None:
    score = np.array([p[0] for p in pairs], float)
    positive = np.array([p[1] for p in pairs])
    ours, others = score[positive], score[~positive]
    value = auroc(score, positive)
    if not len(ours) or not len(others):
        assert np.isnan(value)
        return
    gaps = ours[:, None] - others[None]
    assert value == pytest.approx(((gaps > 0) + 0.5 * (gaps == 0)).mean())
    assert auroc(-score, positive) == pytest.approx(1 - value)
