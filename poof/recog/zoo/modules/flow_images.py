"""Optical flow as pictures, for networks that see it in place of frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from poof.errors import PoofError
from poof.flow import FlowEstimator

LIMIT = 20.0
"""Displacement in pixels per frame, at 224 pixels, that flow images show; what is faster looks like this."""


class FlowImages:
    """Clips to images of their optical flow: dx, dy and speed in place of red, green and blue, 0 where nothing moves.

    Displacements of `LIMIT` pixels (at 224 pixels' width) and beyond become 2.5 and -2.5, about the range of
    normalised pictures. Cost: the estimator's, on the CPU and outside the count of multiply-accumulates.

    Parameters
    ----------
    estimator
        Of `poof.flow`.
    k
        Frames of a segment, neighbours in time.
    size
        Width of the clips in pixels, by which the limit is scaled.
    """

    def __init__(self, estimator: FlowEstimator, k: int, size: int) -> None:
        if k < 2:
            raise PoofError(f"k={k}: there is no flow within segments of one frame")
        self.estimator, self.k = estimator, k
        self.limit = LIMIT * size / 224

    def __deepcopy__(self, copied: dict[int, Any]) -> FlowImages:
        return self  # estimators hold threads and caches, and nothing that is trained

    def __call__(self, clips: Tensor) -> Tensor:
        """Clips (N, S * K, 3, H, W) in any range to images of the same shape."""
        if clips.is_meta:
            return torch.empty_like(clips)
        segments = clips.detach().float().unflatten(1, (-1, self.k))
        low = segments.amin((1, 2, 3, 4, 5), keepdim=True)
        spread = (segments.amax((1, 2, 3, 4, 5), keepdim=True) - low).clamp_min(1e-6)
        pictures = ((segments - low) / spread * 255).round().byte().permute(0, 1, 2, 4, 5, 3).cpu().numpy()
        flat = pictures.reshape(-1, self.k, *pictures.shape[3:])
        flows = []
        for segment in flat:
            prepared = self.estimator.prepare(segment)
            between = self.estimator.between(prepared[:-1], prepared[1:])
            flows.append(np.concatenate([between, between[-1:]]))
        flow = torch.from_numpy(np.stack(flows)).to(clips)
        flow = torch.cat([flow, flow.norm(dim=2, keepdim=True)], 2) * (2.5 / self.limit)
        return flow.clamp(-2.5, 2.5).view(clips.shape)
