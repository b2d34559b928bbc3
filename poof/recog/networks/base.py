"""What a published network is: a backbone with modules, or a builder of its own, and the figures printed for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poof.recog.model import Recognizer


@dataclass(frozen=True)
class Published:
    """Figures of a document: accuracy in percent on a data set, GMACs and millions of parameters where printed.

    `classes` and `frames` are those the GMACs and parameters belong to.
    """

    data: str
    top1: float | None = None
    top5: float | None = None
    gmacs: float | None = None
    mparams: float | None = None
    frames: int = 8
    classes: int = 174


@dataclass(frozen=True)
class Network:
    """One line of the registry.

    Attributes
    ----------
    document
        Where it was published.
    backbone
        Name of a backbone; or a builder for networks that are more than one backbone with modules (two pathways),
        called with name, frames, num_classes, size, dropout and weights.
    modules
        Modules for the backbone, with knobs.
    published
        The document's figures.
    """

    document: str
    backbone: str | Callable[..., Recognizer]
    modules: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()
