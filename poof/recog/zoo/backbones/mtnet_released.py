"""MTNet as its code was released: a ResNet of two paths, a local and a prolonged one, each with sizes of its own.

Code: network/MTnet.py of alexandrosstergiou/Squeeze-and-Recursion-Temporal-Gates, as of January 2021, when its
checkpoints were first linked. The document's network (Stergiou 2021, Section 5.3) is `poof.recog.zoo.backbones.mtnet`.
What the release does otherwise:

* Two tensors run from stem to classifier, 56 and 8 to 448 and 64 channels. The document has one of X3D's widths, whose
  prolonged part is brought back to full size behind every convolution.
* A block has four multi-temporal convolutions (1x1x1 twice, 3x3x3, then 1x3x3, or 1x1x1 where the skip connection
  projects), no squeeze-and-excitation and no Swish. Later stages halve time, too.
* What goes from the local path to the prolonged one is taken in front of the norm, and joins in front of the ReLU; one
  norm serves both summands, so that in training its averages are of both.
* Mean pooling, where the document has SoftPool. The frames that resemble their neighbours most stay, where the
  document keeps those that do least; the stem keeps half of its frames, too.
* Torch's GRU in two layers at the end of a block, one for each path.
* Frames are BGR, as OpenCV decodes them; a network that is filled with a released file gets them so
  (`poof.recog.zoo.published.mtnet`).

Parameters with 400 classes are 40.0, 44.0 and 88.1 M for S, M and L (printed 25.8, 25.8, 50.1), GMACs of 16 frames at
182, 256 and 256 px 12.7, 33.0 and 49.7 (printed 5.8, 8.8, 17.6); with eight groups ("g8") 12.2, 13.3 and 24.9 M, 4.0,
8.2 and 8.6 GMACs. The code's first version (November 2020) chose no frames: the same keys, never linked.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool3d, interpolate, pad, relu

from poof.errors import PoofError
from poof.recog.core.backbone import Host
from poof.recog.zoo.backbones.mfnet import MEAN, STD
from poof.recog.zoo.modules.mtconv import MTConvOptions
from poof.recog.zoo.modules.selection import select_frames, take_frames
from poof.recog.zoo.modules.sr import Recurrence

DEPTHS: dict[str, tuple[int, int, int, int]] = {
    "xs": (2, 2, 2, 2),
    "s": (2, 2, 5, 3),
    "m": (3, 4, 6, 3),
    "l": (3, 4, 23, 3),
    "xl": (3, 8, 36, 3),
    "xxl": (3, 24, 36, 3),
}
"""Blocks a stage; the checkpoints are of s, m and l."""
WIDTHS = (64, 128, 256, 512)
Paths = tuple[Tensor, Tensor]
"""Features (N, C, T, H, W) of the local and of the prolonged path."""
Pair = tuple[int, int]


def mtnet_released(classes: int, depth: str = "s", groups: int = 1, delta: float = 0.875) -> Host:
    """`depth` is a key of `DEPTHS`; `groups` those of a block's last two convolutions, whose width they divide.

    It has no map of its blocks: modules take one tensor.

    Raises
    ------
    PoofError
        If the local path's share `delta` leaves a path without channels, or does not go with the groups.
    """
    if groups < 1:
        raise PoofError(f"groups={groups}: at least one")
    net = MTNetReleased(classes, DEPTHS[depth], groups, delta)
    stages = tuple(f"layer{number}.{count - 1}.local_end" for number, count in enumerate(DEPTHS[depth], 1))
    return Host(net, 3, (), stages, "fc", {}, MEAN, STD)


class MTNetReleased(nn.Module):
    """Stem, four stages of blocks on two paths, the means of both side by side, classifier.

    `made_of`: blocks a stage, groups, share of the local path.
    """

    def __init__(self, classes: int, depths: tuple[int, ...], groups: int, delta: float) -> None:
        super().__init__()
        inputs = WIDTHS[0]
        self.shares = _shares(inputs, delta)
        self.made_of = tuple(depths), groups, self.shares[0] / inputs
        self.stem = nn.Sequential(
            nn.Conv3d(3, inputs, (3, 7, 7), (1, 2, 2), (1, 3, 3), bias=False), nn.BatchNorm3d(inputs), nn.ReLU()
        )
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        for number, (width, count) in enumerate(zip(WIDTHS, depths, strict=True), 1):
            blocks = []
            for index in range(count):
                stride = 2 if index == 0 and number > 1 else 1
                blocks.append(TwoPathBlock(inputs, width, stride, groups, delta))
                inputs = width
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.fc.weight, 0, 0.01)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Clips (N, 3, T, H, W) to (N, classes)."""
        x = self.stem(x)
        if x.shape[3] % 2 or x.shape[4] % 2:
            x = pad(x, (1, 0, 1, 0, 0, 0), "replicate")
        x = half_of_the_frames(self.pool(x))
        near, far = x.split(self.shares, 1)
        paths = near, half_of_the_frames(half_of_the_cells(far))
        for number in range(1, len(WIDTHS) + 1):
            paths = self.get_submodule(f"layer{number}")(paths)
        near, far = (path.mean((2, 3, 4)) for path in paths)
        return self.fc(torch.cat([near, far], 1))


class TwoPathConv(nn.Module):
    """A convolution on each path, and a third from the local path to the prolonged one.

    Parameters
    ----------
    inputs, outputs
        Channels of the two paths.
    kernel
        Its sides in time, height and width; padded to keep the size.
    stride
        In time, height and width.
    groups
        Those of the two convolutions, and of group norms; None: one each, and batch norms.
    lateral
        Whether there is the third one.
    """

    def __init__(
        self,
        inputs: Pair,
        outputs: Pair,
        kernel: tuple[int, int, int],
        stride: int = 1,
        groups: Pair | None = None,
        lateral: bool = True,
    ) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        self.local, self.prolonged = (
            nn.Conv3d(i, o, kernel, stride, padding, groups=g, bias=False)
            for i, o, g in zip(inputs, outputs, groups or (1, 1), strict=True)
        )
        self.lateral = nn.Conv3d(*outputs, 1, bias=False) if lateral else None
        self.local_bn, self.prolonged_bn = (
            nn.GroupNorm(groups[path], channels) if groups else nn.BatchNorm3d(channels)
            for path, channels in enumerate(outputs)
        )

    def forward(self, paths: Paths) -> Paths:
        """Both paths, normed, without an activation."""
        near, far = self.local(paths[0]), self.prolonged(paths[1])
        after = self.prolonged_bn(far)
        if self.lateral is not None:
            given = _resized(half_of_the_frames(half_of_the_cells(near)), far)
            after = after + self.prolonged_bn(self.lateral(given))
        return self.local_bn(near), after


class TwoPathBlock(nn.Module):
    """Four convolutions, squeeze and recursion on each path, and a skip connection, which projects in a new stage."""

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int, delta: float) -> None:
        super().__init__()
        came, inner, left = (_shares(c, delta) for c in (inputs, outputs // groups, outputs))
        parts = _shares(groups, delta) if groups > 1 else None
        for widths in (came, inner, left):
            if parts and (widths[0] % parts[0] or widths[1] % parts[1]):
                raise PoofError(f"groups={groups},delta={delta}: {widths} channels do not go into {parts} groups")
        projects = stride > 1 or inputs != outputs
        self.squeeze = TwoPathConv(came, inner, (1, 1, 1))
        self.restore = TwoPathConv(inner, came, (1, 1, 1))
        self.middle = TwoPathConv(came, inner, (3, 3, 3), stride, parts)
        self.last = TwoPathConv(inner, left, (1, 1, 1) if projects else (1, 3, 3), 1, parts)
        self.local_sr, self.prolonged_sr = (Recurrence(width, "gru_after") for width in left)
        self.skip = TwoPathConv(came, left, (1, 1, 1), stride, lateral=False) if projects else None
        self.local_end, self.prolonged_end = nn.ReLU(), nn.ReLU()

    def forward(self, paths: Paths) -> Paths:
        """(N, C, T, H, W) twice to the same, each halved by the stride."""
        out = paths
        for layer in (self.squeeze, self.restore, self.middle):
            near, far = layer(out)
            out = relu(near), relu(far)
        out = self.last(out)
        if self.skip is not None:
            near, far = paths
            if far.shape[3] < 3:  # as released: so that two cells are left behind the stride
                far = interpolate(far, (far.shape[2], 3, 3), mode="trilinear")
            paths = self.skip((near, far))
        near, far = (_resized(path, one) for path, one in zip(paths, out, strict=True))
        return (
            self.local_end(self.local_sr.scale(out[0]) + near),
            self.prolonged_end(self.prolonged_sr.scale(out[1]) + far),
        )


def half_of_the_frames(x: Tensor) -> Tensor:
    """Frames of (N, C, T, H, W) that resemble their neighbours most, T // 2; of one or two all stay."""
    if x.shape[2] < 3:
        return x
    frames = x.transpose(1, 2)
    return take_frames(frames, select_frames(frames.mean((3, 4)), "released")).transpose(1, 2)


def half_of_the_cells(x: Tensor) -> Tensor:
    """Means of 2x2 cells; a single row or column stays, where the release ends with an error."""
    return avg_pool3d(x, (1, 2, 2)) if min(x.shape[3:]) > 1 else x


def _resized(x: Tensor, like: Tensor) -> Tensor:
    return x if x.shape[2:] == like.shape[2:] else interpolate(x, like.shape[2:], mode="trilinear")


def _shares(channels: int, delta: float) -> Pair:
    local = MTConvOptions(delta).local(channels)
    if local >= channels:
        raise PoofError(f"delta={delta} leaves none of {channels} channels to the prolonged path")
    return local, channels - local
