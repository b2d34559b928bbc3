"""Confidence: the probability that a propagated point is off by less than 5 % of the subject's longer side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from poof.propagation.evidence import Evidence
from poof.propagation.merge import Merged


def confidence(joint: Merged, chains: Sequence[Evidence]) -> np.ndarray:
    """(F, K) in [0, 1], NaN where nothing came by."""
    side = np.stack([np.nan_to_num(c.side) for c in chains]).max(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.exp(-joint.sigma / (0.1 * side))
