"""Checkpoints and states of `poof recog train`: damaged or crafted, they are used right or refused in a line."""

from __future__ import annotations

import contextlib
import copy
from functools import cache
from pathlib import Path
from typing import Any

import torch
from harness import Fault
from mutations import Rng, damage_bytes, pick
from weights import change_value, foreign, read_by

from poof.recog.build import build_model
from poof.recog.checkpoint import load_model, save_model
from poof.recog.core.tensor_files import checksum
from poof.recog.training.settings import Settings
from poof.recog.training.state import resume, training_state
from poof.recog.zoo.recipes import Recipe

RECIPE = Recipe(epochs=2, batch=2)


@cache
def content() -> dict[str, Any]:
    """A small network with the state of its training, as a file holds it."""
    import tempfile

    torch.manual_seed(0)
    model = _model()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "last.pt"
        optimizer, scaler = _tools(model)
        sum(parameter.sum() for parameter in model.parameters()).backward()  # type: ignore[union-attr]
        optimizer.step()
        save_model(path, model, training=training_state(optimizer, scaler, None, RECIPE, Settings()))
        return dict(torch.load(path, weights_only=True))


def _model() -> Any:
    return build_model("resnet18_quarter", [], 4, 3, size=32)


def _tools(model: Any) -> tuple[Any, Any]:
    return torch.optim.SGD(model.parameters(), 0.1, momentum=0.9), torch.amp.GradScaler("cpu", enabled=False)


def trial(rng: Rng, folder: Path) -> None:
    """One file, used to predict and to go on."""
    path = folder / "last.pt"
    how = pick(rng, ("bytes", "values", "values", "tensors", "bare"))
    changed: Any = copy.deepcopy(content())
    if how == "values":
        for _ in range(int(rng.integers(1, 4))):
            change_value(changed, rng)
    elif how == "tensors":
        _change_tensor(changed["state"], rng)
    elif how == "bare":
        changed = foreign(changed["state"], rng)
    if how in ("values", "tensors") and isinstance(changed, dict) and rng.random() < 0.7:
        changed.pop("checksum", None)
        with contextlib.suppress(ValueError, TypeError, RuntimeError, RecursionError, OverflowError):
            changed["checksum"] = checksum(changed)
    torch.save(changed, path)
    if how == "bytes":
        path.write_bytes(damage_bytes(path.read_bytes(), rng))
    read_by((_predicts, _resumes), path, how == "bytes")


def _predicts(path: Path, damaged: bool) -> None:
    model = load_model(path)
    if damaged and checksum(model.state_dict()) != checksum(content()["state"]):
        raise Fault("wrong", "weights that were changed are used")
    if model.config["name"] == "resnet18_quarter" and model.config["frames"] <= 8:
        with torch.no_grad():
            scores = model(torch.zeros((1, 3, model.config["frames"], 32, 32)))
        if not torch.isfinite(scores).all():
            raise Fault("wrong", "scores that are no numbers")


def _resumes(path: Path, damaged: bool) -> None:
    del damaged
    model = _model()
    optimizer, scaler = _tools(model)
    state = resume(path, model, optimizer, scaler, RECIPE, Settings())
    sum(parameter.sum() for parameter in model.parameters()).backward()  # type: ignore[union-attr]
    optimizer.step()
    if not (state.epoch >= 0 and isinstance(state.best, (int, float))):
        raise Fault("wrong", f"goes on at {state.epoch}")


def _change_tensor(state: dict[str, Any], rng: Rng) -> None:
    name = pick(rng, tuple(state))
    value = state[name]
    how = int(rng.integers(5))
    if how == 0 and value.is_floating_point() and value.numel():
        value.view(-1)[int(rng.integers(value.numel()))] = float("nan")
    elif how == 1:
        state[name] = torch.zeros((*value.shape, 2))
    elif how == 2:
        state[name] = value.to(pick(rng, (torch.int8, torch.float64, torch.complex64, torch.bool)))
    elif how == 3:
        del state[name]
    else:
        state[name] = value.to_sparse() if value.ndim == 2 else value.reshape(-1)
