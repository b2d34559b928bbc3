"""Damaged video files: every frame that comes has its number, and what is missing is told."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from harness import Fault, check_message
from mutations import Rng, pick

from poof.errors import PoofError
from poof.video import OnDamage, open_video

COUNT = 12
SIZE = (128, 96)
X264 = {"preset": "veryfast", "threads": "1"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
KINDS: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "h264.mp4": ("libx264", X264, {}),
    "fragments.mp4": ("libx264", X264, FRAGMENTS),
    "h264.mkv": ("libx264", X264, {}),
    "h264.avi": ("libx264", X264 | {"bf": "0"}, {}),
    "h264bf.avi": ("libx264", X264 | {"bf": "2"}, {}),
    "h264.ts": ("libx264", X264 | {"crf": "10"}, {}),
    "h264.flv": ("libx264", X264, {}),
    "h265.mp4": ("libx265", {"preset": "superfast", "x265-params": "log-level=none"}, {}),
    "mpeg4.avi": ("mpeg4", {"bf": "0"}, {}),
    "mpeg4.mp4": ("mpeg4", {"bf": "2"}, {}),
    "mjpeg.avi": ("mjpeg", {}, {}),
    "flv1.flv": ("flv", {}, {}),
    "vp8.webm": ("libvpx", {"deadline": "realtime", "cpu-used": "8"}, {}),
    "vp9.webm": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}, {}),
    "ffv1.mkv": ("ffv1", {"level": "3", "slicecrc": "1"}, {}),
    "anim.gif": ("gif", {}, {}),
}

# Their damaged pictures may decode to anything.
_WITHOUT_CHECKS = ("vp8.webm", "vp9.webm", "h265.mp4", "ffv1.mkv", "anim.gif", "mjpeg.avi")
# Nothing in these files says where they were meant to end, or it is not looked at (H.265 in MP4, a known limit).
_ENDLESS = ("h264.ts", "h264.flv", "flv1.flv", "fragments.mp4", "h265.mp4")


def picture(number: int) -> np.ndarray:
    """A moving texture below the number: 8 bits in blocks of 16 pixels, and their negatives under them."""
    tiles = np.random.default_rng(7).integers(40, 210, (8, 16, 3)).astype(np.uint8)
    image = np.roll(tiles.repeat(12, 0).repeat(8, 1), 2 * number, 1)
    for bit in range(8):
        on = number >> bit & 1
        image[:16, bit * 16 : bit * 16 + 16] = 235 if on else 16
        image[16:32, bit * 16 : bit * 16 + 16] = 16 if on else 235
    return image


def number_in(image: np.ndarray) -> int | None:
    """The number in a picture, None where it cannot be read."""
    if image.shape != (SIZE[1], SIZE[0], 3):
        return None
    number = 0
    for bit in range(8):
        columns = slice(bit * 16 + 3, bit * 16 + 13)
        one, negative = float(image[2:14, columns].mean()), float(image[18:30, columns].mean())
        if abs(one - negative) < 100:
            return None
        number |= int(one > negative) << bit
    return number


@cache
def whole(kind: str) -> bytes:
    """A file of that kind with `COUNT` pictures, two groups of them."""
    codec, options, container = KINDS[kind]
    path = _folder() / kind
    with av.open(str(path), "w", options=container) as file:
        stream: Any = file.add_stream(codec, rate=25)
        stream.width, stream.height = SIZE
        stream.pix_fmt = {"mjpeg": "yuvj420p", "gif": "rgb8"}.get(codec, "yuv420p")
        stream.options = options
        if codec not in ("ffv1", "mjpeg", "gif"):
            stream.gop_size = COUNT // 2
        for number in range(COUNT):
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture(number), format="rgb24")):
                file.mux(packet)
        for packet in stream.encode(None):
            file.mux(packet)
    return path.read_bytes()


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="poof-campaign-videos-"))
    atexit.register(shutil.rmtree, folder, True)
    return folder


def damaged(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    """The file with one or a few places hit, and whether pictures may have changed places."""
    content = bytearray(data)
    how = pick(rng, ("byte", "byte", "bytes", "zero", "noise", "cut", "copy", "truncate", "swap"))
    at = int(rng.integers(len(content)))
    length = int(min(len(content) - at, rng.integers(1, 1 + pick(rng, (4, 60, 600, 4000)))))
    if how in ("byte", "bytes"):
        for place in [at, *rng.integers(0, len(content), 0 if how == "byte" else int(rng.integers(1, 12)))]:
            content[int(place)] = int(rng.integers(256))
    elif how == "zero":
        content[at : at + length] = bytes(length)
    elif how == "noise":
        content[at : at + length] = rng.bytes(length)
    elif how == "cut":
        del content[at : at + length]
    elif how == "copy":
        content[at:at] = content[at : at + length]
    elif how == "truncate":
        del content[max(at, 1) :]
    else:
        other = int(rng.integers(len(content)))
        part = content[at : at + length]
        content[at : at + length] = content[other : other + length]
        content[other : other + len(part)] = part
    return bytes(content), how in ("copy", "swap")


def trial(rng: Rng, folder: Path) -> None:
    """One damaged file, read as it is and behind the damage."""
    kind = pick(rng, tuple(KINDS))
    path = folder / f"v-{kind}"
    content, moved = damaged(whole(kind), rng)
    path.write_bytes(content)
    for on_damage in ("stop", "continue"):
        check(path, kind, on_damage, moved)


def check(path: Path, kind: str, on_damage: OnDamage, moved: bool) -> None:
    """Read a file in every way; a `Fault` where the answers differ or are wrong."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            video = open_video(path, on_damage)
        except PoofError as error:
            check_message(str(error))
            return
        first = [(n, number_in(image)) for n, image in video.frames()]
        second = [n for n, _ in video.frames()]
        numbers = [n for n, _ in first]
        count, parts = video.count(), sorted(video.read(numbers))
    told = " ".join([*(str(w.message) for w in said), video.damage.reason if video.damage else ""])
    for message in {str(w.message) for w in said}:
        check_message(message)
    where = f"{kind} {on_damage}: {first} {video.damage} {video.holes} {told}"
    if not (numbers == second == parts):
        raise Fault("wrong", f"passes differ: {second} {parts} {where}")
    if count != (numbers[-1] + 1 if numbers else 0):
        raise Fault("wrong", f"counts {count}: {where}")
    holes = [n for hole in video.holes for n in range(hole.start, hole.stop)]
    if [n for n in range(count) if n not in numbers] != holes:
        raise Fault("wrong", f"holes: {where}")
    shifted = [(n, seen) for n, seen in first if seen not in (n, None)]
    if shifted and "may be shifted" not in told and not moved and kind not in _WITHOUT_CHECKS:
        raise Fault("wrong", f"wrong numbers {shifted}: {where}")
    if kind == "anim.gif" and moved:
        return  # moved bytes can make one image of a GIF swallow the next; nothing in it says so
    if len(shifted) > 2 and "may be shifted" not in told and _is_shift(shifted):
        raise Fault("wrong", f"shifted {shifted}: {where}")
    if count < COUNT and video.damage is None and "may be shifted" not in told and kind not in _ENDLESS:
        raise Fault("wrong", f"fewer frames, no damage told: {where}")


def _is_shift(wrong: list[tuple[int, int | None]]) -> bool:
    """Whether a row of pictures is numbered off by one and the same number: damaged ones do not look like that."""
    together = all(b[0] == a[0] + 1 for a, b in zip(wrong, wrong[1:]))
    return together and len({seen - n for n, seen in wrong if seen is not None}) == 1
