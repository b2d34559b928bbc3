#!/usr/bin/env python3
"""The labelling page: how fast its server is, and how many clicks a person needs.

    python benchmarks/labelling.py --parts speed --work /tmp/label      renders its clips there once (three minutes)
    python benchmarks/labelling.py --parts clicks                       the labelled clips of ../shared
    python benchmarks/labelling.py --parts clicks --clips dog,camel --crop

`labelling_speed.py` and `labelling_person.py` say what is measured and how.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from labelling_person import GOALS, WAYS, count_clicks, footage
from labelling_speed import measure

CLIPS = "camel,dog,bear,reaching,cam01,cam02,dance"
GOAL_OF = {
    "random, on screen": 150,
    "step forward": 40,
    "step backward": 40,
    "neighbours": 1000,
    "whole window": 3000,
    "opening the page": 1000,
}
"""Milliseconds that are asked for."""


def speed(args: argparse.Namespace) -> dict[str, Any]:
    """Print and give the table of times."""
    found = measure(Path(args.work), args.quick)
    print(f"load of the machine when it began: {found['load']:.1f}\n")
    print("| | median ms | p95 ms | goal ms |\n|---|---|---|---|")
    for name in ("random, on screen", "random, exact", "step forward", "step backward"):
        goal = GOAL_OF.get(name, "-")
        print(f"| {name} | {found[name]['median']:.0f} | {found[name]['p95']:.0f} | {goal} |")
    for title in ("drag", "drag, wide"):
        for name, seconds in found[title].items():
            print(f"| {title}: {name} | {1000 * seconds:.0f} | | {GOAL_OF.get(name, '-')} |")
    print(f"| opening the page | {1000 * found['opening the page']:.0f} | | {GOAL_OF['opening the page']} |")
    print(f"| start of the command | {1000 * found['start']:.0f} | | - |")
    print(
        f"\nmemory: {found['memory, 300 frames']:.0f} MiB with 300 frames, {found['memory, 3000 frames']:.0f} with 3000"
    )
    return found


def clicks(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Print and give the table of clicks."""
    rows: list[dict[str, Any]] = []
    print("| clip | points a frame |" + "".join(f" {way} |" for way in WAYS) + "\n|---|---|" + "---|" * len(WAYS))
    for name in args.clips.split(","):
        clip = footage(name)
        row: dict[str, Any] = {"clip": name, "keypoints": len(clip.keypoints)}
        for way in WAYS:
            row[way] = [count.until(goal) for count in [count_clicks(clip, way, args.crop)] for goal in GOALS]
        rows.append(row)
        cells = (" / ".join("-" if r is None else str(r[0]) for r in row[way]) for way in WAYS)
        print(f"| {name} | {len(clip.keypoints)} |" + "".join(f" {cell} |" for cell in cells), flush=True)
    for index, goal in enumerate(GOALS):
        for way in WAYS[1:]:
            pairs = [(row[way][index], row[WAYS[0]][index]) for row in rows]
            ratios = [a[0] / b[0] for a, b in pairs if a and b]
            if ratios:
                mean = sum(ratios) / len(ratios)
                print(
                    f"{way}, until {goal:.0%}: {mean:.2f} of the clicks of straight lines (mean of {len(ratios)} clips)"
                )
    return rows


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="speed,clicks")
    parser.add_argument("--clips", default=CLIPS)
    parser.add_argument("--crop", action="store_true", help="flow around the subject, as poof does (slower here)")
    parser.add_argument("--quick", action="store_true", help="fewer jumps and steps")
    parser.add_argument("--work", default="/tmp/poof-label-benchmark")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    known = {"speed": speed, "clicks": clicks}
    unknown = [part for part in args.parts.split(",") if part not in known]
    if unknown:
        sys.exit(f"no part {unknown[0]}; there are {', '.join(known)}")
    found = {part: known[part](args) for part in args.parts.split(",")}
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
