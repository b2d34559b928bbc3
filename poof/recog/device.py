"""Choosing the device."""

from __future__ import annotations

import torch

from poof.errors import PoofError


def pick_device(name: str = "auto") -> str:
    """'auto' is CUDA where there is one, else the CPU; other names must be usable here."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise PoofError(f"device {name}: cannot be used here ({reason}); choose auto or cpu with --device") from error
    return name
