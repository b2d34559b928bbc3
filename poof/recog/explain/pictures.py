"""Heat maps over a video's own frames: as a sheet and as a video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np

from poof.files import atomic
from poof.progress import Track, silent
from poof.recog.explain.gradcam import Heat
from poof.video import VideoWriter, open_video

Array = np.ndarray
Part: TypeAlias = tuple[int, int, int, int]
"""x, y, width, height in pixels of a frame."""
MARGIN, LINE, LABELS = 6, 22, 190
SMALLEST, WIDEST, LONGEST = 168, 640, 1400
"""Of a sheet, in pixels: height below which frames are enlarged, width above which they shrink, length of a row."""


def overlay(image: Array, heat: Array, strength: float = 0.5) -> Array:
    """An image (H, W, 3) with a map (h, w) in [0, 1] over it: nothing where it is 0, red where it is 1."""
    height, width = image.shape[:2]
    smooth = cv2.resize(heat.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    colours = cv2.applyColorMap((255 * smooth).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    alpha = strength * np.sqrt(smooth)[..., None]
    return (image * (1 - alpha) + colours * alpha).round().astype(np.uint8)


def overlay_part(image: Array, heat: Array, part: Part, strength: float = 0.5) -> Array:
    """A whole frame with a map over the part of it that the network saw, which a thin white frame marks."""
    x, y, width, height = part
    shown = image.copy()
    inside = shown[y : y + height, x : x + width]
    shown[y : y + height, x : x + width] = overlay(inside, heat, strength)
    cv2.rectangle(shown, (x, y), (x + width - 1, y + height - 1), (255, 255, 255), 1)
    return shown


def sheet(
    frames: Sequence[Array], numbers: Sequence[int], heats: Sequence[Heat], names: Sequence[str], title: str, part: Part
) -> Array:
    """The video's own frames, and below each one row a heat map with class, probability and layer beside it.

    Frames keep their size, but for very small ones (enlarged) and those wider than `WIDEST`; where they do not fit
    side by side they go on below.

    Parameters
    ----------
    frames
        T images (H, W, 3), whole.
    numbers
        Their numbers in the video, written below.
    heats
        Maps over `part` of them.
    names
        Class names.
    title
        What stands above.
    part
        What the network saw.
    """
    height, width = frames[0].shape[:2]
    scale = min(max(1, round(SMALLEST / height)), WIDEST / width)
    size = (round(width * scale), round(height * scale))
    x, y = round(part[0] * scale), round(part[1] * scale)
    part = (x, y, min(round(part[2] * scale), size[0] - x), min(round(part[3] * scale), size[1] - y))
    frames = [cv2.resize(f, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR) for f in frames]
    width, height = size
    bands = -(-len(frames) * (width + MARGIN) // LONGEST)
    across = -(-len(frames) // bands)
    rows = 1 + len(heats)
    deep = rows * (height + MARGIN) + LINE
    picture = np.full((LINE + bands * deep, LABELS + across * (width + MARGIN), 3), 255, np.uint8)
    write(picture, title, 4, LINE - 7)
    said = ["the video's frames", *(["box: what the network saw"] if part[2:] != size else [])]
    said += [f"({scale:.2g} times their size)"] if scale != 1 else []
    for row in range(rows):
        lines = said
        if row:
            heat = heats[row - 1]
            layer = heat.layer.removeprefix("backbone.")
            lines = [names[heat.label], f"probability {heat.probability:.2f}", heat.method, layer]
        for band in range(bands):
            top = LINE + band * deep + row * (height + MARGIN)
            for number, text in enumerate(lines):
                write(picture, shorten(text, LABELS - 8), 4, top + 18 + 18 * number)
    for t, frame in enumerate(frames):
        top, left = LINE + t // across * deep, LABELS + t % across * (width + MARGIN)
        nothing = np.zeros((1, 1), np.float32)
        for row in range(rows):
            down = top + row * (height + MARGIN)
            shown = overlay_part(frame, heats[row - 1].maps[t] if row else nothing, part)
            picture[down : down + height, left : left + width] = shown
        write(picture, f"frame {numbers[t]}", left, top + rows * (height + MARGIN) + 12)
    return picture


def save_picture(picture: Array, path: Path) -> None:
    """Write an RGB picture as PNG, atomically."""
    with atomic(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())


def overlay_video(source: Path, target: Path, heat: Heat, frames: Array, part: Part, track: Track = silent) -> None:
    """The whole video with the heat of the frames the network saw, interpolated in time between them.

    Parameters
    ----------
    source
        A video or a folder of images.
    frames
        (T,) numbers of the frames that the maps belong to, ascending.
    part
        What the network saw; the heat covers just that.
    """
    video = open_video(source)
    with VideoWriter(target, video.fps, video.size) as writer:
        for number, image in track(video.frames(), "writing overlay"):
            shown = overlay_part(image, _between(heat.maps, frames, number), part)
            writer.write(shown)


def _between(maps: Array, frames: Array, number: int) -> Array:
    """The map at a frame, linear between the frames that have one."""
    place = float(np.interp(number, frames, np.arange(len(frames))))
    low = int(place)
    high = min(low + 1, len(maps) - 1)
    return maps[low] * (1 - (place - low)) + maps[high] * (place - low)


def write(picture: Array, text: str, x: int, y: int) -> None:
    """Small dark text that begins at x on the line y."""
    ascii_only = text.encode("ascii", "replace").decode()  # OpenCV's font has no other letters
    cv2.putText(picture, ascii_only, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (30, 30, 30), 1, cv2.LINE_AA)


def shorten(text: str, width: int) -> str:
    """The text, cut off with dots where it is wider than `width` pixels."""
    while text and cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.42, 1)[0][0] > width:
        text = text[:-4] + "..." if not text.endswith("...") else text[:-5] + "..."
    return text
