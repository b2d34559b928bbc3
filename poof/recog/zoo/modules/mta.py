"""TEA's multiple temporal aggregation: a temporal convolution in front of each group's convolution."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from poof.recog.core.backbone import Host
from poof.recog.core.module import Place, Shape, TemporalModule, choose
from poof.recog.zoo.modules.tdn import LearnedShift


class TemporalAggregation(TemporalModule):
    """Depthwise convolution along time (three taps) of every channel, learned; no norm, no skip connection.

    In Res2Net it sits before the convolution of each of the four groups, which add up: the last of the chain sees seven
    frames and more. The first three begin as identities, that of the group without a convolution as a shift of one
    half of its channels to either side. In other hosts it sits before the second convolution of every block, once,
    and begins as the identity.

    Knobs
    -----
    start : identity | shift
        How it begins; where it is not given, as above.
    """

    document = "Li et al.: TEA: Temporal Excitation and Aggregation for Action Recognition (CVPR 2020), Section 3.2"
    origin = "Phoenix1327/tea-action-recognition"
    summary = "temporal convolutions between the groups of Res2Net, which widen the field step by step"

    def __init__(self, shape: Shape, start: str = "identity") -> None:
        super().__init__(shape)
        choose("start", start, ("identity", "shift"))
        self.mix = LearnedShift(shape.channels, 2, identity=start == "identity")

    @classmethod
    def places(cls, host: Host) -> Sequence[Place]:
        """Before the groups' convolutions, or before what follows a block's first."""
        places = []
        for block in host.blocks:
            layer = host.net.get_submodule(block.path)
            shifts = getattr(layer, "shifts", None)
            if isinstance(shifts, nn.ModuleList):
                last = len(shifts) - 1
                for number in range(last + 1):
                    knobs = (("start", "shift" if number == last else "identity"),)
                    places.append(Place(f"{block.path}.shifts.{number}", "after", knobs))
            elif block.expands:
                places.append(Place(block.second))
        return places

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the same shape."""
        return self.mix(x)
