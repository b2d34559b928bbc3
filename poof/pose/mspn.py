"""MSPN, the multi-stage pose network (Li et al. 2019, arXiv 1901.00148).

Each stage is a ResNet body (down) followed by four units that climb back up; every unit writes a heat map per keypoint
at a quarter of the input size. A later stage sees the features of the stage before it at every level. Parameter names
are those of the official release, so its state dicts load as they are; `poof.pose.naming` translates the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from poof.errors import PoofError, names_near

STRIDE = 4  # input pixels per heat-map cell
UNITS = 4  # up units, and heat maps, per stage
MULTIPLE = 32  # both sides of the input must be divisible by this
TOP_CHANNELS = 64
UP_CHANNELS = 256
HEAD_GAIN = 12.0  # about the root mean square of a map with one 255 high peak at 64x48


class Body(NamedTuple):
    """A ResNet: blocks per level, and how much wider a block's output is than its inner convolutions."""

    blocks: tuple[int, int, int, int]
    expansion: int


BODIES = {"resnet50": Body((3, 4, 6, 3), 4), "resnet18": Body((2, 2, 2, 2), 1)}


class ConvBN(nn.Module):
    """Convolution, batch normalisation and, unless `relu` is false, ReLU: the brick everything is built of.

    The convolution's bias is redundant before the normalisation; the official release has it, mmpose does not.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, relu: bool = True, bias: bool = True):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=bias)
        self.bn = nn.BatchNorm2d(outputs)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        return F.relu(x, inplace=True) if self.relu else x


class Block(nn.Module):
    """A residual block: bottleneck (1x1, 3x3, 1x1) where the body expands, two 3x3 convolutions where it does not.

    The stride sits on the first 3x3 convolution.
    """

    def __init__(self, inputs: int, width: int, expansion: int, stride: int, bias: bool):
        super().__init__()
        outputs = width * expansion
        if expansion > 1:
            self.conv_bn_relu1 = ConvBN(inputs, width, 1, bias=bias)
            self.conv_bn_relu2 = ConvBN(width, width, 3, stride, bias=bias)
            self.conv_bn_relu3: ConvBN | None = ConvBN(width, outputs, 1, relu=False, bias=bias)
        else:
            self.conv_bn_relu1 = ConvBN(inputs, width, 3, stride, bias=bias)
            self.conv_bn_relu2 = ConvBN(width, outputs, 3, relu=False, bias=bias)
            self.conv_bn_relu3 = None
        needed = stride != 1 or inputs != outputs
        self.downsample = ConvBN(inputs, outputs, 1, stride, relu=False, bias=bias) if needed else None

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv_bn_relu2(self.conv_bn_relu1(x))
        if self.conv_bn_relu3 is not None:
            out = self.conv_bn_relu3(out)
        return F.relu(out + (x if self.downsample is None else self.downsample(x)), inplace=True)


class Top(nn.Module):
    """3 -> 64 channels at a quarter of the size; once for the whole network."""

    def __init__(self, bias: bool):
        super().__init__()
        self.conv = ConvBN(3, TOP_CHANNELS, 7, stride=2, bias=bias)

    def forward(self, images: Tensor) -> Tensor:
        return F.max_pool2d(self.conv(images), 3, stride=2, padding=1)


class Downsample(nn.Module):
    """The ResNet body of a stage; what the stage before learnt is added to the output of each level."""

    def __init__(self, body: Body, bias: bool):
        super().__init__()
        channels = TOP_CHANNELS
        for level, count in enumerate(body.blocks):
            width = TOP_CHANNELS * 2**level
            blocks = []
            for index in range(count):
                stride = 2 if level > 0 and index == 0 else 1
                blocks.append(Block(channels, width, body.expansion, stride, bias))
                channels = width * body.expansion
            self.add_module(f"layer{level + 1}", nn.Sequential(*blocks))

    def forward(self, x: Tensor, earlier: Sequence[Tensor] | None) -> list[Tensor]:
        """Features of the four levels, finest first; `earlier` is what to add to each, in the same order."""
        levels = []
        for level, layer in enumerate(self.children()):
            x = layer(x)
            if earlier is not None:
                x = x + earlier[level]
            levels.append(x)
        return levels


class UpUnit(nn.Module):
    """One step up: joins the body's level with the coarser unit below, and writes heat maps.

    `below` says whether there is a unit below; `to_next` whether a stage follows that wants this level's features;
    `cross` whether this unit feeds the next stage's body.
    """

    def __init__(self, channels: int, keypoints: int, below: bool, to_next: bool, cross: bool, bias: bool):
        super().__init__()
        self.u_skip = ConvBN(channels, UP_CHANNELS, 1, relu=False, bias=bias)
        self.up_conv = ConvBN(UP_CHANNELS, UP_CHANNELS, 1, relu=False, bias=bias) if below else None
        self.skip1 = ConvBN(channels, channels, 1, bias=bias) if to_next else None
        self.skip2 = ConvBN(UP_CHANNELS, channels, 1, bias=bias) if to_next else None
        self.cross_conv = ConvBN(UP_CHANNELS, TOP_CHANNELS, 1, bias=bias) if cross else None
        self.res_conv1 = ConvBN(UP_CHANNELS, UP_CHANNELS, 1, bias=bias)
        self.res_conv2 = ConvBN(UP_CHANNELS, keypoints, 3, relu=False, bias=bias)

    def forward(self, level: Tensor, below: Tensor | None) -> Tensor:
        """(B, 256, h, w) features at the size of `level`."""
        out = self.u_skip(level)
        if self.up_conv is not None and below is not None:
            out = out + self.up_conv(_resize(below, level.shape[-2:]))
        return F.relu(out, inplace=True)

    def heatmaps(self, features: Tensor, size: Sequence[int]) -> Tensor:
        """(B, K, *size) maps from this unit's features."""
        return _resize(self.res_conv2(self.res_conv1(features)), size)


class Stage(nn.Module):
    """Down through a ResNet and up again."""

    def __init__(self, body: Body, keypoints: int, last: bool, bias: bool):
        super().__init__()
        self.downsample = Downsample(body, bias)
        units = {}
        for unit in range(UNITS):
            channels = TOP_CHANNELS * 2 ** (UNITS - 1 - unit) * body.expansion
            cross = not last and unit == UNITS - 1
            units[f"up{unit + 1}"] = UpUnit(channels, keypoints, unit > 0, not last, cross, bias)
        self.upsample = nn.ModuleDict(units)

    def forward(
        self, x: Tensor, earlier: Sequence[Tensor] | None, units: Sequence[int]
    ) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """One stage.

        Parameters
        ----------
        x : (B, 64, h, w)
            From the top, or from the stage before.
        earlier
            What the stage before has for each level, finest first; None for the first stage.
        units
            Whose heat maps are wanted, by number from the coarsest.

        Returns
        -------
        maps
            (B, K, h, w) of each wanted unit.
        later
            What the next stage gets for each level, finest first; empty in the last stage.
        x
            The next stage's input.
        """
        size = x.shape[-2:]
        maps: list[Tensor] = []
        later: list[Tensor] = []
        features: Tensor | None = None
        levels = self.downsample(x, earlier)
        for number, (unit, level) in enumerate(zip(self.upsample.values(), reversed(levels))):
            assert isinstance(unit, UpUnit)
            features = unit(level, features)
            if number in units:
                maps.append(unit.heatmaps(features, size))
            if unit.skip1 is not None and unit.skip2 is not None:
                later.insert(0, unit.skip1(level) + unit.skip2(features))
            if unit.cross_conv is not None:
                x = unit.cross_conv(features)
        return maps, later, x


class MSPN(nn.Module):
    """The multi-stage pose network.

    Parameters
    ----------
    num_keypoints
        K, the number of heat maps.
    stages
        1 to 4 stages.
    conv_bias
        Whether convolutions carry the bias that the following normalisation makes redundant (the official release
        does, mmpose does not). The output is the same function class; 0.1 % of the parameters.
    body
        'resnet50', or 'resnet18' for small machines.

    Raises
    ------
    PoofError
        On an unknown body or another number of stages.
    """

    stride = STRIDE

    def __init__(self, num_keypoints: int = 17, stages: int = 2, conv_bias: bool = True, body: str = "resnet50"):
        super().__init__()
        if body not in BODIES:
            raise PoofError(f"no network body '{body}'; there are {names_near(body, BODIES)}")
        if stages not in (1, 2, 3, 4):
            raise PoofError(f"MSPN has 1 to 4 stages, not {stages}")
        if num_keypoints < 1:
            raise PoofError(f"MSPN needs at least one keypoint, not {num_keypoints}")
        self.num_keypoints, self.stages, self.conv_bias, self.body = num_keypoints, stages, conv_bias, body
        self.top = Top(conv_bias)
        for stage in range(stages):
            self.add_module(f"stage{stage}", Stage(BODIES[body], num_keypoints, stage == stages - 1, conv_bias))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, UpUnit):
                # Fresh heads answer at the scale of their targets. From the usual gain of one, an optimiser of bounded
                # steps takes thousands of them to get there.
                nn.init.constant_(module.res_conv2.bn.weight, HEAD_GAIN)

    def forward(self, images: Tensor) -> Tensor:
        """Every heat map of the network.

        Parameters
        ----------
        images : (B, 3, H, W) float
            RGB, normalised (`poof.pose.crops.normalise`); H and W divisible by 32.

        Returns
        -------
        Tensor
            (B, stages, 4, K, H/4, W/4), units from coarse to fine; `[:, -1, -1]` is the network's answer. Peaks are
            255 high where the network is sure.
        """
        maps = []
        for of_stage in self._stages(images, every=True):
            maps.append(torch.stack(of_stage, dim=1))
        return torch.stack(maps, dim=1)

    def heatmaps(self, images: Tensor) -> Tensor:
        """(B, K, H/4, W/4): only the last map of the last stage, without computing the others."""
        return list(self._stages(images, every=False))[-1][-1]

    def _stages(self, images: Tensor, every: bool) -> Iterator[list[Tensor]]:
        """The heat maps of each stage; unless `every`, only the last stage's last."""
        height, width = images.shape[-2:]
        if height % MULTIPLE or width % MULTIPLE or not (height and width):
            raise PoofError(f"MSPN wants sides divisible by {MULTIPLE}, not {width}x{height}")
        x: Tensor = self.top(images)
        earlier: list[Tensor] | None = None
        for number in range(self.stages):
            last = number == self.stages - 1
            units = range(UNITS) if every else range(UNITS - 1, UNITS) if last else ()
            maps, earlier, x = self.get_submodule(f"stage{number}")(x, earlier, units)
            yield maps


def _resize(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear with aligned corners, as both releases do it; nothing when the size fits already."""
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=True)
