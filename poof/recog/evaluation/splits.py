"""Networks trained on one split of a data set each, as its official figure wants them: the mean over the splits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from poof.errors import PoofError
from poof.recog.evaluation.evaluate import Evaluation


def parse_splits(text: str, runs: int) -> list[int]:
    """'1,2,3' as numbers, one for each run.

    Raises
    ------
    PoofError
        If they are no numbers from 1 up, or not as many as runs.
    """
    parts = text.split(",")
    if not all(part.strip().isdigit() and int(part) for part in parts):
        raise PoofError(f"--splits {text}: write numbers from 1 up with commas between them, as in 1,2,3")
    if len(parts) != runs:
        raise PoofError(f"--splits {text}: {len(parts)} splits for {runs} runs; give one run a split, in their order")
    return [int(part) for part in parts]


def mean_over_splits(results: Sequence[Evaluation]) -> dict[str, Any]:
    """Mean and standard deviation (of n - 1) over the splits of what each network got right on its own.

    Returns
    -------
    dict
        splits, video_top1, video_top1_sd, video_top5, video_top5_sd, mean_class_top1, mean_class_top1_sd.
    """
    row: dict[str, Any] = {"splits": len(results)}
    summaries = [result.summary() for result in results]
    for key in ("video_top1", "video_top5", "mean_class_top1"):
        values = np.array([summary[key] for summary in summaries])
        row |= {key: float(values.mean()), f"{key}_sd": float(values.std(ddof=1)) if len(values) > 1 else 0.0}
    return row
