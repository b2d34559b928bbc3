"""The contact sheet: one picture that shows how the labels fare over the video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from poof.drawing.caption import (
    FAINT,
    GROUND,
    INK,
    Legend,
    anchor_words,
    frames_of,
    is_anchor,
    mean_confidence,
    nearest_anchor,
)
from poof.drawing.marks import badge, text, text_size
from poof.drawing.movie import check_end, check_labels, resized
from poof.drawing.overlay import draw_labels, moved
from poof.drawing.style import DARK, WHITE, Style
from poof.drawing.window import subject_corner, subject_window
from poof.errors import PoofError
from poof.files import atomic, check_output
from poof.labels.model import LabelSet, Points
from poof.progress import Track, silent
from poof.video.base import Video

Array = np.ndarray

TILE_AREA = 120_000  # pixels of a tile's picture
GAP = 8
FONT = 15
BAR = 24
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def contact_sheet(
    video: Video,
    labels: LabelSet,
    path: str | Path,
    columns: int | None = None,
    max_tiles: int = 24,
    force: bool = False,
    track: Track = silent,
    style: Style | None = None,
) -> list[int]:
    """Write a picture of labelled frames: all anchors, then those farthest from what is on the sheet already.

    Each tile tells its frame and its distance from the anchor; anchors have a white frame. Where the subject is small,
    tiles are cut out around it, all at the same scale. One pass over the video; only the tiles are held in memory.

    Parameters
    ----------
    video
        The frames the labels belong to.
    labels
        In pixels of the video.
    path
        The picture to write: .png, .jpg or .webp.
    columns
        Tiles beside each other; None makes the sheet about as wide as a screen.
    max_tiles
        Tiles at most; anchors are thinned out evenly when there are more of them.
    force
        Overwrite the picture if it exists.
    track
        Shows progress.
    style
        `Style()` when None; the radius is chosen for the tiles unless it is given.

    Returns
    -------
    list of int
        The frames on the sheet.

    Raises
    ------
    PoofError
        If the output exists (without `force`), its name does not end as a picture's, or the labels are none or cannot
        belong to the video. Chosen frames behind damage are a `PoofWarning`.
    """
    path = Path(path)
    check_sheet_output(path, force)
    if max_tiles < 1 or (columns is not None and columns < 1):
        raise PoofError("a contact sheet needs at least one tile and one column")
    check_labels(video, labels)
    style = style or Style()
    by_frame = frames_of(labels)
    anchors = {frame for frame, instances in by_frame.items() if is_anchor(instances)}
    frames = choose_frames(list(by_frame), anchors, max_tiles)
    window = subject_window(video.size, [by_frame[frame] for frame in frames], style.min_confidence)
    wanted = float(np.sqrt(TILE_AREA / (window[0] * window[1])))
    tile = (max(round(window[0] * wanted), 1), max(round(window[1] * wanted), 1))
    scale = (tile[0] / window[0], tile[1] / window[1])
    every = (moved(points, (0, 0), scale) for frame in frames for points in by_frame[frame].values())
    style = style.settled(labels, tile, every)

    tiles: dict[int, Array] = {}
    for frame, image in track(_pick(video, frames), "contact sheet", len(frames)):
        instances = by_frame[frame]
        left, top = subject_corner(video.size, window, instances, style.min_confidence)
        part = resized(image[top : top + window[1], left : left + window[0]], tile)
        placed = {i: moved(points, (left, top), scale) for i, points in instances.items()}
        picture = draw_labels(part, placed, labels.skeleton, style)
        tiles[frame] = _tile(picture, frame, instances, style.min_confidence)
    check_end(video, labels, len(tiles), [frame for frame in frames if frame not in tiles])

    head = _Head(
        Path(video.name).name,
        len(labels.frames),
        len(anchors),
        Legend.of(labels, style.min_confidence, style.colour, style.palette),
    )
    sheet = _arrange(list(tiles.values()), columns, head)
    with atomic(path) as temporary:
        Image.fromarray(sheet).save(temporary, quality=92)
    return list(tiles)


def check_sheet_output(path: Path, force: bool = False) -> None:
    """Refuse a name that does not end as a picture's, and what `check_output` refuses; before the work starts."""
    if path.suffix.lower() not in SUFFIXES:
        raise PoofError(f"{path}: contact sheets are pictures; give a name that ends in {', '.join(SUFFIXES)}")
    check_output(path, force)


def choose_frames(frames: list[int], anchors: set[int], count: int) -> list[int]:
    """`count` of the frames at most, ascending: all anchors (evenly thinned if too many), then the farthest from them.

    Parameters
    ----------
    frames
        The labelled frames, ascending.
    anchors
        Those of them with points a person set.
    count
        How many to choose.
    """
    if len(frames) <= count:
        return list(frames)
    fixed = sorted(anchors & set(frames))
    if not fixed or len(fixed) >= count:
        pool = fixed or frames
        return [pool[i] for i in np.linspace(0, len(pool) - 1, count).round().astype(int)]
    numbers = np.array(frames)
    distance = np.abs(numbers[:, None] - np.array(fixed)[None, :]).min(axis=1)
    chosen = list(fixed)
    while len(chosen) < count:
        frame = int(numbers[np.argmax(distance)])
        chosen.append(frame)
        distance = np.minimum(distance, np.abs(numbers - frame))
    return sorted(chosen)


def _pick(video: Video, frames: list[int]) -> Iterator[tuple[int, Array]]:
    """The given frames (ascending), from one pass over the video."""
    wanted = set(frames)
    for frame, image in video.frames(frames[0], frames[-1] + 1):
        if frame in wanted:
            yield frame, image


def _tile(picture: Array, frame: int, instances: dict[int, Points], min_confidence: float) -> Array:
    """The picture with a line of text above it and, for anchors, a white frame around it."""
    height, width = picture.shape[:2]
    tile = np.full((height + BAR, width, 3), GROUND, np.uint8)
    tile[BAR:] = picture
    anchor = nearest_anchor(frame, instances)
    x = text(tile, 4, 2, f"frame {frame}", FONT, WHITE, bold=True) + FONT
    if is_anchor(instances):
        x = badge(tile, x, 3, "ANCHOR", FONT - 3, DARK, WHITE)
        cv2.rectangle(tile, (0, BAR), (width - 1, height + BAR - 1), WHITE, 3)
    elif anchor is not None:
        long, short = anchor_words(*anchor), f"{anchor[1]:+d}"
        fits = x + text_size(long, FONT)[0] <= width
        x = text(tile, x, 2, long if fits else short, FONT, INK)
    confidence = mean_confidence(instances, min_confidence)
    if np.isfinite(confidence):
        words = f"{confidence:.2f}"
        left = width - text_size(words, FONT)[0] - 4
        if left > x + FONT // 2:
            text(tile, left, 2, words, FONT, FAINT)
    return tile


@dataclass(frozen=True)
class _Head:
    """What stands above the tiles."""

    name: str
    labelled: int
    anchors: int
    legend: Legend

    def draw(self, width: int, shown: int) -> Array:
        legend = self.legend.draw(width, FONT)
        head = np.full((round(2.2 * FONT) + legend.shape[0] + FONT // 2, width, 3), GROUND, np.uint8)
        name = self.name  # the end of a long path tells most
        while len(name) > 8 and text_size(name, FONT + 3, bold=True)[0] > width - FONT:
            name = "..." + name[4:] if name.startswith("...") else "..." + name[3:]
        x = text(head, FONT // 2, FONT // 3, name, FONT + 3, WHITE, bold=True) + FONT
        words = f"{self.labelled} labelled frames, {self.anchors} of them anchors; {shown} shown"
        if x + text_size(words, FONT)[0] <= width:
            text(head, x, FONT // 2, words, FONT, FAINT)
        head[round(2.2 * FONT) : round(2.2 * FONT) + legend.shape[0]] = legend
        return head


def _arrange(tiles: list[Array], columns: int | None, head: _Head) -> Array:
    """The tiles, all of one size, in rows below the head."""
    height, width = tiles[0].shape[:2]
    if columns is None:
        columns = max(round(np.sqrt(len(tiles) * 1.6 * height / width)), 1)
        columns = -(-len(tiles) // -(-len(tiles) // columns))  # as many rows, the last one as full as can be
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    top = head.draw(columns * (width + GAP) + GAP, len(tiles))
    sheet = np.full((rows * (height + GAP) + GAP, top.shape[1], 3), GROUND, np.uint8)
    for number, tile in enumerate(tiles):
        y, x = GAP + number // columns * (height + GAP), GAP + number % columns * (width + GAP)
        sheet[y : y + height, x : x + width] = tile
    return np.concatenate([top, sheet])
