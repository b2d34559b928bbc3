"""M2A: motion-aware attention, and inside it every motion extractor and attention it was compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from poof.errors import PoofError
from poof.recog.core.backbone import Host
from poof.recog.core.module import (
    Place,
    Shape,
    TemporalModule,
    choose,
    norm_frames,
    per_frame,
    shift_time,
    temporal_blocks,
)
from poof.recog.zoo.modules.attention import PatchAttention, SelfAttention
from poof.recog.zoo.modules.tam import AdaptiveModule
from poof.recog.zoo.modules.tdn import TwoWayDifference
from poof.recog.zoo.modules.tea import ExcitedDifference

MOTIONS = ("m2a", "tea", "tdn", "none")
ATTENTIONS = ("self", "tam", "patch4", "patch8", "none")


class MotionAwareAttention(TemporalModule):
    """out = x * g + x, g = sigmoid(1x1(attention(motion(norm(d))) + d)), d = 1x1(x) with an eighth of the channels.

    The three variants of the document: both (default), `attention=none` (M2A-Motion: no attention and with it no skip
    from d), `motion=none` (M2A-Attention). Both 1x1 convolutions have a bias; there is no batch norm.

    Knobs
    -----
    reduction : 8
    motion : m2a | tea | tdn | none
        Difference to the next frame; or the cuts of TEA's and TDN's motion parts that Table 4.6 compares (reduction 1,
        no gating of their own).
    attention : self | tam | patch4 | patch8 | none
        Along time among whole frames (eq. 4.5); TAM with beta 1; space-time patches of side 4 or 8 (Table 4.4).
    shift : wrap | zero
        What follows the last frame: the first one (document) or zeros (released code: its last motion is -x).
    norm : true
        Layer norm of each frame before the motion. The released code leaves it out for M2A-Motion alone.
    variant : document | released
        As the thesis has it, or as the released code ran the rows of Tables 4.4 to 4.6: differences end in zeros
        (shift), motion and attention alone (motion=tea, tdn, m2a; attention=tam) have neither norm nor skip, TDN's
        backward branch is made of the forward one, patches are normed, moved and skipped one by one.
    placement : before | after
        Before the first convolution of a block (released code, and the only reading that fits the printed costs) or
        after it (the document's words).
    """

    document = "Brennan Gebotys: MASc thesis (Waterloo 2022), Chapter 4"
    origin = "gebob19/M2A"
    summary = "gates features by attention among the frame-to-frame differences"
    min_frames = 1  # the document keeps it where I3D has one frame left; there is no motion then

    def __init__(
        self,
        shape: Shape,
        reduction: int = 8,
        motion: str = "m2a",
        attention: str = "self",
        shift: Literal["wrap", "zero"] = "wrap",
        norm: bool = True,
        variant: Literal["document", "released"] = "document",
    ) -> None:
        super().__init__(shape)
        choose("motion", motion, MOTIONS)
        choose("attention", attention, ATTENTIONS)
        choose("shift", shift, ("wrap", "zero"))
        if motion == attention == "none":
            raise PoofError("motion=none with attention=none leaves nothing temporal: choose one of them")
        if not 1 <= reduction <= shape.channels:
            raise PoofError(f"reduction={reduction} leaves none of {shape.channels} channels")
        narrow = shape.channels // reduction
        inner = Shape(shape.frames, narrow, shape.height, shape.width)
        choose("variant", variant, ("document", "released"))
        released = variant == "released"
        patches = attention.startswith("patch")
        if released:
            shift = "zero"
            if patches and motion != "m2a":
                raise PoofError(f"attention={attention} of the released code has M2A's motion inside: leave out motion")
        # Alone, the released code leaves norm and skip out; attention among whole frames brings its own of both.
        alone = released and (patches or attention == "none" or (motion == "none" and attention == "tam"))
        self.variant, self.shift = variant, shift
        self.norm, self.skip = norm and not alone, attention != "none" and not alone
        self.down = nn.Conv2d(shape.channels, narrow, 1)
        self.motion = None if released and patches else _motion(motion, inner, shift, released)
        self.attention = _attention(attention, inner, released)
        self.up = nn.Conv2d(narrow, shape.channels, 1)

    @classmethod
    def places(cls, host: Host, placement: str = "before") -> Sequence[Place]:
        """Beside the first convolution of the blocks that TSM shifts."""
        side: Literal["before", "after"] = "before"
        if choose("placement", placement, ("before", "after")) == "after":
            side = "after"
        return [Place(block.first, side) for block in temporal_blocks(host)]

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the same shape."""
        if isinstance(self.attention, SelfAttention):
            self.attention.watching = self.watching
        narrow = per_frame(self.down, x)
        y = norm_frames(narrow) if self.norm else narrow
        if self.motion is not None:
            y = self.motion(y)
        if self.attention is not None:
            y = self.attention(y) + narrow if self.skip else self.attention(y)
        return torch.addcmul(x, x, per_frame(self.up, y).sigmoid_())  # x + x * gate in one pass over memory

    def diagnostics(self) -> dict[str, float]:
        """Entropy and self-weight of the attention, see `SelfAttention.diagnostics`."""
        return self.attention.diagnostics() if isinstance(self.attention, SelfAttention) else {}


class Difference(nn.Module):
    """x[t+1] - x[t]; the last frame is followed by the first or by zeros."""

    def __init__(self, shift: Literal["wrap", "zero"]) -> None:
        super().__init__()
        self.shift = shift

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the same shape."""
        return shift_time(x, 1, self.shift) - x


def _motion(name: str, shape: Shape, shift: Literal["wrap", "zero"], released: bool) -> nn.Module | None:
    if name == "m2a":
        return Difference(shift)
    if name == "tea":
        return ExcitedDifference(shape.channels, shape.channels, pool=False)
    if name == "tdn":
        return TwoWayDifference(shape, shape.channels, chained=released)
    return None


def _attention(name: str, shape: Shape, released: bool) -> nn.Module | None:
    if name == "self":
        return SelfAttention()
    if name == "tam":
        return AdaptiveModule(shape, beta=1)
    if name.startswith("patch"):
        return PatchAttention(int(name.removeprefix("patch")), released)
    return None
