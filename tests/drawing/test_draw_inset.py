"""A small subject is shown again, larger, where it is in nobody's way."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from poof.drawing import Style, render_overlay
from poof.drawing.inset import Inset
from poof.drawing.style import WHITE
from poof.labels.model import LabelSet, Points, Skeleton
from poof.video import ArrayVideo

SKELETON = Skeleton(("head", "foot"), edges=((0, 1),))
SIZE = (800, 600)


def subject(x: float, y: float, side: float) -> dict[int, Points]:
    return {0: Points.human(0, np.array([[x, y], [x + side, y + side]]))}


def inset(frames: dict[int, dict[int, Points]], style: Style | None = None) -> Inset:
    labels = LabelSet(SKELETON, image_size=SIZE)
    for frame, instances in frames.items():
        for instance, points in instances.items():
            labels.add(frame, instance, points)
    return Inset(labels, frames, SIZE, SIZE, style or Style())


def test_only_what_is_small_is_shown_again() -> None:
    assert inset({0: subject(300, 300, 30)}).wanted
    assert not inset({0: subject(200, 200, 200)}).wanted
    apart = subject(50, 50, 10) | {1: subject(700, 500, 10)[0]}  # two subjects that only the whole picture holds
    assert not inset({0: apart}).wanted


@pytest.mark.parametrize(
    ("at", "corner"), [((700, 40), "left top"), ((40, 40), "right top"), ((300, 300), "right top")]
)
def test_the_pane_lies_in_a_corner_where_the_subject_is_not(at: tuple[float, float], corner: str) -> None:
    frames = {0: subject(*at, 20)}
    one = inset(frames)
    picture = np.zeros((600, 800, 3), np.uint8)
    one.draw(picture, np.full((600, 800, 3), 90, np.uint8), frames[0])
    quarter = picture[:250, :250] if corner == "left top" else picture[:250, -250:]
    assert (quarter == 90).all(axis=2).mean() > 0.5
    other = picture[-250:]
    assert not (other == 90).all(axis=2).any()


def test_it_shows_the_surroundings_of_the_subject_magnified() -> None:
    frames = {0: subject(200, 400, 24)}
    image = np.full((600, 800, 3), 40, np.uint8)
    image[406:410, 218:222] = (250, 20, 20)  # 4 px of red beside the limb
    picture = image.copy()
    inset(frames, Style(limbs=False)).draw(picture, image, frames[0])
    pane = picture[:260, 540:].astype(int)
    red = (pane[..., 0] > 150) & (pane[..., 1] < 60)
    zoom = 0.42 * 600 / 64  # the pane shows at least 64 px
    assert red.sum() == pytest.approx((4 * zoom) ** 2, rel=0.5)
    assert (picture[400 - 30 : 400 + 60, 150:260] == WHITE).all(axis=2).any()  # the frame around what is shown


def test_a_frame_without_points_has_no_pane() -> None:
    frames = {0: subject(200, 400, 24)}
    picture = np.zeros((600, 800, 3), np.uint8)
    inset(frames).draw(picture, picture.copy(), {0: Points.empty(2)})
    assert not picture.any()


def test_the_overlay_has_it(tmp_path: Path) -> None:
    labels = LabelSet(SKELETON, image_size=SIZE)
    for frame in range(3):
        labels.add(frame, 0, subject(300 + frame, 300, 30)[0])
    video = ArrayVideo([np.full((600, 800, 3), 100, np.uint8)] * 3, name="far away")
    render_overlay(video, labels, tmp_path / "o.mp4", scale=1, style=Style(names=True))
    with av.open(str(tmp_path / "o.mp4")) as container:
        image = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert (np.abs(image[:280, 540:].astype(int) - 100) > 60).sum() > 300  # the marks of the pane
