"""A video whose subject is a card with four marks: small enough to train on in a test."""

from __future__ import annotations

import numpy as np

from poof.labels import LabelSet, Points, Skeleton
from poof.pose import Pair
from poof.video import ArrayVideo

CARD = Skeleton(("nose", "left_hand", "right_hand", "tail"), ((0, 1), (0, 2), (0, 3)))
MARKS = np.array([[20.0, 6.0], [6.0, 30.0], [34.0, 30.0], [20.0, 52.0]])
COLOURS = np.array([[255, 60, 60], [60, 255, 60], [60, 60, 255], [255, 255, 60]])


def card_video(frames: int = 8, seed: int = 0, name: str = "card") -> Pair:
    """A card with four coloured dots that wanders over noise, and its exact labels; 120x100 pixels."""
    rng = np.random.default_rng(seed)
    labels = LabelSet(CARD, image_size=(120, 100))
    yy, xx = np.mgrid[:100, :120]
    images = []
    for frame in range(frames):
        corner = np.array([20 + 30 * np.sin(0.7 * frame + seed), 15 + 12 * np.cos(1.1 * frame)]).clip(3, 70)
        image = rng.integers(0, 60, (100, 120, 3)).astype(float)
        inside = (abs(xx - corner[0] - 20) < 22) & (abs(yy - corner[1] - 29) < 32)
        image[inside] = 110
        xy = MARKS + corner
        for (x, y), colour in zip(xy, COLOURS):
            weight = np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / 8)[..., None]
            image = image * (1 - weight) + colour * weight
        images.append(image.round().astype(np.uint8))
        labels.add(frame, 0, Points.human(frame, xy))
    return Pair(ArrayVideo(images, name=name), labels)
