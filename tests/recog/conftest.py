"""What the tests of recognition share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The picture of the curves takes longer than a tiny training; it is drawn where a test looks at it."""
    monkeypatch.setattr("poof.recog.training.curves.draw_curves", lambda table, path: None)
