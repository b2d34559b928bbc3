#!/usr/bin/env python3
"""What poof makes of keypoints that labels say are absent: on real clips, and on rendered ones with exact truth.

    python benchmarks/absence.py [--seeds 8] [--json out.json]

Anchors are those of the propagation benchmark, read as `poof propagate` reads a label file of another tool: a keypoint
that the subject lacks in a labelled frame is absent there.

- `reaching`: the mouse's tongue, in hidden frames with and without one.
- Animals and rendered clips: presence ranks the hidden points of keypoints that some anchor calls absent. Truth is
  whether the keypoint can be seen. In the rendered clips three things pass in front of a player ('hide'), or the frame
  shows a part of the player, whose limbs leave it and come back ('leave'). Their seeds were not used to choose the
  constants of `poof/propagation/presence.py`; the real clips were.
- The error over all scored points, with absence and without: what a point costs that is left out although it is there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from clips_and_tables import MEAN_OF, anchor_labels, head, line, load_scorer, penn_track, radius_of

from poof.evaluation.calibration import auroc
from poof.labels.model import LabelSet, Points, Visible
from poof.propagation import Settings, propagate
from poof.synthetic import PENN_ACTION, SyntheticVideo, build_scene, from_tracks, penn_joints, truth
from poof.video import open_video
from poof.video.base import ArrayVideo, Video

ANIMALS = ("bear", "camel", "dog")
TRACKS = ("0013", "0080", "0415", "0549", "0616", "0683", "0750", "1219", "1487", "2157")
ANCHORS = (10, 31, 52)


@dataclass
class Clip:
    """Footage, its anchors, and whether each keypoint can be seen in the hidden frames."""

    name: str
    video: Video
    anchors: LabelSet
    radius: int
    seen: dict[tuple[int, int], bool]


def real(scorer: Any, name: str, absent: bool = True) -> Clip:
    """A clip of the propagation benchmark; without `absent`, empty keypoints of anchors are not labelled."""
    clip = scorer.registered()[name]
    split = scorer.split(clip)
    names = tuple(scorer.keypoint_names(clip))
    labels = anchor_labels(scorer, split, Visible.ABSENT if absent else Visible.UNLABELLED)
    table = pd.read_csv(clip.labels)
    if "reliable" in table:
        table = table[table.reliable == 1]
    seen = {
        (int(row.frame), names.index(row.keypoint)): bool(row.visible > 0 and np.isfinite(row.x))
        for row in table.itertuples()
        if row.frame < clip.frames and row.frame not in split.anchors
    }
    return Clip(name, open_video(clip.video), labels, radius_of(scorer, clip), seen)


def rendered(kind: str, seed: int) -> Clip:
    """A player behind passing things ('hide'), or partly outside of the frame ('leave')."""
    content = penn_track(TRACKS[seed % len(TRACKS)])
    joints, visible = penn_joints(content["x"], content["y"], content["visibility"])
    motion = from_tracks(joints, PENN_ACTION, visible)
    size, count = (480, 384), min(63, int(motion.length) + 1)
    place = ("hall", "rink", "field")[seed % 3]
    scene = build_scene(motion, place, 100 + seed, size, count, occluders=3 if kind == "hide" else 1)
    frames = [image for _, image in SyntheticVideo(scene).frames()]
    exact, corner = truth(scene), np.zeros(2, int)
    if kind == "leave":
        rng = np.random.default_rng(100 + seed)
        part = np.array([int(0.6 * size[0]), int(0.72 * size[1])])
        every = np.concatenate([points.xy[points.labelled] for _, _, points in exact])
        middle = np.median(every, axis=0) + rng.uniform(-0.2, 0.2, 2) * np.ptp(every, axis=0)
        corner = np.clip(middle - part / 2, 0, np.array(size) - part).astype(int)
        size = (int(part[0]), int(part[1]))
        (x, y), (w, h) = corner, size
        frames = [np.ascontiguousarray(image[y : y + h, x : x + w]) for image in frames]
    labels, seen = LabelSet(exact.skeleton, image_size=size), {}
    for frame, instance, points in exact:
        xy = points.xy - corner.astype(np.float32)
        there = ((xy >= -0.5) & (xy <= np.array(size) - 0.5)).all(axis=1) & (points.visible == Visible.VISIBLE)
        if frame in ANCHORS and there.any():
            labels.add(frame, instance, Points.human(frame, np.where(there[:, None], xy, np.nan), 3 * there - 1))
        elif frame not in ANCHORS:
            seen |= {(frame, k): bool(there[k]) for k in range(len(xy))}
    return Clip(f"{kind}{seed}", ArrayVideo(frames), labels, 10, seen)


def judged(clip: Clip) -> pd.DataFrame:
    """One row a hidden point that flow carries and of which presence was estimated: presence, seen, kept."""
    ranked = propagate(clip.video, clip.anchors, settings=Settings(clip.radius, min_presence=0.0))
    rows = []
    for frame, _, points in ranked:
        for k in np.flatnonzero(points.labelled & ~points.is_human).tolist():
            if points.presence is not None and np.isfinite(points.presence[k]) and (frame, k) in clip.seen:
                presence = float(points.presence[k])
                kept = presence >= Settings().min_presence
                rows.append({"presence": presence, "seen": clip.seen[frame, k], "kept": kept})
    return pd.DataFrame(rows, columns=["presence", "seen", "kept"])


def tongue(scorer: Any) -> Iterator[tuple[str, int, int, int, int]]:
    """(rule, hidden frames without, of which get one, hidden frames with, of which keep it)."""
    for rule, absent in (("not labelled", False), ("absent", True)):
        clip = real(scorer, "reaching", absent)
        result = propagate(clip.video, clip.anchors, settings=Settings(clip.radius))
        k = clip.anchors.skeleton.index("Tongue")
        got = {frame for frame, _, points in result if points.labelled[k]}
        with_, without = (
            {f for (f, j), seen in clip.seen.items() if j == k and seen is there} for there in (True, False)
        )
        yield rule, len(without), len(got & without), len(with_), len(got & with_)


def summary(name: str, table: pd.DataFrame) -> dict[str, Any]:
    """AUROC of presence, and precision and recall of absence at the default threshold."""
    gone, dropped = ~table.seen.astype(bool), ~table.kept.astype(bool)
    return {
        "clips": name,
        "points": len(table),
        "absent": int(gone.sum()),
        "auroc": auroc(table.presence.to_numpy(), table.seen.to_numpy(bool)),
        "precision": float((gone & dropped).sum() / max(dropped.sum(), 1)),
        "recall": float((gone & dropped).sum() / max(gone.sum(), 1)),
        "good points lost": float((~gone & dropped).sum() / max((~gone).sum(), 1)),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8, help="rendered clips of each kind")
    parser.add_argument("--json", type=Path, help="also write every number")
    arguments = parser.parse_args()
    scorer = load_scorer()
    found: dict[str, Any] = {"tongue": list(tongue(scorer)), "presence": [], "error": []}
    print(head("an empty keypoint in an anchor is", "frames without a tongue", "get one", "with one", "keep it"))
    for row in found["tongue"]:
        print(line(*row))
    real_names = ("reaching", *ANIMALS)
    print("\n" + head("clips", "points", "absent", "AUROC", "precision", "recall", "good points lost"))
    pooled = {}
    for name in (*real_names, "hide", "leave"):
        seeds = range(1 if name in real_names else arguments.seeds)
        tables = [judged(real(scorer, name) if name in real_names else rendered(name, seed)) for seed in seeds]
        pooled[name] = pd.concat(tables)
        found["presence"].append(summary(name, pooled[name]))
    for name, members in (("animals", ANIMALS), ("rendered", ("hide", "leave"))):
        found["presence"].append(summary(name, pd.concat([pooled[member] for member in members])))
    for row in found["presence"]:
        print(line(*(f"{v:.3f}" if isinstance(v, float) else v for v in row.values())))
    print("\n" + head("clip", "mean px, not labelled", "mean px, absent", "coverage"))
    for name in MEAN_OF:
        cells = []
        for absent in (False, True):
            clip = real(scorer, name, absent)
            table = propagate(clip.video, clip.anchors, settings=Settings(clip.radius)).to_table()
            score = scorer.score(scorer.split(scorer.registered()[name]), table[table.source == "propagated"])
            cells.append(score)
        found["error"].append({"clip": name, "without": cells[0]["mean"], "with": cells[1]["mean"]})
        print(line(name, *(f"{cell['mean']:.2f}" for cell in cells), f"{cells[1]['coverage']:.3f}"))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
