"""AReSE: where the maximum of each channel sits in each region of a frame, and where it goes until the next frame.

Document: Cao et al., Effective Action Recognition with Embedded Key Point Shifts (2021), Section 3.3, (4) to (12).

Everything happens in one coordinate system, (x, y) in cells of the feature map with the centre of the top-left cell
at (0, 0). Regions are R x R (K = R^2), numbered row by row. K = 4 is the document's: one centre per frame and set, four
quadrants. Of K = 9 and 16 it says nothing; here a regular grid, all of whose inner lines move by the frame's one bias.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from poof.recog.core.module import choose, full_precision

CENTRES = ("through", "soft", "literal", "fixed")
CONTRAST = 16.0
"""Of softened maxima: the lowest cell of a frame counts exp(-16) of the highest."""
FLATTEST = 0.1
"""Of (9): what is added to a difference of values before its reciprocal."""


@dataclass(frozen=True)
class Shifts:
    """What one set found in a clip; the axes are clip N, frame T, channel C, region K.

    Attributes
    ----------
    lines : (N, T, 2, R - 1)
        Where the inner lines between regions run: x of the upright ones, y of the level ones, in cells from the
        upper left corner of the map (a line at 7 runs between the cells 6 and 7).
    points : (N, T, C, K, 2)
        Key points I, (x, y), (6).
    values : (N, T, C, K)
        V, (7).
    means : (N, T, C, K)
        Means over the regions.
    match : (N, T - 1, C, K, K)
        W, (9): how far the key point of a region of one frame is taken for that of each region of the next.
    shifts : (N, T - 1, C, K, 2)
        S, (10), in cells.
    weights : (N, T - 1, C, K)
        W_R, (11).
    """

    lines: Tensor
    points: Tensor
    values: Tensor
    means: Tensor
    match: Tensor
    shifts: Tensor
    weights: Tensor

    @property
    def rkps(self) -> Tensor:
        """(N, T - 1, C, K, 2): S weighted by W_R, (12), in cells."""
        return self.weights[..., None] * self.shifts


class RegionalShifts(nn.Module):
    """One set: its own regions in every frame, and the regional key point shifts they give.

    The document computes B = MLP(F), O_a = O + B and trains it "jointly", but crops, argmax and means over crops have
    no derivative by O_a. So `centres` is one of

    * through: regions with hard borders in the forward pass, exactly the document's; the gradient that reaches the
      centres is that of soft borders. The features get the document's gradient, as in `literal`.
    * soft: borders are sigmoids, key points are means in which high cells count most (`soft_regions`). All is
      differentiable and nothing is exact.
    * literal: as printed. The MLP never learns; only weight decay changes it.
    * fixed: no MLP; a random centre in the middle half of the map, drawn once (Table 2b).

    Centres are clamped so that every region keeps a row and a column; their gradient passes the clamp.

    Parameters
    ----------
    channels
        Of the features.
    regions
        K, a square number.
    hidden
        Width of the MLP's hidden layer, 0 for none (Linear C -> 2). The document does not say what it is; its printed
        parameter count excludes anything that sees single cells, so its input is the frame's mean over cells.
    softness
        Of soft borders, in cells.
    """

    place: Tensor

    def __init__(
        self, channels: int, regions: int = 4, centres: str = "through", hidden: int = 0, softness: float = 1.0
    ) -> None:
        super().__init__()
        self.centres = choose("centres", centres, CENTRES)
        self.side = math.isqrt(regions)
        self.softness = softness
        if self.side == 1:
            self.bias = None
        elif centres == "fixed":
            self.bias = None
            self.register_buffer("place", torch.rand(2) * 0.5 - 0.25)
        elif hidden:
            self.bias = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, 2))
        else:
            self.bias = nn.Sequential(nn.Linear(channels, 2))

    def forward(self, x: Tensor, heights: Tensor | None = None) -> Shifts:
        """Features (N, T, C, H, W); `heights` is what `stand_out` gives of them, for several sets to share."""
        # Differences of values decide, and exp and reciprocals follow: nothing for half precision.
        with full_precision(x):
            x = x.to(torch.promote_types(x.dtype, torch.float32))
            lines = self.lines(x)
            points, values, means = self._regions(x, lines, heights)
            return shifts(lines, points, values, means)

    def heights(self, x: Tensor) -> Tensor | None:
        """What `forward` can be given besides the features, None where it needs nothing."""
        if self.centres == "soft":
            return stand_out(x)
        learns = self.centres == "through" and self.bias is not None and torch.is_grad_enabled()
        return stand_out(x.detach()) if learns else None

    def lines(self, x: Tensor) -> Tensor:
        """(N, T, 2, R - 1): the regular grid O moved by the bias B of each frame, (4) and (5)."""
        n, t, _, height, width = x.shape
        size = torch.tensor([width, height], dtype=x.dtype, device=x.device)
        steps = torch.arange(1, self.side, dtype=x.dtype, device=x.device)
        grid = size[:, None] * steps / self.side
        if self.bias is not None:
            shift = self.bias(x.mean((3, 4)))
        elif self.side > 1:
            shift = (self.place * size).expand(n, t, 2)
        else:
            return grid.expand(n, t, 2, 0)
        moved = grid + shift[..., None]
        kept = torch.minimum(torch.maximum(moved, steps), size[:, None] - self.side + steps)
        return moved + (kept - moved).detach()

    def _regions(self, x: Tensor, lines: Tensor, heights: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        heights = self.heights(x) if heights is None else heights
        if self.centres == "soft" and heights is not None:
            return soft_regions(x, heights, lines, self.softness)
        found = hard_regions(x, torch.floor(lines + 0.5).detach())
        if heights is not None:
            soft = soft_regions(x.detach(), heights, lines, self.softness)
            points, values, means = (hard + (s - s.detach()) for hard, s in zip(found, soft))
            return points, values, means
        return found


def bands(lines: Tensor, length: int, softness: float = 0.0) -> Tensor:
    """How much of each of `length` cells lies in each band between `lines` (..., R - 1): (..., R, length).

    0 or 1 with hard borders (softness 0), else differences of sigmoids; the bands of a cell add up to 1.
    """
    cells = torch.arange(length, dtype=lines.dtype, device=lines.device) + 0.5
    behind = cells - lines[..., None]
    behind = torch.sigmoid(behind / softness) if softness else (behind > 0).to(lines.dtype)
    whole = torch.ones_like(cells).expand(*lines.shape[:-1], 1, length)
    return torch.cat([whole, behind], -2) - torch.cat([behind, torch.zeros_like(whole)], -2)


def hard_regions(x: Tensor, lines: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Key points, their values and the means of the regions, (6), (7) and the inner part of (11).

    Of equal maxima the first in reading order counts. Gradients reach `x` through values and means.
    """
    height, width = x.shape[3:]
    columns, rows = bands(lines[:, :, 0], width), bands(lines[:, :, 1], height)
    places = []
    with torch.no_grad():
        for column in columns.unbind(2):
            inside = x.masked_fill(column[:, :, None, None] == 0, -torch.inf)
            best, at = inside.max(4)  # (N, T, C, H): of each row its maximum within the columns
            for row in rows.unbind(2):
                y = best.masked_fill(row[:, :, None] == 0, -torch.inf).argmax(3, keepdim=True)
                places.append(torch.cat([at.gather(3, y), y], 3))
    side = columns.shape[2]
    # Found column band by column band; wanted row by row.
    points = torch.stack(places, 3).unflatten(3, (side, side)).transpose(3, 4).flatten(3, 4)
    values = x.flatten(3).gather(3, points[..., 1] * width + points[..., 0])
    return points.to(x.dtype), values, _means(x, columns, rows)


def stand_out(x: Tensor) -> Tensor:
    """How much each cell of (N, T, C, H, W) counts where a maximum is softened: 1 for the highest, exp(-16) for the
    lowest of its frame and channel, exponential between. The scale of the features changes nothing."""
    flat = x.to(torch.promote_types(x.dtype, torch.float32)).flatten(3)
    high, low = flat.detach().amax(3, keepdim=True), flat.detach().amin(3, keepdim=True)
    return torch.exp((flat - high) / (high - low).clamp_min(1e-6) * CONTRAST).view_as(x)


def soft_regions(x: Tensor, heights: Tensor, lines: Tensor, softness: float) -> tuple[Tensor, Tensor, Tensor]:
    """The same with soft borders: a region's point and value are means over its cells weighted by `stand_out`.

    The borders of these means are eight times as sharp as those of the plain means: a region notices the highest cell
    of a frame from two `softness` away, lesser ones from nearer. Were they equally soft, every region would take the
    frame's highest cell for its own. A weight is the product of a row's, a column's and a cell's part, so that sums
    over regions are matrix products.
    """
    height, width = x.shape[3:]
    sharp = softness / 8
    columns, rows = bands(lines[:, :, 0], width, sharp), bands(lines[:, :, 1], height, sharp)
    xs = torch.arange(width, dtype=x.dtype, device=x.device)
    ys = torch.arange(height, dtype=x.dtype, device=x.device)
    heights = heights.to(x.dtype)
    total = _sums(heights, columns, rows)
    across, down = _sums(heights, columns * xs, rows), _sums(heights, columns, rows * ys)
    points = torch.stack([across / total, down / total], -1)
    wide = bands(lines[:, :, 0], width, softness), bands(lines[:, :, 1], height, softness)
    return points, _sums(heights * x, columns, rows) / total, _means(x, *wide)


def _sums(x: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
    """(N, T, C, K) sums of `x` weighted by its region."""
    within = x @ columns[:, :, None].transpose(3, 4)
    return (rows[:, :, None] @ within).flatten(3)


def _means(x: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
    area = (rows.sum(3)[..., None] * columns.sum(3)[:, :, None]).flatten(2)
    return _sums(x, columns, rows) / area[:, :, None]


def shifts(lines: Tensor, points: Tensor, values: Tensor, means: Tensor) -> Shifts:
    """Match the key points of neighbouring frames and weigh the regions: (8) to (11).

    S = sum over beta of W (I' - I) is computed as (W I') - I, since the weights add up to 1.
    """
    gap = (values[:, :-1, :, :, None] - values[:, 1:, :, None]).abs()
    match = (1 / (gap + FLATTEST)).softmax(-1)
    moved = match @ points[:, 1:] - points[:, :-1]
    weights = ((means[:, :-1] + means[:, 1:]) / 2).softmax(-1)
    return Shifts(lines, points, values, means, match, moved, weights)
