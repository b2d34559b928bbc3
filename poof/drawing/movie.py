"""The overlay video: labels drawn on every frame, in one pass."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from poof.drawing.caption import Strip, frames_of, stack
from poof.drawing.inset import Inset
from poof.drawing.overlay import draw_labels, moved
from poof.drawing.style import Style
from poof.errors import PoofError, PoofWarning
from poof.files import check_output
from poof.labels.check import check_fit
from poof.labels.model import LabelSet
from poof.progress import Track, silent
from poof.video.base import Video
from poof.video.writer import VideoWriter

Array = np.ndarray
Span = Literal["labelled", "all"]


def render_overlay(
    video: Video,
    labels: LabelSet,
    path: str | Path,
    force: bool = False,
    track: Track = silent,
    *,
    style: Style | None = None,
    span: Span = "labelled",
    around: int = 10,
    scale: float | None = None,
) -> int:
    """Write an H.264 MP4 of the video with the labels drawn on it, frame by frame in flat memory.

    A subject that is small in the picture is shown again, larger, in a corner, see `poof.drawing.inset`.

    Parameters
    ----------
    video
        The frames the labels belong to.
    labels
        In pixels of the video.
    path
        The MP4 to write.
    force
        Overwrite it if it exists.
    track
        Shows progress.
    style
        `Style()` when None. The radius of the marks is chosen once for the whole video.
    span
        'labelled': the labelled frames and up to `around` frames beside them; longer stretches without labels are
        left out (the frame number under the picture tells). 'all': every frame.
    around
        Frames beside labelled ones that 'labelled' keeps.
    scale
        The picture's size over the video's. None: 1, or the smallest whole number that gives the shorter side 480 px,
        so that marks and text are legible on small footage.

    Returns
    -------
    int
        Number of frames written.

    Raises
    ------
    PoofError
        If the output exists (without `force`), is the video itself or cannot be written, or the labels are none or
        cannot belong to the video: another image size, frames beyond its end. Labelled frames behind damage are a
        `PoofWarning`.
    """
    path = Path(path)
    if path.exists() and Path(video.name).exists() and path.samefile(video.name):
        raise PoofError(f"{path}: is the video itself; give the overlay another name")
    check_overlay_output(path, force)
    if scale is not None and not scale > 0:
        raise PoofError(f"{path}: a picture cannot be scaled by {scale:g}; give a positive number")
    check_labels(video, labels)
    style = style or Style()
    by_frame = frames_of(labels)
    wanted = _wanted(labels.frames, around) if span == "labelled" else None
    ranges = [(0, video.count())] if wanted is None else wanted
    # Where the video ends is known only by decoding it all: the line of a part of it ends with the last labels.
    line = ranges[0] if wanted is None else (ranges[0][0], labels.frames[-1] + 1)
    ratio = picture_scale(video.size) if scale is None else scale
    size = (max(round(video.size[0] * ratio), 1), max(round(video.size[1] * ratio), 1))
    # Sides are whole pixels: the scale that was reached differs a little between x and y.
    reached = (size[0] / video.size[0], size[1] / video.size[1])
    every = (moved(points, (0, 0), reached) for points in labels.instances.values())
    style = style.settled(labels, size, every)
    inset = Inset(labels, by_frame, video.size, size, style)
    plain = replace(style, names=False) if inset.wanted else style  # the pane has room for names
    strip = Strip(labels, size, line, style.min_confidence, style.colour, style.palette)

    # Whether there are frames behind the last label shows only when they come: the bar ends with that label.
    last_label = labels.frames[-1]
    sure = sum(max(min(b, last_label + 1) - a, 0) for a, b in ranges) if wanted is not None else ranges[0][1]
    selected = _selected(video, ranges)
    written, drawn, last = 0, 0, -1
    with VideoWriter(path, video.fps, (size[0], size[1] + strip.height)) as writer:
        for frame, image in chain(track(islice(selected, sure), "overlay", sure), selected):
            instances = {i: moved(points, (0, 0), reached) for i, points in by_frame.get(frame, {}).items()}
            picture = draw_labels(resized(image, size), instances, labels.skeleton, plain)
            if inset.wanted:
                inset.draw(picture, image, by_frame.get(frame, {}))
            writer.write(stack(picture, strip.draw(frame, instances)))
            written, drawn, last = written + 1, drawn + (frame in by_frame), frame
        check_end(video, labels, drawn, [frame for frame in by_frame if frame > last])
    return written


def check_overlay_output(path: Path, force: bool = False) -> None:
    """Refuse a name that does not end in .mp4, and what `check_output` refuses; called before the work starts."""
    if path.suffix.lower() != ".mp4":
        raise PoofError(f"{path}: overlay videos are MP4; give a name that ends in .mp4")
    check_output(path, force)


def check_labels(video: Video, labels: LabelSet) -> None:
    """Refuse labels that cannot belong to the video; what only its end can tell is left to `check_end`.

    Raises
    ------
    PoofError
        If there are none, they were made on images of another size, or human points lie outside the image.
    """
    if not labels.instances:
        raise PoofError(f"{video.name}: there are no labels to draw; label at least one frame")
    check_fit(labels, video.size, None, video.name)


def check_end(video: Video, labels: LabelSet, drawn: int, missing: list[int]) -> None:
    """Judge labelled frames that did not come: behind damage a warning, beyond the end an error.

    Parameters
    ----------
    video
        Has been read as far as it goes.
    labels
        Its labels.
    drawn
        Number of labelled frames that were drawn.
    missing
        Labelled frames that should have been drawn and were not.

    Raises
    ------
    PoofError
        If a label names a frame beyond the video's end, or damage left nothing to draw.
    """
    if not missing:
        return
    if video.damage is None:
        check_fit(labels, video.size, video.count(), video.name)
    where = f"{video.name}: is damaged at frame {video.damage.frame}" if video.damage else video.name
    if not drawn:
        raise PoofError(f"{where}: none of the labelled frames can be read; repair the video or label earlier frames")
    note = f"{where}; {len(missing)} labelled frames from frame {missing[0]} on are not drawn"
    warnings.warn(note, PoofWarning, stacklevel=3)


def picture_scale(size: tuple[int, int]) -> float:
    """1, or the smallest whole factor that gives the shorter side of a small picture 480 px."""
    return float(max(1, -(-480 // min(size)))) if min(size) < 400 else 1.0


def resized(image: Array, size: tuple[int, int]) -> Array:
    """The image in (width, height) `size`: area means when it shrinks, cubic when it grows."""
    if (image.shape[1], image.shape[0]) == tuple(size):
        return image
    shrinks = size[0] < image.shape[1]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def _wanted(frames: list[int], around: int) -> list[tuple[int, int]]:
    """Ranges (first, last + 1) of the frames within `around` of a labelled one, joined where they touch."""
    ranges: list[tuple[int, int]] = []
    for frame in frames:
        low, high = max(frame - around, 0), frame + around + 1
        if ranges and low <= ranges[-1][1]:
            ranges[-1] = (ranges[-1][0], high)
        else:
            ranges.append((low, high))
    return ranges


def _selected(video: Video, ranges: list[tuple[int, int]]) -> Iterator[tuple[int, Array]]:
    """The frames of the ranges, from one pass over the video."""
    remaining = iter(ranges)
    low, high = next(remaining)
    for frame, image in video.frames(ranges[0][0], ranges[-1][1]):
        while frame >= high:  # a hole in the video may hold whole ranges
            low, high = next(remaining)
        if frame >= low:
            yield frame, image
