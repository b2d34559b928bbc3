"""The options of a training: gradient descent and what the network is fed."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from poof.errors import PoofError
from poof.recog.data.sampling import Rule
from poof.recog.data.transform import SCALES

Schedule = Literal["steps", "cosine", "plateau"]


@dataclass(frozen=True)
class Recipe:
    """Options of gradient descent.

    Attributes
    ----------
    frames, size, short, dropout
        Segments of a clip, side of the input, shorter side of a test before its crop (None: size * 256 / 224), dropout
        before the classifier. A published network may bring frames and size of its own.
    epochs, batch, accumulate
        Batches of `batch` clips; an update of the weights every `accumulate` batches.
    lr, schedule, milestones, factor, warmup
        Learning rate; 'steps' multiplies it by `factor` behind each of `milestones` (epochs), 'cosine' lowers it to 0;
        over the first `warmup` epochs it rises linearly from `warmup_from` of itself.
    patience, floor, watch
        The schedule 'plateau' multiplies by `factor` after that many epochs in which the 'loss' did not fall or the
        'accuracy' did not rise (of the validation clips where there are any), and ends the training once the rate is
        below `floor`.
    optimizer
        'sgd', or 'adam' or 'adamw' with `momentum` as their first beta and 0.99 as their second.
    momentum, nesterov, weight_decay
        The decay acts on everything.
    clip_norm
        Gradients are scaled down to this norm, 0 for never.
    smoothing
        Of the labels.
    rule, window, flip, scales, augment
        See `poof.recog.data.dataset.View`.
    only
        What learns: 'all', the temporal 'modules' or the 'classifier'; see `poof.recog.training.freeze`.
    multigrid
        Whether batches go through the shapes of `poof.recog.training.multigrid`; `batch` is that of the full shape.
    groups
        Learning rates and decay by kind of parameter; see `poof.recog.training.parameter_groups`.
    partial_norm
        Whether all batch norms but the first stay as they are, statistics and weights (TSN's partial BN).
    objective
        What gradients come from: 'all' (the classification and the modules' losses) or 'modules' (theirs alone, as in
        Huang 2022, Table 3.1).
    document
        Where the recipe is from.
    """

    frames: int = 8
    size: int = 224
    short: int | None = None
    dropout: float = 0.5
    epochs: int = 20
    batch: int = 8
    accumulate: int = 1
    lr: float = 0.01
    schedule: Schedule = "cosine"
    milestones: tuple[int, ...] = ()
    factor: float = 0.1
    warmup: float = 1.0
    warmup_from: float = 0.0
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    clip_norm: float = 20.0
    smoothing: float = 0.0
    rule: Rule = "uniform"
    window: int | None = None
    flip: str = "swap"
    scales: tuple[float, ...] = SCALES
    augment: str = "scales"
    only: str = "all"
    multigrid: bool = False
    groups: str = "one"
    partial_norm: bool = False
    patience: int = 5
    floor: float = 0.0
    watch: Literal["loss", "accuracy"] = "loss"
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    objective: Literal["all", "modules"] = "all"
    document: str = ""

    def __post_init__(self) -> None:
        if self.objective not in ("all", "modules"):
            raise PoofError(f"objective={self.objective}: choose one of all, modules")
        if self.schedule not in get_args(Schedule):
            raise PoofError(f"schedule={self.schedule}: choose one of {', '.join(get_args(Schedule))}")
        if self.milestones and self.schedule != "steps":
            told = ", ".join(map(str, self.milestones))
            raise PoofError(f"milestones {told} belong to schedule=steps, not to {self.schedule}")
        if self.optimizer not in ("sgd", "adam", "adamw"):
            raise PoofError(f"optimizer={self.optimizer}: choose one of sgd, adam, adamw")
        if min(self.epochs, self.batch, self.accumulate) < 1 or self.lr <= 0:
            raise PoofError(
                f"epochs={self.epochs}, batch={self.batch}, accumulate={self.accumulate}, lr={self.lr}: "
                "the first three must be at least 1, the learning rate above 0"
            )
        if self.multigrid and self.accumulate > 1:
            raise PoofError(f"accumulate={self.accumulate}: multigrid changes the batch by itself; take accumulate=1")

    def rate(self, epoch: float, drops: int = 0) -> float:
        """Learning rate at a moment, in epochs from the start, after so many `drops` on plateaus."""
        if epoch < self.warmup:
            return self.lr * max(self.warmup_from + (1 - self.warmup_from) * epoch / self.warmup, 0.01)
        if self.schedule == "cosine":
            rest = (epoch - self.warmup) / max(self.epochs - self.warmup, 1e-9)
            return self.lr * 0.5 * (1 + math.cos(math.pi * min(rest, 1.0)))
        return self.lr * self.factor ** (drops + sum(epoch >= milestone for milestone in self.milestones))

    def lines(self) -> list[tuple[str, str]]:
        """(option, value) of all options, for people."""
        values = {key: value for key, value in asdict(self).items() if key != "document"}
        return [(key, ", ".join(map(str, v)) if isinstance(v, tuple) else str(v)) for key, v in values.items()]
