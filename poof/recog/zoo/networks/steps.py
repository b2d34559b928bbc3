"""Backbones split into stem, blocks and head, for networks that act between the blocks of two.

The parts are the backbone's own layers, called in its own order, so hooks on them work and their keys stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from poof.errors import PoofError
from poof.recog.core.backbone import Block


class Steps:
    """The parts of a host's network.

    Parameters
    ----------
    net
        A ResNet (2D or inflated), MobileNetV2 or X3D.
    blocks
        As its host names them.

    Attributes
    ----------
    blocks
        In the order of the forward pass.
    dims
        2 or 3.

    Raises
    ------
    PoofError
        For a backbone that is built otherwise.
    """

    def __init__(self, net: nn.Module, blocks: Sequence[Block]) -> None:
        self._net: Any = net  # of three families; torch types what a module holds as anything
        self.blocks = [net.get_submodule(block.path) for block in blocks]
        self.dims = 3 if any(isinstance(layer, nn.Conv3d) for layer in net.modules()) else 2
        if hasattr(net, "s1"):
            self._kind = "x3d"
        elif hasattr(net, "features"):
            self._kind = "mobilenet"
        elif hasattr(net, "maxpool") and hasattr(net, "layer4"):
            self._kind = "resnet"
        else:
            raise PoofError("its backbone must be a ResNet, MobileNetV2 or X3D, whose blocks follow one another")

    def stem(self, clips: Tensor) -> Tensor:
        """Clips (N, T, 3, H, W) to what the first block takes, in the host's axes."""
        net = self._net
        x = clips.flatten(0, 1) if self.dims == 2 else clips.transpose(1, 2)
        if self._kind == "x3d":
            return net.s1(x)
        if self._kind == "mobilenet":
            return net.features[0](x)
        return net.maxpool(net.relu(net.bn1(net.conv1(x))))

    def head(self, x: Tensor) -> Tensor:
        """What the last block gives to what the classifier takes, (N*T, features) or (N, features)."""
        net = self._net
        if self._kind == "x3d":
            return net.head.features(x)
        if self._kind == "mobilenet":
            x = net.features[-1](x)
            return nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)
        return torch.flatten(net.avgpool(x), 1)

    def unfold(self, x: Tensor, frames: int) -> Tensor:
        """The host's axes to (N, T, C, H, W)."""
        return x.unflatten(0, (-1, frames)) if self.dims == 2 else x.transpose(1, 2)

    def fold(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) to the host's axes."""
        return x.flatten(0, 1) if self.dims == 2 else x.transpose(1, 2)
