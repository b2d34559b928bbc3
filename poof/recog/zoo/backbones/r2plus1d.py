"""R(2+1)D-18 with the middle channels of its paper: counted anew for every layer (33.3 M parameters).

Documents: Tran et al., A Closer Look at Spatiotemporal Convolutions for Action Recognition (CVPR 2018); Zeng (2020),
Table 3.1. Torchvision's network (`r2plus1d_18`, 31.5 M) uses the first layer's number throughout a block. The stem has
83 by the same rule; the original Caffe code has 45 there, and so have the thesis' Tables 4.1 and 4.2. The keys are
torchvision's, the shapes are not: its weights do not fit.
"""

from __future__ import annotations

from dataclasses import replace

from poof.recog.core.backbone import Host
from poof.recog.zoo.backbones.midplanes import factorised, midplanes_of, set_midplanes
from poof.recog.zoo.backbones.video_resnet import video_resnet


def r2plus1d(stem: int, classes: int) -> Host:
    """`stem` is the stem's number of middle channels, 0 for the rule's (83)."""
    host = video_resnet("r2plus1d_18", classes)
    for layer in list(factorised(host.net)):
        set_midplanes(host.net, layer, stem if stem and layer.path == "stem" else midplanes_of(host.net, layer))
    return replace(host, weights={})
