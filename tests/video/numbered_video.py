"""Videos in which every frame carries its own number, so that a test can ask a frame which one it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS, BLOCK = 10, 32
WIDTH, HEIGHT = BITS * BLOCK, 160


def numbered(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """An image whose top row of blocks is `number` in binary (white is 1), above moving texture."""
    rng = np.random.default_rng(5)
    tiles = rng.integers(60, 190, (height // 8, width // 8, 3)).astype(np.uint8)
    image = np.roll(tiles.repeat(8, 0).repeat(8, 1), (2 * number, 3 * number), (0, 1))
    for bit in range(BITS):
        image[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 255 * (number >> bit & 1)
    return image


def number_of(image: np.ndarray) -> int:
    """The number an image carries; fails where a block is neither black nor white."""
    number = 0
    for bit in range(BITS):
        value = image[8:24, bit * BLOCK + 8 : (bit + 1) * BLOCK - 8].mean()
        assert value < 60 or value > 195, f"block {bit} is neither black nor white but {value:.0f}"
        number |= int(value > 127) << bit
    return number


def write_numbered(
    path: Path,
    codec: str,
    count: int = 60,
    options: Mapping[str, str] | None = None,
    pix_fmt: str = "yuv420p",
    container_options: Mapping[str, str] | None = None,
    times: Sequence[int] | None = None,
    gop: int = 20,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> Path:
    """Encode `numbered(0)`, `numbered(1)`, ... at 25 frames per second, or at `times` in milliseconds."""
    with av.open(str(path), "w", options=dict(container_options or {})) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        stream.options = dict(options or {})
        if codec not in ("ffv1", "mjpeg", "gif", "prores"):
            stream.gop_size = gop
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(numbered(number, *size), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


X264 = {"preset": "veryfast", "threads": "1", "bf": "3", "b-pyramid": "normal", "x264-params": "scenecut=0"}
"""B-frames that lean on B-frames: the order of decoding is far from the order of display."""
VPX = {"deadline": "realtime", "cpu-used": "8"}
FASTSTART = {"movflags": "+faststart"}

FILES: dict[str, dict] = {
    "h264.mp4": {"codec": "libx264", "options": X264, "container_options": FASTSTART},
    "h264-fragments.mp4": {
        "codec": "libx264",
        "options": X264,
        "container_options": {"movflags": "frag_keyframe+empty_moov"},
    },
    "h264.mkv": {"codec": "libx264", "options": X264},
    "h264.avi": {"codec": "libx264", "options": X264},
    # In real streams a picture fills many packets of 188 bytes; at this quality also here.
    "h264.ts": {"codec": "libx264", "options": {**X264, "crf": "1"}},
    "h264.flv": {"codec": "libx264", "options": X264},
    "flv1.flv": {"codec": "flv"},
    "h264-low-delay.mp4": {"codec": "libx264", "options": {**X264, "bf": "0"}, "container_options": FASTSTART},
    "h264-interlaced.ts": {
        "codec": "libx264",
        "options": {"preset": "veryfast", "flags": "+ildct+ilme", "x264-params": "interlaced=1"},
    },
    "h265.mp4": {
        "codec": "libx265",
        "options": {"preset": "superfast", "x265-params": "log-level=none:bframes=4"},
        "container_options": FASTSTART,
    },
    "mpeg4-b-frames.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "mpeg4.mp4": {"codec": "mpeg4", "options": {"bf": "2"}, "container_options": FASTSTART},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": {"bf": "2"}},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "vp8.webm": {"codec": "libvpx", "options": VPX},
    "vp8-hidden-frames.webm": {
        "codec": "libvpx",
        "options": {**VPX, "deadline": "good", "auto-alt-ref": "1", "lag-in-frames": "16", "arnr-maxframes": "5"},
    },
    "vp9.webm": {"codec": "libvpx-vp9", "options": VPX},
    "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "10"}, "container_options": FASTSTART},
    "ffv1.mkv": {"codec": "ffv1", "options": {"level": "3", "slicecrc": "1"}},
    "prores-10-bit.mov": {"codec": "prores", "pix_fmt": "yuv422p10le"},
}
