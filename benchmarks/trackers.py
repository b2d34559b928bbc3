#!/usr/bin/env python3
"""What a point tracker adds to flow: a stand-in of published accuracy in the blend, on rendered and shared clips.

    python benchmarks/trackers.py                 the table: flow alone, tracker alone, both in one blend
    python benchmarks/trackers.py --fit           the constants of its error model, one clip left out at a time

No weights of a tracker can be had where these figures are made. `poof.synthetic.simulated_tracker` moves as the truth
does, with noise, drift, losses and jumps of the size that CoTracker3 is reported with on TAP-Vid DAVIS; its
delta_avg on each clip is printed beside. Truth between the labels of the shared clips is a straight line; only labelled
frames are scored. Chains of flow are computed once and kept in --cache.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from calibrate import given, scenes
from propagation import anchor_labels, load_scorer

from poof.flow.registry import create_flows
from poof.labels import LabelSet
from poof.propagation import Settings
from poof.propagation.engine import Engine, FlowChains
from poof.propagation.evidence import Evidence
from poof.propagation.merge import blend
from poof.propagation.propagate import chains_of
from poof.propagation.segments import reach
from poof.propagation.subject import subject_sides
from poof.propagation.trackers import Trajectory, opinions
from poof.propagation.trackers.gaps import frames_set, gaps_of
from poof.synthetic import SyntheticVideo, truth
from poof.synthetic.simulated_tracker import PUBLISHED, Faults, simulate_tracks
from poof.video import open_video
from poof.video.base import ArrayVideo, Video

THRESHOLDS = (1, 2, 4, 8, 16)
CONSTANTS = ("REST", "CLOSED", "OPEN", "MISS", "UNSURE")
STEPS = (0.5, 0.7, 1.0, 1.4, 2.0)
"""Factors that a constant is tried with in a round of the fit."""


@dataclass
class Case:
    """A clip with its anchors, the truth in every frame, and what is scored.

    Attributes
    ----------
    xy, seen
        (F, K, 2) and (F, K): the truth of every frame.
    scored
        (N, 2) frame and keypoint of the hidden visible points.
    """

    name: str
    anchors: LabelSet
    radius: int
    size: tuple[int, int]
    xy: np.ndarray
    seen: np.ndarray
    scored: np.ndarray
    flow: FlowChains

    @property
    def frames(self) -> np.ndarray:
        """(C,) the covered frames."""
        return self.flow.frames_of(self.instance)

    @property
    def instance(self) -> int:
        """The only one that is looked at."""
        return self.anchors.instance_ids[0]

    @cached_property
    def chains(self) -> list[Evidence]:
        """Flow's evidence."""
        return chains_of(self.anchors, self.instance, self.flow)[0]

    def tracks(self, seed: int, faults: Faults = PUBLISHED) -> list[Trajectory]:
        """The stand-in from every label, forwards and backwards to the next ones."""
        rng = np.random.default_rng([seed, sum(map(ord, self.name))])
        labelled, human, hidden, absent = frames_set(self.anchors, self.instance)
        found = []
        for k in range(human.shape[1]):
            set_ = np.isfinite(human[:, k]).all(axis=1)
            covered = set(labelled[hidden[:, k]].tolist())
            for gap in gaps_of(labelled[set_], labelled[absent[:, k]], reach(self.radius)):
                ends = (1, gap.before, min(gap.last, len(self.xy) - 1)), (-1, gap.after, gap.first)
                for way, anchor, end in ends:
                    if anchor is None or anchor in covered or (end - anchor) * way < 1:
                        continue
                    numbers = anchor + way * np.arange(abs(end - anchor) + 1)
                    place = human[labelled == anchor, k][0]
                    true = self.xy[numbers, k] + (place - self.xy[anchor, k])  # a label is where the person set it
                    said = simulate_tracks(true[:, None], self.seen[numbers, k, None], self.size, rng, faults)
                    order = np.argsort(numbers)
                    sure = (said.visible * said.certainty)[order, 0]
                    found.append(Trajectory(self.instance, k, numbers[order], said.xy[order, 0], sure, anchor, way))
        return found

    def opinions(self, tracks: Sequence[Trajectory]) -> list[Evidence]:
        """The tracks as evidence."""
        sides = subject_sides(self.anchors, self.instance)
        cuts = self.flow.cuts
        far = reach(self.radius)
        return opinions.opinions(tracks, self.anchors, self.instance, self.frames, sides, far, cuts, self.chains)

    def errors(self, chains: Sequence[Evidence]) -> np.ndarray:
        """(N, 2) error of the scored points in x and y, pixels; without a place, that of the nearest label."""
        xy = blend(chains, self.frames).xy
        rows = np.searchsorted(self.frames, self.scored[:, 0])
        there = (rows < len(self.frames)) & (self.frames[np.minimum(rows, len(self.frames) - 1)] == self.scored[:, 0])
        got = np.where(there[:, None], xy[np.minimum(rows, len(self.frames) - 1), self.scored[:, 1]], np.nan)
        miss = got - self.xy[self.scored[:, 0], self.scored[:, 1]]
        return np.where(np.isfinite(miss), miss, self._static)

    @cached_property
    def _static(self) -> np.ndarray:
        """(N, 2) error of a copy of the nearest label."""
        labelled, human, _, _ = frames_set(self.anchors, self.instance)
        result = np.zeros((len(self.scored), 2))
        for n, (frame, k) in enumerate(self.scored):
            own = labelled[np.isfinite(human[:, k]).all(axis=1)]
            near = own[np.abs(own - frame).argmin()]
            result[n] = human[labelled == near, k][0] - self.xy[frame, k]
        return result

    @property
    def side(self) -> float:
        """Median longer side of the subject, pixels."""
        return float(np.median(list(subject_sides(self.anchors, self.instance).values())))


def figures(case: Case, errors: np.ndarray) -> dict[str, float]:
    """Mean, median and delta_avg of errors (N, 2)."""
    length, small = np.hypot(*errors.T), np.hypot(*(errors * 256 / np.array(case.size)).T)
    delta = float(np.mean([(small < t).mean() for t in THRESHOLDS]))
    return {"mean": float(length.mean()), "median": float(np.median(length)), "delta_avg": 100 * delta}


# ------------------------------------------------------------------------------------------------ clips


def shared_case(scorer: Any, name: str, folder: Path) -> Case:
    """A clip of the neutral scorer."""
    clip = scorer.registered()[name]
    split = scorer.split(clip)
    radius = scorer.RADIUS if clip.dense else 2 * scorer.RADIUS
    names = scorer.keypoint_names(clip)
    table = scorer.load_labels(clip)
    xy, seen = np.full((clip.frames, len(names), 2), np.nan), np.zeros((clip.frames, len(names)), bool)
    every = np.arange(clip.frames)
    for k, keypoint in enumerate(names):
        own = table[table.keypoint == keypoint].sort_values("frame")
        if len(own):
            at = own.frame.to_numpy()
            xy[:, k] = np.column_stack([np.interp(every, at, own[c].to_numpy()) for c in ("x", "y")])
            seen[:, k] = own.visible.to_numpy()[np.abs(every[:, None] - at).argmin(axis=1)] == 1
    shown = split.hidden[split.hidden.visible == 1]
    scored = np.column_stack([shown.frame, [names.index(k) for k in shown.keypoint]])
    anchors = anchor_labels(scorer, split)
    flow = flow_chains(folder / f"{name}.pkl", lambda: open_video(clip.video), anchors, radius)
    return Case(name, anchors, radius, (clip.width, clip.height), xy, seen, scored, flow)


def rendered_case(name: str, scene: Any, mark_hidden: bool, folder: Path) -> Case:
    """A rendered scene; of several players the first."""
    exact = truth(scene)
    first = exact.instance_ids[0]
    exact = exact.replace(instances={key: p for key, p in exact.instances.items() if key[1] == first})
    anchors = given(exact, mark_hidden)
    frames = range(scene.frames)
    xy = np.stack([exact.instances[f, first].xy for f in frames]).astype(np.float64)
    seen = np.stack([exact.instances[f, first].visible == 2 for f in frames])
    at = np.array(anchors.frames)
    scored = []
    for frame in frames:
        near = int(at[np.abs(at - frame).argmin()])
        shown = anchors.instances[near, first].visible == 2
        if frame not in at and abs(near - frame) <= 10:
            scored += [(frame, k) for k in np.flatnonzero(seen[frame] & shown & np.isfinite(xy[frame]).all(axis=1))]
    flow = flow_chains(folder / f"{name}.pkl", lambda: _in_memory(scene), anchors, 10)
    return Case(name, anchors, 10, scene.size, xy, seen, np.array(scored), flow)


def _in_memory(scene: Any) -> Video:
    return ArrayVideo([image for _, image in SyntheticVideo(scene).frames()])


def flow_chains(path: Path, video: Any, anchors: LabelSet, radius: int) -> FlowChains:
    """What the chains of ``--flow dis`` left; computed once."""
    if not path.is_file():
        print(f"{path.stem}: flow ...", file=sys.stderr, flush=True)
        engine = Engine(video(), anchors, create_flows("dis", device="cpu"), Settings(radius))
        for _ in engine.run():
            pass
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(engine.result()))
    found: FlowChains = pickle.loads(path.read_bytes())
    return found


def cases(folder: Path, names: Sequence[str]) -> list[Case]:
    """The clips by name; all without names."""
    scorer = load_scorer()
    found = [shared_case(scorer, n, folder) for n in scorer.registered() if not names or n in names]
    for name, (scene, mark_hidden) in scenes().items():
        if not names or name in names:
            found.append(rendered_case(name, scene, mark_hidden, folder))
    return found


# ------------------------------------------------------------------------------------------------ table and fit


def table(found: Sequence[Case], seeds: int) -> dict[str, dict[str, dict[str, float]]]:
    """Clip -> row -> figures, the stand-in's averaged over seeds."""
    result: dict[str, dict[str, dict[str, float]]] = {}
    for case in found:
        rows: dict[str, list[dict[str, float]]] = {"tracker alone": [], "flow and tracker": []}
        wins = []
        for seed in range(seeds):
            said = case.opinions(case.tracks(seed))
            alone, both = case.errors(said), case.errors([*case.chains, *said])
            rows["tracker alone"].append(figures(case, alone))
            rows["flow and tracker"].append(figures(case, both))
            wins.append(np.hypot(*both.T).mean() < np.hypot(*alone.T).mean())
        result[case.name] = {"flow alone": figures(case, case.errors(case.chains))} | {
            name: {key: float(np.mean([one[key] for one in many])) for key in many[0]} for name, many in rows.items()
        }
        result[case.name]["flow and tracker"]["better than the tracker"] = float(np.mean(wins))
    return result


def show(result: dict[str, dict[str, dict[str, float]]]) -> None:
    """Print the table in Markdown."""
    print("| clip | flow alone | tracker alone | both | seeds in which both beat the tracker |\n|---|---|---|---|---|")
    for clip, rows in result.items():
        cells = [f"{r['mean']:.2f} px / {r['delta_avg']:.1f} %" for r in rows.values()]
        print(f"| {clip} | {' | '.join(cells)} | {100 * rows['flow and tracker']['better than the tracker']:.0f} % |")
    names = ("flow alone", "tracker alone", "flow and tracker")
    cells = [
        " / ".join(f"{np.mean([rows[n][key] for rows in result.values()]):.2f}" for key in ("mean", "delta_avg"))
        for n in names
    ]
    print(f"| **mean** | {' | '.join(cells)} | |")


def loss(case: Case, seeds: int) -> float:
    """Mean error of the blend in longer sides, each point counting up to 0.2: one that is lost must not decide."""
    total = []
    for seed in range(seeds):
        errors = case.errors([*case.chains, *case.opinions(case.tracks(seed))])
        total.append(np.minimum(np.hypot(*errors.T) / case.side, 0.2).mean())
    return float(np.mean(total))


def fit(found: Sequence[Case], seeds: int, rounds: int = 2) -> dict[str, float]:
    """The constants that make the blend best over the clips, one after the other, a few rounds."""
    weight = {case.name: 1 / max(loss(case, seeds), 1e-6) for case in found}
    best = sum(weight[c.name] * loss(c, seeds) for c in found)
    for _ in range(rounds):
        for name in CONSTANTS:
            now = getattr(opinions, name)
            values = {}
            for factor in STEPS:
                setattr(opinions, name, now * factor)
                values[now * factor] = sum(weight[c.name] * loss(c, seeds) for c in found)
            chosen = min(values, key=values.__getitem__)
            chosen = chosen if values[chosen] < best * 0.999 else now
            best = min(best, values[chosen])
            setattr(opinions, name, chosen)
    return {name: float(getattr(opinions, name)) for name in CONSTANTS}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path("runs/trackers"), help="where chains of flow are kept")
    parser.add_argument("--clips", default="", help="comma-separated; default: all")
    parser.add_argument("--seeds", type=int, default=8, help="stand-ins a clip")
    parser.add_argument("--fit", action="store_true", help="fit the constants, and say what they are worth unseen")
    parser.add_argument("--json", type=Path, help="also write every number")
    arguments = parser.parse_args()
    found = cases(arguments.cache, [name for name in arguments.clips.split(",") if name])
    if arguments.fit:
        begin = {name: getattr(opinions, name) for name in CONSTANTS}
        result: dict[str, dict[str, dict[str, float]]] = {}
        for case in found:
            for name, value in begin.items():
                setattr(opinions, name, value)
            print(case.name, "unseen:", fit([c for c in found if c is not case], 2), flush=True)
            result |= table([case], arguments.seeds)
        show(result)
        for name, value in begin.items():
            setattr(opinions, name, value)
        print("all clips:", fit(found, 2))
    else:
        result = table(found, arguments.seeds)
        show(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
