"""Saving a network so that it can be built again by one call, and a training so that it goes on exactly."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from poof.errors import PoofError
from poof.files import atomic
from poof.recog.build import build_model
from poof.recog.model import Recognizer

VERSION = 1


def save_model(path: Path, model: Recognizer, **extra: Any) -> None:
    """Write a network with what it takes to build it again; `extra` (plain values and tensors) rides along."""
    content = {"poof_recog": VERSION, "config": model.config, "labels": model.labels, "state": model.state_dict()}
    with atomic(path) as temporary:
        torch.save(content | extra, temporary)


def read_checkpoint(path: Path | str) -> dict[str, Any]:
    """What `save_model` wrote; a `PoofError` names a file that is something else."""
    path = Path(path)
    if path.is_dir():
        path = path / "best.pt" if (path / "best.pt").is_file() else path / "last.pt"
    if not path.is_file():
        raise PoofError(f"{path}: there is no such checkpoint; `poof recog train` writes one")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise PoofError(f"{path}: cannot be read as a checkpoint ({str(error).splitlines()[0]})") from error
    if not isinstance(content, dict) or content.get("poof_recog") != VERSION:
        raise PoofError(f"{path}: is no checkpoint of `poof recog train`; give backbone weights with --weights")
    return content


def load_model(path: Path | str, device: torch.device | str = "cpu") -> Recognizer:
    """The network of a checkpoint (or of a run's folder: its best one), in evaluation mode."""
    content = read_checkpoint(path)
    model = restore(content)
    return model.to(device).eval()


def restore(content: dict[str, Any]) -> Recognizer:
    """Build the network of a checkpoint's content and fill it."""
    config = dict(content["config"])
    model = build_model(**config)
    model.load_state_dict(content["state"], strict=True)
    model.labels = content["labels"]
    return model
