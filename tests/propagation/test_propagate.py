"""The whole of `propagate` on clips whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from poof.errors import PoofError
from poof.flow.base import FlowEstimator
from poof.flow.registry import create_flow, create_flows
from poof.labels.model import LabelSet, Points, Skeleton, Source
from poof.propagation import Settings, propagate, summarise
from poof.synthetic import ExactFlow, SyntheticVideo, sample, truth
from poof.video.base import ArrayVideo, Damage

WHOLE = {"crop": False}  # ExactFlow knows frames, not parts of them


def only(labels: LabelSet, *frames: int) -> LabelSet:
    """The labels of some frames."""
    return labels.replace(instances={key: p.copy() for key, p in labels.instances.items() if key[0] in frames})


def errors(result: LabelSet, exact: LabelSet) -> dict[int, float]:
    """Largest error by frame, pixels."""
    return {
        f: float(np.nanmax(np.hypot(*(p.xy - exact.instances[f, i].xy).T)))
        for f, i, p in result
        if (f, i) in exact.instances
    }


@pytest.mark.parametrize("method", ["blend", "chain", "thesis"])
def test_constant_motion_is_followed_exactly_by_every_method(method: str) -> None:
    scene = sample("constant")
    exact = truth(scene)
    result = propagate(SyntheticVideo(scene), only(exact, 5), ExactFlow(scene), Settings(5, method, **WHOLE))
    assert result.frames == list(range(11))
    assert max(errors(result, exact).values()) < 1e-3


def test_affine_motion_is_followed_by_true_flow_and_missed_by_the_thesis_step_as_computed() -> None:
    scene = sample("affine")
    exact = truth(scene)
    given = only(exact, 8)
    step = scene.camera.step
    chain = propagate(SyntheticVideo(scene), given, ExactFlow(scene), Settings(3, "chain", **WHOLE))
    assert max(errors(chain, exact).values()) < 5e-3
    thesis = propagate(SyntheticVideo(scene), given, ExactFlow(scene), Settings(3, "thesis", **WHOLE))
    expected = given.instances[8, 0].xy.astype(float)
    for frame in (7, 6, 5):
        expected = 2 * expected - (expected @ step[:, :2].T + step[:, 2])  # (3.2) with M = A x + b - x
        np.testing.assert_allclose(thesis.instances[frame, 0].xy, expected, atol=5e-3)
    assert errors(thesis, exact)[5] > 0.05
    assert errors(thesis, exact)[11] < 5e-3


def test_provenance_of_every_point() -> None:
    scene = sample("constant")
    exact = truth(scene)
    result = propagate(SyntheticVideo(scene), only(exact, 2, 9), ExactFlow(scene), Settings(3, "chain", **WHOLE))
    assert result.frames == list(range(12))
    for frame, anchor in ((0, 2), (4, 2), (5, 2), (6, 9), (11, 9)):
        points = result.instances[frame, 0]
        assert (points.source == Source.PROPAGATED).all()
        assert (points.anchor == anchor).all() and (points.steps == abs(frame - anchor)).all()
        assert ((points.confidence >= 0) & (points.confidence <= 1)).all()
    for frame in (2, 9):
        assert (result.instances[frame, 0].source == Source.HUMAN).all()
        assert (result.instances[frame, 0].steps == 0).all()


@pytest.mark.parametrize("options", [{}, {"method": "chain"}, {"method": "thesis", "overlap": "blend"}])
def test_a_persons_point_is_never_changed(options: dict[str, str]) -> None:
    scene = sample("constant")
    given = only(truth(scene), 3, 5, 6)
    rng = np.random.default_rng(0)
    for points in given.instances.values():
        points.xy += rng.normal(0, 4, points.xy.shape).astype(np.float32)  # labels that flow would contradict
    before = {key: points.xy.copy() for key, points in given.instances.items()}
    result = propagate(SyntheticVideo(scene), given, ExactFlow(scene), Settings(4, **options, **WHOLE))
    for key, xy in before.items():
        np.testing.assert_array_equal(result.instances[key].xy, xy)
        np.testing.assert_array_equal(given.instances[key].xy, xy)
        assert result.instances[key].is_human.all()


def test_overlapping_windows_are_settled_by_the_nearest_anchor_or_blended() -> None:
    scene = sample("constant")
    exact = truth(scene)
    given = only(exact, 2, 8)
    given.instances[8, 0].xy += 6  # two labels that disagree by (6, 6)
    video, flow = SyntheticVideo(scene), ExactFlow(scene)
    nearest = propagate(video, given, flow, Settings(6, "chain", **WHOLE))
    blended = propagate(video, given, flow, Settings(6, "chain", overlap="blend", **WHOLE))
    for frame, near, mixed in ((3, 0, 1), (4, 0, 2), (5, 0, 3), (6, 6, 4), (7, 6, 5)):
        off = nearest.instances[frame, 0].xy - exact.instances[frame, 0].xy
        np.testing.assert_allclose(off, near, atol=2e-3)
        np.testing.assert_allclose(blended.instances[frame, 0].xy - exact.instances[frame, 0].xy, mixed, atol=2e-3)


def test_points_that_leave_the_image_are_left_out_and_counted() -> None:
    scene = sample("constant", velocity=(9.0, 0.0))
    exact = truth(scene)
    result = propagate(SyntheticVideo(scene), only(exact, 0), ExactFlow(scene), Settings(11, "chain", **WHOLE))
    inside = sum(int(p.labelled.sum()) for f, _, p in exact if f > 0)
    got = sum(int(p.labelled.sum()) for f, _, p in result if f > 0)
    assert inside < 8 * 11
    assert abs(got - inside) <= 1  # a point on the very border may count either way
    assert result.info["propagation"]["left_out"] == {"left the image": 8 * 11 - got}


def test_a_keypoint_labelled_in_one_frame_of_several_is_carried_through_the_others() -> None:
    scene = sample("constant")
    exact = truth(scene)
    given = only(exact, 2, 6, 10)
    given.instances[6, 0].xy[3] = np.nan
    given.instances[6, 0] = Points.human(6, given.instances[6, 0].xy)
    result = propagate(SyntheticVideo(scene), given, ExactFlow(scene), Settings(4, **WHOLE))
    points = result.instances[6, 0]
    assert points.source[3] == Source.PROPAGATED and points.is_human.sum() == 7
    np.testing.assert_allclose(points.xy[3], exact.instances[6, 0].xy[3], atol=2e-3)
    assert points.steps[3] == 4


def test_a_cut_ends_the_windows() -> None:
    scene = sample("cut")
    video = ArrayVideo([image for _, image in SyntheticVideo(scene).frames(8, 25)])
    exact = truth(scene)
    given = exact.replace(instances={(8, 0): exact.instances[16, 0]})
    result = propagate(video, given, create_flow("dis"), Settings(8))
    assert result.info["propagation"]["cuts"] == [12]
    assert result.frames == list(range(12))
    assert result.info["propagation"]["left_out"]["behind a scene cut"] == 5 * len(exact.skeleton)


def test_a_still_clip_stays_still() -> None:
    scene = sample("still")
    exact = truth(scene)
    video = ArrayVideo([image for _, image in SyntheticVideo(scene).frames()])
    result = propagate(video, only(exact, 0), create_flow("dis"), Settings(11))
    assert max(errors(result, exact).values()) < 1e-3


@pytest.mark.slow  # quick: the demo itself, in tests/cli
def test_the_demo_stays_good() -> None:
    """What `poof demo` shows, without the coding of its video: 3.1 px when written; straight lines reach 17."""
    scene = sample("demo")
    exact = truth(scene)
    video = ArrayVideo([image for _, image in SyntheticVideo(scene).frames()])
    result = propagate(video, only(exact, 10, 31, 52), create_flows("dis"), Settings(10))
    hidden = [np.hypot(*(p.xy - exact.instances[f, i].xy).T) for f, i, p in result if f not in (10, 31, 52)]
    assert float(np.nanmean(np.concatenate(hidden))) < 4.0
    assert result.frames == list(range(60))


class Truncated(ArrayVideo):
    """Breaks off before its end."""

    def frames(self, start: int = 0, stop: int | None = None):  # type: ignore[no-untyped-def]
        for number, image in super().frames(start, stop):
            if number == 8:
                self.damage = Damage(8, "made up")
                return
            yield number, image


def test_damage_ends_the_work_but_keeps_what_came_before() -> None:
    scene = sample("constant")
    exact = truth(scene)
    video = Truncated([image for _, image in SyntheticVideo(scene).frames()])
    with pytest.warns(UserWarning, match=r"damaged from frame 8 on \(made up\); labels of frame 10"):
        result = propagate(video, only(exact, 4, 10), ExactFlow(scene), Settings(3, **WHOLE))
    assert result.frames == list(range(1, 8))
    assert summarise(result)["damage"] == {"frame": 8, "reason": "made up"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda g: g.replace(instances={}), "no point that a person set"),
        (lambda g: g.replace(image_size=(640, 480)), "640x480"),
        (lambda g: g.replace(instances={(40, 0): Points.human(40, np.full((8, 2), 9.0))}), "frame 40"),
        (lambda g: g.replace(instances={(4, 0): Points.human(4, np.full((8, 2), 900.0))}), "frame 4"),
    ],
)
def test_labels_that_cannot_belong_to_the_video_are_refused(change, words: str) -> None:  # type: ignore[no-untyped-def]
    scene = sample("constant")
    with pytest.raises(PoofError, match=words):
        propagate(SyntheticVideo(scene), change(only(truth(scene), 4)), ExactFlow(scene), Settings(3, **WHOLE))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"radius": 0}, "--radius 0"),
        ({"radius": -3}, "between 1 and"),
        ({"method": "magic"}, "blend, chain, thesis"),
        ({"overlap": "last"}, "nearest, blend"),
        ({"max_size": 8}, "--max-size 8"),
        ({"min_confidence": 1.5}, "between 0 and 1"),
        ({"method": "blend", "backward": "thesis"}, "--backward thesis"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(PoofError, match=words):
        Settings(**options)  # type: ignore[arg-type]


def test_crops_agree_with_the_whole_frame_and_are_no_worse() -> None:
    scene = sample("demo")
    exact = truth(scene)
    video = ArrayVideo([image for _, image in SyntheticVideo(scene).frames(31, 40)])
    given = LabelSet(exact.skeleton, {(0, 0): Points.human(0, exact.instances[31, 0].xy)}, video.size)
    flow = create_flow("dis")
    whole = propagate(video, given, flow, Settings(8, "chain", crop=False))
    crop = propagate(video, given, flow, Settings(8, "chain"))
    assert whole.frames == crop.frames == list(range(9))
    places = [np.stack([r.instances[f, 0].xy for f in range(1, 9)]) for r in (whole, crop)]
    right = np.stack([exact.instances[f + 31, 0].xy for f in range(1, 9)])
    assert float(np.nanmedian(np.hypot(*np.moveaxis(places[0] - places[1], -1, 0)))) < 1.0
    off = [float(np.nanmean(np.hypot(*np.moveaxis(place - right, -1, 0)))) for place in places]
    assert off[1] < off[0] * 1.05 + 0.1


def test_a_keypoint_hidden_at_its_label_follows_the_body() -> None:
    scene = sample("hidden-at-anchor")
    exact = truth(scene)
    images = [image for _, image in SyntheticVideo(scene).frames(5, 16)]
    given = LabelSet(exact.skeleton, {}, (640, 360))
    there = exact.instances[10, 0]
    given.add(5, 0, Points.human(5, there.xy, there.visible))
    behind = [exact.skeleton.index(name) for name in ("left_elbow", "left_wrist")]
    assert (there.visible[behind] == 1).all()
    result = propagate(ArrayVideo(images), given, create_flow("dis"), Settings(5))
    far = [np.hypot(*(result.instances[f, 0].xy - exact.instances[f + 5, 0].xy).T)[behind] for f in (0, 1, 9, 10)]
    assert float(np.nanmax(far)) < 40  # the board moves by 24 px a frame: following it costs 120


class Counting(FlowEstimator):
    """Counts the pairs it is asked for."""

    name = "counting"

    def __init__(self) -> None:
        self.forward = self.backward = 0

    def prepare(self, images: np.ndarray) -> list[np.ndarray]:
        return list(images)

    def between(self, first: list[np.ndarray], second: list[np.ndarray]) -> np.ndarray:
        self.forward += len(first)
        return np.zeros((len(first), 2, *first[0].shape[:2]), np.float32)

    def both(self, first: list[np.ndarray], second: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        self.backward += len(first)
        return self.between(first, second), np.zeros((len(first), 2, *first[0].shape[:2]), np.float32)

    def describe(self) -> dict[str, object]:
        return {"name": self.name}


def test_the_thesis_needs_2r_forward_flows_a_label_and_no_pair_is_asked_for_twice() -> None:
    rng = np.random.default_rng(1)
    video = ArrayVideo(list(rng.integers(0, 255, (60, 48, 64, 3), np.uint8)))
    given = LabelSet(Skeleton(("a", "b")), image_size=video.size)
    for frame in (10, 40):
        given.add(frame, 0, Points.human(frame, np.array([[20.0, 20.0], [40.0, 30.0]])))
    flow = Counting()
    propagate(video, given, flow, Settings(5, "thesis", **WHOLE))
    assert (flow.forward, flow.backward) == (2 * 2 * 5, 0)
