"""MFNet in 3D: units of sparse connections ("fibers"), 8.0 M parameters and 11.1 GMACs at 16 frames; its own keys.

Document: Chen et al., Multi-Fiber Networks for Video Recognition (ECCV 2018); authors' code cypw/PyTorch-MFNet.

Checkpoints of that code fit key by key, and its ImageNet weights (2D) fit after inflation. The shapes are not fixed
here: any clip whose features keep a cell will do, not only the 16 x 224 x 224 of the authors' pooling.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from poof.recog.core.backbone import Block, Host

MEAN, STD = (124 / 255, 117 / 255, 104 / 255), (1 / (0.0167 * 255),) * 3
"""Of the authors' input: RGB in 0 to 255 minus (124, 117, 104), times 0.0167."""

GROUPS = 16
UNITS = (3, 4, 6, 3)
WIDTHS = (96, 192, 384, 768)


def mfnet(classes: int) -> Host:
    """The stages are conv2 to conv5, a block is a unit; `first` is the grouped 3x3x3 part, behind the multiplexer.

    Units are pre-activated: what passes between them, and what a module finds there, is a sum without norm or ReLU.
    """
    net = MFNet(classes)
    stages = tuple(f"conv{number}" for number in range(2, 6))
    blocks = tuple(
        Block(path, stage, index, f"{path}.conv_m1", f"{path}.conv_m2")
        for stage, name in enumerate(stages, 1)
        for index, path in enumerate(f"{name}.{unit}" for unit, _ in net.get_submodule(name).named_children())
    )
    return Host(net, 3, blocks, stages, "classifier", {}, MEAN, STD, inflated=True)


class MFNet(nn.Module):
    """(N, 3, T, H, W) to (N, classes): time is halved by the first unit, space by stem, pooling and conv3 to conv5."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        stem = nn.Conv3d(3, 16, (3, 5, 5), (1, 2, 2), (1, 2, 2), bias=False)
        self.conv1 = nn.Sequential(
            OrderedDict([("conv", stem), ("bn", nn.BatchNorm3d(16)), ("relu", nn.ReLU(inplace=True))])
        )
        self.maxpool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        self.conv2 = _stage(16, WIDTHS[0], UNITS[0], (2, 1, 1))
        self.conv3 = _stage(WIDTHS[0], WIDTHS[1], UNITS[1], (1, 2, 2))
        self.conv4 = _stage(WIDTHS[1], WIDTHS[2], UNITS[2], (1, 2, 2))
        self.conv5 = _stage(WIDTHS[2], WIDTHS[3], UNITS[3], (1, 2, 2))
        self.tail = nn.Sequential(OrderedDict([("bn", nn.BatchNorm3d(WIDTHS[3])), ("relu", nn.ReLU(inplace=True))]))
        self.globalpool = nn.AdaptiveAvgPool3d(1)
        self.classifier = nn.Linear(WIDTHS[3], classes)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv3d, nn.Linear)):
                nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Clips (N, 3, T, H, W) to logits."""
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.conv4(self.conv3(self.conv2(x))))
        return self.classifier(self.globalpool(self.tail(x)).flatten(1))


class Unit(nn.Module):
    """The multi-fiber unit: a multiplexer (1x1x1 to a quarter and back, added) lets the groups of what follows talk.

    The first unit of a stage has a dense 1x1x1 as its last convolution and one beside it in place of the skip.
    """

    def __init__(self, inputs: int, width: int, stride: tuple[int, int, int], first: bool) -> None:
        super().__init__()
        self.conv_i1 = PreActivated(nn.Conv3d(inputs, width // 4, 1, bias=False))
        self.conv_i2 = PreActivated(nn.Conv3d(width // 4, inputs, 1, bias=False))
        self.conv_m1 = PreActivated(nn.Conv3d(inputs, width, 3, stride, 1, groups=GROUPS, bias=False))
        last = (
            nn.Conv3d(width, width, 1, bias=False)
            if first
            else nn.Conv3d(width, width, (1, 3, 3), 1, (0, 1, 1), groups=GROUPS, bias=False)
        )
        self.conv_m2 = PreActivated(last)
        self.conv_w1 = PreActivated(nn.Conv3d(inputs, width, 1, stride, bias=False)) if first else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) to the width and stride of the unit."""
        mixed = x + self.conv_i2(self.conv_i1(x))
        return self.conv_m2(self.conv_m1(mixed)) + self.conv_w1(x)


class PreActivated(nn.Module):
    """Batch norm, ReLU, convolution."""

    def __init__(self, conv: nn.Conv3d) -> None:
        super().__init__()
        self.bn = nn.BatchNorm3d(conv.in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        """What the convolution gives of the normalised, rectified input."""
        return self.conv(self.relu(self.bn(x)))


def _stage(inputs: int, width: int, units: int, stride: tuple[int, int, int]) -> nn.Sequential:
    first = Unit(inputs, width, stride, first=True)
    rest = [Unit(width, width, (1, 1, 1), first=False) for _ in range(units - 1)]
    return nn.Sequential(OrderedDict((f"B{number:02d}", unit) for number, unit in enumerate([first, *rest], 1)))
