"""Crops that several trainings on the same footage share: cut once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from poof.errors import PoofError
from poof.files import make_folder
from poof.pose.data import CONTEXT, CropStore, Example, clear_leftovers, examples_of
from poof.pose.splitting import Pair
from poof.progress import Track, silent

Array = np.ndarray


class CropView:
    """Some of the crops of a store, as a training sees them."""

    def __init__(self, store: CropStore, examples: Sequence[Example], places: Sequence[int]) -> None:
        self.examples, self._store, self._places = list(examples), store, list(places)

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Array:
        """(H, W, 3) RGB uint8."""
        return self._store[self._places[index]]


class SharedCrops:
    """The crops of all that there is to learn from, for trainings on all of it or on a part.

    Parameters
    ----------
    pairs
        Videos with all labels that any of the trainings will see, of one skeleton.
    size
        (height, width) of the network's crops.
    folder
        Where the file with the crops lies; it goes with the object.
    track
        Shows progress.
    """

    def __init__(self, pairs: Sequence[Pair], size: tuple[int, int], folder: Path, track: Track = silent) -> None:
        make_folder(folder, "--run")
        clear_leftovers(folder)
        examples = examples_of(pairs, pairs[0].labels.skeleton, size)
        self._store = CropStore(pairs, examples, CONTEXT, folder, track, "training crops")
        self._places = {(e.video, e.frame, e.instance): i for i, e in enumerate(self._store.examples)}

    def __len__(self) -> int:
        return len(self._store)

    def view(self, examples: Sequence[Sequence[Example]]) -> CropView:
        """The crops of these examples, which take the place of their own: fewer points may ask for less room.

        Raises
        ------
        PoofError
            If there are none of an example.
        """
        kept, places = [], []
        for example in (e for of_video in examples for e in of_video):
            place = self._places.get((example.video, example.frame, example.instance), -1)
            if place < 0 or self._store.examples[place].crop.size != example.crop.size:
                raise PoofError(f"{example.video}: frame {example.frame}: its crop was not kept; train without a bank")
            kept.append(replace(example, crop=self._store.examples[place].crop))
            places.append(place)
        return CropView(self._store, kept, places)
