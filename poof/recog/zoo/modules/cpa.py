"""CPA: attention to cells of the clip from its mean over channels, by a pyramid of single-channel convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv3d, pad

from poof.recog.core.backbone import Host
from poof.recog.core.module import Picture, Place, Shape, TemporalModule, choose, full_precision, single
from poof.recog.zoo.modules.affinity import middle_places, shares
from poof.recog.zoo.modules.rnl import parse_kernel

FORMS = ("scaled", "residual", "literal")


class PyramidAttention(TemporalModule):
    """CPA(x) = softmax(sum of the convolutions of the channel mean) * x, softmax over all cells (Eqs. 4.10, 4.11).

    Taken literally that multiplies features by 1/6272 on average (8 frames behind stage 2 of a ResNet): nothing is
    left. `form=scaled`, the default here, multiplies the softmax by the number of cells, so that the mean weight is 1.

    The kernels begin at 0, which makes the scaled form begin as the identity. They have no bias: softmax does not see
    a constant. A sum of convolutions is one convolution with the sum of the kernels, and is computed as such.

    Knobs
    -----
    kernels : 1x1x1+3x3x3+3x7x7+3x9x9
        Of the pyramid, time x height x width, odd; Table 4.5's best.
    form : scaled | residual | literal
        L * softmax * x for L cells; x + L * softmax * x; Eq. 4.10 as printed.
    blocks : 5
        5 or 1, at the places of RNL.
    """

    document = "Huang (2022), Section 4.3 (CPA)"
    summary = "weighs the cells of a clip by their channel mean, through convolutions of several sizes"
    min_frames = 1

    def __init__(self, shape: Shape, kernels: str = "1x1x1+3x3x3+3x7x7+3x9x9", form: str = "scaled") -> None:
        super().__init__(shape)
        self.form = choose("form", form, FORMS)
        sizes = [parse_kernel(kernel) for kernel in kernels.split("+")]
        self.kernels = nn.ParameterList(nn.Parameter(torch.zeros(1, 1, *size)) for size in sizes)
        self.largest = tuple(max(size[axis] for size in sizes) for axis in range(3))
        self._seen: Tensor | None = None

    @classmethod
    def places(cls, host: Host, blocks: int = 5) -> Sequence[Place]:
        """Behind blocks of stages 2 and 3."""
        return middle_places(host, blocks)

    def kernel(self) -> Tensor:
        """The pyramid as one kernel."""
        total = None
        for one in self.kernels:
            border = [(full - own) // 2 for full, own in zip(self.largest, one.shape[2:], strict=True)]
            padded = pad(one, [side for margin in reversed(border) for side in (margin, margin)])
            total = padded if total is None else total + padded
        assert total is not None
        return total

    def attention(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to weights (N, T, 1, H, W) that sum to 1 over a clip."""
        mean = x.mean(2).unsqueeze(1)
        with full_precision(x):
            scores = conv3d(single(mean), single(self.kernel()), padding=[size // 2 for size in self.largest])
            return scores.flatten(1).softmax(1).view_as(mean).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the same shape."""
        weights = self.attention(x)
        self._seen = weights[0, :, 0].detach() if self.watching else None
        if self.form == "literal":
            return x * weights.to(x.dtype)
        scaled = x * (weights * weights[0].numel()).to(x.dtype)
        return scaled if self.form == "scaled" else x + scaled

    def diagnostics(self) -> dict[str, float]:
        """Entropy of the weights, 1 where all cells weigh the same."""
        if self._seen is None:
            return {}
        p = self._seen.flatten()
        return {"attention_entropy": float(-(p * p.clamp_min(1e-12).log()).sum() / math.log(max(len(p), 2)))}

    def pictures(self) -> list[Picture]:
        """The weights."""
        if self._seen is None:
            return []
        weights = self._seen * self._seen.numel()
        return [Picture("weights of the cells", weights, "heat", note=shares(weights))]
