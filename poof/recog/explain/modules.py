"""Pictures from the modules of a network: a column a segment, the input above, a row a picture below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from poof.recog.core.module import Marks, Picture
from poof.recog.explain.marks import draw_marks
from poof.recog.explain.pictures import LINE, MARGIN, SMALLEST, Array, overlay, shorten, write

LABEL_WIDTH, WIDE = 230, 2000
WHITE, RED = (255, 255, 255), (230, 30, 30)


def module_sheet(
    frames: Array, numbers: Sequence[int], per_segment: int, pictures: Mapping[str, Sequence[Picture]], title: str
) -> Array:
    """The sheet (H, W, 3) RGB uint8.

    Parameters
    ----------
    frames
        (segments * per_segment, H, W, 3) uint8, what the network saw. Of each segment the first frame is shown, and
        the last one too where it has several.
    numbers
        The frames' numbers in the video.
    pictures
        Rows, by the module that made them. Maps with fewer frames than there are segments are repeated.
    title
        What stands above.
    """
    segments = len(frames) // per_segment
    height, width = frames[0].shape[:2]
    scale = max(1, min(round(SMALLEST / height), WIDE // (segments * (width + MARGIN))))
    height, width = height * scale, width * scale
    shown = np.stack([cv2.resize(f, (width, height), interpolation=cv2.INTER_LINEAR) for f in frames])
    first, last = shown[::per_segment], shown[per_segment - 1 :: per_segment]
    rows = [(["what the network saw", *(["first frame of each segment"] if per_segment > 1 else [])], first)]
    if per_segment > 1:
        rows.append((["last frame of each segment"], last))
    for module, made in pictures.items():
        rows += [([p.title, module, *([p.note] if p.note else legend(p))], draw(p, first)) for p in made]
    sheet = np.full(
        (2 * LINE + len(rows) * (height + MARGIN), LABEL_WIDTH + segments * (width + MARGIN), 3), 255, np.uint8
    )
    write(sheet, title, 4, LINE - 7)
    for row, (lines, images) in enumerate(rows):
        top = LINE + row * (height + MARGIN)
        for number, text in enumerate(lines):
            write(sheet, shorten(text, LABEL_WIDTH - 10), 4, top + 18 + 18 * number)
        for t, image in enumerate(images):
            left = LABEL_WIDTH + t * (width + MARGIN)
            sheet[top : top + height, left : left + width] = image
    bottom = LINE + len(rows) * (height + MARGIN) + 14
    for t in range(segments):
        one, other = numbers[t * per_segment], numbers[(t + 1) * per_segment - 1]
        text = f"frame {one}" if one == other else f"frames {one}-{other}"
        write(sheet, text, LABEL_WIDTH + t * (width + MARGIN), bottom)
    return sheet


def legend(picture: Picture) -> list[str]:
    """What the colours of a picture mean, in lines."""
    if isinstance(picture, Marks):
        return ["cross: a region's point", "arrow: its shift, thicker: counts more", "lines: between regions"]
    values = picture.values.detach().float()
    if picture.kind == "heat":
        return [f"clear {float(values.min()):.3g}, red {float(values.max()):.3g}"]
    if picture.kind == "signed":
        return [f"grey 0, white +{_spread(values.cpu().numpy()):.3g}"]
    return []


def draw(picture: Picture, frames: Array) -> Array:
    """A picture's rows in the size of `frames` (T, H, W, 3), all on one scale."""
    if isinstance(picture, Marks):
        return draw_marks(picture, frames)
    values = picture.values.detach().float().cpu().numpy()
    count, (height, width) = len(frames), frames.shape[1:3]
    values = values[np.arange(count) * len(values) // count]
    if picture.kind == "heat":
        low, spread = values.min(), np.ptp(values)
        values = (values - low) / spread if spread > 0 else np.zeros_like(values)
        drawn = np.stack([overlay(f, v, 0.7) for f, v in zip(frames, values, strict=True)])
        if picture.mark is not None:
            _mark(drawn, picture, values.shape[1:])
        return drawn
    if values.ndim == 3:
        values = np.repeat(values[:, None], 3, 1)
    if picture.kind == "signed":
        values = 0.5 + 0.5 * values / _spread(values)
    else:
        low, high = (float(v) for v in np.quantile(values, (0.002, 0.998)))
        values = (values - low) / (high - low) if high > low else np.full_like(values, 0.5)
    images = (255 * values.clip(0, 1)).round().astype(np.uint8).transpose(0, 2, 3, 1)
    return np.stack([cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR) for image in images])


def _spread(values: Array) -> float:
    """What is drawn at full strength of an image around 0: all but the half percent that stands out most."""
    return float(np.quantile(np.abs(values), 0.995)) or 1.0


def _mark(drawn: Array, picture: Picture, cells: tuple[int, ...]) -> None:
    """A square round the cell that the maps belong to, on its frame."""
    assert picture.mark is not None
    t, y, x = picture.mark
    height, width = drawn.shape[1:3]
    corners = [
        (round((x + side) * width / cells[1]) - side, round((y + side) * height / cells[0]) - side) for side in (0, 1)
    ]
    column = -(-t * len(drawn) // len(picture.values))
    for thick, colour in ((3, WHITE), (1, RED)):
        cv2.rectangle(drawn[column], corners[0], corners[1], colour, thick)
