"""Chains from one label each, which run on past other labels; all of them in one pass over the video.

In a propagation a chain ends where the next label begins. To learn how far chains can be trusted they must run on. The
engine is given every label as a keypoint of its own, set in one frame only; so the flows, regions and cuts are those of
a propagation, and no chain meets a label that would stop it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from poof.flow.base import FlowEstimator
from poof.labels.check import check_fit
from poof.labels.model import LabelSet, Points, Skeleton
from poof.progress import Track, silent
from poof.propagation.chains import Chains
from poof.propagation.engine import Engine
from poof.propagation.evidence import gather
from poof.propagation.merge import blend
from poof.propagation.settings import Settings
from poof.propagation.subject import subject_sides
from poof.video.base import Video

Source = tuple[int, int]
"""A labelled subject: (frame, instance)."""


@dataclass
class SingleAnchorChains:
    """The positions of the chains of each source, over the covered frames, forwards and backwards.

    Attributes
    ----------
    frames : (F,) int
        The covered frames that exist, ascending.
    xy : dict
        Source -> (F, K, 2) pixels; NaN where it has no chain, and at the source itself.
    cycle : dict
        Source -> (F, K) accumulated forward-backward error, pixels.
    side : dict
        Source -> longer side of the subject there, pixels.
    cuts : list of int
        Frames that begin a new scene.
    """

    frames: np.ndarray
    xy: dict[Source, np.ndarray]
    cycle: dict[Source, np.ndarray]
    side: dict[Source, float]
    cuts: list[int]


def carry_from_single_anchors(
    video: Video,
    labels: LabelSet,
    sources: Sequence[Source],
    estimators: Sequence[FlowEstimator],
    reach: int,
    settings: Settings,
    track: Track = silent,
) -> SingleAnchorChains:
    """Carry each of the `sources` up to `reach` frames both ways.

    Parameters
    ----------
    video
        Where the labels were made.
    labels
        Human points only; the same instance number must mean the same individual, see `link_identities`.
    sources
        (frame, instance) of the labels to carry.
    estimators
        Flow estimators; the chains of several are blended by their cycle errors.
    reach
        Longest distance in frames.
    settings
        Regions, interpolation and backward step; radius and method do not matter.
    track
        Shows progress.

    Raises
    ------
    PoofError
        If the labels cannot belong to the video.
    """
    check_fit(labels, video.size, None, video.name)
    count = len(labels.skeleton)
    place = {
        source: slice(number * count, (number + 1) * count)
        for i in labels.instance_ids
        for number, source in enumerate(sorted(s for s in sources if s[1] == i))
    }
    wide = max(part.stop for part in place.values())
    spread = labels.replace(skeleton=Skeleton(tuple(map(str, range(wide)))), instances={})
    for source in sources:
        spread.instances[source] = _widened(labels.instances[source], place[source], wide)
    engine = Engine(video, spread, estimators, replace(settings, method="chain", radius=reach))
    for _ in track(engine.run(), "carrying labels to each other", engine.total):
        pass
    carried = engine.result()
    if carried.end is not None and video.damage is None:
        check_fit(labels, video.size, carried.end, video.name)
    sides = {i: subject_sides(labels, i) for i in labels.instance_ids}
    chains = SingleAnchorChains(carried.frames, {}, {}, {s: sides[s[1]][s[0]] for s in sources}, carried.cuts)
    for source in sources:
        both = [tuple(_part(p.over(chains.frames), place[source]) for p in e) for e in carried.chains[source[1]]]
        chains.xy[source], chains.cycle[source] = _joined(both, source[0], chains.side[source])
    return chains


def _widened(points: Points, part: slice, count: int) -> Points:
    """Points that are a `part` of `count` keypoints, the others not labelled."""
    wide = Points.empty(count)
    for name in ("xy", "visible", "source", "anchor", "steps", "confidence"):
        getattr(wide, name)[part] = getattr(points, name)
    return wide


def _part(chains: Chains, part: slice) -> Chains:
    """The keypoints of one source."""
    return Chains(chains.frames, chains.xy[:, part], chains.cycle[:, part], chains.anchor[:, part])


def _joined(estimators: Sequence[tuple[Chains, ...]], anchor: int, side: float) -> tuple[np.ndarray, np.ndarray]:
    """(F, K, 2) positions and (F, K) cycle errors of a source, both ways, several estimators blended."""
    frames = estimators[0][0].frames
    nothing = np.full(estimators[0][0].xy.shape, np.nan)
    never = np.zeros(nothing.shape[:2], bool)
    chains = [
        gather(one, direction, nothing, never, {anchor: side})
        for both in estimators
        for direction, one in zip((1, -1), both)
    ]
    cycle = np.min([np.where(np.isfinite(c.cycle), c.cycle, np.inf) for c in chains], axis=0)
    return blend(chains, frames).xy, np.where(np.isfinite(cycle), cycle, np.nan)
