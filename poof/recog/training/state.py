"""How far a training is, what a checkpoint keeps of it, and going on from there."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from poof.checkpoints import SENSELESS, load_optimizer
from poof.errors import PoofError
from poof.recog.checkpoint import read_checkpoint
from poof.recog.core.model import Recognizer
from poof.recog.core.recipe import Recipe
from poof.recog.data.lists.base import shown
from poof.recog.training.settings import Settings


@dataclass
class State:
    """How far a training is; all that changes besides weights and optimiser."""

    epoch: int = 0
    batches: int = 0
    loss: float = 0.0
    right: int = 0
    seen: int = 0
    best: float = -1.0
    broken: dict[str, str] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    drops: int = 0
    waited: int = 0
    lowest: float = math.inf

    @classmethod
    def of(cls, values: dict[str, Any]) -> State:
        """What `asdict` made of one; a `TypeError` or `ValueError` for anything else."""
        state = cls(**values)
        for name, usual in asdict(cls()).items():
            value = getattr(state, name)
            number = isinstance(usual, (int, float)) and isinstance(value, (int, float))
            if isinstance(value, bool) or not (number or type(value) is type(usual)):
                raise TypeError(f"{name} is {type(value).__name__}")
            if isinstance(usual, int) and not (type(value) is int and value >= 0):
                raise ValueError(f"{name} is {value}")
        if not all(isinstance(row, dict) for row in state.history):
            raise TypeError("history holds something else than rows")
        return state

    def watch(self, loss: float, patience: int) -> None:
        """Count a drop of the learning rate after `patience` epochs that brought nothing below the lowest."""
        self.waited = 0 if loss < self.lowest else self.waited + 1
        self.lowest = min(loss, self.lowest)
        if self.waited == patience:
            self.drops, self.waited = self.drops + 1, 0


def training_state(
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    state: State | None,
    recipe: Recipe,
    settings: Settings,
) -> dict[str, Any]:
    """What a checkpoint keeps of a training beside the network, for `resume`."""
    return {
        "optimizer": optimizer.state_dict(),
        "scaler": scaler.state_dict(),
        "state": asdict(state or State()),
        "recipe": _plain(recipe),
        "seed": settings.seed,
        "rng": _rng_state(torch.device(settings.device)),
    }


def resume(
    path: Path,
    model: Recognizer,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    recipe: Recipe,
    settings: Settings,
) -> State:
    """Put network, optimizer and everything random back to where a training stopped; how far it was.

    Raises
    ------
    PoofError
        If the file is none of this network, recipe and seed, or damaged.
    """
    content = read_checkpoint(path)
    training = content.get("training")
    if training is None or content["config"] != model.config:
        raise PoofError(f"{path}: is of another network; resume with the options the run was started with")
    try:
        return _restored(path, content, training, model, optimizer, scaler, recipe, settings)
    except PoofError:
        raise
    except SENSELESS as error:
        raise PoofError(
            f"{path}: the state of its training is damaged ({shown(error, 60)}); start anew with --force"
        ) from error


def _restored(
    path: Path,
    content: dict[str, Any],
    training: dict[str, Any],
    model: Recognizer,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    recipe: Recipe,
    settings: Settings,
) -> State:
    """Put everything back; whatever is missing or of another kind raises one of many errors."""
    for key, value in training["recipe"].items():
        if key not in ("document", "epochs") and value != _plain(recipe)[key]:
            raise PoofError(f"{path}: was trained with {key}={value}, not {_plain(recipe)[key]}; resume with the same")
    if training["seed"] != settings.seed:
        raise PoofError(f"{path}: was trained with seed {training['seed']}, not {settings.seed}; resume with the same")
    model.load_state_dict(content["state"])
    model.start_kernels = content.get("start")
    load_optimizer(optimizer, training["optimizer"])
    scaler.load_state_dict(training["scaler"])
    torch.set_rng_state(training["rng"]["cpu"])
    if "cuda" in training["rng"] and torch.cuda.is_available():
        torch.cuda.set_rng_state(training["rng"]["cuda"], settings.device)
    return State.of(training["state"])


def _rng_state(device: torch.device) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def _plain(recipe: Recipe) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(recipe).items()}
