"""A task that only temporal order solves: rendered clips in four pairs of classes, each the other played backwards.

======  ===================  ===================  =========================================
pair    first                second               shows
======  ===================  ===================  =========================================
0       moving right         moving left          a disc crosses the picture
1       opening              closing              two bars part
2       faster               slower               a square picks up speed, either direction
3       disc before square   square before disc   two lamps light up one after the other
======  ===================  ===================  =========================================

A clip of the second class of a pair has the very frames of one of the first, in reverse, and both of them are in the
set. A network that sees frames one by one can tell the pairs apart, and nothing else: at best half of its answers are
right (`CEILING`), and of a clip and its partner it is right on one. What is told by order alone is the order accuracy:
how often the right one of the two is preferred; exactly one half for whatever cannot tell a clip from its reversal.

That is exact where the frames chosen from a reversed clip are those chosen from the clip: with S segments, for clips of
an odd multiple of S frames. With 16 frames, 8 segments are frames 1, 3, ... 15 of a clip and 14, 12, ... 0 of its
partner, and how far the motion got tells the two apart; hence 24 frames.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from poof.errors import PoofError
from poof.files import atomic, make_folder
from poof.progress import Track, silent
from poof.recog.data.lists import write_list
from poof.recog.data.lists.base import ClipList, Record

CLASSES = (
    "disc moving right",
    "disc moving left",
    "bars opening",
    "bars closing",
    "square getting faster",
    "square getting slower",
    "disc before square",
    "square before disc",
)
CEILING = 0.5
"""Accuracy that the best network without any sense of order reaches."""


def render_clip(label: int, seed: int, frames: int = 24, size: int = 64) -> np.ndarray:
    """One clip (frames, size, size, 3) RGB uint8; equal arguments give equal clips.

    Clips of a class and of its partner come from the same scenes: `render_clip(2k + 1, seed)` is
    `render_clip(2k, seed)` backwards.
    """
    if not 0 <= label < len(CLASSES) or frames < 2 or size < 16:
        raise PoofError(f"label {label}, {frames} frames of {size} px: needs a label below 8, 2 frames and 16 pixels")
    rng = np.random.default_rng([seed, label // 2])
    pair = (_cross, _part, _accelerate, _lamps)[label // 2]
    clip = pair(rng, np.linspace(0, 1, frames), size)
    return clip if label % 2 == 0 else np.ascontiguousarray(clip[::-1])


def order_accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Share of clips (N, 8) for which the right class of its pair scores above its partner; ties count a half."""
    rows = np.arange(len(labels))
    margin = logits[rows, labels] - logits[rows, labels ^ 1]
    return float(((margin > 0) + 0.5 * (margin == 0)).mean())


def render_task(
    folder: Path,
    train: int = 400,
    test: int = 160,
    frames: int = 24,
    size: int = 64,
    seed: int = 0,
    track: Track = silent,
) -> tuple[Path, Path]:
    """Write the clips as arrays with the lists train.txt and test.txt; gives the two lists' paths.

    Classes are equally frequent; scenes of training and test differ. Clip 2n + 1 is clip 2n backwards.
    """
    if train < len(CLASSES) or test < len(CLASSES):
        raise PoofError(f"{train} and {test} clips: the {len(CLASSES)} classes need one each at least")
    paths = []
    make_folder(folder, "-o")
    for part, count in (("train", train), ("test", test)):
        (folder / part).mkdir(exist_ok=True)
        records = []
        for number in track(range(count), f"rendering {part}", count):
            label = number % len(CLASSES)
            target = folder / part / f"{number:05d}.npy"
            scene = number // 2 + (0 if part == "train" else 1_000_000)
            with atomic(target) as temporary:
                np.save(temporary, render_clip(label, seed * 10_000_000 + scene, frames, size))
            records.append(Record(target, label))
        paths.append(folder / f"{part}.txt")
        write_list(ClipList(tuple(records), CLASSES, str(paths[-1])), paths[-1])
    return paths[0], paths[1]


# ----------------------------------------------------------------------------------------------------- the scenes


def _background(rng: np.random.Generator, size: int) -> np.ndarray:
    coarse = rng.integers(40, 140, (4, 4, 3)).astype(np.uint8)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    r, g, b = (int(v) for v in rng.integers(150, 256, 3))
    return (r, g, b)


def _disc(image: np.ndarray, x: float, y: float, radius: float, colour: tuple[int, int, int]) -> None:
    # OpenCV draws at 1/16 pixel, so slow motion is smooth.
    cv2.circle(image, (round(x * 16), round(y * 16)), round(radius * 16), colour, -1, cv2.LINE_AA, 4)


def _square(image: np.ndarray, x: float, y: float, half: float, colour: tuple[int, int, int]) -> None:
    corners = [(round((x + dx * half) * 16), round((y + dy * half) * 16)) for dx, dy in ((-1, -1), (1, 1))]
    cv2.rectangle(image, corners[0], corners[1], colour, -1, cv2.LINE_AA, 4)


def _cross(rng: np.random.Generator, phases: np.ndarray, size: int) -> np.ndarray:
    background, colour = _background(rng, size), _colour(rng)
    radius, y = size * rng.uniform(0.08, 0.14), size * rng.uniform(0.25, 0.75)
    start = size * rng.uniform(0.12, 0.3)
    way = size * rng.uniform(0.4, 0.58)
    images = []
    for phase in phases:
        image = background.copy()
        _disc(image, start + way * phase, y, radius, colour)
        images.append(image)
    return np.stack(images)


def _part(rng: np.random.Generator, phases: np.ndarray, size: int) -> np.ndarray:
    background, colour = _background(rng, size), _colour(rng)
    middle, thick = size * rng.uniform(0.4, 0.6), size * rng.uniform(0.05, 0.1)
    narrow, wide = size * rng.uniform(0.06, 0.1), size * rng.uniform(0.25, 0.33)
    images = []
    for phase in phases:
        image = background.copy()
        for side in (-1, 1):
            x = middle + side * (narrow + (wide - narrow) * phase)
            top, bottom = (round((x - thick) * 16), 0), (round((x + thick) * 16), size * 16)
            cv2.rectangle(image, top, bottom, colour, -1, cv2.LINE_AA, 4)
        images.append(image)
    return np.stack(images)


def _accelerate(rng: np.random.Generator, phases: np.ndarray, size: int) -> np.ndarray:
    background, colour = _background(rng, size), _colour(rng)
    half, y = size * rng.uniform(0.07, 0.12), size * rng.uniform(0.25, 0.75)
    start, way = size * rng.uniform(0.12, 0.25), size * rng.uniform(0.5, 0.62)
    power = rng.uniform(2.2, 3.0)
    backwards = rng.random() < 0.5
    images = []
    for phase in phases:
        image = background.copy()
        travelled = phase**power
        _square(image, start + way * (1 - travelled if backwards else travelled), y, half, colour)
        images.append(image)
    return np.stack(images)


def _lamps(rng: np.random.Generator, phases: np.ndarray, size: int) -> np.ndarray:
    background, colours = _background(rng, size), (_colour(rng), _colour(rng))
    radius = size * rng.uniform(0.1, 0.14)
    disc_left = rng.random() < 0.5
    xs = (size * 0.28, size * 0.72) if disc_left else (size * 0.72, size * 0.28)
    ys = size * rng.uniform(0.3, 0.7, 2)
    switch = rng.uniform(0.35, 0.65)
    images = []
    for phase in phases:
        image = background.copy()
        if phase < switch:
            _disc(image, xs[0], ys[0], radius, colours[0])
        else:
            _square(image, xs[1], ys[1], radius, colours[1])
        images.append(image)
    return np.stack(images)
