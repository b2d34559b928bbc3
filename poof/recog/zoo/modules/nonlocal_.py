"""The plain non-local block, beside which RNL is measured."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from poof.errors import PoofError
from poof.recog.core.backbone import Host
from poof.recog.core.module import Place, Shape, choose, full_precision, per_frame, single
from poof.recog.zoo.modules.affinity import (
    AllPairs,
    Looking,
    cells,
    closed_norm,
    dot_attention,
    grid,
    middle_places,
    pairwise_attention,
    softmax_attention,
    sub_sampled,
)

AFFINITIES = ("embedded", "gaussian", "dot", "concat")


class NonLocal(AllPairs):
    """z = BN(y W_z) + x, y_i = sum over j of f(x_i, x_j) g_j / C (Eq. 4.1), in half of the channels.

    The batch norm begins with weight 0.

    Knobs
    -----
    affinity : embedded | gaussian | dot | concat
        exp(theta_i phi_j) over the sum of its row (embedded Gaussian); the same of x itself; theta_i phi_j over the
        number of cells; relu(w [theta_i, phi_j]) over it.
    blocks : 5
        5 or 1, at the places of RNL.
    sub : false
        Whether keys and values are the largest of each 2x2 cells: a quarter of the pairs, as the authors mostly do.
    """

    document = "Wang et al.: Non-local Neural Networks (CVPR 2018), as revisited by Huang (2022), Section 4.2.1"
    origin = "facebookresearch/video-nonlocal-net"
    summary = "every cell attends to every other of the clip"
    min_frames = 1

    def __init__(self, shape: Shape, affinity: str = "embedded", sub: bool = False) -> None:
        super().__init__(shape)
        choose("affinity", affinity, AFFINITIES)
        if shape.channels % 2:
            raise PoofError(f"{shape.channels} channels cannot be halved: the block embeds in half of them")
        half = shape.channels // 2
        self.affinity, self.sub = affinity, sub
        self.g = nn.Conv2d(shape.channels, half, 1)
        if affinity != "gaussian":
            self.theta = nn.Conv2d(shape.channels, half, 1)
            self.phi = nn.Conv2d(shape.channels, half, 1)
        if affinity == "concat":
            self.w_theta, self.w_phi = nn.Linear(half, 1, bias=False), nn.Linear(half, 1, bias=False)
        self.expand = nn.Conv2d(half, shape.channels, 1)
        self.norm = closed_norm(shape.channels)

    @classmethod
    def places(cls, host: Host, blocks: int = 5) -> Sequence[Place]:
        """Behind blocks of stages 2 and 3."""
        return middle_places(host, blocks)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the same shape."""
        values = per_frame(self.g, x)
        if self.affinity == "gaussian":
            queries, keys = cells(x), cells(self._sub(x))
        else:
            queries, keys = cells(per_frame(self.theta, x)), cells(self._sub(per_frame(self.phi, x)))
        if self.affinity == "concat":
            queries, keys = self.w_theta(queries), self.w_phi(keys)
        y = self.attend(queries, keys, cells(self._sub(values)))
        self._looking = None
        if self.watching:
            kept = keys[:1].detach()
            self._looking = Looking(lambda rows: self.weigh(rows, kept), queries[:1].detach(), x[0].detach())
        return per_frame(self._close, grid(y, values)) + x

    def _sub(self, x: Tensor) -> Tensor:
        return sub_sampled(x) if self.sub else x

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """(N, L, C) each, or (N, L, 1) for the queries and keys of concat, to the weighted values."""
        if self.affinity in ("embedded", "gaussian"):
            return softmax_attention(queries, keys, values)
        if self.affinity == "dot":
            return dot_attention(queries, keys, values)
        with full_precision(values):
            k = single(keys)
            y = pairwise_attention(lambda rows: (rows + k.mT).relu() / k.shape[1], single(queries), single(values))
        return y.to(values.dtype)

    def weigh(self, rows: Tensor, keys: Tensor) -> Tensor:
        """Weights (N, R, L) of some rows of queries on all keys."""
        if self.affinity == "concat":
            return (rows + keys.mT).relu() / keys.shape[1]
        scores = rows @ keys.mT
        if self.affinity == "dot":
            return (scores / keys.shape[1]).relu()  # to be looked at: what is taken away is not shown
        return scores.softmax(2)
