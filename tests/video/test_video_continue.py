"""Reading on behind damage: every frame keeps its number, and nothing is carried over a hole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from numbered_video import X264, number_of, numbered, write_numbered
from test_video_damage import packets_of, variant

from poof.errors import PoofError, PoofWarning
from poof.flow.dis import DisFlow
from poof.labels import LabelSet, Points, Skeleton
from poof.planning.survey import survey
from poof.propagation import Settings, propagate, summarise
from poof.video import open_video
from poof.video.bitstream import Kind

Files = Callable[[str], Path]

# Where reading may go on: at the next picture that leans on no other.
NEXT = {
    "h264.mp4": 40, "h264-fragments.mp4": 40, "h264.mkv": 40, "h264.avi": 40, "h264.flv": 40, "h264-low-delay.mp4": 40,
    "h264.ts": 40, "mpeg4.mp4": 40, "mjpeg.avi": 31, "vp8.webm": 40, "vp9.webm": 40,
}  # fmt: skip


@pytest.mark.parametrize("name", NEXT)
def test_a_broken_picture_in_the_middle(numbered_file: Files, tmp_path: Path, name: str) -> None:
    if name == "h264.ts":

        def change(content: bytearray) -> None:
            middle = len(content) // 188 // 2 * 188
            content[middle : middle + 3 * 188] = bytes(3 * 188)
    else:
        position, size = packets_of(numbered_file(name))[30]

        def change(content: bytearray) -> None:
            content[position : position + size] = b"\xff" * size

    _, damaged = variant(numbered_file, name, tmp_path, change)
    video = open_video(damaged, "continue")
    found = [(number, number_of(image)) for number, image in video.frames()]
    numbers = [number for number, _ in found]
    assert found == [(n, n) for n in numbers]
    assert numbers[-1] == 59 and video.count() == 60 and video.damage is None
    # A picture that was decoded already, and is shown behind the broken one, divides the hole.
    assert 1 <= len(video.holes) <= 2, video.holes
    hole = video.holes[0]
    assert 24 <= hole.start <= 34 and video.holes[-1].stop <= NEXT[name]
    missing = {n for one in video.holes for n in range(one.start, one.stop)}
    assert numbers == [n for n in range(60) if n not in missing]
    assert [n for n, _ in open_video(damaged, "continue").frames()] == numbers == [n for n, _ in video.frames()]
    assert set(video.read([3, 59])) == {3, 59}
    with pytest.raises(PoofError, match=rf"frame {hole.start} cannot be read, frames {hole.start} to {hole.stop - 1}"):
        video.read([3, hole.start])
    stopped = open_video(damaged)
    assert stopped.count() == hole.start and stopped.damage is not None and not stopped.holes
    parts = [n for n, _ in video.frames(hole.start - 2, hole.stop + 2)]
    assert parts == [n for n in numbers if hole.start - 2 <= n < hole.stop + 2]


def test_a_hole_in_the_container_is_as_long_as_the_times_say(numbered_file: Files, tmp_path: Path) -> None:
    """Three pictures are gone with their headers; FFmpeg would number the rest three less."""
    packets = packets_of(numbered_file("vp8.webm"))

    def change(content: bytearray) -> None:
        start, end = packets[30][0] - 6, sum(packets[32])
        content[start:end] = bytes(end - start)

    _, damaged = variant(numbered_file, "vp8.webm", tmp_path, change)
    video = open_video(damaged, "continue")
    found = [(number, number_of(image)) for number, image in video.frames()]
    assert all(a == b for a, b in found) and found[-1][0] == 59
    assert [(h.start, h.stop) for h in video.holes] == [
        (29, 40)
    ]  # of the picture before, nothing says that it is whole


def test_an_avi_without_an_index_says_that_numbers_may_be_shifted(numbered_file: Files, tmp_path: Path) -> None:
    position, _ = packets_of(numbered_file("mjpeg.avi"))[20]

    def change(content: bytearray) -> None:
        content[position - 8] = ord("e")  # '00dc' is 'e0dc' now
        content[content.rindex(b"idx1") : content.rindex(b"idx1") + 4] = b"JUNK"

    _, damaged = variant(numbered_file, "mjpeg.avi", tmp_path, change)
    assert open_video(damaged).damage is None and open_video(damaged).count() == 19
    with pytest.warns(PoofWarning, match="frame numbers behind 18 may be shifted"):
        video = open_video(damaged, "continue")
        assert len(list(video.frames())) > 50


def test_the_end_is_damage_also_when_reading_goes_on(numbered_file: Files, tmp_path: Path) -> None:
    _, damaged = variant(numbered_file, "h264.mp4", tmp_path, lambda content: content[: len(content) * 6 // 10])
    video = open_video(damaged, "continue")
    numbers = [n for n, _ in video.frames()]
    assert numbers == list(range(len(numbers))) and video.damage is not None and not video.holes


def test_a_folder_with_broken_images(tmp_path: Path) -> None:
    for number in range(10):
        cv2.imwrite(str(tmp_path / f"{number}.png"), numbered(number)[..., ::-1])
    for broken in (0, 4, 5):
        (tmp_path / f"{broken}.png").write_bytes(b"x" * 90)
    with pytest.raises(PoofError, match=r"0\.png: the first image cannot be read"):
        open_video(tmp_path)
    video = open_video(tmp_path, "continue")
    assert [(n, number_of(image)) for n, image in video.frames()] == [(n, n) for n in (1, 2, 3, 6, 7, 8, 9)]
    assert [(h.start, h.stop) for h in video.holes] == [(0, 1), (4, 6)] and video.count() == 10
    filled = [(n, number_of(image), real) for n, image, real in video.filled()]
    assert filled == [(n, {0: 1, 4: 3, 5: 3}.get(n, n), n not in (0, 4, 5)) for n in range(10)]


def test_a_choice_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(PoofError, match="--on-damage ignore: valid are stop and continue"):
        open_video(tmp_path, "ignore")


@pytest.fixture
def holed(tmp_path: Path) -> Path:
    """A textured square that moves 2 px a frame over 24 images; those of frames 9, 10 and 11 are broken."""
    texture = np.random.default_rng(0).integers(0, 255, (30, 30, 3)).astype(np.uint8).repeat(2, 0).repeat(2, 1)
    ground = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 255, (160, 200, 3)).astype(np.uint8), (0, 0), 5)
    for frame in range(24):
        image = ground.copy()
        image[50:110, 40 + 2 * frame : 100 + 2 * frame] = texture
        cv2.imwrite(str(tmp_path / f"{frame:02}.png"), image)
    for frame in (9, 10, 11):
        (tmp_path / f"{frame:02}.png").write_bytes(b"broken")
    return tmp_path


def test_nothing_is_carried_over_a_hole(holed: Path) -> None:
    video = open_video(holed, "continue")
    labels = LabelSet(Skeleton(("a", "b")), image_size=video.size)
    for frame in (4, 18):
        xy = np.array([[60 + 2 * frame, 70], [80 + 2 * frame, 90]], np.float32)
        labels.add(frame, 0, Points.human(frame, xy))
    result = propagate(video, labels, [DisFlow()], Settings(radius=10))
    assert [frame for frame in result.frames if 9 <= frame < 12] == []
    assert set(result.frames) == {*range(9), *range(12, 24)}
    for frame, _, points in result:
        assert np.abs(points.xy - [[60 + 2 * frame, 70], [80 + 2 * frame, 90]]).max() < 2
        assert (points.anchor == (4 if frame < 9 else 18)).all()
    summary = summarise(result)
    assert [(h["start"], h["stop"]) for h in summary["holes"]] == [(9, 12)] and summary["cuts"] == []


def test_no_frame_of_a_hole_is_worth_a_label(holed: Path) -> None:
    seen = survey(open_video(holed, "continue"))
    assert seen.count == 24 and seen.repeats[9:12].all() and not seen.repeats[12:].any()
    assert 12 in seen.cuts


def test_a_whole_file_has_no_holes(numbered_file: Files) -> None:
    video = open_video(numbered_file("h264.mp4"), "continue")
    assert [n for n, _, real in video.filled(50) if real] == list(range(50, 60)) and video.holes == ()
    assert video.count() == 60 and video.damage is None


def test_a_picture_behind_one_that_the_decoder_forgot_is_not_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen in H.264 with a changed bit: picture 2 never comes out, and 3, made from it, shows something else."""
    from poof.video import salvage

    def frame(pts: int, interlaced: bool = False) -> SimpleNamespace:
        return SimpleNamespace(pts=pts, is_corrupt=False, interlaced_frame=interlaced)

    class Packet(SimpleNamespace):
        def __bytes__(self) -> bytes:
            return b""

    def island(interlaced: bool) -> list[int]:
        # Decoding order 0 2 1 3 4, one picture of delay; 2 is forgotten.
        shown = {0: [], 2: [frame(0, interlaced)], 1: [frame(1)], 3: [], 4: [frame(3)]}
        context = SimpleNamespace(
            name="h264", extradata=b"", decode=lambda p: [] if p is None else shown[p.pts], flush_buffers=lambda: None
        )
        timeline = SimpleNamespace(timed=True, number=lambda pts: pts, place=lambda pos: 0)
        one = salvage._Island(context, timeline, strict=True)  # type: ignore[arg-type]
        monkeypatch.setattr(salvage, "kind_of", lambda name, data, settings, key: Kind.CLOSED if key else Kind.LEANING)
        found: list[int] = []
        for pts in shown:
            packet = Packet(pts=pts, pos=pts, is_corrupt=False, is_discard=False, is_keyframe=pts == 0)
            found += [number for number, _, _ in one.send(packet)]  # type: ignore[arg-type]
        return found

    assert island(interlaced=False) == [0, 1]
    assert island(interlaced=True) == [0, 1, 3], "two fields of a picture may be two packets"


def test_a_second_hole_of_an_avi_shows_in_its_index(numbered_file: Files, tmp_path: Path) -> None:
    """Behind the first, pictures were counted as they came."""
    packets = packets_of(numbered_file("mjpeg.avi"))

    def change(content: bytearray) -> None:
        content[packets[5][0] : packets[5][0] + packets[5][1]] = b"\xff" * packets[5][1]
        start, end = packets[30][0] - 8, sum(packets[31]) - 2
        content[start:end] = bytes(end - start)

    _, damaged = variant(numbered_file, "mjpeg.avi", tmp_path, change)
    video = open_video(damaged, "continue")
    found = [(number, number_of(image)) for number, image in video.frames()]
    assert found == [(n, n) for n, _ in found] and len(found) >= 56 and video.count() == 60
    assert [n for hole in video.holes for n in range(hole.start, hole.stop)] == sorted({*range(60)} - {*dict(found)})


def test_h264_behind_damage_is_counted_by_its_headers(numbered_file: Files, tmp_path: Path) -> None:
    """One bit of a picture's number: the decoder makes up those that are left out, and leans on them."""
    packets = packets_of(numbered_file("h264.mkv"))

    def change(content: bytearray) -> None:
        content[packets[3][0] : packets[3][0] + packets[3][1]] = b"\xff" * packets[3][1]
        content[packets[27][0] + 6] ^= 0x80  # behind 47 bits of size, kind and slice: 4 bits of number

    _, damaged = variant(numbered_file, "h264.mkv", tmp_path, change)
    video = open_video(damaged, "continue")
    assert [number_of(image) for _, image in video.frames()] == [n for n, _ in video.frames()]
    assert len(video.holes) >= 2 and video.holes[-1].stop == 40


def test_a_picture_of_another_size_behind_damage_ends_the_reading(tmp_path: Path) -> None:
    """It was a fault of poof."""
    parts = [write_numbered(tmp_path / f"{height}.ts", "libx264", 20, X264, size=(320, height)) for height in (160, 96)]
    content = bytearray(parts[0].read_bytes())
    middle = len(content) // 188 // 2 * 188
    content[middle : middle + 3 * 188] = bytes(3 * 188)
    (tmp_path / "a.ts").write_bytes(content + parts[1].read_bytes())
    with pytest.warns(PoofWarning):
        video = open_video(tmp_path / "a.ts", "continue")
        numbers = [n for n, _ in video.frames()]
    assert video.damage is not None and "the size changes from 320x160 to 320x96" in video.damage.reason
    assert video.count() == numbers[-1] + 1 == video.damage.frame


@pytest.mark.parametrize("codec", ["flv", "h263", "hevc"])
def test_a_decoder_that_leaves_a_picture_out_is_noticed(codec: str) -> None:
    """Seen in Sorenson's H.263 with a changed bit: all behind it had the numbers of their predecessors."""
    from poof.video.decoding import Broken, Feed, Plan

    class Packet(SimpleNamespace):
        def __bytes__(self) -> bytes:
            return b"x"

    def feed(lost: int) -> list[int]:
        def decode(packet: Packet) -> list[SimpleNamespace]:
            picture = SimpleNamespace(pts=packet.pts, is_corrupt=False, interlaced_frame=False)
            return [] if packet.pts == lost else [picture]

        context = SimpleNamespace(name="x", codec=SimpleNamespace(name=codec), extradata=b"", decode=decode)
        one = Feed(context, False, Plan(0), timed=True)  # type: ignore[arg-type]
        found: list[int] = []
        for pts in range(4):
            packet = Packet(pts=pts, dts=pts, is_corrupt=False, is_discard=False, is_keyframe=pts == 0)
            found += [frame.pts for frame in one.send(packet)]  # type: ignore[arg-type, misc]
        return found

    assert feed(lost=9) == [0, 1, 2, 3]
    with pytest.raises(Broken, match="a picture is lost"):
        feed(lost=1)


def test_a_damaged_time_at_the_beginning_is_no_origin(tmp_path: Path) -> None:
    """The first picture's time was damaged to 0, where the others count from 80 ms: all were two too high."""
    path = write_numbered(tmp_path / "a.flv", "libx264", 30, {"bf": "2", "b-adapt": "0"}, gop=10)
    content = bytearray(path.read_bytes())
    at = content.index(b"\x17\x01\x00\x00\x50") + 2
    content[at : at + 200] = bytes(200)
    content[-20:] = bytes([1] * 20)
    path.write_bytes(content)
    with pytest.warns(PoofWarning, match="frame numbers behind 0 may be shifted; the file does not tell them"):
        assert len(list(open_video(path, "continue").frames())) > 10
