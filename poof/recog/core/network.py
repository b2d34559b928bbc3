"""The interface of published networks: a backbone with modules, or a builder, and the published figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poof.recog.core.model import Recognizer


@dataclass(frozen=True)
class Published:
    """Figures of a document: accuracy in percent on a data set, GMACs and millions of parameters where printed.

    `classes`, `frames` and `size` are those the GMACs and parameters belong to, `knobs` those of the network in which
    the row differs from it, as one writes them behind its name ('delta=0.5').
    """

    data: str
    top1: float | None = None
    top5: float | None = None
    gmacs: float | None = None
    mparams: float | None = None
    frames: int = 8
    classes: int = 174
    size: int = 224
    knobs: str = ""
    forward_ms: float | None = None
    backward_ms: float | None = None


@dataclass(frozen=True)
class Network:
    """One line of the registry.

    Attributes
    ----------
    document
        Where it was published.
    backbone
        Name of a backbone; or a builder for networks that are more than one backbone with modules (two pathways),
        called with `poof.recog.asked.Asked` and its knobs.
    modules
        Modules for the backbone, with knobs.
    published
        The document's figures.
    own_frames, own_size
        Frames (segments) and side of the input that the network brings; None: those of its first figure, 224.
    """

    document: str
    backbone: str | Callable[..., Recognizer]
    modules: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()
    own_frames: int | None = None
    own_size: int | None = None

    @property
    def frames(self) -> int:
        """Frames (segments) of a clip, unless one asks for others."""
        return self.own_frames or (self.published[0].frames if self.published else 8)

    @property
    def size(self) -> int:
        """Side of the input in pixels, unless one asks for another."""
        return self.own_size or 224
