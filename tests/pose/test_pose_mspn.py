"""The network against the printed figures and against a second construction from the published facts."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import torch
from mspn_reference import random_state, run, shapes
from torch.utils.flop_counter import FlopCounterMode

from poof.errors import PoofError
from poof.meta_device import on_meta
from poof.pose.mspn import BODIES, MSPN
from poof.pose.naming import load, to_mmpose

PRINTED = {
    True: {1: 25_141_708, 2: 56_867_032, 3: 88_592_356, 4: 120_317_680},
    False: {1: 25_112_264, 2: 56_800_464, 3: 88_488_664, 4: 120_176_864},
}
GMACS = {1: (5.07, 11.41), 2: (11.26, 25.34), 3: (17.45, 39.27), 4: (23.64, 53.20)}  # 256x192, 384x288


@cache
def meta(*args: object, **kwargs: object) -> MSPN:
    """Without weights, in evaluation mode; nobody changes it."""
    with on_meta():
        return MSPN(*args, **kwargs).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("stages", [1, 2, 3, 4])
def test_parameters_are_the_printed_ones(stages: int, bias: bool) -> None:
    count = sum(p.numel() for p in meta(17, stages, bias).parameters() if p.requires_grad)
    assert count == PRINTED[bias][stages]


def test_only_the_heads_grow_with_the_keypoints() -> None:
    assert sum(p.numel() for p in meta(30, 2).parameters()) == 57_106_960


@pytest.mark.parametrize("stages", [1, 2, *(pytest.param(n, marks=pytest.mark.slow) for n in (3, 4))])
def test_multiplications_are_the_printed_ones(stages: int) -> None:
    # Counted at one size; the other has 2.25 times its cells, and so the printed figure.
    network, (printed, large) = meta(17, stages, True), GMACS[stages]
    with FlopCounterMode(display=False) as counter:
        maps = network(torch.empty(1, 3, 256, 192, device="meta"))
    assert counter.get_total_flops() / 2e9 == pytest.approx(printed, abs=0.005)
    assert 2.25 * counter.get_total_flops() / 2e9 == pytest.approx(large, abs=0.005)
    assert maps.shape == (1, stages, 4, 17, 64, 48)


def test_the_last_map_alone_costs_less() -> None:
    network, images = meta(17, 2, True), torch.empty(1, 3, 256, 192, device="meta")
    with FlopCounterMode(display=False) as whole:
        network(images)
    with FlopCounterMode(display=False) as last:
        network.heatmaps(images)
    # The seven other heads: a 1x1 convolution 256 -> 256 and a 3x3 one 256 -> 17 at their own size.
    head = 256 * 256 + 9 * 256 * 17
    cells = 2 * (8 * 6 + 16 * 12 + 32 * 24) + 64 * 48
    assert whole.get_total_flops() - last.get_total_flops() == 2 * head * cells


@pytest.mark.parametrize("stages", [1, 2, 3, 4])
def test_names_and_shapes_are_the_official_ones_in_order(stages: int) -> None:
    ours = {name: tuple(value.shape) for name, value in meta(17, stages, True).state_dict().items()}
    assert ours == shapes("official", stages)
    assert len(ours) == {1: 476, 2: 1008, 3: 1540, 4: 2072}[stages]


@pytest.mark.parametrize("stages", [1, 2, 3, 4])
def test_names_and_shapes_translate_to_mmpose(stages: int) -> None:
    theirs = {name: tuple(v.shape) for name, v in to_mmpose(meta(17, stages, True).state_dict()).items()}
    assert theirs == shapes("mmpose", stages)
    assert len(theirs) == {1: 408, 2: 864, 3: 1320, 4: 1776}[stages]


def listed(text: str, title: str) -> dict[str, tuple[int, ...]]:
    section = re.split(r"\n(?=## )", text.split(f"## {title}", 1)[1])[0]
    rows = [line.split() for line in section.splitlines()[1:] if line.strip()]
    return {name: () if shape == "scalar" else tuple(map(int, shape.split("x"))) for name, shape in rows}


@pytest.mark.parametrize(
    ("title", "naming", "stages"),
    [("official, 1 ", "official", 1), ("official, 2 ", "official", 2), ("official, 4 ", "official", 4),
     ("mmpose 1.x, 2 ", "mmpose", 2)],
)  # fmt: skip
def test_the_generated_names_are_those_of_the_listing(shared: Path, title: str, naming: str, stages: int) -> None:
    listing = shared / "spec" / "mspn-keys.txt"
    if not listing.exists():
        pytest.skip(f"no {listing}")
    assert shapes(naming, stages) == listed(listing.read_text(), title)


@pytest.mark.parametrize(
    ("naming", "bias", "stages"),
    [
        ("official", True, 2),
        ("mmpose", False, 1),
        *(pytest.param("mmpose", *more, marks=pytest.mark.slow) for more in ((True, 1), (False, 2))),
    ],
)
@torch.no_grad()
def test_same_output_as_a_network_built_from_the_facts(naming: str, bias: bool, stages: int) -> None:
    state = random_state(naming, stages, seed=3)
    images = torch.randn(1, 3, 96, 64, generator=torch.Generator().manual_seed(1))
    expected = run(state, images, stages, naming)
    network = MSPN(17, stages, conv_bias=bias).eval()
    load(network, state, "generated")
    got = network(images)
    assert 0.1 < expected.std() < 100
    assert (got - expected).abs().max() < 1e-5 * expected.abs().max().clamp(min=1)
    assert torch.equal(network.heatmaps(images), got[:, -1, -1])


@pytest.mark.parametrize("body", ["resnet18", pytest.param("resnet50", marks=pytest.mark.slow)])
def test_every_parameter_gets_a_gradient(body: str) -> None:
    torch.manual_seed(0)
    network = MSPN(3, 2, body=body)
    network(torch.randn(2, 3, 64, 64)).square().sum().backward()
    # A bias before a normalisation changes nothing in training, so its gradient is zero but for rounding.
    lost = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not [n for n in lost if not n.endswith("conv.bias")]


@pytest.mark.parametrize("body", list(BODIES))
@pytest.mark.parametrize(("keypoints", "size"), [(1, (32, 32)), (40, (64, 160))])
@torch.no_grad()
def test_any_number_of_keypoints_and_any_size_divisible_by_32(body: str, keypoints: int, size: tuple[int, int]) -> None:
    network = MSPN(keypoints, 1, body=body).eval()
    assert network(torch.zeros(2, 3, *size)).shape == (2, 1, 4, keypoints, size[0] // 4, size[1] // 4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: meta(17, 5), "1 to 4 stages, not 5"),
        (lambda: meta(17, 2, body="resnet101"), "no network body 'resnet101'; there are resnet50, resnet18"),
        (lambda: meta(0), "at least one keypoint"),
        (lambda: meta(1, 1)(torch.empty(1, 3, 250, 192, device="meta")), "divisible by 32, not 192x250"),
    ],
)
def test_impossible_networks_are_refused_in_one_line(make: object, message: str) -> None:
    with pytest.raises(PoofError, match=message):
        make()  # type: ignore[operator]
