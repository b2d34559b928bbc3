"""Ways of choosing frames that `selection.py` compares, and the clip with all its chains that they choose from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from scipy.cluster.vq import kmeans2

from poof.flow.registry import create_flow
from poof.labels import LabelSet, Points, Skeleton
from poof.labels.model import Source, Visible
from poof.planning.select import select_frames, select_next
from poof.planning.single_anchor_chains import carry_from_single_anchors
from poof.planning.survey import survey
from poof.planning.uncertainty import frame_uncertainty
from poof.propagation.chains import Chains
from poof.propagation.confidence import confidence
from poof.propagation.engine import FlowChains
from poof.propagation.propagate import chains_of, merged
from poof.propagation.settings import Settings
from poof.video import open_video

SEEDS = 5
"""Of the ways that draw lots."""


class Bench:
    """A clip whose labels were all carried through it, and the score of any choice among them."""

    def __init__(self, scorer: ModuleType, clip: Any) -> None:
        self.scorer, self.clip = scorer, clip
        self.names = tuple(scorer.keypoint_names(clip))
        table = scorer.load_labels(clip)
        self.shown = table[table.visible == 1]
        self.labels = LabelSet(Skeleton(self.names), image_size=(clip.width, clip.height))
        for frame, rows in self.shown.groupby("frame"):
            xy = np.full((len(self.names), 2), np.nan, np.float32)
            for row in rows.itertuples():
                xy[self.names.index(row.keypoint)] = row.x, row.y
            self.labels.add(int(frame), 0, Points.human(int(frame), xy))
        self.video = open_video(clip.video)
        self.seen = survey(self.video)
        self.count = min(clip.frames, self.seen.count)
        self.pool = [f for f in self.labels.frames if f < self.count]
        sources = [(f, 0) for f in self.pool]
        self.chains = carry_from_single_anchors(
            self.video, self.labels, sources, [create_flow("dis")], self.count, Settings()
        )
        self._known: dict[tuple[int, ...], tuple[LabelSet, float, float]] = {}

    def of(self, chosen: Sequence[int]) -> tuple[LabelSet, float, float]:
        """What the labels of the chosen frames give: label set, mean error in pixels, delta_avg in percent."""
        key = tuple(sorted(chosen))
        if key not in self._known:
            result = self._merged(key)
            row = self._score(key, result)
            self._known[key] = result, row["mean"], 100 * row["delta_avg"]
        return self._known[key]

    def _merged(self, chosen: tuple[int, ...]) -> LabelSet:
        frames, size = self.chains.frames, len(self.names)
        anchors = self.labels.replace(instances={(f, 0): self.labels.instances[f, 0].copy() for f in chosen})
        both = (Chains.empty(frames, size), Chains.empty(frames, size))
        for k in range(size):
            marks = [f for f in chosen if anchors.instances[f, 0].labelled[k]]
            for one, order in zip(both, (marks, marks[::-1])):
                for anchor, end in zip(order, [*order[1:], None]):
                    rows = np.arange(len(frames))
                    ahead = frames > anchor if one is both[0] else frames < anchor
                    until = np.inf if end is None else abs(end - anchor)
                    part = rows[ahead & (np.abs(frames - anchor) <= until)]
                    part = part[np.isfinite(self.chains.xy[anchor, 0][part, k]).all(axis=1)]
                    one.xy[part, k] = self.chains.xy[anchor, 0][part, k]
                    one.cycle[part, k] = self.chains.cycle[anchor, 0][part, k]
                    one.anchor[part, k] = anchor
        flow_chains = FlowChains(frames, {0: [both]}, self.chains.cuts)
        evidence, human = chains_of(anchors, 0, flow_chains)
        joint = merged(evidence, frames, Settings())
        sure = confidence(joint, evidence)
        for row, frame in enumerate(frames.tolist()):
            got = np.isfinite(joint.xy[row]).all(axis=1) & ~np.isfinite(human[row]).all(axis=1)
            if got.any():
                points = anchors.instances.get((frame, 0)) or Points.empty(size)
                points.xy[got], points.confidence[got] = joint.xy[row, got], sure[row, got]
                points.visible[got], points.source[got] = Visible.VISIBLE, Source.PROPAGATED
                anchors.instances[frame, 0] = points
        return anchors

    def _score(self, chosen: tuple[int, ...], result: LabelSet) -> dict[str, float]:
        """The scorer's summary over every label of a keypoint that a chosen frame shows."""
        rows = []
        for keypoint, table in self.shown.groupby("keypoint"):
            at = table[table.frame.isin(chosen)].set_index("frame")
            for row in table[~table.frame.isin(chosen)].itertuples() if len(at) else ():
                near = min(at.index, key=lambda a: (abs(a - row.frame), a))
                rows.append((row.frame, keypoint, row.x, row.y, 1, near, abs(near - row.frame), at.x[near], at.y[near]))
        columns = ["frame", "keypoint", "x", "y", "visible", "anchor", "distance", "anchor_x", "anchor_y"]
        boxes = {int(f): (g.x.min(), g.y.min(), g.x.max(), g.y.max()) for f, g in self.shown.groupby("frame")}
        anchors = self.shown[self.shown.frame.isin(chosen)]
        split = self.scorer.Split(self.clip, list(chosen), anchors, pd.DataFrame(rows, columns=columns), boxes)
        table = result.to_table()
        return self.scorer.summarise(self.scorer.points(split, table[table.source == "propagated"]))


def uniform(bench: Bench, count: int, shift: float = 0.0) -> list[int]:
    """The middles of equal parts of the clip, or of its labelled frames the nearest to them."""
    chosen: list[int] = []
    for number in range(count):
        at = (number + 0.5 + shift) * bench.count / count - 0.5
        chosen.append(min((f for f in bench.pool if f not in chosen), key=lambda f: (abs(f - at), f)))
    return sorted(chosen)


def even(bench: Bench, count: int) -> list[int]:
    """The default of `poof select`."""
    return select_frames(bench.video, count, candidates=bench.pool, seen=bench.seen).frames


def diverse(bench: Bench, count: int) -> list[int]:
    """`poof select --strategy diverse`."""
    return select_frames(bench.video, count, strategy="diverse", candidates=bench.pool, seen=bench.seen).frames


def k_means(bench: Bench, count: int, seed: int = 0) -> list[int]:
    """The frame nearest to the centre of each of `count` clusters in appearance, as DeepLabCut offers."""
    looks = bench.seen.looks_of(bench.pool)
    centres, of = kmeans2(looks, count, minit="++", seed=seed)
    chosen = {
        bench.pool[int(np.where(of == c, np.linalg.norm(looks - m, axis=1), np.inf).argmin())]
        for c, m in enumerate(centres)
        if (of == c).any()
    }
    for frame in uniform(bench, count):
        if len(chosen) < count:
            chosen.add(frame)
    return sorted(chosen)


def at_random(bench: Bench, count: int, seed: int = 0) -> list[int]:
    """Any frames."""
    return sorted(np.random.default_rng(seed).choice(bench.pool, count, replace=False).tolist())


FIRST: dict[str, list[Callable[[Bench, int], list[int]]]] = {
    "uniform": [uniform],
    "uniform, shifted": [lambda b, n, s=s: uniform(b, n, s) for s in (-0.2, -0.1, 0.1, 0.2)],  # type: ignore[misc]
    "even": [even],
    "diverse": [diverse],
    "k-means": [lambda b, n, s=s: k_means(b, n, s) for s in range(SEEDS)],  # type: ignore[misc]
    "random": [lambda b, n, s=s: at_random(b, n, s) for s in range(SEEDS)],  # type: ignore[misc]
}


def halve(bench: Bench, chosen: list[int]) -> int:
    """The labelled frame that is farthest from the chosen ones: the uniform choice, one by one."""
    return max((f for f in bench.pool if f not in chosen), key=lambda f: (min(abs(f - c) for c in chosen), -f))


def next_one(bench: Bench, chosen: list[int]) -> int:
    """`poof select` with labels."""
    labels = bench.of(chosen)[0]
    return select_next(bench.video, labels, 1, candidates=bench.pool, seen=bench.seen).frames[0]


def least_sure(bench: Bench, chosen: list[int]) -> int:
    """The frame with the lowest mean confidence."""
    uncertainty = frame_uncertainty(bench.of(chosen)[0], bench.count)
    return max((f for f in bench.pool if f not in chosen), key=lambda f: (uncertainty[f], -f))


def any_one(bench: Bench, chosen: list[int]) -> int:
    """Any frame."""
    rng = np.random.default_rng([*chosen])
    return int(rng.choice([f for f in bench.pool if f not in chosen]))


NEXT: dict[str, Callable[[Bench, list[int]], int]] = {
    "halve the longest gap": halve,
    "next": next_one,
    "least sure frame": least_sure,
    "random": any_one,
}
