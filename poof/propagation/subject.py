"""Size of a subject, the unit of drift and confidence."""

from __future__ import annotations

import numpy as np

from poof.labels.model import LabelSet


def subject_sides(anchors: LabelSet, instance: int) -> dict[int, float]:
    """Longer side of a subject in pixels, by anchor frame.

    From the box of the label file or, without one, from the points. An anchor with fewer than half of the instance's
    usual points (a single corrected point, say) takes the median of the others; a subject of one point counts 40 px.
    """
    raw: dict[int, float] = {}
    counts: dict[int, int] = {}
    for (frame, i), points in anchors.instances.items():
        if i == instance:
            extent = points.extent()
            counts[frame] = int(points.labelled.sum())
            boxed = points.box if points.box is not None and max(points.box[2:]) > 0 else extent
            raw[frame] = max(float(boxed[2]), float(boxed[3])) if boxed is not None else 0.0
    usual = max(counts.values())
    good = [raw[f] for f in raw if counts[f] * 2 >= usual and raw[f] > 0]
    typical = float(np.median(good)) if good else 40.0
    return {f: raw[f] if counts[f] * 2 >= usual and raw[f] > 0 else typical for f in raw}
