"""Networks as names and shapes alone: torch's meta device, without the first values that nobody will see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_VALUES = (Tensor.uniform_, Tensor.normal_, Tensor.fill_, Tensor.zero_)


@contextmanager
def on_meta() -> Iterator[None]:
    """Inside, networks are made on the meta device; `torch.device("meta")` spends half its time on first values."""
    with torch.device("meta"), _NoValues():
        yield


class _NoValues(TorchFunctionMode):
    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _VALUES or getattr(func, "__module__", None) == "torch.nn.init":
            values = kwargs["tensor"] if "tensor" in kwargs else args[0]
            if values.is_meta:
                return values
        return func(*args, **kwargs)
