"""McNemar's test on the worked rows of its document, and bootstrap intervals that hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poof.errors import PoofError
from poof.evaluation.significance import cluster_numbers, mcnemar, mcnemar_of, paired_bootstrap

# 004-stergiou Table 6.6: model, both right, only with the method, only without, both wrong, chi-square, p.
TABLE = [
    ("r3d-50", 8112, 659, 576, 4314, 5.445, 1.96e-2),
    ("r(2+1)d-50", 8253, 654, 557, 4197, 7.610, 5.8e-3),
    ("wide-r3d-50", 8216, 703, 527, 4215, 24.898, 6.0e-7),
    ("r3d-101", 8775, 473, 134, 4279, 188.211, 7.8e-43),
    ("MTNet_S", 9516, 878, 707, 2560, 18.233, 1.9e-5),
    ("MTNet_M", 9931, 678, 538, 2514, 15.889, 6.7e-5),
    ("MTNet_L", 10176, 614, 496, 2375, 12.332, 4.4e-4),
]


@pytest.mark.parametrize(("model", "both", "b", "c", "neither", "statistic", "p"), TABLE, ids=[r[0] for r in TABLE])
def test_mcnemar_on_the_rows_of_the_thesis(
    model: str, both: int, b: int, c: int, neither: int, statistic: float, p: float
) -> None:
    assert both + b + c + neither == 13661
    test = mcnemar(b, c, "chi-square")
    assert test.statistic == pytest.approx(statistic, abs=5e-4)
    # The p values are printed with two digits (three for r3d-50), some rounded, some cut: less than one unit away.
    unit = 10.0 ** (np.floor(np.log10(p)) - (2 if model == "r3d-50" else 1))
    assert abs(test.p - p) < unit
    assert mcnemar(b, c) == test  # many pairs: the approximation is the default
    # The same from 13,661 paired answers in any order.
    ours = np.repeat([True, True, False, False], [both, b, c, neither])
    theirs = np.repeat([True, False, True, False], [both, b, c, neither])
    order = np.random.default_rng(0).permutation(13661)
    assert mcnemar_of(ours[order], theirs[order]) == test


def test_without_correction_the_statistic_is_the_plain_one() -> None:
    assert mcnemar(659, 576, "chi-square", correction=False).statistic == pytest.approx(83**2 / 1235)


def test_exact_test_by_hand() -> None:
    test = mcnemar(1, 5)
    assert test.method == "exact"
    assert np.isnan(test.statistic)
    assert test.p == pytest.approx(2 * (1 + 6) / 2**6)  # P(at most 1 of 6), both sides
    assert mcnemar(0, 0).p == 1.0
    assert mcnemar(3, 3).p == 1.0
    assert mcnemar(0, 0, "chi-square").p == 1.0
    assert mcnemar(40, 40).p == 1.0  # the correction does not turn equality into a difference
    assert mcnemar(10, 14).method == "exact"
    assert mcnemar(11, 14).method == "chi-square"


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_symmetric_and_exact_and_approximate_agree_in_direction(b: int, c: int) -> None:
    for method in ("exact", "chi-square"):
        assert mcnemar(b, c, method).p == pytest.approx(mcnemar(c, b, method).p)
        assert 0 <= mcnemar(b, c, method).p <= 1
    if b + c >= 200:
        assert mcnemar(b, c, "exact").p == pytest.approx(mcnemar(b, c, "chi-square").p, abs=0.02)


def test_negative_counts_are_refused() -> None:
    with pytest.raises(PoofError, match="counts of 0 or more"):
        mcnemar(-1, 3)


# ------------------------------------------------------------------------------------------------ bootstrap


def test_bootstrap_of_means_matches_the_normal_theory() -> None:
    values = np.random.default_rng(1).normal(10, 2, (900, 1))
    (estimate,), _ = paired_bootstrap(values, np.arange(900), samples=4000)
    assert estimate.value == pytest.approx(values.mean())
    half = 1.96 * values.std() / 30
    assert estimate.low == pytest.approx(values.mean() - half, abs=0.02)
    assert estimate.high == pytest.approx(values.mean() + half, abs=0.02)


def test_pairing_cancels_what_is_hard_for_both() -> None:
    generator = np.random.default_rng(2)
    hard = generator.normal(0, 20, 300)
    values = np.stack([hard + 1, hard], axis=1) + generator.normal(0, 0.1, (300, 2))
    alone, against = paired_bootstrap(values, np.arange(300))
    assert alone[0].high - alone[0].low > 3
    assert against[0][1].value == pytest.approx(1, abs=0.05)
    assert against[0][1].high - against[0][1].low < 0.05
    assert (against[1][0].low, against[1][0].high) == pytest.approx((-against[0][1].high, -against[0][1].low))
    assert np.isnan(against[0][0].low)  # of a prediction and itself


def test_points_of_one_cluster_are_no_independent_evidence() -> None:
    values = np.random.default_rng(3).normal(0, 1, 40)
    few, _ = paired_bootstrap(values[:, None], np.arange(40))
    copied, _ = paired_bootstrap(np.repeat(values, 25)[:, None], np.repeat(np.arange(40), 25))
    naive, _ = paired_bootstrap(np.repeat(values, 25)[:, None], np.arange(1000))
    assert copied[0].high - copied[0].low == pytest.approx(few[0].high - few[0].low, rel=1e-9)
    assert naive[0].high - naive[0].low < 0.3 * (few[0].high - few[0].low)


def test_clusters_of_different_size_weigh_by_their_points() -> None:
    values, clusters = np.array([[1.0]] * 9 + [[0.0]]), np.array([0] * 9 + [1])
    (estimate,), _ = paired_bootstrap(values, clusters)
    assert estimate.value == pytest.approx(0.9)
    assert (estimate.low, estimate.high) == (0.0, 1.0)  # drawn twice: one of the two alone


def test_bootstrap_is_reproducible_and_ignores_the_order_of_rows() -> None:
    generator = np.random.default_rng(4)
    values, clusters = generator.random((200, 2)), generator.integers(0, 30, 200)
    first = paired_bootstrap(values, clusters, seed=7)
    assert first[0] == paired_bootstrap(values, clusters, seed=7)[0]
    assert first[0] != paired_bootstrap(values, clusters, seed=8)[0]
    order = generator.permutation(200)
    again = paired_bootstrap(values[order], clusters[order], seed=7)
    assert again[0][0].low == pytest.approx(first[0][0].low)


def test_rows_that_one_of_the_two_has_not_are_left_out_for_both() -> None:
    values = np.array([[1.0, 2.0], [np.nan, 50.0], [3.0, 4.0]])
    alone, against = paired_bootstrap(values, np.arange(3))
    assert [a.value for a in alone] == [2.0, 3.0]
    assert against[1][0].value == 1.0


def test_one_cluster_or_none_has_no_interval() -> None:
    (one,), _ = paired_bootstrap(np.array([[1.0], [2.0]]), np.zeros(2))
    assert one.value == 1.5
    assert np.isnan([one.low, one.high]).all()
    (none,), _ = paired_bootstrap(np.full((2, 1), np.nan), np.arange(2))
    assert np.isnan([none.value, none.low, none.high]).all()


def test_bootstrap_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(5)
    hits = 0
    for trial in range(300):
        level = generator.random(60)[:, None] < 0.7  # a frame's five points stand or fall together
        values = np.repeat(level, 5, axis=0).astype(float)
        (estimate,), _ = paired_bootstrap(values, np.repeat(np.arange(60), 5), samples=300, seed=trial)
        hits += estimate.low <= 0.7 <= estimate.high
    assert 0.90 <= hits / 300 <= 0.98


def test_bad_settings_are_refused() -> None:
    for samples, level in ((0, 0.95), (10, 1.0), (10, 0.0)):
        with pytest.raises(PoofError, match="the bootstrap needs a"):
            paired_bootstrap(np.zeros((3, 1)), np.arange(3), samples=samples, level=level)


def test_no_spread_is_no_certainty() -> None:
    (estimate,), _ = paired_bootstrap(np.ones((90, 1)), np.arange(90) // 10)
    assert estimate.value == 1.0
    assert np.isnan([estimate.low, estimate.high]).all()


def test_cluster_numbers_tell_combinations_apart() -> None:
    numbers = cluster_numbers(np.array(["v", "v", "w", "w", "v"]), np.array([1, 2, 1, 2, 1]))
    assert len(set(numbers.tolist())) == 4
    assert numbers[0] == numbers[4]
    assert sorted(set(numbers.tolist())) == [0, 1, 2, 3]
