"""The interface of backbones: the network itself and the names of its parts.

The network is left as it is: its state-dict keys, and so its published weights, stay valid with any module inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
KINETICS_MEAN, KINETICS_STD = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)


@dataclass(frozen=True)
class Block:
    """One block of a backbone, its parts named by their paths.

    Attributes
    ----------
    path
        The block.
    stage, index
        Stage from 1 (each halves the resolution of the one before), number inside the stage from 0.
    first
        Its first convolution.
    second
        What follows the first convolution with its norm and activation.
    skip
        Whether a skip connection runs beside it.
    expands
        False for the blocks of MobileNetV2 that begin with the depthwise convolution, and for Inception's, which begin
        with several convolutions.
    """

    path: str
    stage: int
    index: int
    first: str
    second: str
    skip: bool = True
    expands: bool = True


@dataclass(frozen=True)
class Host:
    """A backbone with its map.

    Attributes
    ----------
    net
        The network: (N*T, 3, H, W) images to (N*T, classes) for 2D, (N, 3, T, H, W) clips to (N, classes) for 3D.
    dims
        2 or 3.
    blocks
        In the order of the forward pass.
    stages
        Paths of the last layer of each stage; what heat maps are made of.
    classifier
        Path of the last linear layer.
    mean, std
        Of the RGB input in [0, 1], as the published weights expect.
    weights
        What `weights=` may name besides a file, as name -> torchvision weights enumeration entry.
    inflated
        Whether 2D weights fit after inflation.
    """

    net: nn.Module
    dims: int
    blocks: tuple[Block, ...]
    stages: tuple[str, ...]
    classifier: str
    weights: dict[str, str]
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    inflated: bool = False


Factory = Callable[[int], Host]
"""number of classes -> host without weights."""


def residual_blocks(net: nn.Module, first: str = "conv1", second: str = "conv2") -> tuple[Block, ...]:
    """The blocks of any network with `layer1` to `layer4`; `first` and `second` are paths inside a block."""
    blocks = []
    for stage in range(1, 5):
        for index, _ in enumerate(net.get_submodule(f"layer{stage}").children()):
            path = f"layer{stage}.{index}"
            blocks.append(Block(path, stage, index, f"{path}.{first}", f"{path}.{second}"))
    return tuple(blocks)
