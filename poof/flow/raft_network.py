"""RAFT (Teed and Deng, ECCV 2020) taken apart, so that a sequence pays for nothing twice.

The layers and their weights are torchvision's; this is another order of calling them. torchvision's `forward` takes two
images and gives the upsampled flow after each update. Here the parts are separate: `features` and `context` belong to
one image and serve every pair it is in, the correlation volume of (a, b) transposed is that of (b, a), and only the
last update is upsampled.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SequenceRaft(nn.Module):
    """The parts of a torchvision RAFT as separate steps.

    All maps have 1/8 of the image's height and width, h x w. Holds no state between calls, so threads may share it.

    Parameters
    ----------
    network
        torchvision's `RAFT` with its weights; taken over, not copied.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.feature_encoder = network.feature_encoder
        self.context_encoder = network.context_encoder
        self.update_block = network.update_block
        self.mask_predictor = network.mask_predictor
        self.levels: int = network.corr_block.num_levels
        self.radius: int = network.corr_block.radius

    def features(self, images: Tensor) -> Tensor:
        """Maps (B, C, h, w) to be matched, of images (B, 3, 8h, 8w) in [-1, 1]."""
        return self.feature_encoder(images).float()

    def context(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What the updates of a flow *from* these images start with: hidden state and context (B, C', h, w)."""
        out = self.context_encoder(images)
        size = self.update_block.hidden_state_size
        hidden, context = torch.split(out, [size, out.shape[1] - size], dim=1)
        return torch.tanh(hidden), F.relu(context)

    def volume(self, first: Tensor, second: Tensor) -> Tensor:
        """Correlation (B, hw, hw) of every place of `first` with every place of `second`."""
        channels = first.shape[1]
        return torch.matmul(first.flatten(2).transpose(1, 2), second.flatten(2)) / channels**0.5

    def pyramid(self, volume: Tensor, height: int, width: int) -> list[Tensor]:
        """The volume as (B*hw, 1, h, w) and its averages over 2x2, 4x4, ... places of the second image."""
        levels = [volume.reshape(-1, 1, height, width)]
        for _ in range(self.levels - 1):
            levels.append(F.avg_pool2d(levels[-1], kernel_size=2, stride=2))
        return levels

    def lookup(self, pyramid: list[Tensor], places: Tensor) -> Tensor:
        """Correlation (B, levels*(2r+1)^2, h, w) in a square of radius r around `places` (B, 2, h, w), per level."""
        batch, _, height, width = places.shape
        side = torch.arange(-self.radius, self.radius + 1, device=places.device, dtype=places.dtype)
        # x runs slowest within the square: the order in which the weights were trained.
        offsets = torch.stack(torch.meshgrid(side, side, indexing="ij"), dim=-1)
        centres = places.permute(0, 2, 3, 1).reshape(-1, 1, 1, 2)
        found = []
        for level in pyramid:
            scale = 2 / torch.tensor([level.shape[3] - 1, level.shape[2] - 1], device=places.device, dtype=places.dtype)
            grid = (centres + offsets) * scale - 1
            found.append(F.grid_sample(level, grid, align_corners=True).view(batch, height, width, -1))
            centres = centres / 2
        return torch.cat(found, dim=-1).permute(0, 3, 1, 2).contiguous()

    def update(self, pyramid: list[Tensor], hidden: Tensor, context: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
        """Flow (B, 2, h, w) in eighths of the image's pixels after `iterations` updates from zero, and hidden state."""
        batch, _, height, width = hidden.shape
        ys, xs = torch.meshgrid(
            torch.arange(height, device=hidden.device, dtype=torch.float32),
            torch.arange(width, device=hidden.device, dtype=torch.float32),
            indexing="ij",
        )
        start = torch.stack([xs, ys]).expand(batch, -1, -1, -1)
        flow = torch.zeros_like(start)
        for _ in range(iterations):
            correlation = self.lookup(pyramid, start + flow)
            hidden, change = self.update_block(hidden, context, correlation, flow)
            flow = flow + change.float()
        return flow, hidden

    def upsample(self, flow: Tensor, hidden: Tensor) -> Tensor:
        """Flow (B, 2, 8h, 8w) in pixels: learned convex combinations where the network has them, else bilinear."""
        batch, _, height, width = flow.shape
        if self.mask_predictor is None:
            return 8 * F.interpolate(flow, scale_factor=8, mode="bilinear", align_corners=True)
        weights = self.mask_predictor(hidden).float().view(batch, 1, 9, 8, 8, height, width).softmax(dim=2)
        around = F.unfold(8 * flow, kernel_size=3, padding=1).view(batch, 2, 9, 1, 1, height, width)
        fine = (weights * around).sum(dim=2)
        return fine.permute(0, 1, 4, 2, 5, 3).reshape(batch, 2, 8 * height, 8 * width)
