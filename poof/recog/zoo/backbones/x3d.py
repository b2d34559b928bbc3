"""X3D in its five sizes, under the state-dict keys of PySlowFast (facebookresearch/SlowFast).

Document: Feichtenhofer, X3D: Expanding Architectures for Efficient Video Recognition (CVPR 2020).

A stem (1x3x3 at half resolution, then 5x1x1 per channel), four stages of inverted bottlenecks (1x1x1 up, 3x3x3 per
channel, 1x1x1 down) that each halve the resolution and keep time, squeeze-and-excitation in every second block, and a
head that widens once more before and after the pooling. XS, S and M are the same network: they differ in frames and
size of the clip alone (4, 13 and 16 frames at 160, 160 and 224 pixels; L and XL take 16 at 312).

The published files of PySlowFast hold their weights under 'model_state', with the keys of this network; PyTorchVideo
publishes the same weights under other names. Both expect RGB with mean 0.45 and standard deviation 0.225.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from poof.recog.core.backbone import Block, Host

X3D_MEAN, X3D_STD = (0.45, 0.45, 0.45), (0.225, 0.225, 0.225)
BASE_DEPTHS = (1, 2, 5, 3)


@dataclass(frozen=True)
class X3DSize:
    """What is expanded.

    Attributes
    ----------
    width
        Factor on the stem's 12 channels.
    depth
        Factor on the blocks of the stages (1, 2, 5, 3), rounded up.
    inner
        Factor from a block's channels to those between its 1x1x1 convolutions.
    head
        Channels in front of the classifier.
    """

    width: float = 2.0
    depth: float = 2.2
    inner: float = 2.25
    head: int = 2048

    @property
    def stem(self) -> int:
        """Channels behind the stem."""
        return round_width(12, self.width)

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each stage."""
        bases = [12]
        for _ in BASE_DEPTHS[1:]:
            bases.append(round_width(bases[-1], 2))
        return tuple(round_width(base, self.width) for base in bases)

    @property
    def depths(self) -> tuple[int, ...]:
        """Blocks of each stage."""
        return tuple(math.ceil(self.depth * base) for base in BASE_DEPTHS)


SIZES: dict[str, X3DSize] = {
    "x3d_xs": X3DSize(),
    "x3d_s": X3DSize(),
    "x3d_m": X3DSize(),
    "x3d_l": X3DSize(depth=5.0),
    "x3d_xl": X3DSize(width=2.9, depth=5.0),
}

Middle = Callable[[int, int], nn.Module]
"""(channels, stride in space) -> what stands for a block's 3x3x3 convolution."""


def x3d(name: str, classes: int) -> Host:
    """`name` is a key of `SIZES`."""
    net = X3D(SIZES[name], classes)
    blocks = [
        Block(path, stage, index, f"{path}.branch2.a", f"{path}.branch2.b")
        for stage, depth in enumerate(SIZES[name].depths, 1)
        for index in range(depth)
        for path in (f"s{stage + 1}.pathway0_res{index}",)
    ]
    return Host(net, 3, tuple(blocks), ("s2", "s3", "s4", "s5"), "head.projection", {}, X3D_MEAN, X3D_STD)


def channelwise(channels: int, stride: int) -> nn.Module:
    """A 3x3x3 convolution of each channel on its own."""
    return nn.Conv3d(channels, channels, 3, (1, stride, stride), 1, groups=channels, bias=False)


class X3D(nn.Module):
    """The network for clips (N, 3, T, H, W).

    Parameters
    ----------
    size
        Widths and depths.
    classes
        Classes.
    middle
        Builds what stands for the 3x3x3 convolution of a block.
    """

    def __init__(self, size: X3DSize, classes: int, middle: Middle = channelwise) -> None:
        super().__init__()
        self.s1 = nn.Sequential()
        self.s1.add_module("pathway0_stem", Stem(size.stem))
        before = size.stem
        for number, (channels, depth) in enumerate(zip(size.channels, size.depths, strict=True), 2):
            stage = nn.Sequential()
            for index in range(depth):
                wide, stride = int(size.inner * channels), 2 if index == 0 else 1
                block = ResidualBlock(before, wide, channels, stride, index % 2 == 0, middle)
                stage.add_module(f"pathway0_res{index}", block)
                before = channels
            self.add_module(f"s{number}", stage)
        self.head = X3DHead(before, int(size.inner * before), size.head, classes)
        self.apply(_initialise)
        for module in self.modules():
            if isinstance(module, ResidualBlock):  # as published: blocks begin as their skip connections
                nn.init.zeros_(module.branch2.c_bn.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Clips (N, 3, T, H, W) to logits (N, classes)."""
        x = self.s1(x)
        for number in range(2, 2 + len(BASE_DEPTHS)):
            x = self.get_submodule(f"s{number}")(x)
        return self.head(x)


class Stem(nn.Module):
    """1x3x3 with stride 2 in space, then 5x1x1 of each channel on its own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_xy = nn.Conv3d(3, channels, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False)
        self.conv = nn.Conv3d(channels, channels, (5, 1, 1), 1, (2, 0, 0), groups=channels, bias=False)
        self.bn = nn.BatchNorm3d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, T, H, W) to (N, C, T, H/2, W/2)."""
        return self.relu(self.bn(self.conv(self.conv_xy(x))))


class ResidualBlock(nn.Module):
    """relu(skip + branch2); the skip is a 1x1x1 convolution where channels or resolution change."""

    def __init__(self, inputs: int, wide: int, outputs: int, stride: int, excite: bool, middle: Middle) -> None:
        super().__init__()
        self.projects = inputs != outputs or stride != 1
        if self.projects:
            self.branch1 = nn.Conv3d(inputs, outputs, 1, (1, stride, stride), bias=False)
            self.branch1_bn = nn.BatchNorm3d(outputs)
        self.branch2 = Transform(inputs, wide, outputs, stride, excite, middle)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) to (N, C', T, H/stride, W/stride)."""
        skip = self.branch1_bn(self.branch1(x)) if self.projects else x
        return self.relu(skip + self.branch2(x))


class Transform(nn.Module):
    """1x1x1, 3x3x3 per channel, squeeze-and-excitation in every second block, Swish, 1x1x1."""

    def __init__(self, inputs: int, wide: int, outputs: int, stride: int, excite: bool, middle: Middle) -> None:
        super().__init__()
        self.a = nn.Conv3d(inputs, wide, 1, bias=False)
        self.a_bn = nn.BatchNorm3d(wide)
        self.a_relu = nn.ReLU(inplace=True)
        self.b = middle(wide, stride)
        self.b_bn = nn.BatchNorm3d(wide)
        self.se = Excitation(wide) if excite else None
        self.b_relu = nn.SiLU()
        self.c = nn.Conv3d(wide, outputs, 1, bias=False)
        self.c_bn = nn.BatchNorm3d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) to (N, C', T, H/stride, W/stride)."""
        x = self.b_bn(self.b(self.a_relu(self.a_bn(self.a(x)))))
        if self.se is not None:
            x = self.se(x)
        return self.c_bn(self.c(self.b_relu(x)))


class Excitation(nn.Module):
    """x * sigmoid(fc2(relu(fc1(mean of x)))), a sixteenth of the channels between, in multiples of 8."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = round_width(channels, 0.0625)
        self.fc1 = nn.Conv3d(channels, squeezed, 1)
        self.fc2 = nn.Conv3d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) to the same shape."""
        return x * self.fc2(self.fc1(x.mean((2, 3, 4), keepdim=True)).relu()).sigmoid()


class X3DHead(nn.Module):
    """1x1x1, pooling over time and space, a second wide layer, and the classifier."""

    def __init__(self, inputs: int, wide: int, features: int, classes: int) -> None:
        super().__init__()
        self.conv_5 = nn.Conv3d(inputs, wide, 1, bias=False)
        self.conv_5_bn = nn.BatchNorm3d(wide)
        self.conv_5_relu = nn.ReLU(inplace=True)
        self.lin_5 = nn.Conv3d(wide, features, 1, bias=False)
        self.projection = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) to logits (N, classes)."""
        return self.projection(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) to what the classifier takes (N, features)."""
        x = self.conv_5_relu(self.conv_5_bn(self.conv_5(x)))
        return self.lin_5(x.mean((2, 3, 4), keepdim=True)).relu().flatten(1)


def round_width(width: int, factor: float, divisor: int = 8) -> int:
    """width * factor as a multiple of `divisor`, not below it, and never less than nine tenths of the product."""
    exact = width * factor
    rounded = max(divisor, int(exact + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * exact else rounded


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)
