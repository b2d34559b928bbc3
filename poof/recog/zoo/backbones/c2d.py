"""C2D: a 2D ResNet over whole clips, kernels 1 x k x k; time meets only in the last average.

Document: called R3D by Cao et al. (2021), Section 4.4 ("simply aggregates the input frames"). Torchvision's keys; 2D
weights fit with a time axis of one. The answers are those of the 2D network averaged over the frames (the classifier
is linear): what it adds is a host whose features are clips.
"""

from __future__ import annotations

from poof.recog.core.backbone import Host, residual_blocks
from poof.recog.zoo.backbones.i3d import inflate_layers
from poof.torchvision_ops import ensure


def c2d_resnet(name: str, classes: int) -> Host:
    """`name` is torchvision's name of the 2D network."""
    ensure()
    from torchvision import models

    net = getattr(models, name)(num_classes=classes)
    inflate_layers(net, time=1)
    weights = {"imagenet": f"ResNet{name.removeprefix('resnet')}_Weights.IMAGENET1K_V1"}
    stages = ("layer1", "layer2", "layer3", "layer4")
    return Host(net, 3, residual_blocks(net), stages, "fc", weights, inflated=True)
