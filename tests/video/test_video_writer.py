"""Videos that are written: what a player needs, what comes back, and that nothing half-done stays behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_video import number_of, numbered

from poof.errors import PoofError
from poof.video import VideoWriter, open_video


def write(path: Path, images: list[np.ndarray], fps: float = 25, **options: object) -> Path:
    with VideoWriter(path, fps, (images[0].shape[1], images[0].shape[0]), **options) as writer:  # type: ignore[arg-type]
        for image in images:
            writer.write(image)
    return path


def noise(width: int, height: int, count: int = 5) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, height, width, 3)).astype(np.uint8))


def boxes(path: Path) -> list[str]:
    """The top level of an MP4 file."""
    content, at, names = path.read_bytes(), 0, []
    while at < len(content):
        names.append(content[at + 4 : at + 8].decode())
        at += int.from_bytes(content[at : at + 4], "big")
    return names


def test_what_a_browser_needs(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [numbered(n) for n in range(30)])
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt, context.codec_tag) == ("h264", "yuv420p", "avc1")
        # AVCOL_*_BT709 and AVCOL_RANGE_MPEG
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
        assert stream.frames == 30
        assert stream.average_rate == 25
    order = boxes(path)
    assert order.index("moov") < order.index("mdat")
    assert [number_of(image) for _, image in open_video(path).frames()] == list(range(30))


@pytest.mark.parametrize("fps", [25, 29.97, 30000 / 1001, 23.976, 59.94, 12.3456789, 240, 0.2, 1 / 3])
def test_rates_come_back(tmp_path: Path, fps: float) -> None:
    video = open_video(write(tmp_path / "a.mp4", noise(64, 48), fps))
    assert video.fps == pytest.approx(fps, rel=1e-6)
    assert video.count() == 5


def test_the_quality_is_near_the_original(tmp_path: Path) -> None:
    images = [numbered(n) for n in range(10)]
    errors = {}
    for crf in (10, 18, 35):
        video = open_video(write(tmp_path / f"{crf}.mp4", images, crf=crf))
        errors[crf] = np.mean([np.abs(image.astype(int) - images[number]).mean() for number, image in video.frames()])
    assert errors[10] < errors[18] < errors[35]
    assert errors[18] < 6


def test_colours_come_back(tmp_path: Path) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (128, 128, 128), (255, 255, 255), (0, 0, 0)]
    image = np.array(colours, np.uint8).repeat(32, 0)[None].repeat(64, 0)
    back = open_video(write(tmp_path / "a.mp4", [image] * 3, crf=5)).read([1])[1]
    assert np.abs(back[32, 16::32].astype(int) - colours).max() <= 4


@pytest.mark.parametrize(("width", "height"), [(63, 48), (64, 47), (63, 47), (1, 1), (2, 3), (321, 240)])
def test_odd_sides_get_one_pixel_more(tmp_path: Path, width: int, height: int) -> None:
    values = np.linspace(40, 200, width * height * 3).reshape(height, width, 3).astype(np.uint8)
    video = open_video(write(tmp_path / "a.mp4", [values] * 3, crf=1))
    assert video.size == (width + width % 2, height + height % 2)
    image = video.read([1])[1].astype(int)
    if width > 2:
        assert np.abs(image[:height, :width] - values).mean() < 3
        assert np.abs(image[:height, -1] - values[:, -1]).mean() < 6, "the edge is repeated, not black"


@pytest.mark.parametrize(("width", "height"), [(64, 48), (63, 47), (1, 1), (2, 3), (321, 241)])
def test_lossless_is_exact(tmp_path: Path, width: int, height: int) -> None:
    images = noise(width, height)
    video = open_video(write(tmp_path / "a.mp4", images, lossless=True))
    assert video.size == (width, height)
    got = dict(video.frames())
    assert len(got) == 5 and all(np.array_equal(got[n], images[n]) for n in range(5))


def test_images_need_not_be_contiguous(tmp_path: Path) -> None:
    images = noise(48, 64)
    path = write(tmp_path / "a.mp4", [image.transpose(1, 0, 2)[:, ::-1] for image in images], lossless=True)
    got = dict(open_video(path).frames())
    assert all(np.array_equal(got[n], np.rot90(images[n], -1)) for n in range(5))


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, PoofError])
def test_an_error_leaves_nothing_behind(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), VideoWriter(tmp_path / "a.mp4", 25, (64, 48)) as writer:
        writer.write(noise(64, 48)[0])
        raise error
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    with pytest.raises(PoofError, match=r"a\.mp4: frame 1 is uint8 \(48, 32, 3\), not uint8 \(48, 64, 3\)"):
        write(path, [*noise(64, 48, 1), *noise(32, 48, 1)])
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
    write(path, noise(64, 48))
    assert open_video(path).count() == 5


def test_images_of_another_kind(tmp_path: Path) -> None:
    for image in (np.zeros((48, 64, 3)), np.zeros((48, 64), np.uint8), np.zeros((48, 64, 4), np.uint8)):
        with pytest.raises(PoofError, match="frame 0 is "):
            write(tmp_path / "a.mp4", [image])
    assert list(tmp_path.iterdir()) == []


def test_no_frames(tmp_path: Path) -> None:
    with (
        pytest.raises(PoofError, match=r"a\.mp4: there are no frames to write"),
        VideoWriter(tmp_path / "a.mp4", 25, (8, 8)),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_impossible_rates(tmp_path: Path, fps: float) -> None:
    with pytest.raises(PoofError, match="frames per second cannot be written"):
        VideoWriter(tmp_path / "a.mp4", fps, (64, 48))


@pytest.mark.parametrize("size", [(0, 48), (64, -2), (20000, 48)])
def test_impossible_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    with pytest.raises(PoofError, match=r"a\.mp4: .* pixels"):
        VideoWriter(tmp_path / "a.mp4", 25, size)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PoofError, match="cannot be written"), VideoWriter(tmp_path / "none" / "a.mp4", 25, (64, 48)):
        pass


def test_a_pyav_without_x264(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    with (
        pytest.raises(PoofError, match="no encoder libx264 here; take"),
        VideoWriter(tmp_path / "a.mp4", 25, (64, 48)),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from poof.errors import PoofError
from poof.video import VideoWriter

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path, limit = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    with VideoWriter(path, 25, (320, 240)) as writer:
        for image in np.random.default_rng(0).integers(0, 256, (6, 240, 320, 3)).astype(np.uint8):
            writer.write(image)
except PoofError as error:
    print(error)
print(sorted(p.name for p in path.parent.iterdir()))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
@pytest.mark.parametrize("missing", [1, 500, 100_000])
def test_a_full_disk(tmp_path: Path, missing: int) -> None:
    """A limit on the size of files stands in for the disk: at the index, in the last frames, in the middle."""
    images = list(np.random.default_rng(0).integers(0, 256, (6, 240, 320, 3)).astype(np.uint8))
    size = write(tmp_path / "whole.mp4", images).stat().st_size
    folder = tmp_path / "full"
    folder.mkdir()
    command = [sys.executable, "-c", FULL_DISK, str(folder / "a.mp4"), str(size * 9 // 10 - missing)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "a.mp4: cannot be written (File too large); free space or choose another place\n[]" in out
