"""The points that `calibrate.py` fits to: chains over real and rendered clips, and how far they were off."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from clips_and_tables import anchor_labels, estimator_of, load_scorer, penn_track, radius_of

from poof.labels.model import LabelSet, Points, Visible
from poof.propagation import Settings
from poof.propagation.chains import Chains
from poof.propagation.confidence import cases, terms
from poof.propagation.engine import Engine, FlowChains
from poof.propagation.propagate import chains_of, merged
from poof.propagation.visibility import visibility
from poof.synthetic import PENN_ACTION, SyntheticVideo, build_scene, from_tracks, penn_joints, sample, truth
from poof.video import open_video
from poof.video.base import ArrayVideo, Video

FLOWS = ("dis", "dis-coarse", "dis-coarse/2")  # /2: in steps of two frames
VARIANTS = {  # name -> chains, method, which of the estimators
    "dis": ("blend", "blend", (0,)),
    "dis + dis-coarse": ("blend", "blend", (0, 1)),
    "--flow dis": ("blend", "blend", (0, 1, 2)),
    "chain, dis": ("blend", "chain", (0,)),
    "chain, dis + dis-coarse": ("blend", "chain", (0, 1)),
    "thesis, dis": ("thesis", "thesis", (0,)),
}
TRANSFER = {"raft-small": ("raft-small", "blend", (0,)), "chain, raft-small": ("raft-small", "chain", (0,))}
STAGED = ((0, "0002"), (1, "0150"), (2, "0400"), (3, "0700"), (4, "1000"), (5, "1300"), (8, "2200"))


@dataclass
class Footage:
    """A clip with its anchors and its truth: labels of the other frames, by the scorer's table or rendered."""

    name: str
    anchors: LabelSet
    radius: int
    truth: LabelSet | None


# ------------------------------------------------------------------------------------------------ clips and flow_chains


def scenes() -> dict[str, tuple[Any, bool]]:
    """Name -> (rendered scene, whether occluded points are placed and marked in the anchors, or left out)."""
    found = {f"demo{s}": (sample("demo", seed=s), s != 1) for s in range(2)}
    found |= {f"hidden{s}": (sample("hidden-at-anchor", seed=s), s != 1) for s in range(2)}
    found |= {f"two{i}": (sample("two-players", seed=s), i == 0) for i, s in ((0, 0), (1, 5))}
    found["hoff"] = (sample("hidden-at-anchor", seed=3, frames=(20, 41)), True)
    for seed, track in STAGED:
        content = penn_track(track)
        joints, visible = penn_joints(content["x"], content["y"], content["visibility"])
        motion = from_tracks(joints, PENN_ACTION, visible)
        look = {"size": (480, 384), "frames": min(63, int(motion.length) + 1), "occluders": 1 + seed % 2}
        found[f"penn{seed}"] = (build_scene(motion, ("hall", "rink", "field")[seed % 3], seed, **look), seed % 2 == 0)
    return found


def given(exact: LabelSet, mark_hidden: bool) -> LabelSet:
    """The anchors of a rendered scene."""
    labels = exact.replace(instances={})
    for (frame, instance), points in exact.instances.items():
        if frame in (10, 31, 52):
            keep = (points.visible == Visible.VISIBLE) | mark_hidden
            labels.add(frame, instance, Points.human(frame, np.where(keep[:, None], points.xy, np.nan), points.visible))
    return labels


class Store:
    """Footage and flow_chains, computed once and kept on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scorer = load_scorer()
        self.clips = self.scorer.registered()
        self.scenes = cache(scenes)
        folder.mkdir(parents=True, exist_ok=True)

    def _kept(self, name: str, make: Callable[[], Any]) -> Any:
        path = self.folder / f"{name}.pkl"
        if not path.is_file():
            path.write_bytes(pickle.dumps(make()))
        return pickle.loads(path.read_bytes())

    def footage(self, name: str) -> Footage:
        """A clip by name."""
        return Footage(name, *self._kept(f"{name}.labels", lambda: self._labels(name)))

    def _labels(self, name: str) -> tuple[LabelSet, int, LabelSet | None]:
        if name in self.clips:
            split = self.scorer.split(self.clips[name])
            return anchor_labels(self.scorer, split), radius_of(self.scorer, split.clip), None
        scene, mark_hidden = self.scenes()[name]
        exact = truth(scene)
        return given(exact, mark_hidden), 10, exact

    def _video(self, name: str) -> Video:
        if name in self.clips:
            return open_video(self.clips[name].video)
        return ArrayVideo([image for _, image in SyntheticVideo(self.scenes()[name][0]).frames()])

    def flow_chains(self, name: str, kind: str) -> FlowChains:
        """What the chains left: 'blend' has those of `FLOWS`, 'thesis' those of DIS, others those of that flow."""
        return self._kept(f"{name}.{kind}", lambda: self._flow_chains(name, kind))

    def _flow_chains(self, name: str, kind: str) -> FlowChains:
        print(f"{name}: {kind} ...", flush=True)
        names = {"blend": FLOWS, "thesis": FLOWS[:1]}.get(kind, (kind,))
        flows = [estimator_of(name) for name in names]
        footage = self.footage(name)
        settings = Settings(footage.radius, "thesis" if kind == "thesis" else "blend")
        engine = Engine(self._video(name), footage.anchors, flows, settings)
        for _ in engine.run():
            pass
        return engine.result()


def within(chains: Chains, radius: int) -> Chains:
    """The chains of chains that end at the radius, as method 'chain' has them."""
    far = np.abs(chains.frames[:, None] - chains.anchor) > radius
    return replace(
        chains,
        xy=np.where(far[..., None], np.nan, chains.xy),
        cycle=np.where(far, np.nan, chains.cycle),
        anchor=np.where(far, -1, chains.anchor),
    )


# ------------------------------------------------------------------------------------------------ points and truth


def points(store: Store, name: str, variant: str) -> pd.DataFrame:
    """One row a propagated point: its terms and flag, and what is true of it where that is known."""
    footage = store.footage(name)
    kind, method, which = (VARIANTS | TRANSFER)[variant]
    found = store.flow_chains(name, kind)
    tracks = {i: [both[e] for e in which] for i, both in found.chains.items()}
    if method == "chain":
        tracks = {i: [(within(f, footage.radius), within(b, footage.radius)) for f, b in t] for i, t in tracks.items()}
    found = replace(found, tracks=tracks)
    tables = [_instance(store, footage, found, i, Settings(footage.radius, method)) for i in tracks]
    table = pd.concat(tables, ignore_index=True)
    return table.assign(clip=name, variant=variant, error=np.hypot(table.x - table.true_x, table.y - table.true_y))


def _instance(store: Store, footage: Footage, found: FlowChains, instance: int, settings: Settings) -> pd.DataFrame:
    chains, human = chains_of(footage.anchors, instance, found)
    frames = found.frames_of(instance)
    joint = merged(chains, frames, settings)
    set_ = np.isfinite(human).all(axis=-1)
    ways = [np.where(s, np.abs(frames - f)[:, None], np.inf) for f, s in zip(frames, set_) if s.any()]
    near = np.min(ways, axis=0) <= settings.radius
    row, k = np.nonzero(near & ~set_ & np.isfinite(joint.xy).all(axis=-1))
    names = np.array(footage.anchors.skeleton.keypoints, dtype=object)
    table = pd.DataFrame({"frame": frames[row], "keypoint": names[k], "instance": instance})
    table["x"], table["y"] = joint.xy[row, k].T
    table["case"] = cases(chains)[row, k]
    table["flag"] = visibility(joint, chains, frames, human)[row, k]
    for term, values in terms(joint, chains).items():
        table[term] = values[row, k]
    return table.merge(_truth(store, footage, instance), on=["frame", "keypoint"])


def _truth(store: Store, footage: Footage, instance: int) -> pd.DataFrame:
    """frame, keypoint, true_x, true_y, visible (0 or 1), side."""
    if footage.truth is None:
        clip = store.clips[footage.name]
        boxes = store.scorer.split(clip).boxes
        table = store.scorer.load_labels(clip).rename(columns={"x": "true_x", "y": "true_y"})
        sides = {f: max(b[2] - b[0], b[3] - b[1]) for f, b in boxes.items()}
        return table.assign(side=table.frame.map(sides))
    table = footage.truth.replace(
        instances={key: p for key, p in footage.truth.instances.items() if key[1] == instance}
    ).to_table()
    extents = table.groupby("frame")[["x", "y"]].agg(np.ptp).max(axis=1)
    columns = {"frame": table.frame, "keypoint": table.keypoint, "true_x": table.x, "true_y": table.y}
    return pd.DataFrame({**columns, "visible": (table.visible == 2).astype(int), "side": table.frame.map(extents)})


# ------------------------------------------------------------------------------------------------ fit
