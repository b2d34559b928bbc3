"""Significance tests: paired bootstrap intervals and McNemar's test.

Both look at the same points under both predictions. They differ in what they take for independent: the bootstrap
resamples whole clusters (frames or videos), so points of one cluster may hang together as they like; McNemar's test
(004-stergiou section 6) takes every point for itself and is too sure where neighbours fail together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from poof.errors import PoofError

Array = np.ndarray

FEW = 25


@dataclass(frozen=True)
class McNemar:
    """Outcome of McNemar's test.

    Attributes
    ----------
    first_only, second_only
        How many pairs only the first, only the second got right.
    statistic
        Chi-square with one degree of freedom; NaN for the exact test.
    p
        Two-sided probability of a split at least as uneven if both were equally good.
    method
        'exact' or 'chi-square'.
    """

    first_only: int
    second_only: int
    statistic: float
    p: float
    method: str


def mcnemar(
    first_only: int, second_only: int, method: Literal["auto", "exact", "chi-square"] = "auto", correction: bool = True
) -> McNemar:
    """McNemar's test of the two counts in which paired answers differ.

    Parameters
    ----------
    first_only, second_only
        Pairs that only the first, only the second got right (c and b of 004-stergiou 6.1; the test is symmetric).
    method
        'exact' is the binomial test; 'chi-square' (|b - c| - 1)^2 / (b + c), eq. 6.1; 'auto' is exact below 25
        differing pairs, where the approximation is poor.
    correction
        Edwards' continuity correction, the '- 1' of eq. 6.1 (never beyond 0). The thesis' Table 6.6 has it.

    Raises
    ------
    PoofError
        If a count is negative.
    """
    from scipy.stats import binomtest, chi2  # slow to import

    if first_only < 0 or second_only < 0:
        raise PoofError("McNemar's test needs counts of 0 or more")
    total, difference = first_only + second_only, abs(first_only - second_only)
    if method == "exact" or (method == "auto" and total < FEW):
        p = float(binomtest(first_only, total).pvalue) if total else 1.0
        return McNemar(first_only, second_only, float("nan"), p, "exact")
    statistic = max(difference - int(correction), 0) ** 2 / total if total else 0.0
    return McNemar(first_only, second_only, statistic, float(chi2.sf(statistic, 1)), "chi-square")


def mcnemar_of(first: Array, second: Array, method: Literal["auto", "exact", "chi-square"] = "auto") -> McNemar:
    """McNemar's test of two (N,) bool arrays: whether each pair was right under the first and under the second."""
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    return mcnemar(int((first & ~second).sum()), int((second & ~first).sum()), method)


@dataclass(frozen=True)
class Interval:
    """An estimate with its bootstrap interval; low and high are NaN where there is one cluster or no spread."""

    value: float
    low: float
    high: float


def paired_bootstrap(
    values: Array, clusters: Array, samples: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[list[Interval], list[list[Interval]]]:
    """Percentile intervals of the mean of each column and of the difference of each two, over resampled clusters.

    Clusters are drawn with replacement; all columns see the same draw, so what is hard for all of them cancels in the
    differences.

    Parameters
    ----------
    values : (N, P)
        One row a point, one column a prediction: 0/1 for right, or an error. Rows with a NaN are left out for all.
    clusters : (N,)
        Which points are drawn together: the number of the frame or of the video.
    samples
        Number of draws.
    seed
        Of the random numbers; equal seeds give equal intervals.
    level
        Share of the draws inside an interval.

    Returns
    -------
    (P,) intervals of the means, (P, P) intervals of mean of row minus mean of column.

    Raises
    ------
    PoofError
        If `samples` is below 1 or `level` outside (0, 1).
    """
    means, drawn = resampled_means(values, clusters, samples, seed)
    each = range(len(means))
    alone = [interval(means[a], drawn[:, a], level) for a in each]
    against = [[interval(means[a] - means[b], drawn[:, a] - drawn[:, b], level) for b in each] for a in each]
    return alone, against


def resampled_means(values: Array, clusters: Array, samples: int = 1000, seed: int = 0) -> tuple[Array, Array]:
    """What `paired_bootstrap` rests on: (P,) means and (samples, P) means over clusters drawn with replacement.

    The draws are NaN where there are fewer than two clusters.
    """
    if samples < 1:
        raise PoofError("the bootstrap needs at least one sample")
    values = np.asarray(values, np.float64)
    keep = np.isfinite(values).all(axis=1)
    values, columns = values[keep], values.shape[1]
    names, member = np.unique(np.asarray(clusters)[keep], return_inverse=True)
    number = len(names)
    counts = np.bincount(member, minlength=number).astype(np.float64)
    sums = np.stack([np.bincount(member, values[:, c], number) for c in range(columns)], axis=1)
    if not number:
        return np.full(columns, np.nan), np.full((samples, columns), np.nan)
    means = sums.sum(axis=0) / counts.sum()
    drawn = np.full((samples, columns), np.nan)
    generator = np.random.default_rng(seed)
    for sample in range(samples if number > 1 else 0):
        times = np.bincount(generator.integers(0, number, number), minlength=number).astype(np.float64)
        drawn[sample] = times @ sums / (times @ counts)
    return means, drawn


def interval(value: float, draws: Array, level: float = 0.95) -> Interval:
    """The percentile interval of (samples,) draws around a value.

    Draws that are all the same (every point right, say) tell nothing of what other points would give: low and high are
    NaN then, rather than a certainty of 100 %.
    """
    if not 0 < level < 1:
        raise PoofError("the bootstrap needs a level between 0 and 1")
    if np.ptp(draws) < 1e-12:
        return Interval(float(value), float("nan"), float("nan"))
    low, high = np.quantile(draws, ((1 - level) / 2, (1 + level) / 2))
    return Interval(float(value), float(low), float(high))


def cluster_numbers(*keys: Sequence[object] | Array) -> Array:
    """(N,) number of the distinct combination of `keys` in each row: `cluster_numbers(video, frame)`."""
    joint = np.zeros(len(keys[0]), np.int64)
    for key in keys:
        _, member = np.unique(np.asarray(key), return_inverse=True)
        joint = joint * (int(member.max(initial=0)) + 1) + member
        _, joint = np.unique(joint, return_inverse=True)
    return joint
