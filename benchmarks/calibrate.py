#!/usr/bin/env python3
"""Fits the constants of `poof/propagation/confidence.py` and tells what confidence and visibility are worth.

    python benchmarks/calibrate.py --plot reliability.png       the flow_chains of all clips are kept in --cache

The chains of `dis` and of what it brings along into a blend run once over every clip. What they tell (`terms`) is set
against the truth: whether the error is below 5 % of the longer side of the subject. Every clip counts alike, whatever
its length; rendered scenes, which have occlusions that people did not label, count a quarter of the real clips
together. Each figure of the confidence is of clips that the fit has not seen (one left out; cam01 and cam02, two views
of one person, together). Which terms there are was chosen by these figures, and so were the three constants of
visibility, whose figures are therefore not of unseen clips.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from propagation import MEAN_OF, SHARED, anchor_labels, estimator_of, load_scorer
from scipy.io import loadmat
from scipy.optimize import minimize

from poof.drawing.plots import reliability_diagram, save_figure
from poof.evaluation.calibration import auroc, expected_calibration_error, reliability
from poof.labels.model import LabelSet, Points, Visible
from poof.propagation import Settings
from poof.propagation.chains import Chains
from poof.propagation.confidence import MODELS, cases, confidence, terms
from poof.propagation.engine import Engine, FlowChains
from poof.propagation.held_out import held_out, lowered, offset, without_labels
from poof.propagation.propagate import chains_of, merged
from poof.propagation.subject import subject_sides
from poof.propagation.visibility import visibility
from poof.synthetic import PENN_ACTION, SyntheticVideo, build_scene, from_tracks, penn_joints, sample, truth
from poof.video import open_video
from poof.video.base import ArrayVideo, Video

GOOD, BAD = 0.05, 0.10
RIDGE = 0.01
RENDERED = 0.25
FOLDS = (("camel",), ("dog",), ("bear",), ("reaching",), ("cam01", "cam02"))
FLOWS = ("dis", "dis-coarse", "dis-coarse/2")  # /2: in steps of two frames
VARIANTS = {  # name -> flow_chains, method, which of the estimators
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
        content = loadmat(str(SHARED / "data" / "penn-action-labels" / "labels" / f"{track}.mat"))
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
            return anchor_labels(self.scorer, split), 10 if split.clip.dense else 20, None
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

Model = dict[str, tuple[float, dict[str, float]]]


def fit(table: pd.DataFrame) -> Model:
    """Weights of every case: logistic regression with a ridge on standardised terms, no weight above zero."""
    model: Model = {}
    for case, (_, names) in MODELS.items():
        part = table[(table.case == case) & np.isfinite(table.error) & np.isfinite(table.side)]
        x, weight = part[list(names)].to_numpy(float), part.weight.to_numpy()
        weight = weight / weight.sum()
        right = (part.error < GOOD * part.side).to_numpy(float)
        middle = weight @ x
        scale = np.sqrt(weight @ (x - middle) ** 2)
        z = (x - middle) / scale

        def loss(b: np.ndarray, z: np.ndarray = z, y: np.ndarray = right, w: np.ndarray = weight) -> Any:
            logit = b[0] + z @ b[1:]
            value = w @ (np.logaddexp(0, logit) - y * logit) + RIDGE / 2 * b[1:] @ b[1:]
            slope = w * (1 / (1 + np.exp(-logit)) - y)
            return value, np.concatenate([[slope.sum()], z.T @ slope + RIDGE * b[1:]])

        bounds = [(None, None)] + [(None, 0.0)] * len(names)
        best = minimize(loss, np.zeros(len(names) + 1), jac=True, method="L-BFGS-B", bounds=bounds).x
        slopes = best[1:] / scale
        model[case] = float(best[0] - slopes @ middle), dict(zip(names, slopes.tolist()))
    return model


def apply(model: Model, table: pd.DataFrame) -> np.ndarray:
    """(N,) confidence of every row."""
    result = np.full(len(table), np.nan)
    for case, (constant, weights) in model.items():
        mine = (table.case == case).to_numpy()
        logit = constant + table.loc[mine, list(weights)].to_numpy(float) @ np.array(list(weights.values()))
        result[mine] = 1 / (1 + np.exp(-logit))
    return result


def weighted(table: pd.DataFrame) -> pd.DataFrame:
    """Every real clip counts alike, the rendered ones together a quarter of them."""
    known = table[np.isfinite(table.error)]
    count = known.groupby(["clip", "variant"]).error.transform("size")
    real = known["clip"].isin(MEAN_OF)
    rendered = known["clip"][~real].nunique()
    return known.assign(weight=np.where(real, 1 / len(MEAN_OF), RENDERED / max(rendered, 1)) / count)


def unseen(table: pd.DataFrame) -> Iterator[tuple[Model, tuple[str, ...]]]:
    """The model without each fold, and the clips of that fold."""
    for fold in FOLDS:
        yield fit(weighted(table[~table["clip"].isin(fold)])), fold


# ------------------------------------------------------------------------------------------------ figures


def judge(store: Store, table: pd.DataFrame) -> pd.DataFrame:
    """The scorer's points of one variant over its clips: with `confidence`, `error`, `side` and `visible`."""
    scored = []
    for clip, part in table.groupby("clip", sort=False):
        prediction = part[["frame", "keypoint", "x", "y", "confidence"]]
        scored.append(store.scorer.points(store.scorer.split(store.clips[clip]), prediction).assign(clip=clip))
    return pd.concat(scored, ignore_index=True)


def line(scored: pd.DataFrame, least: int = 5) -> dict[str, float]:
    """The figures of a set of scored points."""
    doubt = 1 - scored.confidence.fillna(0)
    seen = scored.visible == 1
    shown = scored[seen & scored.confidence.notna()]
    kept = shown[shown.confidence >= shown.confidence.quantile(0.2)]
    right = shown.error < GOOD * shown.side
    return {
        "points": int(seen.sum()),
        "right": right.mean(),
        "confidence": shown.confidence.mean(),
        "ECE": expected_calibration_error(shown.confidence, right),
        "AUROC error": auroc(doubt[seen], (scored.error > BAD * scored.side)[seen], least),
        "AUROC invisible": auroc(doubt, ~seen, least),
        "surest 80 % / all": kept.error.mean() / shown.error.mean(),
    }


def flags(table: pd.DataFrame) -> dict[str, float]:
    """Is `flag` right about the points that are not visible."""
    hidden, flagged = table.visible == 0, table.flag == Visible.OCCLUDED
    right = table.error < GOOD * table.side
    recall, false = flagged[hidden].mean(), flagged[~hidden].mean()
    return {
        "points": len(table),
        "hidden": int(hidden.sum()),
        "flagged": int(flagged.sum()),
        "precision": hidden[flagged].mean(),
        "recall": recall,
        "visible flagged": false,
        "good flagged": (flagged & ~hidden & right).sum() / max(1, (~hidden & right).sum()),
        "balanced accuracy": (recall + 1 - false) / 2,
    }


def show(title: str, rows: dict[str, dict[str, float]]) -> None:
    """Print a table in Markdown."""
    table = pd.DataFrame(rows).T
    print(f"\n{title}\n\n| | {' | '.join(table.columns)} |\n{'|---' * (len(table.columns) + 1)}|")
    for name, row in table.iterrows():
        cells = [f"{v:.0f}" if c in ("points", "hidden", "flagged") else f"{v:.3f}" for c, v in row.items()]
        print(f"| {name} | {' | '.join(cells)} |")


def report(store: Store, table: pd.DataFrame, plot: Path | None) -> None:
    """Everything there is to say of the cross-validated confidence and of visibility."""
    real = table[table["clip"].isin(MEAN_OF)]
    for variant, part in real.groupby("variant", sort=False):
        scored = judge(store, part)
        rows = {str(clip): line(p) for clip, p in scored.groupby("clip", sort=False)}
        show(f"{variant}: each clip unseen by its fit", rows | {"**pooled**": line(scored)})
        animals = line(scored[scored["clip"].isin(["camel", "dog", "bear"])])
        print(f"\nGT-invisible points of the animal clips: AUROC {animals['AUROC invisible']:.3f}")
        known = scored[(scored.visible == 1) & scored.confidence.notna()]
        alike = known.groupby("clip", sort=False).sample(known.groupby("clip").size().min(), random_state=0)
        right = alike.error < GOOD * alike.side
        ece = expected_calibration_error(alike.confidence, right)
        print(f"ECE with {len(alike)} points, as many of each clip: {ece:.3f}")
        if plot is not None and variant == "--flow dis":
            bins = reliability(alike.confidence, right, 8)
            title = "Error below 5 % of the side; no clip was in its own fit"
            save_figure(reliability_diagram(bins.confidence, bins.accuracy, bins.points, title), plot, checked=True)
    rest = table[~table["clip"].isin(MEAN_OF)]
    rows = {}
    for variant in ("--flow dis", "chain, dis", "thesis, dis"):
        mine, others = real[real.variant == variant], rest[rest.variant == variant]
        marked = others["clip"].isin([n for n, (_, m) in store.scenes().items() if m])
        rows[f"{variant}: animals"] = flags(mine[mine["clip"].isin(["camel", "dog", "bear"])])
        rows[f"{variant}: other clips"] = flags(mine[~mine["clip"].isin(["camel", "dog", "bear"])])
        rows[f"{variant}: rendered, hidden labels marked"] = flags(others[marked])
        rows[f"{variant}: rendered, hidden labels left out"] = flags(others[~marked])
    show("Visibility (all visible: balanced accuracy 0.5)", rows)


def footage(store: Store, names: Sequence[str]) -> None:
    """What the summary of `poof propagate` expects of each clip, with its own labels left out in turn and without.

    The constants are those of `poof.propagation.confidence`, which these clips are part of the fit of.
    """
    rows = {}
    for name in names:
        given = store.footage(name)
        found = store.flow_chains(name, "blend")
        frames, (chains, human) = found.frames_of(0), chains_of(given.anchors, 0, found)
        settings = Settings(given.radius)
        without = without_labels(chains)
        held = held_out(merged(without, frames, settings), without, frames, human, subject_sides(given.anchors, 0))
        joint = merged(chains, frames, settings)
        sure = confidence(joint, chains)
        row, k = np.nonzero(np.isfinite(joint.xy).all(axis=-1) & ~np.isfinite(human).all(axis=-1))
        keypoints = np.array(given.anchors.skeleton.keypoints, dtype=object)
        table = pd.DataFrame({"frame": frames[row], "keypoint": keypoints[k], "confidence": sure[row, k]})
        table["x"], table["y"] = joint.xy[row, k].T
        scored = judge(store, table.assign(clip=name))
        shown = scored[(scored.visible == 1) & scored.confidence.notna()]
        right = (shown.error < GOOD * shown.side).to_numpy()
        by = offset(held.confidence, held.error < GOOD)
        after = lowered(shown.confidence, by)
        rows[name] = {
            "points": len(shown),
            "right": right.mean(),
            "expected, by confidence": shown.confidence.mean(),
            "expected, as the summary says": after.mean(),
            "ECE before": expected_calibration_error(shown.confidence, right),
            "ECE after": expected_calibration_error(after, right),
            "own labels right": float((held.error < GOOD).mean()),
            "promised there": float(np.nanmean(held.confidence)),
        }
    show("What a summary expects", rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path("runs/calibration"), help="where flow_chains are kept")
    parser.add_argument("--plot", type=Path, help="write the reliability diagram here")
    parser.add_argument("--transfer", default="", help="clips to try chains of raft-small on (slow), by comma")
    parser.add_argument("--footage", action="store_true", help="only what the summaries of the real clips expect")
    options = parser.parse_args(arguments)
    store = Store(options.cache)
    if options.footage:
        footage(store, [*MEAN_OF, "jhmdb"])
        return
    names = [*MEAN_OF, *store.scenes()]
    table = pd.concat([points(store, n, v) for v in VARIANTS for n in names], ignore_index=True)
    model = fit(weighted(table))
    table["confidence"] = apply(model, table)
    others = [n for n in options.transfer.split(",") if n]
    extra = pd.concat([points(store, n, v) for v in TRANSFER for n in others]) if others else table[:0].copy()
    extra["confidence"] = np.nan
    for other, fold in unseen(table):
        for part in (table, extra):
            mine = part["clip"].isin(fold)
            part.loc[mine, "confidence"] = apply(other, part[mine])
    report(store, table, options.plot)
    rows = {f"{v}, {c}": line(judge(store, p)) for (v, c), p in extra.groupby(["variant", "clip"], sort=False)}
    sanity = points(store, "jhmdb", "dis")
    rows["jhmdb, dis"] = line(judge(store, sanity.assign(confidence=apply(model, sanity))))
    show("Other flows and clips that are in no fit", rows)
    print("\nMODELS: dict[str, tuple[float, dict[str, float]]] = {")
    for case, (constant, weights) in model.items():
        inner = ", ".join(f'"{term}": {weight:.2f}' for term, weight in weights.items())
        print(f'    "{case}": ({constant:.2f}, {{{inner}}}),')
    print("}")


if __name__ == "__main__":
    main()
