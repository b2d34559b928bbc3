"""What is no video though FFmpeg plays it, headers that claim too much, and the choice among several streams."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numbered_video import X264, number_of, numbered
from PIL import Image
from test_video_container import jpeg, motion_jpeg

from poof.errors import PoofError
from poof.video import open_video

Files = Callable[[str], Path]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.ffconcat", "ffconcat version 1.0\nfile 'clip.mp4'\n"),
        ("a.mp4", "ffconcat version 1.0\nfile 'clip.mp4'\n"),
        ("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nclip.mp4\n#EXT-X-ENDLIST\n"),
        ("a.avi", "\ufeff#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nclip.mp4\n#EXT-X-ENDLIST\n"),
        ("a.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"),
        ("a.mpd", '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period/></MPD>'),
        ("a.smil", "<smil><body><video src='clip.mp4'/></body></smil>"),
        ("a.avs", 'AviSource("clip.avi")\n'),
    ],
)
def test_lists_of_other_files(numbered_file: Files, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "clip.mp4").write_bytes(numbered_file("h264.mp4").read_bytes())
    (tmp_path / name).write_text(text)
    with pytest.raises(PoofError, match="is not a video but text") as caught:
        open_video(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_list_that_hides_behind_a_zero(numbered_file: Files, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(numbered_file("h264.mp4").read_bytes())
    (tmp_path / "a.ffconcat").write_bytes(b"ffconcat version 1.0\nfile 'clip.mp4'\n#\0\n")
    with pytest.raises(PoofError, match="is not a video"):
        open_video(tmp_path / "a.ffconcat")


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [60000, 20000, 12000])
def test_images_that_claim_to_be_huge(tmp_path: Path, side: int) -> None:
    (tmp_path / "1.png").write_bytes(png_that_claims(side, side))
    with pytest.raises(
        PoofError, match=rf"1\.png: the first image claims pictures of {side**2 // 10**6} megapixels, .* shrink"
    ):
        open_video(tmp_path)
    with pytest.raises(PoofError):
        open_video(tmp_path / "1.png")
    cv2.imwrite(str(tmp_path / "0.png"), numbered(0))
    video = open_video(tmp_path)
    assert video.count() == 1 and video.damage is not None and "claims pictures of" in video.damage.reason


def test_a_video_that_claims_to_be_huge(numbered_file: Files, tmp_path: Path) -> None:
    content = bytearray(numbered_file("mjpeg.avi").read_bytes())
    at = 0
    while (at := content.find(b"\xff\xc0\0\x11\x08", at)) >= 0:
        content[at + 5 : at + 9] = struct.pack(">2H", 60000, 60000)
        at += 9
    (tmp_path / "huge.avi").write_bytes(content)
    with pytest.raises(PoofError, match=r"megapixels|not one frame"):
        open_video(tmp_path / "huge.avi")


def test_a_stack_of_images_is_refused_and_one_is_read(tmp_path: Path) -> None:
    pages = [Image.fromarray(numbered(n)) for n in range(3)]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(PoofError, match=r"stack\.tif: is a stack of 3 images"):
        open_video(tmp_path / "stack.tif")
    pages[0].save(tmp_path / "one.tif")
    assert [number_of(image) for _, image in open_video(tmp_path / "one.tif").frames()] == [0]


def with_cover(path: Path, cover_first: bool, frames: int) -> Path:
    """A Matroska file with a still picture beside (or before) the video, as a stream without the mark of a cover."""
    with av.open(str(path), "w") as container:

        def still() -> av.VideoStream:
            stream = container.add_stream("mjpeg", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
            return stream

        cover = still() if cover_first else None
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 320, 160, "yuv420p"
        video.options = X264
        cover = cover or still()
        picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 99, np.uint8), format="rgb24")
        packets = [*cover.encode(picture), *cover.encode(None)]
        for number in range(frames):
            for packet in video.encode(av.VideoFrame.from_ndarray(numbered(number), format="rgb24")):
                container.mux(packet)
            if number == 0:
                for packet in packets:
                    container.mux(packet)
        for packet in video.encode(None):
            container.mux(packet)
    return path


@pytest.mark.parametrize("cover_first", [True, False])
@pytest.mark.parametrize("ending", ["mkv", "mp4", "mov"])
def test_the_video_and_not_the_cover(tmp_path: Path, cover_first: bool, ending: str) -> None:
    video = open_video(with_cover(tmp_path / f"v.{ending}", cover_first, 30))
    assert video.size == (320, 160)
    assert [number_of(image) for _, image in video.frames()] == list(range(30))
    assert video.damage is None


def test_mjpeg_with_exif(tmp_path: Path) -> None:
    """EXIF in the pictures of any container is a kind of side data that PyAV does not know."""
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    for ending in ("avi", "mov", "mkv", "mp4"):
        with av.open(str(tmp_path / f"v.{ending}"), "w") as container:
            stream = container.add_stream("mjpeg", rate=25)
            stream.width, stream.height, stream.pix_fmt = 320, 160, "yuvj420p"
            for number in range(5):
                Image.fromarray(numbered(number)).save(tmp_path / "f.jpg", quality=95, exif=exif)
                packet = av.Packet((tmp_path / "f.jpg").read_bytes())
                packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 25)
                packet.is_keyframe = True
                container.mux(packet)
        video = open_video(tmp_path / f"v.{ending}")
        assert [number_of(image) for _, image in video.frames()] == list(range(5)), ending


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_single_pictures_with_exif(tmp_path: Path, ending: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    Image.fromarray(numbered(9)).save(tmp_path / f"p.{ending}", exif=exif)
    assert [number_of(image) for _, image in open_video(tmp_path / f"p.{ending}").frames()] == [9]
    (tmp_path / "folder").mkdir()
    (tmp_path / f"p.{ending}").rename(tmp_path / "folder" / f"p.{ending}")
    assert [number_of(image) for _, image in open_video(tmp_path / "folder").frames()] == [9]


def test_the_rate_of_an_avi_with_repeated_pictures(tmp_path: Path) -> None:
    """A film with a clock of 600 ticks, copied into an AVI: 23 empty chunks follow each picture."""
    frames = [jpeg(n // 24) if n % 24 == 0 else b"" for n in range(12 * 24)]
    content = bytearray(motion_jpeg(tmp_path / "copy.avi", frames, len(frames)).read_bytes())
    at = content.index(b"strh") + 8 + 20
    assert struct.unpack_from("<2I", content, at) == (1, 25)
    content[at : at + 8] = struct.pack("<2I", 1, 600)
    (tmp_path / "copy.avi").write_bytes(content)
    with av.open(str(tmp_path / "copy.avi")) as container:
        assert container.streams.video[0].average_rate == 600, "what the header says"
    video = open_video(tmp_path / "copy.avi")
    assert [number_of(image) for _, image in video.frames()] == list(range(12)) and video.damage is None
    assert video.fps == pytest.approx(25)


def test_a_rate_that_is_the_clock(tmp_path: Path, numbered_file: Files) -> None:
    content = bytearray(numbered_file("h264.avi").read_bytes())
    at = content.index(b"strh") + 8 + 20
    assert struct.unpack_from("<2I", content, at)[1] in (25, 25000)
    content[at : at + 8] = struct.pack("<2I", 1, 600)
    (tmp_path / "clock.avi").write_bytes(content)
    video = open_video(tmp_path / "clock.avi")
    assert video.fps == pytest.approx(25) and video.count() == 60
