"""No label that judges may have helped to train, in any way provenance can hide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poof.errors import PoofError
from poof.labels import LabelSet, Points, Skeleton, Source
from poof.pose.splitting import Pair, anchors_of, check_apart, held_out_anchors, split, split_anchors
from poof.video import ArrayVideo

SKELETON = Skeleton(("a", "b"))


def propagated(human: dict[tuple[int, int], set[int]], frames: int, radius: int, named: str) -> tuple[LabelSet, dict]:
    """Labels as propagation makes them, and for each point the anchors it owes its place to.

    `human`: (instance, keypoint) -> frames labelled. A point owes to the nearest anchor on either side, within reach;
    its provenance names the nearest of them, the earlier or the later.
    """
    labels, owes = LabelSet(SKELETON), {}
    for frame in range(frames):
        for instance in sorted({i for i, _ in human}):
            points = Points.empty(2)
            for k in range(2):
                line = human.get((instance, k), set())
                if frame in line:
                    points.xy[k], points.source[k], points.anchor[k] = (frame, k), Source.HUMAN, frame
                    owes[frame, instance, k] = {frame}
                    continue
                before = [a for a in line if a < frame <= a + radius]
                after = [a for a in line if a - radius <= frame < a]
                around = {*([max(before)] if before else []), *([min(after)] if after else [])}
                if around:
                    points.xy[k], points.source[k] = (frame, k), Source.PROPAGATED
                    ranked = sorted(around, key=(lambda a, f=frame: abs(a - f)) if named == "nearest" else None)
                    points.anchor[k] = ranked[-1 if named == "later" else 0]
                    owes[frame, instance, k] = around
            points.confidence[points.labelled] = 1
            points.visible[points.labelled] = 2
            if points.labelled.any():
                labels.add(frame, instance, points)
    return labels, owes


frames_of_anchors = st.sets(st.integers(0, 40), min_size=0, max_size=5)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.integers(0, 1), st.integers(0, 1)), frames_of_anchors.filter(bool), min_size=1, max_size=4
    ),
    st.integers(1, 60),
    st.sampled_from(["nearest", "earlier", "later"]),
    st.floats(0.05, 0.5),
)
def test_nothing_that_owes_to_a_held_out_anchor_is_trained_on(
    human: dict[tuple[int, int], set[int]], radius: int, named: str, share: float
) -> None:
    labels, owes = propagated(human, 41, radius, named)
    anchors = anchors_of(labels)
    assert anchors == sorted(set().union(*human.values()))
    if len(anchors) < 2:
        return
    held = set(held_out_anchors(anchors, share))
    train, validation = split_anchors(labels, sorted(held))
    for (frame, instance), points in train.instances.items():
        assert frame not in held
        for k in np.flatnonzero(points.labelled):
            assert not owes[frame, instance, int(k)] & held
    for (frame, _), points in validation.instances.items():
        assert frame in held
        assert points.is_human[points.labelled].all()
    # What lies between training anchors, whatever the radius, is all there.
    first = min(held)
    for frame, instance, _ in labels:
        lines = [line for (i, _), line in human.items() if i == instance]
        if all(frame <= max((a for a in line if a < first), default=-1) for line in lines):
            assert (frame, instance) in train.instances


def video(name: str) -> ArrayVideo:
    return ArrayVideo([np.zeros((4, 4, 3), np.uint8)], name=name)


def with_anchors(*frames: int) -> LabelSet:
    labels = LabelSet(SKELETON)
    for frame in frames:
        labels.add(frame, 0, Points.human(frame, np.array([[1, 1], [2, 2]])))
    return labels


def test_a_single_video_gives_its_last_anchors() -> None:
    result = split([Pair(video("v"), with_anchors(*range(0, 100, 10)))])
    assert result.train[0].labels.frames == [0, 10, 20, 30, 40, 50, 60, 70]
    assert result.validation[0].labels.frames == [80, 90]
    assert result.how == "2 of 10 labelled frames held out (frames 80 to 90)"
    assert split([Pair(video("v"), with_anchors(3, 9))]).validation[0].labels.frames == [9]


def test_a_single_anchor_cannot_be_divided() -> None:
    result = split([Pair(video("v"), with_anchors(5))])
    assert result.validation == []
    assert result.train[0].labels.frames == [5]


def test_several_videos_are_held_out_whole() -> None:
    pairs = [Pair(video(f"v{i}"), with_anchors(*range(n))) for i, n in enumerate((10, 10, 10, 5, 5))]
    result = split(pairs)
    assert [pair.video.name for pair in result.validation] == ["v3", "v4"]
    assert [pair.video.name for pair in result.train] == ["v0", "v1", "v2"]
    two = split(pairs[:2])
    assert [pair.video.name for pair in two.validation] == ["v1"]


def test_a_video_on_both_sides_is_refused() -> None:
    pair = Pair(video("match.mp4"), with_anchors(1))
    with pytest.raises(PoofError, match=r"match.mp4: is both trained on and judged by"):
        check_apart([pair], [pair])
    check_apart([pair], [Pair(video("match.mp4"), with_anchors(1))])  # two arrays of one name are two videos


def test_a_file_on_both_sides_is_refused_however_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "match.mp4").touch()
    monkeypatch.chdir(tmp_path)
    absolute, relative = (Pair(video(name), with_anchors(1)) for name in (str(tmp_path / "match.mp4"), "match.mp4"))
    with pytest.raises(PoofError, match=r"is both trained on and judged by"):
        check_apart([absolute], [relative])
