"""S3D: Inception with separable 3D convolutions; torchvision's network, keys and Kinetics-400 weights.

Document: Xie et al., Rethinking Spatiotemporal Feature Learning (ECCV 2018); named by Zeng (2020), Section 3.2, as a
host of DEM. Two things differ from torchvision's class, its answers do not: the classifier is a linear layer instead of
a 1x1x1 convolution (its files fit), and clips may be shorter or smaller than the last average's 2x7x7 cells.
"""

from __future__ import annotations

from poof.recog.core.backbone import KINETICS_MEAN, KINETICS_STD, Block, Host
from poof.torchvision_ops import ensure

INCEPTIONS = {2: (5, 6), 3: (8, 9, 10, 11, 12), 4: (14, 15)}
"""Which of its features are Inception blocks, by stage; the stem is the first layer, stage 1 the other plain one."""


def s3d(classes: int) -> Host:
    """Its blocks have branches and no skip connection: only modules between separable convolutions or blocks fit."""
    ensure()
    from torch import Tensor, nn
    from torch.nn.functional import avg_pool3d
    from torchvision.models.video import S3D

    class Separable(S3D):
        def forward(self, x: Tensor) -> Tensor:
            """Clips (N, 3, T, H, W) to logits."""
            x = self.features(x)
            window = [min(most, size) for most, size in zip((2, 7, 7), x.shape[2:])]
            return self.classifier(avg_pool3d(x, window, 1).mean((2, 3, 4)))

    net = Separable(classes, dropout=0.0)
    net.classifier[1] = nn.Linear(1024, classes)
    blocks = [Block("features.3", 1, 0, "features.3.0", "features.3.1", skip=False, expands=False)]
    blocks += [
        Block(path, stage, index, f"{path}.branch0", f"{path}.branch1.1", skip=False, expands=False)
        for stage, numbers in INCEPTIONS.items()
        for index, path in enumerate(f"features.{number}" for number in numbers)
    ]
    stages = ("features.3", *(f"features.{numbers[-1]}" for numbers in INCEPTIONS.values()))
    weights = {"kinetics": "S3D_Weights.KINETICS400_V1"}
    return Host(net, 3, tuple(blocks), stages, "classifier.1", weights, KINETICS_MEAN, KINETICS_STD)
