"""Random access: frame n is the frame n of a pass in order, whatever the order in which frames are asked for."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numbered_video import FILES, X264, number_of, write_numbered

from poof.errors import PoofError
from poof.video import ArrayVideo, open_video
from poof.video.access import AccessVideo, FrameAccess
from poof.video.container import ContainerVideo
from poof.video.index import index_packets
from poof.video.preview import SIDE, Preview
from poof.video.random_access import Abandoned

JUMPED_TO = (
    "h264.mp4",
    "h264.mkv",
    "h264-fragments.mp4",
    "h265.mp4",
    "mpeg4.mp4",
    "vp8-hidden-frames.webm",
    "vp9.webm",
)


@pytest.mark.parametrize("name", FILES)
def test_every_frame_in_any_order_is_that_of_a_pass(numbered_file: Callable[[str], Path], name: str) -> None:
    video = open_video(numbered_file(name))
    access = FrameAccess(video, limit=1)  # hardly anything is kept: nearly every frame is jumped to
    frames = dict(video.frames())
    assert access.count == len(frames)
    order = random.Random(name).sample(range(60), 10)
    for number in order:
        image = access.get(number)
        assert np.array_equal(image, frames[number])
        assert number_of(image) == number


@pytest.mark.parametrize("name", ["nasa_13013.mp4", "nasa_13013_rotated.mp4", "test_non_zero_start.mp4",
                                  "testsrc2_h265.mp4", "testsrc2_mpeg4.avi", "testsrc2_odd_width_vp9.mp4",
                                  "testsrc2_vp8.webm"])  # fmt: skip
def test_odd_files(data: Path, name: str) -> None:
    video = open_video(data / "video-odd" / name)
    access = FrameAccess(video)
    frames = {n: image for n, image in video.frames() if n % 13 == 0 or n < 3}
    for number in random.Random(1).sample(sorted(frames), len(frames)):
        assert np.array_equal(access.get(number), frames[number])


@pytest.mark.parametrize("name", JUMPED_TO)
def test_the_index_says_what_a_pass_finds(numbered_file: Callable[[str], Path], name: str) -> None:
    video = open_video(numbered_file(name))
    assert isinstance(video, ContainerVideo)
    index = index_packets(video.path)
    times = [time for _, time, _ in video.timed()]
    assert index.reliable and index.times.tolist() == times
    assert index.starts[0] == 0 and index.farthest < 60
    access = FrameAccess(video)
    assert not access.confirmed and not access.confirm(times, None) and access.confirmed


def test_open_groups_of_pictures(tmp_path: Path) -> None:
    options = {**X264, "x264-params": "scenecut=0:open-gop=1:bframes=3:keyint=12:min-keyint=12"}
    path = write_numbered(tmp_path / "open.mp4", "libx264", options=options, gop=12)
    video = open_video(path)
    access, frames = FrameAccess(video, limit=1), dict(video.frames())
    for number in random.Random(2).sample(range(60), 30):
        assert np.array_equal(access.get(number), frames[number])


def test_uneven_times(tmp_path: Path) -> None:
    times = np.cumsum(random.Random(3).choices([20, 33, 40, 170], k=40)).tolist()
    video = open_video(write_numbered(tmp_path / "v.mkv", "libx264", 40, X264, times=times, gop=8))
    access = FrameAccess(video, limit=1)
    for number in random.Random(4).sample(range(40), 20):
        assert number_of(access.get(number)) == number


def test_steps_in_both_directions_do_not_decode_anew(numbered_file: Callable[[str], Path]) -> None:
    access = FrameAccess(open_video(numbered_file("h264.mp4")))
    access.get(55)
    for number in range(54, 40, -1):
        assert access.has(number)
    assert not access.has(5)


def test_memory_is_bounded(tmp_path: Path) -> None:
    access = FrameAccess(
        open_video(write_numbered(tmp_path / "v.mp4", "libx264", 60, X264)), limit=20 * 320 * 160 * 3 // 2
    )
    for number in range(60):
        access.get(number)
    assert sum(access.has(number) for number in range(60)) <= 20


def test_a_cut_off_file_ends_where_a_pass_ends(numbered_file: Callable[[str], Path], tmp_path: Path) -> None:
    whole = numbered_file("h264.mp4").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    video = open_video(path)
    assert isinstance(video, ContainerVideo)
    times = [time for _, time, _ in video.timed()]
    good = len(times)
    assert video.damage is not None and good < 60
    access = FrameAccess(video)
    for number in (good - 1, 3):
        assert number_of(access.get(number)) == number
    with pytest.raises(PoofError):
        access.get(good)
    access.confirm(times, video.damage)  # type: ignore[arg-type]
    assert access.count == good
    with pytest.raises(PoofError, match=f"its frames are 0 to {good - 1}"):
        access.get(good)


def test_beyond_the_end(numbered_file: Callable[[str], Path]) -> None:
    access = FrameAccess(open_video(numbered_file("h264.mp4")))
    for number in (-1, 60, 10**6):
        with pytest.raises(PoofError, match="its frames are 0 to 59"):
            access.get(number)


def test_arrays_and_folders() -> None:
    images = [np.full((8, 8, 3), n, np.uint8) for n in range(5)]
    access = FrameAccess(ArrayVideo(images))
    assert access.count == 5 and access.confirmed and access.get(3)[0, 0, 0] == 3


def test_who_is_abandoned_stops_decoding(numbered_file: Callable[[str], Path]) -> None:
    access = FrameAccess(open_video(numbered_file("h264.mp4")))
    with pytest.raises(Abandoned):
        access.get(59, abandoned=lambda: True)
    assert number_of(access.get(59)) == 59


def test_threads_get_their_own_frames(numbered_file: Callable[[str], Path]) -> None:
    access = FrameAccess(open_video(numbered_file("h264.mp4")), limit=1)
    wrong: list[int] = []

    def read(decoder: str, seed: int) -> None:
        for number in random.Random(seed).choices(range(60), k=25):
            if number_of(access.get(number, decoder)) != number:
                wrong.append(number)

    threads = [
        threading.Thread(target=read, args=(decoder, n)) for n, decoder in enumerate(["eye", "eye", "work", "small"])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_as_a_video_it_is_the_video(numbered_file: Callable[[str], Path]) -> None:
    video = open_video(numbered_file("h264.mkv"))
    through = AccessVideo(FrameAccess(video))
    assert (through.size, through.fps, through.count()) == (video.size, video.fps, 60)
    assert [number_of(image) for _, image in through.frames(41, 44)] == [41, 42, 43]
    assert [n for n, _ in through.frames(58)] == [58, 59]
    assert number_of(through.read([7])[7]) == 7


def test_the_preview_shows_the_frames_small_and_is_kept(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = [np.full((450, 1600, 3), n, np.uint8) for n in rng.integers(0, 255, 5)]
    path = tmp_path / "x.preview"
    with Preview(path) as preview:
        for n, image in enumerate(images):
            assert preview.get(n) is None
            preview.add(image)
        small = preview.get(3)
        assert small is not None and small.shape == (SIDE * 450 // 1600, SIDE, 3)
        assert abs(int(small[5, 5, 0]) - int(images[3][0, 0, 0])) <= 2
        preview.finish()
    with Preview(path) as again:
        assert again.whole and len(again) == 5 and again.get(4) is not None and again.get(5) is None
    path.write_bytes(path.read_bytes()[:-1])
    with Preview(path) as damaged:
        assert not damaged.whole and len(damaged) == 0
