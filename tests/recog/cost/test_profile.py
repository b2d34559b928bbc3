"""Parameters and multiply-accumulates: the grid of measured figures, and that nothing hides from the counter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from poof import recog
from poof.meta_device import on_meta
from poof.recog.cost.counting import count_forward
from poof.recog.zoo.networks.gebotys import GEBOTYS

BACKBONES = ("resnet18", "mobilenet_v2", "resnet50", "i3d_resnet18")
GRID = {  # GMACs / million parameters; 8 frames, 224x224, 174 classes
    (): ("14.509/11.266", "2.398/2.447", "32.700/23.865", "22.473/33.256"),
    ("tsm",): ("14.509/11.266", "2.398/2.447", "32.700/23.865", None),
    ("m2a",): ("14.730/11.377", "2.425/2.469", "38.981/27.862", "22.602/33.367"),
    ("m2a:motion=none",): ("14.730/11.377", "2.425/2.469", "38.981/27.862", "22.602/33.367"),
    ("m2a:attention=none",): ("14.715/11.377", "2.422/2.469", "38.891/27.862", "22.591/33.367"),
    ("m2a:motion=tea,attention=none",): ("14.749/11.393", "2.427/2.473", "39.716/28.381", "22.613/33.383"),
    ("m2a:motion=tdn,attention=none",): ("15.049/11.517", "2.461/2.497", "48.748/32.867", "22.787/33.507"),
    ("m2a:motion=none,attention=tam",): ("14.718/11.406", "2.422/2.476", "38.916/28.864", "22.594/33.395"),
    ("m2a:motion=tea",): ("14.764/11.393", "2.430/2.473", "39.806/28.381", None),
    ("m2a:motion=tdn",): ("15.064/11.517", "2.465/2.497", "48.838/32.867", None),
    ("m2a:attention=tam",): ("14.718/11.406", "2.422/2.476", "38.916/28.864", None),
    ("m2a:motion=tdn,attention=tam",): ("15.052/11.547", "2.462/2.504", "48.773/33.870", None),
    ("m2a:attention=patch4",): ("15.318/11.377", "2.706/2.469", "44.073/27.862", "22.868/33.367"),
    ("tam",): (None, None, "32.756/25.127", None),
}
EVERYWHERE = ((), ("m2a",), ("tam",))
"""Counted in every backbone at once; the rest in one."""


def cells() -> Iterator[Any]:
    for modules, row in GRID.items():
        for backbone, cell in zip(BACKBONES, row):
            slow = backbone != "resnet18" and modules not in EVERYWHERE
            if cell:
                yield pytest.param(backbone, modules, cell, marks=pytest.mark.slow if slow else ())


@pytest.mark.parametrize(("backbone", "modules", "expected"), [*cells()])
def test_grid(backbone: str, modules: tuple[str, ...], expected: str) -> None:
    with on_meta():
        cost = recog.profile(recog.build_model(backbone, modules))
    assert f"{cost.gmacs:.3f}/{cost.parameters / 1e6:.3f}" == expected
    assert not cost.count.uncounted


def test_grid_with_sixteen_frames() -> None:
    with on_meta():
        costs = [recog.profile(recog.build_model("i3d_resnet18", m, frames=16)).gmacs for m in ((), ("m2a",))]
        tam = recog.profile(recog.build_model("resnet50", ["tam"], frames=16))
    assert [f"{cost:.3f}" for cost in costs] == ["44.945", "45.225"]
    assert f"{tam.gmacs:.3f}/{tam.parameters / 1e6:.3f}" == "65.514/25.135"


@pytest.mark.parametrize(
    ("backbone", "frames", "classes", "size", "gmacs", "mparams"),
    [("r3d_18", 16, 400, 112, 40.697, 33.37), ("r2plus1d_18", 16, 400, 112, 40.519, 31.51)],
)
def test_torchvisions_own_figures(
    backbone: str, frames: int, classes: int, size: int, gmacs: float, mparams: float
) -> None:
    with on_meta():
        cost = recog.profile(recog.build_model(backbone, (), frames, classes, size=size))
    assert cost.gmacs == pytest.approx(gmacs, abs=6e-4)
    assert cost.parameters / 1e6 == pytest.approx(mparams, abs=6e-3)


class Everything(nn.Module):
    """Products in all the forms that counters tend to miss."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.lstm = nn.LSTM(6, 6, 2, batch_first=True)
        self.gru = nn.GRU(6, 6, 1, batch_first=True)
        self.heads = nn.MultiheadAttention(6, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "einsum":
            return torch.einsum("ntc,nsc->nts", x, x)
        if self.kind == "functional":
            return nn.functional.conv1d(x.transpose(1, 2), torch.ones(4, 6, 3, device=x.device))
        if self.kind == "sdpa":
            return nn.functional.scaled_dot_product_attention(x, x, x)
        if self.kind == "vector":
            return x[0] @ x[0, 0]
        return {"lstm": self.lstm, "gru": self.gru}[self.kind](x)[0] if self.kind != "heads" else self.heads(x, x, x)[0]


@pytest.mark.parametrize(
    ("kind", "macs"),
    [
        ("einsum", 5 * 5 * 6),
        ("functional", 3 * 4 * 6 * 3),
        ("sdpa", 2 * 5 * 5 * 6),
        ("vector", 5 * 6),
        ("lstm", 5 * 2 * 8 * 36),
        ("gru", 5 * 6 * 36),
        ("heads", 4 * 5 * 36 + 2 * 5 * 5 * 6),
    ],
)
def test_nothing_hides(kind: str, macs: int) -> None:
    count = count_forward(Everything(kind), (1, 5, 6))
    assert count.macs == macs
    assert not count.uncounted


def test_shifts_cost_no_products_but_are_not_free() -> None:
    with on_meta():
        none, shift = (recog.profile(recog.build_model("resnet18", m)).count for m in ((), ("tsm",)))
    assert shift.macs == none.macs
    assert shift.other > none.other


def test_published_figures_stand_beside_the_measured() -> None:
    with on_meta():
        cost = recog.profile(recog.build_model("m2a-resnet18"))
    assert cost.published[0]["gmacs"] == 14.81
    assert cost.published[0]["top1"] == 34.7
    assert f"{cost.gmacs:.3f}" == "14.730"
    assert "8 frames at 224x224" in cost.convention


QUICK = ("tsm-resnet18", "m2a-resnet18", "m2a-tdn-attention-resnet18", "m2a-i3d_resnet18", "m2a-motion-mobilenet_v2")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK))
        for name, network in GEBOTYS.items()
        if network.published
    ],
)
def test_every_network_of_gebotys_builds_and_the_thesis_counts_a_little_more(name: str) -> None:
    # Its counter adds normalisation and pooling: 0.2 to 6.5 % above the products alone, never below.
    with on_meta():
        cost = recog.profile(recog.build_model(name))
    printed = GEBOTYS[name].published[0].gmacs
    assert cost.gmacs > 0
    assert printed is None or 1.0 < printed / cost.gmacs < 1.07


def test_a_quarter_of_the_channels_costs_a_sixteenth() -> None:
    # But for the stem (three channels in) and the classifier, which cost a quarter.
    with on_meta():
        full, narrow = (recog.profile(recog.build_model(name)).count.macs for name in ("resnet18", "resnet18_quarter"))
        deep, thin = (recog.build_model(name).backbone for name in ("r2plus1d_18", "r2plus1d_18_quarter"))
    ends = 8 * (64 * 3 * 49 * 112 * 112 + 512 * 174)
    assert narrow == (full - ends) // 16 + ends // 4
    assert list(deep.state_dict()) == list(thin.state_dict())
    widths = [thin.get_submodule(f"layer{n}.1.conv2.0.3").out_channels for n in (1, 2, 3, 4)]
    assert widths == [16, 32, 64, 128]
    assert thin.fc.in_features == 128
