"""AllTracker (Harley et al. 2025, arXiv 2506.07310) behind `PointTracker`.

The authors' code and weights, MIT. It gives dense flow from one frame to all others of a window, with visibility and
confidence; the points are read out of it. So every frame that points are asked from costs a pass. Their code moves
frames to CUDA by itself, so it runs there alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from poof.errors import PoofError
from poof.propagation.trackers.base import Found
from poof.propagation.trackers.published import Adapter, Published, code_of, fill, state_of, weights_of

COMMIT = "c1ed462b7cfe9b4c6d07d8880ae5ed103b0848e0"
OWN = ("nets", "utils")
KINDS = {
    name: Published(
        name,
        "aharley/alltracker",
        COMMIT,
        "nets.alltracker",
        OWN,
        f"https://huggingface.co/aharley/alltracker/resolve/main/{file}",
    )
    for name, file in (("alltracker", "alltracker.pth"), ("alltracker-tiny", "alltracker_tiny.pth"))
}
FRAMES, ITERATIONS, STRIDE = 16, 4, 8


class AllTracker(Adapter):
    """One of the two networks of AllTracker.

    Parameters
    ----------
    name
        'alltracker' (16.5 million parameters) or 'alltracker-tiny' (6.3).
    device
        'cuda' or 'cuda:N'.
    weights, code, digest
        See `weights_of` and `code_of`.
    random
        Leave the weights as they are drawn, which only tests want.
    """

    window = 48
    longest = 1024

    def __init__(
        self,
        name: str = "alltracker",
        device: str = "cuda",
        weights: Path | None = None,
        code: Path | None = None,
        digest: str | None = None,
        random: bool = False,
    ) -> None:
        if not device.startswith("cuda"):
            raise PoofError(f"{name}: its authors' code runs on CUDA only, not on {device}; use tapnext or cotracker3")
        published = KINDS[name]
        super().__init__(published, device)
        module: Any = code_of(published, code)
        shape = {"use_basicencoder": True, "no_split": True} if name == "alltracker-tiny" else {}
        # Their encoder would fetch ImageNet weights of its own, only for theirs to be laid over them.
        network = module.Net(FRAMES, init_weights=False, **shape)
        if not random:
            path, self._digest = weights_of(published, weights, digest)
            fill(network, state_of(path), path, name)
        self._network = network.to(self._device).eval()

    def track(self, frames: np.ndarray, queries: np.ndarray) -> Found:
        """See `PointTracker.track`."""
        torch = self._torch
        steps, height, width = frames.shape[:3]
        shown = max(STRIDE, height // STRIDE * STRIDE), max(STRIDE, width // STRIDE * STRIDE)
        video = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
        if shown != (height, width):
            video = torch.nn.functional.interpolate(video, shown, mode="bilinear", align_corners=False)
        scale = np.array([shown[1] / width, shown[0] / height])
        xy = np.full((steps, len(queries), 2), np.nan)
        visible, sure = np.zeros(xy.shape[:2]), np.zeros(xy.shape[:2])
        begun = queries[:, 0].astype(int)
        for first in np.unique(begun):
            mine = np.flatnonzero(begun == first)
            places = (queries[mine, 1:] + 0.5) * scale - 0.5
            xy[first, mine], visible[first, mine], sure[first, mine] = queries[mine, 1:], 1.0, 1.0
            if first < steps - 1:
                flow, belief = self._flow(video[first:])
                moved = places + _read(flow, places)
                xy[first:, mine] = (moved + 0.5) / scale - 0.5
                told = _read(belief, places)
                visible[first:, mine], sure[first:, mine] = told[..., 0], told[..., 1]
        return Found(xy, visible, sure)

    def _flow(self, video: Any) -> tuple[np.ndarray, np.ndarray]:
        """(T, 2, H, W) flow from the first frame to each, and visibility and confidence in [0, 1]."""
        torch = self._torch
        if len(video) == 2:  # their code has another answer for pairs
            video = torch.cat([video, video[1:]])
            flow, belief = self._flow(video)
            return flow[:2], belief[:2]
        with torch.inference_mode():
            flow, belief, *_ = self._network.forward_sliding(
                video[None].to(self._device), iters=ITERATIONS, sw=None, is_training=False
            )
        return flow[0].float().cpu().numpy(), belief[0].float().cpu().numpy()


def _read(maps: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(T, N, C) the maps (T, C, H, W) at places (N, 2), bilinear, at the rim beyond it."""
    height, width = maps.shape[2:]
    x, y = np.clip(places[:, 0], 0, width - 1), np.clip(places[:, 1], 0, height - 1)
    x0, y0 = np.minimum(x.astype(int), max(width - 2, 0)), np.minimum(y.astype(int), max(height - 2, 0))
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    a, b = (x - x0)[None, None], (y - y0)[None, None]
    top = maps[:, :, y0, x0] * (1 - a) + maps[:, :, y0, x1] * a
    low = maps[:, :, y1, x0] * (1 - a) + maps[:, :, y1, x1] * a
    return (top * (1 - b) + low * b).transpose(0, 2, 1)
