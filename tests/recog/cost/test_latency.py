"""Paired times of passes: whose turn it is, what is divided by what, and the printed figures beside."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
import typer
from typer.testing import CliRunner

from poof import recog
from poof.cli.recog import recog as commands
from poof.errors import PoofError
from poof.recog.cost import latency
from poof.recog.cost.latency import latency_table, paired_latency
from poof.recog.zoo.backbones import BACKBONES
from poof.recog.zoo.networks import NETWORKS
from poof.recog.zoo.networks.mtnet import multi_temporal


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def network(*modules: str, size: int = 32) -> recog.Recognizer:
    return recog.build_model("resnet18_quarter", modules, 2, 4, size=size).eval()


def test_ratios_belong_to_one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    models = [network(), network("tsm")]
    turns: list[int] = []

    def step(model: recog.Recognizer, clips: torch.Tensor) -> tuple[float, float]:
        del clips
        assert model.training
        number = models.index(model)
        turns.append(number)
        slow = 1 + (len(turns) - 1) // 2  # the machine gets slower from round to round: no ratio sees it
        return slow * (1.0, 2.0)[number], slow * (4.0, 2.0)[number]

    monkeypatch.setattr(latency, "_step", step)
    first, second = paired_latency(models, rounds=3, batch=2)
    assert turns == [0, 1, 1, 0, 0, 1, 1, 0]
    assert (first.forward.median, first.backward.high) == (1, 1)
    assert (second.forward.median, second.forward.low, second.forward.high) == (2, 2, 2)
    assert (second.backward.median, second.backward_ms) == (0.5, pytest.approx(1e3 * 3 * 2 / 2))
    assert not any(model.training for model in models)


def test_more_pixels_take_longer_and_nothing_is_left_behind() -> None:
    models = [network(), network(size=256)]
    before = [value.clone() for value in models[0].parameters()]
    found = paired_latency(models, rounds=3, batch=1)
    assert found[1].forward.low > 2 and found[1].backward.low > 2  # 64 times the pixels
    assert all(torch.equal(a, b) and b.grad is None for a, b in zip(before, models[0].parameters()))


def test_the_bare_backbone_and_printed_ratios(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES, "r3d_50", BACKBONES["resnet18_quarter"])  # quicker: times are not looked at
    rows = latency_table("sr-r3d_50", frames=2, size=32, rounds=1)
    assert [(row["network"], row["pass"]) for row in rows] == [
        (name, way) for name in ("r3d_50", "sr-r3d_50") for way in ("forward", "backward")
    ]
    assert [row["printed ms"] for row in rows] == [28.2, 87.7, 31.8, 96.9]
    assert rows[2]["printed ratio"] == pytest.approx(31.8 / 28.2)
    assert rows[0]["ratio"] == 1 and rows[2]["ratio"] > 0
    with pytest.raises(PoofError, match="mtnet-s: is no backbone with modules; say what to compare it with"):
        latency_table("mtnet-s", rounds=1)


def test_the_command_compares_values_of_a_knob(monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(NETWORKS["mtnet-s"], backbone=partial(multi_temporal, backbone="mtnet_half"))
    monkeypatch.setitem(NETWORKS, "mtnet-s", small)
    application = typer.Typer()
    application.add_typer(commands, name="recog")
    words = ["profile", "mtnet-s", "--over", "cell=gru,rnn", "--frames", "2", "--size", "32", "--latency", "1"]
    result = CliRunner().invoke(application, ["recog", *words])
    assert result.exit_code == 0, result.output
    assert "mtnet-s:cell=rnn" in result.output and "58.0" in result.output and "0.89" in result.output
    assert "2 clips a step" in result.output
