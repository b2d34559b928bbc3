"""TSP: temporal squeeze pooling, K frames become D squeezed images by a projection learned with the classifier."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from poof.errors import PoofError
from poof.recog.core.backbone import Host
from poof.recog.core.module import Picture, Place, Shape, TemporalModule, choose, full_precision, in_segments, single
from poof.recog.zoo.modules.non_persistent import NonPersistent

EPSILON = 1e-6
ACTIVATIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "sigmoid": lambda x, slope: x.sigmoid(),
    "leaky": leaky_relu,
    "tanh": lambda x, slope: x.tanh(),
    "relu": lambda x, slope: x.relu(),
}


class TemporalSqueeze(TemporalModule):
    """Y = (A'A)^-1 A'X: each cell's K values over time become D coefficients, A (K x D) depends on the segment.

    A = LeakyReLU(W2 sigmoid(W1 z)), z the mean of each frame over cells and channels (Eqs. 3.1 to 3.4; neither layer
    has a bias there). The squeezed images are the coefficients; the projection AY, which is the same for every basis
    of the same subspace, stands in the loss beta * mean over cells and channels of |X - AY| (Eq. 3.5, not squared).
    The system is solved with a millionth of its mean diagonal added, so that dependent columns stay finite.

    TeSNet is this on the input and one segment of K frames (frames=1); from K = 16 on the document takes a pyramid,
    e.g. 'tsp:layers=stem:16+stage3:4,k=64' for K = 64. Networks that average over frames (TSN's consensus) average over
    the D images too, which is how we read a step that the document leaves out. In a pyramid the loss of the deeper
    layers reaches the layers in front of them, as Eq. 3.6 has it.

    Knobs
    -----
    layers : input
        Where it squeezes: input (the document's best), stem, stage1 to stage4, or behind a layer of the host by its
        path (conv2d_1a of inception_resnet_v2), several joined by '+', each with the images it leaves behind ':'.
    k : 10
        Frames of a segment.
    d : 3
        Squeezed images of a segment, for places that name none.
    beta : 10.0
        Weight of the loss of each layer.
    slope : 0.2
        Of the LeakyReLU below 0, which the document does not print.
    delta1, delta2 : sigmoid, leaky
        The activations of Eq. 3.2: sigmoid, leaky, tanh or relu (Table 3.1).
    taken : 0
        Frames of a segment at a place; set from the layer in front of it.
    """

    document = "Huang (2022), Sections 3.2 to 3.4 (TSP, TeSNet)"
    summary = "K frames to D squeezed images by a projection made from the frames' brightness over time"
    min_frames = 1

    def __init__(
        self,
        shape: Shape,
        k: int = 10,
        d: int = 3,
        beta: float = 10.0,
        slope: float = 0.2,
        delta1: str = "sigmoid",
        delta2: str = "leaky",
        taken: int = 0,
    ) -> None:
        super().__init__(shape)
        k = taken or k
        if k < 2 or d < 1 or d > k:
            raise PoofError(
                f"{d} images from {k} frames: a squeeze leaves at least 1 image and at most as many as frames"
            )
        if shape.frames % k:
            raise PoofError(f"{shape.frames} frames cannot be cut into segments of {k}")
        self.k, self.d, self.beta, self.slope = k, d, beta, slope
        self.delta1 = choose("delta1", delta1, tuple(ACTIVATIONS))
        self.delta2 = choose("delta2", delta2, tuple(ACTIVATIONS))
        self.first = nn.Linear(k, k, bias=False)
        self.second = nn.Linear(k, k * d, bias=False)
        self._loss: NonPersistent[Tensor] = NonPersistent()
        self._steps: list[Tensor] = []
        self._seen: NonPersistent[tuple[Tensor, Tensor]] = NonPersistent()

    @classmethod
    def places(cls, host: Host, layers: str = "input") -> Sequence[Place]:
        """On the input, behind the stem or behind stages."""
        places: list[Place] = []
        before = 0
        for layer in layers.split("+"):
            where, _, images = layer.partition(":")
            known = ["input", "stem", *(f"stage{n + 1}" for n in range(len(host.stages)))]
            own = bool(where) and any(where == path for path, _ in host.net.named_modules())
            if not (own or where in known) or (images and not images.isdigit()):
                raise PoofError(f"layers={layers}: write places as in stem:16+stage3:4; there are {', '.join(known)}")
            if "+" in layers and not images:
                raise PoofError(f"layers={layers}: with several layers each names its images, as in stem:16+stage3:4")
            knobs: tuple[tuple[str, Any], ...] = (("taken", before),) if before else ()
            if images:
                before = int(images)
                knobs += (("d", before),)
            if own:
                places.append(Place(where, "after", knobs))
            elif where.startswith("stage"):
                places.append(Place(host.stages[int(where[5:]) - 1], "after", knobs))
            else:
                places.append(Place("" if where == "input" else host.blocks[0].path, "before", knobs))
        return places

    @classmethod
    def raw_frames(cls, **knobs: Any) -> int:
        """K."""
        return int(knobs.get("k", 10))

    def matrix(self, segments: Tensor) -> Tensor:
        """A (N, K, D) of segments (N, K, C, H, W)."""
        means = single(segments).mean((2, 3, 4))
        squeezed = ACTIVATIONS[self.delta1](self.first(means), self.slope)
        return ACTIVATIONS[self.delta2](self.second(squeezed), self.slope).unflatten(1, (self.k, self.d))

    def forward(self, x: Tensor) -> Tensor:
        """(N, S * K, C, H, W) to (N, S * D, C, H, W)."""
        with full_precision(x):
            segments = in_segments(single(x), self.k)
            basis = self.matrix(segments)
            flat = segments.flatten(2)
            squeezed = pseudo_inverse(basis) @ flat
            if self.training or self.watching:
                loss = projection_loss(flat, basis @ squeezed)
                self._loss.value = self.beta * loss
                if self.training:
                    self._steps.append(loss.detach())
            self._seen.value = (squeezed.detach(), basis.detach()) if self.watching else None
            images = squeezed.unflatten(2, x.shape[2:])
        return images.unflatten(0, (len(x), -1)).flatten(1, 2).to(x.dtype)

    def losses(self) -> dict[str, Tensor]:
        """beta times the projection loss of the last pass in training."""
        return {"projection": self._loss.value} if self._loss.value is not None and self.training else {}

    def training_reads(self) -> dict[str, float]:
        """projection_loss: without its weight, mean over the batches since the last call."""
        steps, self._steps = self._steps, []
        return {"projection_loss": float(torch.stack(steps).mean())} if steps else {}

    def diagnostics(self) -> dict[str, float]:
        """Projection loss without its weight, and how well the basis is conditioned (1 is best)."""
        if self._seen.value is None or self._loss.value is None:
            return {}
        singular = torch.linalg.svdvals(self._seen.value[1])
        condition = (singular[:, 0] / singular[:, -1].clamp_min(1e-12)).mean()
        loss = float(self._loss.value.detach()) / max(self.beta, 1e-12)
        return {"projection_loss": loss, "condition": float(condition)}

    def pictures(self) -> list[Picture]:
        """The squeezed images, where it squeezes pictures."""
        if self._seen.value is None or self.shape.channels != 3:
            return []
        squeezed = self._seen.value[0]
        segments = self.shape.frames // self.k
        images = squeezed[:segments].view(segments, self.d, 3, self.shape.height, self.shape.width)
        return [Picture(f"squeezed image {n + 1} of {self.d}", images[:, n], "image") for n in range(self.d)]


def pseudo_inverse(basis: Tensor) -> Tensor:
    """(A'A + e I)^-1 A', (N, D, K) of A (N, K, D), with e about the precision of the diagonal; solved, not inverted."""
    gram = basis.mT @ basis
    ridge = 8 * torch.finfo(gram.dtype).eps * gram.diagonal(dim1=1, dim2=2).mean(1) + 1e-12
    identity = torch.eye(basis.shape[2], dtype=gram.dtype, device=gram.device)
    return torch.linalg.solve(gram + ridge[:, None, None] * identity, basis.mT)


def projection_loss(values: Tensor, projected: Tensor) -> Tensor:
    """Mean over cells of the length of what the projection misses; (N, K, cells) each (Eq. 3.5).

    The length has no derivative at 0, where sqrt(s + e) stands for it.
    """
    return ((values - projected).square().sum(1) + EPSILON**2).sqrt().mean() - math.sqrt(EPSILON**2)
