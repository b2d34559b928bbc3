"""The strip under a picture: frame, distance from the anchor, what the marks mean, a line of the whole video.

The strip stands below the image, never on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

from poof.drawing.marks import badge, mark, text, text_size
from poof.drawing.style import DARK, GREY, WHITE, Colour, colours_of, confidence_colour, drawable
from poof.labels.model import LabelSet, Points, Source, Visible

Array = np.ndarray

GROUND: Colour = (24, 26, 31)
INK: Colour = (226, 229, 234)
FAINT: Colour = (150, 155, 164)
EMPTY: Colour = (62, 66, 74)

SOURCE_TEXT = {
    Source.HUMAN: "set by a person",
    Source.PROPAGATED: "carried by flow",
    Source.PREDICTED: "predicted",
    Source.REFINED: "refined",
    Source.NONE: "source unknown",
}


def font_size(width: int, height: int) -> int:
    """Text height in pixels that stays legible when a picture of this size is seen as a whole."""
    return int(np.clip(round(0.021 * np.sqrt(width * height)), 10, 72))


@dataclass(frozen=True)
class Legend:
    """Which kinds of point a label set holds, so that the legend explains these and no others.

    Attributes
    ----------
    sources
        The `Source` values of its labelled points, ascending.
    occluded, unknown, scaled
        Whether there are occluded points, machine-made points of unknown confidence, and of known confidence.
    keypoints, palette
        Names, where marks are coloured by keypoint, and colours as in `Style`.
    """

    sources: tuple[Source, ...]
    occluded: bool
    unknown: bool
    scaled: bool
    keypoints: tuple[str, ...] = ()
    palette: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        labels: LabelSet,
        min_confidence: float = 0.0,
        colour: str = "confidence",
        palette: Mapping[str, str] | None = None,
    ) -> Legend:
        """The kinds of point that are drawn of `labels`."""
        sources: set[int] = set()
        occluded = unknown = scaled = False
        for points in labels.instances.values():
            shown = drawable(points, min_confidence)
            machine = shown & (points.source != Source.HUMAN)
            sources |= set(points.source[shown].tolist())
            occluded |= bool((points.visible[shown] < Visible.VISIBLE).any())
            unknown |= bool(np.isnan(points.confidence[machine]).any())
            scaled |= bool(np.isfinite(points.confidence[machine]).any())
        kinds = tuple(Source(s) for s in sorted(sources))
        if colour == "keypoint":
            return cls(kinds, occluded, False, False, labels.skeleton.keypoints, palette or {})
        return cls(kinds, occluded, unknown, scaled)

    def draw(self, width: int, size: int) -> Array:
        """(H, width, 3) uint8: the legend in rows of `size` px text, as many as the width asks for."""
        radius, gap = 0.36 * size, round(1.3 * size)
        marks: list[tuple[Source, Colour, bool, str]] = [
            (s, _sure() if self.scaled else GREY, True, SOURCE_TEXT[s]) for s in self.sources
        ]
        if self.occluded:
            other = next((s for s in self.sources if s != Source.HUMAN), Source.HUMAN)
            marks.append((other, GREY, False, "occluded"))
        if self.unknown and self.scaled:
            marks.append((Source.PROPAGATED, GREY, True, "confidence unknown"))
        for name, one in zip(self.keypoints, colours_of(self.keypoints, self.palette).tolist()):
            marks.append((Source.PROPAGATED, (one[0], one[1], one[2]), True, name))
        lead = round(1.3 * size)
        widths = [lead + text_size(words, size)[0] for *_, words in marks]
        scale_width = round(6 * size)
        if self.scaled:
            widths.append(text_size("unsure ", size)[0] + scale_width + text_size(" sure", size)[0])
        rows: list[list[int]] = [[]]
        used = 0
        for index, item in enumerate(widths):
            if rows[-1] and used + gap + item > width - size:
                rows.append([])
                used = 0
            used += item + (gap if rows[-1] else 0)
            rows[-1].append(index)
        height = text_size("x", size)[1]
        image = np.full((len(rows) * (height + size // 5) if widths else 0, width, 3), GROUND, np.uint8)
        for number, row in enumerate(rows):
            x, y = size // 2, number * (height + size // 5)
            for index in row:
                if index < len(marks):
                    source, colour, visible, words = marks[index]
                    mark(image, np.array([x + lead / 2 - 1, y + height / 2]), radius, colour, source, visible)
                    text(image, x + lead, y, words, size, INK)
                else:
                    after = text(image, x, y, "unsure ", size, INK)
                    bar = confidence_colour(np.linspace(0, 1, scale_width))
                    top = y + height // 2 - size // 4
                    room = max(min(scale_width, width - after), 0)
                    image[top : top + size // 2, after : after + room] = bar[None, :room]
                    text(image, after + scale_width, y, " sure", size, INK)
                x += widths[index] + gap
        return image


def _sure() -> Colour:
    red, green, blue = confidence_colour(np.ones(1))[0].tolist()
    return red, green, blue


def is_anchor(instances: Mapping[int, Points]) -> bool:
    """Whether a person set at least one point of the frame."""
    return any(bool((points.is_human & points.labelled).any()) for points in instances.values())


def nearest_anchor(frame: int, instances: Mapping[int, Points]) -> tuple[int, int] | None:
    """(anchor, frame - anchor) that most of the frame's machine-made points have, None without any."""
    found: Counter[int] = Counter()
    for points in instances.values():
        known = points.labelled & ~points.is_human & (points.anchor >= 0)
        found.update(points.anchor[known].tolist())
    if not found:
        return None
    anchor = max(found, key=lambda a: (found[a], -abs(frame - a)))
    return anchor, frame - anchor


def mean_confidence(instances: Mapping[int, Points], min_confidence: float = 0.0) -> float:
    """Mean confidence of the machine-made points that are drawn; NaN where none is known."""
    values = [points.confidence[drawable(points, min_confidence) & ~points.is_human] for points in instances.values()]
    known = np.concatenate(values) if values else np.empty(0)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else float("nan")


class Strip:
    """The strip of one video: laid out once, drawn for every frame.

    Parameters
    ----------
    labels
        The labels that are drawn; they decide the legend and the line of the video.
    size
        (width, height) of the picture above it in pixels.
    frames
        (first, last + 1): the part of the video that the line at the bottom stands for; at least one frame.
    min_confidence, colour
        As in `Style`.
    """

    def __init__(
        self,
        labels: LabelSet,
        size: tuple[int, int],
        frames: tuple[int, int],
        min_confidence: float = 0.0,
        colour: str = "confidence",
        palette: Mapping[str, str] | None = None,
    ) -> None:
        self.width = size[0]
        self._frames = frames
        self._widest = f"frame {'0' * len(str(max(frames[1] - 1, labels.frames[-1])))}"
        self._size = font_size(*size)
        while self._size > 7 and self._room(self._size) > self.width:
            self._size -= 1
        self._minimum = min_confidence
        legend = Legend.of(labels, min_confidence, colour, palette).draw(self.width, self._size)
        self._row = text_size("x", self._size)[1] + self._size // 2
        self._bar = max(4, self._size // 2)
        if legend.shape[0] > 0.3 * size[1]:
            legend = legend[:0]  # a legend larger than the picture explains nothing
        self.height = self._row + legend.shape[0] + self._size // 3 + self._bar
        self.height += (size[1] + self.height) % 2  # H.264 wants even sides
        self._ground = np.full((self.height, self.width, 3), GROUND, np.uint8)
        self._ground[self._row : self._row + legend.shape[0]] = legend
        self._ground[-self._bar :] = self._line(labels)

    def draw(self, frame: int, instances: Mapping[int, Points]) -> Array:
        """(height, width, 3) uint8 for one frame and its labels."""
        image = self._ground.copy()
        size, top = self._size, self._size // 4
        text(image, size // 2, top, f"frame {frame}", size, WHITE, bold=True)
        x = size // 2 + text_size(self._widest, size, bold=True)[0] + size
        anchor = nearest_anchor(frame, instances)
        if is_anchor(instances):
            x = badge(image, x, top, "ANCHOR", size, DARK, WHITE)
        elif not any(points.labelled.any() for points in instances.values()):
            x = text(image, x, top, "no labels", size, FAINT)
        elif anchor is not None:
            words = anchor_words(*anchor)
            fits = x + text_size(words, size)[0] <= self.width
            x = text(image, x, top, words if fits else f"{anchor[1]:+d}", size, INK)
        self._right(image, instances, x, top)
        here = self._column(frame)
        playhead = max(1, self._bar // 4)
        image[-self._bar :, max(here - 2 * playhead, 0) : here + 2 * playhead + 1] = DARK
        image[-self._bar - self._size // 4 :, max(here - playhead, 0) : here + playhead + 1] = WHITE
        return image

    def _room(self, size: int) -> int:
        """Width of the frame number and the badge."""
        return text_size(self._widest, size, bold=True)[0] + text_size("ANCHOR", size, bold=True)[0] + round(2.7 * size)

    def _right(self, image: Array, instances: Mapping[int, Points], x: int, top: int) -> None:
        """How many points there are and how sure they are, right-aligned, where it fits."""
        shown = [drawable(points, self._minimum) for points in instances.values()]
        if not shown:
            return
        total = sum(len(s) for s in shown)
        found = sum(int(s.sum()) for s in shown)
        words = f"{found} of {total} points"
        confidence = mean_confidence(instances, self._minimum)
        sure = [f"confidence {confidence:.2f}   {words}"] if np.isfinite(confidence) else []
        for full in (*sure, words, f"{found}/{total}"):
            left = self.width - text_size(full, self._size)[0] - self._size // 2
            if left > x + self._size:
                text(image, left, top, full, self._size, FAINT)
                return

    def _column(self, frame: int) -> int:
        first, stop = self._frames
        return int((min(max(frame, first), stop - 1) - first + 0.5) / (stop - first) * self.width)

    def _line(self, labels: LabelSet) -> Array:
        """(bar, width, 3): the colour of the mean confidence over time, white at the anchors."""
        first, stop = self._frames
        line = np.full((self._bar, self.width, 3), EMPTY, np.uint8)
        tick = max(2, self.width // 400)
        inside = [(f, instances) for f, instances in frames_of(labels).items() if first <= f < stop]
        # Anchors last: in a long video many frames share a column, and the anchor among them must not vanish.
        for frame, instances in sorted(inside, key=lambda item: is_anchor(item[1])):
            left = int((frame - first) / (stop - first) * self.width)
            right = int((frame + 1 - first) / (stop - first) * self.width)
            if is_anchor(instances):
                line[:, left : max(right, left + tick)] = WHITE
            else:
                confidence = mean_confidence(instances, self._minimum)
                line[:, left : max(right, left + 1)] = confidence_colour(np.array([confidence]))[0]
        return line


def anchor_words(anchor: int, offset: int) -> str:
    """'3 after anchor 45', '2 before anchor 66'."""
    return f"{abs(offset)} {'after' if offset > 0 else 'before'} anchor {anchor}"


def frames_of(labels: LabelSet) -> dict[int, dict[int, Points]]:
    """Frame -> its instances, in order; one pass over the labels instead of one per frame."""
    found: dict[int, dict[int, Points]] = {}
    for frame, instance, points in labels:
        found.setdefault(frame, {})[instance] = points
    return found


def stack(image: Array, strip: Array) -> Array:
    """The picture with its strip below."""
    return cv2.vconcat([np.ascontiguousarray(image), strip])
