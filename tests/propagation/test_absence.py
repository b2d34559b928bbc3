"""What a person says is absent stays absent, and ends what is carried."""

from __future__ import annotations

import numpy as np
import pytest

from poof.labels.model import LabelSet, Points, Skeleton, Source, Visible
from poof.propagation import Settings, propagate, summarise
from poof.propagation.presence import probability, switching
from poof.propagation.result_cache import ResultCache
from poof.synthetic import ExactFlow, SyntheticVideo, sample, truth
from poof.video.base import ArrayVideo

WHOLE = {"crop": False}


def said(exact: LabelSet, **frames: str) -> LabelSet:
    """Labels of keypoint 0 by frame, 'f5="+"': set, '-' absent, '0' not labelled; keypoint 1 is set in all of them."""
    labels = LabelSet(Skeleton(("tongue", "paw")), image_size=exact.image_size)
    for name, state in frames.items():
        frame = int(name[1:])
        xy = exact.instances[frame, 0].xy[:2].copy()
        if state != "+":
            xy[0] = np.nan
        flags = np.array([{"+": 2, "-": -1, "0": 0}[state], 2])
        labels.add(frame, 0, Points.human(frame, xy, flags))
    return labels


def tongue(result: LabelSet) -> dict[int, str]:
    """Frame -> '+' where the first keypoint has a place, '-' where it is absent, '0' where nothing is known of it."""
    marks = {}
    for frame, _, points in result:
        marks[frame] = "+" if points.labelled[0] else "-" if points.absent[0] else "0"
    return marks


def carried(labels: LabelSet, radius: int = 5, **options: object) -> LabelSet:
    scene = sample("constant")
    return propagate(SyntheticVideo(scene), labels, ExactFlow(scene), Settings(radius, **(WHOLE | options)))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def exact() -> LabelSet:
    return truth(sample("constant"))


@pytest.mark.parametrize("method", ["blend", "chain", "thesis"])
def test_no_point_where_a_label_says_absent_nor_behind_it(exact: LabelSet, method: str) -> None:
    result = carried(said(exact, f2="+", f6="-", f11="0"), method=method)
    marks = tongue(result)
    assert marks[6] == "-"
    assert "+" not in {marks[f] for f in range(7, 12)}, "the chain from frame 2 ends at frame 6"
    assert marks[3] == "+"
    assert (result.instances[6, 0].source == Source.HUMAN).all()
    assert all(result.instances[f, 0].labelled[1] for f in range(12)), "the other keypoint goes on"


def test_between_two_labels_that_say_absent_there_is_none(exact: LabelSet) -> None:
    result = carried(said(exact, f0="+", f3="-", f9="-", f11="+"))
    marks = tongue(result)
    assert {marks[f] for f in range(4, 9)} == {"-"}
    points = result.instances[6, 0]
    assert points.source[0] == Source.PROPAGATED
    assert points.presence is not None and points.presence[0] < 0.5
    assert points.confidence[0] == pytest.approx(1 - points.presence[0])


def test_a_keypoint_that_no_label_calls_absent_has_no_presence_and_is_carried_as_ever(exact: LabelSet) -> None:
    result = carried(said(exact, f2="+", f6="0", f11="+"))
    assert set(tongue(result).values()) == {"+"}
    assert all(points.presence is None for _, _, points in result)


def test_a_keypoint_that_only_a_third_label_has_is_carried_backwards_through_the_others(exact: LabelSet) -> None:
    result = carried(said(exact, f2="0", f5="0", f8="+"), radius=6)
    marks = tongue(result)
    assert {marks[f] for f in range(2, 12)} == {"+"}
    assert result.instances[3, 0].anchor[0] == 8
    first = carried(said(exact, f2="+", f5="0", f8="0"), radius=6)
    assert {tongue(first)[f] for f in range(9)} == {"+"}


def test_instances_of_which_everything_is_absent_are_kept_and_carry_nothing(exact: LabelSet) -> None:
    labels = said(exact, f2="+", f8="+")
    nowhere = np.full((2, 2), np.nan)
    labels.add(5, 0, Points.human(5, nowhere, np.array([-1, -1])))
    labels.add(5, 1, Points.human(5, nowhere, np.array([-1, -1])))
    result = carried(labels)
    assert result.instances[5, 0].absent.all()
    assert (5, 1) not in result.instances or not result.instances[5, 1].labelled.any()


def test_finished_parts_know_of_absence(exact: LabelSet, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """A label that is changed to absent re-runs its windows and gives what a full run gives."""
    scene = sample("constant")
    video = ArrayVideo([image for _, image in SyntheticVideo(scene).frames()])
    video.path = tmp_path / "clip.raw"  # type: ignore[attr-defined]
    video.path.write_bytes(b"the frames")  # type: ignore[attr-defined]
    flow, settings, cache = ExactFlow(scene), Settings(5, **WHOLE), ResultCache(tmp_path / "cache")  # type: ignore[arg-type]
    propagate(video, said(exact, f2="+", f6="0", f11="+"), flow, settings, cache=cache)
    again = propagate(video, said(exact, f2="+", f6="-", f11="+"), flow, settings, cache=cache)
    full = propagate(video, said(exact, f2="+", f6="-", f11="+"), flow, settings)
    for frame, instance, points in full:
        other = again.instances[frame, instance]
        np.testing.assert_array_equal(points.xy, other.xy)
        np.testing.assert_array_equal(points.visible, other.visible)


def test_the_summary_counts_absent_keypoints(exact: LabelSet) -> None:
    labels = said(exact, f0="+", f3="-", f9="-", f11="+")
    labels.assumed_absent = {(3, 0, 0)}
    summary = summarise(carried(labels))
    assert summary["absent"] >= 5
    assert summary["assumed_absent"] == 1


# ------------------------------------------------------------------------------------- the hidden Markov model


def test_without_evidence_presence_falls_from_one_label_to_the_next() -> None:
    frames = np.arange(11)
    state = np.zeros(11, int)
    state[0], state[10] = 1, -1
    p = probability(frames, state, np.zeros(11))
    assert p[0] == pytest.approx(1, abs=1e-9)
    assert p[10] == pytest.approx(0, abs=1e-9)
    assert (np.diff(p) < 0).all()


def test_three_frames_by_hand() -> None:
    """p(present at 1) by the sum over both states, with the share and memory that the labels give."""
    frames, state, odds = np.array([0, 1, 2]), np.array([1, 0, -1]), np.array([0.0, 0.7, 0.0])
    share, memory = switching(frames, state)
    kept = np.exp(-1 / memory)

    def move(a: int, b: int) -> float:
        return kept * (a == b) + (1 - kept) * (share if b else 1 - share)

    like = {1: 1 / (1 + np.exp(-0.7)), 0: 1 / (1 + np.exp(0.7))}
    paths = {b: move(1, b) * like[b] * move(b, 0) for b in (0, 1)}
    assert probability(frames, state, odds)[1] == pytest.approx(paths[1] / sum(paths.values()), abs=1e-9)


def test_a_keypoint_whose_labels_alternate_is_forgotten_sooner_than_one_whose_labels_agree() -> None:
    frames = np.arange(0, 80, 10)
    alternating, steady = np.array([1, -1] * 4), np.array([1, 1, 1, 1, -1, -1, -1, -1])
    assert switching(frames, alternating)[1] < switching(frames, steady)[1]
    assert switching(frames, alternating)[0] == pytest.approx(0.5)


# ------------------------------------------------------------------------------------------------ what is to be seen


def test_a_keypoint_ends_where_its_place_looks_like_the_absent_one() -> None:
    """A red disc on a grey wall goes out at frame 6 of 12; flow stays where it is and cannot know."""
    rng = np.random.default_rng(0)
    wall = rng.integers(90, 140, (96, 128, 1)).astype(np.uint8).repeat(3, axis=2)
    y, x = np.mgrid[:96, :128]
    disc = (x - 60) ** 2 + (y - 48) ** 2 < 36
    frames = []
    for t in range(13):
        image = wall.copy()
        if t < 6:
            image[disc] = (200, 30, 40)
        frames.append(image)
    labels = LabelSet(Skeleton(("light", "a", "b")), image_size=(128, 96))
    others = [[20, 20], [100, 80]]
    labels.add(0, 0, Points.human(0, np.array([[60, 48], *others], float)))
    labels.add(12, 0, Points.human(12, np.array([[np.nan] * 2, *others]), np.array([-1, 2, 2])))
    result = propagate(ArrayVideo(frames), labels, settings=Settings(6, min_presence=0.5))
    marks = tongue(result)
    assert [marks[f] for f in range(13)] == ["+"] * 6 + ["-"] * 7
    assert result.instances[5, 0].presence is not None
    assert result.instances[5, 0].presence[0] > 0.8
    assert result.instances[7, 0].presence[0] < 0.2  # type: ignore[index]


@pytest.mark.slow
def test_a_mouse_without_a_tongue_gets_none(data) -> None:  # type: ignore[no-untyped-def]
    """Labels by the protocol, radius 20: of 32 hidden frames without a tongue 11 got one, 7 with one kept it."""
    from poof.labels import load_labels
    from poof.video import open_video

    folder = data / "dlc-reaching"
    full = load_labels(folder / "labels_video_416x374.csv")
    chosen = [full.frames[0]]
    for frame in full.frames:
        if frame - chosen[-1] >= 20:
            chosen.append(frame)
    given = full.replace(instances={key: p for key, p in full.instances.items() if key[0] in chosen})
    result = propagate(open_video(folder / "vid.avi"), given, settings=Settings(20))
    k = full.skeleton.index("Tongue")
    hidden = [(p.labelled[k], f) for f, _, p in full if f not in chosen]
    got = {f for f, _, p in result if p.labelled[k]}
    assert sum(f in got for there, f in hidden if not there) <= 5
    assert sum(f in got for there, f in hidden if there) >= 6
    assert not got & {f for f, _, p in given if p.absent[k]}
    assert result.instances[5, 0].visible[k] == Visible.ABSENT
