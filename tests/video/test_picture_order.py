"""The order in which an H.264 stream shows its pictures: whatever bit of it changes, wrong numbers do not go unsaid."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_video import X264, write_numbered
from test_video_damage import packets_of

from poof.video import open_video
from poof.video.picture_order import PictureOrder

COUNT = 12
OPTIONS = {**X264, "x264-params": "scenecut=0:b-adapt=0:bframes=2:b-pyramid=none"}


def said_of(path: Path) -> tuple[list[float], str]:
    """(mean of every picture, what is said of the file)."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        video = open_video(path)
        means = [float(image[:32].mean()) for _, image in video.frames()]
    return means, " ".join([*(str(w.message) for w in said), video.damage.reason if video.damage else ""])


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.avi", "a.ts", "a.flv"])
def test_whole_files_are_sound(tmp_path: Path, name: str) -> None:
    assert said_of(write_numbered(tmp_path / name, "libx264", 30, OPTIONS, gop=10))[1] == ""


@pytest.mark.parametrize("name", ["a.mkv", "a.avi"])
def test_each_bit_of_a_header(tmp_path: Path, name: str) -> None:
    """Number and place of a picture, 4 bits each, are the 47th bit of a packet and those behind."""
    whole = write_numbered(tmp_path / name, "libx264", COUNT, OPTIONS, gop=6, size=(320, 96))
    right, said = said_of(whole)
    assert len(right) == COUNT and said == ""
    content, told = whole.read_bytes(), 0
    position, _ = packets_of(whole)[2]
    for bit in range(47, 55):
        damaged = bytearray(content)
        damaged[position + bit // 8] ^= 128 >> bit % 8
        (tmp_path / f"b{whole.suffix}").write_bytes(damaged)
        means, said = said_of(tmp_path / f"b{whole.suffix}")
        moved = [n for n, mean in enumerate(means) if not abs(mean - right[n]) < 4]
        assert not moved or said, f"bit {bit}: {moved}"
        told += bool(said)
    assert told >= 7, "one of another place may keep the order"


def test_times_in_another_order_than_the_pictures(tmp_path: Path) -> None:
    write_numbered(tmp_path / "a.mp4", "libx264", COUNT, OPTIONS)
    with av.open(str(tmp_path / "a.mp4")) as source, av.open(str(tmp_path / "b.mkv"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream, packet.pts = stream, packet.dts
                target.mux(packet)
    means, said = said_of(tmp_path / "b.mkv")
    assert len(means) == COUNT and "frame numbers from 0 on may be shifted" in said and len(said) < 300


def unit(kind: int, fields: Sequence[tuple[int, int] | int]) -> bytes:
    """A unit with a start code; numbers by themselves are Exp-Golomb codes, pairs are (value, bits)."""
    bits = "".join(
        f"{field[0]:0{field[1]}b}" if isinstance(field, tuple) else f"{field + 1:0{2 * (field + 1).bit_length() - 1}b}"
        for field in fields
    )
    bits += "1" + "0" * (-(len(bits) + 1) % 8)
    return b"\0\0\1" + bytes([kind]) + int(bits, 2).to_bytes(len(bits) // 8, "big")


def settings(gaps: int = 0) -> bytes:
    """Numbers of 4 bits, places of 4 bits."""
    sequence = unit(0x67, [(66, 8), (0, 8), (10, 8), 0, 0, 0, 0, 1, (gaps, 1), 3, 3, (1, 1)])
    return sequence + unit(0x68, [0, 0, (0, 8)])


def slices(pictures: Sequence[tuple[int, int, int]]) -> list[bytes]:
    """(kind of unit, number, place) of each."""
    return [
        unit(kind, [0, 7, 0, (number, 4), *([0] if kind & 31 == 5 else []), (place % 16, 4), (77, 8)])
        for kind, number, place in pictures
    ]


IDR, P, B = 0x65, 0x61, 0x01  # B is leaned on by none


@pytest.mark.parametrize(
    ("pictures", "gaps", "agrees", "ends"),
    [
        ([(IDR, 0, 0), (P, 1, 4), (B, 2, 2), (P, 2, 8), (B, 3, 6)], 0, True, True),
        ([(IDR, 0, 0), (P, 1, 4), (P, 3, 2)], 0, False, True),  # one number is left out
        ([(IDR, 0, 0), (P, 1, 4), (P, 3, 2)], 1, True, True),  # which this stream may do
        ([(IDR, 0, 0), (P, 1, 4), (B, 2, 4), (P, 2, 8), (B, 3, 6)], 0, True, False),  # two of one place
        ([(IDR, 0, 0), (P, 1, 4), (B, 2, 2), (P, 2, 12), (B, 3, 6)], 0, True, False),  # a place without one
        ([(IDR, 0, 0), *((P, n % 16, 2 * n) for n in range(1, 40)), (IDR, 0, 0), (P, 1, 2)], 0, True, True),
        ([(P, 9, 4), (P, 10, 8), (IDR, 0, 0)], 0, True, True),  # was cut: what came before is not known
    ],
)
def test_numbers_and_places(pictures: list[tuple[int, int, int]], gaps: int, agrees: bool, ends: bool) -> None:
    order = PictureOrder(settings(gaps), timed=False)
    answers = [order.agrees(data) for data in slices(pictures)]
    assert all(answers) is agrees
    assert order.ends() is ends


def test_settings_that_cannot_be_read_say_nothing() -> None:
    for content in (b"", b"\1", b"\1" + bytes(30), settings()[:6], np.random.default_rng(0).bytes(60)):
        order = PictureOrder(content, timed=False)
        assert all(order.agrees(data) for data in [*slices([(IDR, 3, 0), (P, 9, 4)]), b"", b"\0\0\1", b"\0\0\1\x65"])
        assert order.ends()
