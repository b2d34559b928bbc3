"""Pictures of motion in place of frames, to stand beside TSP, PWTP and MBPM: what Huang's tables compare them with.

Each takes K raw frames of a segment. Differences and flow become several planes, which the host's first convolution
takes one behind the other, as TSN has it: its ImageNet kernels are averaged over the colours for each plane.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from poof.errors import PoofError
from poof.flow import create_flow
from poof.recog.core.backbone import Host
from poof.recog.core.module import InputModule, Picture, Shape, choose, full_precision, in_segments, single
from poof.recog.core.weights import over_planes
from poof.recog.zoo.modules.flow_images import FlowImages


class Representation(InputModule):
    """K frames of a segment to one stack of planes, on the input."""

    min_frames = 1
    k: int

    def __init__(self, shape: Shape, k: int) -> None:
        super().__init__(shape)
        if k < 2 or shape.frames % k:
            raise PoofError(f"k={k}: {shape.frames} frames cannot be cut into segments of it; it must be at least 2")
        self.k = k
        self._seen: Tensor | None = None

    @classmethod
    def raw_frames(cls, **knobs: Any) -> int:
        """K."""
        return int(knobs.get("k", 6))

    def planes(self, segments: Tensor) -> Tensor:
        """Segments (N, K, 3, H, W) to (N, planes, H, W)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """(N, S * K, 3, H, W) to (N, S, planes, H, W)."""
        with full_precision(x):
            y = self.planes(in_segments(single(x), self.k)).to(x.dtype)
        y = y.unflatten(0, (-1, x.shape[1] // self.k))
        self._seen = y[0, :, :3].detach() if self.watching else None
        return y

    def pictures(self) -> list[Picture]:
        """The first three planes."""
        return [] if self._seen is None else [Picture("first planes", self._seen, "signed")]


class FrameDifference(Representation):
    """x[t + 1] - x[t] of the K frames of a segment, 3 (K - 1) planes.

    Knobs
    -----
    k : 6
        Frames of a segment; 48 raw frames in 8 segments are the document's.
    """

    document = "Wang et al.: Temporal Segment Networks (ECCV 2016), RGB difference; Huang (2022), Tables 3.12 and 5.1"
    summary = "the differences of neighbouring frames in place of the frames"

    def __init__(self, shape: Shape, k: int = 6) -> None:
        super().__init__(shape, k)

    @classmethod
    def prepare(cls, host: Host, k: int = 6, **knobs: Any) -> None:
        """A first convolution of 3 (k - 1) planes."""
        del knobs
        widen_stem(host.net, 3 * (k - 1))

    def planes(self, segments: Tensor) -> Tensor:
        """See `Representation.planes`."""
        return (segments[:, 1:] - segments[:, :-1]).flatten(1, 2)


class DynamicImage(Representation):
    """One image a segment: sum of a_t x_t, by approximate rank pooling, scaled so that the positive a_t sum to 1.

    Knobs
    -----
    k : 6
        Frames of a segment.
    weights : averaged | plain
        a_t = 2 (K - t + 1) - (K + 1) (H_K - H_(t-1)) with H_t = 1 + 1/2 + ... + 1/t (the paper's, which ranks the means
        over the frames so far), or 2 t - K - 1 (which ranks the frames themselves); t from 1.
    """

    document = "Bilen et al.: Dynamic Image Networks (CVPR 2016); Huang (2022), Tables 3.12 and 5.1"
    summary = "the frames of a segment as one image that ranks them in time"
    scale: Tensor

    def __init__(self, shape: Shape, k: int = 6, weights: str = "averaged") -> None:
        super().__init__(shape, k)
        values = rank_weights(k, choose("weights", weights, ("averaged", "plain")) == "averaged")
        scaled = torch.tensor(values / values[values > 0].sum(), dtype=torch.get_default_dtype())
        self.register_buffer("scale", scaled, persistent=False)

    def planes(self, segments: Tensor) -> Tensor:
        """See `Representation.planes`."""
        return torch.einsum("nkchw,k->nchw", segments, self.scale.to(segments.dtype))


class OpticalFlow(Representation):
    """dx and dy between the frames of a segment, 2 (K - 1) planes.

    The document's flow is TV-L1, a variational method that OpenCV has in its contrib build alone. Here it is that of an
    estimator of this package, by default DIS, which searches for patches: the pictures are not the same, so the printed
    accuracy is another method's. It is computed on the CPU while clips pass, outside the count of GMACs.

    Knobs
    -----
    k : 6
        Frames of a segment.
    estimator : dis
        See `poof.flow.available`.
    """

    document = "Simonyan, Zisserman: Two-Stream Networks (NIPS 2014); Huang (2022), Tables 3.12 and 5.1 (there TV-L1)"
    summary = "the optical flow between neighbouring frames in place of the frames (computed while clips pass)"
    axes: ClassVar[int] = 2

    def __init__(self, shape: Shape, k: int = 6, estimator: str = "dis") -> None:
        super().__init__(shape, k)
        self._images = FlowImages(create_flow(estimator), k, shape.width)

    @classmethod
    def prepare(cls, host: Host, k: int = 6, **knobs: Any) -> None:
        """A first convolution of 2 (k - 1) planes."""
        del knobs
        widen_stem(host.net, cls.axes * (k - 1))

    def planes(self, segments: Tensor) -> Tensor:
        """See `Representation.planes`."""
        return self._images(segments)[:, :-1, : self.axes].flatten(1, 2)


def rank_weights(count: int, averaged: bool = True) -> np.ndarray:
    """a_1 to a_count of approximate rank pooling, see `DynamicImage`; they sum to 0."""
    t = np.arange(1, count + 1)
    if not averaged:
        return (2 * t - count - 1).astype(float)
    sums = np.concatenate([[0.0], np.cumsum(1 / t)])
    return 2.0 * (count - t + 1) - (count + 1) * (sums[count] - sums[t - 1])


def widen_stem(net: nn.Module, planes: int) -> None:
    """Exchange the first convolution for one of `planes` inputs, its kernels the mean over the colours, for each."""
    kinds = (nn.Conv2d, nn.Conv3d)
    path, first = next((path, layer) for path, layer in net.named_modules() if isinstance(layer, kinds))
    settings = (first.kernel_size, first.stride, first.padding)
    bias = first.bias is not None
    other = type(first)(planes, first.out_channels, *settings, bias=bias, device=first.weight.device)  # type: ignore[arg-type]
    with torch.no_grad():
        other.weight.copy_(over_planes(first.weight, planes))
        if first.bias is not None and other.bias is not None:
            other.bias.copy_(first.bias)
    net.set_submodule(path, other)
