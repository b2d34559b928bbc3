"""Training recipes: the thesis' and a better default.

A recipe is data; `poof.pose.training` is the one loop that follows it. What the default is worth beside the thesis'
is measured in `benchmarks/README.md`. The third, for the small network, learns one footage in a minute: views
as they occur there, every batch with a share of what a person has set, and an early end, before it learns the errors of
the propagated points as well.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from poof.errors import PoofError, names_near
from poof.pose.augmentation import OFFICIAL, STRONG, Strength
from poof.pose.losses import LossSettings
from poof.pose.targets import Kind


@dataclass(frozen=True)
class Recipe:
    """Everything about training that is not data or network.

    Attributes
    ----------
    name
        For the record.
    optimizer
        'adam' (weight decay in the gradient) or 'adamw' (decoupled).
    learning_rate
        Its peak, for a network that starts from chance.
    tuned
        Share of that rate for a network that starts from trained weights.
    weight_decay
        On weights of convolutions; biases and normalisations have none.
    batch
        Examples per step; lowered to the data where there are fewer.
    epochs
        Times every example is seen, on average ...
    least_steps, most_steps
        ... but at least so many steps are made, and at most so many (0: no limit).
    confidence_power
        Exponent of the confidences that weigh points nobody set; see `point_weights`.
    human
        Share of the examples in a batch that a person has labelled, at least; those few come more often. 0: all alike.
    warmup
        Share of the steps over which the rate rises linearly from nothing.
    decay
        'cosine' to zero after that, or 'none'.
    average
        Decay per step of the exponential average of the weights that is validated and kept; 0 keeps the weights.
    clip
        Largest norm of the gradient; 0 for no limit.
    targets, loss, augmentation
        See `poof.pose.targets`, `LossSettings`, `Strength`.
    """

    name: str
    optimizer: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = 1e-3
    tuned: float = 1.0
    weight_decay: float = 0.0
    batch: int = 32
    epochs: int = 10
    least_steps: int = 0
    most_steps: int = 0
    confidence_power: float = 1.0
    human: float = 0.0
    warmup: float = 0.0
    decay: Literal["cosine", "none"] = "none"
    average: float = 0.0
    clip: float = 0.0
    targets: Kind = "exact"
    loss: LossSettings = field(default_factory=LossSettings)
    augmentation: Strength = OFFICIAL

    def steps(self, examples: int, batch: int) -> int:
        """Number of optimiser steps on so many examples."""
        wanted = max(math.ceil(self.epochs * examples / batch), self.least_steps, 1)
        return min(wanted, self.most_steps) if self.most_steps else wanted

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of step `step` (from 0) of `steps`."""
        rise = self.warmup * steps
        if step < rise:
            return self.learning_rate * (step + 1) / (rise + 1)
        if self.decay == "none":
            return self.learning_rate
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(steps - rise, 1)))

    def as_dict(self) -> dict[str, Any]:
        """In plain types."""
        return asdict(self) | {"loss": self.loss._asdict()}


RECIPES = {
    "thesis": Recipe("thesis", optimizer="adam", learning_rate=0.01, targets="floored"),
    "default": Recipe(
        "default",
        learning_rate=4e-3,
        tuned=0.25,
        weight_decay=0.01,
        batch=16,
        epochs=20,
        least_steps=600,
        warmup=0.1,
        decay="cosine",
        average=0.99,
        clip=1.0,
        augmentation=STRONG,
    ),
    "footage": Recipe(
        "footage",
        learning_rate=3e-3,
        tuned=0.25,
        weight_decay=0.01,
        batch=16,
        epochs=15,
        least_steps=240,
        most_steps=2000,
        confidence_power=2.0,
        human=0.3,
        warmup=0.2,
        decay="cosine",
        average=0.99,
        clip=1.0,
        augmentation=Strength(
            flip=0, scale=0.3, rotation=25, rotated=1, shift=0.06, half_body=0, colour=0.3, blur=0.15
        ),
    ),
}


def recipe_named(name: str, epochs: int | None = None, rate: float | None = None) -> Recipe:
    """One of `RECIPES`, perhaps with another number of epochs (exactly so many) or peak learning rate.

    Raises
    ------
    PoofError
        On an unknown name (it lists the valid ones), no epoch, or a rate that is not positive.
    """
    if name not in RECIPES:
        raise PoofError(f"no recipe '{name}'; there are {names_near(name, RECIPES)}")
    recipe = RECIPES[name]
    if epochs is not None:
        if epochs < 1:
            raise PoofError(f"training needs at least one epoch, not {epochs}")
        recipe = replace(recipe, epochs=epochs, least_steps=0, most_steps=0)
    if rate is not None:
        if not 0 < rate < math.inf:
            raise PoofError(f"a learning rate of {rate:g} is impossible; give a positive number")
        recipe = replace(recipe, learning_rate=rate, tuned=1.0)
    return recipe
