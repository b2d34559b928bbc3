"""Motions: the gait, and figures that follow real joint tracks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from poof.errors import PoofError
from poof.labels.model import Skeleton, Visible
from poof.synthetic import DOMAINS, PENN_ACTION, PLAYER, Motion, build_scene, from_tracks, penn_joints, run
from poof.synthetic.skeleton import BONES, HEAD, LEFT_ANKLE, LEFT_HIP, LEFT_WRIST, RIGHT_ANKLE, RIGHT_HIP
from poof.synthetic.tracks import body_height


def standing(frames: int = 12, yaw: float = 0.0) -> np.ndarray:
    """(T, 13, 2) a player who stands at one place, turned by `yaw` degrees, 200 px tall."""
    return run([(0, 300, yaw), (frames, 300, yaw)], height=200, ground=380, frames=frames).joints[
        4 : 4 + 4 * frames : 4
    ]


def test_gait_keeps_its_limbs_and_its_feet_on_the_ground() -> None:
    motion = run([(0, 100, 90), (40, 420, 90)], height=200, ground=350, frames=40)
    space = np.concatenate([motion.joints, motion.depth[..., None]], -1) / 200
    for (a, b), length in BONES.items():
        np.testing.assert_allclose(np.linalg.norm(space[:, a] - space[:, b], axis=-1), length, rtol=1e-6)
    lowest = motion.joints[:, [LEFT_ANKLE, RIGHT_ANKLE], 1].max(1)
    assert (lowest <= 350).all() and lowest.max() > 330
    hips = motion.joints[:, [LEFT_HIP, RIGHT_HIP], 0].mean(1)
    assert hips[4] == pytest.approx(100, abs=1e-6) and hips[4 + 160] == pytest.approx(420, abs=1e-6)


def test_left_and_right_are_the_players_own() -> None:
    for yaw, sign in ((0, 1), (180, -1)):
        pose = standing(yaw=yaw)[0]
        assert np.sign(pose[PLAYER.index("left_hip"), 0] - pose[PLAYER.index("right_hip"), 0]) == sign
    # Facing the right of the image, the player's right side is the near one.
    motion = run([(0, 300, 90), (5, 300, 90)], height=200, ground=380, frames=5)
    assert motion.depth[4, PLAYER.index("right_shoulder")] > 10 > -10 > motion.depth[4, PLAYER.index("left_shoulder")]


def test_motion_passes_through_its_samples_and_holds_its_ends() -> None:
    motion = from_tracks(standing(), smooth=0)
    np.testing.assert_allclose(motion.pose(3).joints, motion.joints[3], atol=1e-9)
    np.testing.assert_array_equal(motion.pose(-4).joints, motion.pose(0).joints)
    np.testing.assert_array_equal(motion.pose(99).joints, motion.pose(motion.times[-1]).joints)
    half = motion.scaled(0.5)
    np.testing.assert_allclose(half.pose(2.5).joints, motion.pose(2.5).joints / 2, atol=1e-9)
    with pytest.raises(PoofError, match="joints holds NaN"):
        Motion(np.zeros(1), np.full((1, 13, 2), np.nan), np.zeros((1, 13)), np.zeros(1), np.ones(1))


def test_tracks_pass_through_unchanged_without_smoothing() -> None:
    joints = standing()
    motion = from_tracks(joints, smooth=0)
    np.testing.assert_allclose(motion.joints, joints, atol=1e-9)
    assert body_height(joints) == pytest.approx(200, rel=0.1)
    fast = from_tracks(joints, smooth=0, speed=2.0)
    np.testing.assert_allclose(fast.pose(3).joints, joints[6], atol=1e-9)


def test_height_rescales_the_body() -> None:
    motion = from_tracks(standing(), height=100)
    assert (motion.scale == 100).all()
    assert body_height(motion.joints) == pytest.approx(100, rel=1e-6)


@pytest.mark.parametrize("yaw", [0, 50, 90, 180, -90, -50])
def test_the_turn_of_a_track_is_found(yaw: float) -> None:
    joints = standing(30, yaw)
    near = np.ones((30, 13), bool)
    if yaw not in (0, 180):
        near[:, (1 if yaw > 0 else 2) :: 2] = False
    found = from_tracks(joints, visible=near).yaw[15]
    difference = np.angle(np.exp(1j * (found - np.deg2rad(yaw))))
    assert abs(np.rad2deg(difference)) < 25


def test_gaps_are_closed_and_far_off_joints_drawn_in() -> None:
    joints = standing()
    truth = joints.copy()
    joints[4:6, LEFT_WRIST] = np.nan
    joints[:, LEFT_ANKLE] = np.nan
    joints[:, HEAD] -= [0, 90]
    motion = from_tracks(joints, smooth=0)
    np.testing.assert_allclose(motion.joints[4:6, LEFT_WRIST], truth[4:6, LEFT_WRIST], atol=1.0)
    np.testing.assert_allclose(motion.joints[:, LEFT_ANKLE], truth[:, RIGHT_ANKLE], atol=30)
    chest = truth[:, 1:3].mean(1)
    reach = np.linalg.norm(motion.joints[:, HEAD] - chest, axis=-1)
    assert (reach < 0.17 * motion.scale[0]).all()
    joints[:, RIGHT_ANKLE] = np.nan
    with pytest.raises(PoofError, match="left_ankle is not known in any frame, nor is its partner"):
        from_tracks(joints)


def test_joints_are_found_by_name() -> None:
    joints = standing()
    order = np.random.default_rng(3).permutation(13)
    skeleton = Skeleton(tuple(PLAYER.keypoints[k] if k else "nose" for k in order))
    np.testing.assert_allclose(from_tracks(joints[:, order], skeleton, smooth=0).joints, joints, atol=1e-9)
    with pytest.raises(PoofError, match="no keypoint 'left_shoulder'"):
        from_tracks(joints[:, :2], Skeleton(("head", "tail")))
    with pytest.raises(PoofError, match="needs \\(frames, 13, 2\\)"):
        from_tracks(joints[:, :12])


def test_an_arm_called_hidden_passes_behind_the_trunk() -> None:
    joints = standing(30, 0)
    # Both wrists on the belly.
    belly = joints[:, [1, 2, 7, 8]].mean(1)
    joints[:, [5, 6]] = belly[:, None] + np.array([[8, 0], [-8, 0]])
    for seen in (True, False):
        visible = np.ones((30, 13), bool)
        visible[:, 3:7] = seen
        scene = build_scene(from_tracks(joints, visible=visible), occluders=0)
        wrists = scene.visible(15)[0, 5:7]
        assert (wrists == (Visible.VISIBLE if seen else Visible.OCCLUDED)).all()


def test_never_annotated_joints_of_penn_files_become_nan() -> None:
    x, y = np.full((4, 13), 40.0), np.full((4, 13), 60.0)
    x[:, 11] = y[:, 11] = 0.75
    x[2, 5] = y[2, 5] = 1.5
    visibility = np.ones((4, 13), np.uint8)
    visibility[:, 11] = 0
    joints, visible = penn_joints(x, y, visibility)
    assert np.isnan(joints[:, 11]).all() and np.isfinite(joints[:, :11]).all()
    np.testing.assert_array_equal(joints[0, 0], [39, 59])
    np.testing.assert_array_equal(joints[2, 5], [0.5, 0.5])
    assert not visible[:, 11].any() and visible[:, :11].all()
    assert PENN_ACTION.keypoints[:3] == ("head", "right_shoulder", "left_shoulder")
    assert sorted(PENN_ACTION.keypoints) == sorted(PLAYER.keypoints)


@pytest.mark.parametrize("domain", sorted(DOMAINS))
def test_a_staged_motion_stays_in_the_picture(domain: str) -> None:
    motion = run([(0, 0, 80), (40, 900, 20)], height=330, ground=500, frames=40)
    scenes = [build_scene(motion, domain, seed, size=(192, 160), frames=40) for seed in (1, 2)]
    for scene in scenes:
        for t in range(0, 40, 3):
            assert (scene.visible(t) != Visible.UNLABELLED).all()
        span = max(float((np.ptp(scene.points(t)[0], axis=0) / scene.size).max()) for t in range(40))
        assert 0.5 < span < 0.95
        image = scene.image(20)
        assert image.shape == (160, 192, 3) and image.std() > 20
    assert np.abs(scenes[0].image(5).astype(int) - scenes[1].image(5)).mean() > 5
    again = build_scene(motion, domain, 1, size=(192, 160), frames=40)
    np.testing.assert_array_equal(scenes[0].image(7), again.image(7))


def test_domains_look_different_and_wrong_names_are_told() -> None:
    motion = from_tracks(standing())
    means = [build_scene(motion, domain, 0, size=(96, 80)).image(0).mean((0, 1)) for domain in DOMAINS]
    for a in range(3):
        for b in range(a):
            assert np.abs(means[a] - means[b]).max() > 12
    with pytest.raises(PoofError, match="no domain 'moon'; there are hall, rink, field"):
        build_scene(motion, "moon")


def test_real_sports_tracks_drive_the_figure(data: Path) -> None:
    from scipy.io import loadmat

    folder = data / "penn-action-labels" / "labels"
    total = 0
    for number in range(5, 2326, 170):
        file = loadmat(folder / f"{number:04d}.mat", squeeze_me=True)
        joints, visible = penn_joints(file["x"], file["y"], file["visibility"])
        if np.isnan(joints).all(axis=(0, 2)).any():
            continue
        motion = from_tracks(joints, PENN_ACTION, visible)
        scene = build_scene(motion, seed=number, size=(160, 128), occluders=2)
        middle = scene.frames // 2
        assert (scene.visible(middle) != Visible.UNLABELLED).all(), number
        flow, _ = scene.flow(middle - 1, middle)
        assert np.isfinite(flow).all() and scene.image(middle).std() > 15
        # The figure has the recording's shape: one scale and one shift map it to the annotated joints.
        got = scene.points(middle)[0][[PLAYER.keypoints.index(n) for n in PENN_ACTION.keypoints]]
        wanted = joints[middle]
        a, b = got - got.mean(0), wanted - wanted.mean(0)
        correlation = (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())
        assert correlation > 0.95, number
        total += 1
    assert total >= 8
