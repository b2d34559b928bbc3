"""bfloat16 where it is native, float32 on demand."""

from __future__ import annotations

import pytest
import torch
from card import CARD

from poof.errors import PoofError
from poof.pose.model import PoseModel
from poof.pose.mspn import MSPN
from poof.pose.precision import autocast, place, run


def test_names() -> None:
    cpu = torch.device("cpu")
    assert not autocast(cpu, "float32")._enabled
    assert autocast(cpu, "bfloat16")._enabled
    with pytest.raises(PoofError, match="no precision 'half'; there are auto, bfloat16, float32"):
        autocast(cpu, "half")  # type: ignore[arg-type]


def test_auto_follows_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for able in (True, False):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: {"avx512_bf16": able}, raising=False)
        assert autocast(torch.device("cpu"))._enabled is able
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not autocast(torch.device("cpu"))._enabled


@torch.no_grad()
def test_both_precisions_agree_within_what_bfloat16_can_tell() -> None:
    torch.manual_seed(0)
    network = place(MSPN(4, 1, body="resnet18").eval(), "cpu")
    images = torch.randn(2, 3, 64, 64)
    exact = run(network, images, "float32", every=True)
    assert torch.equal(exact, network(images))
    rough = run(network, images, "bfloat16", every=True)
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().max() < 0.05 * exact.abs().max()
    model = PoseModel(network, CARD, (64, 64))
    crops = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    assert torch.equal(model.heatmaps(crops, precision="float32"), model.heatmaps(crops, precision="float32"))
    assert not torch.equal(model.heatmaps(crops, precision="float32"), model.heatmaps(crops, precision="bfloat16"))
