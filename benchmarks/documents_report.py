"""What the runs of the documents' ablation tables came to: beside the printed figures, and by printed ordering."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from clips_and_tables import head, line
from documents_tables import Row, Spec, Table, run_name
from kept_runs import Record, runs
from scipy.stats import t as student

from poof import recog
from poof.errors import PoofError
from poof.meta_device import on_meta

HOLDS, FAILS, UNTOLD = "holds", "does not hold", "cannot be told"
LOSSES = ("enopr", "projection_loss")
Compared = list[tuple[Row, Row, str, str]]
"""Both rows, the verdict, and our difference in words."""


def values(table: Table, row: Row, args: argparse.Namespace) -> dict[int, Record]:
    """The runs of a row that are there, by seed."""
    if row.small is None:
        return {}
    known = runs(args.runs)
    names = ((seed, run_name(table.task, row.small, seed)) for seed in range(args.seeds))
    return {seed: known[name] for seed, name in names if name in known}


def figures(table: Table, row: Row, args: argparse.Namespace, metric: str = "") -> dict[int, float]:
    """What stands beside the printed figure, by seed; shares as percentages, the projection's loss in hundredths."""
    metric = metric or table.metric
    found = {}
    for seed, record in values(table, row, args).items():
        value = record.get(metric)
        if isinstance(value, dict):
            assert row.small is not None and row.small.rate is not None
            value = value[str(row.small.rate[1])]
        if value is not None:
            found[seed] = value if metric == "enopr" else 100 * value
    return found


def interval(samples: list[float]) -> tuple[float, float]:
    """Mean, and half of its 95 % interval by Student's t; infinite for one sample."""
    mean = float(np.mean(samples))
    if len(samples) < 2:
        return mean, math.inf
    spread = float(np.std(samples, ddof=1)) / math.sqrt(len(samples))
    return mean, float(student.ppf(0.975, len(samples) - 1)) * spread


def ordering(printed: tuple[float, float], first: Mapping[int, float], second: Mapping[int, float]) -> tuple[str, str]:
    """Whether two rows lie as printed: the verdict, and the difference (second minus first) with its interval.

    Parameters
    ----------
    printed
        Figures of the first and the second row, which differ.
    first, second
        Ours by seed; only seeds that both have count.
    """
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return UNTOLD, "not run"
    mean, half = interval([second[seed] - first[seed] for seed in seeds])
    said = f"{mean:+.2f}" + (f" ± {half:.2f}" if math.isfinite(half) else ", one seed")
    if not abs(mean) > half:
        return UNTOLD, said
    return (HOLDS if (mean > 0) == (printed[1] > printed[0]) else FAILS), said


def costs(spec: Spec, folder: Path) -> tuple[float, float]:
    """Millions of parameters and GMACs of the printed network, kept in costs.json."""
    file = folder / "costs.json"
    known = json.loads(file.read_text()) if file.is_file() else {}
    key = f"{spec} {spec.size}"
    if key not in known:
        with on_meta():
            cost = recog.profile(recog.build_model(spec.name, spec.modules, spec.frames, 174, size=spec.size))
        known[key] = [cost.parameters / 1e6, cost.gmacs]
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(known, indent=1))
    millions, gmacs = known[key]
    return millions, gmacs


def show(table: Table, args: argparse.Namespace) -> None:
    """The table beside the printed one, and what its orderings came to."""
    print(f"\n### {table.name}: {table.asks}\n\nPrinted: {table.printed}. Here: {table.metric}, {table.task}.\n")
    print(head("row", "printed", "here" if table.metric in LOSSES else "here, %", "order, %", "M params", "GMACs", ""))
    for row in table.rows:
        ours = []
        for metric in (table.metric, "order"):
            samples = list(figures(table, row, args, metric).values())
            mean, half = interval(samples) if samples else (0.0, 0.0)
            spread = f" ± {half:.1f}" if math.isfinite(half) else " (one seed)"
            ours.append(f"{mean:.2f}{spread}" if samples else "")
        try:
            cost = ["", ""] if row.full is None else [f"{value:.3f}" for value in costs(row.full, args.out)]
        except PoofError:
            cost = ["", ""]  # not built yet; the last column says so
        print(line(row.label, "" if row.printed is None else row.printed, *ours, *cost, row.lacking))
    print()
    compared = verdicts(table, args)
    for first, second, verdict, said in compared:
        assert first.printed is not None and second.printed is not None
        sign = "<" if first.printed < second.printed else ">"
        printed = f"{second.printed - first.printed:+.2f}"
        print(f"- {first.label} {sign} {second.label}: {verdict} ({printed}; {said})")
    print(f"\n{table.name}: {counted(compared)}", flush=True)


def verdicts(table: Table, args: argparse.Namespace) -> Compared:
    """The pairs of a table that are printed as different."""
    found = []
    for first, second in table.pairs():
        if first.printed is not None and second.printed is not None and first.printed != second.printed:
            ours = figures(table, first, args), figures(table, second, args)
            found.append((first, second, *ordering((first.printed, second.printed), *ours)))
    return found


def counted(compared: Compared) -> str:
    """How many orderings came to which verdict."""
    said = [verdict for _, _, verdict, _ in compared]
    return ", ".join(f"{said.count(verdict)} {verdict}" for verdict in (HOLDS, FAILS, UNTOLD) if verdict in said)


def summary(some: list[Table], args: argparse.Namespace) -> None:
    """The table of docs/documents.md: what the rows came to of each table that has a difference with an interval."""
    print(
        head("table", "runs", "our rows, as printed from top to bottom", "orderings that hold", "that do not", "rest")
    )
    for table in some:
        able = [row for row in table.rows if not row.lacking]
        there = {row.label: list(figures(table, row, args).values()) for row in able}
        compared = verdicts(table, args)
        if not any("±" in said for *_, said in compared):
            continue
        rows = []
        for label, (mean, half) in ((label, interval(samples)) for label, samples in there.items() if samples):
            rows.append(f"{label} {mean:.1f}" + (f" ± {half:.1f}" if math.isfinite(half) else ""))
        told: dict[str, list[str]] = {HOLDS: [], FAILS: [], UNTOLD: []}
        for first, second, verdict, _ in compared:
            assert first.printed is not None and second.printed is not None
            sign = "<" if first.printed < second.printed else ">"
            told[verdict].append(f"{first.label} {sign} {second.label}")
        count = f"{sum(map(len, there.values()))} of {args.seeds * len(able)}"
        print(line(table.name, count, *map("; ".join, (rows, told[HOLDS], told[FAILS])), len(told[UNTOLD])))


def overview(some: list[Table], args: argparse.Namespace) -> None:
    """A line a table: its rows, the runs that are there, what its orderings came to; and why other rows cannot run."""
    print(head("table", "asks", "where", "runs", "printed orderings"))
    reasons = []
    for table in some:
        able = [row for row in table.rows if not row.lacking]
        there = sum(len(values(table, row, args)) for row in able)
        came = counted(verdicts(table, args)) if there else "not run"
        print(line(table.name, table.asks, table.task, f"{there} of {args.seeds * len(able)}", came))
        reasons += [f"- {table.name}, {row.label}: {row.lacking}" for row in table.rows if row.lacking]
    print("\nNot run:\n" + "\n".join(reasons))
