"""Labels carried to one another: how far a chain from one label lands from the others it meets on its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from poof.errors import PoofError
from poof.flow.base import FlowEstimator
from poof.labels.check import check_fit
from poof.labels.model import LabelSet, Points, Visible
from poof.progress import Track, silent
from poof.propagation.engine import Engine, Passages
from poof.propagation.evidence import Evidence, gather
from poof.propagation.merge import blend
from poof.propagation.settings import Settings
from poof.propagation.subject import subject_sides
from poof.video.base import Video

MOST_SOURCES = 40
"""Labelled subjects that are carried to the others at most. It bounds time and memory on videos with many labels; more
of them narrow the interval of the curve only a little."""
WAYS = (1, -1)
"""Directions in time along the second axis of the arrays: forward, backward."""


@dataclass
class Arrivals:
    """Where the chains from S labelled subjects came by, up to D frames away, both ways, for K keypoints.

    Errors are fractions of the longer side of the subject at the chain's anchor.

    Attributes
    ----------
    frame, instance : (S,) int
        The anchor of each source: a frame and the instance labelled in it.
    error : (S, 2, D, K)
        Distance between the chain of each visible keypoint and its label d = 1 ... D frames after (0) or before (1) the
        anchor; NaN where that frame has no visible label of it or a scene cut lies between. A chain that left the image
        counts with the last place it was seen at: the label says that the keypoint did not leave.
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
            first = int(self.frame[s]) + min(0, WAYS[w] * (int(d) + 1))
            key = (int(self.instance[s]), first, int(d))
            if key not in seen:
                seen.add(key)
                counts[d] += 1
        return counts


def carry_to_each_other(
    video: Video,
    labels: LabelSet,
    estimators: Sequence[FlowEstimator],
    reach: int,
    settings: Settings,
    track: Track = silent,
) -> Arrivals:
    """Carry the labels of up to `MOST_SOURCES` subjects, evenly chosen, to all labels within `reach` frames.

    Every source is given to the engine as a subject of its own, with a single label: its chains then run past all other
    labels, in one pass over the video, through the same flows, regions and cuts as in a propagation.

    Parameters
    ----------
    video
        Where the labels were made.
    labels
        Human points only, see `LabelSet.human`; the same instance number must mean the same individual.
    estimators
        Flow estimators; the chains of several are blended by their cycle errors.
    reach
        D, the longest distance in frames.
    settings
        Regions, interpolation and backward step; radius and method do not matter.

    Raises
    ------
    PoofError
        If the labels cannot belong to the video or do not say who is who.
    """
    if not labels.tracked and len(labels.instance_ids) > 1:
        raise PoofError(
            f"{video.name}: frames hold several subjects and the labels do not say who is who; give each the same"
            " instance number (track_id in COCO) in all frames"
        )
    check_fit(labels, video.size, None, video.name)
    keys = _sources(labels, reach)
    sides = {i: subject_sides(labels, i) for i in labels.instance_ids}
    alone = labels.replace(
        instances={(frame, number): labels.instances[frame, i] for number, (frame, i) in enumerate(keys)}
    )
    engine = Engine(video, alone, estimators, replace(settings, method="chain", radius=reach))
    for _ in track(engine.run(), "carrying labels to each other", engine.total):
        pass
    passages = engine.result()
    if passages.end is not None and video.damage is None:
        check_fit(labels, video.size, passages.end, video.name)
    shape = (len(keys), len(WAYS), reach, len(labels.skeleton))
    arrivals = Arrivals(
        np.array([frame for frame, _ in keys]),
        np.array([i for _, i in keys]),
        np.full(shape, np.nan),
        np.full(shape, np.nan),
        passages.cuts,
    )
    for number, (frame, i) in enumerate(keys):
        _fill(arrivals, number, labels, passages, sides[i][frame])
    return arrivals


def _sources(labels: LabelSet, reach: int) -> list[tuple[int, int]]:
    """(frame, instance) of the subjects to carry: those with another label in reach, or all if there are none."""
    every = sorted(labels.instances)
    frames = {i: np.array([f for f, j in every if j == i]) for i in labels.instance_ids}

    def has_partner(frame: int, instance: int) -> bool:
        apart = np.abs(frames[instance] - frame)
        return bool(((apart > 0) & (apart <= reach)).any())

    keys = [key for key in every if has_partner(*key)] or every
    at = np.unique(np.linspace(0, len(keys) - 1, min(len(keys), MOST_SOURCES)).round().astype(int))
    return [keys[index] for index in at]


def _fill(arrivals: Arrivals, number: int, labels: LabelSet, passages: Passages, side: float) -> None:
    """Follow the chains of one source to every frame and label they come by."""
    anchor, instance = int(arrivals.frame[number]), int(arrivals.instance[number])
    frames = passages.frames
    row = {int(frame): index for index, frame in enumerate(frames)}
    start = labels.instances[anchor, instance]
    if anchor not in row:
        return
    chains = _chains(number, passages, row[anchor], start, anchor, side)
    xy = blend(chains, frames).xy
    cycle = np.nanmin(np.stack([np.where(np.isfinite(c.cycle), c.cycle, np.inf) for c in chains]), axis=0)
    cycle[~np.isfinite(cycle)] = np.nan
    for w, way in enumerate(WAYS):
        last = np.where(_seen(start)[:, None], start.xy.astype(np.float64), np.nan)
        for steps in range(1, arrivals.reach + 1):
            here = anchor + way * steps
            cut = any(min(anchor, here) < c <= max(anchor, here) for c in passages.cuts)
            if here not in row or cut:
                break
            place = xy[row[here]]
            last = np.where(np.isfinite(place) & np.isfinite(last), place, last)
            arrivals.cycle[number, w, steps - 1] = np.where(_seen(start), cycle[row[here]] / side, np.nan)
            met = labels.instances.get((here, instance))
            if met is not None:
                target = np.where(_seen(met)[:, None], met.xy, np.nan)
                arrivals.error[number, w, steps - 1] = np.hypot(*(last - target).T) / side


def _chains(number: int, passages: Passages, row: int, start: Points, anchor: int, side: float) -> list[Evidence]:
    """The evidence of the chains of one source, in both directions."""
    human = np.full((len(passages.frames), len(start), 2), np.nan)
    human[row] = start.xy
    occluded = np.zeros(human.shape[:2], bool)
    return [
        gather(passage.until(len(passages.frames)), way, human, occluded, {anchor: side})
        for both in passages.tracks[number]
        for way, passage in zip(WAYS, both)
    ]


def _seen(points: Points) -> np.ndarray:
    """(K,) bool: labelled and visible; where a person put a hidden point is a guess and no measure."""
    return points.labelled & (points.visible == Visible.VISIBLE)
