"""ResNet-18/34/50/101 in 2D, each frame on its own; torchvision's networks, keys and weights.

Document: He et al., Deep Residual Learning for Image Recognition (CVPR 2016).
"""

from __future__ import annotations

from poof.recog.core.backbone import Host, residual_blocks
from poof.torchvision_ops import ensure


def resnet(name: str, classes: int) -> Host:
    """`name` is torchvision's (resnet18 ... resnet101)."""
    ensure()
    from torchvision import models

    net = getattr(models, name)(num_classes=classes)
    stages = ("layer1", "layer2", "layer3", "layer4")
    enumeration = f"ResNet{name.removeprefix('resnet')}_Weights"
    return Host(net, 2, residual_blocks(net), stages, "fc", {"imagenet": f"{enumeration}.IMAGENET1K_V1"})
