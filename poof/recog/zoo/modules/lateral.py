"""BPLC: lateral connections between a busy and a quiet pathway that are band-pass filters themselves."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from poof.recog.core.module import choose, per_frame
from poof.recog.zoo.modules.mbpm import BandPass

Direction = Literal["to busy", "to quiet", "both", "in turn"]
DESIGNS = ("bplc", "lc1", "lc2", "lc3", "lc5", "released", "none")
PHIS = ("none", "conv", "mlp", "both")
SIGMA = 0.9


def direction(design: str, number: int) -> Direction:
    """Which way the connection behind block `number` (from 1, over all stages) leads, by Table 5.7.

    bplc (LC-IV): quiet to busy behind even blocks, busy to quiet behind odd ones. lc5: the same without band-pass.
    lc1, lc2: one way all along, quiet to busy and busy to quiet; the document's diagram is lost, so which of the two
    is which is our choice. lc3: both ways behind every block, from the features before either is changed. released:
    both ways behind every block, one after the other: what the quiet pathway gets has passed through the busy one
    (released code for X3D).
    """
    choose("lateral", design, DESIGNS[:-1])
    if design == "lc1":
        return "to busy"
    if design == "lc2":
        return "to quiet"
    if design == "lc3":
        return "both"
    if design == "released":
        return "in turn"
    return "to busy" if number % 2 == 0 else "to quiet"


class Lateral(nn.Module):
    """y_busy = BN(MBPM(x_quiet)) + x_busy, or y_quiet = BN(phi(x_busy)) + x_quiet, or both (Eq. 5.5).

    Batch norms begin with weight 0, so at first nothing passes. Features of different size are interpolated
    bilinearly (of different length along time, too): behind the band-pass on the way to the busy pathway, in front of
    phi on the way back.

    Parameters
    ----------
    channels
        Of both pathways behind this block.
    way
        See `direction`.
    kernel
        Width of the Laplacian, whose sigma is 0.9 cells; 0 for no band-pass.
    phi
        'none' (released code for ResNets; the document's 47.4 M parameters leave no room for more), 'conv' (1x1x1, as
        Eq. 5.5 allows), 'mlp' (two of them with a quarter of the channels between) or 'both' (released code for X3D:
        a 1x1x1 on the way to the busy pathway, too, behind the band-pass).
    scale
        Of the Laplacian, see `poof.recog.zoo.modules.mbpm.log_kernel`.
    """

    def __init__(self, channels: int, way: Direction, kernel: int = 7, phi: str = "none", scale: str = "peak") -> None:
        super().__init__()
        choose("phi", phi, PHIS)
        self.way = way
        if way != "to quiet":
            self.band_pass = BandPass(channels, kernel, SIGMA, scale) if kernel else nn.Identity()
            self.mix = _phi(channels, "conv" if phi == "both" else "none")
            self.busy_norm = _closed(channels)
        if way != "to busy":
            self.phi = _phi(channels, phi)
            self.quiet_norm = _closed(channels)

    def forward(self, busy: Tensor, quiet: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, T, C, H, W) and (N, T, C, h, w) to the same shapes."""
        new_busy, new_quiet = busy, quiet
        if self.way != "to quiet":
            filtered = per_frame(self.mix, _resize(self.band_pass(quiet), busy))
            new_busy = per_frame(self.busy_norm, filtered) + busy
        if self.way != "to busy":
            passed = per_frame(self.phi, _resize(new_busy if self.way == "in turn" else busy, quiet))
            new_quiet = per_frame(self.quiet_norm, passed) + quiet
        return new_busy, new_quiet

    def openness(self) -> float:
        """Mean size of the batch norms' weights: 0 at first, 1 where as much passes as a norm usually lets through."""
        norms = [norm for norm in (getattr(self, "busy_norm", None), getattr(self, "quiet_norm", None)) if norm]
        return float(torch.stack([norm.weight.detach().abs().mean() for norm in norms]).mean())


def _closed(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels)
    nn.init.zeros_(norm.weight)
    return norm


def _phi(channels: int, kind: str) -> nn.Module:
    if kind == "none":
        return nn.Identity()
    if kind in ("conv", "both"):
        return nn.Conv2d(channels, channels, 1, bias=False)
    middle = max(channels // 4, 1)
    return nn.Sequential(
        nn.Conv2d(channels, middle, 1, bias=False), nn.ReLU(inplace=True), nn.Conv2d(middle, channels, 1, bias=False)
    )


def _resize(x: Tensor, like: Tensor) -> Tensor:
    size = like.shape[-2:]
    if x.shape[1] != like.shape[1]:
        frames = (like.shape[1], *size)
        return interpolate(x.transpose(1, 2), size=frames, mode="trilinear", align_corners=False).transpose(1, 2)
    if x.shape[-2:] == size:
        return x
    return per_frame(lambda frames: interpolate(frames, size=size, mode="bilinear", align_corners=False), x)
