"""Labels with everything in them, and the comparison of two label sets; for the tests of formats."""

from __future__ import annotations

import numpy as np

from poof.labels import LabelSet, Points, Skeleton, Source, Visible

SIZE = (640, 480)


def rich(several: bool = True) -> LabelSet:
    """Two mice (or one) in five frames: human, mixed, propagated, refined points; covered and absent ones."""
    names = ("nose", "left_ear", "right_ear", "tail base")
    labels = LabelSet(Skeleton(names, ((0, 1), (0, 2), (0, 3)), ((1, 2),), "mouse"), image_size=SIZE)
    rng = np.random.default_rng(3)
    for frame in (2, 3, 4, 7, 40):
        for instance in range(2 if several else 1):
            xy = rng.uniform((10, 10), (600, 400), (4, 2)).round(3)
            flags = np.array([Visible.VISIBLE, Visible.OCCLUDED, Visible.VISIBLE, Visible.ABSENT])
            points = Points.human(frame, xy, flags if frame in (2, 7) else flags[[0, 0, 0, 0]])
            if frame in (3, 4, 40):
                machine = np.array([True, True, frame != 40, True])  # in frame 40 a person set the right ear
                points.source[machine] = Source.REFINED if frame == 4 else Source.PROPAGATED
                points.anchor[machine], points.steps[machine] = 2, frame - 2
                points.confidence[machine] = np.array([0.9, 0.5, 0.25, 0.125])[machine]
            labels.add(frame, instance, points)
    labels.info["video"] = "clip.mp4"
    return labels


def assert_same(a: LabelSet, b: LabelSet, *fields: str) -> None:
    """Coordinates within 0.01 px and these fields of all points, absent ones included, are the same."""
    assert sorted(a.instances) == sorted(b.instances)
    assert a.skeleton.keypoints == b.skeleton.keypoints
    for key, points in a.instances.items():
        other = b.instances[key]
        np.testing.assert_allclose(points.xy, other.xy, rtol=0, atol=0.01, err_msg=str(key))
        for field in fields:
            np.testing.assert_allclose(
                getattr(points, field), getattr(other, field), rtol=0, atol=1e-4, err_msg=f"{key} {field}"
            )
