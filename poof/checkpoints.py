"""Checkpoint files: written with a checksum, read without executing anything, checked before anybody uses them.

What poof writes is a `torch.save` of a plain dictionary (tensors, numbers, strings, lists, dictionaries), with a
checksum of all of it under `checksum`: PyTorch itself takes a file with a changed byte in a tensor for good. Files of
other tools, and those of earlier versions of poof, have none.
"""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from poof import interrupts
from poof.errors import PoofError, not_there
from poof.files import atomic

CHECKSUM = "checksum"
WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training programs keep the tensors: Lightning and mmpose, PyTorch's tutorial, many others."""
_PREFIXES = re.compile(r"(^|\.)_orig_mod\.")
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")
_MOST_DEEP = 50
_MOST_REPEATED = 1 << 30  # bytes of a tensor that repeats the values that are stored


# ----------------------------------------------------------------------------------------------------------- writing


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint, atomically and with its checksum.

    Raises
    ------
    PoofError
        If the file cannot be written; what stood there before is kept.
    """
    content = {name: value for name, value in content.items() if name != CHECKSUM}
    content[CHECKSUM] = digest(content)
    with atomic(path) as temporary:
        try:
            with temporary.open("wb") as file:
                torch.save(content, file)
                file.flush()
                os.fsync(file.fileno())
            with zipfile.ZipFile(temporary) as written:
                whole = bool(written.namelist())
        except (RuntimeError, zipfile.BadZipFile) as error:
            interrupts.check()  # torch's writer may have made another error of it
            # A full disk reaches us as an error of torch's writer.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        if not whole:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


def digest(value: Any) -> str:
    """SHA-256 of nested dictionaries, lists, tensors and plain values, the same on every machine."""
    total = hashlib.sha256()

    def add(one: Any, depth: int) -> None:
        if depth > _MOST_DEEP:
            raise ValueError("too many levels")
        if isinstance(one, Tensor):
            flat = one.detach().cpu().contiguous().reshape(-1)
            total.update(f"tensor {one.dtype} {tuple(one.shape)}:".encode())
            if flat.numel():
                total.update(flat.view(torch.uint8).numpy().data)
        elif isinstance(one, Mapping):
            total.update(f"dict {len(one)}:".encode())
            for key, item in one.items():
                add(key, depth + 1)
                add(item, depth + 1)
        elif isinstance(one, list | tuple):
            total.update(f"list {len(one)}:".encode())
            for item in one:
                add(item, depth + 1)
        else:
            text = repr(one).encode("utf-8", "surrogatepass")
            total.update(f"{type(one).__name__} {len(text)}:".encode() + text)

    add(value, 0)
    return total.hexdigest()


# ----------------------------------------------------------------------------------------------------------- reading


def read_checkpoint(path: str | Path, remedy: str = "give the .pt of a training run, or a published file") -> Any:
    """What a checkpoint file of any origin holds, on the CPU; nothing in it is executed.

    Parameters
    ----------
    path
        The file.
    remedy
        What the user can do instead, for the end of messages.

    Raises
    ------
    PoofError
        If there is no such file, it is no PyTorch checkpoint, holds more than tensors and plain values, or does not
        agree with its own checksum.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise not_there(path, "checkpoint", remedy)
        if not path.is_file():
            raise PoofError(f"{path}: is no file; {remedy}")
        with path.open("rb") as file:
            content = _decoded(path, file, remedy)
    except OSError as error:
        raise PoofError(f"{path}: cannot be read ({error.strerror or error}); {remedy}") from error
    refuse_odd_tensors(content, path)
    if isinstance(content, dict) and CHECKSUM in content:
        _verify(path, content)
    return content


SENSELESS = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RuntimeError, PoofError)
"""What Python and torch raise when something else stands where a plain value or a tensor of its kind should."""


def refuse_odd_tensors(content: Any, path: str | Path) -> None:
    """A `PoofError` for tensors of which most of what is asked of weights cannot be asked.

    Those are sparse or quantised ones, shapes without values, and few values that are repeated beyond all memory.
    """
    for tensor in tensors_of(content):
        if tensor.layout != torch.strided or tensor.is_quantized:
            raise PoofError(f"{path}: holds sparse or quantised tensors; save the network's weights as they train")
        if tensor.device.type == "meta":
            raise PoofError(f"{path}: holds shapes without values; save the weights after they were computed")
        size = tensor.numel() * tensor.element_size()
        if size > max(_MOST_REPEATED, tensor.untyped_storage().nbytes()):
            raise PoofError(
                f"{path}: a tensor of {size / 1e9:.0f} GB repeats a few values; save the weights themselves"
            )


def tensors_of(content: Any) -> Iterator[Tensor]:
    """All tensors in what was read, however deep."""
    todo, seen = [content], set()
    while todo:
        value = todo.pop()
        if id(value) in seen:  # a list may hold itself
            continue
        seen.add(id(value))
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, Mapping):
            todo += value.values()
        elif isinstance(value, list | tuple):
            todo += value


def _decoded(path: Path, file: Any, remedy: str) -> Any:
    try:
        with warnings.catch_warnings(action="ignore"):
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # What torch says here is to load the file without the protection; nobody should.
        found = _GLOBAL.search(str(error))
        if found:
            raise PoofError(
                f"{path}: is no PyTorch checkpoint, or holds code beside its weights ({found[1][:60]}), which "
                "is never run; save its state_dict() alone"
            ) from None
        raise PoofError(f"{path}: is no PyTorch checkpoint, or is damaged; {remedy}") from None
    except Exception:  # a file of garbage can raise anything in torch's reader
        raise PoofError(f"{path}: is no PyTorch checkpoint, or is damaged or cut short; {remedy}") from None


def _verify(path: Path, content: dict[str, Any]) -> None:
    try:
        found = digest({name: value for name, value in content.items() if name != CHECKSUM})
    except (ValueError, TypeError, RuntimeError, RecursionError):
        found = ""
    if found != content[CHECKSUM]:
        raise PoofError(
            f"{path}: is damaged, its content does not agree with its checksum; copy it again, or train again"
        )


# ------------------------------------------------------------------------------------------------------------ checks


def tensors_in(content: Any, path: str | Path) -> dict[str, Tensor]:
    """The state dict in what a checkpoint of another tool holds: bare or wrapped, without the prefixes of wrappers.

    `torch.compile` puts ``_orig_mod.`` before the names of what it compiled, `DataParallel` ``module.`` before all.

    Raises
    ------
    PoofError
        If there are no tensors in it.
    """
    for _ in WRAPPERS:
        inner = [content[key] for key in WRAPPERS if isinstance(content, dict) and isinstance(content.get(key), dict)]
        if not inner:
            break
        content = inner[0]
    if not isinstance(content, dict):
        raise PoofError(f"{path}: holds {type(content).__name__}, not a dictionary of tensors; give a state dict")
    state = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not state:
        raise PoofError(f"{path}: holds dict, not a dictionary of tensors; give a checkpoint with a network's weights")
    return plain_names(state)


def plain_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the names that the network itself has for them."""
    plain = dict(state)
    while True:
        before = list(plain)
        plain = {_PREFIXES.sub(r"\1", name): value for name, value in plain.items()}
        if plain and all(name.startswith("module.") for name in plain):
            plain = {name.removeprefix("module."): value for name, value in plain.items()}
        if list(plain) == before:
            return plain


def check_finite(state: Mapping[str, Any], path: str | Path) -> None:
    """Refuse weights that are no numbers: with them a network answers, and every answer is wrong.

    Raises
    ------
    PoofError
        If a tensor holds NaN or infinity.
    """
    for name, value in state.items():
        real = isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex())
        if real and not torch.isfinite(value).all():
            what = f"{str(name)[:80]} holds NaN or infinity"
            raise PoofError(f"{path}: {what}; take an earlier checkpoint, or fetch the file again")


def load_optimizer(optimizer: torch.optim.Optimizer, state: Any) -> None:
    """Give an optimizer the state it had.

    Raises
    ------
    ValueError, TypeError, LookupError, RuntimeError, AttributeError
        If the state is another optimizer's or damaged: settings of another kind, tensors of other shapes.
    """
    usual = [_settings(group) for group in optimizer.param_groups]
    optimizer.load_state_dict(state)
    if [_settings(group) for group in optimizer.param_groups] != usual:
        raise ValueError("settings of the optimizer")
    for parameter, moments in optimizer.state.items():
        for value in moments.values():
            if isinstance(value, Tensor) and value.ndim and value.shape != parameter.shape:
                raise ValueError(f"{tuple(value.shape)} for {tuple(parameter.shape)}")
        check_finite(moments, "the optimizer")


def _settings(group: dict[str, Any]) -> dict[str, Any]:
    """The kinds of an optimiser's settings, and its switches themselves."""
    return {key: value if isinstance(value, bool) else type(value) for key, value in group.items()}
