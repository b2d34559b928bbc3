"""Choice of the device that networks run on."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from poof.errors import PoofError

if TYPE_CHECKING:
    import torch

VALID = "auto, cpu, cuda, cuda:N or mps"


def gpu_driver() -> bool:
    """Whether a driver is installed that torch could find a CUDA (or ROCm) device through; asks no torch."""
    if Path("/dev/kfd").exists():
        return True
    with suppress(OSError):
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        return True
    return False


def resolve_device(name: str = "auto") -> torch.device:
    """The torch device that `name` means on this machine; 'auto' is CUDA where there is one, the CPU otherwise.

    Raises
    ------
    PoofError
        If the name is none of 'auto', 'cpu', 'cuda', 'cuda:N', 'mps', or this machine (or this build of torch) has no
        such device.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and (kind != "cuda" or not number.isdecimal())):
        raise PoofError(f"unknown device '{name}'; valid: {VALID}")
    if kind == "cuda":
        if not torch.cuda.is_available():
            built = "finds no GPU" if torch.version.cuda else f"is built without CUDA ({torch.__version__})"
            raise PoofError(
                f"device '{name}': torch {built}; use --device cpu or auto, or install a CUDA build of torch"
            )
        if number and int(number) >= torch.cuda.device_count():
            raise PoofError(f"device '{name}': this machine has {torch.cuda.device_count()} GPUs, counted from cuda:0")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise PoofError("device 'mps': needs an Apple GPU and a torch built for it; use --device cpu or auto")
    return torch.device(name)
