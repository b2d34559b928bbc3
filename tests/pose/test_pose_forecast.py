"""Training on a CPU says beforehand how long it will take, and what is faster where that is long."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from poof.pose import training
from poof.pose.training import _foretold


class Slow(nn.Module):
    """Takes a known time for every picture."""

    def __init__(self, clock: list[float], seconds: float) -> None:
        super().__init__()
        self.clock, self.seconds = clock, seconds

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.clock[0] += self.seconds * len(images)
        return images


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(training.time, "monotonic", lambda: now[0])
    return now


def told(clock: list[float], seconds: float, steps: int, body: str = "resnet50") -> str:
    return _foretold(Slow(clock, seconds), (64, 64), 16, steps, body)


def test_the_time_is_three_looks_at_every_picture_of_every_step(clock: list[float]) -> None:
    # 0.01 s a picture, 16 a step, 100 steps, gradients included: 48 s
    assert told(clock, 0.01, 100) == "training 100 steps on this CPU will take about 0:48"


def test_long_training_says_what_is_faster(clock: list[float]) -> None:
    long = told(clock, 0.1, 1000)
    assert "about 1:20:00; " in long
    assert "a GPU, --body unet --recipe footage" in long and "--epochs" in long
    assert "faster" not in told(clock, 0.1, 1000, "unet")  # it is the fast one already


def test_the_network_is_left_as_it_was(clock: list[float]) -> None:
    network = Slow(clock, 0.01).train()
    _foretold(network, (64, 64), 2, 1, "resnet50")
    assert network.training
