"""Small material for training."""

from __future__ import annotations

import pytest
from card import card_video

from poof.pose import Pair
from poof.pose.augmentation import NONE
from poof.pose.recipes import Recipe


@pytest.fixture
def card() -> Pair:
    """Eight frames of the card."""
    return card_video()


@pytest.fixture
def other_card() -> Pair:
    """Three frames of another one, to judge by."""
    return card_video(3, seed=5, name="other")


@pytest.fixture
def quick() -> Recipe:
    """A recipe of few small steps with everything in it: average, warm-up, decay, clipping."""
    return Recipe(
        "quick", learning_rate=2e-3, weight_decay=0.01, batch=2, epochs=1, least_steps=6, warmup=0.2, decay="cosine",
        average=0.9, clip=1.0, augmentation=NONE,
    )  # fmt: skip
