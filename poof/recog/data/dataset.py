"""Clips for training and testing, the same for any number of workers: what is random depends on epoch and record."""

from __future__ import annotations

import multiprocessing
import multiprocessing.context
import signal
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from poof.errors import PoofError, PoofWarning, names_near
from poof.recog.data.augment import PIPELINES
from poof.recog.data.flips import mirror_labels
from poof.recog.data.frames import FrameCounts, read_frames
from poof.recog.data.lists.base import ClipList
from poof.recog.data.sampling import RULES, Rule, fixed_frames, train_frames
from poof.recog.data.transform import SCALES, Crops, fixed_crops, mirror, to_tensor


@dataclass(frozen=True)
class View:
    """How clips are cut from videos.

    Attributes
    ----------
    segments, per_segment
        Frames of a clip: per_segment neighbours from each of the segments.
    size
        Side of the square input in pixels.
    rule
        'uniform', 'dense' or 'normal'; see `poof.recog.data.sampling`.
    window
        Frames that a dense clip spans; None: 64, or all in a row where segments hold several.
    flip
        'none', 'swap' (mirror half of the clips and their labels where names tell left from right) or 'plain'
        (mirror and keep the label).
    scales
        Sides of training crops in parts of the shorter side; (1.0,) for clips that no crop may cut.
    clips, crops
        Of a test, per video.
    short
        Shorter side in a test before cropping; None: size * 256 / 224.
    augment
        How a training clip is cut and changed; see `poof.recog.data.augment`.
    """

    segments: int = 8
    per_segment: int = 1
    size: int = 224
    rule: Rule = "uniform"
    window: int | None = None
    flip: str = "swap"
    scales: tuple[float, ...] = SCALES
    clips: int = 1
    crops: Crops = "center"
    short: int | None = None
    augment: str = "scales"


@dataclass
class Sample:
    """One record read: its views (V, T, 3, H, W) uint8, label and number; or what is wrong with it."""

    index: int
    label: int
    views: Tensor | None
    read_s: float = 0.0
    transform_s: float = 0.0
    error: str = ""


@dataclass
class Batch:
    """Samples side by side.

    Attributes
    ----------
    clips
        (N * V, T, 3, H, W) uint8, the V views of a record together.
    labels, indices
        (N,) class and number in the list.
    read_s, transform_s
        Seconds the workers spent on it.
    broken
        (index, error) of what could not be read.
    """

    clips: Tensor
    labels: Tensor
    indices: Tensor
    read_s: float
    transform_s: float
    broken: list[tuple[int, str]] = field(default_factory=list)


class ClipDataset(Dataset[Sample]):
    """The records of a list as clips.

    Parameters
    ----------
    clips
        The list.
    view
        How clips are cut.
    counts
        Frames of the videos.
    training
        Random frames, crops and mirroring; otherwise the fixed views of a test.
    seed
        With the epoch and the record it decides everything random.
    """

    def __init__(self, clips: ClipList, view: View, counts: FrameCounts, training: bool, seed: int = 0) -> None:
        self.clips, self.view, self.counts, self.training, self.seed = clips, view, counts, training, seed
        if view.flip not in ("none", "swap", "plain"):
            raise PoofError(f"flip={view.flip}: choose one of none, swap, plain")
        if view.rule not in RULES:
            raise PoofError(f"sampling={view.rule}: choose one of {names_near(view.rule, RULES)}")
        if view.augment not in PIPELINES:
            raise PoofError(f"augment={view.augment}: choose one of {names_near(view.augment, PIPELINES)}")
        same = np.arange(len(clips.labels))
        self.mirrored = mirror_labels(clips.labels) if view.flip == "swap" else same
        if training and view.flip == "swap" and not clips.named:
            # A clip of 'left' in the mirror would be one of 'right' that is still called 'left'.
            self.mirrored = np.full(len(clips.labels), -1)
            warnings.warn(
                f"{clips.name}: the classes have numbers only, so no clip is mirrored: which of them tell left from "
                "right cannot be known; name them with --labels, or mirror all with --flip plain",
                PoofWarning,
                stacklevel=3,
            )

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, key: int | tuple[int, int]) -> Sample:
        """A record by number, or by (number, epoch) where the epoch changes what is random."""
        index, epoch = key if isinstance(key, tuple) else (key, 0)
        record = self.clips.records[index]
        try:
            return self._read(index, record.label, epoch)
        except PoofError as error:
            return Sample(index, record.label, None, error=str(error))

    def _read(self, index: int, label: int, epoch: int) -> Sample:
        record, view = self.clips.records[index], self.view
        rng = np.random.default_rng([self.seed, epoch, index])
        start = time.perf_counter()
        count = self.counts.of(record)
        if self.training:
            rows = train_frames(view.rule, count, view.segments, rng, view.per_segment, view.window)[None]
        else:
            rows = fixed_frames(view.rule, count, view.segments, view.clips, view.per_segment, view.window)
        wanted, places = np.unique(rows, return_inverse=True)
        frames = read_frames(record, wanted)
        clips = [frames[row] for row in places.reshape(rows.shape)]
        middle = time.perf_counter()
        if self.training:
            cut = PIPELINES[view.augment](clips[0], view.size, rng, view.scales)
            if view.flip != "none" and self.mirrored[label] >= 0 and rng.random() < 0.5:
                cut, label = mirror(cut), int(self.mirrored[label])
            views = [cut]
        else:
            views = [crop for clip in clips for crop in fixed_crops(clip, view.size, view.crops, view.short)]
        tensor = torch.stack([to_tensor(v) for v in views])
        return Sample(index, label, tensor, middle - start, time.perf_counter() - middle)


class EpochSampler(Sampler[list[tuple[int, int]]]):
    """Batches of (record, epoch) in an order that depends on seed and epoch alone; may begin in the middle.

    The last, smaller batch is kept; a last batch of one joins the one before, since batch norm cannot use it.
    """

    def __init__(self, length: int, batch: int, seed: int) -> None:
        self.length, self.batch, self.seed = length, batch, seed
        self.epoch = self.skip = 0

    @property
    def cuts(self) -> list[int]:
        """Where one batch ends and the next begins."""
        cuts = list(range(self.batch, self.length, self.batch))
        if cuts and self.length - cuts[-1] == 1 and self.batch > 1:
            cuts.pop()
        return cuts

    def set_epoch(self, epoch: int, skip: int = 0) -> None:
        """The epoch of the next pass, and how many of its batches are done already."""
        self.epoch, self.skip = epoch, skip

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.length)
        for part in np.split(order, self.cuts)[self.skip :]:
            yield [(int(i), self.epoch) for i in part]

    def __len__(self) -> int:
        return max(len(self.cuts) + 1 - self.skip, 0)


def collate(samples: Sequence[Sample]) -> Batch:
    """Put samples side by side; what could not be read is left out and named."""
    good = [sample for sample in samples if sample.views is not None]
    broken = [(sample.index, sample.error) for sample in samples if sample.views is None]
    views = [sample.views for sample in good if sample.views is not None]
    return Batch(
        torch.cat(views) if views else torch.empty(0),
        torch.tensor([sample.label for sample in good]),
        torch.tensor([sample.index for sample in good]),
        sum(sample.read_s for sample in good),
        sum(sample.transform_s for sample in good),
        broken,
    )


def loader(dataset: ClipDataset, batches: Sampler[list[tuple[int, int]]] | int, workers: int) -> DataLoader[Batch]:
    """A loader over the sampler's batches, or in order in batches of a number of records.

    Its workers stay for all passes. They are no forks of this process: decoders and OpenCV have threads by then, and
    a fork of a process with threads may stand still for ever.
    """
    common: dict[str, Any] = {
        "num_workers": workers,
        "collate_fn": collate,
        "pin_memory": torch.cuda.is_available(),
        # A loader without one draws from the generator that dropout uses: training would depend on the workers.
        "generator": torch.Generator(),
    }
    if workers:
        common |= {
            "worker_init_fn": _start_worker,
            "persistent_workers": True,
            "multiprocessing_context": _context(),
        }
    if isinstance(batches, int):
        return DataLoader(dataset, batch_size=batches, **common)  # type: ignore[arg-type]
    return DataLoader(dataset, batch_sampler=batches, **common)  # type: ignore[arg-type]


def _context() -> multiprocessing.context.BaseContext:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["poof.recog.data.dataset"])
    return context


def _start_worker(number: int) -> None:
    del number
    torch.set_num_threads(1)  # workers are the parallelism; threads inside them only fight each other
    cv2.setNumThreads(1)
    # Ctrl-C reaches the whole group; the training ends its step and saves, which needs its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
