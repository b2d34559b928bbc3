"""The strip under a picture: what it says of a frame."""

from __future__ import annotations

import numpy as np
import pytest

from poof.drawing import caption
from poof.drawing.caption import EMPTY, Legend, Strip, anchor_words, mean_confidence, nearest_anchor
from poof.drawing.style import WHITE, confidence_colour
from poof.labels.model import LabelSet, Points, Source, Visible


@pytest.fixture
def written(monkeypatch):
    """Every text that is drawn, in order."""
    said: list[str] = []

    def remember(original):
        def wrapper(image, x, y, string, *rest, **named):
            said.append(string)
            return original(image, x, y, string, *rest, **named)

        return wrapper

    monkeypatch.setattr(caption, "text", remember(caption.text))
    monkeypatch.setattr(caption, "badge", remember(caption.badge))
    return said


def test_the_words_for_the_distance():
    assert anchor_words(45, 3) == "3 after anchor 45"
    assert anchor_words(66, -2) == "2 before anchor 66"


def test_the_anchor_of_a_frame_is_that_of_most_points(make):
    points = make([(1, 1), (2, 2), (3, 3)])
    points.anchor[:] = [10, 31, 31]
    assert nearest_anchor(22, {0: points}) == (31, -9)
    assert nearest_anchor(22, {0: Points.human(22, np.ones((3, 2)))}) is None
    points.anchor[:] = [10, 31, -1]
    assert nearest_anchor(12, {0: points}) == (10, 2)


def test_mean_confidence_is_of_machine_points(make):
    points = make([(1, 1), (2, 2), (3, 3)], confidence=[0.2, 0.6, np.nan])
    assert mean_confidence({0: points}) == pytest.approx(0.4)
    assert mean_confidence({0: points}, min_confidence=0.5) == pytest.approx(0.6)
    assert np.isnan(mean_confidence({0: Points.human(0, np.ones((2, 2)))}))
    points.source[1] = Source.HUMAN
    assert mean_confidence({0: points}) == pytest.approx(0.2)


def test_what_is_said_of_each_kind_of_frame(labels, written):
    strip = Strip(labels, (900, 600), (0, 30))
    written.clear()
    strip.draw(10, labels.at(10))
    assert written == ["frame 10", "ANCHOR", "3 of 3 points"]
    written.clear()
    strip.draw(13, labels.at(13))
    assert written == ["frame 13", "3 after anchor 10", "confidence 0.70   3 of 3 points"]
    written.clear()
    strip.draw(6, labels.at(6))
    assert written[:2] == ["frame 6", "4 before anchor 10"]
    written.clear()
    strip.draw(20, {})
    assert written == ["frame 20", "no labels"]


def test_the_legend_explains_what_occurs_and_nothing_else(labels, make, skeleton, written):
    Legend.of(labels).draw(900, 14)
    assert written == ["set by a person", "carried by flow", "unsure ", " sure"]
    written.clear()
    Legend.of(labels.human()).draw(900, 14)
    assert written == ["set by a person"]
    written.clear()
    other = LabelSet(skeleton)
    xy = [(1, 1), (2, 2), (3, 3)]
    other.add(0, 0, make(xy, source=Source.PREDICTED, confidence=[0.5, np.nan, 0.1], visible=Visible.OCCLUDED))
    Legend.of(other).draw(900, 14)
    assert written == ["predicted", "occluded", "confidence unknown", "unsure ", " sure"]


def test_a_narrow_legend_takes_more_rows(labels):
    legend = Legend.of(labels)
    wide, narrow = legend.draw(900, 14), legend.draw(150, 14)
    assert narrow.shape[0] == 3 * wide.shape[0] and narrow.shape[1] == 150


@pytest.mark.parametrize("size", [(100, 100), (320, 240), (417, 375), (1080, 1920), (3840, 2160)])
def test_the_strip_fits_any_picture(labels, size):
    strip = Strip(labels, size, (0, 30))
    image = strip.draw(10, labels.at(10))
    assert image.shape == (strip.height, size[0], 3)
    assert strip.height < 0.5 * size[1]
    assert (strip.height + size[1]) % 2 == 0
    # The badge is not cut: the plate is white, the column at the right end is not.
    assert (image[: strip.height // 3] == 255).all(axis=2).any()
    assert not (image[: strip.height // 3, -1] == 255).all(axis=1).any()


def test_the_line_of_the_video_shows_confidence_anchors_and_gaps(labels):
    strip = Strip(labels, (300, 200), (0, 30))  # ten columns a frame
    image = strip.draw(29, {})
    line = image[-1]
    assert line[5 * 10 + 5].tolist() == confidence_colour(np.array([0.5]))[0].tolist()
    assert line[14 * 10 + 5].tolist() == confidence_colour(np.array([0.6]))[0].tolist()
    assert tuple(line[10 * 10 + 5]) == WHITE
    assert tuple(line[20 * 10 + 5]) == EMPTY
    assert tuple(line[29 * 10 + 5]) == WHITE  # where we are


def test_an_anchor_among_many_frames_stays_visible(skeleton, make):
    many = LabelSet(skeleton)
    xy = [(1, 1), (2, 2), (3, 3)]
    for frame in range(5000):
        many.add(frame, 0, Points.human(frame, np.array(xy)) if frame == 2500 else make(xy, anchor=2500))
    line = Strip(many, (200, 200), (0, 5000)).draw(0, {})[-1]
    assert (line == 255).all(axis=1)[95:105].any()
