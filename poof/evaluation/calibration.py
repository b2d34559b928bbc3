"""Calibration of confidence: reliability, expected calibration error, ranking.

The confidence of a point is read as the probability that its error is below the threshold in question.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from poof.errors import PoofError

Array = np.ndarray


def reliability(confidence: Array, right: Array, bins: int = 10) -> pd.DataFrame:
    """What was promised against what was kept, in bins of equal width over [0, 1].

    Parameters
    ----------
    confidence : (N,)
        In [0, 1]; points with NaN are left out.
    right : (N,) bool
        Whether the error was below the threshold.
    bins
        Number of bins; bin i holds i/bins < confidence <= (i+1)/bins, the first one 0, too.

    Returns
    -------
    DataFrame
        Columns low, high, points, confidence (mean of the bin), accuracy; NaN in an empty bin.

    Raises
    ------
    PoofError
        If a confidence lies outside [0, 1] or `bins` is below 1.
    """
    confidence, right = _known(confidence, right)
    if bins < 1:
        raise PoofError("reliability needs at least one bin")
    edges = np.linspace(0, 1, bins + 1)
    member = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    count = np.bincount(member, minlength=bins)
    with np.errstate(invalid="ignore"):
        promised = np.bincount(member, confidence, bins) / count
        kept = np.bincount(member, right, bins) / count
    return pd.DataFrame(
        {"low": edges[:-1], "high": edges[1:], "points": count, "confidence": promised, "accuracy": kept}
    )


def expected_calibration_error(confidence: Array, right: Array, bins: int = 10) -> float:
    """Mean gap between confidence and accuracy over the bins of `reliability`, weighted by points; NaN without any."""
    table = reliability(confidence, right, bins)
    total = table.points.sum()
    if not total:
        return float("nan")
    return float(((table.confidence - table.accuracy).abs().fillna(0) * table.points).sum() / total)


def auroc(score: Array, positive: Array, least: int = 1) -> float:
    """Area under the ROC curve: the chance that a positive has the higher score, a tie counting half.

    Parameters
    ----------
    score : (N,)
        Higher should mean positive, e.g. 1 - confidence for the points in error; points with NaN are left out.
    positive : (N,) bool
        Which points are.
    least
        Fewer than this many of either class give NaN.
    """
    from scipy.stats import rankdata  # slow to import

    score, positive = np.asarray(score, np.float64), np.asarray(positive, bool)
    keep = np.isfinite(score)
    score, positive = score[keep], positive[keep]
    ours, others = int(positive.sum()), int((~positive).sum())
    if min(ours, others) < max(least, 1):
        return float("nan")
    # Mann-Whitney: the rank sum of the positives, ranks averaged over ties.
    return float((rankdata(score)[positive].sum() - ours * (ours + 1) / 2) / (ours * others))


def _known(confidence: Array, right: Array) -> tuple[Array, Array]:
    confidence, right = np.asarray(confidence, np.float64), np.asarray(right, bool)
    keep = np.isfinite(confidence)
    confidence, right = confidence[keep], right[keep]
    if len(confidence) and (confidence.min() < 0 or confidence.max() > 1):
        raise PoofError(f"confidences must lie in [0, 1], not {confidence.min():g} to {confidence.max():g}")
    return confidence, right
