"""A non-persistent value of a module, from its last forward pass: not in its state dict, not copied with it."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

T = TypeVar("T")


class NonPersistent(Generic[T]):
    """A value that is empty in copies of the module: tensors of a forward pass cannot be copied, nor should they be."""

    def __init__(self) -> None:
        self.value: T | None = None

    def __deepcopy__(self, copied: dict[int, Any]) -> NonPersistent[T]:
        return NonPersistent()

    def __getstate__(self) -> dict[str, None]:
        return {"value": None}
