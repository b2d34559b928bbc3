"""The contact sheet: which frames, how large, cut out around the subject."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from poof.drawing import Style, contact_sheet
from poof.drawing.sheet import BAR, GAP, TILE_AREA, choose_frames, subject_window
from poof.errors import PoofError
from poof.labels.model import LabelSet, Points
from poof.video import ArrayVideo


def test_all_frames_when_they_fit():
    assert choose_frames([1, 5, 9], {5}, 10) == [1, 5, 9]


def test_all_anchors_and_then_the_farthest_frames():
    frames = list(range(21))
    assert choose_frames(frames, {0, 20}, 3) == [0, 10, 20]
    assert choose_frames(frames, {0, 20}, 5) == [0, 5, 10, 15, 20]
    chosen = choose_frames(list(range(63)), {10, 31, 52}, 7)
    assert {10, 31, 52} <= set(chosen) and chosen == sorted(chosen) and len(chosen) == 7
    assert {0, 62} <= set(chosen)


def test_too_many_anchors_are_thinned_evenly():
    assert choose_frames(list(range(101)), set(range(101)), 5) == [0, 25, 50, 75, 100]
    assert choose_frames(list(range(101)), set(), 3) == [0, 50, 100]
    assert choose_frames(list(range(101)), {7, 50, 93}, 1) == [7]


def test_the_window_holds_the_subject_with_a_margin(make):
    small = {0: make([(500, 300), (560, 400), (520, 350)])}  # 60 x 100
    # 18 % of 100 on each side: 96 x 136.
    assert subject_window((1920, 1080), [small]) == (96, 136)
    tiny = {0: make([(500, 300), (502, 303), (501, 301)])}
    assert subject_window((1920, 1080), [tiny]) == (64, 64)
    large = {0: make([(100, 100), (1800, 1000), (900, 500)])}
    assert subject_window((1920, 1080), [small, large]) == (1920, 1080)
    # Points outside the image do not count; without any the whole image is shown.
    astray = {0: make([(500, 300), (560, 400), (9000, 350)])}
    assert subject_window((1920, 1080), [astray]) == (96, 136)
    assert subject_window((1920, 1080), [{0: Points.empty(3)}]) == (1920, 1080)
    # A line is not cut out as a line.
    line = {0: make([(100, 300), (600, 300), (350, 300)])}
    assert subject_window((1920, 1080), [line]) == (680, 408)


def test_tiles_and_size(tmp_path, grey_video, labels):
    path = tmp_path / "sheet.png"
    frames = contact_sheet(grey_video, labels, path, columns=4, max_tiles=7)
    assert len(frames) == 7 and {5, 10, 15} <= set(frames)
    sheet = np.asarray(Image.open(path))
    # 60 x 70 px subject with 18 % of 70 all round, 85 x 95 -> the tile has TILE_AREA pixels.
    width, height = subject_window((200, 160), [labels.at(f) for f in frames])
    scale = (TILE_AREA / (width * height)) ** 0.5
    tile = (round(width * scale), round(height * scale) + BAR)
    assert sheet.shape[1] == 4 * (tile[0] + GAP) + GAP
    body = 2 * (tile[1] + GAP) + GAP
    assert body < sheet.shape[0] < body + 120
    # The first tile shows frame 5, whose grey is 65, at a corner of its picture; the last row holds three.
    top = sheet.shape[0] - body + GAP
    corners = [
        sheet[top + row * (tile[1] + GAP) + BAR + 8, GAP + column * (tile[0] + GAP) + 8].tolist()
        for row in range(2)
        for column in range(4)
    ]
    assert corners[:7] == [[60 + f] * 3 for f in frames]
    assert corners[7] != corners[6]


def test_the_anchor_has_a_white_frame(tmp_path, grey_video, labels):
    path = tmp_path / "sheet.png"
    frames = contact_sheet(grey_video, labels, path, columns=11)
    sheet = np.asarray(Image.open(path))
    width = (sheet.shape[1] - GAP) // 11
    lowest = sheet[-GAP - 2]
    white = [(lowest[GAP + i * width + 20] == 255).all() for i in range(11)]
    assert [frame for frame, is_white in zip(frames, white, strict=True) if is_white] == [10]


def test_points_stand_in_the_cut_out_where_they_stood_in_the_frame(tmp_path, skeleton):
    """A bright dot in the frame and the mark on it: around the hollow mark's hole the dot shows through."""
    image = np.zeros((400, 600, 3), np.uint8)
    image[198:203, 398:403] = (0, 255, 0)
    lone = LabelSet(skeleton)
    points = Points.human(0, np.array([(400, 200), (380, 160), (420, 240)]), visible=np.array([1, 1, 1]))
    lone.add(0, 0, points)
    path = tmp_path / "sheet.png"
    contact_sheet(ArrayVideo([image]), lone, path, style=Style(limbs=False, radius=8))
    sheet = np.asarray(Image.open(path)).astype(int)
    green = (sheet[..., 1] > 200) & (sheet[..., 0] < 90)
    rows, columns = np.nonzero(green)
    middle = np.array([columns.mean(), rows.mean()])
    # The inner edges of the white ring, left, right, above and below the dot, are equally far from its centre.
    row, column = (sheet[int(middle[1])] > 200).all(axis=1), (sheet[:, int(middle[0])] > 200).all(axis=1)
    for white, centre in ((np.flatnonzero(row), middle[0]), (np.flatnonzero(column), middle[1])):
        low, high = white[white < centre].max(), white[white > centre].min()
        assert (low + high) / 2 == pytest.approx(centre, abs=0.51)
        assert 12 < high - low < 24


def test_the_picture_formats(tmp_path, grey_video, labels):
    for ending, kind in ((".png", "PNG"), (".jpg", "JPEG"), (".webp", "WEBP")):
        contact_sheet(grey_video, labels, tmp_path / f"sheet{ending}", max_tiles=3)
        assert Image.open(tmp_path / f"sheet{ending}").format == kind
    with pytest.raises(PoofError, match=r"ends in \.png"):
        contact_sheet(grey_video, labels, tmp_path / "sheet.txt")
    with pytest.raises(PoofError, match="at least one tile"):
        contact_sheet(grey_video, labels, tmp_path / "sheet2.png", max_tiles=0)


def test_a_file_of_others_stays_and_an_own_sheet_is_replaced(tmp_path, grey_video, labels):
    path = tmp_path / "sheet.png"
    path.write_bytes(b"mine")
    with pytest.raises(PoofError, match="exists already"):
        contact_sheet(grey_video, labels, path, force=True)
    assert path.read_bytes() == b"mine"
    path.unlink()
    contact_sheet(grey_video, labels, path)
    contact_sheet(grey_video, labels, path)
    assert Image.open(path).width > 300


def test_a_failure_leaves_nothing(tmp_path, grey_video, labels, monkeypatch):
    def full(self, *args, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(PoofError, match=r"sheet\.png: cannot be written \(No space left on device\)"):
        contact_sheet(grey_video, labels, tmp_path / "sheet.png")
    assert not list(tmp_path.iterdir())


def test_labels_beyond_the_end_are_refused(tmp_path, grey_video, labels, make):
    labels.add(77, 0, make([(5, 5), (9, 9), (12, 20)]))
    with pytest.raises(PoofError, match="ends at frame 29, the labels name frame 77"):
        contact_sheet(grey_video, labels, tmp_path / "sheet.png")
    assert not list(tmp_path.iterdir())
