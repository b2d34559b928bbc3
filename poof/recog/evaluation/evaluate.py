"""Evaluation on labelled clips: by clip, by video, by class, and against another network."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from poof.errors import PoofError, PoofWarning, names_near
from poof.files import write_text
from poof.progress import Track, silent
from poof.recog.core.model import Recognizer
from poof.recog.core.tensor_files import NotFinite
from poof.recog.data.dataset import Batch, ClipDataset, View, loader
from poof.recog.data.frames import FrameCounts
from poof.recog.data.lists.base import ClipList

Array = np.ndarray
Average = Literal["probabilities", "scores"]
AVERAGES: tuple[Average, ...] = ("probabilities", "scores")
SCORE = "p: "
"""In front of a class name, in the header of a file of answers: the column of its probabilities."""


@dataclass(frozen=True)
class Evaluation:
    """What a network said of every video.

    Attributes
    ----------
    scores
        (N, V, classes) probabilities of the V views (clips times crops) of each video.
    labels
        (N,) true classes.
    paths
        (N,) files.
    names
        Class names.
    average
        'probabilities' over the views, or 'scores' (before softmax), as the tests of TSM and TEA do.
    logits
        (N, V, classes) scores before softmax; only needed to average them.
    broken
        Videos that could not be read and rows that name none, with the reason; they are not part of the rest.
    reads
        Read-outs of the modules (share of open gates, attention entropy ...), means over all views, by module; only
        where they were asked for.
    """

    scores: Array
    labels: Array
    paths: list[str]
    names: list[str]
    broken: dict[str, str]
    average: Average = "probabilities"
    logits: Array | None = None
    reads: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def video_scores(self) -> Array:
        """(N, classes) probabilities of the views together: their mean, or those of the mean scores."""
        if self.average == "scores" and self.logits is not None:
            mean = self.logits.mean(1)
            powers = np.exp(mean - mean.max(1, keepdims=True))
            return powers / powers.sum(1, keepdims=True)
        return self.scores.mean(1)

    @property
    def video_top1(self) -> float:
        """Share of videos whose mean probabilities are highest for the true class."""
        return top(self.video_scores, self.labels, 1)

    @property
    def video_top5(self) -> float:
        """Share of videos with the true class among the five best."""
        return top(self.video_scores, self.labels, 5)

    @property
    def clip_top1(self) -> float:
        """Share of views that are right each on its own."""
        views = self.scores.shape[1]
        return top(self.scores.reshape(-1, self.scores.shape[2]), np.repeat(self.labels, views), 1)

    @property
    def clip_top5(self) -> float:
        """Share of views with the true class among the five best."""
        views = self.scores.shape[1]
        return top(self.scores.reshape(-1, self.scores.shape[2]), np.repeat(self.labels, views), 5)

    @property
    def loss(self) -> float:
        """Cross-entropy: minus the log of the true class's probability, mean over all views."""
        own = self.scores[np.arange(len(self.labels)), :, self.labels]
        return float(-np.log(np.maximum(own, 1e-12)).mean())

    def per_class(self) -> pd.DataFrame:
        """One row a class that occurs: class, videos, top1, and what it is mostly taken for instead."""
        predicted = self.video_scores.argmax(1)
        right = in_top(self.video_scores, self.labels, 1)
        rows = []
        for label in np.unique(self.labels):
            own = self.labels == label
            wrong = predicted[own][predicted[own] != label]
            other = self.names[np.bincount(wrong).argmax()] if len(wrong) else ""
            rows.append((self.names[label], int(own.sum()), float(right[own].mean()), other))
        return pd.DataFrame(rows, columns=["class", "videos", "top1", "mostly taken for"])

    def summary(self) -> dict[str, Any]:
        """The figures of the whole set."""
        return {
            "videos": len(self.labels),
            "views": self.scores.shape[1],
            "video_top1": self.video_top1,
            "video_top5": self.video_top5,
            "clip_top1": self.clip_top1,
            "clip_top5": self.clip_top5,
            "mean_class_top1": float(self.per_class()["top1"].mean()),
            "broken": len(self.broken),
        }

    def answers(self) -> pd.DataFrame:
        """One row a video: path, label, prediction, score, correct, in_top5, and the probability of every class.

        What `compare` and `fuse` read.
        """
        scores = self.video_scores
        predicted = scores.argmax(1)
        table = pd.DataFrame(
            {
                "path": self.paths,
                "label": [self.names[i] for i in self.labels],
                "prediction": [self.names[i] for i in predicted],
                "score": scores.max(1).round(6),
                "correct": predicted == self.labels,
                "in_top5": in_top(scores, self.labels, 5) == 1,
            }
        )
        classes = pd.DataFrame(scores.astype(np.float32), columns=[SCORE + name for name in self.names])
        return pd.concat([table, classes], axis=1)

    def write_answers(self, path: Path) -> None:
        """`answers` as CSV."""
        write_text(path, self.answers().to_csv(index=False))


def evaluate(
    model: Recognizer,
    clips: ClipList,
    view: View,
    counts: FrameCounts | None = None,
    workers: int = 0,
    batch: int = 8,
    track: Track = silent,
    max_broken: float = 1.0,
    batches: DataLoader[Batch] | None = None,
    average: Average = "probabilities",
    read_outs: bool = False,
) -> Evaluation:
    """Run a network over every view of every clip of a list; it is in evaluation mode for that, and then as before.

    Parameters
    ----------
    batches
        What `judging_loader` gave, for judging the same clips again and again.
    average
        What is averaged over the views of a video; see `Evaluation`.
    read_outs
        Whether the modules' read-outs are gathered, too.

    Raises
    ------
    PoofError
        If the network does not know a class, gives scores that are no numbers, or more than `max_broken` of the videos
        cannot be read.
    """
    if average not in AVERAGES:
        raise PoofError(f"average={average}: choose one of {names_near(average, AVERAGES)}")
    clips = clips.with_labels(class_names(model))
    batches = batches or judging_loader(clips, view, counts, workers, batch)
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    scores: list[Array] = []
    labels: list[int] = []
    indices: list[int] = []
    broken: dict[str, str] = {}
    reads = _Reads(model) if read_outs else None
    for text in clips.bad:
        broken[text.split(": ")[0]] = text
    total = len(clips) + len(clips.bad)
    try:
        for got in track(batches, "evaluating", len(batches)):
            for index, error in got.broken:
                broken[str(clips.records[index].path)] = error
                warnings.warn(f"left out: {error}", PoofWarning, stacklevel=2)
            if not len(got.labels):
                continue
            given = []
            with torch.inference_mode(), nullcontext() if reads is None else model.watching():
                for part in got.clips.split(max(batch, 1)):
                    given.append(model(model.normalise(part.to(device))).float())
                    if reads is not None:
                        reads.add(len(part))
            logits = torch.cat(given)
            if not torch.isfinite(logits).all():
                row = int((~torch.isfinite(logits).all(-1)).nonzero()[0]) * len(got.labels) // len(logits)
                raise NotFinite(
                    f"{clips.records[int(got.indices[row])].path}: the network's scores are not finite; its weights "
                    "are damaged or its training diverged (train with a lower --lr)"
                )
            scores.append(logits.unflatten(0, (len(got.labels), -1)).cpu().numpy())
            labels += got.labels.tolist()
            indices += got.indices.tolist()
    finally:
        model.train(training)
    if len(broken) > max_broken * total or not scores:
        first = next(iter(broken.values()))
        raise PoofError(f"{clips.name}: {len(broken)} of {total} videos cannot be read; first: {first}")
    paths = [str(clips.records[i].path) for i in indices]
    raw = np.concatenate(scores)
    probabilities = torch.from_numpy(raw).softmax(-1).numpy()
    means = {} if reads is None else reads.means()
    return Evaluation(probabilities, np.array(labels), paths, list(clips.labels), broken, average, raw, means)


class _Reads:
    """Means of the modules' read-outs over clips."""

    def __init__(self, model: Recognizer) -> None:
        self.model = model
        self.sums: dict[str, dict[str, tuple[float, int]]] = {}

    def add(self, clips: int) -> None:
        """Take what the last forward pass, of so many clips, left."""
        for name, read in self.model.diagnostics().items():
            own = self.sums.setdefault(name, {})
            for key, value in read.items():
                total, count = own.get(key, (0.0, 0))
                own[key] = total + value * clips, count + clips

    def means(self) -> dict[str, dict[str, float]]:
        """By module and name."""
        return {name: {key: t / n for key, (t, n) in own.items()} for name, own in self.sums.items()}


def merged(parts: Sequence[Evaluation]) -> Evaluation:
    """What several processes said of a video in turn each, as one."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    most = max(len(part.labels) for part in parts)
    order = [(i, n) for i in range(most) for n, part in enumerate(parts) if i < len(part.labels)]
    raw = None
    if all(part.logits is not None for part in parts):
        raw = np.stack([parts[n].logits[i] for i, n in order])  # type: ignore[index]
    return replace(
        first,
        scores=np.stack([parts[n].scores[i] for i, n in order]),
        labels=np.array([parts[n].labels[i] for i, n in order]),
        paths=[parts[n].paths[i] for i, n in order],
        broken={path: text for part in parts for path, text in part.broken.items()},
        logits=raw,
    )


def class_names(model: Recognizer) -> tuple[str, ...]:
    """The network's class names, or 'class 0' and so on where it never learnt them."""
    return tuple(model.labels or [f"class {i}" for i in range(model.config["num_classes"])])


def judging_loader(
    clips: ClipList, view: View, counts: FrameCounts | None, workers: int, batch: int
) -> DataLoader[Batch]:
    """Batches of about `batch` views, the views of a record together."""
    views = view.clips * {"center": 1, "three": 3, "five": 5, "ten": 10}[view.crops]
    dataset = ClipDataset(clips, view, counts or FrameCounts(), training=False)
    return loader(dataset, max(batch // views, 1), workers)


def top(scores: Array, labels: Array, k: int) -> float:
    """Share of rows of (N, classes) whose true class is among the `k` highest; see `in_top`."""
    return float(in_top(scores, labels, k).mean())


def in_top(scores: Array, labels: Array, k: int) -> Array:
    """(N,) in [0, 1]: whether the true class is among the `k` highest of its row of (N, classes).

    Where classes tie for the last of the k places, each has its share of them: a network that gives all classes the
    same score is right by chance, whatever the order of the classes.
    """
    own = scores[np.arange(len(labels)), labels][:, None]
    above, tied = (scores > own).sum(1), (scores == own).sum(1)
    return np.clip((k - above) / tied, 0, 1)
