"""The interface of temporal modules: one class, one file, one line in `poof.recog.zoo.modules.MODULES`.

A module sees a clip's features as (N, T, C, H, W) whatever its host: the frame folds and turns axes, so the same file
serves 2D hosts (where time lives in the batch) and 3D hosts. It says itself where in a host it belongs (`places`),
checks there that the shape makes sense (`__init__`), and may besides

* consume several raw frames a segment when it sits on the input (`raw_frames`),
* give features to the classifier from a side branch (`features`, `side`),
* add losses (`losses`), and say how they and the classifier's become gradients (`backward_rule`),
* read out what it did in the last forward pass (`diagnostics`) or over an epoch of training (`training_reads`) and
* show what it made (`pictures`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.amp.autocast_mode import is_autocast_available

from poof.errors import PoofError, names_near

if TYPE_CHECKING:
    from poof.recog.core.backbone import Block, Host
    from poof.recog.core.gradients import Average, Backward

Side = Literal["before", "after"]


@dataclass(frozen=True)
class Shape:
    """The features at one place of a host for one clip: frames T, channels C, height and width in cells."""

    frames: int
    channels: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.frames}x{self.channels}x{self.height}x{self.width}"


@dataclass(frozen=True)
class Place:
    """Before or after one layer of the host, named by its path there; the path '' is the host itself (its input).

    `knobs` are what the module must know of this place (the kernel of the layer it sits in ...); a user's own go first.
    """

    path: str
    side: Side = "before"
    knobs: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return f"{self.side} {self.path or 'the input'}"


@dataclass(frozen=True)
class Picture:
    """What a module made of one clip, for people to look at: a row of a contact sheet.

    Attributes
    ----------
    title
        What it is, a few words.
    values
        Images (T, 3, H, W) or (T, H, W), or maps (T, h, w) over the frames, in any range.
    kind
        'signed': an image in which 0 is grey; 'image': from its darkest to its brightest; 'heat': a map over the frame
        from its smallest to its largest value.
    mark
        (t, y, x) of the cell of `values` that the maps belong to.
    note
        What the colours mean in numbers, a few words.
    """

    title: str
    values: Tensor
    kind: Literal["signed", "image", "heat"] = "image"
    mark: tuple[int, int, int] | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Marks(Picture):
    """Points that a module found in the frames of a clip (`values`, (T, P, 2)), and where it thinks they go.

    Positions are (x, y) as fractions of width and height from the upper left corner.

    Attributes
    ----------
    lines
        (T, 2, L): x of upright and y of level lines across each frame.
    shifts
        (T - 1, P, 2): from each frame to the next.
    weights
        (T - 1, P): how much each shift counts, at most 1.
    """

    lines: Tensor
    shifts: Tensor
    weights: Tensor


class TemporalModule(nn.Module):
    """Base of the modules that can be put into a host.

    Parameters
    ----------
    shape
        The features at the place where the module is going to sit. The constructor raises `PoofError`, with the
        reason, where the module makes no sense.

    Attributes
    ----------
    document : str
        Where the module is defined: authors, title, section.
    origin : str
        The authors' own code, as a GitHub owner/name, '' where none is known.
    summary : str
        One line for `recog list`.
    min_frames : int
        Places with fewer frames are left out (and named in the report).
    features : int
        Number of features per clip that `side` hands to the classifier.
    watching : bool
        Whether the forward pass keeps what `diagnostics` reads; off by default since it may cost memory.
    marked : sequence of (t, y, x) or None
        In modules that attend from cell to cell: where the cells lie whose attention is drawn, each from 0 to 1; none
        for a cell that the module chooses. None: this module does not attend so.
    """

    document: ClassVar[str]
    origin: ClassVar[str] = ""
    summary: ClassVar[str]
    min_frames: ClassVar[int] = 2
    features: int = 0
    watching: bool = False
    marked: Sequence[tuple[float, float, float]] | None = None

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape

    @classmethod
    def places(cls, host: Host) -> Sequence[Place]:
        """Where in `host` the module belongs, in the order of the forward pass; takes those knobs that move it."""
        raise NotImplementedError

    @classmethod
    def prepare(cls, host: Host, **knobs: Any) -> None:
        """Change the host before anything goes in (narrow its layers ...); gets the knobs a user set; mostly nothing.

        Published weights no longer fit a host that was changed.
        """
        del host, knobs

    @classmethod
    def raw_frames(cls, **knobs: Any) -> int:
        """Raw frames the module takes for each frame it gives, with these knobs; above 1 only on the input."""
        del knobs
        return 1

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, T, C, H, W) to features of the same or another shape."""
        raise NotImplementedError

    def attach(self, host: Host) -> None:
        """Told once the host is complete: for modules that use its layers besides the features; mostly nothing."""

    def side(self) -> Tensor:
        """Features (N, `features`) of the last forward pass for the classifier."""
        raise NotImplementedError

    def losses(self) -> dict[str, Tensor]:
        """Scalar losses of the last forward pass, already weighted; added to the classification loss."""
        return {}

    def backward_rule(self, name: str, steps: int, average: Average) -> Backward | None:
        """How its losses and the classifier's become gradients, where that is more than their sum; mostly None.

        Parameters
        ----------
        name
            Under which the network's losses have those of this module, as 'name.loss'.
        steps
            Batches of the whole training.
        average
            Makes gradients those of the whole batch where several processes share it.
        """
        del name, steps, average
        return None

    def class_weights(self) -> Tensor | None:
        """(classes, C): how much each channel here speaks for each class; None for modules that learn no such thing."""
        return None

    def input_kernels(self) -> dict[str, Tensor]:
        """Kernels that meet the input of the network, by their path in the module; see `core.input_kernels`."""
        return {}

    def diagnostics(self) -> dict[str, float]:
        """Numbers that say what the module did in the last forward pass while `watching`."""
        return {}

    def pictures(self) -> list[Picture]:
        """What the module made of the first clip of the last forward pass while `watching`."""
        return []

    def training_reads(self) -> dict[str, float]:
        """Numbers gathered over the training steps since the last call; they stand in the curves of a training."""
        return {}


class InputModule(TemporalModule):
    """Base of the modules that stand on the input and make one picture, or a few, of several raw frames."""

    @classmethod
    def places(cls, host: Host) -> Sequence[Place]:
        """The input."""
        del host
        return [Place("")]


def temporal_blocks(host: Host) -> list[Block]:
    """The residual blocks in which shift-like modules sit, by the rule of TSM's code that M2A shares.

    Every block of a ResNet, every second one (of each stage) when the third stage has 23 or more (ResNet-101);
    of MobileNetV2 the blocks that have both an expansion and a skip connection.
    """
    blocks = [block for block in host.blocks if block.skip and block.expands]
    third = sum(block.stage == 3 for block in blocks)
    return [block for block in blocks if block.index % 2 == 0] if third >= 23 else blocks


def shift_time(x: Tensor, by: int, fill: Literal["wrap", "zero"] = "zero") -> Tensor:
    """Frame t of the result is frame t + `by` of `x` (N, T, ...); beyond the ends zeros or the other end's frames."""
    if fill == "wrap":
        return torch.roll(x, -by, dims=1)
    count = min(abs(by), x.shape[1])
    zeros = torch.zeros_like(x[:, :count])
    return torch.cat([x[:, count:], zeros] if by > 0 else [zeros, x[:, : x.shape[1] - count]], dim=1)


def norm_frames(x: Tensor) -> Tensor:
    """Layer norm of each frame over all its channels and cells, without affine parameters (eps 1e-5)."""
    return nn.functional.layer_norm(x, x.shape[2:])


def full_precision(x: Tensor) -> AbstractContextManager[object]:
    """Mixed precision off for what overflows or loses too much in it; the meta device knows no such mode."""
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if is_autocast_available(kind) else nullcontext()


def single(x: Tensor) -> Tensor:
    """In single precision at least: halves become floats, doubles stay."""
    return x if x.dtype == torch.float64 else x.float()


def per_frame(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A 2D layer on each frame of (N, T, C, H, W)."""
    return layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def in_segments(x: Tensor, k: int) -> Tensor:
    """Frames (N, S * K, C, H, W) as segments (N * S, K, C, H, W); a `PoofError` where some are left over."""
    if x.shape[1] % k:
        raise PoofError(f"{x.shape[1]} frames cannot be cut into segments of {k}")
    return x.unflatten(1, (-1, k)).flatten(0, 1)


def choose(knob: str, value: str, options: Sequence[str]) -> str:
    """`value`, or a `PoofError` that lists what the knob may be."""
    if value not in options:
        raise PoofError(f"{knob}={value}: choose one of {names_near(value, options)}")
    return value
