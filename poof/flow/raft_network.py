"""RAFT (Teed and Deng, ECCV 2020, arXiv 2003.12039) in parts that are computed once for each frame.

The layers and their weights are torchvision's; this is another order of calling them. torchvision's `forward` takes two
images and gives the upsampled flow after each update. Here the parts are separate:

* `features` and `context` belong to one image and serve every pair that it is in;
* the correlation volume of (a, b), transposed, is that of (b, a);
* what the context adds to the gates of the recurrent unit is the same in every update: it is computed once;
* only the last update is upsampled.

All but the third give bit for bit what torchvision gives. The third sums the same products in another order, which
shows in the last digit of float32: over 22 real flows (FlyingChairs, Sintel, DAVIS, JHMDB; RAFT-small) the largest
difference was 9.4e-4 px, at single pixels that waver between two solutions, the mean 5e-6 px. torchvision differs from
itself as much (8.8e-4 px) on one thread and on two.
"""

from __future__ import annotations

from typing import Any

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor, nn

GateTerms = tuple[Tensor, Tensor]


class SequenceGRU(nn.Module):
    """A convolutional gated recurrent unit whose input is partly constant over the updates.

    z, r = sigmoid(conv([h, c, m])), q = tanh(conv([r h, c, m])), h' = (1 - z) h + z q (RAFT, eqs. 3 to 6) with hidden
    state h, context c and motion m. A convolution is linear, so conv([h, c, m]) = conv_c(c) + conv_hm([h, m]), and
    conv_c(c) stays the same from update to update: a quarter (small) or a third (large) of all products.

    Parameters
    ----------
    unit
        torchvision's `ConvGRU`.
    context_channels
        Width of c.
    """

    gates: Tensor
    gates_context: Tensor
    gates_bias: Tensor
    candidate: Tensor
    candidate_context: Tensor
    candidate_bias: Tensor

    def __init__(self, unit: Any, context_channels: int) -> None:
        super().__init__()
        hidden = unit.convz.weight.shape[0]
        self.padding = unit.convz.padding
        gates = torch.cat([unit.convz.weight, unit.convr.weight]).detach()
        for name, weight in (("gates", gates), ("candidate", unit.convq.weight.detach())):
            constant = slice(hidden, hidden + context_channels)
            self.register_buffer(f"{name}_context", weight[:, constant].contiguous())
            self.register_buffer(name, torch.cat([weight[:, : constant.start], weight[:, constant.stop :]], dim=1))
        self.register_buffer("gates_bias", torch.cat([unit.convz.bias, unit.convr.bias]).detach())
        self.register_buffer("candidate_bias", unit.convq.bias.detach().clone())

    def terms(self, context: Tensor) -> GateTerms:
        """What the context adds to (z and r, q) in every update."""
        gates = F.conv2d(context, self.gates_context, self.gates_bias, padding=self.padding)
        return gates, F.conv2d(context, self.candidate_context, self.candidate_bias, padding=self.padding)

    def forward(self, hidden: Tensor, motion: Tensor, terms: GateTerms) -> Tensor:
        """The next hidden state."""
        gates = F.conv2d(torch.cat([hidden, motion], 1), self.gates, padding=self.padding)
        update, reset = gates.add_(terms[0]).sigmoid_().chunk(2, dim=1)
        fresh = F.conv2d(torch.cat([reset * hidden, motion], 1), self.candidate, padding=self.padding)
        fresh.add_(terms[1]).tanh_()
        return (1 - update) * hidden + update * fresh


class SequenceRaft(nn.Module):
    """The parts of a torchvision RAFT as separate steps.

    Maps have 1/8 of the image's height and width, h x w. Nothing is kept between calls, so threads may share one.

    Parameters
    ----------
    network
        torchvision's `RAFT` with its weights; its layers are taken over, not copied.
    dtype
        Type of the convolutions; norms, correlation and flow stay in float32, as in the original.
    """

    def __init__(self, network: Any, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        block = network.update_block
        self.feature_encoder = network.feature_encoder
        self.context_encoder = network.context_encoder
        self.motion_encoder = block.motion_encoder
        self.flow_head = block.flow_head
        self.mask_predictor = network.mask_predictor
        self.hidden_channels: int = block.hidden_state_size
        width = network.context_encoder.output_dim - self.hidden_channels
        recurrent = block.recurrent_block
        units = [unit for unit in (recurrent.convgru1, recurrent.convgru2) if isinstance(unit, nn.Module)]
        self.units: Any = nn.ModuleList(SequenceGRU(unit, width) for unit in units)
        self.levels: int = network.corr_block.num_levels
        self.radius: int = network.corr_block.radius
        self.dtype = dtype
        # Converted once: autocast would convert the weights again in every update.
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, SequenceGRU)):
                module.to(dtype)

    def features(self, images: Tensor) -> Tensor:
        """Maps (B, C, h, w) to be matched, of images (B, 3, 8h, 8w) in [-1, 1]."""
        return self.feature_encoder(images.to(self.dtype)).float()

    def context(self, images: Tensor) -> tuple[Tensor, ...]:
        """What the updates of a flow *from* these images need: hidden state, then the terms of each recurrent unit."""
        out = self.context_encoder(images.to(self.dtype))
        hidden, context = torch.tanh(out[:, : self.hidden_channels]), F.relu(out[:, self.hidden_channels :])
        return hidden, *(term for unit in self.units for term in unit.terms(context))

    def volume(self, first: Tensor, second: Tensor) -> Tensor:
        """Correlation (B, hw, hw) of every place of `first` with every place of `second`."""
        return torch.matmul(first.flatten(2).transpose(1, 2), second.flatten(2)).div_(first.shape[1] ** 0.5)

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
        columns, rows = places.permute(1, 0, 2, 3).reshape(2, -1, 1)
        found = []
        for level in pyramid:
            # The operations and their order are torchvision's: other rounding here shows up to 2e-3 px in the flow.
            x = 2 * (columns + side) / (level.shape[3] - 1) - 1
            y = 2 * (rows + side) / (level.shape[2] - 1) - 1
            # x runs slowest within the square: the order in which the weights were trained.
            grid = torch.stack(torch.broadcast_tensors(x[:, :, None], y[:, None, :]), dim=-1)
            found.append(F.grid_sample(level, grid, align_corners=True).view(batch, height, width, -1))
            columns, rows = columns / 2, rows / 2
        return torch.cat(found, dim=-1).permute(0, 3, 1, 2).contiguous()

    def update(self, pyramid: list[Tensor], context: tuple[Tensor, ...], iterations: int) -> tuple[Tensor, Tensor]:
        """Flow (B, 2, h, w) in eighths of the image's pixels after `iterations` updates from zero, and hidden state."""
        hidden, terms = context[0], context[1:]
        batch, _, height, width = hidden.shape
        ys = torch.arange(height, device=hidden.device, dtype=torch.float32)[:, None].expand(height, width)
        xs = torch.arange(width, device=hidden.device, dtype=torch.float32)[None].expand(height, width)
        start = torch.stack([xs, ys]).repeat(batch, 1, 1, 1)
        places = start
        for _ in range(iterations):
            hidden, change = self.step(places - start, self.lookup(pyramid, places), hidden, terms)
            places = places + change
        return places - start, hidden

    def step(
        self, flow: Tensor, correlation: Tensor, hidden: Tensor, terms: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor]:
        """One update: the next hidden state and the change of the flow."""
        motion = self.motion_encoder(flow.to(self.dtype), correlation.to(self.dtype))
        for index, unit in enumerate(self.units):
            hidden = unit(hidden, motion, terms[2 * index : 2 * index + 2])
        return hidden, self.flow_head(hidden)

    def upsample(self, flow: Tensor, hidden: Tensor) -> Tensor:
        """Flow (B, 2, 8h, 8w) in pixels: learned convex combinations where the network has them, else bilinear."""
        batch, _, height, width = flow.shape
        if self.mask_predictor is None:
            return 8 * F.interpolate(flow, size=(8 * height, 8 * width), mode="bilinear", align_corners=True)
        weights = self.mask_predictor(hidden).float().view(batch, 1, 9, 8, 8, height, width).softmax(dim=2)
        around = F.unfold(8 * flow, kernel_size=3, padding=1).view(batch, 2, 9, 1, 1, height, width)
        fine = (weights * around).sum(dim=2)
        return fine.permute(0, 1, 4, 2, 5, 3).reshape(batch, 2, 8 * height, 8 * width)


def transpose(volume: Tensor) -> None:
    """Turn a volume (B, n, n) on the CPU into that of the way back, in place."""
    # torch copies a transposed matrix row by row, missing the cache at every step: 78 ms for the volume of a 512x384
    # image (3072 x 3072), against 3 ms for exchanging blocks that fit the cache. And a volume may fill the memory.
    size = 256
    for matrix in volume.numpy():
        for i in range(0, len(matrix), size):
            for j in range(i, len(matrix), size):
                upper = cv2.transpose(matrix[i : i + size, j : j + size])
                matrix[i : i + size, j : j + size] = cv2.transpose(matrix[j : j + size, i : i + size])
                matrix[j : j + size, i : i + size] = upper
