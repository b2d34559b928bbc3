"""How each document trains: presets of the training options."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from poof.errors import PoofError
from poof.recog.data.sampling import Rule
from poof.recog.data.transform import SCALES


@dataclass(frozen=True)
class Recipe:
    """Options of gradient descent.

    Attributes
    ----------
    epochs, batch, accumulate
        Batches of `batch` clips; an update of the weights every `accumulate` batches.
    lr, schedule, milestones, factor, warmup
        Learning rate; 'steps' multiplies it by `factor` at each of `milestones` (epochs), 'cosine' lowers it to 0;
        over the first `warmup` epochs it rises linearly.
    patience, floor
        The schedule 'plateau' multiplies by `factor` after that many epochs in which the loss (of the validation clips
        where there are any) did not fall, and ends the training once the rate is below `floor`.
    optimizer
        'sgd', or 'adam' with `momentum` as its first beta and 0.99 as its second.
    momentum, nesterov, weight_decay
        The decay acts on everything.
    clip_norm
        Gradients are scaled down to this norm, 0 for never.
    smoothing
        Of the labels.
    rule, window, flip, scales
        See `poof.recog.data.dataset.View`.
    only
        What learns: 'all', the temporal 'modules' or the 'classifier'; see `poof.recog.freeze`.
    multigrid
        Whether batches go through the shapes of `poof.recog.multigrid`; `batch` is that of the full shape.
    groups
        'one' learning rate for all parameters or those of 'tsm' or 'huang'; see `poof.recog.groups`.
    document
        Where the recipe is from.
    """

    epochs: int = 20
    batch: int = 8
    accumulate: int = 1
    lr: float = 0.01
    schedule: Literal["steps", "cosine", "plateau"] = "cosine"
    milestones: tuple[int, ...] = ()
    factor: float = 0.1
    warmup: float = 1.0
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    clip_norm: float = 20.0
    smoothing: float = 0.0
    rule: Rule = "uniform"
    window: int | None = None
    flip: str = "swap"
    scales: tuple[float, ...] = SCALES
    only: str = "all"
    multigrid: bool = False
    groups: str = "one"
    patience: int = 5
    floor: float = 0.0
    optimizer: Literal["sgd", "adam"] = "sgd"
    document: str = ""

    def __post_init__(self) -> None:
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
            return self.lr * max(epoch / self.warmup, 0.01)
        if self.schedule == "cosine":
            rest = (epoch - self.warmup) / max(self.epochs - self.warmup, 1e-9)
            return self.lr * 0.5 * (1 + math.cos(math.pi * min(rest, 1.0)))
        return self.lr * self.factor ** (drops + sum(epoch >= milestone for milestone in self.milestones))


RECIPES: dict[str, Recipe] = {
    "small": Recipe(document="for data sets of hundreds of clips: short, cosine, small batches"),
    "m2a": Recipe(
        30, 32, 4, 0.02, "steps", (20,), warmup=0, flip="none", document="Gebotys (2022), Chapter 4, and released code"
    ),
    "tsm": Recipe(
        50,
        64,
        1,
        0.01,
        "steps",
        (20, 40),
        warmup=0,
        flip="none",
        groups="tsm",
        document="Lin et al. (2019), Something-Something, and released code",
    ),
    # Stergiou's frames lie 2 apart in HACS (5 in Kinetics, 3 in Moments in Time): 16 of them in a window of 32.
    "srtg": Recipe(
        150,
        32,
        1,
        0.1,
        "steps",
        (40, 70, 120),
        warmup=0,
        weight_decay=1e-5,
        clip_norm=0,
        rule="dense",
        window=32,
        multigrid=True,
        document="Stergiou (2021), Section 4.4.1, HACS from random weights",
    ),
    "transfer": Recipe(
        80,
        32,
        1,
        0.01,
        "steps",
        (40, 60),
        warmup=0,
        weight_decay=1e-5,
        clip_norm=0,
        rule="dense",
        window=32,
        only="classifier",
        document="Stergiou (2021), Section 4.4.1, small data sets: the classifier alone",
    ),
    # The printed rate of 1.16 is taken for X3D's 1.6 of 1024 clips, which makes 0.1 for 64; 8,000 steps of warm-up
    # are about one epoch of HACS.
    "mtnet": Recipe(
        400,
        64,
        1,
        0.1,
        "cosine",
        weight_decay=5e-5,
        clip_norm=0,
        rule="dense",
        window=32,
        multigrid=True,
        document="Stergiou (2021), Section 5.4.1",
    ),
    "classreg": Recipe(
        120,
        16,
        1,
        0.1,
        "steps",
        (50, 100),
        warmup=0,
        weight_decay=1e-5,
        clip_norm=0,
        rule="dense",
        window=32,
        only="modules",
        document="Stergiou (2021), Section 6.4.2, on a trained network",
    ),
    # The document lowers the rate where the validation accuracy saturates, and takes 0.005 for flow alone.
    "tesnet": Recipe(
        30,
        32,
        1,
        0.001,
        "steps",
        (15, 25),
        warmup=0,
        weight_decay=4e-5,
        clip_norm=0,
        document="Huang (2022), Section 3.3.1, RGB",
    ),
    "rnl": Recipe(
        50,
        64,
        1,
        0.02,
        weight_decay=8e-4,
        flip="none",
        document="Huang (2022), Section 4.6, Something-Something V1, and released code",
    ),
    "dan": Recipe(
        50,
        32,
        8,
        0.12,
        warmup=7,
        weight_decay=8e-4,
        flip="none",
        groups="huang",
        document="Huang (2022), Sections 3.6.1 and 5.5.1, ResNet-50 on Something-Something V1 (DAN and BQN)",
    ),
    "dan-x3d": Recipe(
        50,
        32,
        8,
        0.12,
        warmup=7,
        weight_decay=4e-4,
        flip="none",
        groups="huang",
        document="Huang (2022), Section 3.6.1, X3D on Something-Something V1 from Kinetics weights",
    ),
    # Schedule, frames and crops are not printed: those of MFNet's own code for UCF101.
    "kpsem": Recipe(
        50,
        64,
        1,
        0.005,
        "steps",
        (21, 42),
        warmup=0,
        nesterov=True,
        weight_decay=1e-4,
        clip_norm=0,
        rule="dense",
        window=32,
        scales=(1.0, 0.875, 0.78),
        document="Cao et al. (2021), Section 4.1, from Kinetics weights; schedule of MFNet's code",
    ),
    # Four clips of each video an epoch for 40 epochs are 160 epochs of one; rotation by up to 15 degrees is left out.
    "dem": Recipe(
        160,
        96,
        2,
        0.004,
        "plateau",
        warmup=0,
        weight_decay=0.0,
        clip_norm=0,
        rule="dense",
        window=16,
        scales=(0.875, 0.8, 0.73),
        floor=4e-7,
        optimizer="adam",
        document="Zeng (2020), Section 4.1.2, rate 1; other rates with --rate",
    ),
    "dem-transfer": Recipe(
        80,
        96,
        2,
        0.0004,
        "plateau",
        warmup=0,
        weight_decay=0.0,
        clip_norm=0,
        rule="dense",
        window=16,
        scales=(0.875, 0.8, 0.73),
        only="last",
        floor=4e-7,
        document="Zeng (2020), Section 4.4, from a run on miniKinetics (--from)",
    ),
}


def recipe(name: str, **changes: Any) -> Recipe:
    """A preset with some options changed; None changes nothing."""
    if name not in RECIPES:
        raise PoofError(f"unknown recipe '{name}'; there are {', '.join(RECIPES)}")
    return replace(RECIPES[name], **{key: value for key, value in changes.items() if value is not None})
