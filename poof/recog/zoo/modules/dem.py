"""DEM: measures how far the middle of three frames departs from even motion, and compensates for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv3d, pad

from poof.errors import PoofError
from poof.recog.core.backbone import Block, Host
from poof.recog.core.module import Picture, Place, Shape, TemporalModule, choose, full_precision
from poof.recog.zoo.backbones.midplanes import Layer, factorised, midplanes_within, set_midplanes

SIGNALS = ("product", "variation", "concat", "bilinear")
ACTIVATIONS = {"relu6": nn.ReLU6, "relu": nn.ReLU}


class DynamicEquilibrium(TemporalModule):
    """y = x + S(act(BN(D * x))), D_n = g(f(x_{n-1}, x_n), f(x_n, x_{n+1})) - f(x_{n-1}, x_{n+1}), (3.2).

    f and g are dense temporal convolutions of two taps, f the same one in both uses (dilated by 2 in the second), S is
    a spatial convolution with the kernel of the layer it sits in. One frame of padding at each end keeps T. Sits
    between the spatial and the temporal convolution of every (2+1)D layer; in hosts that have none (which the document
    does not treat) behind the first convolution of every residual block, or in front of it where the block widens there
    (MobileNetV2, X3D). All convolutions are Kaiming-normal.

    The text leaves open what stands between its three convolutions; the default is the reading in which x keeps a way
    around the module. Nothing pulls D towards 0: it is trained by the classification alone.

    Knobs
    -----
    stages : all | conv1 | conv2 | conv3 | conv4 | conv5, several with + (conv2+conv4)
        Where; conv1 is the stem, conv2 to conv5 the four stages. The document fares best with one alone (Table 4.3).
    match : false
        Narrow the (2+1)D layers that get a DEM so far that with it they have the parameters they had without, (3.5).
        Published weights do not fit then.
    take : after | before
        Take x behind or in front of the spatial convolution's norm and activation.
    signal : product | variation | concat | bilinear
        c = S(act(BN(D * x))), or c = S(act(BN(D))) * x; or the other fusions that the document considers: D and x side
        by side, S on twice the channels; bilinear pooling, as U D * V x with 1x1x1 convolutions U and V (all products
        of two channels, which full bilinear pooling takes, would be 20,736 maps of 144; this is its form of low rank).
    out : add | subtract | replace
        y = x + c, x - c or c.
    act : relu6 | relu
        ReLU-6 is what the document used "in all experiments", after overflows in half precision with ReLU. Here D * x
        and its norm are in full precision either way.
    inner : false
        A norm and activation behind f and g too.
    norm : true
        Batch norm in front of the activation.
    padding : zero | replicate
        What stands before the first and behind the last frame.
    control : false
        x instead of D * x (and no f and g): what the depth alone gives. The document has no such control.
    kernel : 3
        Of S; the stem's is 7 unless given.
    """

    document = "Zeng: Learning Temporal Variations for Action Recognition (MSc thesis, Boston 2020)"
    summary = "compensates features for uneven motion between three frames"
    min_frames = 1  # it pads; layers of one frame occur where clips are short

    def __init__(
        self,
        shape: Shape,
        signal: str = "product",
        out: str = "add",
        act: str = "relu6",
        inner: bool = False,
        norm: bool = True,
        padding: str = "zero",
        control: bool = False,
        kernel: int = 3,
    ) -> None:
        super().__init__(shape)
        self.signal = choose("signal", signal, SIGNALS)
        self.out = choose("out", out, ("add", "subtract", "replace"))
        self.padding = choose("padding", padding, ("zero", "replicate"))
        choose("act", act, tuple(ACTIVATIONS))
        if kernel < 1 or kernel % 2 == 0:
            raise PoofError(f"kernel={kernel}: choose an odd number")
        if control and (inner or signal != "product"):
            raise PoofError("control=true leaves f, g and D out: inner and another signal have no sense with it")
        c = shape.channels
        self.f = self.g = None
        if not control:
            self.f, self.g = Pairs(c, act if inner else ""), Pairs(c, act if inner else "")
        self.mix = nn.ModuleList(nn.Conv3d(c, c, 1, bias=False) for _ in range(2 if signal == "bilinear" else 0))
        wide = 2 * c if signal == "concat" else c
        self.norm = nn.BatchNorm3d(wide) if norm else nn.Identity()
        self.act = ACTIVATIONS[act]()
        self.spatial = nn.Conv3d(wide, c, (1, kernel, kernel), padding=(0, kernel // 2, kernel // 2), bias=False)
        for layer in self.modules():
            if isinstance(layer, nn.Conv3d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        self.seen: Tensor | None = None
        self._read: dict[str, float] = {}

    @classmethod
    def places(cls, host: Host, stages: str = "all", match: bool = False, take: str = "after") -> Sequence[Place]:
        """In front of the temporal convolution of the (2+1)D layers of the stages asked for."""
        behind_act = choose("take", take, ("after", "before")) == "after"
        wanted = _stages(stages)
        layers = list(factorised(host.net))
        if layers:
            return [_place(host.net, layer, behind_act) for layer in layers if _stage(host, layer.path) in wanted]
        if match or not behind_act or "conv1" in stages:
            raise PoofError("dem: match, take and stages=conv1 need (2+1)D layers, and this backbone has none")
        return [Place(_narrow(host, block)) for block in host.blocks if block.stage in wanted and block.expands]

    @classmethod
    def prepare(
        cls,
        host: Host,
        stages: str = "all",
        match: bool = False,
        control: bool = False,
        kernel: int = 0,
        signal: str = "product",
        **knobs: Any,
    ) -> None:
        """With `match`, narrow the layers that get a module."""
        del knobs
        if not match:
            return
        pairs = (0 if control else 4) + (2 if signal == "bilinear" else 0)
        for layer in list(factorised(host.net)):
            if _stage(host, layer.path) in _stages(stages):
                count = midplanes_within(host.net, layer, pairs, kernel, 2 if signal == "concat" else 1)
                set_midplanes(host.net, layer, count)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the same shape."""
        y = x.transpose(1, 2)
        variation = self.variation(y)
        # A product of two features of 256 is beyond float16.
        with full_precision(y):
            kind = torch.promote_types(y.dtype, torch.float32)
            signal = y.to(kind)
            if variation is not None:
                signal = self.fuse(variation.to(kind), signal)
            signal = self.act(self.norm(signal))
        change = self.spatial(signal)
        if self.signal == "variation":
            change = change * y
        self.seen, self._read = None, {}
        if self.watching and variation is not None:
            self._watch(y, variation, signal, change)
        if self.out == "replace":
            return change.transpose(1, 2)
        return (y - change if self.out == "subtract" else y + change).transpose(1, 2)

    def variation(self, x: Tensor) -> Tensor | None:
        """D of (N, C, T, H, W), the same shape, (3.2); None for the control."""
        if self.f is None or self.g is None:
            return None
        ends = "constant" if self.padding == "zero" else "replicate"
        padded = pad(x, (0, 0, 0, 0, 1, 1), ends)
        return self.g(self.f(padded)) - self.f(padded, dilation=2)

    def fuse(self, variation: Tensor, x: Tensor) -> Tensor:
        """What D and x, both (N, C, T, H, W), make together."""
        if self.signal == "variation":
            return variation
        if self.signal == "concat":
            return torch.cat([variation, x], 1)
        if self.signal == "bilinear":
            first, second = self.mix
            return first(variation) * second(x)
        return variation * x

    def diagnostics(self) -> dict[str, float]:
        """`variation`: mean |D| over mean |x|; `saturated`: share of cells at ReLU-6's upper end; `change`: mean |c|
        over mean |x|."""
        return dict(self._read)

    def pictures(self) -> list[Picture]:
        """Where and when motion is uneven: the mean of |D| over the channels."""
        return [] if self.seen is None else [Picture("temporal variation |D|", self.seen[0], "heat")]

    def _watch(self, x: Tensor, variation: Tensor, signal: Tensor, change: Tensor) -> None:
        self.seen = variation.detach().abs().mean(1)
        size = x.detach().abs().mean().clamp_min(1e-12)
        self._read = {
            "variation": float(variation.detach().abs().mean() / size),
            "change": float(change.detach().abs().mean() / size),
        }
        if isinstance(self.act, nn.ReLU6):
            self._read["saturated"] = float((signal.detach() >= 6).float().mean())


class Pairs(nn.Module):
    """A temporal convolution of two taps, T frames to T - 1 (T - 2 with dilation 2), one cell at a time."""

    def __init__(self, channels: int, act: str = "") -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels, channels, (2, 1, 1), bias=False)
        self.end = nn.Sequential(nn.BatchNorm3d(channels), ACTIVATIONS[act]()) if act else nn.Identity()

    def forward(self, x: Tensor, dilation: int = 1) -> Tensor:
        """(N, C, T, H, W) to (N, C, T - dilation, H, W)."""
        return self.end(conv3d(x, self.conv.weight, dilation=(dilation, 1, 1)))


def _narrow(host: Host, block: Block) -> str:
    """The second convolution of a block; the first where the second is depthwise, since such blocks widen between."""
    convolutions = (nn.Conv2d, nn.Conv3d)
    second = next(m for m in host.net.get_submodule(block.second).modules() if isinstance(m, convolutions))
    return block.first if second.groups == second.in_channels else block.second


NAMES = ("conv1", "conv2", "conv3", "conv4", "conv5")
"""The document's names of the stages; the stem is the first."""


def _place(net: nn.Module, layer: Layer, behind_act: bool) -> Place:
    spatial = net.get_submodule(layer.spatial)
    assert isinstance(spatial, nn.Conv3d)
    knobs = (("kernel", spatial.kernel_size[1]),)
    return Place(layer.temporal, "before", knobs) if behind_act else Place(layer.spatial, "after", knobs)


def _stages(text: str) -> set[int]:
    """Numbers of stages, 0 for the stem."""
    if text == "all":
        return set(range(len(NAMES)))
    return {NAMES.index(choose("stages", part, ("all", *NAMES))) for part in text.split("+")}


def _stage(host: Host, path: str) -> int:
    return next((block.stage for block in host.blocks if f"{path}.".startswith(f"{block.path}.")), 0)
