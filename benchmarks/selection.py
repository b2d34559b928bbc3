#!/usr/bin/env python3
"""What a way of choosing frames is worth: error of the propagation over the number of labels, on the shared clips.

    python benchmarks/selection.py                              all clips; some minutes on two cores
    python benchmarks/selection.py --clips dog,camel --detail   also the tables by number of labels

Every labelled frame is carried through the whole clip once (DIS, crop that follows the subject); what any choice of
labels would give is then a matter of merging, with the functions that `propagate` uses: the default blend (errors are
within 4 % of those of `propagate` itself, whose regions hold fewer lost points). All labels
that were not chosen are scored, whatever their distance, with the metrics of the neutral scorer of ../shared/bench; a
point that nothing reached counts as a static copy. On badja and reaching, where only some frames are labelled, frames
are chosen among these.

First table: before there are labels. Second table: starting from evenly spaced labels, up to three more are added one
by one, from several starts. 'even' and 'next' are what `poof select` does without and with labels.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from clips_and_tables import head, line, load_scorer
from selection_ways import FIRST, NEXT, Bench, uniform

COUNTS = {
    "jhmdb": (2, 3, 4, 5),
    "dog": (2, 3, 4, 5),
    "camel": (2, 3, 4, 5, 6),
    "bear": (2, 3, 4, 5, 6),
    "reaching": (3, 5, 7, 9, 12),
    "cam01": (2, 3, 4, 6, 8),
    "cam02": (2, 3, 4, 6, 8),
}
STARTS = {"reaching": (3, 5, 7)}
SHIFTS = (-0.25, -0.1, 0.1, 0.25)
ADDED = 3

Scores = dict[str, dict[int, tuple[float, float]]]


def first_scores(bench: Bench, counts: Sequence[int]) -> Scores:
    """Strategy -> number of labels -> (mean error, delta_avg), both the mean over the strategy's variants."""
    scores: Scores = {}
    for name, variants in FIRST.items():
        scores[name] = {}
        for count in counts:
            each = [bench.of(choose(bench, count))[1:] for choose in variants]
            scores[name][count] = tuple(np.mean(each, axis=0))  # type: ignore[assignment]
    return scores


def next_scores(bench: Bench, starts: Sequence[int]) -> Scores:
    """The same for labels added one by one; the mean over the starts."""
    scores: dict[str, dict[int, list[tuple[float, float]]]] = {name: defaultdict(list) for name in NEXT}
    for count in starts:
        for shift in SHIFTS:
            for name, choose in NEXT.items():
                chosen = uniform(bench, count, shift)
                for added in range(1, ADDED + 1):
                    chosen = sorted([*chosen, choose(bench, chosen)])
                    scores[name][added].append(bench.of(chosen)[1:])
    return {name: {n: tuple(np.mean(each, axis=0)) for n, each in row.items()} for name, row in scores.items()}  # type: ignore[misc]


def detail(clip: str, scores: Scores, what: str) -> str:
    """A clip's table: strategies by number of labels."""
    counts = list(next(iter(scores.values())))
    lines = [f"{clip}: mean error px / delta_avg %", "", head(what, *counts)]
    for name, row in scores.items():
        lines.append(line(name, *(f"{row[n][0]:.1f} / {row[n][1]:.1f}" for n in counts)))
    return "\n".join([*lines, ""])


def overall(every: dict[str, Scores], baseline: str) -> str:
    """All clips: error relative to the baseline (geometric mean over the numbers of labels), delta_avg above it."""
    clips = list(every)
    lines = [head("strategy", *clips, "all")]
    for name in next(iter(every.values())):
        cells, means = [], []
        for clip in clips:
            row, base = every[clip][name], every[clip][baseline]
            ratio = float(np.exp(np.mean([np.log(row[n][0] / base[n][0]) for n in base])))
            above = float(np.mean([row[n][1] - base[n][1] for n in base]))
            means.append((ratio, above))
            cells.append(f"{ratio:.2f} / {above:+.1f}")
        ratio, above = float(np.exp(np.mean([np.log(m[0]) for m in means]))), float(np.mean([m[1] for m in means]))
        lines.append(line(name, *cells, f"{ratio:.3f} / {above:+.2f}"))
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", default=",".join(COUNTS), help="comma-separated; default: all")
    parser.add_argument("--detail", action="store_true", help="also a table for each clip, by number of labels")
    parser.add_argument("--json", type=Path, help="also write every number")
    arguments = parser.parse_args()
    scorer = load_scorer()
    registered = scorer.registered()
    first: dict[str, Scores] = {}
    later: dict[str, Scores] = {}
    for name in arguments.clips.split(","):
        bench = Bench(scorer, registered[name])
        first[name] = first_scores(bench, COUNTS[name])
        later[name] = next_scores(bench, STARTS.get(name, (2, 3, 4)))
        print(f"{name}: {len(bench.pool)} labelled frames, cuts {bench.chains.cuts}", file=sys.stderr, flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps({"first": first, "next": later}, indent=1))
    if arguments.detail:
        for name in first:
            print(detail(name, first[name], "labels"))
            print(detail(name, later[name], "labels added"))
    print("Before there are labels: error over that of uniform spacing / delta_avg above it\n")
    print(overall(first, "uniform"))
    print("\nOnce there are labels: error over that of halving the longest gap / delta_avg above it\n")
    print(overall(later, "halve the longest gap"))


if __name__ == "__main__":
    main()
