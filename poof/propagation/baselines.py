"""Baselines of propagation: copying the nearest label, and linear interpolation between labels."""

from __future__ import annotations

import numpy as np

from poof.labels.model import LabelSet, Points, Source, Visible


def static_copy(labels: LabelSet, radius: int, frame_count: int) -> LabelSet:
    """Every point stays where the nearest label (the earlier of two equally near) has it, up to `radius` frames."""
    return _filled(labels, radius, frame_count, linear=False)


def linear_interpolation(labels: LabelSet, radius: int, frame_count: int) -> LabelSet:
    """Straight lines in time between labels; outside them, a static copy. Up to `radius` frames from a label."""
    return _filled(labels, radius, frame_count, linear=True)


def _filled(labels: LabelSet, radius: int, frame_count: int, linear: bool) -> LabelSet:
    anchors = labels.human()
    result = anchors.replace(instances={key: points.copy() for key, points in anchors.instances.items()})
    for instance in anchors.instance_ids:
        for k in range(len(labels.skeleton)):
            marks = {f: p.xy[k] for (f, i), p in anchors.instances.items() if i == instance and p.is_human[k]}
            if not marks:
                continue
            at = np.array(sorted(marks))
            xy = np.array([marks[f] for f in at])
            for frame in range(max(0, at[0] - radius), min(frame_count, at[-1] + radius + 1)):
                nearest = int(np.abs(at - frame).argmin())
                if frame in marks or abs(at[nearest] - frame) > radius:
                    continue
                points = result.instances.setdefault((frame, instance), Points.empty(len(labels.skeleton)))
                points.xy[k] = [np.interp(frame, at, xy[:, axis]) for axis in (0, 1)] if linear else xy[nearest]
                points.visible[k] = Visible.VISIBLE
                points.source[k] = Source.PROPAGATED
                points.anchor[k], points.steps[k] = at[nearest], abs(at[nearest] - frame)
    return result
