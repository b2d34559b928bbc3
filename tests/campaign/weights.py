"""Pose and flow checkpoints and states of runs: damaged or crafted, they are used right or refused in a line."""

from __future__ import annotations

import copy
import io
import math
import warnings
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from harness import Fault, check_message
from mutations import HOSTILE_NUMBERS, Rng, damage_bytes, pick

from poof.checkpoints import digest, save_checkpoint
from poof.errors import PoofError
from poof.flow.raft_weights import kind_of, read_state
from poof.labels import Skeleton
from poof.pose.initial import initial_network
from poof.pose.model import PoseModel, load_model
from poof.pose.run import restore_optimizer, resumable
from poof.pose.unet import UNet

NAMES = ("nose", "tail")


@cache
def content() -> dict[str, Any]:
    """A small pose model with the state of its training."""
    torch.manual_seed(0)
    model = PoseModel(UNet(2), Skeleton(NAMES, ((0, 1),)), (64, 64), confidence=(0.0, 1.0))
    optimizer = torch.optim.AdamW(model.network.parameters())
    whole = model.as_dict()
    whole["training"] = {
        "identity": "x", "step": 3, "top_score": 0.5, "history": [{"step": 3, "train_loss": 0.2}], "pending": [0.5],
        "fresh": ["tail"], "network": whole["network"], "optimizer": optimizer.state_dict(),
    }  # fmt: skip
    return whole


def trial(rng: Rng, folder: Path) -> None:
    """One file, read by everything that reads checkpoints."""
    if rng.random() < 0.35:
        import recog_states

        recog_states.trial(rng, folder)
        return
    path = folder / "m.pt"
    original = content()
    how = pick(rng, ("bytes", "bytes", "values", "values", "tensors", "bare"))
    changed: Any = original
    if how == "bytes":
        save_checkpoint(path, original)
        path.write_bytes(damage_bytes(path.read_bytes(), rng))
    else:
        changed = copy.deepcopy(original)
        if how == "values":
            for _ in range(int(rng.integers(1, 4))):
                change_value(changed, rng)
        elif how == "tensors":
            _change_tensor(changed, rng)
        else:
            changed = foreign(changed["network"], rng)
        if isinstance(changed, dict) and rng.random() < 0.3:
            save_checkpoint(path, changed)
        else:
            torch.save(changed, path)
    read_by((_predicts, _starts, _resumes, _flow), path, how == "bytes")


def read_by(readers: Iterable[Callable[[Path, bool], None]], path: Path, damaged: bool) -> None:
    """Every reader takes the file or refuses it in a line, without torch's advice to load it unsafely."""
    for read in readers:
        try:
            with warnings.catch_warnings(action="ignore"):
                read(path, damaged)
        except PoofError as error:
            check_message(str(error))
            if any(word in str(error) for word in ("weights_only", "unsafe", "trust")):
                raise Fault("wrong", f"advice of torch: {error}") from None


def _predicts(path: Path, damaged: bool) -> None:
    model = load_model(path)
    crops = torch.zeros((1, 3, *model.input_size), dtype=torch.uint8)
    if max(model.input_size) <= 128:
        xy, sure = model.points(crops)[:2]
        if not (abs(xy[sure == sure]).max(initial=0) < math.inf):
            raise Fault("wrong", f"points at {xy.tolist()}")
    if damaged and digest(model.as_dict()["network"]) != digest(content()["network"]):
        raise Fault("wrong", "weights that were changed are used")


def _starts(path: Path, damaged: bool) -> None:
    network, _ = initial_network(NAMES, str(path))
    for name, value in network.state_dict().items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise Fault("wrong", f"training would start from NaN in {name}")


def _resumes(path: Path, damaged: bool) -> None:
    state = resumable(path, "x")
    network = load_model(path).network
    optimizer = torch.optim.AdamW(network.parameters())
    restore_optimizer(optimizer, state["training"]["optimizer"], path)
    sum(parameter.sum() for parameter in network.parameters()).backward()  # type: ignore[union-attr]
    optimizer.step()


def _flow(path: Path, damaged: bool) -> None:
    kind_of(read_state(path))


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = []
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            if not isinstance(value[key], torch.Tensor):
                found += [(*place, key), *_places(value[key], (*place, key))]
    return found


def change_value(changed: Any, rng: Rng) -> None:
    """Replace or remove one value anywhere."""
    place = pick(rng, _places(changed))
    parent = changed
    for key in place[:-1]:
        if not isinstance(parent, dict | list):
            return
        try:
            parent = parent[key]
        except (LookupError, TypeError):
            return
    key = place[-1]
    if not isinstance(parent, dict | list) or (isinstance(parent, dict) and key not in parent):
        return
    if isinstance(parent, dict) and rng.random() < 0.25:
        del parent[key]
        return
    values = (
        None,
        True,
        "",
        "x" * 3000,
        "\x1b[31m\n",
        "\udc80",
        -1,
        2**70,
        1e400,
        math.nan,
        [],
        {},
        [[]],
        [None] * 9,
        10**400,
    )
    numbers = tuple(HOSTILE_NUMBERS)
    if isinstance(parent, list) and key >= len(parent):
        return
    parent[key] = pick(rng, (*values, *numbers)) if rng.random() < 0.9 else torch.zeros(3)


def _change_tensor(changed: dict[str, Any], rng: Rng) -> None:
    state = changed["network"] if rng.random() < 0.5 else changed["training"]["network"]
    name = pick(rng, tuple(state))
    value = state[name]
    how = int(rng.integers(7))
    if how == 0 and value.is_floating_point() and value.numel():
        value.view(-1)[int(rng.integers(value.numel()))] = pick(rng, (math.nan, math.inf, -math.inf))
    elif how == 1:
        state[name] = torch.zeros((*value.shape, 2))
    elif how == 2:
        state[name] = value.to(pick(rng, (torch.int8, torch.float64, torch.float16, torch.complex64, torch.bool)))
    elif how == 3:
        state[f"_orig_mod.{name}"] = state.pop(name)
    elif how == 4:
        del state[name]
    elif how == 5 and value.ndim == 2:
        state[name] = value.to_sparse()
    else:
        state[f"{name}\x1b"] = value


def foreign(state: dict[str, Any], rng: Rng) -> Any:
    """Weights as another tool saves them."""
    prefix = pick(rng, ("", "module.", "_orig_mod.", "backbone."))
    state = {f"{prefix}{name}": value for name, value in state.items()}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return pick(rng, (state, {"model": state}, {"model_state_dict": state}, {"state_dict": {"model": state}}, [state],
                      {"model": 3}, {}, None, 3, "text", {"network": state, "format": "poof-pose"}))  # fmt: skip
