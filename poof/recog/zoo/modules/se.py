"""SE by addition: the channel gate in front of RNL or CPA in the vision attention chain."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from poof.errors import PoofError
from poof.recog.core.backbone import Host
from poof.recog.core.module import Place, Shape, TemporalModule
from poof.recog.zoo.modules.affinity import middle_places


class SqueezeAddition(TemporalModule):
    """v = x + s, s = W2 relu(BN(W1 mean of x)): what the clip as a whole shows is added to every cell (4.12 to 4.14).

    Where the usual squeeze-and-excitation multiplies behind a sigmoid. W2 begins at 0 and with it the block as the
    identity (released code). The attention chain is this in front of 'rnl' or 'cpa': modules=["se", "rnl"].

    Knobs
    -----
    reduction : 16
        C / reduction channels between. The document writes 2, but the 0.46 M parameters it prints for five blocks
        are exactly those of 16.
    blocks : 5
        5 or 1, at the places of RNL.
    """

    document = "Huang (2022), Section 4.4 (SE variant and attention chain)"
    summary = "adds to every cell a vector made of the clip's mean; with rnl or cpa behind it the attention chain"
    min_frames = 1
    title = "se"
    """Its name in the registry, for messages."""

    def __init__(self, shape: Shape, reduction: int = 16) -> None:
        super().__init__(shape)
        if not 1 <= reduction <= shape.channels or shape.channels % reduction:
            raise PoofError(f"reduction={reduction} does not divide {shape.channels} channels")
        squeezed = shape.channels // reduction
        self.squeeze = nn.Linear(shape.channels, squeezed)
        self.norm = nn.BatchNorm1d(squeezed)
        self.expand = nn.Linear(squeezed, shape.channels)
        nn.init.zeros_(self.expand.weight)
        nn.init.zeros_(self.expand.bias)

    @classmethod
    def places(cls, host: Host, blocks: int = 5) -> Sequence[Place]:
        """Behind blocks of stages 2 and 3."""
        return middle_places(host, blocks)

    def pooled(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to what the clip shows as a whole, (N, C)."""
        return x.mean((1, 3, 4))

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the same shape."""
        if self.training and len(x) == 1:
            raise PoofError(f"{self.title}: its batch norm runs over clips, so it trains with at least 2 in a batch")
        added = self.expand(self.norm(self.squeeze(self.pooled(x))).relu())
        return x + added[:, None, :, None, None]
