"""What `study.py` compares: sizes of the study, and the recipes that the default one is measured against."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from poof.pose import RECIPES, Recipe
from poof.pose.augmentation import OFFICIAL


@dataclass(frozen=True)
class Size:
    """How large the study is.

    Attributes
    ----------
    body, stages, input_size, batch
        Of the networks.
    steps
        Of the optimiser, in every cell.
    pretraining
        Steps and batch of the pretrained model.
    familiar, frames
        Sequences of the familiar domain and frames from each.
    clips, judges
        Sequences of the target domain to label, and to judge by (and as many as the former to choose recipes by).
    stride
        Every how many frames of them judge.
    base
        Labels in Tables 3.1 to 3.4.
    curve
        Numbers of labels of the curve.
    radii
        The R of Table 3.3; the middle one serves everywhere else.
    camera_labels
        Labels on cam01.
    """

    body: str = "resnet18"
    stages: int = 1
    input_size: tuple[int, int] = (96, 64)
    batch: int = 8
    steps: int = 250
    pretraining: tuple[int, int] = (800, 16)
    familiar: int = 100
    frames: int = 8
    clips: int = 6
    judges: int = 14
    stride: int = 5
    base: int = 10
    curve: tuple[int, ...] = (5, 10, 20, 50, 100)
    radii: tuple[int, ...] = (5, 10, 20)
    camera_labels: int = 5

    @property
    def middle(self) -> int:
        """The R that serves wherever it is not varied."""
        return self.radii[len(self.radii) // 2]


SIZES = {
    "small": Size(),
    "quick": Size(
        steps=4,
        pretraining=(8, 8),
        familiar=6,
        frames=4,
        clips=2,
        judges=2,
        stride=20,
        base=4,
        curve=(2, 4),
        radii=(3, 5),
        camera_labels=2,
    ),
    "full": Size("resnet50", 2, (256, 192), 32, 3000, (20000, 64), 600, 12, 6, 21, 2),
}


THESIS = ", thesis recipe"
"""What the names of cells end in that were trained as the thesis did: ten epochs, however many steps that makes."""


def arm_name(radius: int | None) -> str:
    """How a cell calls its labels: 'GT', or 'POOF-R10' with those propagated to +-10 frames."""
    return "GT" if radius is None else f"POOF-R{radius}"


def default(steps: int, batch: int) -> Recipe:
    """The default recipe with a fixed number of steps of `batch` examples."""
    return replace(RECIPES["default"], epochs=1, least_steps=steps, batch=batch)


def variants() -> dict[str, dict[str, Any]]:
    """What the default recipe is measured against: name -> what differs from it, for one kind of start."""
    thesis = {name: getattr(RECIPES["thesis"], name) for name in ("optimizer", "learning_rate", "tuned", "weight_decay",
              "warmup", "decay", "average", "clip", "targets", "augmentation")}  # fmt: skip
    return {
        "random: default": {},
        "random: rate 0.001": {"learning_rate": 1e-3},
        "random: rate 0.012": {"learning_rate": 1.2e-2},
        "random: no average": {"average": 0.0},
        "random: thesis": thesis,
        "pretrained: default": {},
        "pretrained: tuned 1": {"tuned": 1.0},
        "pretrained: tuned 0.1": {"tuned": 0.1},
        "pretrained: no average": {"average": 0.0},
        "pretrained: official augmentation": {"augmentation": OFFICIAL},
        "pretrained: thesis": thesis,
    }
