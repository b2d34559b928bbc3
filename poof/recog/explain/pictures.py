"""Heat maps as pictures: a sheet with a column a frame, and an overlay video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from poof.files import atomic
from poof.progress import Track, silent
from poof.recog.explain.gradcam import Heat
from poof.video import VideoWriter, open_video

Array = np.ndarray
MARGIN, LINE = 6, 22


def overlay(image: Array, heat: Array, strength: float = 0.5) -> Array:
    """An image (H, W, 3) with a map (h, w) in [0, 1] over it: nothing where it is 0, red where it is 1."""
    height, width = image.shape[:2]
    smooth = cv2.resize(heat.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    colours = cv2.applyColorMap((255 * smooth).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    alpha = strength * np.sqrt(smooth)[..., None]
    return (image * (1 - alpha) + colours * alpha).round().astype(np.uint8)


def sheet(
    frames: Sequence[Array], numbers: Sequence[int], heats: Sequence[Heat], names: Sequence[str], title: str
) -> Array:
    """A row of the frames, and below it one row a heat map with class, probability and layer beside it.

    Parameters
    ----------
    frames
        T images (H, W, 3), those the network saw.
    numbers
        Their numbers in the video, written below.
    heats
        Maps over them.
    names
        Class names.
    title
        What stands above.
    """
    height, width = frames[0].shape[:2]
    scale = max(1, round(112 / height))
    height, width = height * scale, width * scale
    frames = [cv2.resize(f, (width, height), interpolation=cv2.INTER_LINEAR) for f in frames]
    label_width = 190
    rows = 1 + len(heats)
    picture = np.full(
        (LINE + rows * (height + MARGIN) + LINE, label_width + len(frames) * (width + MARGIN), 3), 255, np.uint8
    )
    write(picture, title, 4, LINE - 7)
    for row in range(rows):
        top = LINE + row * (height + MARGIN)
        if row == 0:
            lines = ["what the network saw"]
        else:
            heat = heats[row - 1]
            layer = heat.layer.removeprefix("backbone.")
            lines = [names[heat.label], f"probability {heat.probability:.2f}", heat.method, layer]
        for number, text in enumerate(lines):
            write(picture, shorten(text, label_width - 8), 4, top + 18 + 18 * number)
        for t, frame in enumerate(frames):
            left = label_width + t * (width + MARGIN)
            shown = frame if row == 0 else overlay(frame, heats[row - 1].maps[t])
            picture[top : top + height, left : left + width] = shown
    bottom = LINE + rows * (height + MARGIN) + 14
    for t, number in enumerate(numbers):
        write(picture, f"frame {number}", label_width + t * (width + MARGIN), bottom)
    return picture


def save_picture(picture: Array, path: Path) -> None:
    """Write an RGB picture as PNG, atomically."""
    with atomic(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())


def overlay_video(
    source: Path, target: Path, heat: Heat, frames: Array, crop: tuple[int, int, int, int], track: Track = silent
) -> None:
    """The whole video with the heat of the frames the network saw, interpolated in time between them.

    Parameters
    ----------
    source
        A video or a folder of images.
    frames
        (T,) numbers of the frames that the maps belong to, ascending.
    crop
        x, y, width, height in source pixels of what the network saw; the heat covers just that, and a frame marks it.
    """
    video = open_video(source)
    x, y, width, height = crop
    with VideoWriter(target, video.fps, video.size) as writer:
        for number, image in track(video.frames(), "writing overlay"):
            shown = image.copy()
            part = shown[y : y + height, x : x + width]
            shown[y : y + height, x : x + width] = overlay(part, _between(heat.maps, frames, number))
            cv2.rectangle(shown, (x, y), (x + width - 1, y + height - 1), (255, 255, 255), 1)
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
