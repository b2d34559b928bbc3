"""MTBlocks in X3D (MTNet in three sizes) and in r3d-50: multi-temporal convolutions, ended by squeeze and recursion.

Document: Stergiou, Efficient Modelling Across Time (Utrecht 2021), Section 5.3 and Table 6.1b.

What the table does not say is as in X3D: strides, squeeze-and-excitation, head. Instead of a block's 3x3x3 convolution
per channel with norm and Swish stands an MTConv, which has norms and ReLU of its own; behind the last 1x1x1 a GRU along
time scales the channels, then come the sum and ReLU. Blocks begin with their branch switched on, not at zero as X3D's:
the recurrence makes it small anyway. S and M are one network for clips of different size (13 or 16 frames at 160 to
182, 16 at 224 to 256); L is as deep as X3D-L.

No reading gives the printed 25.8 and 50.1 M parameters and 5.8, 8.8 and 17.6 GMACs (16 frames at 182, 256 and 256).
The equations to the letter, full kernels over all channels, have 57.0 and 121.7 M and cost 68.4, 124.7 and 262.9; with
shares of the input channels 45.9 and 97.5 M and 59.3, 108.1 and 227.7; with kernels per channel besides, as X3D has
them and footnotes of the document imply, 6.2 and 11.5 M and 3.4, 6.2 and 12.0. The last one alone is a network below
20 GMACs as the document wants it, and is what these names mean; the first are `mtnet_s_literal` and so on.

The cost of the last one hardly depends on delta: its 1x1x1 convolutions, which are most of it, stay whole. In Table 5.6
it falls from 10.8 to 2.1 GMACs. With MTConvs in place of these, too (`whole`: Fig. 5.2 has "a sequence of MTConvs" in a
block), it falls nearly as steeply, from 6.2 to 1.7.

In r3d-50 (Table 5.2: 35.7 M, 23.1 GMACs) MTConvs with dense kernels stand for the 3x3x3 convolutions: 36.99 M with
shares of the input channels, 44.42 M to the letter.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from torch import nn

from poof.recog.core.backbone import Block, Host
from poof.recog.zoo.backbones.thin_video_resnet import thin_video_resnet
from poof.recog.zoo.backbones.x3d import SIZES as X3D_SIZES
from poof.recog.zoo.backbones.x3d import X3D, X3D_MEAN, X3D_STD, ResidualBlock, X3DSize
from poof.recog.zoo.modules.mtconv import AlignedNorm, MTConv, MTConvOptions

SIZES: dict[str, X3DSize] = {
    "mtnet_s": X3D_SIZES["x3d_s"],
    "mtnet_m": X3D_SIZES["x3d_m"],
    "mtnet_l": X3D_SIZES["x3d_l"],
    "mtnet_half": X3DSize(width=1.0, depth=0.2, head=256),
}
"""The last one is for tests and small experiments: half as wide, one block a stage."""
MEASURED = MTConvOptions(split=True, separate=True)
LITERAL = MTConvOptions()


def mtnet(
    name: str,
    classes: int,
    options: MTConvOptions | None = None,
    cell: str = "gru",
    layers: int = 1,
    whole: bool = False,
) -> Host:
    """`name` is a key of `SIZES`; cell and layers are those of the recurrence, see `sr`.

    `whole`: the 1x1x1 convolutions of a block are MTConvs, too.
    """
    size = SIZES[name]
    options = options or MEASURED
    net = X3D(size, classes, partial(_middle, options=options))
    for module in net.modules():
        if isinstance(module, ResidualBlock):
            branch = module.branch2
            nn.init.ones_(branch.c_bn.weight)
            branch.b_bn, branch.b_relu = nn.Identity(), nn.Identity()  # type: ignore[assignment]
            if whole:
                branch.a, branch.c = (_pointwise(conv, options) for conv in (branch.a, branch.c))  # type: ignore[assignment]
                branch.a_bn, branch.a_relu = nn.Identity(), nn.Identity()  # type: ignore[assignment]
            branch.c_bn = AlignedNorm(branch.c_bn, cell, layers)  # type: ignore[assignment]
    blocks = [
        Block(path, stage, index, f"{path}.branch2.a", f"{path}.branch2.b")
        for stage, depth in enumerate(size.depths, 1)
        for index in range(depth)
        for path in (f"s{stage + 1}.pathway0_res{index}",)
    ]
    return Host(net, 3, tuple(blocks), ("s2", "s3", "s4", "s5"), "head.projection", {}, X3D_MEAN, X3D_STD)


def multi_temporal_r3d_50(
    classes: int, options: MTConvOptions | None = None, cell: str = "gru", layers: int = 1
) -> Host:
    """The r3d-50 of `thin_video_resnet`, an MTConv for each 3x3x3 convolution and a recurrence at each block's end."""
    host = thin_video_resnet("r3d", 50, classes)
    for part in host.blocks:
        block = host.net.get_submodule(part.path)
        conv = block.get_submodule("conv2.0")
        assert isinstance(conv, nn.Conv3d)
        how = options or MTConvOptions(split=True)
        block.conv2 = MTConv(conv.in_channels, conv.out_channels, conv.stride, how)  # type: ignore[arg-type]
        norm = block.get_submodule("conv3.1")
        assert isinstance(norm, nn.BatchNorm3d)
        block.set_submodule("conv3.1", AlignedNorm(norm, cell, layers))
    return host


def _pointwise(conv: nn.Conv3d, options: MTConvOptions) -> MTConv:
    return MTConv(conv.in_channels, conv.out_channels, 1, replace(options, separate=False), kernel=1)


def _middle(channels: int, stride: int, options: MTConvOptions) -> nn.Module:
    return MTConv(channels, channels, stride, options)
