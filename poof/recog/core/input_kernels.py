"""The kernels with which a network meets its input: its first convolutions, and the band-pass in front of them."""

from __future__ import annotations

from torch import Tensor, nn

from poof.recog.core.model import HostedRecognizer, Recognizer
from poof.recog.core.module import TemporalModule


def input_kernels(model: Recognizer) -> dict[str, Tensor]:
    """The weights by their path in the network, no copies.

    Of each band-pass on the input its Laplacians (C, 1, k, k) and their weights over time (C, 1, 3, 1), then of each
    backbone the first convolution, (O, C, h, w) or (O, C, t, h, w). A training keeps them as it found them, in
    `Recognizer.start_kernels`: nobody can tell them from the trained ones later.
    """
    found: dict[str, Tensor] = {}
    for name, part in model.named_modules():
        if isinstance(part, TemporalModule):
            found |= {f"{name}.{path}": kernel for path, kernel in part.input_kernels().items()}
    for name, part in model.named_modules():
        if isinstance(part, HostedRecognizer):
            inside = part.backbone.named_modules()
            path, first = next((path, layer) for path, layer in inside if isinstance(layer, (nn.Conv2d, nn.Conv3d)))
            found[".".join(filter(None, (name, "backbone", path, "weight")))] = first.weight
    return {path: kernel.detach() for path, kernel in found.items()}
