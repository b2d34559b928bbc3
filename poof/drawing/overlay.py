"""Labels on an image: limbs, marks, numbers of individuals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np

from poof.drawing.marks import badge, line, mark, text, text_size
from poof.drawing.style import (
    DARK,
    WHITE,
    Colour,
    Style,
    colours_of,
    confidence_colour,
    drawable,
    instance_colour,
    mark_radius,
)
from poof.labels.model import Points, Skeleton, Source, Visible

Array = np.ndarray
Box = tuple[int, int, int, int]

LIMB: Colour = (232, 234, 238)
LIMB_OPACITY = 0.62


def draw_labels(image: Array, instances: Mapping[int, Points], skeleton: Skeleton, style: Style | None = None) -> Array:
    """A copy of the image with the labels of one frame drawn on it.

    What means what is told in `poof.drawing.style`. Limbs are translucent and as thin as the marks allow; a limb with
    an occluded end is dashed, one without coordinates at both ends is left out.

    Parameters
    ----------
    image : (H, W, 3) uint8
        RGB. Any size.
    instances
        Number of the individual -> points in pixels of this image; NaN and what lies outside the image is not drawn.
    skeleton
        Gives limbs and names.
    style
        `Style()` when None.

    Returns
    -------
    (H, W, 3) uint8
    """
    style = style or Style()
    canvas = np.array(image, order="C")
    radius = style.radius or mark_radius((image.shape[1], image.shape[0]), instances.values())
    names = style.individuals
    if names is None:
        names = {instance: str(instance) for instance in instances} if len(instances) > 1 else {}
    if style.limbs and skeleton.edges:
        for instance, points in instances.items():
            shown = drawable(points, style.min_confidence)
            _limbs(canvas, points, shown, skeleton, radius, instance_colour(instance) if instance in names else LIMB)
    for instance, points in instances.items():
        shown = drawable(points, style.min_confidence)
        if instance in names and shown.any():
            boxed = not (style.limbs and skeleton.edges)
            _individual(canvas, names[instance], points.xy[shown], radius, instance_colour(instance), boxed)
        colours = colours_of(skeleton.keypoints, style.palette) if style.colour == "keypoint" else None
        _marks(canvas, points, shown, radius, colours)
    if style.names:
        _names(canvas, instances, skeleton, style, radius)
    return canvas


def moved(points: Points, origin: tuple[float, float], scale: tuple[float, float]) -> Points:
    """The same points in a picture that was cut out at `origin` (top-left pixel) and then resized by `scale` (x, y).

    x' = (x - origin_x + 1/2) * scale_x - 1/2, the convention of pixel centres that OpenCV's resize follows.
    """

    def there(xy: Array) -> Array:
        return ((xy.astype(np.float64) - origin + 0.5) * scale - 0.5).astype(np.float32)

    return replace(points, xy=there(points.xy), flow_xy=None if points.flow_xy is None else there(points.flow_xy))


def _limbs(canvas: Array, points: Points, shown: Array, skeleton: Skeleton, radius: float, colour: Colour) -> None:
    """Blend the edges whose two ends are shown into the canvas."""
    edges = [(a, b) for a, b in skeleton.edges if shown[a] and shown[b]]
    if not edges:
        return
    xy = points.xy
    ends = xy[sorted({i for edge in edges for i in edge})]
    pad = int(np.ceil(2 * radius)) + 2
    height, width = canvas.shape[:2]
    # Only the subject's surroundings are blended: a 4K frame costs no more than a small one.
    left, top = (max(int(np.clip(v, -1e6, 1e6)) - pad, 0) for v in ends.min(axis=0))
    right, bottom = (int(np.clip(v, -1e6, 1e6)) + pad + 1 for v in ends.max(axis=0))
    region = canvas[top : min(bottom, height), left : min(right, width)]
    if region.size == 0:
        return
    layer = region.copy()
    thickness = max(1.0, 0.42 * radius)
    border = 1.0 if radius < 3.5 else 2.0
    corner = np.array([left, top], np.float32)
    for casing in (True, False):
        for a, b in edges:
            hollow = points.visible[[a, b]] < Visible.VISIBLE
            dash = 1.8 * radius if hollow.any() else 0.0
            wide = thickness + (border if casing else 0.0)
            start, end = _trimmed(xy[a] - corner, xy[b] - corner, 1.4 * radius * hollow)
            line(layer, start, end, wide, DARK if casing else colour, dash)
    region[:] = cv2.addWeighted(layer, LIMB_OPACITY, region, 1 - LIMB_OPACITY, 0, dst=layer)


def _trimmed(start: Array, end: Array, cut: Array) -> tuple[Array, Array]:
    """The line without `cut` (2,) pixels at its ends, so that it stops at the ring of a hollow mark."""
    length = float(np.hypot(*(end - start)))
    if length <= cut.sum():
        return start, start
    step = (end - start) / max(length, 1e-6)
    return start + cut[0] * step, end - cut[1] * step


def _marks(canvas: Array, points: Points, shown: Array, radius: float, of_keypoints: Array | None = None) -> None:
    """Marks of one individual, the surest on top and human points above all; coloured by confidence without others."""
    by_keypoint = of_keypoints is not None
    colours = confidence_colour(points.confidence) if of_keypoints is None else of_keypoints
    rank = np.nan_to_num(points.confidence, nan=-1.0) + 2.0 * (points.source == Source.HUMAN)
    for k in np.argsort(rank, kind="stable"):
        if shown[k]:
            red, green, blue = colours[k].tolist()
            visible = bool(points.visible[k] == Visible.VISIBLE)
            mark(canvas, points.xy[k], radius, (red, green, blue), int(points.source[k]), visible, by_keypoint)


def _individual(canvas: Array, name: str, xy: Array, radius: float, colour: Colour, boxed: bool) -> None:
    """The name of an individual on a plate above its topmost point, or at the corner of a box around its points."""
    inside = xy[((xy >= 0) & (xy < [canvas.shape[1], canvas.shape[0]])).all(axis=1)]
    if not len(inside):
        return
    size = max(9, round(2.4 * radius))
    width, height = text_size(name, size, bold=True)
    if boxed:
        (left, top), (right, bottom) = inside.min(axis=0) - 2.5 * radius, inside.max(axis=0) + 2.5 * radius
        corners = [np.array(c) for c in ((left, top), (right, top), (right, bottom), (left, bottom))]
        for casing in (True, False):
            for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
                line(canvas, a, b, max(1.0, 0.3 * radius) + casing, DARK if casing else colour)
        x, y = left, top - height
    else:
        topmost = inside[np.argmin(inside[:, 1])]
        x, y = topmost[0] - width / 2, topmost[1] - 2.2 * radius - height
    column = int(np.clip(round(float(x)), 0, max(canvas.shape[1] - width - size, 0)))
    row = int(np.clip(round(float(y)), 0, max(canvas.shape[0] - height, 0)))
    badge(canvas, column, row, name, size, DARK, colour)


def _names(canvas: Array, instances: Mapping[int, Points], skeleton: Skeleton, style: Style, radius: float) -> None:
    """Names beside the marks, with a line to the mark where they had to move away; none covers a mark or a name."""
    size = max(9, round(2.0 * radius))
    height, width = canvas.shape[:2]
    marks: list[Box] = []
    wanted: list[tuple[float, float, str]] = []
    for points in instances.values():
        for k in np.flatnonzero(drawable(points, style.min_confidence)):
            x, y = (float(v) for v in points.xy[k])
            if 0 <= x < width and 0 <= y < height:
                wanted.append((x, y, skeleton.keypoints[k]))
                marks.append((round(x - radius), round(y - radius), round(x + radius), round(y + radius)))
    taken: list[Box] = []
    for x, y, name in wanted:
        wide, high = text_size(name, size)
        box, far = _place(x, y, wide, high, 1.6 * radius + 1, (width, height), marks, taken)
        taken.append(box)
        if far:
            end = np.array([np.clip(x, box[0], box[2]), np.clip(y, box[1], box[3])])
            for casing in (True, False):
                line(canvas, np.array([x, y]), end, 1.0 + casing, DARK if casing else WHITE)
        for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            text(canvas, box[0] + dx, box[1] + dy, name, size, DARK)
        text(canvas, box[0], box[1], name, size, WHITE)


def _place(
    x: float, y: float, wide: int, high: int, gap: float, size: tuple[int, int], marks: list[Box], taken: list[Box]
) -> tuple[Box, bool]:
    """The nearest free place for a name around a mark, and whether it needs a line to the mark."""
    best: tuple[int, Box, bool] | None = None
    for ring in range(6):
        away = gap + ring * 0.9 * high
        for dx, dy in ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (-1, -1), (1, 1), (-1, 1)):
            left = x + away if dx > 0 else x - away - wide if dx < 0 else x - wide / 2
            top = y + away * 0.7 if dy > 0 else y - away * 0.7 - high if dy < 0 else y - high / 2
            left, top = (max(0.0, min(v, side - own)) for v, side, own in ((left, size[0], wide), (top, size[1], high)))
            box = (round(left), round(top), round(left) + wide, round(top) + high)
            hits = 3 * sum(_overlap(box, other) for other in taken) + sum(_overlap(box, other) for other in marks)
            if best is None or hits < best[0]:
                best = (hits, box, ring > 0)
            if not hits:
                return box, ring > 0
    assert best is not None
    return best[1], best[2]


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
