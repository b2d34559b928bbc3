"""(2+1)D layers: finding them, and how many middle channels keep their parameters equal to those of a 3D layer.

Documents: Tran et al., A Closer Look at Spatiotemporal Convolutions for Action Recognition (CVPR 2018); Zeng, Learning
Temporal Variations for Action Recognition (2020), (3.3) to (3.5) and Table 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from poof.errors import PoofError


@dataclass(frozen=True)
class Layer:
    """A (2+1)D layer: paths of its spatial convolution, of the norm behind that, and of its temporal convolution.

    Attributes
    ----------
    pair
        Whether the two belong to nobody else, so that the channels between them may be changed.
    """

    path: str
    spatial: str
    norm: str
    temporal: str
    pair: bool = True


PARTS = (("0", "1", "3"), ("0.0", "0.1", "1.0"), ("conv2", "bn2", "conv_t"))
"""Of torchvision's (2+1)D convolutions, of S3D's, of P3D's bottlenecks."""


def factorised(net: nn.Module) -> Iterator[Layer]:
    """The (2+1)D layers: spatial convolution, norm, activation, temporal convolution, in order."""
    for path, layer in net.named_modules():
        for parts in PARTS:
            found = [_part(layer, part) for part in parts]
            spatial, _, temporal = found
            if (
                isinstance(spatial, nn.Conv3d)
                and isinstance(temporal, nn.Conv3d)
                and spatial.kernel_size[0] == 1 < spatial.kernel_size[1]
                and temporal.kernel_size[0] > 1 == temporal.kernel_size[1]
                and getattr(layer, "serial", True)
            ):
                first, norm, last = (f"{path}.{part}" for part in parts)
                yield Layer(path, first, norm, last, isinstance(layer, nn.Sequential))


def _part(layer: nn.Module, path: str) -> nn.Module | None:
    for name in path.split("."):
        found = layer._modules.get(name)
        if found is None:
            return None
        layer = found
    return layer


def midplanes(inputs: int, outputs: int, time: int = 3, space: int = 3) -> int:
    """Middle channels with which a (2+1)D layer has the parameters of a time x space x space one, (3.3) and (3.4)."""
    return time * space**2 * inputs * outputs // (space**2 * inputs + time * outputs)


def midplanes_of(net: nn.Module, layer: Layer) -> int:
    """`midplanes` for the shape of a layer."""
    spatial, temporal = _convolutions(net, layer)
    return midplanes(spatial.in_channels, temporal.out_channels, temporal.kernel_size[0], spatial.kernel_size[1])


def midplanes_with_dem(
    inputs: int, outputs: int, time: int = 3, space: int = 3, budget: int | None = None, square: int | None = None
) -> int:
    """Middle channels m with which a (2+1)D layer and its DEM have no more parameters than `budget`, (3.5).

    Parameters
    ----------
    budget
        By default those of a time x space x space convolution, (3.3).
    square
        Parameters of the DEM per m^2: 4 (f and g, two taps each) plus `space`^2 (S) by default.
    """
    budget = time * space**2 * inputs * outputs if budget is None else budget
    a = 4 + space**2 if square is None else square
    b = space**2 * inputs + time * outputs
    m = (math.isqrt(b * b + 4 * a * budget) - b) // (2 * a)
    while a * (m + 1) ** 2 + b * (m + 1) <= budget:  # isqrt rounds down
        m += 1
    return m


def midplanes_within(net: nn.Module, layer: Layer, pairs: int = 4, kernel: int = 0, spatials: int = 1) -> int:
    """Middle channels with which `layer` and a DEM have no more parameters than `layer` alone has now.

    That is (3.5) with the layer's own count in place of (3.3). The two differ by the rounding of (3.4), which moves no
    value of Table 3.1, and where a layer was not made by (3.4): the stem of the original code with its 45 gives 14.

    Parameters
    ----------
    pairs
        Parameters per squared channel of f and g, and of what mixes channels besides.
    kernel
        Of the DEM's spatial convolution, 0 for the layer's own.
    spatials
        How many times m channels go into that.
    """
    spatial, temporal = _convolutions(net, layer)
    space, time = spatial.kernel_size[1], temporal.kernel_size[0]
    budget = spatial.weight.numel() + temporal.weight.numel()
    square = pairs + spatials * (kernel or space) ** 2
    return midplanes_with_dem(spatial.in_channels, temporal.out_channels, time, space, budget, square)


def set_midplanes(net: nn.Module, layer: Layer, count: int) -> None:
    """Exchange the convolutions of a (2+1)D layer and the norm between them for others with `count` middle channels."""
    if count < 1:
        raise PoofError("a layer is too small to give parameters to a DEM: leave match out")
    if not layer.pair:
        raise PoofError(f"{layer.path}: its middle channels are also its block's: leave match out")
    spatial, temporal = _convolutions(net, layer)
    norm = net.get_submodule(layer.norm)
    assert isinstance(norm, nn.BatchNorm3d)
    other = nn.BatchNorm3d(count, norm.eps, norm.momentum, device=spatial.weight.device)
    net.set_submodule(layer.spatial, _like(spatial, spatial.in_channels, count))
    net.set_submodule(layer.norm, other)
    net.set_submodule(layer.temporal, _like(temporal, count, temporal.out_channels))


def _like(conv: nn.Conv3d, inputs: int, outputs: int) -> nn.Conv3d:
    (kt, kh, kw), (st, sh, sw), (pt, ph, pw) = conv.kernel_size, conv.stride, (int(p) for p in conv.padding)
    other = nn.Conv3d(inputs, outputs, (kt, kh, kw), (st, sh, sw), (pt, ph, pw), bias=False, device=conv.weight.device)
    nn.init.kaiming_normal_(other.weight, mode="fan_out", nonlinearity="relu")
    return other


def _convolutions(net: nn.Module, layer: Layer) -> tuple[nn.Conv3d, nn.Conv3d]:
    spatial, temporal = net.get_submodule(layer.spatial), net.get_submodule(layer.temporal)
    assert isinstance(spatial, nn.Conv3d)
    assert isinstance(temporal, nn.Conv3d)
    return spatial, temporal
