"""GC: a global context, pooled by attention, added to every cell; RNL's release has one in front of its first block."""

from __future__ import annotations

from torch import Tensor, nn

from poof.recog.core.module import Shape, per_frame
from poof.recog.zoo.modules.se import SqueezeAddition


class GlobalContext(SqueezeAddition):
    """v = x + W2 relu(BN(W1 c)), c = sum over all cells of the clip of softmax(w x) x.

    As 'se', but the cells of the mean are weighed by what they show. W2 begins at 0 and with it the block as the
    identity. The released RNL has `gc:reduction=2,blocks=1` in front of 'rnl' (its reduction_ratio=2 in the first block
    alone); five blocks of reduction 16 have the 24.79 M parameters of the row GC in Table 4.6.

    Knobs
    -----
    reduction : 16
        C / reduction channels between.
    blocks : 5
        5 or 1, at the places of RNL.
    """

    document = "Cao et al.: GCNet (ICCV Workshops 2019); Huang (2022), Table 4.6"
    origin = "russellllaputa/region-based-non-local-network"
    summary = "adds to every cell a vector made of the clip's attended mean; the channel gate of released RNL"
    title = "gc"

    def __init__(self, shape: Shape, reduction: int = 16) -> None:
        super().__init__(shape, reduction)
        self.norm.momentum = 0.01
        self.weigh = nn.Conv2d(shape.channels, 1, 1)

    def pooled(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the attended mean of all cells, (N, C)."""
        weights = per_frame(self.weigh, x).flatten(1).softmax(1)
        return (x.transpose(1, 2).flatten(2) @ weights[:, :, None]).squeeze(2)
