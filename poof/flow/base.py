"""The protocol of optical flow estimators, and the displacement field they give.

To add an estimator: one new file with a subclass of `FlowEstimator`, one line in `poof.flow.registry.ESTIMATORS`.
The tests run over the whole registry.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np


class FlowEstimator(ABC):
    """Two frames in, a displacement field out.

    A displacement field is float32 (B, 2, H, W); channel 0 is dx, channel 1 is dy, in pixels of the images given:
    the content of pixel (x, y) of the first image stands at (x + dx, y + dy) in the second. Padding, scaling,
    device and dtype are the estimator's own business: any image size from 1x1 up works and comes back in that size.

    The two steps are separate so that a sequence pays for each frame once: `prepare` is what a frame costs alone,
    `between` what a pair costs beyond that. `estimate` is both.

    Attributes
    ----------
    name : str
        The name in the registry.
    reason : str
        One line for the user: which estimator was taken and why.
    grey : bool
        Whether it looks at brightness only; `prepare` then takes grey images (B, H, W) as well, which are a third of
        the work to cut out and to keep.
    stride : int
        Frames from the first image of a pair to the second in a propagation. Chains in longer steps take fewer of
        them, and err differently.
    """

    name: str
    reason: str = ""
    grey: bool = False
    stride: int = 1

    @abstractmethod
    def prepare(self, images: np.ndarray) -> list[Any]:
        """What one needs to know of each image for any flow from or to it (grey image, feature maps).

        Parameters
        ----------
        images
            RGB uint8 (B, H, W, 3); of a `grey` estimator also (B, H, W), as OpenCV makes it of RGB.

        Returns
        -------
        list
            One opaque entry for each image, to be regrouped at will, but used with this estimator only.
        """

    @abstractmethod
    def between(self, first: Sequence[Any], second: Sequence[Any]) -> np.ndarray:
        """Flow (B, 2, H, W) from each prepared image of `first` to its partner in `second`."""

    def both(self, first: Sequence[Any], second: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Flow from first to second and from second to first, each (B, 2, H, W); cheaper than two calls if possible."""
        return self.between(first, second), self.between(second, first)

    def estimate(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Flow (B, 2, H, W) from images to images, both RGB uint8 (B, H, W, 3)."""
        return self.between(self.prepare(first), self.prepare(second))

    def batch_size(self, height: int, width: int) -> int:
        """How many pairs of images of this size one call of `between` or `both` should get to be fast."""
        del height, width
        return 1

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What decides the result (name, weights with checksum, iterations, device type): provenance and cache key."""
