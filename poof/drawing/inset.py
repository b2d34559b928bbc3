"""A small subject a second time, larger, in the corner of the picture where it is in nobody's way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np

from poof.drawing.overlay import draw_labels, moved
from poof.drawing.style import DARK, WHITE, Style
from poof.drawing.window import subject_corner, subject_window
from poof.labels.model import LabelSet, Points

Array = np.ndarray

SMALL = 0.22
"""A subject whose surroundings are smaller than this share of the picture, in both directions, is shown again."""
PANE = 0.42
"""Longer side of the pane, as a share of the picture's shorter side."""
LOOK = 200
"""Frames by which the size of the pane is chosen."""


class Inset:
    """The pane of one video: its place and magnification are chosen once, so that nothing jumps.

    Parameters
    ----------
    labels
        What is drawn.
    frames
        Frame -> its instances, pixels of the video.
    video, picture
        (width, height) of the video and of the picture that is made of it, pixels.
    style
        Of the picture.
    """

    def __init__(
        self,
        labels: LabelSet,
        frames: Mapping[int, dict[int, Points]],
        video: tuple[int, int],
        picture: tuple[int, int],
        style: Style,
    ) -> None:
        looked = list(frames.values())[:: -(-len(frames) // LOOK)]
        self._window = subject_window(video, looked, style.min_confidence)
        self._video, self._skeleton, self._least = video, labels.skeleton, style.min_confidence
        wide, high = self._window
        zoom = PANE * min(picture) / max(wide, high)
        self._pane = max(round(wide * zoom), 1), max(round(high * zoom), 1)
        self._scale = self._pane[0] / wide, self._pane[1] / high
        self._shown = picture[0] / video[0], picture[1] / video[1]
        self.wanted = max(wide / video[0], high / video[1]) < SMALL and zoom > 2 * max(self._shown)
        if self.wanted:
            every = (moved(p, (0, 0), self._scale) for one in looked for p in one.values())
            self._style = replace(style, radius=None).settled(labels, self._pane, every)
            self._corner = self._free(looked, picture)

    def _free(self, looked: list[dict[int, Points]], picture: tuple[int, int]) -> tuple[int, int]:
        """Top-left pixel of the pane: in the corner that hides the subject least often."""
        gap = max(4, min(picture) // 60)
        right, low = picture[0] - self._pane[0] - gap, picture[1] - self._pane[1] - gap
        corners = [(right, gap), (gap, gap), (right, low), (gap, low)]
        hits = [0] * len(corners)
        for instances in looked:
            left, top = subject_corner(self._video, self._window, instances, self._least)
            x, y = left * self._shown[0], top * self._shown[1]
            x2, y2 = (left + self._window[0]) * self._shown[0], (top + self._window[1]) * self._shown[1]
            for number, (px, py) in enumerate(corners):
                hits[number] += x < px + self._pane[0] and px < x2 and y < py + self._pane[1] and py < y2
        return corners[int(np.argmin(hits))]

    def draw(self, picture: Array, image: Array, instances: Mapping[int, Points]) -> None:
        """Put the pane into a picture, in place, and a frame around what it shows.

        Parameters
        ----------
        picture : (H, W, 3) uint8
            With the labels drawn on it.
        image
            The frame of the video it was made of.
        instances
            Its labels, pixels of the video.
        """
        if not any(points.labelled.any() for points in instances.values()):
            return
        left, top = subject_corner(self._video, self._window, dict(instances), self._least)
        part = image[top : top + self._window[1], left : left + self._window[0]]
        larger = cv2.resize(np.ascontiguousarray(part), self._pane, interpolation=cv2.INTER_CUBIC)
        placed = {i: moved(points, (left, top), self._scale) for i, points in instances.items()}
        pane = draw_labels(larger, placed, self._skeleton, self._style)
        x, y = self._corner
        picture[y : y + self._pane[1], x : x + self._pane[0]] = pane
        about = [round(v * s) for v, s in zip((left, top), self._shown)]
        beyond = [round((v + side) * s) for v, side, s in zip((left, top), self._window, self._shown)]
        for (x1, y1), (x2, y2) in (((x, y), (x + self._pane[0], y + self._pane[1])), (about, beyond)):
            cv2.rectangle(picture, (x1 - 1, y1 - 1), (x2, y2), DARK, 3)
            cv2.rectangle(picture, (x1 - 1, y1 - 1), (x2, y2), WHITE, 1)
