"""r3d-34/50/101 and r(2+1)d-34/50/101 whose bottlenecks do not widen: the backbones of Stergiou (2021).

Document: Stergiou, Efficient Modelling Across Time of Human Actions and Interactions (Utrecht 2021), Chapter 4 and
Table 6.1a. 34 layers have Simple blocks, 50 and 101 Bottleneck blocks with expansion 1 (1x1x1, 3x3x3, 1x1x1, all as
wide as the stage: 64, 128, 256, 512); wide ones are twice as wide inside (140.94 M). That is what the printed
parameter counts belong to (400 classes: 63.68, 36.73, 69.06 M and 61.83, 34.86, 67.22 M); the usual expansion of 4
gives 46 and 86 M.

Blocks and keys are torchvision's. Two things differ. The stem is followed by a 1x3x3 max-pooling of stride 2: the
printed FLOPs of 101 minus 50 layers (25.4 G) are those of stages at 56, 28, 14 and 7 cells with all frames in the
first; the released code pools time as well (r3d_34_pooled and so on). And every skip connection is a layer, an
identity where it does not project, so that a module can sit on it (the 'res' placement of the recursion gates); it has
no keys.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from poof.recog.core.backbone import KINETICS_MEAN, KINETICS_STD, Host, residual_blocks
from poof.torchvision_ops import ensure

BLOCKS = {34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
DEPTHS = (34, 50, 101)
"""Those of Chapter 4; 152 stands in Table 7.1 alone, as does ResNeXt."""


def thin_video_resnet(
    kind: str, depth: int, classes: int, pooled: bool = False, wide: bool = False, groups: int = 1
) -> Host:
    """`kind` is r3d or r2plus1d, `depth` a key of `BLOCKS`; `pooled`: the stem pools time as well, as released.

    `wide`: the first two convolutions of a bottleneck have twice the channels of the stage. `groups`: those of an r3d's
    3x3x3 convolutions; 32 and wide is a ResNeXt.
    """
    ensure()
    from torchvision.models.video import resnet as parts

    class Thin(parts.Bottleneck):
        expansion = 1

        def __init__(self, inplanes: int, planes: int, *more: Any, **kwargs: Any) -> None:
            super().__init__(inplanes, planes * (2 if wide else 1), *more, **kwargs)
            if wide:
                last = nn.Conv3d(2 * planes, planes, 1, bias=False)
                self.conv3 = nn.Sequential(last, nn.BatchNorm3d(planes))

    class Grouped(parts.Conv3DSimple):
        def __init__(self, inplanes: int, planes: int, midplanes: Any = None, stride: int = 1, padding: int = 1):
            nn.Conv3d.__init__(self, inplanes, planes, 3, stride, padding, groups=groups, bias=False)

    factorised = kind == "r2plus1d"
    convolution = parts.Conv2Plus1D if factorised else Grouped if groups > 1 else parts.Conv3DSimple
    block = parts.BasicBlock if depth == 34 else Thin
    stem = parts.R2Plus1dStem if factorised else parts.BasicStem
    net = parts.VideoResNet(block, [convolution] * 4, list(BLOCKS[depth]), stem, classes)
    net.stem.append(nn.MaxPool3d(3, 2, 1) if pooled else nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)))
    blocks = residual_blocks(net, first="conv1.0")
    for part in blocks:
        layer = net.get_submodule(part.path)
        if layer.downsample is None:
            layer.downsample = nn.Identity()
    return Host(
        net, 3, blocks, ("layer1", "layer2", "layer3", "layer4"), "fc", {}, KINETICS_MEAN, KINETICS_STD, inflated=False
    )
