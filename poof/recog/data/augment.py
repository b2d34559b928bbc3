"""Augmentation of training clips before mirroring, as in the documents: crops, colours, blur, geometry.

Each pipeline takes a whole clip and draws its parameters once: all frames are treated alike, so that nothing moves or
flickers that did not before. The pictures themselves are made by torchvision.transforms.v2. A recipe names a pipeline;
`poof recog check --show` draws what comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from poof.recog.data.transform import random_crop, resize
from poof.torchvision_ops import ensure

Array = np.ndarray
Pipeline = Callable[[Array, int, np.random.Generator, Sequence[float]], Array]


def jitter(frames: Array, size: int, rng: np.random.Generator, scales: Sequence[float] = ()) -> Array:
    """A random square of clips whose shorter side is drawn from 256/224 to 320/224 of the square's (Huang, 3.6.1)."""
    short = int(rng.integers(size * 256 // 224, size * 320 // 224 + 1))
    return _random_square(_shorter(frames, short), size, rng)


def zeng(frames: Array, size: int, rng: np.random.Generator, scales: Sequence[float] = ()) -> Array:
    """171 x 128 pixels (for a square of 112) times 1 to 1.2, turned by up to 15 degrees, a random square."""
    factor = rng.uniform(1.0, 1.2) * size / 112
    grown = resize(frames, max(round(128 * factor), size), max(round(171 * factor), size))
    return _random_square(_affine(grown, angle=rng.uniform(-15, 15)), size, rng)


def mfnet(frames: Array, size: int, rng: np.random.Generator, scales: Sequence[float] = ()) -> Array:
    """MFNet's: shorter side 1 to 288/224 of the square's, aspect 0.8 to 1.25, a random square, HLS shifted.

    Hue by up to 15 of 180, lightness 35 of 255, saturation 25 of 255.
    """
    short, aspect = rng.uniform(size, size * 288 / 224), np.sqrt(rng.uniform(0.8, 1.25))
    height, width = frames.shape[1:3]
    scale = short / min(height, width)
    grown = resize(frames, max(round(height * scale / aspect), size), max(round(width * scale * aspect), size))
    cut = _random_square(grown, size, rng)
    shift = np.array([rng.uniform(-15, 15), rng.uniform(-35, 35), rng.uniform(-25, 25)])
    return np.stack([_shift_hls(frame, shift) for frame in cut])


def stergiou(frames: Array, size: int, rng: np.random.Generator, probability: float, chapter: int) -> Array:
    """A random square of clips whose shorter side is 320/224 of it (chapter 5: 320/256), and more with `probability`.

    Each change with a probability of 0.4. Chapter 4: Gaussian blur, mean blur, each colour shifted by 1 to 15,
    geometry; chapter 5: blur, brighter, contrast up or down, geometry.
    """
    cut = _random_square(_shorter(frames, round(size * 320 / (224 if chapter == 4 else 256))), size, rng)
    if rng.random() >= probability:
        return cut
    if chapter == 4:
        steps: list[Callable[[Array, np.random.Generator], Array]] = [_gaussian, _mean_blur, _colours, _geometry]
    else:
        steps = [_gaussian, _brighter, _contrast, _geometry]
    for step in steps:
        if rng.random() < 0.4:
            cut = step(cut, rng)
    return cut


PIPELINES: dict[str, Pipeline] = {
    "scales": random_crop,
    "jitter": jitter,
    "zeng": zeng,
    "mfnet": mfnet,
    "stergiou-80": lambda frames, size, rng, scales: stergiou(frames, size, rng, 0.8, 4),
    "stergiou-70": lambda frames, size, rng, scales: stergiou(frames, size, rng, 0.7, 5),
}
"""By name: (T, H, W, 3) uint8, side, generator, scales (of 'scales' alone) to (T, side, side, 3) uint8."""


def _shorter(frames: Array, short: int) -> Array:
    height, width = frames.shape[1:3]
    scale = short / min(height, width)
    return resize(frames, max(round(height * scale), short), max(round(width * scale), short))


def _random_square(frames: Array, size: int, rng: np.random.Generator) -> Array:
    height, width = frames.shape[1:3]
    top, left = int(rng.integers(0, height - size + 1)), int(rng.integers(0, width - size + 1))
    return frames[:, top : top + size, left : left + size]


def _shift_hls(frame: Array, shift: Array) -> Array:
    hls = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2HLS).astype(np.float32) + shift.astype(np.float32)
    hls[..., 0] %= 180
    return cv2.cvtColor(hls.clip(0, (179, 255, 255)).astype(np.uint8), cv2.COLOR_HLS2RGB)


def _gaussian(frames: Array, rng: np.random.Generator) -> Array:
    sigma = float(rng.uniform(0.5, 1.5))
    return _by_torchvision(frames, lambda v2, clip: v2.gaussian_blur(clip, [5, 5], [sigma, sigma]))


def _mean_blur(frames: Array, rng: np.random.Generator) -> Array:
    side = int(rng.choice([3, 5]))
    return np.stack([cv2.blur(frame, (side, side)) for frame in frames])


def _colours(frames: Array, rng: np.random.Generator) -> Array:
    shift = rng.integers(1, 16, 3) * rng.choice([-1, 1], 3)
    return (frames.astype(np.int16) + shift).clip(0, 255).astype(np.uint8)


def _brighter(frames: Array, rng: np.random.Generator) -> Array:
    factor = float(rng.uniform(1.0, 1.3))
    return _by_torchvision(frames, lambda v2, clip: v2.adjust_brightness(clip, factor))


def _contrast(frames: Array, rng: np.random.Generator) -> Array:
    # About the mean of the clip: about each frame's own, a change of light would be taken out.
    factor, mean = rng.uniform(0.75, 1.25), frames.mean()
    return ((frames - mean) * factor + mean).round().clip(0, 255).astype(np.uint8)


def _geometry(frames: Array, rng: np.random.Generator) -> Array:
    size = frames.shape[1]
    return _affine(
        frames,
        angle=rng.uniform(-10, 10),
        translate=[int(v) for v in rng.integers(-(size // 20), size // 20 + 1, 2)],
        scale=rng.uniform(0.95, 1.1),
        shear=rng.uniform(-5, 5),
    )


def _affine(
    frames: Array, angle: float, translate: Sequence[int] = (0, 0), scale: float = 1.0, shear: float = 0.0
) -> Array:
    def step(v2: Any, clip: Tensor) -> Tensor:
        from torchvision.transforms import InterpolationMode

        return v2.affine(
            clip, float(angle), list(translate), float(scale), [float(shear), 0.0], InterpolationMode.BILINEAR
        )

    return _by_torchvision(frames, step)


def _by_torchvision(frames: Array, step: Callable[[Any, Tensor], Tensor]) -> Array:
    ensure()
    from torchvision.transforms.v2 import functional

    clip = torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))
    return step(functional, clip).numpy().transpose(0, 2, 3, 1)
