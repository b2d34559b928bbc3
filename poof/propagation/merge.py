"""Merging: one position from several chains, by nearest anchor, by distance, or by inverse variance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from poof.propagation.evidence import Evidence

CLOSURE = 0.4
"""Share of a chain's closure error that its points are expected to be off by, as far as the cycle error has grown."""
DRIFT = 0.003
"""Drift per square root of steps that no cycle error shows, in longer sides of the subject."""
HIDDEN = 0.02
"""The same for chains from a label marked occluded: they follow the body, not the point."""


@dataclass
class Merged:
    """The position of every point and what speaks for it, arrays (F, K) over the covered frames.

    Attributes
    ----------
    xy : (F, K, 2)
        Pixels, NaN where there is no chain.
    sigma
        Standard deviation that the merging expects, pixels.
    spread
        How far the chains lie apart, weighted, pixels; 0 for a single chain.
    anchor : int
        Frame of the anchor that counted most; -1 without.
    steps : int
        Frames to it.
    """

    xy: np.ndarray
    sigma: np.ndarray
    spread: np.ndarray
    anchor: np.ndarray
    steps: np.ndarray


def variance(chain: Evidence) -> np.ndarray:
    """Expected squared error of each point of a chain, (F, K) px^2.

        v(t) = scale ((stride E(t))^2 + (0.4 C E(t) / E(b))^2 + (0.003 side)^2 steps)

    E is the accumulated cycle error, counted for every frame of a step that takes several (`stride`: half as many steps
    see half as many errors, and are not twice as good); C the closure error at the far anchor b, shared out over the
    chain as the cycle error grew; 0.02 in place of 0.003 for chains from a label marked occluded. The closure term is
    missing where the chain reaches no other label. `scale` compares the estimators (`evidence.compared`). Without cycle
    errors (equation (3.2), forward flow only) E counts as 0.01 side a step. A tracker's chains bring their own error.
    """
    if chain.own is not None:
        return chain.scale * chain.own
    side = chain.side
    cycle = np.where(np.isfinite(chain.cycle), chain.cycle, 0.01 * side * chain.steps)
    end = np.where(np.isfinite(chain.cycle_end), chain.cycle_end, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(end > 1e-6, cycle / np.maximum(end, 1e-6), 0.0)
    closure = np.where(np.isfinite(chain.closure), CLOSURE * chain.closure * share, 0.0)
    drift = np.where(chain.hidden, HIDDEN, DRIFT)
    return chain.scale * ((chain.stride * cycle) ** 2 + closure**2 + (drift * side) ** 2 * chain.steps + 1e-6)


def merge_weighted(chains: Sequence[Evidence], weights: Sequence[np.ndarray], frames: np.ndarray) -> Merged:
    """The weighted mean of chains.

    Parameters
    ----------
    chains
        Any number, of both directions and several estimators.
    weights
        (F, K) for each chain, 1 / px^2; 0 or NaN leaves a chain out.
    frames
        (F,) the covered frames.
    """
    usable = np.stack(
        [
            np.where(np.isfinite(c.xy).all(axis=-1) & np.isfinite(w), np.nan_to_num(w), 0.0)
            for c, w in zip(chains, weights)
        ]
    )
    places = np.stack([np.nan_to_num(c.xy) for c in chains])
    total = usable.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        xy = (usable[..., None] * places).sum(axis=0) / total[..., None]
        sigma = 1 / np.sqrt(total)
        apart = ((places - xy) ** 2).sum(axis=-1)
        spread = np.sqrt((usable * apart).sum(axis=0) / total)
    empty = total <= 0
    for values in (xy, sigma, spread):
        values[empty] = np.nan
    best = usable.argmax(axis=0)
    steps = np.take_along_axis(np.stack([np.nan_to_num(c.steps) for c in chains]), best[None], axis=0)[0].astype(int)
    direction = np.take_along_axis(np.stack([np.full(total.shape, c.direction) for c in chains]), best[None], axis=0)[0]
    anchor = np.where(empty, -1, frames[:, None] - direction * steps)
    return Merged(xy, sigma, spread, anchor, np.where(empty, 0, steps))


def blend(chains: Sequence[Evidence], frames: np.ndarray) -> Merged:
    """Every chain, weighted by 1 / `variance`."""
    return merge_weighted(chains, [1 / variance(c) for c in chains], frames)


def by_distance(chains: Sequence[Evidence], frames: np.ndarray, radius: int) -> Merged:
    """Weights linear in the distance between two anchors (1/steps, normalised); only chains within the radius."""
    weights = [np.where(c.steps <= radius, 1 / np.maximum(c.steps, 1), 0.0) for c in chains]
    return merge_weighted(chains, weights, frames)


def nearest(chains: Sequence[Evidence], frames: np.ndarray, radius: int) -> Merged:
    """Only the chain of the nearest anchor, the earlier of two equally near; only within the radius."""
    steps = np.stack([np.where(np.isfinite(c.steps), c.steps, np.inf) for c in chains])
    order = steps + np.array([0.0 if c.direction > 0 else 0.5 for c in chains])[:, None, None]
    best = order.argmin(axis=0)
    weights = [np.where((best == index) & (c.steps <= radius), 1 / variance(c), 0.0) for index, c in enumerate(chains)]
    return merge_weighted(chains, weights, frames)
