"""The pictures of docs/documents.md that are drawn from the registry and the sampling: they show what those say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs" / "make"))

import sampling_density  # noqa: E402
import tradeoffs  # noqa: E402


def test_starts_lie_in_the_first_half_and_frames_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling_density, "DRAWS", 4000)
    first, seen = sampling_density.drawn()
    assert first.sum() == pytest.approx(1) and seen.sum() == pytest.approx(1)
    assert first[126:].sum() == 0
    assert first[[0, 125]] == pytest.approx([0.0668 + 0.003] * 2, abs=0.015)  # what lies beyond 1.5 deviations
    assert seen[201:].sum() == 0 < seen[200]  # 125 + 15 * 5 is the last frame that is ever seen
    assert sampling_density.TARGET.is_file()


def test_circles_lie_where_the_tables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tradeoffs, "counted", lambda name, frames=16, size=224: 12.0)
    assert tradeoffs.printed("mtnet-m", "Kinetics-400") == (76.6, 8.8, 25.8)
    assert tradeoffs.printed("srtg-r3d_34", "Moments in Time") == (28.5, 26.6, 83.8)
    axes = {one.get_title().partition(":")[0]: one for one in tradeoffs.draw().axes}
    assert len(axes) == 5
    circles = {tuple(dots.get_offsets()[0]) for dots in axes["Kinetics-400 (Fig. 5.7)"].collections}
    assert circles == {(gmacs, top1) for top1, gmacs, _ in tradeoffs.RIVALS.values()} | {
        (5.8, 74.8),
        (8.8, 76.6),
        (17.6, 78.1),
    }
    assert [list(line.get_xdata()) for line in axes["Kinetics-400 (Fig. 5.8)"].lines] == [[23.1, 12.0], [12.0]]
    assert tradeoffs.TARGET.is_file()
