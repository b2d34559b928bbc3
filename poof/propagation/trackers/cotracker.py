"""CoTracker3 (Karaev et al. 2024, arXiv 2410.11831), offline and online, behind `PointTracker`.

The authors' code and weights, CC-BY-NC 4.0: not for commercial use. Their models track points jointly, and better with
company (AJ 62.2 against 55.6 for a point alone, CoTracker, table 3), so a grid of 6 x 6 points is followed beside the
queries, as their predictor does. Visibility and confidence are the model's own probabilities, which their predictor
makes flags of.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from poof.propagation.trackers.base import Found
from poof.propagation.trackers.published import Adapter, Published, code_of, fill, state_of, weights_of

LICENCE = "code and weights of CoTracker3 are CC-BY-NC 4.0 (Meta): not for commercial use"
COMMIT = "82e02e8029753ad4ef13cf06be7f4fc5facdda4d"
KINDS = {
    name: Published(
        name,
        "facebookresearch/co-tracker",
        COMMIT,
        "cotracker.predictor",
        ("cotracker",),
        f"https://huggingface.co/facebook/cotracker3/resolve/main/{file}",
    )
    for name, file in (("cotracker3", "scaled_offline.pth"), ("cotracker3-online", "scaled_online.pth"))
}
WINDOWS = {"cotracker3": 60, "cotracker3-online": 16}
"""Frames that the two models were trained with; the online one moves its window along by itself."""
GRID, ITERATIONS = 6, 6


class CoTracker3(Adapter):
    """One of the two models of CoTracker3.

    Parameters
    ----------
    name
        'cotracker3': a window of up to 60 frames at once. 'cotracker3-online': 16 frames, moved along.
    device
        A torch device's name.
    weights, code, digest
        See `weights_of` and `code_of`.
    random
        Leave the weights as they are drawn, which only tests want.
    """

    licence = LICENCE
    window = 60
    longest = 768

    def __init__(
        self,
        name: str = "cotracker3",
        device: str = "cpu",
        weights: Path | None = None,
        code: Path | None = None,
        digest: str | None = None,
        random: bool = False,
    ) -> None:
        published = KINDS[name]
        super().__init__(published, device)
        module: Any = code_of(published, code)
        if name == "cotracker3":
            predictor = module.CoTrackerPredictor(checkpoint=None, window_len=WINDOWS[name], v2=False)
        else:
            predictor = module.CoTrackerOnlinePredictor(checkpoint=None, window_len=WINDOWS[name], v2=False)
        self._network = predictor.model
        if not random:
            path, self._digest = weights_of(published, weights, digest)
            fill(self._network, state_of(path), path, name)
        self._shape = tuple(int(side) for side in predictor.interp_shape)  # height, width
        self._network = self._network.to(self._device).eval()

    def track(self, frames: np.ndarray, queries: np.ndarray) -> Found:
        """See `PointTracker.track`."""
        torch = self._torch
        height, width = self._shape
        video = torch.from_numpy(frames).to(self._device).permute(0, 3, 1, 2).float()
        video = torch.nn.functional.interpolate(video, (height, width), mode="bilinear", align_corners=True)[None]
        # Corners lie on corners, as their predictor has it.
        scale = np.array([(width - 1) / max(frames.shape[2] - 1, 1), (height - 1) / max(frames.shape[1] - 1, 1)])
        asked = np.concatenate([queries * np.r_[1.0, scale], _grid(width, height)]).astype(np.float32)
        with torch.inference_mode():
            points = torch.from_numpy(asked)[None].to(self._device)
            xy, visible, sure, *_ = self._network(video=video, queries=points, iters=ITERATIONS)
        count = len(queries)
        xy, visible, sure = (v[0, :, :count].float().cpu().numpy() for v in (xy, visible, sure))
        return Found(xy / scale, visible, sure)


def _grid(width: int, height: int) -> np.ndarray:
    """(36, 3) points over the first frame, as their predictor lays them."""
    margin = width / 64
    x, y = np.linspace(margin, width - margin, GRID), np.linspace(margin, height - margin, GRID)
    return np.column_stack([np.zeros(GRID**2), np.tile(x, GRID), np.repeat(y, GRID)])
