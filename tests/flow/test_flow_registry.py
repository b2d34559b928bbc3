"""What holds for every estimator."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from flow_material import shifted_pair, texture

from poof.flow import FlowEstimator, create_flow
from poof.flow.registry import ESTIMATORS


def network_of(name: str) -> str | None:
    """The RAFT behind an estimator's name, None when there is none."""
    kind = name.partition(">")[0].removesuffix("-openvino")
    return kind if kind.startswith("raft") else None


# The large network's bookkeeping is the small one's; its sums: test_the_large_network_equals_torchvision.
@pytest.fixture(
    scope="module", params=[pytest.param(n, marks=[pytest.mark.slow] * ("raft-large" in n)) for n in ESTIMATORS]
)
def any_flow(request: pytest.FixtureRequest, random_weights: Callable[[str], Path]) -> FlowEstimator:
    """Each estimator, with random weights where it needs some: shapes and bookkeeping do not depend on them."""
    name = request.param
    if "openvino" in name:
        pytest.importorskip("openvino", reason="OpenVINO is an extra: pip install 'poof-pose[openvino]'")
    kind = network_of(name)
    return create_flow(name, weights=random_weights(kind) if kind else None, device="cpu", iterations=2)


@pytest.fixture(scope="module", params=["dis", "raft-small", "raft-small>dis"])
def good_flow(request: pytest.FixtureRequest) -> FlowEstimator:
    """Each estimator that really estimates: with the genuine weights."""
    weights = request.getfixturevalue("small_weights") if network_of(request.param) else None
    return create_flow(request.param, weights=weights, device="cpu")


@pytest.mark.parametrize(("dx", "dy"), [(3, -2), (-6, 4)])
def test_a_constant_shift_is_recovered(good_flow: FlowEstimator, dx: int, dy: int) -> None:
    first, second = shifted_pair(136, 200, dx, dy)
    flow = good_flow.estimate(first[None], second[None])[0]
    error = np.hypot(flow[0] - dx, flow[1] - dy)
    assert np.median(error) < 0.2
    assert np.percentile(error, 90) < 0.5


def test_no_motion_gives_no_flow(good_flow: FlowEstimator) -> None:
    image = texture(136, 200)[None]
    assert np.abs(good_flow.estimate(image, image)).mean() < 0.05


def test_both_directions_oppose_each_other_on_a_shift(good_flow: FlowEstimator) -> None:
    first, second = (good_flow.prepare(image[None]) for image in shifted_pair(136, 200, 4, 3))
    there, back = good_flow.both(first, second)
    assert np.median(np.hypot(*(there + back)[0])) < 0.3
    assert np.median(there[0, 0]) == pytest.approx(4, abs=0.3)
    assert np.median(back[0, 1]) == pytest.approx(-3, abs=0.3)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 90), (37, 53), (127, 200), (136, 129)])
def test_every_size_comes_back_in_its_size(any_flow: FlowEstimator, height: int, width: int) -> None:
    first, second = shifted_pair(height, width, 1, 0)
    flow = any_flow.estimate(first[None], second[None])
    assert flow.shape == (1, 2, height, width)
    assert flow.dtype == np.float32
    assert flow.flags.c_contiguous
    assert np.isfinite(flow).all()


def test_a_batch_equals_its_single_pairs(any_flow: FlowEstimator) -> None:
    images = np.stack([texture(40, 56, seed) for seed in range(4)])
    prepared = any_flow.prepare(images)
    assert len(prepared) == 4
    together = any_flow.between(prepared[:3], prepared[1:])
    alone = [any_flow.estimate(images[k : k + 1], images[k + 1 : k + 2])[0] for k in range(3)]
    np.testing.assert_array_equal(together, np.stack(alone))
    assert not np.array_equal(together[0], together[1])


def test_both_equals_two_single_directions(any_flow: FlowEstimator) -> None:
    images = np.stack([texture(48, 150, seed) for seed in range(3)])
    prepared = any_flow.prepare(images)
    there, back = any_flow.both(prepared[:2], prepared[1:])
    np.testing.assert_array_equal(there, any_flow.between(prepared[:2], prepared[1:]))
    np.testing.assert_array_equal(back, any_flow.between(prepared[1:], prepared[:2]))


def test_prepared_images_serve_any_pairing(any_flow: FlowEstimator) -> None:
    images = np.stack([texture(40, 56, seed) for seed in range(3)])
    a, b, c = any_flow.prepare(images)
    regrouped = any_flow.between([c, a], [a, b])
    np.testing.assert_array_equal(regrouped[0], any_flow.estimate(images[2:], images[:1])[0])
    np.testing.assert_array_equal(regrouped[1], any_flow.estimate(images[:1], images[1:2])[0])


def test_views_are_read_right_and_left_alone(any_flow: FlowEstimator) -> None:
    big = texture(80, 100)
    view = big[10:60, 20:90][:, ::-1, ::-1]  # negative strides, not contiguous: what a crop of a BGR frame is
    before = big.copy()
    flow = any_flow.estimate(view[None], np.roll(view, 1, axis=1)[None])
    copied = any_flow.estimate(view.copy()[None], np.roll(view, 1, axis=1)[None])
    np.testing.assert_array_equal(flow, copied)
    np.testing.assert_array_equal(big, before)


def test_read_only_arrays_are_fine(any_flow: FlowEstimator) -> None:
    image = texture(40, 56)[None]
    expected = any_flow.estimate(image, image[:, ::-1])
    image.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(any_flow.estimate(image, image[:, ::-1]), expected)


def test_the_caller_may_reuse_its_array(any_flow: FlowEstimator) -> None:
    images = np.stack([texture(128, 136, seed) for seed in range(2)])
    expected = any_flow.estimate(images[:1], images[1:])
    prepared = any_flow.prepare(images)
    images[:] = 0
    np.testing.assert_array_equal(any_flow.between(prepared[:1], prepared[1:]), expected)


def test_no_pairs_give_no_flow(any_flow: FlowEstimator) -> None:
    assert len(any_flow.between([], [])) == 0
    there, back = any_flow.both([], [])
    assert len(there) == len(back) == 0


def test_unequal_batches_are_refused(any_flow: FlowEstimator) -> None:
    prepared = any_flow.prepare(np.stack([texture(40, 56)] * 2))
    with pytest.raises(ValueError):
        any_flow.between(prepared, prepared[:1])


def test_threads_may_share_an_estimator(any_flow: FlowEstimator) -> None:
    images = np.stack([texture(40, 56, seed) for seed in range(5)])
    expected = any_flow.both(any_flow.prepare(images[:4]), any_flow.prepare(images[1:]))
    prepared = any_flow.prepare(images)
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda k: any_flow.both(prepared[k : k + 1], prepared[k + 1 : k + 2]), range(4)))
    np.testing.assert_array_equal(np.concatenate([there for there, _ in got]), expected[0])
    np.testing.assert_array_equal(np.concatenate([back for _, back in got]), expected[1])


def test_the_description_is_json_and_tells_settings_apart(
    any_flow: FlowEstimator, random_weights: Callable[[str], Path], tmp_path: Path
) -> None:
    kind = network_of(any_flow.name)
    moved = None
    if kind is not None:
        moved = tmp_path / f"{kind}.pth"
        moved.write_bytes(random_weights(kind).read_bytes())
    again = create_flow(any_flow.name, weights=moved, device="cpu", iterations=2)
    assert any_flow.describe()["name"] == any_flow.name
    assert json.loads(json.dumps(any_flow.describe())) == again.describe()
    other = create_flow(any_flow.name, weights=moved, device="cpu", iterations=3, preset="fast")
    assert other.describe() != any_flow.describe()


def test_batch_size_is_positive(any_flow: FlowEstimator) -> None:
    for height, width in ((1, 1), (192, 256), (1080, 1920), (5000, 5000)):
        assert any_flow.batch_size(height, width) >= 1
