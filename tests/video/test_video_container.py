"""Frame n is the n-th decoded frame, whatever the container, in the right orientation and sane colours."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numbered_video import FILES, HEIGHT, WIDTH, X264, number_of, numbered, write_numbered

from poof.errors import PoofError
from poof.video import open_video
from poof.video.container import ContainerVideo

# name, frames, (width, height) after rotation, frames per second
ODD = [
    ("nasa_13013.mp4", 325, (320, 180), 25.0),
    ("nasa_13013_rotated.mp4", 17, (270, 480), 30000 / 1001),
    ("test_non_zero_start.mp4", 12, (200, 112), 30.0),
    ("testsrc2_h265.mp4", 60, (1280, 720), 30.0),
    ("testsrc2_mpeg4.avi", 30, (1280, 720), 30.0),
    ("testsrc2_odd_width_vp9.mp4", 25, (321, 240), 25.0),
    ("testsrc2_vp8.webm", 30, (1280, 720), 30.0),
]
REAL = [
    ("badja/bear.mp4", 82, (854, 480)),
    ("dlc-reaching/vid.avi", 256, (416, 374)),
    ("pose2sim/cam01.mp4", 100, (1080, 1920)),
    pytest.param("pose2sim/cam02.mp4", 100, (1080, 1920), marks=pytest.mark.slow),
]


def by_opencv(path: Path) -> list[np.ndarray]:
    """What another reader makes of the file."""
    capture = cv2.VideoCapture(str(path))
    images = []
    while True:
        good, image = capture.read()
        if not good:
            return images
        images.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


@pytest.mark.parametrize(("name", "count", "size", "fps"), ODD)
def test_odd_containers_equal_another_reader(
    data: Path, name: str, count: int, size: tuple[int, int], fps: float
) -> None:
    video = open_video(data / "video-odd" / name)
    expected = by_opencv(data / "video-odd" / name)
    numbers = []
    for number, image in video.frames():
        # Before its version 5 OpenCV took all colours for BT.601.
        tolerance = 0 if cv2.__version__ >= "5" else 12
        assert cv2.norm(image, expected[number], cv2.NORM_L1) <= tolerance * image.size, f"frame {number} differs"
        numbers.append(number)
    assert numbers == list(range(count)) and len(expected) == count
    assert video.count() == count
    assert video.size == size
    assert video.fps == pytest.approx(fps)
    assert video.damage is None and video.frame_names is None


@pytest.mark.parametrize(("name", "count", "size"), REAL)
def test_real_clips(data: Path, name: str, count: int, size: tuple[int, int]) -> None:
    video = open_video(data / name)
    assert (video.count(), video.size, video.damage) == (count, size, None)


def test_a_clip_of_ucf101(data: Path) -> None:
    path = sorted((data / "ucf101-mini").rglob("*.avi"))[0]
    video = open_video(path)
    expected = by_opencv(path)
    assert video.size == (320, 240) and video.count() == len(expected)
    assert np.array_equal(video.read([100])[100], expected[100])


def test_rotation_by_metadata_is_a_quarter_turn_of_the_stored_frame(data: Path) -> None:
    path = data / "video-odd" / "nasa_13013_rotated.mp4"
    with av.open(str(path)) as container:
        stored = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert stored[0].shape == (270, 480, 3)
    shown = dict(open_video(path).frames())
    for number, image in enumerate(stored):
        assert np.array_equal(shown[number], np.rot90(image))


@pytest.mark.parametrize("name", FILES)
def test_every_frame_carries_its_number(numbered_file: Callable[[str], Path], name: str) -> None:
    video = open_video(numbered_file(name))
    assert [(n, number_of(image)) for n, image in video.frames()] == [(n, n) for n in range(60)]
    assert video.count() == 60
    assert video.size == (WIDTH, HEIGHT)
    assert video.fps == pytest.approx(25)
    assert video.damage is None


@pytest.mark.parametrize("name", ["h264.mp4", "mpeg4-b-frames.avi", "vp8-hidden-frames.webm"])
def test_parts_of_a_video(numbered_file: Callable[[str], Path], name: str) -> None:
    video = open_video(numbered_file(name))

    def numbers(start: int, stop: int | None) -> list[tuple[int, int]]:
        return [(n, number_of(image)) for n, image in video.frames(start, stop)]

    def pairs(start: int, stop: int) -> list[tuple[int, int]]:
        return [(n, n) for n in range(start, stop)]

    assert numbers(17, 23) == pairs(17, 23)
    assert numbers(0, 1) == pairs(0, 1)
    assert numbers(55, None) == pairs(55, 60)
    assert numbers(58, 1000) == pairs(58, 60)
    assert numbers(-3, 2) == pairs(0, 2)
    assert numbers(5, 5) == numbers(7, 3) == numbers(60, None) == numbers(0, 0) == []
    assert {n: number_of(image) for n, image in video.read([41, 3, 3, 59]).items()} == {3: 3, 41: 41, 59: 59}
    assert video.read([]) == {}


def test_passes_are_independent(numbered_file: Callable[[str], Path]) -> None:
    video = open_video(numbered_file("h264.mp4"))
    for (first, image), (second, other) in zip(video.frames(), video.frames(20), strict=False):
        assert (number_of(image), number_of(other)) == (first, second) == (first, first + 20)


def test_frames_beyond_the_end_are_named(numbered_file: Callable[[str], Path]) -> None:
    video = open_video(numbered_file("vp9.webm"))
    with pytest.raises(PoofError, match=r"vp9\.webm: has no frame 60; its frames are 0 to 59"):
        video.read([4, 61, 60])


def test_frames_nobody_asked_for_are_not_converted(
    numbered_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    video = open_video(numbered_file("h264.mp4"))
    converted = []
    original = ContainerVideo._image
    monkeypatch.setattr(ContainerVideo, "_image", lambda *args: converted.append(1) or original(*args))
    assert len(list(video.frames(40, 43))) == 3
    assert len(video.read([2, 50])) == 2
    assert video.count() == 60
    assert len(converted) == 5


def test_counting_decodes_once(numbered_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    counted, passed = open_video(numbered_file("h264.mp4")), open_video(numbered_file("h264.mp4"))
    counted.count()
    list(passed.frames(30))
    monkeypatch.setattr("poof.video.container.decode", lambda *_: pytest.fail("decoded again"))
    assert counted.count() == passed.count() == 60


@pytest.mark.parametrize(
    ("name", "codec"), [("vfr.mp4", "libx264"), ("vfr.mkv", "libx264"), ("vfr.webm", "libvpx-vp9")]
)
def test_variable_frame_rate(tmp_path: Path, name: str, codec: str) -> None:
    times = np.cumsum(np.random.default_rng(1).integers(5, 120, 50)).tolist()
    options = X264 if codec == "libx264" else {"deadline": "realtime", "cpu-used": "8"}
    video = open_video(write_numbered(tmp_path / name, codec, 50, options, times=times))
    assert [number_of(image) for _, image in video.frames()] == list(range(50))


def remuxed(source: Path, target: Path, shift: int) -> Path:
    """A copy of an H.264 file whose pictures come `shift` frames earlier (or, negative, later)."""
    with (
        av.open(str(source)) as old,
        av.open(str(target), "w", options={"avoid_negative_ts": "disabled"}) as new,
    ):
        stream = new.add_stream_from_template(old.streams.video[0])
        ticks = int(shift / 25 / old.streams.video[0].time_base)
        for packet in old.demux(video=0):
            if packet.size:
                assert packet.pts is not None and packet.dts is not None
                packet.pts, packet.dts = packet.pts - ticks, packet.dts - ticks
                packet.stream = stream
                new.mux(packet)
    return target


def test_an_edit_list_hides_frames(numbered_file: Callable[[str], Path], tmp_path: Path) -> None:
    path = remuxed(numbered_file("h264.mp4"), tmp_path / "edited.mp4", 5)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 60, "the header counts what is hidden"
    video = open_video(path)
    assert [number_of(image) for _, image in video.frames()] == list(range(5, 60))
    assert video.count() == 55
    assert [number_of(image) for image in by_opencv(path)] == list(range(5, 60))


def test_a_late_start_is_frame_0(numbered_file: Callable[[str], Path], tmp_path: Path) -> None:
    video = open_video(remuxed(numbered_file("h264.mp4"), tmp_path / "late.mp4", -1000))
    assert [number_of(image) for _, image in video.frames()] == list(range(60))


def motion_jpeg(path: Path, frames: list[bytes], claimed: int) -> Path:
    """An AVI file made by hand, whose headers claim another number of frames than it has."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)

    header = struct.pack("<14I", 40000, 0, 0, 0x10, claimed, 0, 1, 0, WIDTH, HEIGHT, 0, 0, 0, 0)
    stream = b"vidsMJPG" + struct.pack("<I2H8I4h", 0, 0, 0, 0, 1, 25, 0, claimed, 0, 2**32 - 1, 0, 0, 0, WIDTH, HEIGHT)
    shape = struct.pack("<I2i2H4s5I", 40, WIDTH, HEIGHT, 1, 24, b"MJPG", 0, 0, 0, 0, 0)
    pictures, index = b"", b""
    for frame in frames:
        index += b"00dc" + struct.pack("<3I", 16, 4 + len(pictures), len(frame))
        pictures += chunk(b"00dc", frame)
    streams = chunk(b"LIST", b"strl" + chunk(b"strh", stream) + chunk(b"strf", shape))
    headers = chunk(b"LIST", b"hdrl" + chunk(b"avih", header) + streams)
    body = headers + chunk(b"LIST", b"movi" + pictures) + chunk(b"idx1", index)
    path.write_bytes(chunk(b"RIFF", b"AVI " + body))
    return path


def jpeg(number: int) -> bytes:
    return cv2.imencode(".jpg", np.ascontiguousarray(numbered(number)[..., ::-1]))[1].tobytes()


@pytest.mark.parametrize("claimed", [3, 12, 500])
def test_headers_that_lie_about_the_number_of_frames(tmp_path: Path, claimed: int) -> None:
    video = open_video(motion_jpeg(tmp_path / "lie.avi", [jpeg(n) for n in range(12)], claimed))
    assert video.count() == 12
    assert [number_of(image) for _, image in video.frames()] == list(range(12))
    assert video.damage is None


def test_empty_packets_do_not_end_the_video(tmp_path: Path) -> None:
    frames = [jpeg(n) if n not in (4, 5) else b"" for n in range(12)]
    path = motion_jpeg(tmp_path / "empty.avi", frames, 12)
    decoded = [number_of(image) for _, image in open_video(path).frames()]
    assert decoded == [0, 1, 2, 3, 6, 7, 8, 9, 10, 11] == [number_of(image) for image in by_opencv(path)]


# The matrix (a, b, c, d) and what it does to the stored image, in numpy's words.
TURNS = [
    ((1, 0, 0, 1), lambda i: i),
    ((-1, 0, 0, 1), lambda i: i[:, ::-1]),
    ((1, 0, 0, -1), lambda i: i[::-1]),
    ((-1, 0, 0, -1), lambda i: np.rot90(i, 2)),
    ((0, 1, -1, 0), lambda i: np.rot90(i, -1)),
    ((0, -1, 1, 0), lambda i: np.rot90(i, 1)),
    ((0, 1, 1, 0), lambda i: i.transpose(1, 0, 2)),
    ((0, -1, -1, 0), lambda i: np.rot90(i, 2).transpose(1, 0, 2)),
]


@pytest.mark.parametrize(("matrix", "turn"), TURNS)
def test_all_eight_orientations(
    numbered_file: Callable[[str], Path], tmp_path: Path, matrix: tuple[int, ...], turn: Callable
) -> None:
    content = bytearray(numbered_file("h264.mp4").read_bytes())
    # A version 0 track header holds its matrix 40 bytes behind its version field (ISO/IEC 14496-12, section 8.3).
    at = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in matrix)
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path = tmp_path / "turned.mp4"
    path.write_bytes(content)
    upright = open_video(numbered_file("h264.mp4")).read([7])[7]
    video = open_video(path)
    image = video.read([7])[7]
    assert np.array_equal(image, turn(upright))
    assert video.size == (image.shape[1], image.shape[0])


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"), [("yuv.mp4", "libx264", "yuv420p"), ("rgb.mov", "qtrle", "rgb24")]
)
def test_images_belong_to_the_caller(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    """Drawing on one does not touch the next, even where a codec stores only what changed since the last."""
    path = write_numbered(tmp_path / "file.mov", codec, 12, pix_fmt=pix_fmt)
    clean = [image.copy() for _, image in open_video(path).frames()]
    kept = []
    for number, image in open_video(path).frames():
        assert np.array_equal(image, clean[number])
        kept.append(image)
        image[:] = number
    assert all((image == number).all() for number, image in enumerate(kept))


def test_the_size_changes_half_way(tmp_path: Path) -> None:
    small = write_numbered(tmp_path / "small.h264", "libx264", 10, X264)
    large = write_numbered(tmp_path / "large.h264", "libx264", 10, X264, size=(WIDTH + 32, HEIGHT + 16))
    path = tmp_path / "both.h264"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    video = open_video(path)
    assert [number_of(image) for _, image in video.frames()] == list(range(10))
    assert video.damage is not None and video.damage.frame == 10 == video.count()
    assert video.damage.reason == "the size changes from 320x160 to 352x176"
    with pytest.raises(PoofError, match="frame 12 cannot be read, the video is damaged from frame 10 on"):
        video.read([2, 12])


def test_memory_does_not_grow_with_the_video(numbered_file: Callable[[str], Path], tmp_path: Path) -> None:
    size = (1280, 720)
    video = open_video(write_numbered(tmp_path / "long.mp4", "mpeg4", 90, size=size))

    def megabytes() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

    if not Path("/proc/self/statm").exists():
        pytest.skip("no /proc here")
    list(video.frames(0, 5))
    before, peak = megabytes(), 0.0
    for _ in video.frames():
        peak = max(peak, megabytes())
    # All 90 frames together are 249 MB, those a decoder holds a few dozen at most.
    assert peak - before < 80
