"""The recogniser: an unchanged backbone, with modules inserted at named places by forward hooks.

The host network keeps its own state dict, key by key: modules live beside it in `inserted` and reach their places
through forward hooks. So `model.backbone.load_state_dict(published_weights)` works, strictly, before and after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from poof.errors import PoofError
from poof.recog.core.backbone import Block, Host
from poof.recog.core.module import Picture, Place, Shape, TemporalModule
from poof.recog.data.transform import normalise


@dataclass(frozen=True)
class Insertion:
    """Where a module went: the line of a report."""

    module: str
    place: Place
    before: Shape
    after: Shape
    parameters: int
    macs: int


class Recognizer(nn.Module):
    """What training, evaluation, profiling and explanation need of a network.

    Attributes
    ----------
    config : dict
        Arguments of `build_model` that make the same network again.
    segments, per_segment : int
        A clip has segments * per_segment raw frames: per_segment neighbours from each of the segments.
    size : int
        Side of the square input in pixels that shapes and costs are reported for.
    mean, std : (float, float, float)
        Normalisation of the channels in [0, 1] that the input must have.
    bgr : bool
        Whether the channels are blue, green and red, not RGB: the weights are of a release that was trained so.
    stages : sequence of str
        Paths (from the network itself) of the last layer of each stage, for heat maps.
    insertions : list of Insertion
        Where each module went.
    left_out : list of str
        Places that were passed over, with the reason.
    blocks : sequence of Block
        The backbone's blocks, paths within `backbone`; none where there is more than one backbone.
    labels : list of str or None
        Class names, once known.
    trained_on : dict or None
        What training fixed of the input, once known; see `poof.recog.evaluation.judging`.
    chosen_on : tensor or None
        Marks of the clips by which the best epoch was chosen; see `poof.recog.evaluation.judging`.
    start_kernels : dict or None
        What `poof.recog.core.input_kernels` found before the first step of the training, once known.
    """

    config: dict[str, Any]
    segments: int
    per_segment: int = 1
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    bgr: bool = False
    stages: Sequence[str]
    insertions: list[Insertion]
    left_out: list[str]
    blocks: Sequence[Block] = ()
    labels: list[str] | None = None
    trained_on: dict[str, Any] | None = None
    chosen_on: Tensor | None = None
    start_kernels: dict[str, Tensor] | None = None

    @property
    def classifiers(self) -> tuple[str, ...]:
        """Paths (from the network itself) of the last linear layers, which give a score a class."""
        return ()

    @property
    def clip_shape(self) -> tuple[int, int, int, int, int]:
        """(1, T, 3, H, W) of one clip."""
        return (1, self.segments * self.per_segment, 3, self.size, self.size)

    @property
    def pixels(self) -> dict[str, Any]:
        """How the network wants its frames: `mean`, `std`, `bgr`."""
        return {"mean": list(self.mean), "std": list(self.std), "bgr": self.bgr}

    @pixels.setter
    def pixels(self, wanted: Mapping[str, Any]) -> None:
        """That of other weights: they may want them otherwise than the backbone does."""
        (a, b, c), (d, e, f) = (map(float, wanted[key]) for key in ("mean", "std"))
        self.mean, self.std, self.bgr = (a, b, c), (d, e, f), bool(wanted.get("bgr"))

    def normalise(self, clips: Tensor) -> Tensor:
        """RGB uint8 (..., 3, H, W) as the network sees them: in its order of channels, less `mean`, over `std`."""
        return normalise(clips.flip(-3) if self.bgr else clips, self.mean, self.std)

    def temporal_modules(self) -> Iterator[tuple[str, TemporalModule]]:
        """(name, module) of every temporal module inside, in order of insertion."""
        for name, module in self.named_modules():
            if isinstance(module, TemporalModule):
                yield name.removeprefix("inserted.").removesuffix(".module"), module

    def losses(self) -> dict[str, Tensor]:
        """Weighted losses that modules add for the last forward pass, by module and name."""
        return {f"{name}.{key}": loss for name, m in self.temporal_modules() for key, loss in m.losses().items()}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Inside, forward passes keep what `diagnostics` reads."""
        modules = [module for _, module in self.temporal_modules()]
        for module in modules:
            module.watching = True
        try:
            yield
        finally:
            for module in modules:
                module.watching = False

    def diagnostics(self) -> dict[str, dict[str, float]]:
        """Read-outs of the last forward pass under `watching`, by module."""
        return {name: read for name, m in self.temporal_modules() if (read := m.diagnostics())}

    def pictures(self) -> dict[str, list[Picture]]:
        """What modules made of the first clip of the last forward pass under `watching`, by module."""
        return {name: rows for name, m in self.temporal_modules() if (rows := m.pictures())}

    def training_reads(self) -> dict[str, float]:
        """Read-outs of the training steps since the last call, as 'module.name': value."""
        return {f"{name}.{key}": v for name, m in self.temporal_modules() for key, v in m.training_reads().items()}

    def forward(self, clips: Tensor) -> Tensor:
        """Clips (N, T, 3, H, W), normalised, to logits (N, classes)."""
        raise NotImplementedError

    def check(self, clips: Tensor) -> None:
        """Refuse what is no batch of clips, in one line."""
        if clips.dim() != 5 or clips.shape[2] != 3:
            raise PoofError(f"clips of shape {tuple(clips.shape)}: expected (clips, frames, 3, height, width)")
        if clips.shape[1] % self.per_segment:
            raise PoofError(f"clips of {clips.shape[1]} frames: this network takes {self.per_segment} frames a segment")


@dataclass
class FrameCount:
    """Number of frames of the features that pass through a 2D host folded into the batch."""

    frames: int = 0


class InsertedModule(nn.Module):
    """A module at its place: turns the host's axes into the module's and back."""

    def __init__(self, module: TemporalModule, dims: int, frame_count: FrameCount) -> None:
        super().__init__()
        self.module, self.dims, self.frame_count = module, dims, frame_count

    def forward(self, x: Tensor) -> Tensor:
        """Features as the host has them, before and after the module."""
        return apply(self.module, x, self.dims, self.frame_count)

    def before(self, layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Hook in front of a layer."""
        return (self(inputs[0]), *inputs[1:])

    def after(self, layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        """Hook behind a layer."""
        return self(output)


def apply(module: nn.Module, x: Tensor, dims: int, frame_count: FrameCount) -> Tensor:
    """Run a module that wants (N, T, C, H, W) on (N*T, C, H, W) or (N, C, T, H, W)."""
    if dims == 3:
        return module(x.transpose(1, 2)).transpose(1, 2)
    y = module(x.unflatten(0, (-1, frame_count.frames)))
    frame_count.frames = y.shape[1]
    return y.flatten(0, 1)


class Head(nn.Module):
    """In front of the classifier: features of side branches are appended, then dropout."""

    def __init__(self, dropout: float, branches: Sequence[TemporalModule], frame_count: FrameCount | None) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.frame_count = frame_count
        self._branches = tuple(branches)  # a tuple, not submodules: they are registered where they sit

    def before(self, layer: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        """Hook in front of the classifier."""
        features = inputs[0]
        for branch in self._branches:
            side = branch.side()
            if self.frame_count is not None:
                side = side.repeat_interleave(self.frame_count.frames, 0)
            features = torch.cat([features, side], 1)
        return (self.dropout(features),)


@dataclass
class PlannedModule:
    """A module that was built for a place, and the line that reports it."""

    key: str
    module: TemporalModule
    line: Insertion


@dataclass
class Plan:
    """What goes into a host, which places were passed over, and how many raw frames a segment it takes."""

    modules: list[PlannedModule] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    per_segment: int = 1


class HostedRecognizer(Recognizer):
    """One backbone with modules at places inside, in front of and behind its layers.

    2D hosts see each frame on its own; the clip's logits are the mean over frames (TSN's segment consensus).
    """

    def __init__(self, host: Host, plan: Plan, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = config
        self.dims, self.classifier = host.dims, host.classifier
        self.mean, self.std = host.mean, host.std
        self.stages = tuple(f"backbone.{path}" for path in host.stages)
        self.blocks = host.blocks
        self.segments, self.size = config["frames"], config["size"]
        self.insertions = [planned.line for planned in plan.modules]
        self.left_out, self.per_segment = plan.left_out, plan.per_segment
        self.frame_count = FrameCount()
        self.backbone = host.net
        self.inserted = nn.ModuleDict()
        for planned in plan.modules:
            point = InsertedModule(planned.module, host.dims, self.frame_count)
            self.inserted[planned.key] = point
            layer = host.net.get_submodule(planned.line.place.path)
            if planned.line.place.side == "before":
                layer.register_forward_pre_hook(point.before)
            else:
                layer.register_forward_hook(point.after)
        modules = [planned.module for planned in plan.modules]
        branches = [module for module in modules if module.features]
        if branches:
            widen(host.net, host.classifier, sum(module.features for module in branches))
        for module in modules:
            module.attach(host)
        self.head = Head(config["dropout"], branches, self.frame_count if host.dims == 2 else None)
        host.net.get_submodule(host.classifier).register_forward_pre_hook(self.head.before)

    @property
    def classifiers(self) -> tuple[str, ...]:
        """See `Recognizer.classifiers`."""
        return (f"backbone.{self.classifier}",)

    def forward(self, clips: Tensor) -> Tensor:
        """Clips (N, T, 3, H, W), normalised, to logits (N, classes)."""
        self.check(clips)
        if self.dims == 3:
            return self.backbone(clips.transpose(1, 2))
        self.frame_count.frames = clips.shape[1]
        logits = self.backbone(clips.flatten(0, 1))
        return logits.unflatten(0, (-1, self.frame_count.frames)).mean(1)


def widen(net: nn.Module, classifier: str, by: int) -> None:
    """Exchange the classifier for one that takes `by` more features."""
    old = net.get_submodule(classifier)
    assert isinstance(old, nn.Linear)
    parent, _, name = classifier.rpartition(".")
    setattr(
        net.get_submodule(parent), name, nn.Linear(old.in_features + by, old.out_features, device=old.weight.device)
    )
