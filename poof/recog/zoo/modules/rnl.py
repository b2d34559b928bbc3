"""RNL: non-local attention in which regions, not single cells, are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn
from torch.nn.functional import avg_pool3d, max_pool3d, normalize

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

AFFINITIES = ("gaussian", "dot", "cosine")
AGGREGATIONS = ("conv", "grouped", "avg", "max")
GROUP = 32
"""Channels of a group in which the released code stores its depthwise kernels."""


class RegionNonLocal(AllPairs):
    """z = BN(y W_z) + x, y_i = sum over j of f(theta_i, theta_j) g_j / C, theta = F(g), g = x W_g (Eqs. 4.2 to 4.9).

    One embedding g of half the channels is value, query and key; the latter two after F has gathered a cuboid around
    each cell. All cells of the clip attend to all. The batch norm behind W_z begins with weight 0 (released code), so
    the block begins as the identity.

    The document prints 35.48 M parameters for five blocks in ResNet-50: it counts the depthwise kernels as dense ones
    of 32 channels a group, and their mask besides. There are 28.13 M. Its GMACs leave the attention out.

    Knobs
    -----
    affinity : gaussian | dot | cosine
        f = exp(theta_i theta_j) over the sum of its row; theta_i theta_j, or relu(cosine), over the number of cells.
    relu : false
        Whether products of affinity=dot below 0 count as 0 (released code; the document has no ReLU there).
    sub : false
        Whether keys and values are the largest of each 2x2 cells: a quarter of the pairs (an option of the release).
    gather : conv | grouped | avg | max
        F: a learned depthwise convolution (or one within groups of 32 channels, as the released code stores it: its
        masks make it depthwise), or the mean or largest of the cuboid.
    kernel : 3x7x7
        Of the cuboid, time x height x width, odd. Without it 3x7x7 in stage 2 and 3x3x3 in stage 3: what the printed
        parameters of five blocks belong to.
    blocks : 5
        5 or 1, see `poof.recog.zoo.modules.affinity.middle_places`.
    """

    document = "Huang (2022), Section 4.2 (RNL)"
    origin = "russellllaputa/region-based-non-local-network"
    summary = "every cell attends to every other of the clip, compared by the regions around them"
    min_frames = 1

    def __init__(
        self,
        shape: Shape,
        affinity: str = "gaussian",
        gather: str = "conv",
        kernel: str = "3x7x7",
        sub: bool = False,
        relu: bool = False,
    ) -> None:
        super().__init__(shape)
        choose("affinity", affinity, AFFINITIES)
        choose("gather", gather, AGGREGATIONS)
        if relu and affinity != "dot":
            raise PoofError(f"relu=true goes with affinity=dot, not {affinity}")
        if shape.channels % 2:
            raise PoofError(f"{shape.channels} channels cannot be halved: the block embeds in half of them")
        half = shape.channels // 2
        self.affinity, self.sub, self.relu = affinity, sub, relu
        self.embed = nn.Conv2d(shape.channels, half, 1)
        self.gather = Gather(half, gather, parse_kernel(kernel))
        self.expand = nn.Conv2d(half, shape.channels, 1)
        self.norm = closed_norm(shape.channels)

    @classmethod
    def places(cls, host: Host, blocks: int = 5) -> Sequence[Place]:
        """Behind blocks of stages 2 and 3."""
        return middle_places(host, blocks, ("3x7x7", "3x3x3"))

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the same shape."""
        values = per_frame(self.embed, x)
        gathered = self.gather(values)
        regions = cells(gathered)
        keys = cells(sub_sampled(gathered)) if self.sub else regions
        y = self.attend(regions, cells(sub_sampled(values) if self.sub else values), keys)
        self._looking = None
        if self.watching:
            kept = regions[:1].detach()
            # What is looked at are all pairs, also where the keys of the network itself are sub-sampled.
            self._looking = Looking(partial(self.weigh, keys=kept), kept, x[0].detach())
        return per_frame(self._close, grid(y, values)) + x

    def attend(self, regions: Tensor, values: Tensor, keys: Tensor | None = None) -> Tensor:
        """Regions (N, L, C/2), values and keys (N, L', C/2; by default the regions) to the weighted values."""
        keys = regions if keys is None else keys
        if self.affinity == "gaussian":
            return softmax_attention(regions, keys, values)
        if self.affinity == "dot" and self.relu:
            with full_precision(values):
                k = single(keys)
                y = pairwise_attention(lambda rows: (rows @ k.mT).relu() / k.shape[1], single(regions), single(values))
            return y.to(values.dtype)
        if self.affinity == "dot":
            return dot_attention(regions, keys, values)
        with full_precision(values):
            unit, other = (normalize(single(v), dim=2, eps=1e-6) for v in (regions, keys))
            y = pairwise_attention(lambda rows: (rows @ other.mT).relu() / other.shape[1], unit, single(values))
        return y.to(values.dtype)

    def weigh(self, rows: Tensor, keys: Tensor) -> Tensor:
        """Weights (N, R, L) of some rows of regions on all of `keys`."""
        if self.affinity == "gaussian":
            return (rows @ keys.mT).softmax(2)
        if self.affinity == "dot":
            return (rows @ keys.mT / keys.shape[1]).relu()  # to be looked at: what is taken away is not shown
        unit = [normalize(single(v), dim=2, eps=1e-6) for v in (rows, keys)]
        return (unit[0] @ unit[1].mT).relu() / keys.shape[1]


class Gather(nn.Module):
    """F: each cell becomes what its cuboid holds, channel by channel; zeros (conv) or nothing (avg, max) outside."""

    def __init__(self, channels: int, kind: str, kernel: tuple[int, int, int]) -> None:
        super().__init__()
        border = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        self.layer: Callable[[Tensor], Tensor]
        if kind in ("conv", "grouped"):
            groups = channels if kind == "conv" else max(channels // GROUP, 1)
            self.layer = nn.Conv3d(channels, channels, kernel, 1, border, groups=groups, bias=False)
            nn.init.xavier_uniform_(self.layer.weight)
        elif kind == "avg":
            self.layer = partial(avg_pool3d, kernel_size=kernel, stride=1, padding=border, count_include_pad=False)
        else:
            self.layer = partial(max_pool3d, kernel_size=kernel, stride=1, padding=border)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the same shape."""
        return self.layer(x.transpose(1, 2)).transpose(1, 2)


def parse_kernel(text: str) -> tuple[int, int, int]:
    """'3x7x7' to (3, 7, 7)."""
    parts = text.split("x")
    if len(parts) != 3 or not all(part.isdigit() and int(part) % 2 for part in parts):
        raise PoofError(f"kernel={text}: write time x height x width, all odd, as in 3x7x7")
    return int(parts[0]), int(parts[1]), int(parts[2])
