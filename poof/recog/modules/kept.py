"""What a module keeps of its last forward pass: not part of its state, and never copied with it."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """A box. Copies of the module begin with an empty one: results of a pass cannot be copied, nor should they be."""

    def __init__(self) -> None:
        self.value: T | None = None

    def __deepcopy__(self, copied: dict[int, Any]) -> Kept[T]:
        return Kept()

    def __getstate__(self) -> dict[str, None]:
        return {"value": None}
