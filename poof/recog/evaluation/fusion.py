"""Late fusion of networks that were trained apart: the mean of their class scores for every video.

So the documents' best rows are made: RNL_En and BQN_En (Huang 2022, Tables 4.6 and 5.6), RGB and flow, quiet and busy.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from poof.errors import PoofError
from poof.recog.data.lists.base import shown
from poof.recog.evaluation.compare import read_answers
from poof.recog.evaluation.evaluate import SCORE, Evaluation


def fuse(parts: Sequence[Evaluation], weights: Sequence[float] | None = None) -> Evaluation:
    """Weighted mean of the networks' probabilities (N, 1, classes), on the videos that all of them judged.

    Parameters
    ----------
    weights
        One a network, at least 0; alike by default.

    Raises
    ------
    PoofError
        If classes or labels differ, no video is shared, or the weights are none.
    """
    weights = [1.0] * len(parts) if weights is None else list(weights)
    if len(weights) != len(parts) or min(weights) < 0 or not np.isfinite(weights).all() or sum(weights) <= 0:
        raise PoofError(f"weights {', '.join(f'{w:g}' for w in weights)}: give {len(parts)}, none below 0, not all 0")
    first = parts[0]
    rows = [{path: row for row, path in enumerate(part.paths)} for part in parts]
    shared = [path for path in first.paths if all(path in known for known in rows)]
    if not shared:
        raise PoofError("the networks share no video; judge them on the same list")
    total = np.zeros((len(shared), len(first.names)))
    labels = first.labels[[rows[0][path] for path in shared]]
    for part, known, weight in zip(parts, rows, weights):
        if part.names != first.names:
            if sorted(part.names) != sorted(first.names):
                raise PoofError("the networks know different classes; fuse networks of one data set")
            order = [part.names.index(name) for name in first.names]
        else:
            order = list(range(len(first.names)))
        index = [known[path] for path in shared]
        wrong = np.flatnonzero(np.argsort(order)[part.labels[index]] != labels)
        if len(wrong):
            raise PoofError(f"the networks' lists disagree about the class of {shown(shared[wrong[0]])}")
        total += weight * part.video_scores[index][:, order]
    broken = {path: text for part in parts for path, text in part.broken.items()}
    return Evaluation((total / sum(weights))[:, None], labels, shared, list(first.names), broken)


def answers_of(path: Path) -> Evaluation:
    """A file of answers as what was judged.

    Raises
    ------
    PoofError
        If it holds no class scores (as files of older versions), or they are no probabilities.
    """
    table = read_answers(path)
    columns = [column for column in table.columns if str(column).startswith(SCORE)]
    if not columns:
        raise PoofError(f"{path}: holds no class scores; write it anew with `poof recog eval -o`")
    names = [column.removeprefix(SCORE) for column in columns]
    try:
        scores = table[columns].to_numpy(float)
        labels = np.array([names.index(label) for label in table["label"]])
    except ValueError as error:
        raise PoofError(f"{path}: its scores and labels do not fit ({shown(error)}); write it anew") from error
    if not len(scores) or not np.isfinite(scores).all() or (abs(scores.sum(1) - 1) > 1e-3).any() or scores.min() < 0:
        raise PoofError(f"{path}: its class scores are no probabilities; write it anew with `poof recog eval -o`")
    return Evaluation(scores[:, None], labels, table["path"].tolist(), names, {})
