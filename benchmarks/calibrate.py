#!/usr/bin/env python3
"""Fits the constants of `poof/propagation/confidence.py` and tells what confidence and visibility are worth.

    python benchmarks/calibrate.py --plot reliability.png       the chains of all clips are kept in --cache

The chains of `dis` and of what it brings along into a blend run once over every clip. What they tell (`terms`) is set
against the truth: whether the error is below 5 % of the longer side of the subject. Every clip counts alike, whatever
its length; rendered scenes, which have occlusions that people did not label, count a quarter of the real clips
together. Each figure of the confidence is of clips that the fit has not seen (one left out; cam01 and cam02, two views
of one person, together). Which terms there are was chosen by these figures, and so were the three constants of
visibility, whose figures are therefore not of unseen clips.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from calibrate_points import TRANSFER, VARIANTS, Store, points
from clips_and_tables import MEAN_OF, head, line
from scipy.optimize import minimize

from poof.drawing.plots import reliability_diagram, save_figure
from poof.evaluation.calibration import auroc, expected_calibration_error, reliability
from poof.labels.model import Visible
from poof.propagation import Settings
from poof.propagation.confidence import MODELS, confidence
from poof.propagation.held_out import held_out, lowered, offset, without_labels
from poof.propagation.propagate import chains_of, merged
from poof.propagation.subject import subject_sides

GOOD, BAD = 0.05, 0.10
RIDGE = 0.01
RENDERED = 0.25
Model = dict[str, tuple[float, dict[str, float]]]
FOLDS = (("camel",), ("dog",), ("bear",), ("reaching",), ("cam01", "cam02"))


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


def scores(scored: pd.DataFrame, least: int = 5) -> dict[str, float]:
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
    print(f"\n{title}\n\n{head('', *table.columns)}")
    for name, row in table.iterrows():
        cells = [f"{v:.0f}" if c in ("points", "hidden", "flagged") else f"{v:.3f}" for c, v in row.items()]
        print(line(name, *cells))


def report(store: Store, table: pd.DataFrame, plot: Path | None) -> None:
    """Everything there is to say of the cross-validated confidence and of visibility."""
    real = table[table["clip"].isin(MEAN_OF)]
    for variant, part in real.groupby("variant", sort=False):
        scored = judge(store, part)
        rows = {str(clip): scores(p) for clip, p in scored.groupby("clip", sort=False)}
        show(f"{variant}: each clip unseen by its fit", rows | {"**pooled**": scores(scored)})
        animals = scores(scored[scored["clip"].isin(["camel", "dog", "bear"])])
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
    rows = {f"{v}, {c}": scores(judge(store, p)) for (v, c), p in extra.groupby(["variant", "clip"], sort=False)}
    sanity = points(store, "jhmdb", "dis")
    rows["jhmdb, dis"] = scores(judge(store, sanity.assign(confidence=apply(model, sanity))))
    show("Other flows and clips that are in no fit", rows)
    print("\nMODELS: dict[str, tuple[float, dict[str, float]]] = {")
    for case, (constant, weights) in model.items():
        inner = ", ".join(f'"{term}": {weight:.2f}' for term, weight in weights.items())
        print(f'    "{case}": ({constant:.2f}, {{{inner}}}),')
    print("}")


if __name__ == "__main__":
    main()
