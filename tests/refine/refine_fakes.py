"""What the tests of the fusion share: networks and flow that are told the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from poof.flow.base import FlowEstimator
from poof.labels import Points, Skeleton, Source
from poof.pose.model import PoseModel

COLOURS = Skeleton(("red", "green", "blue"))


class Spots(nn.Module):
    """Stands for a perfect network: the heat maps are what is brightly red, green or blue in the cells of the image."""

    def __init__(self, stride: int = 2, dark: float = 0.0) -> None:
        super().__init__()
        self.stride, self.dark = stride, dark
        self.somewhere = nn.Parameter(torch.zeros(1))  # networks are asked for the device of their parameters

    def heatmaps(self, images: Tensor) -> Tensor:
        """(B, 3, H / stride, W / stride): cell i is a mean about pixel stride * (i + 1/2), as in the targets."""
        rgb = images * torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
        rgb = (rgb + torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1) - self.dark).clamp_min(0)
        taps = torch.ones(self.stride + 1)
        taps[[0, -1]] = 0.5
        kernel = (taps[:, None] * taps / self.stride**2)[None, None].expand(3, 1, -1, -1)
        return 255 * F.conv2d(F.pad(rgb, (0, 1, 0, 1)), kernel, stride=self.stride, groups=3)


def spots_model(size: tuple[int, int], stride: int = 2, dark: float = 0.0) -> PoseModel:
    """A pose model for crops of (height, width) `size` around such a network."""
    return PoseModel(Spots(stride, dark), COLOURS, size)  # type: ignore[arg-type]


def spotted(places: np.ndarray, size: tuple[int, int], sigma: float = 4.0, ground: np.ndarray | None = None) -> Any:
    """(H, W, 3) uint8: a red, a green and a blue spot at `places` (3, 2) of an image of `size` = (width, height)."""
    yy, xx = np.mgrid[: size[1], : size[0]]
    planes = [255 * np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / (2 * sigma**2)) for x, y in places]
    image = np.stack(planes, axis=-1)
    return np.maximum(image, 0 if ground is None else ground).round().astype(np.uint8)


class ConstantFlow(FlowEstimator):
    """Says of every pair of images that all moves by the same number of pixels of the frame.

    Parts of a frame that are smaller than 190x190 pixels are shown at three times their size.

    Attributes
    ----------
    pairs
        The pairs it was asked for, by the mean brightness of the images.
    """

    name = "constant"

    def __init__(self, dx: float, dy: float, contradicts: bool = False) -> None:
        self.step, self.contradicts = np.array([dx, dy]), contradicts
        self.pairs: list[tuple[float, float]] = []

    def prepare(self, images: np.ndarray) -> list[np.ndarray]:
        """The images as they are."""
        assert images.shape[1] * images.shape[2] <= 330_000
        return list(images)

    def between(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> np.ndarray:
        """(B, 2, H, W)."""
        self.pairs += [(float(a.mean()), float(b.mean())) for a, b in zip(first, second)]
        shown = 3 * self.step
        return np.stack([np.broadcast_to(shown[:, None, None], (2, *a.shape[:2])) for a in first]).astype(np.float32)

    def both(self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Flow back is the opposite, unless it is to contradict."""
        there = self.between(first, second)
        return there, (there if self.contradicts else -there)

    def describe(self) -> dict[str, Any]:
        """See `FlowEstimator.describe`."""
        return {"name": self.name}


def propagated(xy: np.ndarray, confidence: float = 0.9) -> Points:
    """Points (K, 2) that flow has carried there; NaN where there is none."""
    points = Points.human(0, np.asarray(xy, np.float32))
    points.source[points.labelled] = Source.PROPAGATED
    points.confidence[points.labelled] = confidence
    return points
