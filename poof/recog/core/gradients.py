"""How losses become gradients, for methods that do more than differentiate their sum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from torch import Tensor

if TYPE_CHECKING:
    from poof.recog.core.model import Recognizer


class Differentiate(Protocol):
    """Adds the gradient of a loss, scaled as the training scales it, to the parameters."""

    def __call__(self, value: Tensor, retain_graph: bool = False) -> None:
        """`retain_graph` where the graph is needed once more."""


Backward: TypeAlias = Callable[["Recognizer", Tensor, dict[str, Tensor], Differentiate], None]
"""(model, classification loss, losses of modules, differentiate): how losses become gradients."""

Average: TypeAlias = Callable[[Sequence[Tensor]], None]
"""Makes gradients those of the whole batch where several processes share it (`poof.parallel.Group.average`)."""
