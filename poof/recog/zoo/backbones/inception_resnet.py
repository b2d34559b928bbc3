"""Inception-ResNet-v2 in 2D, each frame on its own, 299 pixels; the keys are those of timm and of its weights.

Document: Szegedy et al., Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning (AAAI 2017),
in the form of TensorFlow's release; the backbone of TSP and TeSNet (Huang 2022, Section 3.3). 55.84 M parameters and
13.18 GMACs an image with 1000 classes.

TensorFlow's names of the layers at which the document puts TSP are `conv2d_1a` (Conv2d_1a_3x3), `conv2d_4a`, `repeat`
(Block A, ten times; stage 2) and `repeat_1` (Block B, twenty times; stage 3); Block C is `repeat_2`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poof.recog.core.backbone import Block, Host

MEAN = STD = (0.5, 0.5, 0.5)
"""Of its published weights."""


def inception_resnet_v2(classes: int) -> Host:
    """The stages end at 71, 35, 17 and 8 cells a side.

    Its blocks begin with several convolutions side by side, so modules that sit in front of or behind a block's first
    one have no place here.
    """
    net = InceptionResNet(classes)
    blocks = [Block("conv2d_4a", 1, 0, "conv2d_4a", "maxpool_5a", skip=False, expands=False)]
    for stage, name in enumerate(("repeat", "repeat_1", "repeat_2"), 2):
        for index, _ in enumerate(net.get_submodule(name).children()):
            path = f"{name}.{index}"
            blocks.append(Block(path, stage, index, f"{path}.branch0", f"{path}.conv2d", expands=False))
    last = blocks[-1].index + 1
    blocks.append(Block("block8", 4, last, "block8.branch0", "block8.conv2d", expands=False))
    stages = ("conv2d_4a", "repeat", "repeat_1", "conv2d_7b")
    return Host(net, 2, tuple(blocks), stages, "classif", {}, MEAN, STD)


class Unit(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int | tuple[int, int], stride: int = 1, padded: bool = True
    ) -> None:
        super().__init__()
        high, wide = (kernel, kernel) if isinstance(kernel, int) else kernel
        border = (high // 2, wide // 2) if padded else (0, 0)
        self.conv = nn.Conv2d(inputs, outputs, (high, wide), stride, border, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the layer's channels."""
        return self.relu(self.bn(self.conv(x)))


class Branches(nn.Module):
    """Branches on one input, side by side."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self._count = len(branches)
        for number, branch in enumerate(branches):
            self.add_module(f"branch{number}", branch)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the branches' channels one behind the other."""
        return torch.cat([self.get_submodule(f"branch{number}")(x) for number in range(self._count)], 1)


class ResidualInception(Branches):
    """relu(x + scale * conv1x1(branches of x)), without the ReLU where it is the last one."""

    def __init__(self, channels: int, inner: int, scale: float, *branches: nn.Module, last: bool = False) -> None:
        super().__init__(*branches)
        self.conv2d = nn.Conv2d(inner, channels, 1)
        self.scale = scale
        self.relu = nn.Identity() if last else nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return self.relu(x + self.scale * self.conv2d(super().forward(x)))


class InceptionResNet(nn.Module):
    """The network for images (N, 3, H, W); at 299 pixels 1536 features of 8x8 cells are averaged."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv2d_1a = Unit(3, 32, 3, 2, padded=False)
        self.conv2d_2a = Unit(32, 32, 3, padded=False)
        self.conv2d_2b = Unit(32, 64, 3)
        self.maxpool_3a = nn.MaxPool2d(3, 2)
        self.conv2d_3b = Unit(64, 80, 1)
        self.conv2d_4a = Unit(80, 192, 3, padded=False)
        self.maxpool_5a = nn.MaxPool2d(3, 2)
        pooled = nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), Unit(192, 64, 1))
        small, large = _chain(192, (48, 1), (64, 5)), _chain(192, (64, 1), (96, 3), (96, 3))
        self.mixed_5b = Branches(Unit(192, 96, 1), small, large, pooled)
        self.repeat = nn.Sequential(*(_block_a() for _ in range(10)))
        self.mixed_6a = Branches(
            Unit(320, 384, 3, 2, padded=False),
            nn.Sequential(Unit(320, 256, 1), Unit(256, 256, 3), Unit(256, 384, 3, 2, padded=False)),
            nn.MaxPool2d(3, 2),
        )
        self.repeat_1 = nn.Sequential(*(_block_b() for _ in range(20)))
        self.mixed_7a = Branches(
            nn.Sequential(Unit(1088, 256, 1), Unit(256, 384, 3, 2, padded=False)),
            nn.Sequential(Unit(1088, 256, 1), Unit(256, 288, 3, 2, padded=False)),
            nn.Sequential(Unit(1088, 256, 1), Unit(256, 288, 3), Unit(288, 320, 3, 2, padded=False)),
            nn.MaxPool2d(3, 2),
        )
        self.repeat_2 = nn.Sequential(*(_block_c() for _ in range(9)))
        self.block8 = _block_c(scale=1.0, last=True)
        self.conv2d_7b = Unit(2080, 1536, 1)
        self.classif = nn.Linear(1536, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W) to logits (N, classes)."""
        x = self.maxpool_3a(self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x))))
        x = self.mixed_5b(self.maxpool_5a(self.conv2d_4a(self.conv2d_3b(x))))
        x = self.repeat_1(self.mixed_6a(self.repeat(x)))
        x = self.block8(self.repeat_2(self.mixed_7a(x)))
        return self.classif(self.conv2d_7b(x).mean((2, 3)))


def _chain(inputs: int, *layers: tuple[int, int | tuple[int, int]]) -> nn.Sequential:
    units = []
    for outputs, kernel in layers:
        units.append(Unit(inputs, outputs, kernel))
        inputs = outputs
    return nn.Sequential(*units)


def _block_a() -> ResidualInception:
    branches = Unit(320, 32, 1), _chain(320, (32, 1), (32, 3)), _chain(320, (32, 1), (48, 3), (64, 3))
    return ResidualInception(320, 128, 0.17, *branches)


def _block_b() -> ResidualInception:
    branches = Unit(1088, 192, 1), _chain(1088, (128, 1), (160, (1, 7)), (192, (7, 1)))
    return ResidualInception(1088, 384, 0.1, *branches)


def _block_c(scale: float = 0.2, last: bool = False) -> ResidualInception:
    branches = Unit(2080, 192, 1), _chain(2080, (192, 1), (224, (1, 3)), (256, (3, 1)))
    return ResidualInception(2080, 448, scale, *branches, last=last)
