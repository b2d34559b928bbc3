"""TSM: shift some channels by one frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from poof.errors import PoofError
from poof.recog.core.backbone import Host
from poof.recog.core.module import Place, Shape, TemporalModule, choose, shift_time, temporal_blocks


class TemporalShift(TemporalModule):
    """One eighth of the channels comes from the next frame, one eighth from the frame before, the rest stays.

    Knobs
    -----
    div : 8
        C // div channels move in either direction.
    fill : zero | wrap
        What stands beyond the ends: zeros (paper and code) or the clip's other end.
    placement : residual | block
        Shift the input of the first convolution only, so that the skip connection keeps the frame (paper's choice),
        or the input of the whole block.
    """

    document = "Lin, Gan, Han: TSM: Temporal Shift Module for Efficient Video Understanding (ICCV 2019)"
    origin = "mit-han-lab/temporal-shift-module"
    summary = "shifts channels along time; no parameters, no multiplications"

    def __init__(self, shape: Shape, div: int = 8, fill: Literal["zero", "wrap"] = "zero") -> None:
        super().__init__(shape)
        choose("fill", fill, ("zero", "wrap"))
        if div < 2:
            raise PoofError(f"div={div}: two folds of C // div channels move, so div must be at least 2")
        if shape.channels < div:
            raise PoofError(f"{shape.channels} channels are fewer than div={div}: nothing would move")
        self.fold, self.fill = shape.channels // div, fill

    @classmethod
    def places(cls, host: Host, placement: str = "residual") -> Sequence[Place]:
        """Before the first convolution, or before the block."""
        choose("placement", placement, ("residual", "block"))
        return [Place(b.first if placement == "residual" else b.path) for b in temporal_blocks(host)]

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the same shape."""
        fold = self.fold
        later = shift_time(x[:, :, :fold], 1, self.fill)
        earlier = shift_time(x[:, :, fold : 2 * fold], -1, self.fill)
        return torch.cat([later, earlier, x[:, :, 2 * fold :]], dim=2)
