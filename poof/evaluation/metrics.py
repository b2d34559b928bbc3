"""Metrics of keypoint accuracy as pure functions of arrays.

Everywhere: a difference is prediction minus truth, float (N, 2) with dx in column 0, in pixels; a point without a
prediction has NaN in it. One rule holds for all shares: **a missing prediction is wrong**, it stays in the denominator,
so abstaining never pays; `coverage` says how much was predicted. Means and percentiles of the error have no value for
what is missing: they describe the predicted points alone and are to be read beside the coverage.

A point is right when its error is *strictly* below the threshold (000-gebotys S1; TAP-Vid; COCO's matching).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Array = np.ndarray

PERCENTILES = (50, 75, 90, 95, 99)
TAPVID_THRESHOLDS = (1.0, 2.0, 4.0, 8.0, 16.0)
TAPVID_SIDE = 256.0


def thesis_error(difference: Array) -> Array:
    """Mean absolute coordinate error (|dx| + |dy|) / 2 of (..., 2) differences (000-gebotys S1, 'Accuracy')."""
    return np.abs(np.asarray(difference, np.float64)).mean(axis=-1)


def l2_error(difference: Array) -> Array:
    """Euclidean length of (..., 2) differences."""
    difference = np.asarray(difference, np.float64)
    return np.hypot(difference[..., 0], difference[..., 1])


def coverage(error: Array) -> float:
    """Share of points that were predicted at all, NaN without points."""
    error = np.asarray(error, np.float64)
    return float(np.isfinite(error).mean()) if error.size else float("nan")


def accuracy(error: Array, threshold: float) -> float:
    """Share of points with error strictly below `threshold`; a missing one (NaN) is wrong. NaN without points."""
    return float(accuracy_curve(error, [threshold])[0])


def accuracy_curve(error: Array, thresholds: Sequence[float] | Array) -> Array:
    """Accuracy at every threshold (000-gebotys Fig. 3.3).

    Parameters
    ----------
    error : (N,)
        Errors in the unit of the thresholds, NaN for a missing prediction.
    thresholds : (T,)
        In any order.

    Returns
    -------
    (T,) float64
        Shares in [0, 1], never falling as the threshold grows; NaN when there are no points.
    """
    thresholds = np.asarray(thresholds, np.float64)
    ordered = np.sort(np.asarray(error, np.float64).ravel())  # NaN sorts to the end, behind every threshold
    if not ordered.size:
        return np.full(thresholds.shape, np.nan)
    found = ordered[np.isfinite(ordered)]
    return np.searchsorted(found, thresholds, side="left") / ordered.size


def error_statistics(error: Array) -> dict[str, float]:
    """Mean and percentiles ('mean', 'p50', ... 'p99') of the predicted points; NaN when there are none."""
    error = np.asarray(error, np.float64)
    error = error[np.isfinite(error)]
    names = [f"p{p}" for p in PERCENTILES]
    if not error.size:
        return dict.fromkeys(["mean", *names], float("nan"))
    return {"mean": float(error.mean())} | dict(zip(names, np.percentile(error, PERCENTILES).tolist()))


def normalised(error: Array, size: Array) -> Array:
    """Error divided by the size of the subject (box side, torso, head), for the points that have one.

    Parameters
    ----------
    error : (N,)
        L2 errors in pixels, NaN for a missing prediction.
    size : (N,)
        Normaliser of each point in the same pixels; NaN or 0 where it cannot be told.

    Returns
    -------
    (M,) float64
        M <= N: points without a normaliser cannot be judged and are left out, whatever was predicted for them.
    """
    error, size = np.asarray(error, np.float64), np.asarray(size, np.float64)
    keep = np.isfinite(size) & (size > 0)
    return error[keep] / size[keep]


def pck(error: Array, size: Array, alpha: float) -> float:
    """Percentage of correct keypoints, as a share: error < alpha * size; points without a normaliser are left out."""
    return accuracy(normalised(error, size), alpha)


def delta_avg(difference: Array, image_size: Array | tuple[float, float]) -> float:
    """TAP-Vid's position accuracy: the mean of the shares below 1, 2, 4, 8, 16 px in a frame squeezed to 256x256.

    Parameters
    ----------
    difference : (N, 2)
        In pixels of the video.
    image_size : (2,) or (N, 2)
        Width and height of the video, in pixels; NaN where unknown, which makes the result NaN.

    Returns
    -------
    float
        In [0, 1]. TAP-Vid leaves out occluded points and the query frames; which points are given is up to the caller.
    """
    size = np.broadcast_to(np.asarray(image_size, np.float64), np.shape(difference))
    if not np.isfinite(size).all():
        return float("nan")
    squeezed = l2_error(np.asarray(difference, np.float64) * TAPVID_SIDE / size)
    return float(accuracy_curve(squeezed, TAPVID_THRESHOLDS).mean())
