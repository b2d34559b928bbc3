"""TEA's motion excitation: channels that change between frames are amplified."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from poof.errors import PoofError
from poof.recog.core.backbone import Host
from poof.recog.core.module import Place, Shape, TemporalModule, per_frame, shift_time


class MotionExcitation(TemporalModule):
    """out = x + x * (sigmoid(m) - 1/2); m: pooled difference dw(s[t+1]) - s[t] of squeezed features s.

    s is C -> C/reduction by 1x1 and batch norm; dw a depthwise 3x3; the last frame's difference is zero; m goes back
    to C channels by 1x1 and batch norm. After the first convolution (with norm and activation) of every block.

    Knobs
    -----
    reduction : 16
    """

    document = "Li et al.: TEA: Temporal Excitation and Aggregation for Action Recognition (CVPR 2020), Section 3.1"
    origin = "Phoenix1327/tea-action-recognition"
    summary = "amplifies the channels whose features change from frame to frame"

    def __init__(self, shape: Shape, reduction: int = 16) -> None:
        super().__init__(shape)
        if not 1 <= reduction <= shape.channels:
            raise PoofError(f"reduction={reduction} leaves none of {shape.channels} channels")
        self.motion = ExcitedDifference(shape.channels, shape.channels // reduction, pool=True)

    @classmethod
    def places(cls, host: Host) -> Sequence[Place]:
        """Before what follows the first convolution."""
        return [Place(block.second) for block in host.blocks if block.expands]

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the same shape."""
        return torch.addcmul(x, x, self.motion(x).sigmoid() - 0.5)


class ExcitedDifference(nn.Module):
    """BN(1x1(pool(dw(s[t+1]) - s[t]))), s = BN(1x1(x)); without the pooling it is M2A's cut of TEA."""

    def __init__(self, channels: int, squeezed: int, pool: bool) -> None:
        super().__init__()
        self.squeeze = nn.Sequential(nn.Conv2d(channels, squeezed, 1, bias=False), nn.BatchNorm2d(squeezed))
        self.depthwise = nn.Conv2d(squeezed, squeezed, 3, padding=1, groups=squeezed, bias=False)
        self.expand = nn.Sequential(nn.Conv2d(squeezed, channels, 1, bias=False), nn.BatchNorm2d(channels))
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to (N, T, C, H, W), or (N, T, C, 1, 1) with pooling."""
        squeezed = per_frame(self.squeeze, x)
        later = shift_time(per_frame(self.depthwise, squeezed), 1)[:, :-1]
        change = nn.functional.pad(later - squeezed[:, :-1], (0, 0, 0, 0, 0, 0, 0, 1))
        if self.pool:
            change = change.mean((3, 4), keepdim=True)
        return per_frame(self.expand, change)
