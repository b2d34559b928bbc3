"""RAFT as a flow estimator: padding, scaling, device, precision and batches around `SequenceRaft`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from poof.errors import PoofError, names_near
from poof.flow.base import FlowEstimator
from poof.flow.device import resolve_device
from poof.flow.raft_network import SequenceRaft, transpose
from poof.flow.raft_weights import KINDS, fetch_published, new_network, read_weights

SMALLEST = 128  # px; the coarsest of the four correlation levels needs two places a side
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
PIXELS_AT_ONCE = 3_000_000  # on a GPU: 61 pairs of 256x192, 3 of 1280x720


@dataclass(eq=False)
class RaftFrame:
    """What RAFT knows of one image.

    Attributes
    ----------
    size
        (height, width) before padding.
    features : (1, C, h, w) tensor
        The map that is matched.
    image : (1, 3, 8h, 8w) uint8 tensor or None
        The padded image, for as long as the context is not known.
    context : tensors or None
        What a flow *from* this image needs; found when the first one is asked for.
    """

    size: tuple[int, int]
    features: Tensor
    image: Tensor | None
    context: tuple[Tensor, ...] | None = None


class RaftFlow(FlowEstimator):
    """RAFT with torchvision's networks. One object may be used from several threads.

    Parameters
    ----------
    name
        'raft-small' or 'raft-large'.
    weights
        Checkpoint in torchvision's or princeton-vl's naming; None takes torchvision's published file, which is
        downloaded unless it is in torch's cache.
    device
        'auto', 'cpu', 'cuda', 'cuda:N' or 'mps'.
    iterations
        Updates; the networks were trained with 12.
    precision
        'fp32', or 'bf16' / 'fp16' for the convolutions (correlation and flow stay in float32).
    compile
        Have `torch.compile` optimise the updates, on CUDA only: minutes for each new size, faster afterwards.

    Raises
    ------
    PoofError
        If an option is unknown, the device is not there, or the weights are missing or of something else.
    """

    def __init__(
        self,
        name: str,
        weights: Path | None = None,
        device: str = "auto",
        iterations: int = 12,
        precision: str = "fp32",
        compile: bool = False,
    ) -> None:
        if name not in KINDS:
            raise PoofError(f"unknown RAFT '{name}'; valid: {names_near(name, KINDS)}")
        if precision not in PRECISIONS:
            raise PoofError(f"unknown precision '{precision}'; valid: {names_near(precision, PRECISIONS)}")
        if iterations < 1:
            raise PoofError(f"{name}: {iterations} iterations; at least 1 is needed, 12 is usual")
        self.name = name
        self.device = resolve_device(device)
        if compile and self.device.type != "cuda":
            raise PoofError(f"{name}: compiling is for CUDA only and this runs on {self.device}; leave the option out")
        if precision == "fp16" and self.device.type == "cpu":
            raise PoofError(f"{name}: fp16 is for GPUs; on the CPU use fp32 or bf16")
        # A GPU works on both directions at once; a CPU gains nothing by that and needs memory for one only.
        self._in_turn = self.device.type == "cpu"
        self.iterations = iterations
        self.precision = precision
        self.compiled = compile
        self.weights = read_weights(fetch_published(name) if weights is None else weights, name)
        network = new_network(name)
        network.load_state_dict(self.weights.state)
        self.network = self._taken_apart(network.eval().requires_grad_(False)).to(self.device)
        if self.device.type == "cuda" and precision != "fp32":  # as tensor cores take it
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._update = torch.compile(self.network.update) if compile else self.network.update

    def prepare(self, images: np.ndarray) -> list[RaftFrame]:
        """See `FlowEstimator.prepare`."""
        size = (images.shape[1], images.shape[2])
        self._check_memory(size)
        frames = []
        with torch.inference_mode():
            for part in self._portions(len(images), size):
                pixels = self._upload(images[part])
                features = self.network.features(_scaled(pixels))
                frames += [RaftFrame(size, *pair) for pair in zip(features.split(1), pixels.split(1))]
        return frames

    def between(self, first: Sequence[RaftFrame], second: Sequence[RaftFrame]) -> np.ndarray:
        """See `FlowEstimator.between`."""
        flows = []
        with torch.inference_mode():
            for a, b in self._batches(first, second):
                volume = self.network.volume(_features(a), _features(b))
                flows.append(self._flow(volume, a))
        return _joined(flows)

    def both(self, first: Sequence[RaftFrame], second: Sequence[RaftFrame]) -> tuple[np.ndarray, np.ndarray]:
        """See `FlowEstimator.both`: the volume of the way back is that of the way there, transposed."""
        there, back = [], []
        with torch.inference_mode():
            for a, b in self._batches(first, second):
                volume = self.network.volume(_features(a), _features(b))
                if self._in_turn:
                    there.append(self._flow(volume, a))
                    transpose(volume)
                    back.append(self._flow(volume, b))
                else:
                    flows = self._flow(torch.cat([volume, volume.transpose(1, 2)]), [*a, *b])
                    there.append(flows[: len(a)])
                    back.append(flows[len(a) :])
        return _joined(there), _joined(back)

    def batch_size(self, height: int, width: int) -> int:
        """See `FlowEstimator.batch_size`: 1 on a CPU, where batches only cost memory."""
        if self.device.type != "cuda":
            return 1
        # What torch has reserved and does not use is free, too. Half of it all, since two volumes are made and then
        # joined, and the updates need some.
        reserved = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        free = (torch.cuda.mem_get_info(self.device)[0] + reserved) // 2
        return max(1, min(PIXELS_AT_ONCE // (64 * _places(height, width)), free // (2 * _pyramid_bytes(height, width))))

    def describe(self) -> dict[str, Any]:
        """See `FlowEstimator.describe`."""
        return {
            "name": self.name,
            "weights": self.weights.path.name,
            "sha256": self.weights.sha256,
            "iterations": self.iterations,
            "precision": self.precision,
            "device": self.device.type,
            "torch": str(torch.__version__),
        }

    # ---------------------------------------------------------------------------------------------------- the work

    def _taken_apart(self, network: nn.Module) -> SequenceRaft:
        """The network in parts; where another engine comes in."""
        return SequenceRaft(network, PRECISIONS[self.precision])

    def _check_memory(self, size: tuple[int, int]) -> None:
        """Refuse images whose correlation cannot fit, before the system ends the process."""
        needed = _pyramid_bytes(*size)
        free = available_memory()
        if self.device.type == "cuda":
            needed, free = 4 * needed, torch.cuda.mem_get_info(self.device)[1]
        if free is not None and needed > free:
            raise PoofError(
                f"{self.name}: images of {size[1]}x{size[0]} need {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; "
                "shrink them (--max-size 1280) or use --flow dis"
            )

    def _portions(self, count: int, size: tuple[int, int]) -> Iterator[slice]:
        """A batch of `count` in portions that the device takes at once."""
        step = self.batch_size(*size)
        for start in range(0, count, step):
            yield slice(start, start + step)

    def _batches(
        self, first: Sequence[RaftFrame], second: Sequence[RaftFrame]
    ) -> Iterator[tuple[Sequence[RaftFrame], Sequence[RaftFrame]]]:
        if len(first) != len(second):
            raise ValueError(f"{len(first)} first and {len(second)} second images do not make pairs")
        for part in self._portions(len(first), first[0].size if first else (1, 1)):
            yield first[part], second[part]

    def _flow(self, volume: Tensor, origins: Sequence[RaftFrame]) -> np.ndarray:
        """Flow (B, 2, H, W) from the images `origins`, whose correlation with the others is `volume`."""
        rows, columns = origins[0].features.shape[2:]
        pyramid = self.network.pyramid(volume, rows, columns)
        coarse, hidden = self._update(pyramid, self._contexts(origins), self.iterations)
        fine = self.network.upsample(coarse, hidden)
        height, width = origins[0].size
        above, left = _borders(height)[0], _borders(width)[0]
        return fine[:, :, above : above + height, left : left + width].cpu().numpy()

    def _contexts(self, frames: Sequence[RaftFrame]) -> tuple[Tensor, ...]:
        """The contexts of the frames, joined; those not known yet are found now and kept."""
        # The image is dropped after the context is set, never before: whoever finds no image finds the context.
        missing = {frame: image for frame in frames if (image := frame.image) is not None}
        if missing:
            found = self.network.context(_scaled(torch.cat(list(missing.values()))))
            for frame, *context in zip(missing, *(each.split(1) for each in found)):
                frame.context = tuple(context)
                frame.image = None
        return tuple(torch.cat(each) for each in zip(*(frame.context or () for frame in frames)))

    def _upload(self, images: np.ndarray) -> Tensor:
        """Images (B, H, W, 3) uint8 as (B, 3, H', W') uint8 on the device, padded with their edges."""
        # A copy: the caller may reuse the array or forbid writing. A GPU fetches it from pinned memory by itself.
        pixels = torch.empty(images.shape, dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        pixels.numpy()[...] = images
        tensor = pixels.to(self.device, non_blocking=True).permute(0, 3, 1, 2).contiguous()
        for axis in (2, 3):
            before, after = _borders(tensor.shape[axis])
            if before or after:
                index = torch.arange(-before, tensor.shape[axis] + after, device=self.device)
                tensor = tensor.index_select(axis, index.clamp(0, tensor.shape[axis] - 1))
        return tensor


def available_memory() -> int | None:
    """Bytes that a process can still get without swapping, None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    kilobytes = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return 1024 * int(kilobytes[0]) if kilobytes else None


def _places(height: int, width: int) -> int:
    """Places of the feature map of an image."""
    return (height + sum(_borders(height))) * (width + sum(_borders(width))) // 64


def _pyramid_bytes(height: int, width: int) -> int:
    """The correlation of every place with every place in float32, with its coarser levels: a third more."""
    return 4 * _places(height, width) ** 2 * 4 // 3


def _features(frames: Sequence[RaftFrame]) -> Tensor:
    return frames[0].features if len(frames) == 1 else torch.cat([frame.features for frame in frames])


def _joined(flows: Sequence[np.ndarray]) -> np.ndarray:
    if not flows:
        return np.zeros((0, 2, 0, 0), np.float32)
    return np.ascontiguousarray(flows[0]) if len(flows) == 1 else np.concatenate(flows)


def _scaled(pixels: Tensor) -> Tensor:
    """uint8 to float32 in [-1, 1], as torchvision's transform does it."""
    return pixels.float().div_(255).mul_(2).sub_(1).contiguous()


def _borders(side: int) -> tuple[int, int]:
    """Pixels to add before and after `side` to reach a multiple of 8 that is at least `SMALLEST`."""
    missing = max(SMALLEST, -(-side // 8) * 8) - side
    return missing // 2, missing - missing // 2
