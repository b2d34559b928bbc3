"""CBAM: channels, then cells, are weighed by gates made of their mean and their largest value."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv3d

from poof.errors import PoofError
from poof.recog.core.backbone import Host
from poof.recog.core.module import Picture, Place, Shape, TemporalModule
from poof.recog.zoo.modules.affinity import middle_places, shares
from poof.recog.zoo.modules.rnl import parse_kernel


class BlockAttention(TemporalModule):
    """y = x sigmoid(M(mean) + M(max)) over the clip's cells; out = y sigmoid(conv[mean, max] of y over its channels).

    M is W2 relu(W1 .) with C / reduction values between, the same for both. The paper's is for images; here means and
    maxima run over all frames, and the convolution over cells of the clip, as CPA's does.

    Knobs
    -----
    reduction : 16
        C / reduction channels between; with 16 five blocks have the 24.79 M parameters of the row CBAM in Table 4.6
        (24.80 printed).
    kernel : 3x7x7
        Of the convolution, time x height x width, odd; the paper's is 7x7.
    blocks : 5
        5 or 1, at the places of RNL.
    """

    document = "Woo et al.: CBAM (ECCV 2018); Huang (2022), Table 4.6"
    summary = "gates channels, then cells of the clip, by their mean and their largest value"
    min_frames = 1

    def __init__(self, shape: Shape, reduction: int = 16, kernel: str = "3x7x7") -> None:
        super().__init__(shape)
        if not 1 <= reduction <= shape.channels or shape.channels % reduction:
            raise PoofError(f"reduction={reduction} does not divide {shape.channels} channels")
        squeezed = shape.channels // reduction
        self.squeeze, self.expand = nn.Linear(shape.channels, squeezed), nn.Linear(squeezed, shape.channels)
        self.weight = nn.Parameter(torch.empty(1, 2, *parse_kernel(kernel)))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        self._seen: Tensor | None = None

    @classmethod
    def places(cls, host: Host, blocks: int = 5) -> Sequence[Place]:
        """Behind blocks of stages 2 and 3."""
        return middle_places(host, blocks)

    def channels(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to a gate of the channels, (N, C)."""
        pooled = torch.stack([x.mean((1, 3, 4)), x.amax((1, 3, 4))])
        return self.expand(self.squeeze(pooled).relu()).sum(0).sigmoid()

    def cells(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to a gate of the cells, (N, T, 1, H, W)."""
        pooled = torch.stack([x.mean(2), x.amax(2)], 1)
        scores = conv3d(pooled, self.weight, padding=[size // 2 for size in self.weight.shape[2:]])
        return scores.sigmoid().transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the same shape."""
        x = x * self.channels(x)[:, None, :, None, None]
        gate = self.cells(x)
        self._seen = gate[0, :, 0].detach() if self.watching else None
        return x * gate

    def pictures(self) -> list[Picture]:
        """The gate of the cells."""
        if self._seen is None:
            return []
        weights = self._seen / self._seen.mean()
        return [Picture("gate of the cells", weights, "heat", note=shares(weights))]
