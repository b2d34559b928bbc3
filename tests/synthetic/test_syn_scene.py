"""Pictures, keypoints and visibility of the scenes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from syn_geometry import sharp

from poof.errors import PoofError
from poof.labels.model import Source, Visible
from poof.synthetic import (
    PLAYER,
    SAMPLES,
    Camera,
    Clothing,
    Figure,
    Occluder,
    Scene,
    Spliced,
    SyntheticVideo,
    render,
    sample,
    truth,
)
from poof.synthetic.figure import CARRIERS


def painted_owner(scene: Scene, time: float) -> tuple[list[str], np.ndarray]:
    """Keys and the id buffer found by painting: the last surface that covers at least half of a pixel."""
    width, height = scene.size
    surfaces = scene.surfaces(time)
    ids = np.zeros((height, width), int)
    for number, surface in enumerate(surfaces[1:], start=1):
        black, white = np.zeros((height, width, 3), np.float32), np.full((height, width, 3), 255, np.float32)
        surface.paint(black)
        surface.paint(white)
        ids[1 - (white - black)[..., 0] / 255 > 0.5] = number
    return [s.key for s in surfaces], ids


@pytest.mark.parametrize("name", ["demo", "two-players", "hidden-at-anchor"])
def test_visibility_agrees_with_what_is_painted(name: str) -> None:
    scene = sharp(sample(name))
    checked = {Visible.OCCLUDED: 0, Visible.VISIBLE: 0}
    for time in range(0, scene.frames, 7):
        keys, ids = painted_owner(scene, time)
        points, visible = scene.points(time), scene.visible(time)
        for i, k in np.ndindex(visible.shape):
            x, y = np.rint(points[i, k]).astype(int)
            around = {keys[n] for n in ids[y - 1 : y + 2, x - 1 : x + 2].ravel()}
            carriers = {f"player {i}/{part}" for part in CARRIERS[k]}
            if around <= carriers:
                wanted = Visible.VISIBLE
            elif not around & carriers:
                wanted = Visible.OCCLUDED
            else:
                continue
            assert visible[i, k] == wanted, (time, PLAYER.keypoints[k])
            checked[wanted] += 1
    assert min(checked.values()) > 15


def test_points_outside_are_out_of_frame_and_unlabelled() -> None:
    scene = replace(sample("still"), camera=Camera(((0, 650, 226, 1, 0),)))
    points, visible = scene.points(0)[0], scene.visible(0)[0]
    outside = points[:, 0] < 0
    assert 0 < outside.sum() < 13
    assert (visible[outside] == Visible.UNLABELLED).all()
    labels = truth(scene).instances[0, 0]
    assert np.isnan(labels.xy[outside]).all() and labels.labelled[~outside].all()


def test_a_post_hides_exactly_what_it_covers() -> None:
    scene = replace(sample("still"), occluders=())
    elbow = scene.points(0)[0, PLAYER.index("right_elbow")]
    view = scene.camera.matrix(0, scene.size)
    world = np.linalg.inv(view)[:2, :2] @ elbow + np.linalg.inv(view)[:2, 2]
    for offset, wanted in ((0.0, Visible.OCCLUDED), (14.0, Visible.VISIBLE)):
        post = Occluder((float(world[0] + offset), float(world[1])), (12, 40))
        flags = replace(scene, occluders=(post,)).visible(0)[0]
        assert flags[PLAYER.index("right_elbow")] == wanted


@pytest.mark.parametrize(
    "name",
    [
        # Made as the demo is.
        pytest.param(name, marks=pytest.mark.slow) if name in ("cut", "hidden-at-anchor", "two-players") else name
        for name in sorted(SAMPLES)
    ],
)
def test_same_seed_same_bytes_other_seed_other_bytes(name: str) -> None:
    first, again, other = sample(name), sample(name), sample(name, seed=5)
    number = first.frames // 2
    assert render(first, number).image.tobytes() == render(again, number).image.tobytes()
    assert render(first, number).image.tobytes() != render(other, number).image.tobytes()
    np.testing.assert_array_equal(first.points(number), again.points(number))


def test_frames_do_not_depend_on_the_order_in_which_they_are_asked_for() -> None:
    video = SyntheticVideo(sample("demo"))
    forward = dict(video.frames(5, 8))
    assert list(forward) == [5, 6, 7]
    np.testing.assert_array_equal(video.read([7])[7], forward[7])
    np.testing.assert_array_equal(dict(video.frames(7, 8))[7], forward[7])


def test_the_still_sample_repeats_its_frame_unless_it_is_noisy() -> None:
    quiet, noisy = sample("still"), sample("still", noise=3.0)
    np.testing.assert_array_equal(quiet.image(0), quiet.image(11))
    difference = noisy.image(0).astype(int) - noisy.image(1)
    # Two independent frames of sigma 3 differ by 3 * sqrt(2), a little less where clipping cuts.
    assert difference.std() == pytest.approx(3 * np.sqrt(2), rel=0.05)


def test_motion_blur_softens_what_moves_and_nothing_else() -> None:
    scene = replace(sample("demo"), noise=0, flicker=0, shadow=0, camera=Camera(((0, 400, 226, 1, 0),)))
    blurred, frozen = scene.image(8).astype(float), replace(scene, shutter=0).image(8).astype(float)
    change = np.abs(blurred - frozen).max(-1)
    points = scene.points(8)[0]
    low, high = points.min(0) - 40, points.max(0) + 40
    y, x = np.mgrid[:360, :640]
    far = (x < low[0]) | (x > high[0]) | (y < low[1]) | (y > high[1])
    assert change[far].max() == 0
    assert (change > 10).sum() > 300
    # Averaging over symmetric instants keeps the middle: the number of instants grows with the speed.
    instants = scene.exposure(8)
    assert len(instants) > 2 and np.mean(instants) == pytest.approx(8)
    assert max(instants) - min(instants) < scene.shutter


def test_occlusion_at_the_chosen_anchors_only() -> None:
    scene = sample("hidden-at-anchor", frames=(10, 31))
    hidden = [PLAYER.index("left_elbow"), PLAYER.index("left_wrist")]
    bare = replace(scene, occluders=())
    for frame in (10, 31):
        assert (scene.visible(frame)[0, hidden] == Visible.OCCLUDED).all()
        assert (bare.visible(frame)[0, hidden] == Visible.VISIBLE).all()
    for frame in (0, 5, 16, 22, 26, 37):
        np.testing.assert_array_equal(scene.visible(frame), bare.visible(frame))


def test_the_demo_tells_its_story() -> None:
    scene = sample("demo")
    flags = np.stack([scene.visible(t)[0] for t in range(scene.frames)])
    assert scene.size == (640, 360) and scene.frames == 60
    assert (flags != Visible.UNLABELLED).all(), "nobody leaves the picture"
    behind = [
        t for t in range(scene.frames) if (scene.visible(t) != replace(scene, occluders=()).visible(t)).sum() >= 3
    ]
    assert behind and min(behind) > 5 and max(behind) < 30, "the post hides several joints at once, and lets go again"
    width = np.array([np.diff(scene.points(t)[0, [2, 1], 0])[0] for t in range(scene.frames)])
    assert width.min() < 10 < 40 < width.max(), "the shoulders open while the player turns to the camera"
    swap = flags[:, PLAYER.index("left_shoulder")] != flags[:, PLAYER.index("right_shoulder")]
    assert swap[:20].any() and swap[50:].any()
    way = np.abs(np.diff(np.stack([scene.points(t)[0] for t in range(60)]), axis=0))
    assert 4 < way.max() < 40


def test_truth_is_a_label_set_of_human_points() -> None:
    scene = sample("two-players")
    labels = truth(scene)
    assert len(labels) == 2 * scene.frames and labels.image_size == (640, 360)
    assert labels.skeleton == PLAYER
    for frame, instance, points in labels:
        kept = points.labelled
        assert (points.source[kept] == Source.HUMAN).all() and (points.anchor[kept] == frame).all()
        np.testing.assert_allclose(points.xy[kept], scene.points(frame)[instance][kept], atol=1e-4)
        np.testing.assert_array_equal(points.visible, scene.visible(frame)[instance])


def test_the_nearer_player_covers_the_other() -> None:
    scene = sample("two-players")
    alone = replace(scene, players=scene.players[:1])
    hidden = [(scene.visible(t)[0] < alone.visible(t)[0]).sum() for t in range(scene.frames)]
    assert max(hidden) >= 4 and hidden[0] == 0
    near = replace(scene, players=scene.players[1:])
    for t in range(0, 50, 10):
        np.testing.assert_array_equal(scene.visible(t)[1], near.visible(t)[0])


def test_a_cut_changes_everything_at_once() -> None:
    scene = sample("cut")
    images = [scene.image(n).astype(float) for n in range(scene.cut - 2, scene.cut + 2)]
    steps = [np.abs(b - a).mean() for a, b in pairwise(images)]
    assert steps[1] > 3 * max(steps[0], steps[2])
    assert scene.frames == 40 and len(truth(scene).frames) == 40


DEMO = sample("demo")


@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**31), st.floats(0, 70))
@settings(max_examples=20, deadline=None)
def test_any_size_any_seed_any_time(width: int, height: int, seed: int, time: float) -> None:
    figure = DEMO.players[0]
    assert isinstance(figure, Figure)
    dressed = Figure(figure.motion, Clothing(seed, 60))
    scene = replace(DEMO, players=(dressed,), size=(width, height), seed=seed)
    flow, valid = scene.flow(time, time + 1)
    assert flow.shape == (2, height, width) and valid.shape == (height, width)
    assert np.isfinite(flow).all() and np.isfinite(scene.points(time)).all()
    image = scene.image(int(time))
    assert image.shape == (height, width, 3) and image.dtype == np.uint8


def test_errors_name_what_is_wrong() -> None:
    with pytest.raises(PoofError, match="no sample 'dmeo'; there are demo, two-players"):
        sample("dmeo")
    with pytest.raises(PoofError, match="demo: has no frame 60; it ends at frame 59"):
        render(sample("demo"), 60)
    with pytest.raises(PoofError, match="demo: a scene needs a frame and a pixel"):
        replace(DEMO, frames=0)
    with pytest.raises(PoofError, match="at least one player, and one skeleton"):
        replace(DEMO, players=(*DEMO.players, *sample("constant").players))
    with pytest.raises(PoofError, match="no outfit 'chess'"):
        Clothing(outfit="chess")
    with pytest.raises(PoofError, match="differ in size"):
        Spliced(DEMO, replace(DEMO, size=(320, 180)))
    with pytest.raises(PoofError, match="same number of players"):
        Spliced(DEMO, sample("two-players", seed=0))
    with pytest.raises(PoofError, match="no such motion has half a step"):
        sample("affine", step=np.array([[-1.0, 0, 0], [0, 1, 0]])).points(0.5)
    with pytest.raises(PoofError, match="not \\(n, 5\\)"):
        Camera(((5, 0, 0, 1),)).matrix(0, (10, 10))
    with pytest.raises(PoofError, match="must increase"):
        Camera(((5, 0, 0, 1, 0), (5, 1, 0, 1, 0))).matrix(0, (10, 10))
