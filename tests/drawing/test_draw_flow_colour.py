"""Flow as colours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from poof.drawing import flow_to_rgb
from poof.errors import PoofError


def field(*vectors: tuple[float, float]) -> np.ndarray:
    return np.array(vectors, np.float32).T[:, None, :]


def test_still_is_white_and_the_directions_have_the_wheels_colours():
    colours = flow_to_rgb(field((0, 0), (3, 0), (-3, 0), (0, 3), (0, -3)))[0]
    assert colours[0].tolist() == [255, 255, 255]
    assert colours[1].tolist() == [255, 0, 0]  # right is red
    # Left is cyan, down yellow, up violet: all of full saturation, all different.
    assert colours[2][0] == 0 and min(colours[2][1:]) > 200
    assert colours[3][2] == 0 and min(colours[3][:2]) > 200
    assert colours[4][1] == 0 and colours[4][2] > 200
    assert len({tuple(c) for c in colours.tolist()}) == 5


def test_half_the_speed_is_half_as_strong():
    assert flow_to_rgb(field((1, 0), (2, 0)))[0].tolist() == [[255, 127, 127], [255, 0, 0]]


def test_a_given_magnitude_makes_fields_comparable():
    assert flow_to_rgb(field((1, 0)), max_magnitude=2.0)[0].tolist() == [[255, 127, 127]]
    assert flow_to_rgb(field((10, 0)), max_magnitude=2.0)[0].tolist() == [[255, 0, 0]]
    assert flow_to_rgb(field((0, 0)), max_magnitude=2.0)[0].tolist() == [[255, 255, 255]]


def test_what_is_not_finite_is_black_and_disturbs_nobody():
    colours = flow_to_rgb(field((np.nan, 1), (2, 0), (np.inf, 0)))[0]
    assert colours.tolist() == [[0, 0, 0], [255, 0, 0], [0, 0, 0]]


@settings(max_examples=30, deadline=None)
@given(
    flow=arrays(np.float32, (2, 3, 4), elements=st.floats(-50, 50, width=32)), limit=st.none() | st.floats(0.125, 100)
)
def test_any_field_gives_an_image_of_its_size_and_stays_as_it_is(flow, limit):
    before = flow.copy()
    colours = flow_to_rgb(flow, limit)
    assert colours.shape == (3, 4, 3) and colours.dtype == np.uint8
    assert np.array_equal(flow, before)


def test_bad_fields_are_refused():
    with pytest.raises(PoofError, match=r"\(2, H, W\)"):
        flow_to_rgb(np.zeros((4, 5, 2)))
    with pytest.raises(PoofError, match="positive"):
        flow_to_rgb(np.zeros((2, 4, 5)), max_magnitude=0)
