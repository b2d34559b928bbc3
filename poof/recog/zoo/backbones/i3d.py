"""I3D-inflated ResNets: torchvision's 2D ResNets with time added to their kernels; the same keys.

Document: Carreira and Zisserman, Quo Vadis, Action Recognition? (CVPR 2017), as used by Gebotys (2022), Chapter 4.

Every k x k convolution with k > 1 becomes t x k x k with t = 3 (the 7x7 stem becomes 3x7x7), every 1x1 becomes 1x1x1.
Time is halved at the entry of stages 2, 3 and 4 together with space, not by the stem and its max-pooling. That is
what the thesis' costs belong to (ResNet-18, 8 frames, 224x224, 174 classes: 22.473 GMACs, 33.256 M parameters).
2D weights are repeated along time and divided by t, so a still clip gives the same response as its image.

The released code of M2A views its input of T x 3 images as 3 x T: its "colours" are thirds of the clip, its "time" runs
through frames and colours in turn. Networks trained so are the ones with `_viewed` behind their names.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poof.recog.core.backbone import Host, residual_blocks
from poof.recog.core.weights import inflate
from poof.torchvision_ops import ensure

TIME = 3


def i3d_resnet(name: str, classes: int, viewed: bool = False) -> Host:
    """`name` is torchvision's name of the 2D network; `viewed`: clips come in as M2A's release has them."""
    ensure()
    from torchvision import models

    net = getattr(models, name)(num_classes=classes)
    inflate_layers(net)
    if viewed:
        net.register_forward_pre_hook(_view)
    enumeration = f"ResNet{name.removeprefix('resnet')}_Weights"
    return Host(
        net,
        3,
        residual_blocks(net),
        ("layer1", "layer2", "layer3", "layer4"),
        "fc",
        {"imagenet": f"{enumeration}.IMAGENET1K_V1"},
        inflated=True,
    )


def _view(net: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    """(N, 3, T, H, W), laid out as (N, T, 3, H, W) and taken for (N, 3, T, H, W)."""
    x = inputs[0]
    return (x.transpose(1, 2).reshape(x.shape),)


def inflate_layers(net: nn.Module, time: int = TIME) -> None:
    """Exchange the 2D layers of `net` for 3D ones, in place; with `time` 1 no layer mixes or drops frames."""
    for path, child in list(net.named_children()):
        if isinstance(child, nn.Conv2d):
            setattr(net, path, _convolution(child, time))
        elif isinstance(child, nn.BatchNorm2d):
            setattr(net, path, nn.BatchNorm3d(child.num_features))
        elif isinstance(child, nn.MaxPool2d):
            k, s, p = (int(v) if isinstance(v, int) else v[0] for v in (child.kernel_size, child.stride, child.padding))
            setattr(net, path, nn.MaxPool3d((1, k, k), (1, s, s), (0, p, p)))
        elif isinstance(child, nn.AdaptiveAvgPool2d):
            setattr(net, path, nn.AdaptiveAvgPool3d(1))
        else:
            inflate_layers(child, time)


def _convolution(flat: nn.Conv2d, time: int) -> nn.Conv3d:
    k, s, p = flat.kernel_size[0], flat.stride[0], int(flat.padding[0])
    keep = k == 7 or time == 1
    time = time if k > 1 else 1
    deep = nn.Conv3d(
        flat.in_channels,
        flat.out_channels,
        (time, k, k),
        (1 if keep else s, s, s),
        (time // 2, p, p),
        groups=flat.groups,
        bias=flat.bias is not None,
    )
    with torch.no_grad():
        deep.weight.copy_(inflate(flat.weight, time))
        if flat.bias is not None and deep.bias is not None:
            deep.bias.copy_(flat.bias)
    return deep
