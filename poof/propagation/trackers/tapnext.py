"""TAPNext (Zholus et al. 2025, arXiv 2504.05579) in PyTorch, behind `PointTracker`.

The authors' code and weights, Apache-2.0. It goes frame by frame with a state, so its memory does not grow with the
window, and sees frames of 256 x 256 pixels.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from poof.errors import PoofError
from poof.propagation.trackers.base import Found
from poof.propagation.trackers.published import Adapter, Published, code_of, fill, state_of, weights_of

COMMIT = "c2cbab81cc06092b5f05bfe2da7bfec54e2079c9"
PUBLISHED = Published(
    "tapnext",
    "google-deepmind/tapnet",
    COMMIT,
    "tapnet.tapnext.tapnext_torch",
    ("tapnet",),
    "https://storage.googleapis.com/dm-tapnet/tapnext/bootstapnext_ckpt.npz",
)
SIDE, RADIUS = 256, 8
"""Pixels of the frames it sees; and around a point, within which its certainty is counted."""


class TapNext(Adapter):
    """BootsTAPNext, the published network of the paper.

    Parameters
    ----------
    device
        A torch device's name.
    weights
        The published .npz, or a .pt of the same network (TAPNext++).
    code, digest
        See `code_of` and `weights_of`.
    random
        Leave the weights as they are drawn, which only tests want.
    """

    window = 150
    longest = 512

    def __init__(
        self,
        device: str = "cpu",
        weights: Path | None = None,
        code: Path | None = None,
        digest: str | None = None,
        random: bool = False,
    ) -> None:
        super().__init__(PUBLISHED, device)
        module: Any = code_of(PUBLISHED, code)
        self._tools: Any = importlib.import_module(f"{module.__name__}_utils")
        network = module.TAPNext(image_size=(SIDE, SIDE))
        if not random:
            path, self._digest = weights_of(PUBLISHED, weights, digest)
            if path.suffix == ".npz":
                try:
                    network = self._tools.restore_model_from_jax_checkpoint(network, str(path))
                except (KeyError, ValueError, OSError, RuntimeError) as error:
                    raise PoofError(
                        f"{path}: holds no weights of TAPNext ({type(error).__name__}); give the file as published"
                    ) from error
            else:
                fill(network, state_of(path), path, self.name)
        self._network = network.to(self._device).eval()

    def track(self, frames: np.ndarray, queries: np.ndarray) -> Found:
        """See `PointTracker.track`."""
        torch = self._torch
        video = torch.from_numpy(frames).to(self._device).permute(0, 3, 1, 2).float() / 127.5 - 1
        video = torch.nn.functional.interpolate(video, (SIDE, SIDE), mode="bilinear", antialias=True)
        video = video.permute(0, 2, 3, 1)[None]
        # It counts from the picture's corner, y before x.
        scale = SIDE / np.array([frames.shape[2], frames.shape[1]])
        asked = np.column_stack([queries[:, 0], ((queries[:, 1:] + 0.5) * scale)[:, ::-1]]).astype(np.float32)
        points = torch.from_numpy(asked)[None].to(self._device)
        xy, visible, sure = [], [], []
        state = None
        with torch.inference_mode():
            for step in range(len(frames)):
                begin = {"query_points": points} if state is None else {"state": state}
                tracks, logits, seen, state = self._network(video=video[:, step : step + 1], **begin)
                certain = self._tools.tracker_certainty(tracks, logits, RADIUS)
                xy.append(tracks[0, 0].float().cpu().numpy()[:, ::-1])
                visible.append(torch.sigmoid(seen)[0, 0, :, 0].float().cpu().numpy())
                sure.append(certain[0, 0, :, 0].float().cpu().numpy())
        return Found(np.stack(xy) / scale - 0.5, np.stack(visible), np.stack(sure))
