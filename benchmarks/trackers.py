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
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from clips_and_tables import head, line
from trackers_cases import Case, cases, figures

from poof.propagation.trackers import evidence as model

CONSTANTS = ("REST", "CLOSED", "OPEN", "MISS", "UNSURE")
STEPS = (0.5, 0.7, 1.0, 1.4, 2.0)
"""Factors that a constant is tried with in a round of the fit."""


def table(found: Sequence[Case], seeds: int) -> dict[str, dict[str, dict[str, float]]]:
    """Clip -> row -> figures, the stand-in's averaged over seeds."""
    result: dict[str, dict[str, dict[str, float]]] = {}
    for case in found:
        rows: dict[str, list[dict[str, float]]] = {"tracker alone": [], "flow and tracker": []}
        wins = []
        for seed in range(seeds):
            said = case.evidence(case.tracks(seed))
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
    print(head("clip", "flow alone", "tracker alone", "both", "seeds in which both beat the tracker"))
    for clip, rows in result.items():
        cells = [f"{r['mean']:.2f} px / {r['delta_avg']:.1f} %" for r in rows.values()]
        print(line(clip, *cells, f"{100 * rows['flow and tracker']['better than the tracker']:.0f} %"))
    names = ("flow alone", "tracker alone", "flow and tracker")
    cells = [
        " / ".join(f"{np.mean([rows[n][key] for rows in result.values()]):.2f}" for key in ("mean", "delta_avg"))
        for n in names
    ]
    print(line("**mean**", *cells, ""))


def loss(case: Case, seeds: int) -> float:
    """Mean error of the blend in longer sides, each point counting up to 0.2: one that is lost must not decide."""
    total = []
    for seed in range(seeds):
        errors = case.errors([*case.chains, *case.evidence(case.tracks(seed))])
        total.append(np.minimum(np.hypot(*errors.T) / case.side, 0.2).mean())
    return float(np.mean(total))


def fit(found: Sequence[Case], seeds: int, rounds: int = 2) -> dict[str, float]:
    """The constants that make the blend best over the clips, one after the other, a few rounds."""
    weight = {case.name: 1 / max(loss(case, seeds), 1e-6) for case in found}
    best = sum(weight[c.name] * loss(c, seeds) for c in found)
    for _ in range(rounds):
        for name in CONSTANTS:
            now = getattr(model, name)
            values = {}
            for factor in STEPS:
                setattr(model, name, now * factor)
                values[now * factor] = sum(weight[c.name] * loss(c, seeds) for c in found)
            chosen = min(values, key=values.__getitem__)
            chosen = chosen if values[chosen] < best * 0.999 else now
            best = min(best, values[chosen])
            setattr(model, name, chosen)
    return {name: float(getattr(model, name)) for name in CONSTANTS}


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
        begin = {name: getattr(model, name) for name in CONSTANTS}
        result: dict[str, dict[str, dict[str, float]]] = {}
        for case in found:
            for name, value in begin.items():
                setattr(model, name, value)
            print(case.name, "unseen:", fit([c for c in found if c is not case], 2), flush=True)
            result |= table([case], arguments.seeds)
        show(result)
        for name, value in begin.items():
            setattr(model, name, value)
        print("all clips:", fit(found, 2))
    else:
        result = table(found, arguments.seeds)
        show(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
