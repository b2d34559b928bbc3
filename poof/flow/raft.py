"""RAFT as a flow estimator: padding, scaling, device and precision around `SequenceRaft`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from poof.errors import PoofError
from poof.flow.base import FlowEstimator
from poof.flow.device import resolve_device
from poof.flow.raft_network import SequenceRaft
from poof.flow.raft_weights import KINDS, fetch_published, new_network, read_weights

SMALLEST = 128  # px; the coarsest of the four correlation levels needs two places a side
PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class RaftFrames:
    """Prepared images: feature maps at once, context maps when a flow starts from the image."""

    def __init__(self, owner: RaftFlow, images: np.ndarray) -> None:
        height, width = images.shape[1:3]
        self.size = (height, width)
        self.features: Tensor
        self._owner = owner
        self._images: Tensor | None = owner._upload(images)
        self._context: tuple[Tensor, Tensor] | None = None
        with owner._inference():
            self.features = owner.network.features(owner._scaled(self._images))

    def __len__(self) -> int:
        return len(self.features)

    @property
    def context(self) -> tuple[Tensor, Tensor]:
        """Hidden state and context maps."""
        images = self._images
        if self._context is None and images is not None:
            with self._owner._inference():
                self._context = self._owner.network.context(self._owner._scaled(images))
            self._images = None
        assert self._context is not None
        return self._context


class RaftFlow(FlowEstimator):
    """RAFT with torchvision's networks.

    Parameters
    ----------
    name
        'raft-small' or 'raft-large'.
    weights
        Checkpoint in torchvision's or princeton-vl's naming; None takes torchvision's published file, which is
        downloaded unless cached.
    device
        'auto', 'cpu', 'cuda', 'cuda:N' or 'mps'.
    iterations
        Updates; the networks were trained with 12.
    precision
        'fp32', or 'bf16' / 'fp16' for the convolutions (the correlation stays in float32).
    """

    def __init__(
        self,
        name: str,
        weights: Path | None = None,
        device: str = "auto",
        iterations: int = 12,
        precision: str = "fp32",
    ) -> None:
        if name not in KINDS:
            raise PoofError(f"unknown RAFT '{name}'; valid: {', '.join(KINDS)}")
        if precision not in PRECISIONS:
            raise PoofError(f"unknown precision '{precision}'; valid: {', '.join(PRECISIONS)}")
        if iterations < 1:
            raise PoofError(f"{name}: {iterations} iterations; at least 1 is needed, 12 is usual")
        self.name = name
        self.device = resolve_device(device)
        self.iterations = iterations
        self.precision = precision
        self.weights = read_weights(fetch_published(name) if weights is None else weights, name)
        network = new_network(name)
        network.load_state_dict(self.weights.state)
        self.network = SequenceRaft(network).eval().requires_grad_(False).to(self.device)

    def prepare(self, images: np.ndarray) -> RaftFrames:
        """See `FlowEstimator.prepare`."""
        return RaftFrames(self, images)

    def between(self, first: RaftFrames, second: RaftFrames) -> np.ndarray:
        """See `FlowEstimator.between`."""
        with self._inference():
            volume = self.network.volume(first.features, second.features)
            return self._flow(volume, first)

    def both(self, first: RaftFrames, second: RaftFrames) -> tuple[np.ndarray, np.ndarray]:
        """See `FlowEstimator.both`: the volume of the way back is that of the way there, transposed."""
        with self._inference():
            volume = self.network.volume(first.features, second.features)
            return self._flow(volume, first), self._flow(volume.transpose(1, 2).contiguous(), second)

    def describe(self) -> dict[str, Any]:
        """See `FlowEstimator.describe`."""
        return {
            "name": self.name,
            "weights": self.weights.path.name,
            "sha256": self.weights.sha256,
            "iterations": self.iterations,
            "precision": self.precision,
            "device": self.device.type,
        }

    # ---------------------------------------------------------------------------------------------------- the work

    def _flow(self, volume: Tensor, origin: RaftFrames) -> np.ndarray:
        height, width = origin.features.shape[2:]
        flow, hidden = self.network.update(
            self.network.pyramid(volume, height, width), *origin.context, iterations=self.iterations
        )
        fine = self.network.upsample(flow, hidden)
        (above, _), (left, _) = (_borders(side) for side in origin.size)
        return fine[:, :, above : above + origin.size[0], left : left + origin.size[1]].cpu().numpy()

    def _upload(self, images: np.ndarray) -> Tensor:
        """Images (B, H, W, 3) uint8 as (B, 3, H', W') uint8 on the device, padded with their edges."""
        tensor = torch.from_numpy(np.ascontiguousarray(images)).to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        for axis, side in ((2, images.shape[1]), (3, images.shape[2])):
            before, after = _borders(side)
            if before or after:
                index = torch.arange(-before, side + after, device=self.device).clamp(0, side - 1)
                tensor = tensor.index_select(axis, index)
        return tensor

    def _scaled(self, images: Tensor) -> Tensor:
        return images.float().div_(127.5).sub_(1).contiguous()

    @contextlib.contextmanager
    def _inference(self) -> Any:
        kind = PRECISIONS[self.precision]
        with torch.inference_mode(), torch.autocast(self.device.type, dtype=kind, enabled=kind is not None):
            yield


def _borders(side: int) -> tuple[int, int]:
    """Pixels to add before and after `side` to reach a multiple of 8 that is at least `SMALLEST`."""
    missing = max(SMALLEST, -(-side // 8) * 8) - side
    return missing // 2, missing - missing // 2
