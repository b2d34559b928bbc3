"""MBPM: a trained band-pass that keeps what moves: Laplacian of Gaussian in space, second difference in time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from poof.errors import PoofError
from poof.recog.core.module import InputModule, Picture, Shape, choose, full_precision, single

SCALES = ("peak", "sum", "raw")


class MotionBandPass(InputModule):
    """Three neighbouring frames of each segment become one 'busy' frame: what does not move cancels out.

    Gamma(t) = sum over i of h(i) * (LoG * I(i)), h = -1/3, 2/3, -1/3 (Eqs. 5.1 to 5.3), on each colour alone; both
    kernels are trained. In space the picture is mirrored at its edge, in time nothing is added, so no output mixes two
    segments (the document says neither; the released code does both).

    The document divides the Laplacian by the sum of its values, 'normalised to 1'. That sum is nearly 0 (-0.00078 for
    the default): the filter then amplifies 779 times, and turns over the sign of its Eq. 5.2. Behind a batch norm the
    scale does not show, but it freezes the kernel (steps of the usual size on weights near 278) and spoils Eq. 5.4 of
    the busy-quiet network. `scale=peak`, the default here, has the same shape and sign with a largest gain of 1.

    Knobs
    -----
    kernel : 9
        Width of the Laplacian in cells, odd.
    sigma : 1.1
        Of its Gaussian, in cells.
    scale : peak | sum | raw
        Largest gain 1, values that sum to 1 (document and code), or Eq. 5.2 as it is.
    frozen : false
        Keep both kernels as they are built.
    balanced : false
        Take the mean off the temporal kernel in every pass, so that what stands still stays 0 while it is trained.
    """

    document = "Huang (2022), Section 5.3 (MBPM)"
    origin = "guoxih/busy-quiet-net"
    summary = "three frames to one by a trained band-pass: moving edges stay, all that stands still goes"
    min_frames = 3

    def __init__(
        self,
        shape: Shape,
        kernel: int = 9,
        sigma: float = 1.1,
        scale: str = "peak",
        frozen: bool = False,
        balanced: bool = False,
    ) -> None:
        super().__init__(shape)
        if shape.frames < 3 or shape.frames % 3:
            raise PoofError(f"{shape.frames} frames: the band-pass takes them in threes")
        self.filter = BandPass(shape.channels, kernel, sigma, scale, balanced)
        self.filter.requires_grad_(not frozen)
        self._seen: Tensor | None = None

    @classmethod
    def raw_frames(cls, **knobs: Any) -> int:
        """Three."""
        del knobs
        return 3

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3T, C, H, W) to (N, T, C, H, W)."""
        if x.shape[1] % 3:
            raise PoofError(f"{x.shape[1]} frames: the band-pass takes them in threes")
        y = self.filter(x, stride=3)
        self._seen = y.detach() if self.watching else None
        return y

    def input_kernels(self) -> dict[str, Tensor]:
        """The Laplacians (C, 1, k, k) and their weights over time (C, 1, 3, 1)."""
        return {"filter.space": self.filter.space, "filter.time": self.filter.time}

    def pictures(self) -> list[Picture]:
        """The busy frames."""
        return [] if self._seen is None else [Picture("MBPM output", self._seen[0], "signed")]


class BandPass(nn.Module):
    """The filter itself, channel by channel.

    Parameters
    ----------
    channels
        Of the features.
    kernel, sigma, scale
        See `log_kernel`.
    balanced
        See `MotionBandPass`.
    """

    def __init__(self, channels: int, kernel: int, sigma: float, scale: str = "peak", balanced: bool = False) -> None:
        super().__init__()
        space = torch.tensor(log_kernel(kernel, sigma, scale), dtype=torch.get_default_dtype())
        self.space = nn.Parameter(space.expand(channels, 1, -1, -1).clone())
        self.time = nn.Parameter(torch.tensor([-1 / 3, 2 / 3, -1 / 3]).view(1, 1, 3, 1).repeat(channels, 1, 1, 1))
        self.balanced = balanced

    def forward(self, x: Tensor, stride: int = 1) -> Tensor:
        """(N, T, C, H, W) to as many frames (stride 1, the end frames repeated) or one for every three (stride 3)."""
        border, (height, width) = self.space.shape[-1] // 2, x.shape[-2:]
        # Mirroring needs more cells than the border is wide; the smallest maps get their edge repeated instead.
        mode = "reflect" if border < min(height, width) else "replicate"
        channels = self.space.shape[0]
        time = self.time - self.time.mean(2, keepdim=True) if self.balanced else self.time
        with full_precision(x):  # small differences of large numbers
            y = pad(single(x).flatten(0, 1), (border,) * 4, mode=mode)
            y = conv2d(y, self.space, groups=channels).view(x.shape).transpose(1, 2)
            if stride == 1:
                y = torch.cat([y[:, :, :1], y, y[:, :, -1:]], 2)
            y = conv2d(y.flatten(3), time, stride=(stride, 1), groups=channels)
            return y.unflatten(3, (height, width)).transpose(1, 2).to(x.dtype)


def log_kernel(kernel: int, sigma: float, scale: str = "peak") -> np.ndarray:
    """Laplacian of Gaussian (kernel, kernel), float64: -1 / (pi s^4) * (1 - r^2 / 2s^2) * exp(-r^2 / 2s^2), Eq. 5.2.

    Parameters
    ----------
    kernel
        Width, odd.
    sigma
        s, in cells.
    scale
        'raw'; 'sum': divided by the sum of the values; 'peak': scaled so that the gain is 1 at the frequency that
        passes best, with the sign of 'sum', so that a bright spot stays bright.

    Raises
    ------
    PoofError
        Where the kernel makes no sense, or its values sum to so nearly 0 that dividing by the sum is noise.
    """
    choose("scale", scale, SCALES)
    if kernel < 3 or kernel % 2 == 0:
        raise PoofError(f"kernel={kernel}: the Laplacian needs an odd width from 3 up")
    if not sigma > 0:
        raise PoofError(f"sigma={sigma}: must be above 0")
    cells = np.arange(kernel) - kernel // 2
    half = (cells[:, None] ** 2 + cells**2) / (2 * sigma**2)
    values = -np.exp(-half) * (1 - half) / (math.pi * sigma**4)
    total, size = values.sum(), np.abs(values).sum()
    if scale == "raw":
        return values
    if scale == "sum":
        if abs(total) < 1e-5 * size:
            raise PoofError(
                f"scale=sum with kernel={kernel}, sigma={sigma}: the values sum to {total:.1e}, nothing can be divided "
                "by that; take scale=peak or raw"
            )
        return values / total
    peak = np.abs(np.fft.fft2(values, (256, 256))).max()
    return -values / peak
