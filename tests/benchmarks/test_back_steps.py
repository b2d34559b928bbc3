"""The networks of Table 7.1 and the times that are taken of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from poof.meta_device import on_meta
from poof.recog.cost.counting import Counting

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import back_steps


@pytest.mark.parametrize(
    ("name", "convolutions", "groups"),
    [("ResNeXt101-3D", 100, 32), pytest.param("ResNet152-3D", 151, 1, marks=pytest.mark.slow)],
)
def test_networks_that_the_registry_does_not_have(name: str, convolutions: int, groups: int) -> None:
    with on_meta():
        model = back_steps.build(name, 4, 32)
    main = [m for path, m in model.backbone.named_modules() if isinstance(m, nn.Conv3d) and "downsample" not in path]
    assert len(main) == convolutions
    assert {m.groups for m in main if m.kernel_size == (3, 3, 3)} == {groups}
    with torch.no_grad(), Counting():  # knows the shapes that the meta device is slow to tell
        assert model(torch.empty(model.clip_shape, device="meta")).shape == (1, 400)


def test_a_back_step_is_timed_beside_the_forward_pass() -> None:
    torch.set_num_threads(1)
    forward, back, (middle, low, high), levels = back_steps.measure(back_steps.build("MTNet_S", 2, 32), 0.67, 3, 2)
    assert levels == 3 and forward > 0 and back > 0
    assert 0 < low <= middle <= high
