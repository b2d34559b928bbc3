"""The picture of the loss' weight in docs/science.md: what is drawn is equation 3.19."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs" / "make"))

import loss_weight  # noqa: E402


@pytest.mark.parametrize(("gamma", "floor"), loss_weight.PAIRS)
def test_from_one_over_the_floor_to_nothing(gamma: float, floor: float) -> None:
    shares, weights = loss_weight.curve(gamma, floor)
    assert (shares[0], shares[-1]) == (1 / loss_weight.STEPS, 1.0)
    assert weights[0] == pytest.approx(1.0) and weights[-1] == pytest.approx(0.0, abs=1e-9)
    assert all(a >= b for a, b in zip(weights, weights[1:]))
    assert weights[shares.index(gamma)] == pytest.approx(floor)
    # As printed the second half begins far below.
    assert loss_weight.curve(gamma, floor, literal=True)[1][shares.index(gamma)] < 0.2 * floor


def test_every_line_is_in_the_picture() -> None:
    axes = loss_weight.draw().axes[0]
    solid = [line for line in axes.lines if line.get_linestyle() == "-" and len(line.get_xdata()) > 1]
    assert [line.get_ydata()[0] for line in solid] == pytest.approx([1.0] * 3)
    assert loss_weight.TARGET.is_file()
