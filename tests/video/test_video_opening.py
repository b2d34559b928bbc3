"""What cannot be opened is named, with the remedy, in one line."""

from __future__ import annotations

import os
import pickle
import socket
import wave
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numbered_video import number_of, numbered, write_numbered

from poof.errors import PoofError
from poof.video import ArrayVideo, open_video

Files = Callable[[str], Path]


def message(path: Path) -> str:
    with pytest.raises(PoofError) as caught:
        open_video(path)
    text = str(caught.value)
    assert text.startswith(f"{path}") and "\n" not in text and ";" in text, "file, what, remedy, one line"
    return text


def test_no_such_file(tmp_path: Path) -> None:
    assert "there is no such file or folder" in message(tmp_path / "video.mp4")


def test_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "there is no such file or folder" in message(tmp_path / "file" / "video.mp4")


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(PoofError, match="cannot be looked at"):
        open_video(tmp_path / ("x" * 5000))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is neither a file nor a folder; record it" in message(tmp_path / "pipe")


@pytest.mark.parametrize("content", [b"\x00\x01garbage" * 500, b'{"images": []}', b"%PDF-1.7\n" + bytes(900)])
def test_not_a_video(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "video.mp4").write_bytes(content)
    assert "is not a video" in message(tmp_path / "video.mp4")


@pytest.mark.parametrize("name", ["notes.txt", "read.nfo", "labels.csv"])
def test_text_is_no_video_though_ffmpeg_plays_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("frame,keypoint,x,y\n" * 300)
    assert "is not a video" in message(tmp_path / name)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "video.mp4").touch()
    assert "is empty" in message(tmp_path / "video.mp4")


def test_only_sound(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16000))
    assert "holds sound but no pictures" in message(tmp_path / "sound.wav")


def test_a_cover_image_is_no_video(tmp_path: Path) -> None:
    cover = cv2.imencode(".jpg", numbered(0))[1].tobytes()
    # An ID3v2.3 tag with one attached picture, in front of silent MPEG audio frames (32 kbit/s, 44.1 kHz).
    picture = b"\0image/jpeg\0\x03\0" + cover
    frame = b"APIC" + len(picture).to_bytes(4, "big") + b"\0\0" + picture
    size = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    silence = (b"\xff\xfb\x10\xc4" + bytes(100)) * 50
    path = tmp_path / "song.mp3"
    path.write_bytes(b"ID3\x03\0\0" + size + frame + silence)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1, "FFmpeg presents the cover as a video"
    assert "holds sound but no pictures" in message(path)


def test_a_recording_that_was_cut_off_before_its_index(numbered_file: Files, tmp_path: Path) -> None:
    content = write_numbered(tmp_path / "whole.mp4", "mpeg4", 20).read_bytes()
    assert content.index(b"mdat") < content.index(b"moov")
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    assert "its index, which is written last, is missing" in message(tmp_path / "cut.mp4")


def test_zero_frames(tmp_path: Path) -> None:
    content = bytearray(write_numbered(tmp_path / "whole.mkv", "ffv1", 1).read_bytes())
    with av.open(str(tmp_path / "whole.mkv")) as container:
        packet = next(container.demux(video=0))
        assert packet.pos is not None
    (tmp_path / "none.mkv").write_bytes(content[: packet.pos + 10])
    assert "not one frame can be decoded" in message(tmp_path / "none.mkv")


def test_a_file_that_must_not_be_read(numbered_file: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    path = numbered_file("h264.mp4")

    def refuse(*_: object, **__: object) -> None:
        raise av.error.PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(av, "open", refuse)
    assert "may not be read" in message(path)


def test_a_file_that_vanishes(numbered_file: Files, tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(numbered_file("h264.mp4").read_bytes())
    video = open_video(path)
    path.unlink()
    with pytest.raises(PoofError, match=r"video\.mp4: there is no such file"):
        list(video.frames())


def test_playlists_reach_nothing_outside(tmp_path: Path) -> None:
    path = tmp_path / "list.m3u8"
    with socket.create_server(("127.0.0.1", 0)) as server:
        path.write_text(f"#EXTM3U\n#EXTINF:4,\nhttp://127.0.0.1:{server.getsockname()[1]}/a.ts\n#EXT-X-ENDLIST\n")
        assert "is not a video" in message(path)
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("name", ["a:b.mp4", "http:x.mp4", "50%d.mp4", "it's, ok?.mp4", "Läufe 第1回.mp4", "-i.mp4"])
def test_names_with_a_meaning_for_ffmpeg(
    numbered_file: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).write_bytes(numbered_file("h264.mp4").read_bytes())
    monkeypatch.chdir(tmp_path)
    video = open_video(name)
    assert video.name == name
    assert number_of(video.read([5])[5]) == 5


def test_titles_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "video.avi"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Torwart xxxx"
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))
    content = path.read_bytes()
    assert b"Torwart xxxx" in content
    path.write_bytes(content.replace(b"Torwart xxxx", "Torwart \xe4\xf6\xfc\xdf".encode("latin-1")))
    assert open_video(path).count() == 1


def test_a_video_can_be_sent_to_a_worker(numbered_file: Files) -> None:
    video = pickle.loads(pickle.dumps(open_video(numbered_file("h264.mp4"))))
    assert number_of(video.read([9])[9]) == 9


def test_paths_may_be_strings(numbered_file: Files) -> None:
    assert open_video(str(numbered_file("h264.mp4"))).count() == 60


def test_frames_in_memory() -> None:
    video = ArrayVideo(np.stack([numbered(n) for n in range(8)]), fps=50, name="clip")
    assert (video.size, video.fps, video.count()) == ((320, 160), 50, 8)
    assert [(n, number_of(i)) for n, i in video.frames(2, 5)] == [(2, 2), (3, 3), (4, 4)]
    assert [n for n, _ in video.frames(6)] == [6, 7] and list(video.frames(5, 2)) == []
    assert sorted(video.read([7, 0])) == [0, 7]
    with pytest.raises(PoofError, match="clip: has no frame 8; its frames are 0 to 7"):
        video.read([8])


@pytest.mark.parametrize(
    ("images", "says"),
    [
        ([], "clip: holds no frames"),
        ([np.zeros((4, 4, 3))], r"clip: frame 0 is float64 \(4, 4, 3\)"),
        ([np.zeros((4, 4), np.uint8)], r"clip: frame 0 is uint8 \(4, 4\)"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)], r"clip: frame 1 is uint8 \(4, 5, 3\)"),
    ],
)
def test_frames_in_memory_that_are_none(images: list[np.ndarray], says: str) -> None:
    with pytest.raises(PoofError, match=says):
        ArrayVideo(images, name="clip")
