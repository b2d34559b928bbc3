#!/usr/bin/env python3
"""Propagation under stress: every row on every case of `stress_clips`, against the plain prototype.

    python benchmarks/stress.py                              rows of DIS; about an hour of one core the first time
    python benchmarks/stress.py --groups plain,half          some of the groups
    python benchmarks/stress.py --each                       every case beside the means

What the chains left is kept in --cache, so that a change of the merging alone is judged in seconds. Means over cases
hide that a few lost points carry them: medians stand beside them, and every ratio to the prototype has a 90 % interval
by a paired bootstrap. Its units are runs of one keypoint between two labels, within a case; between clips, the clips.
"""

from __future__ import annotations

import argparse
import dataclasses
import pickle
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from clips_and_tables import anchor_labels, estimator_of, head, line, load_scorer
from stress_clips import GROUPS, Case, cases

from poof.labels.model import LabelSet
from poof.propagation import Settings
from poof.propagation.engine import Engine, FlowChains
from poof.propagation.propagate import chains_of, human_points, merged
from poof.propagation.regions import AREA
from poof.propagation.subject import subject_sides

DRAWS = 1000
THRESHOLDS = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Row:
    """A method: estimators, their pixels, which of them count, and what makes one position of their chains.

    Rows of the same estimators and pixels share their chains.
    """

    name: str
    flow: str
    of: tuple[int, ...]
    area: int
    merge: Callable[[LabelSet, FlowChains, Settings], np.ndarray]


@dataclass
class Errors:
    """What a row did on a case, a value for every scored point: pixels, pixels of a frame of 256x256, and the run it
    belongs to."""

    pixels: np.ndarray
    squeezed: np.ndarray
    run: np.ndarray

    @property
    def delta_avg(self) -> float:
        """Per cent, as the scorer has it."""
        return float(100 * np.mean([(self.squeezed < t).mean() for t in THRESHOLDS]))


def by_engine(labels: LabelSet, flow_chains: FlowChains, settings: Settings) -> np.ndarray:
    """(F, K, 2) as `poof propagate` merges."""
    return merged(chains_of(labels, 0, flow_chains)[0], flow_chains.frames_of(0), settings).xy


def by_means(labels: LabelSet, flow_chains: FlowChains, settings: Settings) -> np.ndarray:
    """(F, K, 2) with the weights of estimators that were there before: the fourth power of their mean closure over the
    average of them, within [1/16, 16]; a step over two frames counted like one."""
    means, chains = [], []
    for both in flow_chains.chains[0]:
        own, _ = chains_of(labels, 0, dataclasses.replace(flow_chains, chains={0: [both]}))
        chains.append(own)
        means.append(np.mean(np.concatenate([(c.closure / c.side)[np.isfinite(c.closure)] for c in own])))
    scales = np.clip((np.array(means) / np.mean(means)) ** 4, 1 / 16, 16)
    weighed = [dataclasses.replace(c, scale=float(s), stride=1) for own, s in zip(chains, scales) for c in own]
    return merged(weighed, flow_chains.frames_of(0), settings).xy


def by_prototype(labels: LabelSet, flow_chains: FlowChains, settings: Settings) -> np.ndarray:
    """(F, K, 2) by the formula of the protocol's prototype (row 6e), written down from its description.

    Per keypoint in a gap (a, b): v_f(t) = E_f(t)^2 + (0.4 C_f E_f(t)/E_f(b))^2 + (0.003 side)^2 (t - a), v_b likewise,
    X = (P_f/v_f + P_b/v_b) / (1/v_f + 1/v_b); one chain where there is one.
    """
    del settings
    frames = flow_chains.frames_of(0)
    human, _ = human_points(labels, 0, frames)
    sides = subject_sides(labels, 0)
    total, share = np.zeros(human.shape), np.zeros(human.shape[:2])
    for one in flow_chains.chains[0][0]:
        p = one.over(frames)
        for row, k in zip(*np.nonzero(p.anchor >= 0)):
            start = int(p.anchor[row, k])
            arrivals = np.flatnonzero((p.anchor[:, k] == start) & np.isfinite(human[:, k]).all(axis=1))
            e, side, v = float(p.cycle[row, k]), sides[start], 0.0
            if len(arrivals):
                end = arrivals[0]
                miss = float(np.hypot(*(p.xy[end, k] - human[end, k])))
                v = (0.4 * miss * e / max(float(p.cycle[end, k]), 1e-6)) ** 2
            v += e**2 + (0.003 * side) ** 2 * abs(int(frames[row]) - start) + 1e-6
            total[row, k] += p.xy[row, k] / v
            share[row, k] += 1 / v
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / share[..., None]


PROTOTYPE = "prototype (6e, one scale, 260,000 px)"
THREE = "dis+dis-coarse+dis-coarse/2"  # /2: two frames at a time
ROWS = (
    Row(PROTOTYPE, "dis", (0,), 260_000, by_prototype),
    Row("DIS, one scale", THREE, (0,), AREA, by_engine),
    Row("three estimators, weighed by the mean of their closures (before)", THREE, (0, 1, 2), AREA, by_means),
    Row("two estimators, weighed by the mean of their closures", THREE, (0, 1), AREA, by_means),
    Row("two estimators", THREE, (0, 1), AREA, by_engine),
    Row("three estimators (--flow dis)", THREE, (0, 1, 2), AREA, by_engine),
)


class Bench:
    """Cases, flow_chains and errors; flow_chains are computed once and kept."""

    def __init__(self, cache: Path) -> None:
        self.scorer = load_scorer()
        self.cache = cache
        self.cases = cases(self.scorer, cache / "clips")

    def errors(self, case: Case, row: Row) -> Errors:
        """A row on a case."""
        split = self.scorer.split(case.clip, case.radius)
        labels, settings = anchor_labels(self.scorer, split), Settings(case.reach, area=row.area)
        flow_chains = self._flow_chains(case, labels, row.flow, settings)
        flow_chains = dataclasses.replace(flow_chains, chains={0: [flow_chains.chains[0][n] for n in row.of]})
        xy, frames = row.merge(labels, flow_chains, settings), flow_chains.frames_of(0)
        shown = split.hidden[split.hidden.visible == 1]
        at = np.array([labels.skeleton.keypoints.index(name) for name in shown.keypoint])
        when = shown.frame.to_numpy()
        row_of = np.minimum(np.searchsorted(frames, when), len(frames) - 1)
        place = np.where((frames[row_of] == when)[:, None], xy[row_of, at], np.nan)
        still = shown[["anchor_x", "anchor_y"]].to_numpy(float)
        off = np.where(np.isfinite(place).all(axis=1)[:, None], place, still) - shown[["x", "y"]].to_numpy(float)
        gap = np.searchsorted(split.anchors, when)
        size = np.array([case.clip.width, case.clip.height])
        return Errors(np.hypot(*off.T), np.hypot(*(off * 256 / size).T), 1000 * gap + at)

    def _flow_chains(self, case: Case, labels: LabelSet, flow: str, settings: Settings) -> FlowChains:
        key = f"{case.name}-{flow}-{settings.area}".replace("/", "_")
        path = self.cache / f"{key}.pkl"
        if not path.is_file():
            print(key, flush=True)
            engine = Engine(case.video(), labels, [estimator_of(name) for name in flow.split("+")], settings)
            for _ in engine.run():
                pass
            path.write_bytes(pickle.dumps(engine.result()))
        return pickle.loads(path.read_bytes())


def interval(mine: Errors, theirs: Errors, seed: str) -> tuple[float, float]:
    """90 % interval of the ratio of two means on one case; whole runs are drawn."""
    _, run = np.unique(mine.run, return_inverse=True)
    sums = np.stack([np.bincount(run, e.pixels) for e in (mine, theirs)])
    rng = np.random.default_rng(zlib.crc32(seed.encode()))
    drawn = sums[:, rng.integers(0, sums.shape[1], (DRAWS, sums.shape[1]))].sum(axis=2)
    low, high = np.quantile(drawn[0] / drawn[1], (0.05, 0.95))
    return float(low), float(high)


def over_clips(logs: dict[str, list[float]]) -> tuple[float, float, float]:
    """The mean ratio over clips, every clip counting alike, and its 90 % interval over draws of clips."""
    each = np.array([np.mean(values) for values in logs.values()])
    rng = np.random.default_rng(0)
    drawn = each[rng.integers(0, len(each), (DRAWS, len(each)))].mean(axis=1)
    low, high = np.exp(np.quantile(drawn, (0.05, 0.95)))
    return float(np.exp(each.mean())), float(low), float(high)


def report(found: dict[str, dict[str, Errors]], chosen: Sequence[Case], each: bool) -> None:
    """Print the tables in Markdown."""
    groups = [g for g in GROUPS if any(c.group == g for c in chosen)]
    print("\n" + head("mean px / median px / delta_avg %", *groups))
    for name, row in found.items():
        cells = []
        for group in groups:
            mine = [row[c.name] for c in chosen if c.group == group]
            figures = [np.mean([f(e) for e in mine]) for f in (_mean, _median, lambda e: e.delta_avg)]
            cells.append(f"{figures[0]:.2f} / {figures[1]:.2f} / {figures[2]:.1f}")
        print(line(name, *cells))
    print("\n" + head("mean error over the prototype's", *groups, "all [90 %]", "cases worse beyond noise"))
    theirs = found[PROTOTYPE]
    for name, row in found.items():
        logs = {c.name: float(np.log(_mean(row[c.name]) / _mean(theirs[c.name]))) for c in chosen}
        cells = [f"{over_clips(_by_base(logs, [c for c in chosen if c.group == g]))[0]:.3f}" for g in groups]
        ratio, low, high = over_clips(_by_base(logs, chosen))
        worse = [c.name for c in chosen if interval(row[c.name], theirs[c.name], c.name)[0] > 1]
        print(line(name, *cells, f"{ratio:.3f} [{low:.3f}, {high:.3f}]", ", ".join(worse) or "none"))
    if each:
        print("\n" + head("case", "points", *found))
        for case in chosen:
            cells = [f"{_mean(row[case.name]):.2f} / {row[case.name].delta_avg:.1f}" for row in found.values()]
            print(line(case.name, len(theirs[case.name].pixels), *cells))


def _mean(errors: Errors) -> float:
    return float(errors.pixels.mean())


def _median(errors: Errors) -> float:
    return float(np.median(errors.pixels))


def _by_base(logs: dict[str, float], chosen: Sequence[Case]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for case in chosen:
        found.setdefault(case.base, []).append(logs[case.name])
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", default=",".join(GROUPS), help="comma-separated; default: all")
    parser.add_argument("--clips", default="", help="only cases whose name contains one of these, by comma")
    parser.add_argument("--cache", type=Path, default=Path("runs/stress"), help="clips, and what the chains left")
    parser.add_argument("--each", action="store_true", help="also a line for every case")
    options = parser.parse_args()
    bench = Bench(options.cache)
    parts = options.clips.split(",")
    groups = options.groups.split(",")
    chosen = [c for c in bench.cases if c.group in groups and any(part in c.name for part in parts)]
    found: dict[str, dict[str, Errors]] = {row.name: {} for row in ROWS}
    for case in chosen:
        for row in ROWS:
            found[row.name][case.name] = bench.errors(case, row)
    report(found, chosen, options.each)


if __name__ == "__main__":
    main()
