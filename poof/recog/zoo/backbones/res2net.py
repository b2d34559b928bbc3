"""Res2Net-50 (26w x 4s): bottlenecks whose 3x3 convolution works on four groups of channels one after the other.

Document: Gao et al., Res2Net (TPAMI 2021). It is the backbone of TEA, whose motion excitation sits before the split
(`expanded`) and whose temporal convolutions sit in front of each group's convolution (`shifts`); both are identities
here, so the keys are those of the published ImageNet weights.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from poof.recog.core.backbone import Host, residual_blocks

WIDTH, SCALE = 26, 4
LAYERS = (3, 4, 6, 3)


def res2net50(classes: int) -> Host:
    """The stages and blocks are called as those of a ResNet."""
    net = Res2Net(classes)
    blocks = residual_blocks(net, second="expanded")
    return Host(net, 2, blocks, ("layer1", "layer2", "layer3", "layer4"), "fc", {})


class Res2Net(nn.Module):
    """Images (N, 3, H, W) to scores (N, classes)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs = 64
        for stage, count in enumerate(LAYERS, 1):
            planes = 32 * 2**stage
            units = []
            for index in range(count):
                units.append(Split(inputs, planes, 2 if index == 0 and stage > 1 else 1, first=index == 0))
                inputs = 4 * planes
            self.add_module(f"layer{stage}", nn.Sequential(*units))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in range(1, 5):
            x = self.get_submodule(f"layer{stage}")(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


class Split(nn.Module):
    """A bottleneck: 1x1, then for each group in turn the group's 3x3 of itself plus what the group before gave, 1x1.

    The last group passes as it is; in the first block of a stage groups stay apart and the last one is pooled.
    """

    def __init__(self, inputs: int, planes: int, stride: int, first: bool) -> None:
        super().__init__()
        self.width = int(planes * WIDTH / 64)
        wide, self.first = self.width * SCALE, first
        self.conv1 = nn.Conv2d(inputs, wide, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        self.expanded = nn.Identity()
        groups = range(SCALE - 1)
        self.convs = nn.ModuleList(nn.Conv2d(self.width, self.width, 3, stride, 1, bias=False) for _ in groups)
        self.bns = nn.ModuleList(nn.BatchNorm2d(self.width) for _ in groups)
        self.shifts = nn.ModuleList(nn.Identity() for _ in range(SCALE))
        self.conv3 = nn.Conv2d(wide, 4 * planes, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * planes)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.AvgPool2d(3, stride, 1) if first else nn.Identity()
        self.downsample: nn.Module = nn.Identity()
        if first:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, 4 * planes, 1, stride, bias=False), nn.BatchNorm2d(4 * planes)
            )

    def padded_steps(self, inputs: Mapping[str, Tensor]) -> list[tuple[str, Tensor, Tensor, frozenset[int]]]:
        """The groups' convolutions as layers of all channels, for class feature pyramids (Fig. 7.9c of Stergiou).

        Groups that have no convolution at a layer are padded: their channels pass as they are.

        Parameters
        ----------
        inputs
            (C, T, h, w) that went into each convolution, by its path in this block.

        Returns
        -------
        list of (path, kernel, activation, passed)
            In the order of the forward pass: (wide, wide) means of the kernel, (wide, T, h, w) what all groups held in
            front of it, and which channels pass unchanged. A sum of a group and what the group before gave passes to
            the one and has the kernel of the other.
        """
        wide, last = self.width * SCALE, SCALE - 1
        given = inputs["conv3"].split(self.width)
        own = [inputs[f"convs.{i}"] for i in range(last)]
        bare = [x if self.first or i == 0 else x - given[i - 1] for i, x in enumerate(own)]
        steps = []
        for number, conv in enumerate(self.convs):
            assert isinstance(conv, nn.Conv2d)
            held = [*given[:number], own[number], *bare[number + 1 :], given[last]]
            size = own[number].shape[-2:]
            held = [x if x.shape[-2:] == size else nn.functional.interpolate(x, size) for x in held]
            kernel = torch.zeros(wide, wide, device=conv.weight.device)
            here = slice(number * self.width, (number + 1) * self.width)
            kernel[here, here] = conv.weight.detach().flatten(2).mean(2)
            if not self.first and number + 1 < last:
                kernel[here.stop : here.stop + self.width, here] = kernel[here, here]
            passed = frozenset(i for i in range(wide) if not here.start <= i < here.stop)
            steps.append((f"convs.{number}", kernel, torch.cat(held), passed))
        return steps

    def forward(self, x: Tensor) -> Tensor:
        """Features to features."""
        groups = self.expanded(self.relu(self.bn1(self.conv1(x)))).split(self.width, 1)
        done: list[Tensor] = []
        for group, shift, conv, bn in zip(groups, self.shifts, self.convs, self.bns):
            own = group if self.first or not done else done[-1] + group
            done.append(self.relu(bn(conv(shift(own)))))
        done.append(self.pool(self.shifts[-1](groups[-1])))
        return self.relu(self.bn3(self.conv3(torch.cat(done, 1))) + self.downsample(x))
