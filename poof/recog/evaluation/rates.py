"""Robustness to speed: a network trained at one sub-sampling rate and tested at others.

Document: Zeng (2020), Section 4.2.2, Tables 4.1 and 4.2. At rate n a clip is made of every n-th frame, so it spans n
times as many of them and what it shows is n times as fast.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from poof.errors import PoofError, PoofWarning
from poof.progress import Track, silent
from poof.recog.core.model import Recognizer
from poof.recog.data.dataset import View
from poof.recog.data.frames import FrameCounts
from poof.recog.data.lists.base import ClipList
from poof.recog.data.sampling import span
from poof.recog.evaluation.evaluate import Average, Evaluation, evaluate
from poof.recog.evaluation.judging import trained_view

METRICS = ("video_top1", "clip_top1")


@dataclass(frozen=True)
class Cell:
    """One cell of the grid: accuracies, and how far they lie from those at the rate of training (None: not tested).

    `train` is None where the run does not tell its rate.
    """

    run: str
    train: int | None
    test: int
    video_top1: float
    clip_top1: float
    video_change: float | None = None
    clip_change: float | None = None


def parse_rates(text: str) -> tuple[int, ...]:
    """'1,2,4' as numbers."""
    try:
        rates = tuple(int(part) for part in text.split(","))
    except ValueError:
        rates = ()
    if not rates or min(rates) < 1 or len(set(rates)) < len(rates):
        raise PoofError(f"rates {text}: give different whole numbers from 1 with commas between them, as in 1,2,4")
    return rates


def at_rate(view: View, rate: int) -> View:
    """The same view of every `rate`-th frame."""
    return replace(view, rule="dense", window=view.segments * view.per_segment * rate)


def training_rate(model: Recognizer) -> int | None:
    """Every how manieth frame a network was trained on; None where its clips spread over whole videos."""
    view = trained_view(model)
    if view.rule == "uniform":
        return None
    frames = view.segments * view.per_segment
    return max(span(view.segments, view.per_segment, view.window) // frames, 1)


def judge_rates(
    model: Recognizer,
    clips: ClipList,
    view: View,
    rates: Sequence[int],
    counts: FrameCounts | None = None,
    workers: int = 0,
    batch: int = 8,
    track: Track = silent,
    max_broken: float = 1.0,
    average: Average = "probabilities",
) -> dict[int, Evaluation]:
    """Evaluate at each rate; warns where videos are shorter than a clip, which then begins them anew."""
    counts = counts or FrameCounts()
    judged = {}
    for rate in rates:
        slow = at_rate(view, rate)
        judged[rate] = evaluate(model, clips, slow, counts, workers, batch, track, max_broken, average=average)
        read = [record for record in clips.records if str(record.path) not in judged[rate].broken]
        wanted = span(slow.segments, slow.per_segment, slow.window)
        short = sum(counts.of(record) < wanted for record in read)
        if short:
            warnings.warn(
                f"{clips.name}: {short} of {len(read)} videos have fewer than the {wanted} frames that a clip "
                f"spans at rate {rate}; their clips begin anew at the end",
                PoofWarning,
                stacklevel=2,
            )
    return judged


def row_of_grid(run: str, train: int | None, judged: Mapping[int, Mapping[str, float]]) -> list[Cell]:
    """The cells of one trained network.

    Parameters
    ----------
    judged
        `video_top1` and `clip_top1` by testing rate.
    """
    matched = judged.get(train) if train is not None else None
    cells = []
    for rate, figures in judged.items():
        video, clip = (figures[metric] for metric in METRICS)
        change = (None, None) if matched is None else (video - matched["video_top1"], clip - matched["clip_top1"])
        cells.append(Cell(run, train, rate, video, clip, *change))
    return cells


def mean_change(cells: Sequence[Cell]) -> dict[str, float]:
    """Mean size of the changes over the cells whose rates differ, `video` and `clip`; empty where there is none."""
    off = [cell for cell in cells if cell.train != cell.test and cell.video_change is not None]
    if not off:
        return {}
    return {
        "video": sum(abs(cell.video_change or 0.0) for cell in off) / len(off),
        "clip": sum(abs(cell.clip_change or 0.0) for cell in off) / len(off),
    }


def as_table(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Rows to print, as Tables 4.1 and 4.2 side by side."""
    return [
        {
            "run": cell.run,
            "train rate": cell.train,
            "test rate": cell.test,
            "video top-1": cell.video_top1,
            "change": cell.video_change,
            "clip top-1": cell.clip_top1,
            "change of clips": cell.clip_change,
        }
        for cell in cells
    ]
