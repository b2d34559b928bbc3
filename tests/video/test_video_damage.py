"""Damage is found where it begins; what is kept is right, pixel by pixel and number by number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numbered_video import FASTSTART, X264, number_of, write_numbered

from poof.errors import PoofError, PoofWarning
from poof.video import Damage, open_video

Files = Callable[[str], Path]

STREAMED = [
    "h264.mp4",
    "h264-fragments.mp4",
    "h264.mkv",
    "h264.avi",
    "h264.ts",
    "h264.flv",
    "h264-low-delay.mp4",
    "h265.mp4",
    "mpeg4-b-frames.avi",
    "mpeg4.mp4",
    "mjpeg.avi",
    "av1.mp4",
    "vp8.webm",
    "vp8-hidden-frames.webm",
    "vp9.webm",
    "ffv1.mkv",
]
"""Files that can be read without their end."""
NOTICING = [n for n in STREAMED if n.startswith(("h264", "mpeg4", "mjpeg", "av1")) and n != "h264.ts"]
"""Files whose packets stand in one piece and cannot be anything."""


def variant(files: Files, name: str, tmp_path: Path, change: Callable[[bytearray], object]) -> tuple[Path, Path]:
    """(whole file, damaged copy)."""
    whole = files(name)
    content = bytearray(whole.read_bytes())
    result = change(content)
    path = tmp_path / name
    path.write_bytes(result if isinstance(result, bytes | bytearray) else content)
    return whole, path


def check(whole: Path, damaged: Path, at_least: int, at_most: int) -> Damage:
    """What is kept equals the beginning of the whole file; all ways to ask agree on where it ends."""
    video = open_video(damaged)
    kept = list(video.frames())
    for (number, image), (original_number, original) in zip(kept, open_video(whole).frames(), strict=False):
        assert number == original_number
        assert np.array_equal(image, original), f"frame {number} is not what it was"
    assert video.damage is not None
    assert video.damage.frame == len(kept) == video.count()
    assert at_least <= len(kept) <= at_most
    again = open_video(damaged)
    assert again.count() == len(kept) and again.damage == video.damage
    with pytest.raises(PoofError, match=f"frame 59 cannot be read, the video is damaged from frame {len(kept)} on"):
        again.read([0, 59])
    return video.damage


@pytest.mark.parametrize("name", STREAMED)
def test_a_file_that_was_cut_off(numbered_file: Files, tmp_path: Path, name: str) -> None:
    whole, damaged = variant(numbered_file, name, tmp_path, lambda content: content[: len(content) * 6 // 10])
    check(whole, damaged, 20, 45)


@pytest.mark.parametrize("name", STREAMED)
def test_a_hole_of_zeros(numbered_file: Files, tmp_path: Path, name: str) -> None:
    def change(content: bytearray) -> None:
        # Longer than a packet, so that it hits the framing of the container as well.
        start, length = len(content) // 2, len(content) // 12
        content[start : start + length] = bytes(length)

    whole, damaged = variant(numbered_file, name, tmp_path, change)
    if name in ("vp8.webm", "vp8-hidden-frames.webm"):
        # A VP8 packet may lose its end and still decode: at most the one picture in which the hole begins is wrong.
        video = open_video(damaged)
        original = dict(open_video(whole).frames())
        numbers = [number for number, image in video.frames() if np.array_equal(image, original[number])]
        assert video.damage is not None and video.damage.frame - 1 <= len(numbers)
        assert 15 < video.damage.frame < 45
    else:
        check(whole, damaged, 10, 45)


def packets_of(path: Path) -> list[tuple[int, int]]:
    """(position, size) of the contents of every packet in the order of decoding."""
    content, at, packets = path.read_bytes(), 0, []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            if packet.size:
                at = content.index(bytes(packet), at)
                packets.append((at, packet.size))
    return packets


@pytest.mark.parametrize("packet", [27, 44, *(pytest.param(n, marks=pytest.mark.slow) for n in (21, 30))])
@pytest.mark.parametrize("name", NOTICING)
def test_a_packet_of_garbage(numbered_file: Files, tmp_path: Path, name: str, packet: int) -> None:
    position, size = packets_of(numbered_file(name))[packet]

    def change(content: bytearray) -> None:
        content[position : position + size] = b"\xff" * size

    whole, damaged = variant(numbered_file, name, tmp_path, change)
    # The packet decoded as number 44 is shown a few frames earlier or later.
    check(whole, damaged, packet - 4, packet + 4)


@pytest.mark.parametrize(("name", "header"), [("mjpeg.avi", 8), ("vp8.webm", 6), ("ffv1.mkv", 6), ("flv1.flv", 12)])
def test_packets_that_vanish_whole(numbered_file: Files, tmp_path: Path, name: str, header: int) -> None:
    """With its header gone a packet is no packet: FFmpeg reads on behind it, and all numbers would slip."""
    packets = packets_of(numbered_file(name))

    def change(content: bytearray) -> None:
        # From the header of one packet to the last bytes of the next.
        start, end = packets[30][0] - header, sum(packets[31]) - 2
        content[start:end] = bytes(end - start)

    whole, damaged = variant(numbered_file, name, tmp_path, change)
    check(whole, damaged, 25, 30)


@pytest.mark.parametrize("back", [1, 3, 20, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 5, 8))])
@pytest.mark.parametrize("name", ["h264-low-delay.mp4", "mjpeg.avi"])
def test_the_last_packets(numbered_file: Files, tmp_path: Path, name: str, back: int) -> None:
    """Errors near the end come up only when the decoder's threads are emptied, all at once."""
    position, size = packets_of(numbered_file(name))[-back]

    def change(content: bytearray) -> None:
        content[position : position + size] = b"\xff" * size

    whole, damaged = variant(numbered_file, name, tmp_path, change)
    damage = check(whole, damaged, 60 - back, 60 - back)
    assert damage.reason.startswith("the pictures cannot be decoded")


def test_what_waits_in_the_decoder_is_kept_as_far_as_it_is_next(tmp_path: Path) -> None:
    """Decoded before the cut: 0 4 2 1 3, 8 6. Frames 5 and 7 are lost, so 6 and 8 have no number any more."""
    options = {**X264, "x264-params": "scenecut=0:b-adapt=0:bframes=3:b-pyramid=normal"}
    whole = write_numbered(tmp_path / "whole.mp4", "libx264", 60, options, container_options=FASTSTART)
    with av.open(str(whole)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        order = [round(p.pts * p.time_base * 25) for p in packets]
        assert order[:9] == [0, 4, 2, 1, 3, 8, 6, 5, 7]
        cut = packets[7].pos
    damaged = tmp_path / "cut.mp4"
    damaged.write_bytes(whole.read_bytes()[: cut + 5])
    video = open_video(damaged)
    assert [number_of(image) for _, image in video.frames()] == [0, 1, 2, 3, 4]
    assert video.damage == Damage(5, "the file is cut off or broken here")


def test_damage_behind_the_part_asked_for_is_no_concern(numbered_file: Files, tmp_path: Path) -> None:
    _, damaged = variant(numbered_file, "h264.mp4", tmp_path, lambda content: content[: len(content) * 6 // 10])
    video = open_video(damaged)
    assert [number for number, _ in video.frames(3, 12)] == list(range(3, 12))
    assert set(video.read([5, 11])) == {5, 11}
    assert video.damage is None


def begins_at(files: Files, tmp_path: Path, frame: int) -> Path:
    """The transport stream from about a frame on, behind its tables (the first two units of 188 bytes)."""

    def change(content: bytearray) -> bytearray:
        return content[: 2 * 188] + content[len(content) // 188 * frame // 60 * 188 :]

    return variant(files, "h264.ts", tmp_path, change)[1]


def test_a_stream_that_begins_in_the_middle(numbered_file: Files, tmp_path: Path) -> None:
    """Pictures before the first keyframe are no damage: FFmpeg skips them, and so does every other program."""
    path = begins_at(numbered_file, tmp_path, 7)
    with pytest.warns(PoofWarning, match=r"h264\.ts: its first pictures are incomplete"):
        video = open_video(path)
    assert [number_of(image) for _, image in video.frames()] == list(range(20, 60)) == by_opencv(path)
    assert video.count() == 40 and video.damage is None


def by_opencv(path: Path) -> list[int]:
    capture, numbers = cv2.VideoCapture(str(path)), []
    while (got := capture.read())[0]:
        numbers.append(number_of(got[1]))
    return numbers


def test_a_stream_that_begins_in_the_middle_and_is_damaged_later(numbered_file: Files, tmp_path: Path) -> None:
    path = begins_at(numbered_file, tmp_path, 7)
    content = bytearray(path.read_bytes())
    hole = len(content) // 188 * 3 // 4 * 188
    del content[hole : hole + 10 * 188]
    path.write_bytes(content)
    with pytest.warns(PoofWarning, match="its first pictures are incomplete"):
        video = open_video(path)
    kept = [number_of(image) for _, image in video.frames()]
    assert kept == list(range(20, 20 + len(kept))) and len(kept) > 10
    assert video.damage is not None and video.damage.frame == len(kept)


def test_a_damaged_first_keyframe_does_not_shift_the_numbers(numbered_file: Files, tmp_path: Path) -> None:
    name = "mpeg4.mp4"
    position, size = packets_of(numbered_file(name))[0]

    def change(content: bytearray) -> None:
        content[position + size // 2 : position + size] = bytes(size - size // 2)

    _, damaged = variant(numbered_file, name, tmp_path, change)
    with pytest.raises(PoofError, match=r"not one frame can be decoded, it is damaged at its beginning .*--on-damage"):
        open_video(damaged)
    video = open_video(damaged, on_damage="continue")
    assert [(n, number_of(image)) for n, image in video.frames()] == [(n, n) for n in range(21, 60)]
    assert [(hole.start, hole.stop) for hole in video.holes] == [(0, 21)] and video.damage is None


@pytest.mark.parametrize("name", ["testsrc2_vp8.webm", "testsrc2_mpeg4.avi", "test_non_zero_start.mp4"])
def test_real_files_cut_off(data: Path, tmp_path: Path, name: str) -> None:
    whole = data / "video-odd" / name
    content = whole.read_bytes()
    damaged = tmp_path / name
    damaged.write_bytes(content[: len(content) * 7 // 10])
    if content.rindex(b"moov") > content.rindex(b"mdat") if name.endswith("mp4") else False:
        with pytest.raises(PoofError, match="its index, which is written last, is missing"):
            open_video(damaged)
        return
    video = open_video(damaged)
    kept = list(video.frames())
    for (_, image), (_, original) in zip(kept, open_video(whole).frames(), strict=False):
        assert np.array_equal(image, original)
    assert video.damage is not None and video.damage.frame == len(kept) > 5
