"""JPEGs with data behind the picture, without the marker of their end, cut off, and with previews."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numbered_video import numbered

from poof.video import open_video
from poof.video.pictures import Unreadable, read_image


@pytest.fixture(scope="module", params=[0, 1], ids=["baseline", "progressive"])
def jpeg(request: pytest.FixtureRequest) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_PROGRESSIVE, request.param]
    return cv2.imencode(".jpg", numbered(5), options)[1].tobytes()


def read(tmp_path: Path, content: bytes) -> np.ndarray:
    (tmp_path / "1.jpg").write_bytes(content)
    return read_image(tmp_path / "1.jpg")


TRAILERS = {
    "a film": b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 40,
    "markers of a scan": b"\xff\xda\0\x08" + bytes(500) + b"\xff\xda",
    "a second picture": None,
    "zeros": bytes(3000),
    "text": b"MotionPhoto_Data" * 9,
}


@pytest.mark.parametrize("name", TRAILERS)
def test_data_behind_the_picture(tmp_path: Path, jpeg: bytes, name: str) -> None:
    trailer = TRAILERS[name] or cv2.imencode(".jpg", numbered(9)[:40, :40])[1].tobytes()[:-2]
    assert np.array_equal(read(tmp_path, jpeg + trailer), read(tmp_path, jpeg))
    video = open_video(tmp_path)
    assert video.count() == 1 and video.damage is None


@pytest.mark.parametrize("lost", [1, 2])
def test_no_marker_of_the_end(tmp_path: Path, jpeg: bytes, lost: int) -> None:
    assert np.array_equal(read(tmp_path, jpeg[:-lost]), read(tmp_path, jpeg))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_pictures_that_were_cut_off(tmp_path: Path, jpeg: bytes, share: float) -> None:
    for tail in (b"", b"\xff\xd9" + bytes(200)):  # the second looks like a whole picture with a trailer
        with pytest.raises(Unreadable, match="cannot be read"):
            read(tmp_path, jpeg[: int(len(jpeg) * share)] + tail)


def test_a_preview_in_the_header(tmp_path: Path, jpeg: bytes) -> None:
    preview = cv2.imencode(".jpg", numbered(1)[:16, :16])[1].tobytes()
    whole = jpeg[:2] + b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview + jpeg[2:]
    assert np.array_equal(read(tmp_path, whole), read(tmp_path, jpeg))
    assert np.array_equal(read(tmp_path, whole[:-2]), read(tmp_path, jpeg))
    with pytest.raises(Unreadable):
        read(tmp_path, whole[:-400])
    with pytest.raises(Unreadable):
        read(tmp_path, whole[: len(preview) + 6])
