"""The safe radius on a footage: the error of flow over the distance from a label, measured between labels.

A person labelled two frames t apart; flow carries each to the other. Where that ends close to the label, R = t is safe
for a single chain (Gebotys 2022, section 5.3.1). Every pair of labels within reach counts, both ways; the largest R
whose mean error stays under the threshold is the answer. The error holds the labels' own scatter as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from poof.errors import PoofError
from poof.flow.base import FlowEstimator
from poof.labels.model import LabelSet
from poof.planning.chain_errors import ChainErrors, measure_chain_errors
from poof.planning.distance_curve import Curve, fit_curve, largest_below, resamples
from poof.progress import Track, silent
from poof.propagation.identity import link_identities
from poof.propagation.settings import MAX_RADIUS as LARGEST
from poof.propagation.settings import Settings
from poof.video.base import Video

if TYPE_CHECKING:
    import pandas as pd

THRESHOLD = 0.05
"""Mean error that is allowed, as a fraction of the longer side of the subject."""
MAX_RADIUS = 30
"""Longest distance that is looked at, in frames."""
FEWEST_PAIRS = 5
"""Pairs of labelled frames below which a curve says more about these frames than about the footage."""
PER_CYCLE = 4.0
"""Error over accumulated cycle error. Where the mean error of DIS chains passes 5 % of the longer side on camel, dog,
bear, cam01 and cam02 of the shared clips, it is 3.7 to 4.6 times the mean cycle error."""
FEWEST_POINTS = 5
"""Points of a keypoint below which nothing is said about it."""


@dataclass
class RadiusReport:
    """What the labels tell about R.

    Attributes
    ----------
    radius : int or None
        Largest R whose mean error stays under the threshold; 0 if there is none; None if the labels are too few.
    interval : (int, int) or None
        95 % interval of the radius.
    at_least : bool
        The error never reached the threshold: the radius is the longest distance that was measured.
    cycle_radius : int or None
        What the cycle error alone suggests, a guess that needs no second label: a point that slid onto the background
        agrees with itself. None where it is not measured (thesis' backward step).
    threshold : float
        Allowed mean error, as a fraction of the longer side.
    curve : Curve
        Over all keypoints.
    keypoints : dict
        Name -> `Curve` of the keypoints that were measured.
    pairs, anchors : int
        Pairs of labelled frames within reach, and frames whose labels were carried.
    cuts : list of int
        Frames that begin a new scene; nothing is carried across.
    message : str
        The verdict in one line.
    notes : list of str
        What the user should know about it, one line each.
    """

    radius: int | None
    interval: tuple[int, int] | None
    at_least: bool
    cycle_radius: int | None
    threshold: float
    curve: Curve
    keypoints: dict[str, Curve]
    pairs: int
    anchors: int
    cuts: list[int]
    message: str = ""
    notes: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"RadiusReport({self.message})"

    @property
    def choice(self) -> int:
        """The R to work with, at least 1: `radius`, or what the cycle error suggests when the labels are too few."""
        told = self.radius if self.radius is not None else self.cycle_radius
        return max(1, told or 1)

    @property
    def guess(self) -> np.ndarray:
        """(D,) error that the cycle error alone suggests, as a fraction of the longer side."""
        return guessed_error(self.curve.cycle)

    def to_table(self) -> pd.DataFrame:
        """The curves, one row a keypoint and distance; the keypoint '' stands for all of them."""
        import pandas as pd  # slow to import, and few need a table

        parts = [
            pd.DataFrame(
                {
                    "keypoint": name,
                    "distance": curve.distance,
                    "points": curve.points,
                    "error_measured": curve.raw,
                    "error": curve.error,
                    "low": curve.low,
                    "high": curve.high,
                    "share_outside": curve.outside,
                    "cycle_error": curve.cycle,
                }
            )
            for name, curve in {"": self.curve, **self.keypoints}.items()
        ]
        return pd.concat(parts, ignore_index=True)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values, for JSON."""
        table = self.to_table()
        return {
            "radius": self.radius,
            "interval": self.interval,
            "at_least": self.at_least,
            "cycle_radius": self.cycle_radius,
            "choice": self.choice,
            "threshold": self.threshold,
            "pairs": self.pairs,
            "anchors": self.anchors,
            "cuts": self.cuts,
            "message": self.message,
            "notes": self.notes,
            "keypoints": {name: {"radius": curve.radius} for name, curve in self.keypoints.items()},
            "curve": table[table.keypoint == ""].drop(columns="keypoint").to_dict("list"),
        }


def measure_radius(
    video: Video,
    labels: LabelSet,
    flow: FlowEstimator | Sequence[FlowEstimator] | None = None,
    threshold: float = THRESHOLD,
    max_radius: int = MAX_RADIUS,
    settings: Settings | None = None,
    track: Track = silent,
    seed: int = 0,
) -> RadiusReport:
    """Measure the largest R that is safe on this footage.

    Parameters
    ----------
    video
        Where the labels were made.
    labels
        What a person set; points of other sources do not count. Subjects without identities are linked from label to
        label first, see `link_identities`.
    flow
        One estimator or several, as for `propagate`; None takes `create_flow("auto")`.
    threshold
        Mean error that is allowed, as a fraction of the subject's longer side.
    max_radius
        Longest distance to look at, frames. Time and memory grow with it.
    settings
        How chains run, as for `propagate`; radius and method are not used, chains are followed singly. A blend of two
        chains does better than each of them, so that the radius holds for it all the more.
    track
        Shows progress.
    seed
        Of the bootstrap.

    Raises
    ------
    PoofError
        If there are no human labels, they cannot belong to the video, or the options make no sense.
    """
    if not 0 < threshold < 1:
        raise PoofError(
            f"--threshold {threshold:g}: is a fraction of the subject's longer side, between 0 and 1 (0.05)"
        )
    if not 1 <= max_radius <= LARGEST:
        raise PoofError(f"--max-radius {max_radius}: must lie between 1 and {LARGEST} ({MAX_RADIUS} is usual)")
    human = labels.human()
    if not human.instances:
        raise PoofError(f"{video.name}: the labels hold no point that a person set; label a frame first")
    human = link_identities(video, human, -(-max_radius // 2), track)  # windows of half the reach touch
    if flow is None:
        from poof.flow.registry import create_flow

        flow = create_flow("auto")
    estimators = [flow] if isinstance(flow, FlowEstimator) else list(flow)
    errors = measure_chain_errors(video, human, estimators, max_radius, settings or Settings(), track)
    result = report(errors, human, threshold, seed)
    if video.damage is not None:
        result.notes.append(f"the video is damaged from frame {video.damage.frame} on: labels behind that do not count")
    return result


def report(errors: ChainErrors, labels: LabelSet, threshold: float = THRESHOLD, seed: int = 0) -> RadiusReport:
    """The radius that chain errors give; `labels` names the keypoints and tells how far labels lie apart."""
    weights = resamples(errors.frame, np.random.default_rng(seed))
    every, interval = fit_curve(errors.error, errors.cycle, weights, threshold)
    keypoints = {}
    for k, name in enumerate(labels.skeleton.keypoints):
        one = slice(k, k + 1)
        if np.isfinite(errors.error[..., one]).any():
            keypoints[name], _ = fit_curve(errors.error[..., one], errors.cycle[..., one], weights, threshold)
    by_distance = errors.pairs()
    pairs = int(by_distance.sum())
    enough = pairs >= FEWEST_PAIRS
    radius = every.radius if enough else None
    result = RadiusReport(
        radius=radius,
        interval=interval if enough else None,
        at_least=enough and radius == int(np.flatnonzero(by_distance)[-1]) + 1,
        cycle_radius=largest_below(guessed_error(every.cycle), threshold),
        threshold=threshold,
        curve=every,
        keypoints=keypoints,
        pairs=pairs,
        anchors=len(np.unique(errors.frame)),
        cuts=errors.cuts,
    )
    result.message = _verdict(result, errors.reach)
    result.notes = _notes(result, by_distance, labels)
    return result


def uncovered(labels: LabelSet, radius: int, usual: int) -> int:
    """How many frames the `usual` radius would label around a person's that `radius` leaves without."""
    frames = labels.human().frames
    reached = [{f + d for f in frames for d in range(-r, r + 1) if f + d >= 0} for r in (radius, usual)]
    last = max(frames, default=0)
    return len({f for f in reached[1] - reached[0] if f <= last})


def guessed_error(cycle: np.ndarray) -> np.ndarray:
    """`PER_CYCLE` times the mean cycle error (D,), made increasing; NaN beyond the last distance a chain reached."""
    known = np.isfinite(cycle)
    grown = np.maximum.accumulate(np.where(known, cycle, 0.0))
    reached = np.cumsum(known[::-1])[::-1] > 0
    return np.where(reached, PER_CYCLE * grown, np.nan)


# ---------------------------------------------------------------------------------------------------- in words


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2g} %" if fraction < 0.1 else f"{100 * fraction:.0f} %"


def _verdict(result: RadiusReport, reach: int) -> str:
    allowed = f"{_percent(result.threshold)} of the subject's longer side"
    if result.radius is None:
        return (
            f"the labels are too few to tell: {_pairs(result.pairs)} of labelled frames at most {reach} frames apart,"
            f" {FEWEST_PAIRS} are needed; {_suggestion(result)}"
        )
    if result.radius == 0:
        first = float(result.curve.error[0])
        return f"no radius keeps the mean error under {allowed}: 1 frame from a label it is {_percent(first)}"
    error, outside = (float(values[result.radius - 1]) for values in (result.curve.error, result.curve.outside))
    more = " or more (no longer distance was measured)" if result.at_least else ""
    interval = "" if result.interval is None else f", 95 % interval {result.interval[0]} to {result.interval[1]}"
    return (
        f"radius {result.radius}{more}{interval}: that far from a label the mean error is {_percent(error)} of the"
        f" subject's longer side, {_percent(1 - outside)} of the points are within {_percent(result.threshold)}"
    )


def _suggestion(result: RadiusReport) -> str:
    if result.cycle_radius is None:
        return "label some frames 5 to 20 frames apart"
    if result.cycle_radius == 0:
        return "the cycle error is large from the first frame on: flow hardly follows this footage"
    return f"the cycle error suggests {result.cycle_radius}, which is a guess: label some frames 5 to 20 frames apart"


def _notes(result: RadiusReport, by_distance: np.ndarray, labels: LabelSet) -> list[str]:
    notes = []
    measured = np.flatnonzero(by_distance) + 1
    reach = len(by_distance)
    if not len(measured):
        gaps = [
            int(b - a)
            for i in labels.instance_ids
            for frames in [sorted(f for f, j in labels.instances if j == i)]
            for a, b in pairwise(frames)
        ]
        if gaps and min(gaps) > reach:
            notes.append(f"the nearest two labels are {min(gaps)} frames apart: --max-radius {min(gaps)} would reach")
        elif gaps:
            notes.append("no label reached another one: scene cuts lie between them, or no keypoint is visible in both")
    elif result.radius is not None and 0 < result.radius < measured[0]:
        notes.append(
            f"no two labels are closer than {measured[0]} frames: below that the curve is a straight line, and real"
            f" errors often lie above it; a label {result.radius} frames from another would make sure"
        )
    if result.radius is not None and result.radius < 3 and result.curve.points[:2].sum():
        near = float(np.nanmean(result.curve.raw[:2]))
        if near > result.threshold / 2:
            notes.append(
                f"labels 1 or 2 frames apart already disagree by {_percent(near)}: that is how exact the labels are, or"
                " flow fails at once (poof render shows which); --threshold may ask for more than they hold"
            )
    if result.radius:
        told = {name: c for name, c in result.keypoints.items() if c.points.sum() >= FEWEST_POINTS}
        worst = sorted((c.radius, name) for name, c in told.items() if c.radius is not None)
        behind = [f"{name} {radius}" for radius, name in worst if radius < result.radius / 2][:5]
        if behind:
            notes.append(f"these keypoints hold for less than half as long: {', '.join(behind)}")
    return notes


def _pairs(count: int) -> str:
    return {0: "no pair", 1: "one pair"}.get(count, f"{count} pairs")
