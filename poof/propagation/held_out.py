"""Held-out error: how far the propagation misses each of a person's own labels when that label is left out.

At a labelled frame the chains of its neighbours end, over the whole gap between two labels, and the label says by how
far they miss. Nothing has to be computed again: the engine keeps where chains end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from poof.propagation.confidence import confidence
from poof.propagation.evidence import Evidence
from poof.propagation.merge import Merged

GOOD = 0.05
"""An error, in longer sides of the subject, below which a point is right: what a confidence is the probability of."""
PRIOR = 0.7
"""Standard deviation of footages' offsets from the confidence that was fitted on others, in log-odds."""
WORTH = 0.5
"""A point counts as so much of an independent one: the points of a frame err together."""


@dataclass(frozen=True)
class HeldOut:
    """The labelled points of an instance that some chain reached from another label, N of them.

    Attributes
    ----------
    frame, keypoint : (N,) int
        Which label.
    xy : (N, 2)
        Where the blend puts it without that label, pixels.
    error : (N,)
        How far from the label, in longer sides of the subject.
    confidence : (N,)
        The probability of an error below `GOOD` that the blend claims there.
    """

    frame: np.ndarray
    keypoint: np.ndarray
    xy: np.ndarray
    error: np.ndarray
    confidence: np.ndarray


def without_labels(chains: Sequence[Evidence]) -> list[Evidence]:
    """The chains without what the label at their end tells: by how far they miss it."""
    return [replace(chain, closure=np.full_like(chain.closure, np.nan)) for chain in chains]


def held_out(
    joint: Merged, chains: Sequence[Evidence], frames: np.ndarray, human: np.ndarray, sides: Mapping[int, float]
) -> HeldOut:
    """The blend at every label, made without it.

    Parameters
    ----------
    joint, chains
        What `without_labels` leaves of an instance's chains, merged, and these chains.
    frames
        (F,) the covered frames.
    human : (F, K, 2)
        The labels, NaN elsewhere.
    sides
        Longer side of the subject by labelled frame, pixels.
    """
    row, k = np.nonzero(np.isfinite(human).all(axis=-1) & np.isfinite(joint.xy).all(axis=-1))
    side = np.array([sides[int(f)] for f in frames[row]], float)
    error = np.hypot(*(joint.xy[row, k] - human[row, k]).T) / side
    return HeldOut(frames[row], k, joint.xy[row, k], error, confidence(joint, chains)[row, k])


def as_info(found: Mapping[int, HeldOut]) -> dict[str, Any]:
    """What a label set keeps of it, in plain values: lists of one length, and the figures of `offset` made of them.

    Parameters
    ----------
    found
        By instance.
    """
    errors, claims = (np.concatenate([getattr(h, name) for h in found.values()] or [np.zeros(0)])
                      for name in ("error", "confidence"))  # fmt: skip
    count = len(errors)
    return {
        "points": count,
        "right": float((errors < GOOD).mean()) if count else None,
        "claimed": float(np.nanmean(claims)) if count else None,
        "offset": offset(claims, errors < GOOD),
        "frame": [int(f) for h in found.values() for f in h.frame],
        "instance": [i for i, h in found.items() for _ in h.frame],
        "keypoint": [int(k) for h in found.values() for k in h.keypoint],
        "x": [round(float(x), 2) for h in found.values() for x in h.xy[:, 0]],
        "y": [round(float(y), 2) for h in found.values() for y in h.xy[:, 1]],
        "error": [round(float(e), 4) for e in errors],
        "confidence": [round(float(c), 3) for c in claims],
    }


def offset(claimed: np.ndarray, right: np.ndarray) -> float:
    """By how much, in log-odds, confidences must be lowered for this footage; never above 0.

        d = argmax  w sum_i ln p(right_i | claimed_i, d) - d^2 / (2 s^2),     p = 1 / (1 + exp(-(logit claimed + d)))

    with s = `PRIOR`, w = `WORTH`. A footage on which the blend is better than it claims is not made surer: the labels
    lie farther from each other than from the points between them.

    Parameters
    ----------
    claimed : (N,)
        Confidences; NaN is left out.
    right : (N,) bool
        Whether the error was below `GOOD`.
    """
    known = np.isfinite(claimed)
    sure, hit = np.clip(claimed[known], 0.01, 0.99), right[known]
    odds, d = np.log(sure / (1 - sure)), 0.0
    for _ in range(50):
        p = 1 / (1 + np.exp(-(odds + d)))
        slope = WORTH * (hit - p).sum() - d / PRIOR**2
        step = float(slope / (WORTH * (p * (1 - p)).sum() + 1 / PRIOR**2))
        d += float(np.clip(step, -2, 2))
        if abs(step) < 1e-9:
            break
    return min(d, 0.0)


def lowered(confidences: Iterable[float] | np.ndarray, by: float) -> np.ndarray:
    """Confidences with an offset of their log-odds; NaN stays."""
    sure = np.asarray(confidences, float)
    if by == 0.0:
        return sure
    with np.errstate(divide="ignore"):
        return np.asarray(1 / (1 + np.exp(-(np.log(sure) - np.log1p(-sure) + by))))
