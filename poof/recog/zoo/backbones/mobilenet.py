"""MobileNetV2 in 2D, each frame on its own; torchvision's network, keys and weights.

Document: Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks (CVPR 2018).
"""

from __future__ import annotations

from poof.recog.core.backbone import Block, Host
from poof.torchvision_ops import ensure


def mobilenet_v2(classes: int) -> Host:
    """The stages are those of equal resolution: 1 up to 56x56 at 224x224 input, then 28, 14 and 7."""
    ensure()
    from torchvision import models

    net = models.mobilenet_v2(num_classes=classes)
    net.classifier[0].p = 0.0  # the frame has its own dropout in front of the classifier
    layers = list(net.features.children())
    blocks: list[Block] = []
    ends: dict[int, str] = {}
    stage, count = 1, 0
    for number, layer in enumerate(layers[1:-1], 1):
        path = f"features.{number}"
        expands = len(layer.conv) == 4
        depthwise = layer.conv[1 if expands else 0][0]
        if depthwise.stride[0] == 2 and number > 2:
            stage, count = stage + 1, 0
        second = f"{path}.conv.1"
        blocks.append(Block(path, stage, count, f"{path}.conv.0.0", second, layer.use_res_connect, expands))
        ends[stage] = path
        count += 1
    ends[stage] = f"features.{len(layers) - 1}"
    return Host(
        net, 2, tuple(blocks), tuple(ends.values()), "classifier.1", {"imagenet": "MobileNet_V2_Weights.IMAGENET1K_V1"}
    )
