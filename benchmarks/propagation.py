#!/usr/bin/env python3
"""Propagation on every labelled clip of ../shared/data, by the protocol and the neutral scorer of ../shared/bench.

    python benchmarks/propagation.py --quick                 without RAFT: about three minutes on two cores
    python benchmarks/propagation.py --json table.json       all methods; flows are kept in --cache between runs

Anchors every 2R+1 frames (R = 10), everything else hidden; a point without a prediction counts as a static copy. jhmdb
is shown but not part of the mean: its labels are wrong around frames 12-30 (see the protocol).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from clips_and_tables import MEAN_OF, anchor_labels, estimator_of, head, line, load_scorer, radius_of

from poof.flow.base import FlowEstimator
from poof.flow.cache import CachedFlow
from poof.flow.dis import DisFlow
from poof.flow.start import StartedDisFlow
from poof.labels import LabelSet
from poof.propagation import Settings, propagate
from poof.propagation.baselines import linear_interpolation, static_copy
from poof.video import open_video

METRICS = (
    ("mean", "Mean error, px", 1, 2),
    ("delta_avg", "delta_avg, %", 100, 1),
    ("median", "Median error, px", 1, 2),
)

CONFIDENCE = ("method", "AUROC error", "AUROC occluded (badja)", "surest 80 %: mean error / all")


@dataclass(frozen=True)
class Method:
    """A row of the table."""

    name: str
    flow: str  # estimators joined by +, or '' for the baselines
    options: dict[str, Any]
    baseline: Callable[[LabelSet, int, int], LabelSet] | None = None


BESIDE = "dis+dis-coarse+dis-coarse/2"  # what --flow dis is in a blend; /2: two frames at a time
METHODS = (
    Method("static copy", "", {}, static_copy),
    Method("linear between anchors", "", {}, linear_interpolation),
    Method("DIS chain", "dis", {"method": "chain"}),
    Method("DIS chain, whole frame", "dis", {"method": "chain", "crop": False}),
    Method("DIS blend, one scale", "dis", {"method": "blend"}),
    Method("DIS blend, two scales", "dis+dis-coarse", {"method": "blend"}),
    Method("**DIS blend** (--flow dis)", BESIDE, {"method": "blend"}),
    Method("RAFT-small, thesis (K - flow backwards)", "raft-small", {"method": "thesis"}),
    Method("RAFT-small, true backward flow", "raft-small", {"method": "chain"}),
    Method("RAFT-small blend", "raft-small", {"method": "blend"}),
    Method("RAFT-small as start of DIS, blend", "raft-small>dis", {"method": "blend"}),
    Method(
        "RAFT-small and DIS in one blend (--flow raft-small+dis)", f"raft-small+{BESIDE}+dis/2", {"method": "blend"}
    ),
)


def score(
    scorer: ModuleType, clip: Any, method: Method, flows: dict[str, FlowEstimator], radius: int | None = None
) -> dict[str, Any]:
    """One cell of the table: a method on a clip."""
    split = scorer.split(clip)
    labels, video = anchor_labels(scorer, split), open_video(clip.video)
    reach = radius or radius_of(scorer, clip)
    begin = time.perf_counter()
    if method.baseline is not None:
        result = method.baseline(labels, reach, clip.frames)
    else:
        estimators = [flows[name] for name in method.flow.split("+")]
        result = propagate(video, labels, estimators, Settings(radius=reach, **method.options))
    table = result.to_table()
    return scorer.score(split, table[table.source == "propagated"]) | {"seconds": time.perf_counter() - begin}


def markdown(results: dict[str, dict[str, dict[str, Any]]], clips: Sequence[str]) -> str:
    """One table a metric, methods by clips."""
    lines: list[str] = []
    for key, title, factor, digits in METRICS:
        lines += ["", title, "", head("method", *clips, "mean")]
        for name, row in results.items():
            cells = [f"{factor * row[c][key]:.{digits}f}" if c in row else "-" for c in clips]
            counted = [factor * row[c][key] for c in clips if c in row and c in MEAN_OF]
            mean = f"{np.mean(counted):.2f}" if len(counted) == len(MEAN_OF) else "-"
            lines.append(line(name, *cells, mean))
    lines += ["", "Confidence", "", head(*CONFIDENCE)]
    for name, row in results.items():
        ranked = [row[c]["auroc_error"] for c in clips if np.isfinite(row.get(c, {}).get("auroc_error", np.nan))]
        hidden = [row[c]["auroc_occluded"] for c in clips if np.isfinite(row.get(c, {}).get("auroc_occluded", np.nan))]
        kept = [row[c]["kept80"]["mean"] / row[c]["mean"] for c in clips if c in MEAN_OF and "kept80" in row.get(c, {})]
        if kept:
            shown = [f"{np.mean(v):.2f}" if v else "-" for v in (ranked, hidden, kept)]
            lines.append(line(name, *shown))
    return "\n".join(lines[1:])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="leave the RAFT rows out")
    parser.add_argument("--clips", default="", help="comma-separated; default: all")
    parser.add_argument("--methods", default="", help="only rows whose name contains this")
    parser.add_argument("--cache", type=Path, default=Path("runs/flow-cache"), help="where flows are kept between runs")
    parser.add_argument("--json", type=Path, help="also write every number")
    arguments = parser.parse_args()
    scorer = load_scorer()
    registered = scorer.registered()
    clips = arguments.clips.split(",") if arguments.clips else list(registered)
    wanted = [m for m in METHODS if not (arguments.quick and "raft" in m.flow) and arguments.methods in m.name]
    names = sorted({part for m in wanted for part in m.flow.split("+") if part})
    flows: dict[str, FlowEstimator] = {}
    for name in names:
        start, _, refined = name.partition(">")
        estimator = estimator_of(start)
        if "raft" in start:
            estimator = CachedFlow(estimator, arguments.cache, 40 * 2**30)
        flows[name] = StartedDisFlow(estimator, DisFlow()) if refined else estimator
    results: dict[str, dict[str, dict[str, Any]]] = {m.name: {} for m in wanted}
    for clip in clips:
        for method in wanted:
            results[method.name][clip] = row = score(scorer, registered[clip], method, flows)
            print(
                f"{clip:9s} {method.name:42s} mean {row['mean']:6.2f}  delta_avg {100 * row['delta_avg']:5.1f}"
                f"  coverage {row['coverage']:.3f}  {row['seconds']:6.1f} s",
                file=sys.stderr,
            )
            if arguments.json:
                arguments.json.write_text(json.dumps(scorer.jsonable(results), indent=1))
    print(markdown(results, clips))


if __name__ == "__main__":
    main()
