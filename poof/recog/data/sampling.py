"""Sampling of frames for a clip: the rules of TSN and TSM, exactly, with frames counted from 0.

A clip has S segments and from each `length` neighbouring frames (1 for most networks). A frame beyond the end is the
last one again. Rules: `uniform` (one place in each of S equal parts), `dense` (S frames evenly over a window of 64, the
rule of Kinetics; where segments hold several frames, S * length of them in a row, as Huang's released code has it),
`normal` (as dense, the start of a training clip drawn from N(L/4, L/6), Stergiou (2021), Fig. 5.6) and, for testing,
several clips of any.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from poof.errors import PoofError

Array = np.ndarray
Rule = Literal["uniform", "dense", "normal"]
RULES: tuple[Rule, ...] = ("uniform", "dense", "normal")
WINDOW = 64


def span(segments: int, length: int = 1, window: int | None = None) -> int:
    """Frames that a dense clip spans: `window`, or 64 for segments of one frame and all frames in a row for longer."""
    if window is not None:
        return window
    return WINDOW if length == 1 else segments * length


def train_frames(
    rule: Rule, count: int, segments: int, rng: np.random.Generator, length: int = 1, window: int | None = None
) -> Array:
    """(segments * length,) frames of a training clip of a video of `count` frames.

    uniform: with d = floor((count - length + 1) / segments) a random one of the d frames of each segment; where d is
    0, sorted random frames if there are more frames than segments, else frame 0 throughout. dense: a window with a
    random start. normal: the start from a normal distribution about a quarter of the video, at most its middle.
    """
    _check(count, segments, length)
    if rule != "uniform":
        last = count - span(segments, length, window)
        if rule == "normal":
            start = int(np.clip(rng.normal(count / 4, count / 6), 0, count / 2))
        else:
            start = int(rng.integers(0, last)) if last > 0 else 0
        return _dense(start, count, segments, length, window)
    usable = count - length + 1
    step = usable // segments
    if step > 0:
        starts = np.arange(segments) * step + rng.integers(0, step, segments)
    elif count > segments and usable > 0:
        starts = np.sort(rng.integers(0, usable, segments))
    else:
        starts = np.zeros(segments, int)
    return _expand(starts, length, count)


def validation_frames(
    rule: Rule, count: int, segments: int, rng: np.random.Generator, length: int = 1, window: int | None = None
) -> Array:
    """(segments * length,) frames of the one clip that judges during training.

    uniform: the middle of each segment, tick / 2 + tick * k with tick = (count - length + 1) / segments, rounded down;
    frame 0 throughout where count <= segments + length - 1. dense: a window with a random start, as in training.
    """
    _check(count, segments, length)
    if rule != "uniform":
        return train_frames(rule, count, segments, rng, length, window)
    if count <= segments + length - 1:
        return _expand(np.zeros(segments, int), length, count)
    return _expand(_ticks(count, segments, length, 0.5), length, count)


def fixed_frames(
    rule: Rule, count: int, segments: int, clips: int = 1, length: int = 1, window: int | None = None
) -> Array:
    """(clips, segments * length) frames of the clips of a final test; nothing is random.

    uniform: the middle of each segment; a second clip (TSM's 'twice sample') has the start of each segment; from
    three clips on, clip j of m takes the place (j + 1/2) / m of each segment. dense, normal: one clip in the centre;
    several with starts spread evenly from 0 to count - window.
    """
    _check(count, segments, length)
    if clips < 1:
        raise PoofError(f"clips={clips}: a test needs at least one clip a video")
    if rule != "uniform":
        last = max(count - span(segments, length, window), 0)
        starts = [last // 2] if clips == 1 else np.linspace(0, last, clips, dtype=int).tolist()
        return np.stack([_dense(start, count, segments, length, window) for start in starts])
    offsets = {1: [0.5], 2: [0.5, 0.0]}.get(clips, [(j + 0.5) / clips for j in range(clips)])
    return np.stack([_expand(_ticks(count, segments, length, offset), length, count) for offset in offsets])


def _ticks(count: int, segments: int, length: int, offset: float) -> Array:
    tick = max(count - length + 1, 1) / segments
    return np.floor(tick * offset + tick * np.arange(segments)).astype(int)


def _dense(start: int, count: int, segments: int, length: int, window: int | None) -> Array:
    """Frames of a window; segments begin anew behind the last frame, within one it is the last frame again."""
    step = max(span(segments, length, window) // (segments * length), 1)
    starts = (start + np.arange(segments) * length * step) % count
    return np.minimum(starts[:, None] + np.arange(length) * step, count - 1).reshape(-1)


def _expand(starts: Array, length: int, count: int) -> Array:
    return np.minimum(starts[:, None] + np.arange(length), count - 1).reshape(-1)


def _check(count: int, segments: int, length: int) -> None:
    if count < 1 or segments < 1 or length < 1:
        raise PoofError(f"{segments} segments of {length} frames cannot be taken from a video of {count} frames")
