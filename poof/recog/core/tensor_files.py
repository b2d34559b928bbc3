"""Tensor files: read without executing anything, damaged ones refused."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from poof.checkpoints import refuse_odd_tensors
from poof.errors import PoofError


class NotFinite(PoofError):
    """Numbers that are none: a network that is damaged, or a training that diverged."""


def checksum(content: Any) -> str:
    """SHA-256 of plain values and tensors, in the order in which they stand."""
    digest = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, Tensor):
            plain = value.detach().cpu().contiguous()
            digest.update(f"tensor {plain.dtype} {tuple(plain.shape)}".encode())
            digest.update(plain.reshape(-1).view(torch.uint8).numpy().data if plain.numel() else b"")
        elif isinstance(value, dict):
            digest.update(f"dict {len(value)}".encode())
            for key, item in value.items():
                add(key)
                add(item)
        elif isinstance(value, (list, tuple)):
            digest.update(f"list {len(value)}".encode())
            for item in value:
                add(item)
        else:
            digest.update(f"{type(value).__name__} {value!r};".encode())

    add(content)
    return digest.hexdigest()


def check_finite(state: dict[str, Tensor], where: str) -> None:
    """Refuse weights that are no numbers."""
    for key, value in state.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise NotFinite(f"{where}: the weights '{key}' are not finite (NaN or infinite)")


def load_tensors(path: Path, what: str) -> Any:
    """The content of a torch file that holds tensors and plain values; nothing in it is executed.

    Raises
    ------
    PoofError
        If it holds anything else, or is damaged; `what` says what it should be.
    """
    if not path.is_file():
        raise PoofError(f"{path}: is no file; give {what}")
    try:
        with warnings.catch_warnings(action="ignore"):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # Torch's own words advise to load it in a way that executes what the file says.
        raise PoofError(
            f"{path}: cannot be read as {what}: it is damaged, or holds more than tensors and plain values, which "
            "could run a program and is never loaded; save its state dict alone"
        ) from error
    except Exception as error:  # a damaged file makes the reader fail in every way there is
        raise PoofError(f"{path}: cannot be read as {what}: it is damaged or of another kind") from error
    refuse_odd_tensors(content, path)
    return content
