"""Colours come out as they were meant, whatever the pictures are stored as."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from poof.video import open_video

COLOURS = np.array(
    [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 255, 255), (128, 128, 128), (0, 0, 0)],
    np.uint8,
)
SIDE = 32


def bars() -> np.ndarray:
    return np.broadcast_to(COLOURS.repeat(SIDE, axis=0), (64, len(COLOURS) * SIDE, 3)).copy()


def stored_values(kr: float, kb: float, full: bool, bits: int) -> np.ndarray:
    """(8, 3) Y, Cb, Cr of `COLOURS` by the equations of ITU-R BT.601 and BT.709, section 3."""
    red, green, blue = (COLOURS / 255.0).T
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    chroma = np.stack([(blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)], 1)
    scale = 2 ** (bits - 8)
    if full:
        values = np.column_stack([255 * luma, 128 + 255 * chroma])
    else:
        values = np.column_stack([16 + 219 * luma, 128 + 224 * chroma])
    return np.clip(np.rint(values * scale), 0, 2**bits - 1).astype(int)


# AVColorSpace: BT.709, BT.601, and two that FFmpeg does not convert: reserved and chromaticity-derived.
TAGS = [(1, 0.2126, 0.0722), (5, 0.299, 0.114), (3, 0.299, 0.114), (12, 0.299, 0.114)]


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("tag", "kr", "kb"), TAGS)
def test_tagged_matrices_and_ranges(tmp_path: Path, tag: int, kr: float, kb: float, full: bool, bits: int) -> None:
    pix_fmt = "yuv444p" if bits == 8 else "yuv444p10le"
    frame = av.VideoFrame(len(COLOURS) * SIDE, 64, pix_fmt)
    dtype = np.uint8 if bits == 8 else np.uint16
    for plane, values in zip(frame.planes, stored_values(kr, kb, full, bits).T, strict=True):
        rows = np.zeros((64, plane.line_size // dtype().itemsize), dtype)
        rows[:, : len(COLOURS) * SIDE] = values.repeat(SIDE)
        plane.update(rows.tobytes())
    path = tmp_path / "tagged.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, pix_fmt
        stream.options = {"qp": "0"}
        stream.codec_context.colorspace = frame.colorspace = tag
        stream.codec_context.color_range = frame.color_range = 2 if full else 1
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    image = open_video(path).read([0])[0]
    assert np.abs(image[32, SIDE // 2 :: SIDE].astype(int) - COLOURS).max() <= 3


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [("alpha.mov", "qtrle", "argb"), ("alpha.mkv", "ffv1", "bgra"), ("deep.mkv", "ffv1", "gbrp16le")],
)
def test_alpha_is_dropped_and_depth_reduced(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    image = bars()
    alpha = np.full((*image.shape[:2], 1), 77, np.uint8)
    frame = av.VideoFrame.from_ndarray(np.concatenate([image, alpha], 2), format="rgba").reformat(format=pix_fmt)
    path = tmp_path / name
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, pix_fmt
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    got = open_video(path).read([0])[0]
    assert got.dtype == np.uint8 and np.abs(got.astype(int) - image).max() <= 1


def test_grey_becomes_three_equal_channels(tmp_path: Path) -> None:
    grey = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
    path = tmp_path / "grey.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 256, 64, "gray"
        frame = av.VideoFrame.from_ndarray(grey, format="gray")
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert np.array_equal(open_video(path).read([0])[0], grey[..., None].repeat(3, 2))
