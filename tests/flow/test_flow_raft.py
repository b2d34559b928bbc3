"""RAFT taken apart gives what torchvision's own forward gives, for less, and what is known of its accuracy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flow_material import endpoint_error, plain_raft, shifted_pair, texture
from torch.utils.flop_counter import FlopCounterMode

from poof.errors import PoofError
from poof.flow import raft
from poof.flow.raft import RaftFlow, _borders
from poof.flow.raft_network import SequenceRaft, transpose
from poof.flow.raft_weights import new_network, read_weights

Pairs = list[tuple[np.ndarray, np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def small(small_weights: Path) -> RaftFlow:
    """RAFT-small with its real weights."""
    return RaftFlow("raft-small", small_weights, "cpu")


def torchvision_network(kind: str, weights: Path) -> Any:
    network = new_network(kind)
    network.load_state_dict(read_weights(weights, kind).state)
    return network.eval()


# ---------------------------------------------------------------------------------------------------------- accuracy


@pytest.mark.parametrize("some", [slice(1, 2), pytest.param(slice(5), marks=pytest.mark.slow)])
def test_endpoint_error_on_flyingchairs(small: RaftFlow, chairs: Pairs, some: slice) -> None:
    errors = [
        endpoint_error(small.estimate(first[None], second[None])[0], truth).mean()
        for first, second, truth in chairs[some]
    ]
    # The official code reaches 1.50 px over nine pairs, of which these are five: 1.473 px.
    expected = [2.588, 0.974, 1.251, 0.761, 1.791][some]
    np.testing.assert_allclose(errors, expected, atol=0.02)
    assert np.mean(errors) == pytest.approx(np.mean(expected), abs=0.01)


def test_half_precision_convolutions_give_the_same_flow(small_weights: Path, chairs: Pairs) -> None:
    """On a small piece: without instructions for it, half precision is slow on a CPU."""
    pair = [image[None, 100:244, 150:310] for image in chairs[1][:2]]
    half, full = (
        RaftFlow("raft-small", small_weights, "cpu", iterations=4, precision=precision)
        for precision in ("bf16", "fp32")
    )
    flow, expected = half.estimate(*pair)[0], full.estimate(*pair)[0]
    assert flow.dtype == np.float32
    assert half.describe()["precision"] == "bf16"
    assert np.hypot(*(flow - expected)).mean() < 0.05 < 1 < np.hypot(*expected).mean()


@pytest.mark.slow
def test_half_precision_convolutions_cost_no_accuracy(small_weights: Path, chairs: Pairs) -> None:
    half = RaftFlow("raft-small", small_weights, "cpu", precision="bf16")
    first, second, truth = chairs[1]
    flow = half.estimate(first[None], second[None])[0]
    assert endpoint_error(flow, truth).mean() == pytest.approx(0.974, abs=0.03)


def test_half_precision_in_the_large_network_keeps_its_norms(random_weights: Callable[[str], Path]) -> None:
    half = RaftFlow("raft-large", random_weights("raft-large"), "cpu", iterations=2, precision="bf16")
    types = {
        type(module).__name__: parameter.dtype
        for module in half.network.modules()
        for parameter in module.parameters(recurse=False)
    }
    assert types["Conv2d"] == torch.bfloat16
    assert types["BatchNorm2d"] == torch.float32


@pytest.mark.slow
def test_half_precision_in_the_large_network_gives_the_same_flow(random_weights: Callable[[str], Path]) -> None:
    half = RaftFlow("raft-large", random_weights("raft-large"), "cpu", iterations=2, precision="bf16")
    full = RaftFlow("raft-large", random_weights("raft-large"), "cpu", iterations=2)
    pair = [image[None] for image in shifted_pair(128, 136, 3, 1)]
    expected = full.estimate(*pair)
    assert np.abs(half.estimate(*pair) - expected).mean() < 0.05 * np.abs(expected).mean()


# --------------------------------------------------------------------------------------------------------- exactness


@pytest.mark.parametrize(
    ("index", "side"), [(1, 160), *(pytest.param(n, 512, marks=pytest.mark.slow) for n in (1, 2, 4))]
)
def test_both_directions_equal_two_calls_of_torchvision(
    small: RaftFlow, small_weights: Path, chairs: Pairs, index: int, side: int
) -> None:
    first, second = (image[:side, :side] for image in chairs[index][:2])
    network = torchvision_network("raft-small", small_weights)
    there, back = small.both(small.prepare(first[None]), small.prepare(second[None]))
    for flow, reference in ((there, plain_raft(network, first, second)), (back, plain_raft(network, second, first))):
        difference = np.abs(flow[0] - reference)
        assert difference.max() < 1e-3  # px; 1e-4 to 3e-4 found
        assert difference.mean() < 2e-5


@pytest.mark.slow
def test_single_pixels_waver_no_more_than_torchvision_with_itself(
    small: RaftFlow, small_weights: Path, chairs: Pairs
) -> None:
    # The hardest pair: motions up to 68 px. torchvision differs from itself by 9e-4 px here on one thread and on two.
    first, second, _ = chairs[0]
    reference = plain_raft(torchvision_network("raft-small", small_weights), first, second)
    difference = np.abs(small.estimate(first[None], second[None])[0] - reference)
    assert difference.mean() < 2e-5
    assert (difference > 1e-4).mean() < 1e-2
    assert difference.max() < 4e-3


def test_the_large_network_equals_torchvision(random_weights: Callable[[str], Path]) -> None:
    weights = random_weights("raft-large")
    network = torchvision_network("raft-large", weights)
    flow = RaftFlow("raft-large", weights, "cpu", iterations=12)
    first, second = shifted_pair(128, 136, 3, 1)
    there, back = flow.both(flow.prepare(first[None]), flow.prepare(second[None]))
    assert np.abs(there).max() > 1  # else the comparison says nothing
    np.testing.assert_allclose(there[0], plain_raft(network, first, second), atol=1e-3)
    np.testing.assert_allclose(back[0], plain_raft(network, second, first), atol=1e-3)


@pytest.mark.parametrize("kind", ["raft-small", "raft-large"])
def test_splitting_off_the_context_is_the_only_change(kind: str) -> None:
    """Without it, in double precision, both orders of calls agree to 12 digits."""
    torch.manual_seed(2)
    network = new_network(kind).eval().double()
    sequence = SequenceRaft(network).double()
    sequence.units.double()
    hidden = torch.rand(1, sequence.hidden_channels, 4, 5, dtype=torch.float64)
    width = network.context_encoder.output_dim - sequence.hidden_channels
    context = torch.rand(1, width, 4, 5, dtype=torch.float64)
    motion = torch.rand(1, network.update_block.motion_encoder.out_channels, 4, 5, dtype=torch.float64)
    with torch.inference_mode():
        expected = network.update_block.recurrent_block(hidden, torch.cat([context, motion], 1))
        for unit in sequence.units:
            hidden = unit(hidden, motion, unit.terms(context))
    torch.testing.assert_close(hidden, expected, rtol=1e-12, atol=1e-12)


def test_lookup_is_torchvisions_bit_for_bit(small: RaftFlow) -> None:
    block = new_network("raft-small").corr_block
    torch.manual_seed(0)
    first, second = torch.rand(2, 128, 16, 19), torch.rand(2, 128, 16, 19)
    places = torch.rand(2, 2, 16, 19) * 30 - 5  # some outside
    block.build_pyramid(first, second)
    pyramid = small.network.pyramid(small.network.volume(first, second), 16, 19)
    assert torch.equal(small.network.lookup(pyramid, places), block.index_pyramid(places))


@pytest.mark.parametrize(("rows", "columns"), [(16, 19), (20, 40), (16, 16)])
def test_the_way_back_is_the_transposed_volume(small: RaftFlow, rows: int, columns: int) -> None:
    torch.manual_seed(0)
    first, second = torch.rand(2, 128, rows, columns), torch.rand(2, 128, rows, columns)
    volume = small.network.volume(first, second)
    transpose(volume)
    assert torch.equal(volume, small.network.volume(second, first))


@pytest.mark.parametrize("kind", ["raft-small", pytest.param("raft-large", marks=pytest.mark.slow)])
def test_batches_as_a_gpu_works_on_them(
    kind: str, random_weights: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both directions and several pairs in one call, channels last: order and layout of work on CUDA, on the CPU."""
    flow = RaftFlow(kind, random_weights(kind), "cpu", iterations=2)
    wide = texture(130, 160)
    images = np.stack([wide[:, 2 * k : 140 + 2 * k] for k in range(4)])
    expected = flow.both(flow.prepare(images[:3]), flow.prepare(images[1:]))
    monkeypatch.setattr(flow, "_in_turn", False)
    monkeypatch.setattr(flow, "batch_size", lambda height, width: 2)
    flow.network.to(memory_format=torch.channels_last)
    frames = flow.prepare(images)
    for got, want in zip(flow.both(frames[:3], frames[1:]), expected):
        np.testing.assert_allclose(got, want, atol=1e-3)
    np.testing.assert_allclose(flow.between(frames[:3], frames[1:]), expected[0], atol=1e-3)


# -------------------------------------------------------------------------------------------------------------- cost


@pytest.mark.parametrize(
    ("kind", "most"), [("raft-small", 0.80), pytest.param("raft-large", 0.72, marks=pytest.mark.slow)]
)
def test_a_sequence_costs_less_than_two_calls_for_each_pair(
    kind: str, most: float, random_weights: Callable[[str], Path]
) -> None:
    """Counted products, which no other load on the machine can disturb; times are in the benchmarks."""
    flow = RaftFlow(kind, random_weights(kind), "cpu")
    image = texture(128, 128)
    network = new_network(kind).eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as plain:
        network(torch.zeros(1, 3, 128, 128), torch.zeros(1, 3, 128, 128))
    first, second = flow.prepare(image[None]), flow.prepare(image[None])
    flow.both(first, second)
    with FlopCounterMode(display=False) as ours:
        flow.both(second, flow.prepare(image[None]))
    assert ours.get_total_flops() < most * 2 * plain.get_total_flops()


def test_each_map_is_computed_once(small: RaftFlow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small, "iterations", 1)
    calls = {"features": 0, "context": 0}
    for name in calls:
        original = getattr(small.network, name)

        def counted(images: torch.Tensor, name: str = name, original: Any = original) -> Any:
            calls[name] += len(images)
            return original(images)

        monkeypatch.setattr(small.network, name, counted)
    images = np.stack([texture(40, 40, seed) for seed in range(4)])
    frames = small.prepare(images)
    assert calls == {"features": 4, "context": 0}
    small.between(frames[:3], frames[1:])
    assert calls == {"features": 4, "context": 3}  # no flow starts from the last image
    small.both(frames[:3], frames[1:])
    assert calls == {"features": 4, "context": 4}
    assert all(frame.image is None for frame in frames)


def test_only_the_last_update_is_upsampled(small: RaftFlow, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = small.network.upsample
    monkeypatch.setattr(small.network, "upsample", lambda *a: calls.append(1) or original(*a))
    small.estimate(texture(40, 40)[None], texture(40, 40, 1)[None])
    assert len(calls) == 1


def test_nothing_is_recorded_for_gradients(small: RaftFlow) -> None:
    frame = small.prepare(texture(40, 40)[None])[0]
    assert frame.features.is_inference()
    assert not any(parameter.requires_grad for parameter in small.network.parameters())


def test_the_number_of_torch_threads_is_left_alone(small_weights: Path) -> None:
    before = torch.get_num_threads()
    RaftFlow("raft-small", small_weights, "cpu").estimate(texture(40, 40)[None], texture(40, 40, 1)[None])
    assert torch.get_num_threads() == before


def test_the_updates_can_be_compiled_whole(small: RaftFlow) -> None:
    """`torch.compile` meets nothing that it cannot trace; what it gains shows on CUDA only."""
    images = texture(128, 136)[None]
    frame = small.prepare(images)
    network = small.network
    with torch.inference_mode():
        volume = network.volume(frame[0].features, frame[0].features)
        arguments = (network.pyramid(volume, 16, 17), small._contexts(frame), 2)
        compiled = torch.compile(network.update, backend="eager", fullgraph=True)
        for got, expected in zip(compiled(*arguments), network.update(*arguments)):
            assert torch.equal(got, expected)


# ----------------------------------------------------------------------------------------------------------- padding


@pytest.mark.parametrize(
    ("side", "expected"), [(1, (63, 64)), (127, (0, 1)), (128, (0, 0)), (129, (3, 4)), (200, (0, 0)), (437, (1, 2))]
)
def test_borders(side: int, expected: tuple[int, int]) -> None:
    assert _borders(side) == expected


def test_padding_repeats_the_edges(small: RaftFlow) -> None:
    image = texture(130, 5)
    padded = small._upload(image[None])[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(padded, np.pad(image, ((3, 3), (61, 62), (0, 0)), mode="edge"))


def test_padding_changes_little_where_the_images_overlap(small: RaftFlow, chairs: Pairs) -> None:
    first, second = (image[100:300, 100:340] for image in chairs[3][:2])
    whole = small.estimate(first[None], second[None])[0]
    odd = small.estimate(first[None, 3:, 5:], second[None, 3:, 5:])[0]
    assert odd.shape == (2, 197, 235)
    # RAFT-small's 1/8 grid lies elsewhere now, so edges of motion differ; nearly everything else agrees.
    assert np.median(endpoint_error(odd, whole[:, 3:, 5:])) < 0.2


def test_images_that_cannot_fit_are_refused_before_the_work(small: RaftFlow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raft, "available_memory", lambda: 20_000_000_000)
    small._check_memory((1080, 1920))  # 135 x 240 places: 5.6 GB
    with pytest.raises(PoofError) as caught:
        small.prepare(np.zeros((1, 2160, 3840, 3), np.uint8))  # 16 times as much
    assert str(caught.value) == (
        "raft-small: images of 3840x2160 need 89.6 GB, 20.0 GB are free; "
        "shrink them (--max-size 1280) or use --flow dis"
    )
    monkeypatch.setattr(raft, "available_memory", lambda: None)
    small._check_memory((10_000, 10_000))


def test_available_memory_is_plausible() -> None:
    free = raft.available_memory()
    assert free is None or 10**7 < free < 10**14


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu(small: RaftFlow, small_weights: Path, chairs: Pairs) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    cuda = RaftFlow("raft-small", small_weights, "cuda")
    images = [np.stack(side) for side in zip(*[(a, b) for a, b, _ in chairs[1:4]])]
    expected = small.both(small.prepare(images[0]), small.prepare(images[1]))
    for flow, reference in zip(cuda.both(cuda.prepare(images[0]), cuda.prepare(images[1])), expected):
        assert np.abs(flow - reference).mean() < 1e-3
    for precision in ("bf16", "fp16"):
        half = RaftFlow("raft-small", small_weights, "cuda", precision=precision)
        flow = half.estimate(*images)
        assert np.abs(flow - expected[0]).mean() < 0.1
    assert cuda.batch_size(192, 256) > 1
