"""The flow: moves keypoints and pixels exactly, in closed form where there is one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from syn_geometry import read

from poof.errors import PoofError
from poof.labels.model import Visible
from poof.synthetic import ExactFlow, Scene, sample, truth
from poof.synthetic.scene import topmost
from poof.synthetic.surfaces import grid


def owners(scene: Scene, time: float) -> np.ndarray:
    return topmost(scene.surfaces(time), grid((0, 0, *scene.size)))


def near_outline(ids: np.ndarray, width: int) -> np.ndarray:
    kernel = np.ones((width, width), np.uint8)
    ids = ids.astype(np.uint8)
    return cv2.dilate(ids, kernel) != cv2.erode(ids, kernel)


@pytest.mark.parametrize("name", ["demo", "two-players", "hidden-at-anchor"])
def test_flow_carries_visible_keypoints_to_the_next_frame(name: str) -> None:
    scene = sample(name)
    errors = []
    for t in range(0, scene.frames - 1, 10):
        for first, second in ((t, t + 1), (t + 1, t)):
            flow, _ = scene.flow(first, second)
            here, there = scene.points(first), scene.points(second)
            # Within two pixels of an outline the bilinear read mixes surfaces; everywhere else the flow is exact.
            outline = near_outline(owners(scene, first), 5)
            column, row = np.clip(np.rint(here).astype(int), 0, np.array(scene.size) - 1).transpose(2, 0, 1)
            take = (scene.visible(first) == Visible.VISIBLE) & ~outline[row, column]
            errors.append(np.abs(here + read(flow, here) - there)[take])
    errors = np.concatenate(errors)
    assert len(errors) > 60
    assert errors.max() < 0.05


@pytest.mark.parametrize("first, second", [(8, 9), (9, 8), (40, 41), (14, 17)])
def test_warping_back_gives_the_first_frame(clean: Scene, first: int, second: int) -> None:
    flow, valid = clean.flow(first, second)
    width, height = clean.size
    x, y = (np.arange(width, dtype=np.float32)[None] + flow[0], np.arange(height, dtype=np.float32)[:, None] + flow[1])
    here, there = (clean.image(n).astype(np.float32) for n in (first, second))
    warped = cv2.remap(there, x, y, cv2.INTER_CUBIC)
    ids = owners(clean, first)
    blurred = cv2.remap(near_outline(owners(clean, second), 5).astype(np.float32), x, y, cv2.INTER_LINEAR) > 0
    take = valid & ~near_outline(ids, 5) & ~blurred
    error = (warped - here)[take]
    assert take.mean() > 0.85
    assert 10 * np.log10(255**2 / np.mean(error**2)) > 38
    on_player = take & (ids > 0)
    player = (warped - here)[on_player]
    assert on_player.sum() > 3000
    # The lamp stays while limbs turn, so their shading changes a little.
    assert 10 * np.log10(255**2 / np.mean(player**2)) > 30
    assert np.mean(player**2) < 0.1 * np.mean((there - here)[on_player] ** 2)


def test_forward_and_backward_flow_cancel_where_valid(clean: Scene) -> None:
    forward, valid = clean.flow(20, 21)
    backward, _ = clean.flow(21, 20)
    pixels = grid((0, 0, *clean.size))
    target = pixels + np.moveaxis(forward, 0, -1)
    outline = near_outline(owners(clean, 21), 3)
    column, row = np.clip(np.rint(target).astype(int), 0, np.array(clean.size) - 1).transpose(2, 0, 1)
    take = valid & ~outline[row, column]
    error = np.abs(np.moveaxis(forward, 0, -1) + read(backward, target))[take]
    assert np.percentile(error, 99.5) < 0.02


def test_valid_agrees_with_the_topmost_surface_at_the_target(clean: Scene) -> None:
    flow, valid = clean.flow(14, 15)
    before, after = owners(clean, 14), owners(clean, 15)
    keys = [[s.key for s in clean.surfaces(t)] for t in (14, 15)]
    rng = np.random.default_rng(0)
    seen = {True: 0, False: 0}
    for y, x in zip(rng.integers(0, 360, 20000), rng.integers(0, 640, 20000)):
        tx, ty = x + flow[0, y, x], y + flow[1, y, x]
        column, row = round(tx), round(ty)
        if not (1 <= column < 639 and 1 <= row < 359):
            continue
        around = {keys[1][n] for n in after[row - 1 : row + 2, column - 1 : column + 2].ravel()}
        if len(around) == 1 and not keys[0][before[y, x]].endswith(("torso", "pelvis", "neck", "face")):
            same = keys[0][before[y, x]] in around
            assert valid[y, x] == same, (x, y)
            seen[same] += 1
    assert seen[True] > 1000 and seen[False] > 10


def test_what_turns_away_is_not_valid(clean: Scene) -> None:
    flow, valid = clean.flow(36, 46)
    surfaces = [{surface.key: surface for surface in clean.surfaces(t)} for t in (36, 46)]
    before, after = (each["player 0/torso"] for each in surfaces)
    mine = owners(clean, 36) == list(surfaces[0]).index("player 0/torso")
    phi = before.material(grid((0, 0, *clean.size))[mine])[:, 1]
    away = np.cos(phi + after.delta) < 0
    assert away.sum() > 20 and (~away).sum() > 300
    assert not valid[mine][away].any()
    assert valid[mine][~away].mean() > 0.6
    assert np.isfinite(flow).all()


def test_constant_flow_equals_its_closed_form() -> None:
    scene = sample("constant", velocity=(2.25, -1.5))
    for first, second in ((0, 1), (5, 6), (6, 5), (2, 9)):
        flow, valid = scene.flow(first, second)
        wanted = np.array([2.25, -1.5]) * (second - first)
        np.testing.assert_allclose(flow, np.broadcast_to(wanted[:, None, None], flow.shape), atol=1e-5)
        width, height = scene.size
        x, y = np.meshgrid(np.arange(width) + wanted[0], np.arange(height) + wanted[1])
        eps = 1e-9
        inside = (x >= -eps) & (y >= -eps) & (x <= width - 1 + eps) & (y <= height - 1 + eps)
        assert (valid == inside).mean() > 0.985


@given(
    st.lists(st.floats(-0.06, 0.06), min_size=4, max_size=4),
    st.lists(st.floats(-3, 3), min_size=2, max_size=2),
    st.integers(0, 1000),
)
@settings(max_examples=20, deadline=None)
def test_affine_flow_equals_its_closed_form(linear: list[float], shift: list[float], seed: int) -> None:
    step = np.column_stack([np.eye(2) + np.reshape(linear, (2, 2)), shift])
    scene = sample("affine", step=step, size=(48, 40), seed=seed)
    flow, _ = scene.flow(3, 4)
    y, x = np.mgrid[:40, :48].astype(float)
    wanted = np.stack([x, y], -1) @ (step[:, :2] - np.eye(2)).T + step[:, 2]
    np.testing.assert_allclose(np.moveaxis(flow, 0, -1), wanted, atol=1e-5)
    # The exact step back is the inverse map, not the negative of the forward flow.
    back, _ = scene.flow(4, 3)
    inverse = np.linalg.inv(np.vstack([step, [0, 0, 1]]))
    wanted = np.stack([x, y], -1) @ (inverse[:2, :2] - np.eye(2)).T + inverse[:2, 2]
    np.testing.assert_allclose(np.moveaxis(back, 0, -1), wanted, atol=1e-5)


def test_drift_is_the_rate_in_every_step() -> None:
    scene = sample("drift", rate=(0.3, -0.4))
    for t in (0, 7, 30):
        flow, _ = scene.flow(t, t + 1)
        points = scene.points(t)
        missed = scene.points(t + 1) - (points + read(flow, points))
        np.testing.assert_allclose(missed, np.broadcast_to([0.3, -0.4], missed.shape), atol=1e-5)


def test_nothing_flows_in_a_still_scene() -> None:
    scene = sample("still")
    flow, valid = scene.flow(2, 7)
    assert np.abs(flow).max() < 1e-6
    assert valid.all()


def test_no_flow_is_valid_across_a_cut() -> None:
    scene = sample("cut")
    flow, valid = scene.flow(scene.cut - 1, scene.cut)
    assert not valid.any() and not flow.any()
    assert scene.flow(scene.cut, scene.cut + 1)[1].mean() > 0.9
    assert scene.flow(scene.cut - 2, scene.cut - 1)[1].mean() > 0.9


def test_exact_estimator_knows_the_frames_and_only_them() -> None:
    scene = sample("constant", velocity=(1.0, 0.5), frames=5)
    estimator = ExactFlow(scene)
    images = np.stack([scene.image(n) for n in (1, 3)])
    later = np.stack([scene.image(n) for n in (2, 4)])
    flow = estimator.estimate(images, later)
    assert flow.shape == (2, 2, 128, 160) and flow.dtype == np.float32
    np.testing.assert_allclose(flow[:, 0], 1.0, atol=1e-5)
    np.testing.assert_allclose(flow[:, 1], 0.5, atol=1e-5)
    assert estimator.describe() == {"name": "exact", "scene": "constant"}
    with pytest.raises(PoofError, match="image 1 of the batch is no frame"):
        estimator.prepare(np.stack([images[0], images[1] ^ 1]))


def test_a_chain_of_exact_flow_keeps_a_point_that_nothing_hides() -> None:
    scene = sample("hidden-at-anchor", frames=())
    labels = truth(scene)
    ankle = scene.skeleton.index("left_ankle")
    point = labels.instances[0, 0].xy[ankle].astype(float)
    for t in range(12):
        assert scene.visible(t)[0, ankle] == Visible.VISIBLE
        point = point + read(scene.flow(t, t + 1)[0], point)
    assert np.abs(point - scene.points(12)[0, ankle]).max() < 0.1
