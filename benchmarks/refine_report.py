"""The tables of `refine.py` in Markdown, and the confidence that is fitted to them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from poof.refine import combine

GOALS = {
    "dog": (16.8, 46.8),
    "camel": (5.0, 76.2),
    "bear": (5.95, 75.5),
    "reaching": (4.65, 66.0),
    "cam01": (10.2, 78.0),
}
COLUMNS = ("blend", "networks", "control", "refined")
GOOD, BAD, UNSURE = 0.05, 0.10, 0.04
"""In longer sides: errors of good points, of broken ones, and the sigma of the blend from which a point is unsure."""


def worse(blend: dict[tuple[int, str], float], now: dict[tuple[int, str], float]) -> dict[str, list[float]]:
    """Keypoint -> its mean error by flow and refined, in longer sides, of those that got worse by more than 2 %."""
    found = {}
    for name in sorted({k[1] for k in now}):
        before, after = (float(np.mean([e[k] for k in now if k[1] == name])) for e in (blend, now))
        if after > 1.02 * before:
            found[name] = [before, after]
    return found


def tables(out: Path, network: str) -> str:
    """Markdown of what is in `out`."""
    lines = [
        "| clip | "
        + " | ".join(COLUMNS)
        + " | ratio to the blend | delta_avg | p95 ratio | goal | own labels, left out |",
        "|---" * (len(COLUMNS) + 6) + "|",
    ]
    ratios, deltas, unsure, broken, costs = [], [], np.zeros(3), np.zeros(2), []
    for path in sorted(out.glob(f"*-{network}.json")):
        result = json.loads(path.read_text())
        rows = list(result["seeds"].values())
        name = path.stem.removesuffix(f"-{network}")
        blend = result["blend"]

        def mean(part: str, key: str, rows: list[dict[str, Any]] = rows) -> float:
            return float(np.mean([row[part][key] for row in rows]))

        cells = {
            "blend": (blend["mean"], blend["delta_avg"]),
            "control": (result["control"]["mean"], result["control"]["delta_avg"]),
            "networks": (mean("networks", "mean"), mean("networks", "delta_avg")),
            "refined": (mean("refined", "mean"), mean("refined", "delta_avg")),
        }
        seeds = [row["refined"]["mean"] for row in rows]
        ratio = [s / blend["mean"] for s in seeds]
        delta = 100 * (cells["refined"][1] - blend["delta_avg"])
        texts = [f"{px:.2f} / {100 * share:.1f}" for px, share in (cells[c] for c in COLUMNS)]
        goal = "{} / {}".format(*GOALS[name]) if name in GOALS else "-"
        spread = f"{np.mean(ratio):.3f} ({min(ratio):.3f} to {max(ratio):.3f})"
        p95 = mean("refined", "p95") / blend["p95"]
        said = [row["check"] for row in rows if row.get("check")]
        told = "; ".join(
            f"{100 * s['flow']:.1f} -> {100 * s['refined']:.1f} % ({s['points']} points), {100 * s['change']:+.0f} %"
            f" +- {100 * s['error']:.0f}: {100 * s['expected']:+.0f} %{'' if s['helps'] else ', flow kept'}"
            for s in said
        )
        lines.append(f"| {name} | {' | '.join(texts)} | {spread} | {delta:+.1f} | {p95:.2f} | {goal} | {told} |")
        ratios.append(np.mean(ratio))
        deltas.append(delta)
        unsure += np.sum([row["unsure"] for row in rows], axis=0)
        broken += np.sum([row["broken"] for row in rows], axis=0)
        costs += [row["seconds"] / row["frames"] * 100 / 60 for row in rows if row["seconds"] is not None]
    lines.append(f"| mean | | | | | {np.mean(ratios):.3f} | {np.mean(deltas):+.1f} | | 0.95 / +0.8 | |")
    lines += [
        "",
        f"Points whose blend sigma exceeds {UNSURE:.0%} of the side ({int(unsure[2])} over all seeds): error x"
        f" {unsure[1] / unsure[0]:.2f}. Good points broken: {int(broken[0])} of {int(broken[1])}"
        f" ({broken[0] / broken[1]:.2%}). Processor minutes per 100 frames, propagation included:"
        f" {np.nanmean(costs):.1f} ({np.nanmin(costs):.1f} to {np.nanmax(costs):.1f}).",
    ]
    return "\n".join(lines)


def fit(out: Path, network: str) -> str:
    """Fit the confidence on all clips, and judge it on each clip by a fit on the others."""
    from scipy.optimize import minimize

    clips: dict[str, list[tuple[np.ndarray, bool, float]]] = {}
    for path in sorted(out.glob(f"*-{network}-*.pkl")):
        with path.open("rb") as file:
            tracks, fused, _, errors = pickle.load(file)
        names = tracks.skeleton.keypoints
        rows = clips.setdefault(path.stem.split("-")[0], [])
        for key, points in tracks.instances.items():
            both = combine.combined(points, fused[key])
            known = combine.features(points, fused[key])
            for k in np.flatnonzero(both.moved):
                error = errors.get((key[0], names[k]))
                if error is not None:
                    rows.append((known[k], error < 0.05, float(points.confidence[k])))

    def fitted(names: list[str]) -> np.ndarray:
        x = np.concatenate([[r[0] for r in clips[n]] for n in names])
        y = np.concatenate([[r[1] for r in clips[n]] for n in names]).astype(float)
        w = np.concatenate([np.full(len(clips[n]), 1 / len(clips[n])) for n in names])
        design = np.c_[np.ones(len(x)), x]

        def loss(beta: np.ndarray) -> float:
            z = design @ beta
            return float((w * (np.logaddexp(0, z) - y * z)).sum() + 1e-3 * (beta[1:] ** 2).sum())

        bounds = [(None, None), (0, None)] + [(None, 0)] * (design.shape[1] - 2)
        return np.asarray(minimize(loss, np.zeros(design.shape[1]), bounds=bounds).x)

    heads = ("clip", "points", "share right", "mean confidence", "AUROC, fitted on the others", "AUROC of the flow's")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, rows in clips.items():
        beta = fitted([n for n in clips if n != name])
        x, y = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
        p = 1 / (1 + np.exp(-(np.c_[np.ones(len(x)), x] @ beta)))
        before = np.array([r[2] for r in rows])
        figures = (y.mean(), p.mean(), auroc(p, y), auroc(before, y))
        lines.append(f"| {name} | {len(y)} | {' | '.join(f'{v:.2f}' for v in figures)} |")
    return "\n".join([*lines, "", f"all clips: {np.round(fitted(list(clips)), 2).tolist()}"])


def auroc(score: np.ndarray, right: np.ndarray) -> float:
    """Chance that a right point has the higher score."""
    from scipy.stats import rankdata

    good = int(right.sum())
    ranks = rankdata(score)[right].sum()
    return float((ranks - good * (good + 1) / 2) / max(good * (len(right) - good), 1))
