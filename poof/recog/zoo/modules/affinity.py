"""Attention between all cells of a clip: the affinities of non-local operations, never all pairs at once in memory.

Queries, keys and values are (N, L, C) with L = T * H * W cells. A clip of 8 frames has 6,272 cells behind the second
stage of a ResNet at 224 x 224: 150 MB for one map of single precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from poof.errors import PoofError
from poof.recog.core.backbone import Host
from poof.recog.core.module import Picture, Place, Shape, TemporalModule, full_precision, per_frame, single

ROWS = 1024
"""Rows of the map of pairs that are worked on at a time."""


def softmax_attention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Values averaged with weights exp(q k) that sum to 1 in each row, the scores not divided (Huang 2022, Eq. 4.5)."""
    with full_precision(queries):
        q, k, v = (single(x).unsqueeze(1) for x in (queries, keys, values))
        return scaled_dot_product_attention(q, k, v, scale=1.0).squeeze(1).to(values.dtype)


def dot_attention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Values summed with weights q k / L (Eq. 4.6). Being linear it needs no pairs: (Q K') V = Q (K' V)."""
    with full_precision(queries):
        mixed = single(keys).transpose(1, 2) @ single(values) / keys.shape[1]
        return (single(queries) @ mixed).to(values.dtype)


def pairwise_attention(weigh: Callable[[Tensor], Tensor], queries: Tensor, values: Tensor) -> Tensor:
    """Values summed with the weights that `weigh` gives for some rows of `queries` (N, R, ...), as (N, R, L).

    Worked on by rows; in training the weights are computed again for the backward pass rather than kept.
    """

    def rows_of(part: Tensor) -> Tensor:
        return weigh(part) @ values

    done = []
    for part in queries.split(ROWS, 1):
        again = torch.is_grad_enabled() and not part.is_meta and queries.shape[1] > ROWS
        done.append(checkpoint(rows_of, part, use_reentrant=False) if again else rows_of(part))
    return torch.cat(done, 1)


def cells(x: Tensor) -> Tensor:
    """Features (N, T, C, H, W) as (N, T * H * W, C)."""
    return x.transpose(1, 2).flatten(2).transpose(1, 2)


def sub_sampled(x: Tensor) -> Tensor:
    """The largest of each 2x2 cells of (N, T, C, H, W); maps of one cell a side stay."""
    return per_frame(lambda frames: max_pool2d(frames, 2), x) if min(x.shape[-2:]) > 1 else x


def grid(y: Tensor, like: Tensor) -> Tensor:
    """(N, T * H * W, C) back to (N, T, C, H, W), with the frames and cells of `like`."""
    frames, (height, width) = like.shape[1], like.shape[-2:]
    return y.transpose(1, 2).unflatten(2, (frames, height, width)).transpose(1, 2)


class Looking:
    """What is kept of the first clip while a block is watched: its weights row by row, to be read out and drawn.

    Parameters
    ----------
    weigh
        Rows of queries (1, R, C) to rows of weights (1, R, L).
    queries
        (1, L, C).
    features
        The clip's features (T, C, H, W).
    """

    def __init__(self, weigh: Callable[[Tensor], Tensor], queries: Tensor, features: Tensor) -> None:
        self.weigh, self.queries, self.features = weigh, queries, features

    def received(self) -> Tensor:
        """How much each cell is attended to by all cells, (T, H, W); 1 is its equal share."""
        total: Tensor | float = 0.0
        for part in self.queries.split(ROWS, 1):
            weights = self.weigh(part)[0]
            total = total + (weights / weights.sum(1, keepdim=True).clamp_min(1e-12)).sum(0)
        assert isinstance(total, Tensor)
        frames, _, height, width = self.features.shape
        return total.view(frames, height, width)

    def liveliest(self) -> tuple[int, int, int]:
        """(t, y, x) in the middle frame of the cell whose features change most over time."""
        frames, _, _, width = self.features.shape
        change = (
            self.features.float().var(0, unbiased=False).sum(0) if frames > 1 else self.features[0].float().norm(dim=0)
        )
        best = int(change.argmax())
        return frames // 2, best // width, best % width

    def of_cell(self, cell: tuple[int, int, int]) -> Tensor:
        """What one cell attends to, (T, H, W)."""
        frames, _, height, width = self.features.shape
        row = (cell[0] * height + cell[1]) * width + cell[2]
        return self.weigh(self.queries[:, row : row + 1])[0, 0].view(frames, height, width)

    def cell_at(self, place: tuple[float, float, float]) -> tuple[int, int, int]:
        """(t, y, x) of the cell at a place in parts of the clip's length, height and width, each in [0, 1)."""
        frames, _, height, width = self.features.shape
        return int(place[0] * frames), int(place[1] * height), int(place[2] * width)

    def pictures(self, places: Sequence[tuple[float, float, float]] = ()) -> list[Picture]:
        """What the cells at `places`, or the liveliest one, attend to, and what all cells do."""
        rows = []
        for cell in [self.cell_at(place) for place in places] or [self.liveliest()]:
            one = self.of_cell(cell) * self.queries.shape[1]
            rows.append(Picture("attention of the marked cell", one, "heat", cell, shares(one)))
        every = self.received()
        return [*rows, Picture("attention of all cells", every, "heat", note=shares(every))]

    def diagnostics(self) -> dict[str, float]:
        """Mean entropy of the rows (0: one cell, 1: all alike) and weight of a cell on itself, of 512 cells at most."""
        length = self.queries.shape[1]
        chosen = torch.arange(0, length, max(length // 512, 1), device=self.queries.device)
        weights = self.weigh(self.queries[:, chosen])[0].float()
        weights = weights / weights.sum(1, keepdim=True).clamp_min(1e-12)
        entropy = -(weights * weights.clamp_min(1e-12).log()).sum(1) / torch.tensor(float(max(length, 2))).log()
        own = weights[torch.arange(len(chosen)), chosen]
        return {"attention_entropy": float(entropy.mean()), "attention_self": float(own.mean())}


class AllPairs(TemporalModule):
    """What the blocks in which every cell attends to every other share: the way out, and what is seen while watched.

    Subclasses set `expand` (back to the host's channels) and `norm` (`closed_norm`), and keep a `Looking` in forward.
    """

    expand: nn.Conv2d
    norm: nn.BatchNorm2d
    marked: Sequence[tuple[float, float, float]] = ()
    """See `Looking.cell_at`; none for the liveliest cell."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self._looking: Looking | None = None

    def diagnostics(self) -> dict[str, float]:
        """Entropy of the attention and the weight of a cell on itself."""
        return {} if self._looking is None else self._looking.diagnostics()

    def pictures(self) -> list[Picture]:
        """Attention maps."""
        return [] if self._looking is None else self._looking.pictures(self.marked)

    def _close(self, y: Tensor) -> Tensor:
        return self.norm(self.expand(y))


def shares(weights: Tensor) -> str:
    """What the weights reach from and to, where 1 is an equal share."""
    return f"{float(weights.min()):.2f} to {float(weights.max()):.2f} equal shares"


def middle_places(host: Host, blocks: int, knobs: Sequence[str] = ("", "")) -> list[Place]:
    """Behind residual blocks of stages 2 and 3, where the document puts its attention.

    5: behind blocks 0 and 2 of stage 2 and 0, 2 and 4 of stage 3 (fewer in backbones with fewer blocks); 1: behind
    block 0 of stage 2. The document says how many go where, its released code behind which blocks. `knobs` are the
    kernels in either stage.
    """
    if blocks not in (1, 5):
        raise PoofError(f"blocks={blocks}: the document has 1 or 5")
    wanted: dict[int, tuple[int, ...]] = {2: (0,)} if blocks == 1 else {2: (0, 2), 3: (0, 2, 4)}
    places = []
    for block in host.blocks:
        if block.index in wanted.get(block.stage, ()):
            kernel = knobs[block.stage - 2]
            places.append(Place(block.path, "after", (("kernel", kernel),) if kernel else ()))
    return places


def closed_norm(channels: int) -> nn.BatchNorm2d:
    """A batch norm that lets nothing through at first."""
    norm = nn.BatchNorm2d(channels)
    nn.init.zeros_(norm.weight)
    return norm
