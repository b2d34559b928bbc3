"""Prediction on videos without labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from poof.progress import Track, silent
from poof.recog.core.model import Recognizer
from poof.recog.data.dataset import View
from poof.recog.data.frames import FrameCounts
from poof.recog.data.lists.base import ClipList, Record
from poof.recog.evaluation.evaluate import Average, class_names, evaluate


def predict(
    model: Recognizer,
    paths: Sequence[Path],
    view: View,
    best: int = 5,
    workers: int = 0,
    track: Track = silent,
    average: Average = "probabilities",
) -> tuple[pd.DataFrame, dict[str, str]]:
    """The `best` classes of each video (file or folder of images).

    Returns
    -------
    table
        path, rank (from 1), class, score (mean probability over the views).
    broken
        Files that could not be read, with the reason.
    """
    names = class_names(model)
    clips = ClipList(tuple(Record(Path(path), 0, line=str(path)) for path in paths), names, "videos")
    judged = evaluate(model, clips, view, FrameCounts(), workers, track=track, average=average)
    rows = []
    for path, scores in zip(judged.paths, judged.video_scores):
        for rank, label in enumerate(np.argsort(-scores, kind="stable")[:best], 1):
            rows.append((path, rank, names[label], float(scores[label])))
    return pd.DataFrame(rows, columns=["path", "rank", "class", "score"]), judged.broken
