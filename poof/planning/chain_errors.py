"""Chain errors: how far a chain from one label lands from the other labels on its way, by distance in frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from poof.flow.base import FlowEstimator
from poof.labels.model import LabelSet, Points, Visible
from poof.planning.single_anchor_chains import SingleAnchorChains, Source, carry_from_single_anchors
from poof.progress import Track, silent
from poof.propagation.settings import Settings
from poof.video.base import Video

MOST_SOURCES = 40
"""Labelled subjects that are carried to the others at most. It bounds time and memory on videos with many labels; more
of them narrow the interval of the curve only a little."""
DIRECTIONS = (1, -1)
"""Directions in time along the second axis of the arrays: forward, backward."""


@dataclass
class ChainErrors:
    """Errors of the chains from S labelled subjects, up to D frames away, both ways, for K keypoints.

    Errors are fractions of the longer side of the subject at the chain's anchor.

    Attributes
    ----------
    frame, instance : (S,) int
        The anchor of each source: a frame and the instance labelled in it.
    error : (S, 2, D, K)
        Distance between the chain of each visible keypoint and its label d = 1 ... D frames after (0) or before (1) the
        anchor; NaN where that frame has no visible label of it or a scene cut lies between. A chain that left the image
        counts with its last position: the label says that the keypoint did not leave.
    cycle : (S, 2, D, K)
        Accumulated forward-backward error there, label or not; NaN behind cuts, outside the image and where it is not
        measured.
    cuts : list of int
        Frames that begin a new scene.
    """

    frame: np.ndarray
    instance: np.ndarray
    error: np.ndarray
    cycle: np.ndarray
    cuts: list[int] = field(default_factory=list)

    @property
    def reach(self) -> int:
        """D, the largest distance in frames."""
        return int(self.error.shape[2])

    @property
    def met(self) -> np.ndarray:
        """(S, 2, D) bool: where a source met a label of its subject."""
        return np.isfinite(self.error).any(axis=3)

    def pairs(self) -> np.ndarray:
        """(D,) int: pairs of labelled frames of a subject at each distance, counted once for both ways."""
        counts = np.zeros(self.reach, int)
        seen = set()
        for s, w, d in zip(*np.nonzero(self.met)):
            first = int(self.frame[s]) + min(0, DIRECTIONS[w] * (int(d) + 1))
            key = (int(self.instance[s]), first, int(d))
            if key not in seen:
                seen.add(key)
                counts[d] += 1
        return counts


def measure_chain_errors(
    video: Video,
    labels: LabelSet,
    estimators: Sequence[FlowEstimator],
    reach: int,
    settings: Settings,
    track: Track = silent,
) -> ChainErrors:
    """Carry labelled subjects to all labels within `reach` frames; parameters as in `carry_from_single_anchors`.

    Not all are carried: every label is a target, but sources lie at least a sixth of the reach apart (nearer ones tell
    much the same) and are `MOST_SOURCES` at most.
    """
    sources = choose_sources(labels, reach)
    chains = carry_from_single_anchors(video, labels, sources, estimators, reach, settings, track)
    shape = (len(sources), len(DIRECTIONS), reach, len(labels.skeleton))
    errors = ChainErrors(
        np.array([frame for frame, _ in sources]),
        np.array([i for _, i in sources]),
        np.full(shape, np.nan),
        np.full(shape, np.nan),
        chains.cuts,
    )
    for number, source in enumerate(sources):
        _fill(errors, number, labels, chains, source)
    return errors


def choose_sources(labels: LabelSet, reach: int) -> list[Source]:
    """The subjects to carry: those with another label in reach or, if there are none, all; thinned evenly."""
    chosen: list[Source] = []
    lonely: list[Source] = []
    for instance in labels.instance_ids:
        frames = np.array(sorted(f for f, i in labels.instances if i == instance))
        last = -reach
        for frame in frames.tolist():
            apart = np.abs(frames - frame)
            if not ((apart > 0) & (apart <= reach)).any():
                lonely.append((frame, instance))
            elif frame - last >= reach / 6:
                chosen.append((frame, instance))
                last = frame
    pool = sorted(chosen or lonely)
    at = np.linspace(0, len(pool) - 1, min(len(pool), MOST_SOURCES)).round().astype(int)
    return [pool[index] for index in at]


def _fill(errors: ChainErrors, number: int, labels: LabelSet, chains: SingleAnchorChains, source: Source) -> None:
    """The errors of the chains of one source, in every frame and at every label that they reach."""
    anchor, instance = source
    row = {int(frame): index for index, frame in enumerate(chains.frames)}
    xy, cycle, side = chains.xy[source], chains.cycle[source], chains.side[source]
    start = labels.instances[source]
    shown = _seen(start)
    for w, direction in enumerate(DIRECTIONS):
        last = np.where(shown[:, None], start.xy.astype(np.float64), np.nan)
        for steps in range(1, errors.reach + 1):
            here = anchor + direction * steps
            cut = any(min(anchor, here) < c <= max(anchor, here) for c in chains.cuts)
            if here not in row or cut:
                break
            place = xy[row[here]]
            last = np.where(np.isfinite(place) & shown[:, None], place, last)
            errors.cycle[number, w, steps - 1] = np.where(shown, cycle[row[here]] / side, np.nan)
            met = labels.instances.get((here, instance))
            if met is not None:
                target = np.where(_seen(met)[:, None], met.xy, np.nan)
                errors.error[number, w, steps - 1] = np.hypot(*(last - target).T) / side


def _seen(points: Points) -> np.ndarray:
    """(K,) bool: labelled and visible; where a person put a hidden point is a guess and no measure."""
    return points.labelled & (points.visible == Visible.VISIBLE)
