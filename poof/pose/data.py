"""Training data: examples from videos and labels, their crops on disk, augmentation, sampling of batches.

Everything random about a batch follows from (seed, step, place in the batch) alone. So the order does not depend on
the number of workers, and a resumed run goes on with exactly the batches that the interrupted one would have had.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from poof.errors import PoofError
from poof.labels import Skeleton, aligned, check_fit
from poof.parallel import Share
from poof.pose.augmentation import Augmentation
from poof.pose.crops import MARGIN, Crop, subject_boxes
from poof.pose.losses import point_weights
from poof.pose.splitting import Pair
from poof.progress import Track, silent

Array = np.ndarray
_PREFIX = ".crops-"
CONTEXT = 1.5
"""The crops on disk are this much larger than the network's, so that rotation and scaling find pixels there."""


@dataclass(frozen=True, eq=False)
class Example:
    """One instance in one frame.

    Attributes
    ----------
    video, frame, instance
        Which one.
    crop
        Where it stands in the frame, at the network's input size.
    xy : (K, 2) float32
        Pixels of the frame, NaN where not labelled or absent.
    visible : (K,) int8
        `Visible`.
    weight : (K,) float32
        How much each point counts; 0 where not labelled.
    human : (K,) bool
        Of which points a person said where they are, or that they are absent.
    unit
        Pixels of the thesis' 256x192 crop per pixel of the frame: the unit in which errors are given.
    """

    video: str
    frame: int
    instance: int
    crop: Crop
    xy: Array
    visible: Array
    weight: Array
    human: Array
    unit: float


def examples_of(
    pairs: Sequence[Pair],
    skeleton: Skeleton,
    size: tuple[int, int],
    margin: float = MARGIN,
    confidence_power: float = 1.0,
) -> list[list[Example]]:
    """Per pair, the examples to train or judge a model of `skeleton`; `confidence_power` as in `point_weights`.

    Raises
    ------
    PoofError
        If labels are of another skeleton or do not fit their video, a box has no area, or no size can be found.
    """
    result = []
    for video, original in pairs:
        labels = aligned(original, skeleton, f"labels of {video.name}")
        check_fit(labels, video.size, None, video.name)
        boxes, examples = subject_boxes(labels, f"labels of {video.name}"), []
        for frame, instance, points in labels:
            weight = point_weights(points, confidence_power)
            if not (points.labelled & (weight > 0)).any():  # absent keypoints alone do not say where to look
                continue
            box, bare = boxes[frame, instance], points.extent()
            judged = box if points.box is not None or bare is None or bare[2:].max() <= 0 else bare
            examples.append(
                Example(
                    video=video.name,
                    frame=frame,
                    instance=instance,
                    crop=Crop.around(box, size, margin),
                    xy=points.xy,
                    visible=points.visible,
                    weight=weight,
                    human=points.by_person,
                    unit=Crop.around(np.maximum(judged, [-np.inf, -np.inf, 1e-3, 1e-3]), (256, 192)).scale,
                )
            )
        result.append(examples)
    return result


class CropStore:
    """Crops of all examples in one file on disk, cut in a single pass over each video.

    Memory stays flat however many there are (the system's page cache keeps what fits); the file lies in a folder of
    its own and goes with the object.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        examples: Sequence[Sequence[Example]],
        context: float = 1.0,
        folder: Path | None = None,
        track: Track = silent,
        what: str = "crops",
    ) -> None:
        self.examples = [example for of_video in examples for example in of_video]
        crops = [example.crop.wider(context) for example in self.examples]
        self.size = crops[0].size if crops else (0, 0)
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
        self._remove = weakref.finalize(self, _remove_in, os.getpid(), directory)
        self._path, self._shape = directory / "crops.u8", (len(crops), *self.size, 3)
        self._map: np.memmap | None = None
        if not crops:
            return
        try:
            images = np.memmap(self._path, np.uint8, "w+", shape=self._shape)
            if hasattr(os, "posix_fallocate"):  # a full disk shall say so here, not kill us at some page
                with self._path.open("r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, images.nbytes)
            self._fill(images, pairs, examples, crops, track, what)
            images.flush()
        except OSError as error:
            need = np.prod(self._shape) / 1e9
            raise PoofError(f"{self._path.parent}: no room for {need:.1f} GB of crops ({error}); free some") from error

    def _fill(
        self,
        images: Array,
        pairs: Sequence[Pair],
        examples: Sequence[Sequence[Example]],
        crops: Sequence[Crop],
        track: Track,
        what: str,
    ) -> None:
        start = 0
        for (video, _), of_video in zip(pairs, examples):
            wanted: dict[int, list[int]] = {}
            for index, example in enumerate(of_video, start):
                wanted.setdefault(example.frame, []).append(index)
            start += len(of_video)
            if not wanted:
                continue
            frames = video.frames(min(wanted), max(wanted) + 1)
            for number, image in track(frames, f"{what}: {Path(video.name).name}", max(wanted) + 1 - min(wanted)):
                for index in wanted.pop(number, []):
                    images[index] = crops[index].cut(image)
            if wanted:
                video.read([min(wanted)])  # says what is wrong: the end of the video, or damage
                raise PoofError(f"{video.name}: frame {min(wanted)} is labelled but cannot be read")

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Array:
        """(H, W, 3) RGB uint8."""
        if self._map is None:  # opened in the process that reads: a worker must not copy the file into its memory
            self._map = np.memmap(self._path, np.uint8, "r", shape=self._shape)
        return self._map[index]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_map": None, "_remove": None}


def _remove_in(process: int, directory: Path) -> None:
    if os.getpid() == process:  # a forked worker has a copy of the store, but not the right to clear up
        shutil.rmtree(directory, ignore_errors=True)


def clear_leftovers(folder: Path) -> None:
    """Remove the stores of runs in `folder` that were killed."""
    for directory in folder.glob(f"{_PREFIX}*"):
        shutil.rmtree(directory, ignore_errors=True)


def round_of(examples: Sequence[Example], human: float = 0.0) -> list[int]:
    """The examples of a round: each once, and those with human points again until they are a share `human` of it."""
    members = list(range(len(examples)))
    set_ = [i for i in members if examples[i].human.any()]
    if not set_ or len(set_) == len(members):
        return members
    wanted = math.ceil(human / (1 - human) * (len(members) - len(set_)))
    return members + [set_[i % len(set_)] for i in range(wanted - len(set_))]


class Crops(Protocol):
    """Examples and their crops: a `CropStore` or a part of one."""

    examples: list[Example]

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, index: int) -> Array:
        """(H, W, 3) RGB uint8."""


class TrainingSet(Dataset[dict[str, Tensor]]):
    """Augmented examples. An item is asked for by (place in the round, seed of its randomness); see `round_of`."""

    def __init__(self, store: Crops, augmentation: Augmentation, members: Sequence[int] | None = None) -> None:
        self.store, self.augmentation = store, augmentation
        self.members = range(len(store)) if members is None else members

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Tensor]:
        """`image` (3, H, W) uint8, `points` (K, 2) in its pixels, `weights` (K,), `visible` (K,)."""
        place, seed = key
        index = self.members[place]
        example = self.store.examples[index]
        context = example.crop.wider(CONTEXT)
        points = torch.from_numpy(context.to_crop(example.xy).astype(np.float32))
        image = torch.from_numpy(self.store[index].transpose(2, 0, 1).copy())
        weights, visible = torch.from_numpy(example.weight.copy()), torch.from_numpy(example.visible.copy())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            image, points, weights, visible = self.augmentation(image, points, weights, visible)
        return {"image": image, "points": points, "weights": weights, "visible": visible}


class Batches:
    """The plan: which examples, with which randomness, form batch 0, 1, 2, ... without end.

    Examples come in shuffled rounds, each once a round; batches are cut from the rounds end to end, so all are full.
    """

    def __init__(self, count: int, size: int, seed: int, start: int, stop: int) -> None:
        self.count, self.size, self.seed, self.start, self.stop = count, size, seed, start, stop
        self._order: tuple[int, np.ndarray] | None = None  # the newest round and its order

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for step in range(self.start, self.stop):
            first = step * self.size
            yield [self.item(place) for place in range(first, first + self.size)]

    def item(self, place: int) -> tuple[int, int]:
        """(example, seed) at a place of the endless row."""
        turn, rank = divmod(place, self.count)
        if self._order is None or self._order[0] != turn:
            self._order = turn, np.random.default_rng((self.seed, 0, turn)).permutation(self.count)
        seed = np.random.SeedSequence((self.seed, 1, place)).generate_state(1, np.uint64)[0]
        return int(self._order[1][rank]), int(seed >> np.uint64(1))


def loader(data: TrainingSet, batches: Batches | Share, workers: int, pinned: bool) -> DataLoader[dict[str, Tensor]]:
    """A loader of the planned batches; `workers` of 0 loads in this process."""
    return DataLoader(
        data,
        batch_sampler=batches,
        num_workers=workers,
        worker_init_fn=_leave_interrupts_to_the_parent,
        pin_memory=pinned,
        persistent_workers=False,
    )


def _leave_interrupts_to_the_parent(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def still_batches(store: CropStore, size: int) -> Iterator[tuple[list[Example], Tensor]]:
    """Examples with their crops (B, 3, H, W) uint8 as they are, in order; for validation."""
    for start in range(0, len(store), size):
        members = range(start, min(start + size, len(store)))
        images = np.stack([store[i] for i in members]).transpose(0, 3, 1, 2)
        yield [store.examples[i] for i in members], torch.from_numpy(np.ascontiguousarray(images))
