"""Error over the distance from a label: means made monotone, and their interval from a bootstrap over anchors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

REPLICATES = 400
"""Bootstrap samples; more change the ends of an interval by less than a tenth of its width."""
_ENDS = (0.025, 0.975)


@dataclass
class Curve:
    """Error over the distance from the label, arrays (D,) for 1 ... D frames; errors are fractions of the longer side.

    Attributes
    ----------
    error
        Mean error, made monotone: the increasing curve nearest to the means at the measured distances, weighted by
        their points, with straight lines between them and from 0 at distance 0. NaN beyond the last measured one.
    low, high
        Its 95 % interval from the bootstrap over anchors: chains of one anchor stand or fall together.
    raw
        Mean error as measured; NaN where no two labels are that far apart.
    points
        Points that `raw` is the mean of.
    outside
        Share of points off by more than the threshold, made monotone as `error` is.
    cycle
        Mean accumulated forward-backward error, labels or not.
    radius
        Largest distance at which `error` is within the threshold; 0 if it is not at 1 already, None without data.
    """

    error: np.ndarray
    low: np.ndarray
    high: np.ndarray
    raw: np.ndarray
    points: np.ndarray
    outside: np.ndarray
    cycle: np.ndarray
    radius: int | None

    @property
    def distance(self) -> np.ndarray:
        """(D,) frames from the label."""
        return np.arange(1, len(self.error) + 1)


def resamples(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(REPLICATES, S) how often each source counts when the anchor frames (S,) are drawn with replacement."""
    anchors, of_source = np.unique(frames, return_inverse=True)
    drawn = rng.multinomial(len(anchors), np.full(len(anchors), 1 / len(anchors)), size=REPLICATES)
    return drawn[:, of_source].astype(np.float64)


def fit_curve(
    error: np.ndarray, cycle: np.ndarray, weights: np.ndarray, threshold: float
) -> tuple[Curve, tuple[int, int] | None]:
    """The curve of some keypoints and the interval of its radius.

    Parameters
    ----------
    error, cycle : (S, 2, D, K)
        As in `ChainErrors`.
    weights : (B, S)
        Bootstrap samples, see `resamples`.
    threshold
        Mean error that is allowed.

    Returns
    -------
    Curve
    (int, int) or None
        95 % interval of the radius; None without data.
    """
    known = np.isfinite(error)
    count = known.sum(axis=(1, 3)).astype(np.float64)
    total = np.where(known, error, 0.0).sum(axis=(1, 3))
    outside = (known & (error > threshold)).sum(axis=(0, 1, 3))
    points = count.sum(axis=0)
    fitted = monotone(total.sum(axis=0), points)
    samples = np.stack([monotone(t, n) for t, n in zip(weights @ total, weights @ count)])
    low, high = np.full_like(fitted, np.nan), np.full_like(fitted, np.nan)
    for d in np.flatnonzero(np.isfinite(fitted)):
        drawn = samples[np.isfinite(samples[:, d]), d]
        if len(drawn):
            low[d], high[d] = np.quantile(drawn, _ENDS)
    with np.errstate(invalid="ignore", divide="ignore"):
        raw = total.sum(axis=0) / points
        measured = np.isfinite(cycle)
        mean_cycle = np.where(measured, cycle, 0.0).sum(axis=(0, 1, 3)) / measured.sum(axis=(0, 1, 3))
    curve = Curve(
        error=fitted,
        low=low,
        high=high,
        raw=raw,
        points=points.astype(int),
        outside=monotone(outside, points),
        cycle=mean_cycle,
        radius=largest_below(fitted, threshold),
    )
    radii = [radius for sample in samples if (radius := largest_below(sample, threshold)) is not None]
    if not radii:
        return curve, None
    first, last = np.quantile(radii, _ENDS, method="closest_observation")
    return curve, (int(first), int(last))


def monotone(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """The increasing curve nearest to the means `total / count` at the distances 1 ... D.

    Weighted isotonic regression over the distances with data (`count` > 0), straight lines between them and from 0 at
    distance 0; NaN beyond the last.
    """
    from scipy.optimize import isotonic_regression  # slow to import

    known = count > 0
    result = np.full(len(count), np.nan)
    if not known.any():
        return result
    at = np.flatnonzero(known) + 1
    fitted = isotonic_regression(total[known] / count[known], weights=count[known]).x
    inner = np.arange(1, at[-1] + 1)
    result[: at[-1]] = np.interp(inner, [0, *at], [0.0, *fitted])
    return result


def largest_below(error: np.ndarray, threshold: float) -> int | None:
    """Largest distance at which an increasing curve is at most the threshold; 0 for none, None where all is NaN."""
    if not np.isfinite(error).any():
        return None
    # Errors are float32 pixels over a side: a curve that touches the threshold must not miss it by rounding.
    return int((error <= threshold * (1 + 1e-6)).sum())
