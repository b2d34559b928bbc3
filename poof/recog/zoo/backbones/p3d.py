"""Pseudo-3D ResNet-50 (P3D63 of the released code): bottlenecks whose 3x3x3 is a 1x3x3 and a 3x1x1, in three manners.

Document: Qiu, Yao, Mei, Learning Spatio-Temporal Representation with Pseudo-3D Residual Networks (ICCV 2017); named by
Zeng (2020), Section 3.2, as a host of DEM. As released: manners A, B and C in turn, time halved by the stem's pooling
and behind each of the first three stages, the last stage without temporal convolutions. Keys are torchvision's for what
a 2D ResNet-50 has; there are no published weights.
"""

from __future__ import annotations

from itertools import cycle

from torch import Tensor, nn

from poof.recog.core.backbone import Host, residual_blocks

UNITS = (3, 4, 6, 3)
WIDTHS = (64, 128, 256, 512)
STAGES = ("layer1", "layer2", "layer3", "layer4")


def p3d_50(classes: int) -> Host:
    """`second` of a block is its spatial convolution; DEM sits in manners A and C, in front of the temporal one."""
    net = PseudoResNet(classes)
    return Host(net, 3, residual_blocks(net), STAGES, "fc", {})


class PseudoBottleneck(nn.Module):
    """relu(skip + 1x1x1(pseudo-3D(1x1x1(x)))) with S the 1x3x3 and T the 3x1x1 convolution, norm and ReLU behind each.

    Parameters
    ----------
    manner
        A: T(S(x)); B: S(x) + T(x); C: S(x) + T(S(x)); 2: S(x) alone.
    """

    def __init__(self, inputs: int, width: int, stride: int, manner: str) -> None:
        super().__init__()
        outputs = 4 * width
        self.manner = manner
        self.serial = manner in "AC"
        self.conv1 = nn.Conv3d(inputs, width, 1, (1, stride, stride), bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, width, (1, 3, 3), padding=(0, 1, 1), bias=False)
        self.bn2 = nn.BatchNorm3d(width)
        if manner != "2":
            self.conv_t = nn.Conv3d(width, width, (3, 1, 1), padding=(1, 0, 0), bias=False)
            self.bn_t = nn.BatchNorm3d(width)
        self.conv3 = nn.Conv3d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(outputs)
        self.relu = nn.ReLU()
        self.downsample: nn.Module | None = None
        if stride > 1 or inputs != outputs:
            skip = nn.Conv3d(inputs, outputs, 1, (1, stride, stride), bias=False)
            self.downsample = nn.Sequential(skip, nn.BatchNorm3d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) to the block's width."""
        skip = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(x)))
        if self.manner != "2":
            over_time = self.relu(self.bn_t(self.conv_t(x if self.manner == "B" else y)))
            y = over_time if self.manner == "A" else y + over_time
        return self.relu(skip + self.bn3(self.conv3(y)))


class PseudoResNet(nn.Module):
    """The network for clips (N, 3, T, H, W)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(3, 64, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False)
        self.bn1 = nn.BatchNorm3d(64)
        self.relu = nn.ReLU()
        # Where one frame is left it stays.
        self.maxpool = nn.MaxPool3d((2, 3, 3), (2, 2, 2), (0, 1, 1), ceil_mode=True)
        self.halve = nn.MaxPool3d((2, 1, 1), (2, 1, 1), ceil_mode=True)
        before, manners = 64, cycle("ABC")
        for number, (units, width) in enumerate(zip(UNITS, WIDTHS, strict=True), 1):
            stage = nn.Sequential()
            for index in range(units):
                stride = 2 if index == 0 and number > 1 else 1
                stage.append(PseudoBottleneck(before, width, stride, next(manners) if number < 4 else "2"))
                before = 4 * width
            self.add_module(f"layer{number}", stage)
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Linear(before, classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv3d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Clips to logits (N, classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for name in STAGES[:3]:
            x = self.halve(self.get_submodule(name)(x))
        return self.fc(self.avgpool(self.get_submodule(STAGES[3])(x)).flatten(1))
