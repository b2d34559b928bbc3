"""GC: a global context, pooled by attention, added to every cell; RNL's release has one in front of its first block."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from poof.errors import PoofError
from poof.recog.backbones.base import Host
from poof.recog.modules.affinity import middle_places
from poof.recog.modules.base import Place, Shape, TemporalModule, per_frame


class GlobalContext(TemporalModule):
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
    min_frames = 1

    def __init__(self, shape: Shape, reduction: int = 16) -> None:
        super().__init__(shape)
        if not 1 <= reduction <= shape.channels or shape.channels % reduction:
            raise PoofError(f"reduction={reduction} does not divide {shape.channels} channels")
        squeezed = shape.channels // reduction
        self.weigh = nn.Conv2d(shape.channels, 1, 1)
        self.squeeze = nn.Linear(shape.channels, squeezed)
        self.norm = nn.BatchNorm1d(squeezed, momentum=0.01)
        self.expand = nn.Linear(squeezed, shape.channels)
        nn.init.zeros_(self.expand.weight)
        nn.init.zeros_(self.expand.bias)

    @classmethod
    def places(cls, host: Host, blocks: int = 5) -> Sequence[Place]:
        """Behind blocks of stages 2 and 3."""
        return middle_places(host, blocks)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the same shape."""
        if self.training and len(x) == 1:
            raise PoofError("gc: its batch norm runs over clips, so it trains with at least 2 in a batch")
        weights = per_frame(self.weigh, x).flatten(1).softmax(1)
        context = (x.transpose(1, 2).flatten(2) @ weights[:, :, None]).squeeze(2)
        added = self.expand(self.norm(self.squeeze(context)).relu())
        return x + added[:, None, :, None, None]
