"""Presence: whether a keypoint is in the picture at all, where labels say both that it is and that it is not.

A keypoint of which some label says absent is in one of two states in every frame. A hidden Markov model of the two says
with which probability it is there: the labels are known, between them speak how well flow followed the point, and
whether what is to be seen where flow has it looks like the keypoint in the labels that show it, or like its place in
those that do not.

Keypoints that no label calls absent are there as long as flow follows them, and get no probability.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from poof.labels.model import LabelSet
from poof.propagation.appearance import CELLS, cell_distance, colour_distance, half_side, patches_at
from poof.propagation.confidence import terms
from poof.propagation.evidence import Evidence
from poof.propagation.merge import Merged
from poof.propagation.subject import subject_sides
from poof.video.base import Video

CONSTANT = -4.8
WEIGHTS: Mapping[str, float] = {"colour": 1.5, "cells": 2.0, "sigma": -0.9}
"""Of the features in the log odds of one frame. Chosen with the other constants on rendered clips, the animals and a
mouse; `benchmarks/absence.py` shows what they are worth."""
SHARE = 0.5
"""Share of those log odds that counts: frames beside each other say nearly the same."""
MEMORY = 8.0
"""Frames after which a keypoint's state is forgotten, before labels have said otherwise."""
NOISE = 4.0
"""Distance in CIELAB that is no difference."""
CERTAIN = 30.0
"""Log odds of a label."""


@dataclass
class Sight:
    """What is known of one keypoint in each of F frames.

    Attributes
    ----------
    state : (F,) int
        1: a person set it; -1: a person says it is absent; 0: neither.
    there : (F,) bool
        Whether there is a place to look at: the label, or where the chains came by or arrived.
    patches : (F, CELLS, CELLS, 3) uint8
        What is to be seen at that place, see `appearance.patches_at`.
    sigma : (F,)
        'sigma' of `confidence.terms`; NaN where there is no chain.
    """

    state: np.ndarray
    there: np.ndarray
    patches: np.ndarray
    sigma: np.ndarray


def states(labels: LabelSet, instance: int, frames: np.ndarray) -> np.ndarray:
    """(F, K) int: 1 where a person set the keypoint, -1 where a person says that it is absent, else 0."""
    state = np.zeros((len(frames), len(labels.skeleton)), int)
    for row, frame in enumerate(frames):
        points = labels.instances.get((int(frame), instance))
        if points is not None:
            state[row] = np.where(points.is_human & points.labelled, 1, 0) - (points.by_person & points.absent)
    return state


def estimate(
    video: Video,
    labels: LabelSet,
    tracks: Mapping[int, tuple[np.ndarray, Merged, Sequence[Evidence]]],
    near: range | None = None,
) -> dict[int, np.ndarray]:
    """The probability that each keypoint is in the picture; looks at the video once, if there is anything to decide.

    Parameters
    ----------
    video
        Where the labels were made.
    labels
        What a person said.
    tracks
        Instance -> its covered frames (F,), where its chains came by, and the chains.
    near
        The frames to look at, labels elsewhere count without their looks; None: all.

    Returns
    -------
    dict
        Instance -> (F, K) in [0, 1]; NaN for the keypoints of which no label of the instance says absent.
    """
    known: dict[int, np.ndarray] = {}
    places: dict[int, np.ndarray] = {}
    wanted: dict[int, list[tuple[int, int, int, np.ndarray, float]]] = {}
    for instance, (frames, joint, _) in tracks.items():
        state = known[instance] = states(labels, instance, frames)
        places[instance] = place = joint.xy.copy()
        sides = subject_sides(labels, instance)
        half = half_side(float(np.median(list(sides.values()))))
        asked = (state < 0).any(axis=0)
        for row, frame in enumerate(frames.tolist()):
            if near is not None and frame not in near:
                continue
            points = labels.instances.get((frame, instance))
            if points is not None:
                place[row, state[row] > 0] = points.xy[state[row] > 0]
            for k in np.flatnonzero(asked & np.isfinite(place[row]).all(axis=-1)).tolist():
                wanted.setdefault(frame, []).append((instance, row, k, place[row, k], half))
    looks = patches_at(
        video, {f: (np.stack([w[3] for w in ws]), np.array([w[4] for w in ws])) for f, ws in wanted.items()}
    )
    seen: dict[tuple[int, int], Sight] = {}
    for instance, (frames, joint, chains) in tracks.items():
        sigma = terms(joint, chains)["sigma"] if (known[instance] < 0).any() else joint.sigma
        for k in np.flatnonzero((known[instance] < 0).any(axis=0)).tolist():
            blank = np.zeros((len(frames), CELLS, CELLS, 3), np.uint8)
            seen[instance, k] = Sight(known[instance][:, k], np.zeros(len(frames), bool), blank, sigma[:, k])
    for frame, ws in wanted.items():
        for number, (instance, row, k, *_) in enumerate(ws):
            if frame in looks:
                seen[instance, k].patches[row] = looks[frame][number]
                seen[instance, k].there[row] = True
    result = {i: np.full(state.shape, np.nan) for i, state in known.items()}
    for (instance, k), sight in seen.items():
        result[instance][:, k] = probability(tracks[instance][0], sight.state, log_odds(sight))
    return result


def log_odds(sight: Sight) -> np.ndarray:
    """(F,) log odds of presence that each frame's evidence speaks for; 0 where there is no place to look at."""
    total = CONSTANT + sum(WEIGHTS[name] * values for name, values in features(sight).items())
    return np.where(sight.there, SHARE * total, 0.0)


def features(sight: Sight) -> dict[str, np.ndarray]:
    """What speaks for a keypoint's presence in each frame, (F,) each.

    - colour: (n - p) / (n + p), where p is the distance of the mean colour to the nearest patch of a label that shows
      the keypoint, n to the nearest of one that says absent; both distances with `NOISE` added, and a label's own patch
      left out. 0 where one of the two does not exist.
    - cells: the same with the distance between whole patches.
    - sigma: what flow expects its error to be, see `confidence.terms`. 0 at labels.
    """
    shows = np.flatnonzero((sight.state > 0) & sight.there)
    lacks = np.flatnonzero((sight.state < 0) & sight.there)
    found = {"sigma": np.nan_to_num(sight.sigma)}
    for name, distance in (("colour", colour_distance), ("cells", cell_distance)):
        p, n = (_nearest(sight.patches, rows, distance) for rows in (shows, lacks))
        found[name] = np.nan_to_num((n - p) / (n + p + 2 * NOISE))
    return found


def _nearest(
    patches: np.ndarray, rows: np.ndarray, distance: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    """(F,) distance of each patch to the nearest of those in `rows`, itself left out; NaN without any."""
    if not len(rows):
        return np.full(len(patches), np.nan)
    apart = distance(patches, patches[rows])
    apart[rows, np.arange(len(rows))] = np.inf
    least = apart.min(axis=1)
    return np.where(np.isfinite(least), least, np.nan)


def probability(frames: np.ndarray, state: np.ndarray, odds: np.ndarray) -> np.ndarray:
    """The probability that a keypoint is in the picture, by the labels and the evidence of all frames together.

    Two states with the share pi of presence and a memory of tau frames (`switching`); from one frame to another, d
    frames later, the state is kept with e^(-d/tau) and drawn anew otherwise. Forward-backward over all frames.

    Parameters
    ----------
    frames : (F,) int
        Ascending.
    state : (F,) int
        Labels as in `Sight`.
    odds : (F,)
        Log odds of presence that each frame's evidence speaks for.

    Returns
    -------
    (F,) float64
    """
    share, memory = switching(frames, state)
    emission = np.where(state != 0, CERTAIN * np.sign(state), odds)
    likelihood = np.exp(-np.logaddexp(0, np.stack([emission, -emission], axis=1)))  # of absence, of presence
    stationary = np.array([1 - share, share])
    kept = np.exp(-np.diff(frames) / memory)
    before, after = np.empty((len(frames), 2)), np.ones((len(frames), 2))
    for t in range(len(frames)):
        prior = stationary if t == 0 else kept[t - 1] * before[t - 1] + (1 - kept[t - 1]) * stationary
        before[t] = prior * likelihood[t]
        before[t] /= before[t].sum()
    for t in reversed(range(len(frames) - 1)):
        later = after[t + 1] * likelihood[t + 1]
        after[t] = kept[t] * later + (1 - kept[t]) * (stationary * later).sum()
        after[t] /= after[t].sum()
    both = before * after
    return both[:, 1] / both.sum(axis=1)


def switching(frames: np.ndarray, state: np.ndarray) -> tuple[float, float]:
    """The share of frames in which a keypoint is there, and for how many frames its state lasts, by its labels alone.

    The most probable values on a grid, with a flat prior for the share and for the memory a log-normal one around
    `MEMORY`, one natural unit wide.
    """
    rows = np.flatnonzero(state)
    there, gaps = state[rows] > 0, np.diff(frames[rows])
    share = np.linspace(0.05, 0.95, 19)[:, None]
    memory = MEMORY * np.exp(np.linspace(-2.5, 2.5, 21))[None]
    total = -0.5 * np.log(memory / MEMORY) ** 2 + np.zeros_like(share)
    if len(there):
        total = total + np.log(share if there[0] else 1 - share)
    for first, second, gap in zip(there, there[1:], gaps):
        kept = np.exp(-gap / memory)
        total = total + np.log((share if second else 1 - share) * (1 - kept) + (kept if first == second else 0.0))
    best = np.unravel_index(int(total.argmax()), total.shape)
    return float(share[best[0], 0]), float(memory[0, best[1]])
