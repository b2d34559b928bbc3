"""R3D-18 and R(2+1)D-18: torchvision's video networks, keys and Kinetics-400 weights.

Document: Tran et al., A Closer Look at Spatiotemporal Convolutions for Action Recognition (CVPR 2018).
The factorised convolutions share one number of middle channels per block, as torchvision has it (31.5 M parameters;
the original code counts them anew for every convolution, 33.3 M).
"""

from __future__ import annotations

from poof.recog.core.backbone import KINETICS_MEAN, KINETICS_STD, Host, residual_blocks
from poof.torchvision_ops import ensure

_WEIGHTS = {"r3d_18": "R3D_18_Weights.KINETICS400_V1", "r2plus1d_18": "R2Plus1D_18_Weights.KINETICS400_V1"}


def video_resnet(name: str, classes: int) -> Host:
    """`name` is torchvision's (r3d_18, r2plus1d_18)."""
    ensure()
    from torchvision.models import video

    net = getattr(video, name)(num_classes=classes)
    return Host(
        net,
        3,
        residual_blocks(net, first="conv1.0"),
        ("layer1", "layer2", "layer3", "layer4"),
        "fc",
        {"kinetics": _WEIGHTS[name]},
        KINETICS_MEAN,
        KINETICS_STD,
    )
