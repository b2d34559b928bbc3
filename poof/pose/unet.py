"""A small network for one footage: a U-Net that a CPU core trains in a minute or two.

Ronneberger, Fischer and Brox (2015), with three changes that spare time: strided convolutions in place of pooling, the
way up adds what it meets instead of stacking it, and the first step down has no counterpart, so maps are half the size
of the image. It is for footage where the same subject is seen again and again, not for subjects it has never seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from poof.errors import PoofError

WIDTHS = (32, 48, 80, 112, 160)
"""Channels at 1/2, 1/4, ... of the image's size; 0.96 million parameters in all."""
STRIDE = 2
"""Pixels of the image a cell of the heat maps is wide."""
SIGMA = 1.6
"""Standard deviation of the targets, in cells."""


class UNet(nn.Module):
    """Heat maps from an image, each one a probability over its cells.

    Parameters
    ----------
    num_keypoints
        K, the number of heat maps.
    widths
        Channels at each size, from 1/2 of the image on down.

    Raises
    ------
    PoofError
        Without a keypoint.
    """

    stride = STRIDE
    stages = 1
    conv_bias = False
    body = "unet"

    def __init__(self, num_keypoints: int, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        if num_keypoints < 1:
            raise PoofError(f"a network needs at least one keypoint, not {num_keypoints}")
        self.num_keypoints = num_keypoints
        pairs = list(zip(widths, widths[1:]))
        self.top = nn.Sequential(_layer(3, widths[0], stride=2), _layer(widths[0], widths[0]))
        self.down = nn.ModuleList(nn.Sequential(_layer(a, b, stride=2), _layer(b, b)) for a, b in pairs)
        self.across = nn.ModuleList(nn.Conv2d(b, a, 1, bias=False) for a, b in reversed(pairs))
        self.up = nn.ModuleList(_layer(a, a) for a, _ in reversed(pairs))
        self.head = nn.Conv2d(widths[0], num_keypoints, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.normal_(self.head.weight, std=0.01)  # all cells alike at first
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]  # it has one

    @property
    def multiple(self) -> int:
        """The sides of an image must be divisible by this."""
        return int(STRIDE * 2 ** len(self.down))

    def forward(self, images: Tensor) -> Tensor:
        """(B, K, H/2, W/2): logarithms of the maps up to a constant.

        Parameters
        ----------
        images : (B, 3, H, W) float
            RGB, normalised (`poof.pose.crops.normalise`); H and W divisible by 32.
        """
        height, width = images.shape[-2:]
        if height % self.multiple or width % self.multiple or not (height and width):
            raise PoofError(f"this network wants sides divisible by {self.multiple}, not {width}x{height}")
        x = self.top(images)
        skipped = []
        for down in self.down:
            skipped.append(x)
            x = down(x)
        for across, up, skip in zip(self.across, self.up, reversed(skipped)):
            x = up(F.interpolate(across(x), scale_factor=2.0, mode="nearest") + skip)
        return self.head(x)

    def heatmaps(self, images: Tensor) -> Tensor:
        """(B, K, H/2, W/2): the probability of every cell, scaled so that a map like its target peaks at 255."""
        maps = self.forward(images).float()
        return maps.flatten(-2).softmax(-1).view_as(maps) * (255 * 2 * math.pi * SIGMA**2)


def unet_loss(maps: Tensor, points: Tensor, weights: Tensor, absent: Tensor | None = None) -> Tensor:
    """Cross-entropy between the maps and Gaussians around the points, a scalar.

        loss = - sum_k w_k sum_c g_k(c) ln softmax(maps_k)(c)  /  max(1, sum_k w_k)

    g_k is a Gaussian of `SIGMA` cells around keypoint k, with the sum 1 over the cells; for an absent keypoint all
    cells alike.

    Parameters
    ----------
    maps : (B, K, h, w)
        From `UNet.forward`.
    points : (B, K, 2)
        (x, y) in pixels of the images; a cell stands at 2 * cell + 1, see `poof.pose.decoding`. NaN where not known.
    weights : (B, K)
        0 masks a point; points outside the image must have it.
    absent : (B, K) bool
        Keypoints that are not in the picture; None: all are.
    """
    height, width = maps.shape[-2:]
    centre = torch.nan_to_num(points) / STRIDE - 0.5
    across = _bell(centre[..., 0], width)
    down = _bell(centre[..., 1], height)
    logarithms = maps.float().flatten(-2).log_softmax(-1).view_as(maps)
    # sum_c g(c) ln p(c), column by column and row by row
    met = (logarithms @ across[..., None])[..., 0]
    entropy = -(met * down).sum(-1)
    if absent is not None:
        entropy = torch.where(absent, -logarithms.mean(dim=(-2, -1)), entropy)
    return (weights * entropy).sum() / weights.sum().clamp_min(1.0)


def _bell(centre: Tensor, count: int) -> Tensor:
    """(B, K, count): a Gaussian over the cells 0 ... count-1 of sum 1."""
    offsets = torch.arange(count, device=centre.device) - centre[..., None]
    return torch.softmax(-0.5 * (offsets / SIGMA) ** 2, dim=-1)


def _layer(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )
