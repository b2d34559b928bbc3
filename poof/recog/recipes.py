"""How each document trains: presets of the training options."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from poof.errors import PoofError
from poof.recog.data.sampling import Rule


@dataclass(frozen=True)
class Recipe:
    """Options of stochastic gradient descent.

    Attributes
    ----------
    epochs, batch, accumulate
        Batches of `batch` clips; an update of the weights every `accumulate` batches.
    lr, schedule, milestones, factor, warmup
        Learning rate; 'steps' multiplies it by `factor` at each of `milestones` (epochs), 'cosine' lowers it to 0;
        over the first `warmup` epochs it rises linearly.
    momentum, nesterov, weight_decay
        Of SGD; the decay acts on everything.
    clip_norm
        Gradients are scaled down to this norm, 0 for never.
    smoothing
        Of the labels.
    rule, window, flip
        See `poof.recog.data.dataset.View`.
    only
        What learns: 'all', the temporal 'modules' or the 'classifier'; see `poof.recog.freeze`.
    document
        Where the recipe is from.
    """

    epochs: int = 20
    batch: int = 8
    accumulate: int = 1
    lr: float = 0.01
    schedule: Literal["steps", "cosine"] = "cosine"
    milestones: tuple[int, ...] = ()
    factor: float = 0.1
    warmup: float = 1.0
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    clip_norm: float = 20.0
    smoothing: float = 0.0
    rule: Rule = "uniform"
    window: int = 64
    flip: str = "swap"
    only: str = "all"
    document: str = ""

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch, self.accumulate) < 1 or self.lr <= 0:
            raise PoofError(
                f"epochs={self.epochs}, batch={self.batch}, accumulate={self.accumulate}, lr={self.lr}: "
                "the first three must be at least 1, the learning rate above 0"
            )

    def rate(self, epoch: float) -> float:
        """Learning rate at a moment, in epochs from the start."""
        if epoch < self.warmup:
            return self.lr * max(epoch / self.warmup, 0.01)
        if self.schedule == "cosine":
            rest = (epoch - self.warmup) / max(self.epochs - self.warmup, 1e-9)
            return self.lr * 0.5 * (1 + math.cos(math.pi * min(rest, 1.0)))
        return self.lr * self.factor ** sum(epoch >= milestone for milestone in self.milestones)


RECIPES: dict[str, Recipe] = {
    "small": Recipe(document="for data sets of hundreds of clips: short, cosine, small batches"),
    "m2a": Recipe(
        30, 32, 4, 0.02, "steps", (20,), warmup=0, flip="none", document="Gebotys (2022), Chapter 4, and released code"
    ),
    "tsm": Recipe(
        50, 64, 1, 0.01, "steps", (20, 40), warmup=0, flip="none", document="Lin et al. (2019), Something-Something"
    ),
}


def recipe(name: str, **changes: Any) -> Recipe:
    """A preset with some options changed; None changes nothing."""
    if name not in RECIPES:
        raise PoofError(f"unknown recipe '{name}'; there are {', '.join(RECIPES)}")
    return replace(RECIPES[name], **{key: value for key, value in changes.items() if value is not None})
