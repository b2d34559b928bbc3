"""Inputs from bug reports and from a fuzz campaign, each with its right value."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from poof.errors import PoofError, PoofWarning
from poof.video import OnDamage, open_video


def barcode(image: np.ndarray) -> int | None:
    """The number in a picture of the campaign: 8 bits in blocks of 16 pixels above their negatives; None if broken."""
    number = 0
    for bit in range(8):
        columns = slice(bit * 16 + 3, bit * 16 + 13)
        one, negative = image[2:14, columns].mean(), image[18:30, columns].mean()
        if abs(one - negative) < 60:
            return None
        number |= int(one > negative) << bit
    return number


def looked_at(path: Path, on_damage: OnDamage) -> tuple[list[int], list[int | None], str]:
    """Numbers, the numbers in the pictures, and what was said; two passes and the count agree."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            video = open_video(path, on_damage)
        except PoofError as error:
            assert "\n" not in str(error)
            return [], [], str(error)
        frames = list(video.frames())
        numbers = [number for number, _ in frames]
        assert [number for number, _ in video.frames()] == numbers
        assert video.count() == (numbers[-1] + 1 if numbers else 0)
        assert sorted(video.read(numbers)) == numbers
        missing = sorted({*range(numbers[-1] + 1)} - {*numbers}) if numbers else []
        assert missing == [n for hole in video.holes for n in range(hole.start, hole.stop)]
        assert on_damage == "continue" or not video.holes
        text = " ".join(str(w.message) for w in said if issubclass(w.category, PoofWarning))
        return (
            numbers,
            [barcode(image) for _, image in frames],
            f"{text} {video.damage or ''} {video.holes or ''}".strip(),
        )


FUZZ = [
    ("video-anim.gif-wrong-8711.gif", [0], [0]),
    ("video-h264.avi-wrong-6992.avi", [], range(6, 12)),
    ("video-h264.mkv-wrong-6992.mkv", [], range(6, 12)),
    ("video-h264.mp4-wrong-6992.mp4", [], range(6, 12)),
    ("video-h264.ts-wrong-0d86.ts", [], []),
    ("video-h264.ts-wrong-6992.ts", [], range(6, 12)),
    ("video-h264.ts-wrong-859f.ts", [], []),
    ("video-h264.ts-wrong-cfd0.ts", [], [0, 3, 6]),
    ("video-h264bf.avi-wrong-623b.avi", range(10), range(10)),
    ("video-h264bf.avi-wrong-be90.avi", [0, 1], [0, 1, *range(6, 12)]),
    ("video-h265.mp4-wrong-6992.mp4", [], range(6, 12)),
    ("video-mjpeg.avi-wrong-183d.avi", [], []),
    ("video-vp8.webm-wrong-be90.webm", [], range(6, 12)),
    ("video-vp9.webm-wrong-6992.webm", [], range(6, 12)),
]


@pytest.mark.parametrize(("name", "stopped", "continued"), FUZZ)
def test_damage_is_told_and_shifts_no_number(data: Path, name: str, stopped: list[int], continued: list[int]) -> None:
    for on_damage, expected in (("stop", stopped), ("continue", continued)):
        numbers, seen, said = looked_at(data / "cases" / "fuzz" / name, on_damage)
        assert numbers == list(expected)
        # VP9 has no check sums: some of its damaged pictures decode, in their places.
        wrong = [(n, s) for n, s in zip(numbers, seen, strict=True) if s not in (n, None)]
        assert not wrong or (name == "video-vp9.webm-wrong-6992.webm" and len(wrong) <= 2), wrong
        assert "damage" in said.lower() or "Hole" in said


@pytest.mark.parametrize(("name", "count"), [("opengop_cut.mkv", 36), ("opengop_cut.mp4", 32)])
def test_a_clip_that_was_cut_by_copying_the_stream(data: Path, name: str, count: int) -> None:
    with pytest.warns(PoofWarning, match="its first pictures are incomplete"):
        video = open_video(data / "cases" / "01-open-gop-cut" / name)
    frames = list(video.frames())

    def in_picture(image: np.ndarray) -> int:
        return sum(int(image[110, bit * 16 + 8].mean() > 127) << bit for bit in range(8))

    assert [n for n, _ in frames] == list(range(count))
    assert [in_picture(image) for _, image in frames] == list(range(60 - count, 60))
    assert video.count() == count and video.damage is None


def test_exif_beside_the_pictures(data: Path) -> None:
    folder = data / "cases" / "04-exif-side-data"
    plain, exif = open_video(folder / "mj_plain.avi"), open_video(folder / "mj_exif.avi")
    assert plain.count() == exif.count() > 10
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(plain.frames(), exif.frames(), strict=True))
    assert open_video(folder / "single.tif").count() == 1


def test_images_without_their_last_two_bytes(data: Path) -> None:
    video = open_video(data / "cases" / "18-jpeg-trailer" / "noeoi")
    assert video.count() == 4 and video.damage is None
