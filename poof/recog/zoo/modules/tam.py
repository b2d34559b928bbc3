"""TAM: a temporal convolution whose kernel each clip generates for each channel."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import conv2d

from poof.errors import PoofError
from poof.recog.core.backbone import Host
from poof.recog.core.module import Place, Shape, TemporalModule


class AdaptiveModule(TemporalModule):
    """A gate for each channel and frame (local branch), then a kernel of three taps for each channel (global branch).

    Both see the spatial mean only. The linear layers of the global branch span the clip: the number of frames is
    fixed when the network is built. No skip connection of its own. After the first convolution (with norm and
    activation) of every block.

    Knobs
    -----
    alpha : 2
        Width of the global branch in multiples of T.
    beta : 4
        Reduction of the channels in the local branch.
    """

    document = "Liu et al.: TAM: Temporal Adaptive Module for Video Recognition (ICCV 2021)"
    origin = "liu-zhy/temporal-adaptive-module"
    summary = "temporal convolution with a kernel generated from the clip itself"

    def __init__(self, shape: Shape, alpha: int = 2, beta: int = 4) -> None:
        super().__init__(shape)
        if not 1 <= beta <= shape.channels:
            raise PoofError(f"beta={beta} leaves none of {shape.channels} channels")
        t, c = shape.frames, shape.channels
        self.kernel = nn.Sequential(
            nn.Linear(t, alpha * t, bias=False),
            nn.BatchNorm1d(alpha * t),
            nn.ReLU(inplace=True),
            nn.Linear(alpha * t, 3, bias=False),
            nn.Softmax(-1),
        )
        self.gate = nn.Sequential(
            nn.Conv1d(c, c // beta, 3, padding=1, bias=False),
            nn.BatchNorm1d(c // beta),
            nn.ReLU(inplace=True),
            nn.Conv1d(c // beta, c, 1, bias=False),
            nn.Sigmoid(),
        )

    @classmethod
    def places(cls, host: Host) -> Sequence[Place]:
        """Before what follows the first convolution."""
        return [Place(block.second) for block in host.blocks if block.expands]

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the same shape; another T than the network was built for is refused."""
        n, t, c, h, w = x.shape
        if t != self.shape.frames:
            raise PoofError(f"TAM was built for {self.shape.frames} frames and cannot take {t}: build the model anew")
        means = x.mean((3, 4)).transpose(1, 2)
        kernels = self.kernel(means.reshape(n * c, t))
        gated = x * self.gate(means).transpose(1, 2)[..., None, None]
        series = gated.transpose(1, 2).reshape(1, n * c, t, h * w)
        mixed = conv2d(series, kernels.view(n * c, 1, 3, 1), padding=(1, 0), groups=n * c)
        return mixed.view(n, c, t, h, w).transpose(1, 2)
