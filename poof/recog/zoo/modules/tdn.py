"""TDN's long-term module: differences in both directions at several scales excite channels and cells."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, pad

from poof.errors import PoofError
from poof.recog.core.backbone import Host
from poof.recog.core.module import Place, Shape, TemporalModule, per_frame, shift_time


class LongTermDifference(TemporalModule):
    """out = x + x * (g_forward + g_backward) / 2, each g a gate in (-1/2, 1/2) made of differences between segments.

    After the first convolution (with norm and activation) of the blocks of stages 2 to 4; the document leaves stage 1
    to its short-term module.

    Knobs
    -----
    reduction : 16
    shift : false
        Also the learned depthwise convolution along time over all channels, initialised as a shift by one frame of
        one eighth of them in either direction, that follows the module in the document's network.
    """

    document = (
        "Wang et al.: TDN: Temporal Difference Networks for Efficient Action Recognition (CVPR 2021), Section 3.3"
    )
    origin = "MCG-NJU/TDN"
    summary = "gates features by two-way differences between segments at two scales"

    def __init__(self, shape: Shape, reduction: int = 16, shift: bool = False) -> None:
        super().__init__(shape)
        if not 1 <= reduction <= shape.channels:
            raise PoofError(f"reduction={reduction} leaves none of {shape.channels} channels")
        self.gate = TwoWayDifference(shape, shape.channels // reduction)
        self.shift = LearnedShift(shape.channels) if shift else None

    @classmethod
    def places(cls, host: Host) -> Sequence[Place]:
        """Before what follows the first convolution, stages 2 to 4."""
        return [Place(block.second) for block in host.blocks if block.expands and block.stage >= 2]

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the same shape."""
        x = torch.addcmul(x, x, self.gate(x))
        return x if self.shift is None else self.shift(x)


class TwoWayDifference(nn.Module):
    """The gate: mean over both directions of sigmoid(BN(1x1(branches))) - 1/2.

    Three branches of the difference d are averaged: d itself, BN(3x3(d pooled by 2)) enlarged again, and BN(3x3(d)).
    Both directions share all layers. The released code of M2A computes the backward full-scale branch from the
    forward one, which `chained` repeats.
    """

    def __init__(self, shape: Shape, squeezed: int, chained: bool = False) -> None:
        super().__init__()
        self.chained = chained
        if min(shape.height, shape.width) < 2:
            raise PoofError(f"features of {shape.height}x{shape.width} cells cannot be pooled by 2: use larger frames")
        self.squeeze = _layer(shape.channels, squeezed, 1)
        self.depthwise = nn.Conv2d(squeezed, squeezed, 3, padding=1, groups=squeezed, bias=False)
        self.coarse = _layer(squeezed, squeezed, 3)
        self.fine = _layer(squeezed, squeezed, 3)
        self.expand = _layer(squeezed, shape.channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to a gate of the same shape."""
        squeezed = per_frame(self.squeeze, x)
        moved = per_frame(self.depthwise, squeezed)
        forward = pad(shift_time(moved, 1)[:, :-1] - squeezed[:, :-1], (0, 0, 0, 0, 0, 0, 0, 1))
        backward = pad(shift_time(moved, -1)[:, 1:] - squeezed[:, 1:], (0, 0, 0, 0, 0, 0, 1, 0))
        shape = forward.shape[:2]
        forward, backward = forward.flatten(0, 1), backward.flatten(0, 1)
        fine = self.fine(forward)
        other = self.fine(fine if self.chained else backward)
        return ((self._excite(forward, fine) + self._excite(backward, other)) / 2).unflatten(0, shape)

    def _excite(self, difference: Tensor, fine: Tensor) -> Tensor:
        coarse = interpolate(self.coarse(avg_pool2d(difference, 2)), size=difference.shape[-2:])
        return self.expand((difference + coarse + fine) / 3).sigmoid() - 0.5


class LearnedShift(nn.Module):
    """Depthwise convolution along time (k = 3) that starts as TSM's shift by one frame."""

    def __init__(self, channels: int, div: int = 8, identity: bool = False) -> None:
        super().__init__()
        fold = 0 if identity else channels // div
        self.weight = nn.Parameter(torch.zeros(channels, 1, 3, 1))
        with torch.no_grad():
            self.weight[:fold, 0, 2] = 1  # from the next frame
            self.weight[fold : 2 * fold, 0, 0] = 1  # from the frame before
            self.weight[2 * fold :, 0, 1] = 1

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the same shape."""
        flat = x.transpose(1, 2).flatten(3)
        mixed = nn.functional.conv2d(flat, self.weight, padding=(1, 0), groups=self.weight.shape[0])
        return mixed.view(x.shape[0], x.shape[2], x.shape[1], *x.shape[3:]).transpose(1, 2)


def _layer(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(outputs))
