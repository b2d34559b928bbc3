"""What the tests of the renderer share."""

from __future__ import annotations

import pytest
from syn_geometry import sharp

from poof.synthetic import Scene, sample


@pytest.fixture(scope="session")
def clean() -> Scene:
    """The demo with frozen exposure and without noise, flicker and shadow: what is left is geometry."""
    return sharp(sample("demo"))
