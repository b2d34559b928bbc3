"""The result of a training run, and its state for resuming."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from poof.checkpoints import SENSELESS, check_finite, load_optimizer
from poof.errors import PoofError
from poof.files import write_text
from poof.pose.data import Example
from poof.pose.model import FORMAT, architecture_in, incomplete, network_in, read_checkpoint
from poof.pose.validation import THRESHOLDS


@dataclass(frozen=True)
class Run:
    """What a training run gave.

    Attributes
    ----------
    best, last
        Checkpoints; `best` is the last one where nothing was held out.
    history
        One row per validation: step, epoch, rate, train_loss, and val_error, val_accuracy_5, ... as in `validate`.
    fresh
        Keypoints whose heat maps started from chance.
    keypoints
        How many there are.
    split
        How the data was divided, in words.
    train_examples, val_examples
        How many crops.
    steps, batch
        Of the optimiser.
    """

    best: Path
    last: Path
    history: pd.DataFrame
    fresh: list[str]
    keypoints: int
    split: str
    train_examples: int
    val_examples: int
    steps: int
    batch: int

    def __repr__(self) -> str:
        return f"Run({self.best}, step {self.best_step} of {self.steps}; {self.split})"

    @property
    def best_step(self) -> int:
        """The step whose weights `best` holds."""
        best = len(self.history) - 1
        if self.val_examples:
            best = int(self.history[[f"val_accuracy_{t}" for t in THRESHOLDS]].mean(axis=1).to_numpy().argmax())
        return int(self.history["step"].iloc[best])

    def curves(self) -> dict[str, list[float]]:
        """Name -> a value per row of the history: loss, error and the thesis' accuracy, as they are plotted."""
        shown = {"train_loss": "train_loss"}
        if self.val_examples:
            shown |= {
                "val_error": "val_error_(px)",
                f"val_accuracy_{THRESHOLDS[-1]}": f"val_share_under_{THRESHOLDS[-1]}_px",
            }
        return {title: self.history[name].astype(float).tolist() for name, title in shown.items()}

    def as_dict(self) -> dict[str, Any]:
        """In plain types."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return values | {
            "best": str(self.best),
            "last": str(self.last),
            "best_step": self.best_step,
            "history": self.history.to_dict("records"),
        }

    def summary(self) -> list[str]:
        """A few lines on what happened."""
        lines = [
            f"{self.train_examples} training crops, {self.val_examples} to judge by: {self.split}",
            f"{self.steps} steps of {self.batch}",
        ]
        if len(self.fresh) == self.keypoints:
            lines.append(f"the heat maps of all {self.keypoints} keypoints started from chance")
        elif self.fresh:
            lines.append(f"heat maps that started from chance: {', '.join(self.fresh)}")
        if self.val_examples:
            row = self.history.set_index("step").loc[self.best_step]
            shares = ", ".join(f"{row[f'val_accuracy_{t}']:.1%} under {t}" for t in THRESHOLDS)
            lines.append(
                f"best at step {self.best_step}: mean error {row['val_error']:.1f} px of a 256x192 crop, {shares}"
            )
        return [*lines, f"{self.best}: the model, for poof predict --model"]


def resumable(last: Path, identity: str) -> dict[str, Any]:
    """The content of `last.pt`; a `PoofError` when it cannot be continued with the data and settings of `identity`."""
    content = read_checkpoint(last)
    state = content.get("training")
    if content.get("format") != FORMAT or not isinstance(state, dict):
        raise PoofError(f"{last}: cannot be continued, it has no training state; start without --resume")
    if state.get("identity") != identity:
        raise PoofError(f"{last}: was made with other labels or settings; repeat those, or start without --resume")
    architecture_in(last, content), network_in(last, content), network_in(last, state)
    try:
        numbers = [state["step"], state["top_score"], *state["pending"]]
        rows = [value for row in state["history"] for value in row.values()]
        good = type(state["step"]) is int and state["step"] >= 0 and isinstance(state["optimizer"], dict)
        good = good and all(isinstance(value, (int, float)) for value in (*numbers, *rows))
        good = good and all(isinstance(name, str) for name in state["fresh"])
        pair = content["confidence"]
        good = good and (pair is None or [type(value) for value in pair] == [float, float])
        good = good and isinstance(content["validation"], dict)
        for moments in state["optimizer"]["state"].values():
            check_finite(moments, last)
    except SENSELESS as error:
        raise incomplete(last, error) from error
    if not good:
        raise incomplete(last, ValueError("training"))
    return content


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any], last: Path) -> None:
    """Give an optimizer the state it had; a `PoofError` where that belongs to another network."""
    try:
        load_optimizer(optimizer, state)
        for moments in optimizer.state.values():
            if moments and not {"step", "exp_avg", "exp_avg_sq"} <= set(moments):
                raise ValueError("state of the optimizer")
    except SENSELESS as error:
        raise incomplete(last, error) from error


def fingerprint(train: Sequence[Example], val: Sequence[Example], *settings: Any) -> str:
    """What a resumed run must share with the one it continues."""
    digest = hashlib.sha256(repr((settings, len(train))).encode())
    for example in (*train, *val):
        digest.update(repr((Path(example.video).name, example.frame, example.instance, example.crop)).encode())
        digest.update(example.xy.tobytes() + example.weight.tobytes() + example.visible.tobytes())
    return digest.hexdigest()


def write_curves(path: Path, history: Sequence[dict[str, float]]) -> None:
    """The history as CSV, atomically."""
    write_text(path, pd.DataFrame(history).to_csv(index=False))
