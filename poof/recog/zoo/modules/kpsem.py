"""KPSEM: a side branch that tells the classifier how the maxima of the feature maps move."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from poof.errors import PoofError
from poof.recog.core.backbone import Host
from poof.recog.core.module import Marks, Picture, Place, Shape, TemporalModule, choose
from poof.recog.zoo.modules.arese import CENTRES, RegionalShifts, Shifts


class KeyPointShifts(TemporalModule):
    """Behind a stage; the features pass unchanged, and C_p = reduce * (T - 1) numbers go to the classifier.

    Each of `sets` AReSEs finds the shifts of its own regions, (2); each is embedded by a linear layer of its own and
    the embeddings are added, (3); two convolutions of kernel (1, 3) and stride (1, 2) with padding 1 along the
    embedding take 24 numbers to 6 and the channels to 96, the mean over what is left of the embedding gives 96 numbers
    for each of the T - 1 steps. Since the classifier is widened by them, the number of frames is fixed when built.
    Weights are Xavier-uniform and biases 0, as in the authors' backbone.

    The document's ablations: `regions=1` (single key point), `centres=fixed` (fixed regions), `sets=1` (one set).
    With `regions=1` all sets are equal and nothing of the branch reaches the backbone's gradient.

    Knobs
    -----
    stage : 3
        Behind which stage; 3 is MFNet's conv4. The document's ResNet-50 has it behind 2 (res3).
    regions : 4
        K of each frame, a square number.
    sets : 8
        G.
    embed : 24
        d_e.
    middle, reduce : 96, 96
        Channels behind the first and the second convolution. The first is not printed; 96 fits the printed size.
    centres : through | soft | literal | fixed
        See `RegionalShifts`. Taken literally the centres never learn.
    hidden : 0
        Hidden width of the MLP that moves the centres, 0 for a linear layer.
    softness : 1.0
        Of the borders in the gradient (or, with centres=soft, in the forward pass too), in cells.
    units : frame | cells
        Shifts as fractions of width and height or in cells; not printed.
    fold : regions | sum
        What a linear layer sees of a channel and step: x and y of all regions (2K numbers, Fig. 6b) or their sum over
        the regions (2 numbers, as the size after (2) says).
    norm : true
        Batch norm behind each convolution (and a ReLU behind it, with or without); not printed.
    """

    document = "Cao et al.: Effective Action Recognition with Embedded Key Point Shifts (2021)"
    summary = "tells the classifier how the maxima of each channel move"

    def __init__(
        self,
        shape: Shape,
        regions: int = 4,
        sets: int = 8,
        embed: int = 24,
        middle: int = 96,
        reduce: int = 96,
        centres: str = "through",
        hidden: int = 0,
        softness: float = 1.0,
        units: str = "frame",
        fold: str = "regions",
        norm: bool = True,
    ) -> None:
        super().__init__(shape)
        choose("centres", centres, CENTRES)
        choose("units", units, ("frame", "cells"))
        choose("fold", fold, ("regions", "sum"))
        side = math.isqrt(max(regions, 0))
        if side < 1 or side * side != regions:
            raise PoofError(f"regions={regions}: choose 1, 4, 9, 16 or another square number")
        if min(shape.height, shape.width) < side:
            raise PoofError(f"{shape.height}x{shape.width} cells cannot be split into {side} by {side} regions")
        if min(sets, embed, middle, reduce) < 1 or hidden < 0 or softness <= 0:
            raise PoofError(
                f"sets={sets}, embed={embed}, middle={middle}, reduce={reduce}, hidden={hidden}, softness={softness}: "
                "all but hidden must be above 0"
            )
        self.units, self.fold = units, fold
        self.features = reduce * (shape.frames - 1)
        found = 2 * (regions if fold == "regions" else 1)
        self.sets = nn.ModuleList(
            RegionalShifts(shape.channels, regions, centres, hidden, softness) for _ in range(sets)
        )
        self.embeddings = nn.ModuleList(nn.Linear(found, embed) for _ in range(sets))
        self.reduction = nn.Sequential(*_halve(shape.channels, middle, norm), *_halve(middle, reduce, norm))
        for layer in self.modules():
            if isinstance(layer, (nn.Linear, nn.Conv2d)):
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        self.seen: list[Shifts] = []
        self._clear: Tensor | None = None

    @classmethod
    def places(cls, host: Host, stage: int = 3) -> Sequence[Place]:
        """Behind the last layer of a stage."""
        if not 1 <= stage <= len(host.stages):
            raise PoofError(f"stage={stage}: this backbone has stages 1 to {len(host.stages)}")
        return [Place(host.stages[stage - 1], "after")]

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W), unchanged; `side` has what was found. Another T than it was built for is refused."""
        frames, height, width = x.shape[1], x.shape[3], x.shape[4]
        if frames != self.shape.frames:
            raise PoofError(
                f"KPSEM was built for {self.shape.frames} frames and cannot take {frames}: build the model anew"
            )
        self.seen = []
        self._clear = x[0].detach().float() if self.watching else None
        total = torch.zeros((), device=x.device)
        heights = None
        for one, embedding in zip(self.sets, self.embeddings):
            assert isinstance(one, RegionalShifts)
            heights = one.heights(x) if heights is None else heights
            found = one(x, heights)
            rkps = found.rkps
            if self.units == "frame":
                rkps = rkps / torch.tensor([width, height], dtype=rkps.dtype, device=rkps.device)
            total = total + embedding(rkps.flatten(3) if self.fold == "regions" else rkps.sum(3))
            if self.watching:
                self.seen.append(found)
        # (N, T - 1, C, embed) to an image: channels C, height T - 1, width the embedding.
        self._side = self.reduction(total.transpose(1, 2)).mean(3).flatten(1)
        return x

    def side(self) -> Tensor:
        """(N, reduce * (T - 1)), channel by channel."""
        return self._side

    def diagnostics(self) -> dict[str, float]:
        """`centre_moves`: mean distance of the lines from the regular grid, cells; `centre_spread`: how far they differ
        from frame to frame and clip to clip (standard deviation, cells); `match_best`: mean of the largest weight of
        (9), 1/K where values say nothing; `region_best`: that of (11); `shift`: mean length of a weighted shift, cells.
        """
        if not self.seen:
            return {}
        lines = torch.stack([one.lines for one in self.seen])
        size = torch.tensor([self.shape.width, self.shape.height], dtype=lines.dtype, device=lines.device)
        count = lines.shape[-1] + 1
        grid = size[:, None] * torch.arange(1, count, dtype=lines.dtype, device=lines.device) / count
        read = {
            "match_best": torch.stack([one.match.amax(-1).mean() for one in self.seen]).mean(),
            "region_best": torch.stack([one.weights.amax(-1).mean() for one in self.seen]).mean(),
            "shift": torch.stack([one.rkps.norm(dim=-1).mean() for one in self.seen]).mean(),
        }
        if count > 1:
            read |= {
                "centre_moves": (lines - grid).abs().mean(),
                "centre_spread": lines.flatten(1, 2).std(1, unbiased=False).mean(),
            }
        return {key: float(value) for key, value in read.items()}

    def pictures(self, channels: int = 4) -> list[Picture]:
        """The first set's regions, with the key points and weighted shifts of the channels whose maxima are clearest:
        those that stand out most, in standard deviations, from the frames of the first clip."""
        if not self.seen or self._clear is None:
            return []
        one = self.seen[0]
        height, width = self._clear.shape[2:]
        size = torch.tensor([width, height], device=one.points.device)
        spread = self._clear.std((2, 3)).clamp_min(1e-6)
        clear = ((self._clear.amax((2, 3)) - self._clear.mean((2, 3))) / spread).mean(0)
        rows: list[Picture] = []
        for channel in clear.topk(min(channels, len(clear))).indices.tolist():
            rows.append(
                Marks(
                    f"key points, channel {channel}",
                    (one.points[0, :, channel] + 0.5) / size,
                    lines=torch.floor(one.lines[0].detach() + 0.5) / size[:, None],
                    shifts=one.shifts[0, :, channel] / size,
                    weights=one.weights[0, :, channel],
                )
            )
        return rows


def _halve(inputs: int, outputs: int, norm: bool) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, (1, 3), (1, 2), (0, 1), bias=False)
    return [convolution, *([nn.BatchNorm2d(outputs)] if norm else []), nn.ReLU(inplace=True)]
