"""What the colours of a module's picture mean is said beside it, in numbers."""

from __future__ import annotations

import numpy as np
import torch

from poof.recog.core.module import Marks, Picture
from poof.recog.explain.modules import draw, legend


def test_colours_have_numbers() -> None:
    values = torch.zeros(2, 3, 4)
    values[1, 2, 3], values[0, 0, 0] = 3.5, 0.25
    assert legend(Picture("map", values + 0.5, "heat")) == ["clear 0.5, red 4"]
    signed = torch.full((1, 3, 20, 20), -0.2)
    assert legend(Picture("busy", signed, "signed")) == ["grey 0, white +0.2"]
    assert draw(Picture("busy", -signed, "signed"), np.zeros((1, 20, 20, 3), np.uint8)).min() == 255
    assert legend(Picture("image", values)) == []
    nothing = torch.zeros(1, 1, 2)
    marks = Marks("points", nothing, lines=nothing, shifts=nothing, weights=nothing)
    assert [text.split(":")[0] for text in legend(marks)] == ["cross", "arrow", "lines"]
