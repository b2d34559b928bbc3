"""Does a refinement help on this footage? The person's own labels say, each compared with what was made without it.

Propagation keeps where the blend puts every label when that label is left out (`poof.propagation.held_out`). In the
first part of their training each network leaves out labels of its own, and what was carried from them. There flow and
networks are fused from the label before to the one behind, and the label between says which is nearer: flow alone, or
flow with the networks.

Flow is worse there than in the frames between, since it comes from the next label but one. So every label counts as
often as points that flow is as sure of occur in the whole footage.

A few labels tell little: what they say of the change is weighed against what refinement did on other footage (both as
normal distributions), and the labels are kept as flow has them where the two together expect harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from poof.flow.base import FlowEstimator
from poof.labels import LabelSet, Points, Source
from poof.labels.model import Visible
from poof.pose.model import PoseModel
from poof.pose.precision import Precision
from poof.pose.splitting import Pair
from poof.progress import Track, silent
from poof.propagation.held_out import WORTH
from poof.propagation.subject import subject_sides
from poof.refine.appearance import Appearance
from poof.refine.combine import KEEP, TAKE, UNSURE, combined
from poof.refine.fusion import fuse
from poof.refine.learning import LeftOut

STEPS = (0.0, 0.3, 0.5, UNSURE, TAKE, KEEP, 1.0)
"""Confidences of flow between which points are alike."""
FAR = 0.3
"""Longer errors, in longer sides, count as so much: one point that is quite lost shall not decide alone."""
ENOUGH = 6
"""Points that a check needs."""
USUAL, SPREAD = -0.06, 0.05
"""Change of the mean error, as a share of flow's, that refinement made on other footage: mean and standard deviation
over the clips of `benchmarks/refine.py`."""
CHANCE = 1.96
"""Standard errors to either side of a change that the labels cannot tell from none."""


@dataclass(frozen=True)
class Check:
    """How far the left-out labels are missed, in longer sides of the subject.

    Attributes
    ----------
    points
        Labelled points that were compared.
    flow, refined
        Mean error of flow alone and of flow with the networks, over points as frequent as in the footage.
    error
        Standard error of their ratio.
    """

    points: int
    flow: float
    refined: float
    error: float

    @property
    def change(self) -> float:
        """Change of the mean error at the left-out labels, as a share of flow's."""
        return self.refined / self.flow - 1 if self.flow > 0 else 0.0

    @property
    def told(self) -> bool:
        """Whether the labels tell the change from none."""
        return abs(self.change) > CHANCE * self.error

    @property
    def expected(self) -> float:
        """Change to expect in the frames between: that at the labels, drawn towards `USUAL` as far as they are few."""
        trust = SPREAD**2 / (SPREAD**2 + self.error**2)
        return trust * self.change + (1 - trust) * USUAL

    @property
    def helps(self) -> bool:
        """Whether the refinement is expected to bring points nearer to the truth."""
        return self.expected < 0

    @property
    def judged(self) -> dict[str, float | bool]:
        """What follows from the figures, in plain values."""
        return {"change": self.change, "told": self.told, "expected": self.expected, "helps": self.helps}

    def __str__(self) -> str:
        word = "nearer to" if self.change < 0 else "farther from"
        chance = "" if self.told else f": within chance, {100 * CHANCE * self.error:.0f} %"
        return (
            f"with the networks flow comes {100 * abs(self.change):.0f} % {word} your own labels, each left out"
            f" ({100 * self.flow:.1f} -> {100 * self.refined:.1f} % of the subject, {self.points} points{chance})"
        )


def check(
    pairs: Sequence[Pair],
    tracks: Sequence[LabelSet],
    models: Sequence[PoseModel],
    left_out: Sequence[LeftOut],
    flow: FlowEstimator,
    precision: Precision = "auto",
    track: Track = silent,
) -> Check | None:
    """Compare flow alone and flow with the networks at the labels that these have not seen.

    Parameters
    ----------
    pairs, tracks
        Videos, and what `propagate` made of their labels.
    models
        The networks after the first part of their training.
    left_out
        For each model the frames of each video that it has not seen.
    flow
        Estimator of the motion.
    precision, track
        See `poof.refine.refine`.

    Returns
    -------
    Check or None
        None where there are too few labels to be left out, or nobody knows what flow makes of them (tracks of a CSV).
    """
    sure, before, after = [], [], []
    for part in dict.fromkeys(left_out):  # networks that left out the same look together
        alike = [model for model, its in zip(models, left_out) if its == part]
        appearance = Appearance(alike, precision)
        for pair, carried, frames in zip(pairs, tracks, part):
            reached = _reached(carried, frames)
            if not reached:
                continue
            fused = fuse(pair.video, _around(carried, reached, frames), appearance, flow, alike[0].input_size, track)
            sides = {i: subject_sides(carried.human(), i) for i in carried.instance_ids}
            for (frame, instance), points in reached.items():
                truth = carried.instances[frame, instance]
                k = points.labelled & truth.is_human & truth.labelled
                if (frame, instance) not in fused or not k.any():
                    continue
                both = combined(points, fused[frame, instance])
                sure.append(points.confidence[k])
                before.append(np.hypot(*(points.xy - truth.xy)[k].T) / sides[instance][frame])
                after.append(np.hypot(*(both.xy - truth.xy)[k].T) / sides[instance][frame])
    if sum(map(len, sure)) < ENOUGH:
        return None
    weight = _as_frequent(np.concatenate(sure), tracks)
    return compared(np.minimum(np.concatenate(before), FAR), np.minimum(np.concatenate(after), FAR), weight)


def compared(before: np.ndarray, after: np.ndarray, weight: np.ndarray) -> Check:
    """Errors of the same points without and with the networks, paired.

        r = sum w after / sum w before,   error^2 = sum w^2 (after - r before)^2 / (sum w before)^2 / `WORTH`

    Parameters
    ----------
    before, after : (N,)
        In longer sides of the subject.
    weight : (N,)
        How often each point counts.
    """
    flow, refined = (float(np.average(e, weights=weight)) for e in (before, after))
    ratio = refined / flow if flow > 0 else 1.0
    apart = weight * (after - ratio * before)
    error = float(np.sqrt((apart**2).sum() / WORTH)) / max(float((weight * before).sum()), 1e-9)
    return Check(len(weight), flow, refined, error)


def _reached(tracks: LabelSet, frames: frozenset[int]) -> dict[tuple[int, int], Points]:
    """What flow makes of the labels in these frames without them."""
    held = tracks.info.get("propagation", {}).get("held_out") or {}
    found: dict[tuple[int, int], Points] = {}
    if not held.get("points"):
        return found
    names = ("frame", "instance", "keypoint", "x", "y", "confidence")
    for frame, instance, k, x, y, sure in zip(*(held[name] for name in names)):
        if frame in frames and (frame, instance) in tracks.instances:
            points = found.setdefault((frame, instance), Points.empty(len(tracks.skeleton)))
            points.xy[k] = x, y
            points.visible[k], points.source[k], points.confidence[k] = Visible.VISIBLE, Source.PROPAGATED, sure
    return found


def _around(tracks: LabelSet, reached: dict[tuple[int, int], Points], frames: frozenset[int]) -> LabelSet:
    """The tracks from the label before each of these frames to the one behind it, without their own labels.

    The other labelled frames stay: crops are as large as all of them ask for.
    """
    labelled = tracks.human().frames
    others = [frame for frame in labelled if frame not in frames]
    wanted = set(others)
    for frame in frames:
        before = max((f for f in others if f < frame), default=frame)
        behind = min((f for f in others if f > frame), default=frame)
        wanted |= set(range(before, behind + 1))
    instances = {key: p for key, p in tracks.instances.items() if key[0] in wanted and key[0] not in frames}
    return tracks.replace(instances=dict(sorted((instances | reached).items())))


def _as_frequent(sure: np.ndarray, tracks: Sequence[LabelSet]) -> np.ndarray:
    """(N,) weights with which the confidences occur as often as among the propagated points."""
    carried = [p.confidence[p.labelled & (p.source == Source.PROPAGATED)] for t in tracks for _, _, p in t]
    everywhere = np.concatenate(carried or [np.zeros(0)])
    edges = np.array(STEPS[1:-1])
    mine, all_ = np.digitize(np.nan_to_num(sure), edges), np.digitize(np.nan_to_num(everywhere), edges)
    wanted, there = (np.bincount(x, minlength=len(edges) + 1).astype(float) for x in (all_, mine))
    weight = np.divide(wanted, there, out=np.zeros_like(wanted), where=there > 0)[mine]
    return weight if weight.sum() > 0 else np.ones(len(sure))
