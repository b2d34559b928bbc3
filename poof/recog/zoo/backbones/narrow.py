"""ResNet-18 and R(2+1)D-18 with a fraction of the channels, for experiments that a processor core does in minutes.

The same layers and keys as torchvision's networks; only the widths differ (16, 32, 64, 128 for a quarter), so the costs
fall with the square of the fraction. There are no published weights. Reductions of modules count channels: with a
quarter of them, a quarter of a module's usual reduction leaves it as many squeezed channels as in the full network.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from poof.recog.core.backbone import KINETICS_MEAN, KINETICS_STD, Host, residual_blocks
from poof.torchvision_ops import ensure

STAGES = ("layer1", "layer2", "layer3", "layer4")
STEM = 64
"""Channels of the stem at full width."""


def narrow_resnet18(fraction: float, classes: int) -> Host:
    """ResNet-18, each frame on its own, every layer with `fraction` of its channels."""
    ensure()
    from torchvision.models.resnet import BasicBlock, ResNet

    class Narrow(ResNet):
        def _make_layer(self, block: Any, planes: int, blocks: int, *args: Any, **kwargs: Any) -> nn.Sequential:
            if planes == STEM:
                self.inplanes = round(STEM * fraction)
            return super()._make_layer(block, round(planes * fraction), blocks, *args, **kwargs)

    net = Narrow(BasicBlock, [2, 2, 2, 2])
    stem = round(STEM * fraction)
    net.conv1 = nn.Conv2d(3, stem, 7, 2, 3, bias=False)
    nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
    net.bn1 = nn.BatchNorm2d(stem)
    net.fc = nn.Linear(net.inplanes, classes)
    return Host(net, 2, residual_blocks(net), STAGES, "fc", {})


def narrow_r2plus1d_18(fraction: float, classes: int) -> Host:
    """R(2+1)D-18 with `fraction` of the channels between its convolutions; those inside a pair follow its own rule."""
    ensure()
    from torchvision.models.video.resnet import BasicBlock, Conv2Plus1D, R2Plus1dStem, VideoResNet

    stem = round(STEM * fraction)

    class Narrow(VideoResNet):
        def _make_layer(self, block: Any, conv_builder: Any, planes: int, blocks: int, stride: int = 1) -> Any:
            if planes == STEM:
                self.inplanes = stem
            return super()._make_layer(block, conv_builder, round(planes * fraction), blocks, stride)

    net = Narrow(BasicBlock, [Conv2Plus1D] * 4, [2, 2, 2, 2], R2Plus1dStem)
    middle = net.stem[0].out_channels
    net.stem[3] = nn.Conv3d(middle, stem, (3, 1, 1), padding=(1, 0, 0), bias=False)
    nn.init.kaiming_normal_(net.stem[3].weight, mode="fan_out", nonlinearity="relu")
    net.stem[4] = nn.BatchNorm3d(stem)
    net.fc = nn.Linear(net.inplanes, classes)
    return Host(net, 3, residual_blocks(net, first="conv1.0"), STAGES, "fc", {}, KINETICS_MEAN, KINETICS_STD)
