"""Saving a network so that it can be built again by one call, and a training so that it goes on exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor

from poof.checkpoints import tensors_of
from poof.errors import PoofError, not_there
from poof.files import atomic
from poof.recog.build import build_model
from poof.recog.core.model import Recognizer
from poof.recog.core.tensor_files import check_finite, checksum, load_tensors
from poof.recog.data.lists.base import check_class_names
from poof.recog.data.sampling import RULES

VERSION = 2
"""2 has a checksum; 1 is read, too."""


def save_model(path: Path, model: Recognizer, **extra: Any) -> None:
    """Write a network with what it takes to build it again; `extra` (plain values and tensors) rides along.

    Raises
    ------
    PoofError
        If a weight is not finite, or the file cannot be written and read back.
    """
    state = model.state_dict()
    check_finite(state, f"{path}: not written")
    content = {"poof_recog": VERSION, "config": model.config, "labels": model.labels, "state": state}
    content |= {"input": model.trained_on, "chosen_on": model.chosen_on, "start": model.start_kernels} | extra
    content["checksum"] = checksum(content)
    with atomic(path) as temporary:
        try:
            torch.save(content, temporary)
        except RuntimeError as error:  # torch's writer has errors of its own for a full disk
            raise PoofError(f"{path}: cannot be written; free space or choose another place") from error


def read_checkpoint(path: Path | str) -> dict[str, Any]:
    """What `save_model` wrote; a `PoofError` names a file that is something else, or not as it was written."""
    path = Path(path)
    if path.is_dir():
        path = path / "best.pt" if (path / "best.pt").is_file() else path / "last.pt"
    if not path.exists():
        raise not_there(path, "checkpoint", "`poof recog train` writes one")
    content = load_tensors(path, "a checkpoint of `poof recog train`")
    version = content.get("poof_recog") if isinstance(content, dict) else None
    if type(version) is not int:
        raise PoofError(f"{path}: is no checkpoint of `poof recog train`; give backbone weights with --weights")
    if version > VERSION:
        raise PoofError(f"{path}: is of a newer poof (version {version} of checkpoints); update poof")
    if version > 1 and content.pop("checksum", None) != checksum(content):
        raise PoofError(f"{path}: was damaged after it was written (its checksum differs); take last.pt or train anew")
    _check_content(content, path)
    return content


def _check_content(content: dict[str, Any], path: Path) -> None:
    """What building a network relies on."""
    config, labels, state = content.get("config"), content.get("labels"), content.get("state")
    if not isinstance(config, dict) or not {"name", "frames", "num_classes"} <= set(config):
        raise PoofError(f"{path}: does not say which network it holds; it is damaged")
    plain = isinstance(config["name"], str) and all(isinstance(key, str) for key in config)
    if not plain or any(True for _ in tensors_of(config)):
        raise PoofError(f"{path}: does not say which network it holds; it is damaged")
    for key in ("frames", "num_classes", "size"):
        if type(config.get(key, 1)) is not int:
            raise PoofError(f"{path}: its {key} is no whole number; it is damaged")
    if labels is not None:
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise PoofError(f"{path}: its class names are no texts; it is damaged")
        if len(labels) != config["num_classes"]:
            raise PoofError(f"{path}: has {len(labels)} class names for {config['num_classes']} classes; it is damaged")
        check_class_names(labels, str(path))
    _check_input(content, path)
    start = content.get("start") or {}  # runs of before have none
    if not _weights_by_name(start):
        raise PoofError(f"{path}: does not say what its training began with; it is damaged")
    if not _weights_by_name(state):
        raise PoofError(f"{path}: holds no weights; it is damaged")
    check_finite(start, f"{path}: at the start of its training")
    check_finite(state, str(path))


def _weights_by_name(value: Any) -> TypeGuard[dict[str, Tensor]]:
    return isinstance(value, dict) and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in value.items())


def _check_input(content: dict[str, Any], path: Path) -> None:
    """What judging relies on."""
    kept, chosen = content.get("input"), content.get("chosen_on")
    sound = kept is None or isinstance(kept, dict)
    if isinstance(kept, dict):
        numbers = [kept.get(key) for key in ("segments", "per_segment", "size", "window", "short")]
        sound = all(n is None or (type(n) is int and 0 < n <= 1_000_000) for n in numbers)
        sound = sound and kept.get("rule", "uniform") in RULES
    if chosen is not None:
        sound = sound and isinstance(chosen, Tensor) and chosen.dim() == 1 and not chosen.is_floating_point()
    training = content.get("training")
    recipe = training.get("recipe") if isinstance(training, dict) else None
    sound = sound and isinstance(training, dict | None) and isinstance(recipe, dict | None)
    if kept is None and recipe:  # a checkpoint of the first version, see `restore`
        sound = sound and recipe.get("rule") in RULES and type(recipe.get("window")) in (int, type(None))
    if not sound:
        raise PoofError(f"{path}: does not say how its clips are cut; it is damaged")


def take_pixels(model: Recognizer, content: dict[str, Any], path: Path | str) -> None:
    """Have a network get its frames as the weights of a checkpoint do; where that says nothing, as its backbone does.

    Raises
    ------
    PoofError
        If what it says is no normalisation.
    """
    try:
        if "mean" in (content.get("input") or {}):
            model.pixels = content["input"]
    except (TypeError, ValueError, KeyError) as error:
        raise PoofError(f"{path}: does not say how its frames are normalised; train it again") from error


def load_model(path: Path | str, device: torch.device | str = "cpu") -> Recognizer:
    """The network of a checkpoint (or of a run's folder: its best one), in evaluation mode."""
    model = restore(read_checkpoint(path), path)
    return model.to(device).eval()


def restore(content: dict[str, Any], path: Path | str = "the checkpoint") -> Recognizer:
    """Build the network of a checkpoint's content and fill it.

    Raises
    ------
    PoofError
        If its description builds no network, or one of other weights.
    """
    try:
        model = build_model(**content["config"])
    except PoofError as error:
        raise PoofError(f"{path}: its network cannot be built: {error}") from error
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError, IndexError) as error:
        raise PoofError(f"{path}: its description builds no network of this poof") from error
    own, state = model.state_dict(), content["state"]
    wrong = [
        key for key in {**own, **state} if key not in own or key not in state or own[key].shape != state[key].shape
    ]
    if wrong:
        raise PoofError(f"{path}: '{wrong[0]}' and {len(wrong) - 1} more of its weights do not fit its own network")
    model.load_state_dict(state, strict=True)
    take_pixels(model, content, path)
    model.labels = content["labels"]
    model.trained_on, model.chosen_on = content.get("input"), content.get("chosen_on")
    model.start_kernels = content.get("start")
    recipe = (content.get("training") or {}).get("recipe")
    if model.trained_on is None and recipe:  # a checkpoint of the first version
        model.trained_on = {"rule": recipe["rule"], "window": recipe["window"]}
    return model
