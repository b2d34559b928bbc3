"""The clips that `trackers.py` is measured on: chains of flow, the truth, and what a stand-in tracker would follow."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from calibrate_points import given, scenes
from clips_and_tables import anchor_labels, load_scorer, radius_of

from poof.flow.registry import create_flows
from poof.labels import LabelSet
from poof.propagation import Settings
from poof.propagation.engine import Engine, FlowChains
from poof.propagation.evidence import Evidence
from poof.propagation.merge import blend
from poof.propagation.propagate import chains_of
from poof.propagation.segments import reach
from poof.propagation.subject import subject_sides
from poof.propagation.trackers import Trajectory
from poof.propagation.trackers import evidence as model
from poof.propagation.trackers.gaps import frames_set, gaps_of
from poof.synthetic import SyntheticVideo, truth
from poof.synthetic.simulated_tracker import PUBLISHED, Faults, simulate_tracks
from poof.video import open_video
from poof.video.base import ArrayVideo, Video

THRESHOLDS = (1, 2, 4, 8, 16)


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

    def evidence(self, tracks: Sequence[Trajectory]) -> list[Evidence]:
        """The tracks as evidence."""
        sides = subject_sides(self.anchors, self.instance)
        cuts = self.flow.cuts
        far = reach(self.radius)
        return model.tracker_evidence(tracks, self.anchors, self.instance, self.frames, sides, far, cuts, self.chains)

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


def shared_case(scorer: Any, name: str, folder: Path) -> Case:
    """A clip of the neutral scorer."""
    clip = scorer.registered()[name]
    split = scorer.split(clip)
    radius = radius_of(scorer, clip)
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
