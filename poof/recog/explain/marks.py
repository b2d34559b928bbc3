"""Regions, key points and their shifts drawn on the frames (Fig. 10 of Cao et al. 2021)."""

from __future__ import annotations

import cv2
import numpy as np

from poof.recog.core.module import Marks

Array = np.ndarray
COLOURS = ((255, 60, 60), (60, 220, 60), (70, 150, 255), (255, 210, 40))
"""Of the points, in turn: red, green, blue, yellow."""
LINE_COLOUR = (255, 255, 255)
FAINT = 0.02
"""Shifts that count less are left out."""


def draw_marks(marks: Marks, frames: Array) -> Array:
    """The frames (T, H, W, 3) with lines between regions, a cross a point and an arrow a shift.

    Arrows are the thicker, the more the shift counts; those of less than a pixel are left out. Marks of fewer frames
    than there are images are repeated.
    """
    lines, points, shifts, weights = (
        value.detach().float().cpu().numpy() for value in (marks.lines, marks.values, marks.shifts, marks.weights)
    )
    height, width = frames.shape[1:3]
    size = np.array([width, height])
    unit = max(1, round(height / 112))
    drawn = []
    for number, frame in enumerate(frames):
        t = number * len(points) // len(frames)
        image = frame.copy()
        for axis in range(2):
            for place in lines[t, axis]:
                at = round(float(place) * float(size[axis]))
                ends = ((at, 0), (at, height)) if axis == 0 else ((0, at), (width, at))
                cv2.line(image, ends[0], ends[1], LINE_COLOUR, unit)
        for index, point in enumerate(points[t]):
            colour = COLOURS[index % len(COLOURS)]
            start = point * size
            if t < len(shifts) and weights[t, index] > FAINT:
                way = shifts[t, index] * size
                if np.hypot(*way) >= 1:
                    _arrow(image, start, start + way, colour, unit * (1 + round(2 * float(weights[t, index]))), unit)
            cv2.drawMarker(image, _pixel(start), (0, 0, 0), cv2.MARKER_TILTED_CROSS, 9 * unit, 3 * unit)
            cv2.drawMarker(image, _pixel(start), colour, cv2.MARKER_TILTED_CROSS, 8 * unit, unit)
        drawn.append(image)
    return np.stack(drawn)


def _arrow(image: Array, start: Array, end: Array, colour: tuple[int, int, int], thick: int, unit: int) -> None:
    tip = float(np.clip(6 * unit / np.hypot(*(end - start)), 0.1, 0.5))
    cv2.arrowedLine(image, _pixel(start), _pixel(end), (0, 0, 0), thick + 2 * unit, cv2.LINE_AA, 0, tip)
    cv2.arrowedLine(image, _pixel(start), _pixel(end), colour, thick, cv2.LINE_AA, 0, tip)


def _pixel(place: Array) -> tuple[int, int]:
    return round(float(place[0])), round(float(place[1]))
