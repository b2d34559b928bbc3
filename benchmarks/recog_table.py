"""The table of `recog.py` in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from clips_and_tables import head, line


def print_table(folder: Path, rows: Iterable[str], pairs: Sequence[str]) -> None:
    """Markdown, one row a module, in the order of `rows`."""
    columns = {
        "row": ("module", "{}"),
        "motion_top1": ("motion task, top-1", "{:.1%}"),
        "order": ("order", "{:.1%}"),
        "ceiling": ("order, possible", "{:.1%}"),
        **{pair: (pair, "{:.0%}") for pair in pairs},
        "ucf_top1": ("ucf101-mini, top-1", "{:.1%}"),
        "mparams": ("params, M", "{:.3f}"),
        "gmacs": ("GMACs", "{:.3f}"),
        "clips_per_second": ("clips/s", "{:.1f}"),
        "time_ratio": ("time / bare", "{:.2f}"),
        "gmac_ratio": ("GMACs / bare", "{:.2f}"),
        "other_ratio": ("other / bare", "{:.2f}"),
    }
    print("\n" + head(*(title for title, _ in columns.values())))
    for name in rows:
        if (folder / f"{name}.json").is_file():
            row = json.loads((folder / f"{name}.json").read_text())
            cells = [form.format(row[key]) if key in row else "" for key, (_, form) in columns.items()]
            print(line(*cells), flush=True)
