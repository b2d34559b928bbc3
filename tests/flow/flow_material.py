"""Images with known motion, true flow from files, and torchvision's own way as the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """RGB uint8 (H, W, 3) with detail at several scales."""
    rng = np.random.default_rng(seed)
    noise = [cv2.GaussianBlur(rng.random((height, width, 3)), (0, 0), sigma) * sigma for sigma in (1.5, 4, 9)]
    image = np.sum(noise, axis=0)
    return ((image - image.min()) / np.ptp(image) * 255).astype(np.uint8)


def shifted_pair(height: int, width: int, dx: int, dy: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two images; what stands at (x, y) in the first stands at (x + dx, y + dy) in the second."""
    big = texture(height + 80, width + 80, seed)
    return big[40 : 40 + height, 40 : 40 + width], big[40 - dy : 40 - dy + height, 40 - dx : 40 - dx + width]


def read_flo(path: Path) -> np.ndarray:
    """A Middlebury .flo file as (2, H, W): 'PIEH', int32 width and height, then float32 (dx, dy) by rows."""
    content = path.read_bytes()
    assert content[:4] == b"PIEH", path
    width, height = np.frombuffer(content, "<i4", 2, 4)
    return np.moveaxis(np.frombuffer(content, "<f4", offset=12).reshape(height, width, 2), -1, 0)


def plain_raft(network: Any, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Flow (2, H, W) by torchvision's own forward, images RGB uint8 with sides that need no padding."""
    with torch.inference_mode():
        pair = [
            torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255 * 2 - 1 for image in (first, second)
        ]
        return network(*pair)[-1][0].numpy()


def endpoint_error(flow: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distance (H, W) in px between two fields (2, H, W)."""
    return np.linalg.norm(flow - truth, axis=0)
