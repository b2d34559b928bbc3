"""Whatever a label set holds comes back from a file, in every format, as far as the format can hold it."""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from poof.errors import PoofError, PoofWarning
from poof.labels import FORMATS, LabelSet, Points, Skeleton, Source, Visible, load_labels, save_labels
from poof.labels.io import format_for

quick = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
slow_format = settings(quick, max_examples=10)

# Anything a person may call a keypoint: every script, commas, quotes, hashes; no control characters, no outer blanks.
words = st.text(
    st.characters(exclude_categories=("C", "Z"), include_characters=" ,;\"'#"), min_size=1, max_size=8
).filter(lambda word: word == word.strip())
pixels = st.floats(-50, 5000, width=32)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def skeletons(draw: st.DrawFn) -> Skeleton:
    names = draw(st.lists(words, min_size=1, max_size=6, unique=True))
    pairs = st.lists(st.tuples(*[st.integers(0, len(names) - 1)] * 2), max_size=3)
    return Skeleton(tuple(names), tuple(draw(pairs)), tuple(draw(pairs)), draw(words))


@st.composite
def instances(draw: st.DrawFn, frame: int, count: int) -> Points:
    """At least one labelled or absent point, each with any provenance."""
    points = Points.empty(count)
    decided = draw(st.lists(st.booleans(), min_size=count, max_size=count).filter(any))
    for k in np.flatnonzero(decided):
        points.visible[k] = draw(st.sampled_from(Visible))
        if points.visible[k] != Visible.ABSENT:
            points.xy[k] = draw(st.tuples(pixels, pixels))
        points.source[k] = draw(st.sampled_from([s for s in Source if s]))
        points.anchor[k] = draw(st.integers(-1, 10**6))
        points.steps[k] = draw(st.integers(0, 10**4))
        points.confidence[k] = draw(st.just(np.nan) | st.floats(0, 1, width=32))
    if draw(st.booleans()):
        points.flow_xy = np.full((count, 2), np.nan, np.float32)
        for k in range(count):
            points.flow_xy[k] = draw(st.just((np.nan, np.nan)) | st.tuples(pixels, pixels))
    if draw(st.booleans()):
        points.disputed = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    if draw(st.booleans()):
        presence = draw(st.lists(st.just(np.nan) | st.floats(0, 1, width=32), min_size=count, max_size=count))
        points.presence = np.array(presence, np.float32)
    if draw(st.booleans()):
        corner, extent = st.floats(-50, 3000, width=32), st.floats(0, 3000, width=32)
        points.box = np.array(draw(st.tuples(corner, corner, extent, extent)), np.float32)
    if draw(st.booleans()):
        flags = np.where(points.absent, Visible.ABSENT, np.maximum(points.visible, 1))
        return Points.human(frame, points.xy, flags, points.box)
    return points


@st.composite
def label_sets(draw: st.DrawFn) -> LabelSet:
    skeleton = draw(skeletons())
    keys = draw(st.lists(st.tuples(st.integers(0, 99999), st.integers(0, 3)), min_size=1, max_size=5, unique=True))
    labels = LabelSet(skeleton, image_size=draw(st.none() | st.tuples(*[st.integers(1, 9999)] * 2)))
    for frame, instance in keys:
        labels.add(frame, instance, draw(instances(frame, len(skeleton))))
    labels.tracked = draw(st.booleans())
    names = st.dictionaries(st.sampled_from(sorted({*labels.frames, 7, 123456})), words, max_size=4)
    labels.frame_names = draw(names)
    labels.info = draw(st.dictionaries(words, json_values, max_size=3))
    called = draw(st.lists(words, max_size=3, unique=True))  # of two with one name, the later one gets a number
    labels.individuals = dict(zip(draw(st.permutations(range(4))), called))
    return labels


def again(labels: LabelSet, name: str, format: str | None = None, missing: str = "absent") -> LabelSet:
    """Written and read."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", PoofWarning)
        save_labels(labels, Path(folder) / name, format=format)
        return load_labels(Path(folder) / name, missing=missing)


def flow_places(points: Points) -> np.ndarray:
    """(K, 2) where flow had put the labelled points, NaN where it is not told."""
    flow = np.full_like(points.xy, np.nan) if points.flow_xy is None else points.flow_xy
    return np.where(points.was_refined[:, None], flow, np.nan)


def presence(points: Points) -> np.ndarray:
    """(K,) probability of presence of the points that are known, NaN where it is not told."""
    return np.where(points.decided, np.nan if points.presence is None else points.presence, np.nan)


def assert_same_points(a: LabelSet, b: LabelSet) -> None:
    assert set(a.instances) == set(b.instances)
    for frame, instance, points in a:
        other = b.instances[frame, instance]
        np.testing.assert_allclose(points.xy, other.xy, rtol=0, atol=1e-3)
        np.testing.assert_allclose(points.confidence, other.confidence, rtol=0, atol=1e-4)
        np.testing.assert_allclose(flow_places(points), flow_places(other), rtol=0, atol=1e-3)
        np.testing.assert_allclose(presence(points), presence(other), rtol=0, atol=1e-4)
        for field in ("visible", "source", "anchor", "steps", "was_refined", "in_dispute"):
            np.testing.assert_array_equal(getattr(points, field), getattr(other, field), err_msg=field)


@quick
@given(label_sets())
def test_coco_holds_everything(labels: LabelSet) -> None:
    back = again(labels, "labels.json")
    assert_same_points(labels, back)
    for field in ("skeleton", "image_size", "tracked", "frame_names", "info", "individuals"):
        assert getattr(back, field) == getattr(labels, field), field
    for frame, instance, points in labels:
        box = back.instances[frame, instance].box
        if points.box is None:
            assert box is None
        elif box is not None:
            np.testing.assert_allclose(box, points.box, rtol=0, atol=1e-3)


@quick
@given(label_sets())
def test_coco_written_again_is_the_same_file(labels: LabelSet) -> None:
    for points in labels.instances.values():
        points.box = None  # one that is the extent but for a hundredth is not kept
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder) / "1.json", Path(folder) / "2.json"
        save_labels(labels, first)
        save_labels(load_labels(first), second)
        assert first.read_bytes() == second.read_bytes()


@quick
@given(label_sets())
def test_csv_holds_every_point(labels: LabelSet) -> None:
    back = again(labels, "labels.csv")
    assert back.skeleton.keypoints == labels.skeleton.keypoints
    assert_same_points(labels, back)


@pytest.mark.parametrize("name", ["CollectedData_Ann.csv", "labels.h5"])
def test_deeplabcut_holds_every_visible_coordinate(name: str) -> None:
    """And who set it: a machine's points come back as a machine's, by the likelihood or by the list beside the file."""

    @settings(slow_format, max_examples=6 if name.endswith(".h5") else 10)  # two forks for each .h5
    @given(label_sets())
    def check(labels: LabelSet) -> None:
        labels.frame_names, labels.individuals, labels.info = {}, {}, {}
        shown = [points.labelled & (points.visible > 0) for _, _, points in labels]
        # A whole file within a pixel of the corner is taken for shares of the image.
        assume(
            any((np.abs(p.xy[keep]) > 2).any() for (_, _, p), keep in zip(labels, shown))
            or not any(keep.any() for keep in shown)
        )
        if not any(keep.any() for keep in shown):
            absent = {(f, i, k) for f, i, points in labels for k in np.flatnonzero(points.absent).tolist()}
            machine = any((p.source[p.labelled] > Source.HUMAN).any() for _, _, p in labels)
            if absent and machine and name == "labels.h5":  # our own tracks keep them beside the cells
                found = again(labels, name)
                assert {(f, i, k) for f, i, p in found for k in np.flatnonzero(p.absent).tolist()} == absent
                assert not any(points.labelled.any() for _, _, points in found)
            else:
                with pytest.raises(PoofError, match="no labelled point"):
                    again(labels, name)
            return
        back = again(labels, name)
        assert back.skeleton.keypoints == labels.skeleton.keypoints
        for (frame, instance, points), keep in zip(labels, shown):
            if keep.any():
                other = back.instances[frame, instance]
                np.testing.assert_allclose(points.xy[keep], other.xy[keep], rtol=0, atol=1e-3)
                np.testing.assert_array_equal(points.source[keep], other.source[keep])
                machine = keep & ~points.is_human
                np.testing.assert_allclose(points.confidence[machine], other.confidence[machine], rtol=0, atol=1e-4)

    check()


def test_a_machines_point_at_the_corner_comes_back_from_a_persons_table() -> None:
    labels = LabelSet(Skeleton(("a", "b")))
    labels.add(0, 0, Points.human(0, np.array([[0.0, 3.0], [0.0, 0.0]])))
    labels.instances[0, 0].source[1] = Source.PROPAGATED
    back = again(labels, "CollectedData_Ann.csv").instances[0, 0]
    np.testing.assert_allclose(back.xy, [[0, 3], [0, 0]], atol=1e-3)
    assert back.source.tolist() == [Source.HUMAN, Source.PROPAGATED]


@pytest.mark.parametrize(("format", "ending"), [(f, e) for f, m in FORMATS.items() for e in m.ENDINGS])
def test_every_format_holds_plain_human_labels(format: str, ending: str) -> None:
    """The least that a format must do, and that reading finds it without help."""
    labels = LabelSet(Skeleton(("Schnauze", "左手", "tail tip")), image_size=(640, 480))
    absent = [Visible.VISIBLE, Visible.VISIBLE, Visible.ABSENT]
    labels.add(3, 0, Points.human(3, np.array([[1.25, 2.5], [8.0, 9.0], [639.0, 479.0]])))
    labels.add(40, 0, Points.human(40, np.array([[0.0, 0.0], [7.125, 8.0], [np.nan, np.nan]]), np.array(absent)))
    back = again(labels, f"labels{ending}", format)
    assert back.skeleton.keypoints == labels.skeleton.keypoints
    assert back.tracked
    assert_same_points(labels, back)


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.json", "coco"),
        ("A.JSON", "coco"),
        ("a.csv", "csv"),
        ("a.h5", "deeplabcut"),
        ("CollectedData.csv", "deeplabcut"),
    ],
)
def test_format_by_name(name: str, format: str) -> None:
    assert format_for(Path(name)) == format


def test_only_the_first_instance_lists_unlabelled_keypoints(tmp_path: Path) -> None:
    labels = LabelSet(Skeleton(("a", "b", "never")))
    labels.add(0, 0, Points.human(0, np.array([[np.nan, np.nan], [1.0, 2.0], [np.nan, np.nan]])))
    labels.add(1, 0, Points.human(1, np.array([[3.0, 4.0], [np.nan, np.nan], [np.nan, np.nan]])))
    save_labels(labels, tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text() == (
        "frame,instance,keypoint,x,y,confidence,visible,source,anchor,steps\n"
        "0,0,a,,,,0,,-1,0\n"
        "0,0,b,1.0,2.0,1.0,2,human,0,0\n"
        "0,0,never,,,,0,,-1,0\n"
        "1,0,a,3.0,4.0,1.0,2,human,1,0\n"
    )


def without_stamps(path: Path) -> str:
    """The text of a table without its last column."""
    return "".join(line.rsplit(",", 1)[0] + "\n" for line in path.read_text().splitlines())


def test_a_table_says_absent_in_words(tmp_path: Path) -> None:
    labels = LabelSet(Skeleton(("a", "b", "c")))
    labels.add(0, 0, Points.human(0, np.array([[1.0, 2.0], [np.nan] * 2, [np.nan] * 2]), np.array([2, -1, 0])))
    points = Points.human(1, np.full((3, 2), np.nan), np.array([-1, 0, -1]))
    points.source[2], points.confidence[2] = Source.PROPAGATED, 0.75
    points.presence = np.array([np.nan, np.nan, 0.25], np.float32)
    labels.add(1, 0, points)
    save_labels(labels, tmp_path / "x.csv")
    assert without_stamps(tmp_path / "x.csv") == (
        "frame,instance,keypoint,x,y,confidence,visible,source,anchor,steps,presence\n"
        "0,0,a,1.0,2.0,1.0,2,human,0,0,\n"
        "0,0,b,,,1.0,absent,human,0,0,\n"
        "0,0,c,,,,0,,-1,0,\n"
        "1,0,a,,,1.0,absent,human,1,0,\n"
        "1,0,c,,,0.75,absent,propagated,1,0,0.25\n"
    )
    assert_same_points(labels, load_labels(tmp_path / "x.csv"))


def test_absent_is_carried_in_a_field_that_peers_ignore(tmp_path: Path) -> None:
    labels = LabelSet(Skeleton(("a", "b", "c")))
    labels.add(0, 0, Points.human(0, np.array([[1.0, 2.0], [np.nan] * 2, [np.nan] * 2]), np.array([2, -1, 0])))
    save_labels(labels, tmp_path / "x.json")
    annotation = json.loads((tmp_path / "x.json").read_text())["annotations"][0]
    assert annotation["keypoints"] == [1, 2, 2, 0, 0, 0, 0, 0, 0]
    assert annotation["num_keypoints"] == 1
    assert annotation["poof"] == {"absent": ["b"]}
    assert_same_points(labels, load_labels(tmp_path / "x.json"))


def test_the_columns_of_refined_labels(tmp_path: Path) -> None:
    labels = LabelSet(Skeleton(("a", "b", "c")))
    labels.add(0, 0, Points.human(0, np.array([[1.0, 2.0], [np.nan, np.nan], [5.0, 6.0]])))
    points = Points.human(1, np.array([[3.0, 4.0], [7.0, 8.0], [9.0, 1.0]]))
    points.source[1:] = Source.REFINED
    points.flow_xy = np.array([[np.nan, np.nan], [6.1236, 8.0], [np.nan, np.nan]], np.float32)
    points.disputed = np.array([True, True, False])  # the first is a person's: no dispute any more
    labels.add(1, 0, points)
    save_labels(labels, tmp_path / "x.csv")
    assert without_stamps(tmp_path / "x.csv") == (
        "frame,instance,keypoint,x,y,confidence,visible,source,anchor,steps,flow_x,flow_y,disputed\n"
        "0,0,a,1.0,2.0,1.0,2,human,0,0,,,False\n"
        "0,0,b,,,,0,,-1,0,,,False\n"
        "0,0,c,5.0,6.0,1.0,2,human,0,0,,,False\n"
        "1,0,a,3.0,4.0,1.0,2,human,1,0,,,False\n"
        "1,0,b,7.0,8.0,1.0,2,refined,1,0,6.124,8.0,True\n"
        "1,0,c,9.0,1.0,1.0,2,refined,1,0,,,False\n"
    )
    back = load_labels(tmp_path / "x.csv").instances[1, 0]
    assert back.in_dispute.tolist() == [False, True, False]
    assert back.was_refined.tolist() == [False, True, False]
