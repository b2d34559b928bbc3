"""One label from two results: where the flow put a point, and where flow and appearance together see it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poof.labels import LabelSet, Points, Source
from poof.refine.fusion import Fused

KEEP, TAKE = 0.97, 0.85
"""Confidence of flow from which on its place is kept, and below which the fusion counts in full; between, in part."""
NEAR = 0.04
"""Fusion and flow that lie so many longer sides apart count alike. Nearer, flow is the more exact of the two: a cell of
the networks' maps is wide. Farther, one of them is lost, and flow mostly is."""
AGREE = 0.03
"""Within so many longer sides of the fusion, what the networks see by themselves is averaged with it."""
DISPUTE = 0.05
"""Flow and fusion that lie so many longer sides apart disagree: a person should look."""
UNSURE = 0.7
"""Propagated points below this confidence are those that there is something to gain from."""
LITTLE = 0.02
"""With a smaller share of them, training would not pay."""


@dataclass(frozen=True)
class Combined:
    """An instance in a frame, K keypoints.

    Attributes
    ----------
    xy : (K, 2)
        Positions, pixels.
    confidence : (K,)
        Probability of an error below 5 % of the side.
    moved, disputed : (K,) bool
        Which points the fusion has a say in, and which it puts elsewhere than flow.
    """

    xy: np.ndarray
    confidence: np.ndarray
    moved: np.ndarray
    disputed: np.ndarray


def combined(points: Points, fused: Fused) -> Combined:
    """The positions of flow and fusion mixed by how sure the flow is, and by how far the two are apart.

    Parameters
    ----------
    points
        Human and propagated points of an instance in a frame.
    fused
        What the fusion makes of them.
    """
    near = np.hypot(*(fused.alone - fused.xy).T) / fused.side
    weight = (1 / (1 + (near / AGREE) ** 2))[:, None]
    seen = (fused.xy + weight * fused.alone) / (1 + weight)
    sure = np.nan_to_num(points.confidence.astype(float))
    flow = points.xy.astype(float)
    apart = np.hypot(*(seen - flow).T) / fused.side
    share = (np.clip((KEEP - sure) / (KEEP - TAKE), 0, 1) * apart**2 / (apart**2 + NEAR**2))[:, None]
    ours = points.labelled & (points.source == Source.PROPAGATED)
    moved = ours & (sure < KEEP)
    xy = np.where(moved[:, None], flow + share * (seen - flow), flow)
    with np.errstate(invalid="ignore"):
        disputed = ours & (apart > DISPUTE)
    return Combined(xy, np.where(moved, confidence(points, fused), sure), moved, disputed)


def confidence(points: Points, fused: Fused) -> np.ndarray:
    """(K,) the probability that a refined point is off by less than 5 % of the subject's longer side.

    A logistic regression on the flow's own confidence and on how far from the fusion the networks alone see the point.
    How spread the belief is and how far flow and fusion lie apart add nothing to these. The constants are fitted by
    `benchmarks/refine.py --fit`.
    """
    return 1 / (1 + np.exp(-(CONSTANT + features(points, fused) @ WEIGHTS)))


def features(points: Points, fused: Fused) -> np.ndarray:
    """(K, 2) what the regression of `confidence` knows of each point: log-odds, and ln(longer sides + 0.005)."""
    sure = np.clip(np.nan_to_num(points.confidence.astype(float)), 0.01, 0.99)
    alone = np.hypot(*(fused.alone - fused.xy).T) / fused.side
    return np.stack([np.log(sure / (1 - sure)), np.log(alone + 0.005)], axis=1)


CONSTANT = -1.85
WEIGHTS = np.array([0.78, -0.46])


def apply(tracks: LabelSet, fused: dict[tuple[int, int], Fused]) -> LabelSet:
    """Refined labels: human points as they are, the others combined; both results are kept. What is absent stays so.

    Parameters
    ----------
    tracks
        Human and propagated points.
    fused
        From `fuse`.
    """
    instances: dict[tuple[int, int], Points] = {}
    corner = np.inf if tracks.image_size is None else np.array(tracks.image_size) - 1
    for key, points in tracks.instances.items():
        refined = points.copy()
        instances[key] = refined
        if key not in fused:
            continue
        both = combined(points, fused[key])
        if both.moved.any():
            refined.xy[both.moved] = both.xy[both.moved].clip(0, corner)
            refined.source[both.moved] = Source.REFINED
            refined.confidence[both.moved] = both.confidence[both.moved]
            refined.flow_xy = np.where(both.moved[:, None], points.xy, np.nan).astype(np.float32)
        if both.disputed.any():
            refined.disputed = both.disputed
    return tracks.replace(instances=instances)


def unsure_share(tracks: LabelSet) -> float:
    """Share of the propagated points that flow is unsure of; 0 without any."""
    carried = [p.confidence[p.labelled & (p.source == Source.PROPAGATED)] for _, _, p in tracks]
    values = np.concatenate(carried or [np.zeros(0)])
    return float((np.nan_to_num(values) < UNSURE).mean()) if len(values) else 0.0
