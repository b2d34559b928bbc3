"""RAFT on OpenVINO: how far from torch's result, and what it refuses. The rest is in the tests of every estimator."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from flow_material import endpoint_error

from poof.errors import PoofError
from poof.flow import create_flow
from poof.flow.raft import RaftFlow

Pairs = list[tuple[np.ndarray, np.ndarray, np.ndarray]]


@pytest.fixture
def engine() -> None:
    """Skips, with the reason, where the extra is not installed."""
    pytest.importorskip("openvino", reason="OpenVINO is an extra: pip install 'poof-pose[openvino]'")


def test_full_precision_is_torchs_result(engine: None, small_weights: Path, chairs: Pairs) -> None:
    torch_flow = RaftFlow("raft-small", small_weights, "cpu")
    flow = create_flow("raft-small-openvino", small_weights)
    first, second, truth = chairs[1]
    images = first[None, 60:260, 100:356], second[None, 60:260, 100:356]
    expected = torch_flow.both(*map(torch_flow.prepare, images))
    for got, want in zip(flow.both(*map(flow.prepare, images)), expected):
        difference = np.abs(got - want)
        assert difference.mean() < 2e-4
        assert np.percentile(difference, 99) < 1e-3
    whole = flow.estimate(first[None], second[None])[0]  # another size by the same converted parts
    assert endpoint_error(whole, truth).mean() == pytest.approx(0.974, abs=0.01)


def test_half_precision_costs_no_accuracy(engine: None, small_weights: Path, chairs: Pairs) -> None:
    try:
        flow = create_flow("raft-small-openvino", small_weights, precision="bf16")
    except PoofError as error:
        pytest.skip(str(error))
    first, second, truth = chairs[1]
    error = endpoint_error(flow.estimate(first[None], second[None])[0], truth).mean()
    assert error == pytest.approx(0.974, abs=0.03)
    assert flow.describe()["precision"] == "bf16"
    assert flow.describe()["name"] == "raft-small-openvino"


def test_other_devices_and_precisions_are_refused(
    engine: None, random_weights: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = random_weights("raft-small")
    with pytest.raises(PoofError, match="valid: fp32, bf16"):
        create_flow("raft-small-openvino", weights, device="cpu", precision="fp16")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    with pytest.raises(PoofError, match="runs on the CPU only, not on cuda"):
        create_flow("raft-small-openvino", weights, device="cuda")
    assert create_flow("raft-small-openvino", weights, iterations=1).reason.endswith("on cpu")


def test_without_the_extra_it_says_how_to_get_it(
    random_weights: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(PoofError) as caught:
        create_flow("raft-small-openvino", random_weights("raft-small"), device="cpu")
    assert str(caught.value) == (
        "raft-small-openvino: needs OpenVINO; pip install 'poof-pose[openvino]', or use --flow dis"
    )
