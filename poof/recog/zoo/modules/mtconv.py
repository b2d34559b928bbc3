"""MTConv: a 3D convolution in two branches, one at full resolution, one at half of time, height and width."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from poof.errors import PoofError
from poof.recog.core.module import choose
from poof.recog.zoo.modules.selection import select_frames, take_frames
from poof.recog.zoo.modules.softpool import POOLINGS, pool_space, pool_volume
from poof.recog.zoo.modules.sr import Recurrence

SELECTIONS = ("least", "most", "uniform", "pool")


@dataclass(frozen=True)
class MTConvOptions:
    """How an MTConv is made.

    Attributes
    ----------
    delta : 0.875
        Share of the output channels that the local branch gives; 1 makes an ordinary convolution with norm and ReLU.
    split : false
        Whether each branch sees its share of the input channels only. The equations (5.2 to 5.4) let both see all; the
        parameters and FLOPs of Table 5.6 fit shares, whose cost has its minimum at delta = 1/2.
    separate : false
        Whether the 3x3x3 kernels work on each channel alone, as X3D's do and footnotes of the document imply for the
        networks that were measured; needs `split`.
    shared : false
        Whether both inputs of the prolonged branch keep the same frames, those that the layer's input chooses. By the
        equations each chooses its own, and frames of different times are added.
    pool : soft | average | max | stochastic
    selection : least | most | uniform | pool
        Frames that stay, see `poof.recog.zoo.modules.selection`; 'pool' for symmetric pooling over pairs of frames
        instead (the columns of Table 5.8 without cos).
    """

    delta: float = 0.875
    split: bool = False
    separate: bool = False
    shared: bool = False
    pool: str = "soft"
    selection: str = "least"

    def __post_init__(self) -> None:
        choose("pool", self.pool, POOLINGS)
        choose("selection", self.selection, SELECTIONS)
        if not 0 < self.delta <= 1:
            raise PoofError(f"delta={self.delta}: the local branch's share of the channels must be in (0, 1]")
        if self.separate and not self.split:
            raise PoofError("separate=true: kernels of one channel need branches that see their share: split=true")
        if self.shared and self.selection == "pool":
            raise PoofError("shared=true: symmetric pooling chooses no frames; take another selection")

    def local(self, channels: int) -> int:
        """Channels of the local branch (eq. 5.1), at least one; the prolonged branch has the rest."""
        return max(int(self.delta * channels + 1e-6), 1)


class MTConv(nn.Module):
    """out = [L, P]: L = relu(BN(conv3x3x3(x))), P = up(relu(BN(conv1x1x1(down(L)))) + relu(BN(conv3x3x3(down(x))))).

    down: pooling to half of height and width, then half of the frames; up: trilinear (no aligned corners) to L's size,
    as if the frames that stayed were evenly spaced. An axis of one cell is not pooled, a single frame stays. Where
    rounding leaves the two inputs of the sum one cell apart, the second is resized.

    Parameters
    ----------
    inputs, outputs
        Channels.
    stride
        In space, or in time, height and width, of the local branch and of the prolonged branch's own convolution.
    options
        See `MTConvOptions`.
    kernel
        Side of the kernels, 3 or 1.

    Document: Stergiou, Efficient Modelling Across Time (Utrecht 2021), Section 5.3.1.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int | tuple[int, int, int] = 1,
        options: MTConvOptions | None = None,
        kernel: int = 3,
    ) -> None:
        super().__init__()
        self.options = options = options or MTConvOptions()
        self.wide = options.local(outputs)
        long = outputs - self.wide
        self.seen = options.local(inputs) if options.split else inputs
        seen_long = inputs - self.seen if options.split else inputs
        if long and not seen_long:
            raise PoofError(f"delta={options.delta} leaves none of {inputs} channels to the prolonged branch")
        if options.separate and (self.seen != self.wide or seen_long != long):
            raise PoofError(f"separate=true: {inputs} channels in and {outputs} out cannot be paired")
        self.local = _kernel(self.seen, self.wide, stride, self.wide if options.separate else 1, kernel)
        self.local_bn = nn.BatchNorm3d(self.wide)
        self.relu = nn.ReLU()
        self.lateral: nn.Conv3d | None = None
        if long:
            self.lateral = nn.Conv3d(self.wide, long, 1, bias=False)
            self.lateral_bn = nn.BatchNorm3d(long)
            self.prolonged = _kernel(seen_long, long, stride, long if options.separate else 1, kernel)
            self.prolonged_bn = nn.BatchNorm3d(long)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, T, H, W) to (N, outputs, T, H, W), each divided by its stride."""
        near = self.relu(self.local_bn(self.local(x[:, : self.seen])))
        if self.lateral is None:
            return near
        mine = x[:, self.seen :] if self.options.split else x
        own, kept = self.down(mine)
        given, _ = self.down(near, kept if self.options.shared else None)
        far = self.relu(self.prolonged_bn(self.prolonged(own)))
        lateral = self.relu(self.lateral_bn(self.lateral(given)))
        if far.shape[2:] != lateral.shape[2:]:
            far = interpolate(far, lateral.shape[2:], mode="trilinear", align_corners=False)
        far = interpolate(lateral + far, near.shape[2:], mode="trilinear", align_corners=False)
        return torch.cat([near, far], 1)

    def down(self, x: Tensor, kept: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """(N, C, T, H, W) at half of all three, and the frames that stayed; `kept` are those to keep."""
        options = self.options
        if options.selection == "pool":
            return pool_volume(x, options.pool, self.training), None
        if min(x.shape[3:]) > 1:
            x = pool_space(x, options.pool, training=self.training)
        frames = x.transpose(1, 2)
        if kept is None:
            kept = select_frames(frames.mean((3, 4)), options.selection)
        return take_frames(frames, kept).transpose(1, 2), kept

    def pooled_kernel(self) -> Tensor:
        """(outputs, inputs) means of the kernels, the lateral path joined to the local kernel it follows.

        For class feature pyramids, which take a layer for one kernel.
        """
        near = _means(self.local)
        rows = near.new_zeros(self.wide, self.inputs)
        rows[:, : self.seen] = near
        if self.lateral is None:
            return rows
        own = _means(self.prolonged)
        far = own.new_zeros(len(own), self.inputs)
        far[:, -own.shape[1] :] = own
        return torch.cat([rows, far + _means(self.lateral) @ rows])

    @property
    def inputs(self) -> int:
        """Channels that come in."""
        share = self.options.split and self.lateral is not None
        return self.seen + self.prolonged.in_channels if share else self.seen


class AlignedNorm(nn.Sequential):
    """Batch norm, then squeeze and recursion: the end of an MTBlock's main path, in front of its sum.

    The document's text and its parameters leave the depth open: two layers are written, one fits Table 5.7.
    """

    def __init__(self, norm: nn.BatchNorm3d, cell: str, layers: int) -> None:
        super().__init__()
        self.norm = norm
        self.recurrence = Recurrence(norm.num_features, cell, layers)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) to the same shape."""
        return self.recurrence.scale(self.norm(x))


def _kernel(inputs: int, outputs: int, stride: int | tuple[int, int, int], groups: int, side: int) -> nn.Conv3d:
    steps = (1, stride, stride) if isinstance(stride, int) else stride
    return nn.Conv3d(inputs, outputs, side, steps, side // 2, groups=groups, bias=False)


def _means(layer: nn.Conv3d) -> Tensor:
    means = layer.weight.detach().mean((2, 3, 4))
    return torch.diag(means[:, 0]) if layer.groups > 1 else means
