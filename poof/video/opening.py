"""Opening a video file, and choosing the stream of pictures in it."""

from __future__ import annotations

import warnings
from collections import Counter
from functools import cache
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream
from PIL import Image

from poof.errors import PoofError, not_there

MAX_PIXELS = 2**27
"""Most pixels of a picture, 16K: damaged and crafted headers claim more, and a decoder would reserve memory for it."""
TOO_LARGE = f"claims pictures of {{:.0f}} megapixels, more than the {MAX_PIXELS // 10**6} that poof reads; shrink them"
LIMITS = {"max_pixels": str(MAX_PIXELS)}
"""Options of every decoder."""

# What names other files or addresses, draws text, or reads a device; none of it is a video by itself.
_NO_VIDEOS = {
    *("concat", "hls", "dash", "sdp", "rtp", "rtsp", "webm_dash_manifest", "imf", "image2pipe", "mpjpeg"),
    *("lavfi", "ffmetadata", "data", "rawvideo", "tty", "bin", "xbin", "adf", "idf", "svg_pipe", "realtext", "sami"),
    *("fbdev", "kmsgrab", "x11grab", "xcbgrab", "alsa", "oss", "sndio", "pulse", "jack", "video4linux2", "v4l2"),
    *("video4linux2,v4l2", "srt", "ass", "webvtt", "vapoursynth", "avisynth"),
}
# FFmpeg plays any text file as ANSI art, at 25 frames per second.
_TEXT_CODECS = frozenset({"ansi", "bintext", "idf", "xbin"})
_LOOK_AT = 2000  # packets, to tell a cover from a video


def open_container(path: Path) -> InputContainer:
    """Open a file for reading.

    Raises
    ------
    PoofError
        If the file is gone, must not be read or is in no format that FFmpeg knows.
    """
    try:
        # 'file:' keeps FFmpeg from reading a protocol into a name with a colon, and from following links in the file
        # to the network; titles in any encoding are no concern.
        return av.open(
            f"file:{path}", metadata_errors="ignore", options={"format_whitelist": _formats("%" in path.name)}
        )
    except FileNotFoundError:
        raise not_there(path) from None
    except PermissionError:
        raise PoofError(f"{path}: may not be read; give yourself the right to read it (chmod u+r)") from None
    except av.FFmpegError as error:
        raise PoofError(f"{path}: {_why_not_opened(path, error)}") from None
    except (ValueError, OverflowError, MemoryError):  # PyAV meets a header that is beyond its own types
        raise PoofError(f"{path}: is not a video that can be opened, its header is damaged; export it again") from None


@cache
def _formats(pattern: bool) -> str:
    """The formats that may be read; `pattern`: the name could stand for a row of images."""
    refused = _NO_VIDEOS | {"image2"} if pattern else _NO_VIDEOS
    return ",".join(sorted(name for name in av.formats_available if name not in refused))


def check_kind(path: Path) -> None:
    """Refuse what FFmpeg would play though it is no video: text of any kind, and the first page alone of several.

    Raises
    ------
    PoofError
        If the file is a playlist, a description of a stream or other text, or a stack of images.
    """
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError:
        return  # opening it says why
    if head and _is_text(head):
        raise PoofError(f"{path}: is not a video but text (a playlist names others); give a video file itself")
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        pages = _pages(path)
        if pages > 1:
            raise PoofError(f"{path}: is a stack of {pages} images; save each as a file and give their folder")


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return True
    if head.startswith(b"YUV4MPEG2"):
        return False
    # The last character may be cut.
    text = head.decode("utf-8", "ignore")
    cut = len(head) - len(text.encode())
    return cut < 4 and all(character.isprintable() or character in "\t\n\r\f" for character in text)


def _pages(path: Path) -> int:
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            return getattr(image, "n_frames", 1)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return 1


def _why_not_opened(path: Path, error: av.FFmpegError) -> str:
    with path.open("rb") as file:
        head = file.read(8)
    if not head:
        return "is empty; record or download it again"
    if head[4:] in (b"ftyp", b"mdat", b"wide"):
        return "its index, which is written last, is missing; the recording or download was cut off, do it again"
    return f"is not a video that FFmpeg can open ({error.strerror}); check that it plays elsewhere, convert it to MP4"


def choose_stream(path: Path) -> int:
    """Index (among all streams of a file) of the one whose pictures are the video.

    That is the first one, as every program has it, except for covers: streams that say so, or that hold one still
    picture beside a longer one.

    Raises
    ------
    PoofError
        If there is none, or none that can be decoded.
    """
    name = str(path)
    with open_container(path) as container:
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams and container.streams.audio:
            raise PoofError(f"{name}: holds sound but no pictures; give a video file")
        decodable = [s for s in streams if s.codec_context is not None]
        if streams and not decodable:
            raise PoofError(f"{name}: its codec cannot be decoded here; convert it to H.264 in MP4")
        real = [s for s in decodable if s.codec_context.name not in _TEXT_CODECS]
        if not real:
            raise PoofError(f"{name}: is not a video; give a video file or a folder of images")
        if len(real) == 1:
            return real[0].index
        return _first_moving(container, real)


def _first_moving(container: InputContainer, streams: list[VideoStream]) -> int:
    """Index of the first stream with more than one picture."""
    counts: Counter[int] = Counter()
    try:
        for number, packet in enumerate(container.demux(streams)):
            counts[packet.stream_index] += bool(packet.size)
            if number > _LOOK_AT or all(counts[s.index] > 1 for s in streams):
                break
    except av.FFmpegError:
        pass  # damage; what came before it decides
    return next((s.index for s in streams if counts[s.index] > 1), streams[0].index)


def video_stream(container: InputContainer, chosen: int | str) -> VideoStream:
    """The stream of an index that `choose_stream` found, or that it finds in the file of this name.

    Raises
    ------
    PoofError
        See `choose_stream`.
    """
    index = choose_stream(Path(chosen)) if isinstance(chosen, str) else chosen
    for stream in container.streams.video:
        if stream.index == index:
            return stream
    raise PoofError(f"{container.name.removeprefix('file:')}: changed while it was read; start again")
