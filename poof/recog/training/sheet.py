"""A contact sheet of what a network sees in training: clips as a recipe cuts, changes and mirrors them."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from poof.errors import PoofError, PoofWarning
from poof.files import atomic
from poof.recog.core.recipe import Recipe
from poof.recog.data.dataset import ClipDataset, View
from poof.recog.data.frames import FrameCounts
from poof.recog.data.lists.base import ClipList

TILE, GAP, TEXT = 112, 4, 14
"""Pixels of a frame's side, between frames, and of a line of text."""


def draw_clips(clips: ClipList, recipe: Recipe, path: Path, rows: int = 6, seed: int = 0) -> int:
    """Write a PNG with the first clips, spread over the list, a row each; gives the number of rows.

    Raises
    ------
    PoofError
        If none of them can be read.
    """
    chosen = np.unique(np.linspace(0, len(clips) - 1, min(rows, len(clips))).astype(int))
    some = replace(clips, records=tuple(clips.records[i] for i in chosen))
    view = View(
        recipe.frames, 1, recipe.size, recipe.rule, recipe.window, recipe.flip, recipe.scales, augment=recipe.augment
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PoofWarning)
        dataset = ClipDataset(some, view, FrameCounts(), training=True, seed=seed)
    samples = [dataset[number] for number in range(len(some))]
    good = [(record, sample) for record, sample in zip(some.records, samples) if sample.views is not None]
    if not good:
        raise PoofError(samples[0].error)
    width = GAP + recipe.frames * (TILE + GAP)
    sheet = np.full((GAP + len(good) * (TILE + GAP + TEXT), width, 3), 255, np.uint8)
    for number, (record, sample) in enumerate(good):
        top = GAP + number * (TILE + GAP + TEXT)
        text = f"{clips.labels[sample.label]}: {record.path.name}".encode("ascii", "replace").decode()
        cv2.putText(sheet, text, (GAP, top + TEXT - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
        assert sample.views is not None
        for column, frame in enumerate(sample.views[0].numpy().transpose(0, 2, 3, 1)):
            left = GAP + column * (TILE + GAP)
            tile = cv2.resize(np.ascontiguousarray(frame), (TILE, TILE), interpolation=cv2.INTER_AREA)
            sheet[top + TEXT : top + TEXT + TILE, left : left + TILE] = tile
    encoded = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1]
    with atomic(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
    return len(good)
