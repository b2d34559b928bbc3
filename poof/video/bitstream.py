"""Picture types of packets, as far as their first bytes tell.

A stream that was cut out of a longer one begins with pictures that lean on others which are not there any more: they
cannot be decoded, and nothing is damaged. A picture that leans on none and cannot be decoded is damaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum

_INTRA_ONLY = {
    *("mjpeg", "png", "bmp", "tiff", "webp", "prores", "dnxhd", "huffyuv", "ffvhuff", "dvvideo", "jpeg2000", "jpegls"),
    *("utvideo", "cfhd", "v210"),
}


class Kind(Enum):
    """How a picture can be decoded."""

    CLOSED = "leans on no other, and nothing behind it leans on what is before it"
    OPEN = "leans on no other, but those shown before it may lean on earlier ones"
    LEANING = "leans on others"
    BROKEN = "nothing that a decoder could read"


def kind_of(codec: str, data: bytes, settings: bytes | None = None, keyframe: bool = False) -> Kind:
    """The kind of the picture in a packet.

    Parameters
    ----------
    codec
        FFmpeg's name of the decoder.
    data
        The packet.
    settings
        The codec's extra data in the container.
    keyframe
        What the container says; for codecs that are not looked into.
    """
    if not data:
        return Kind.BROKEN
    if codec == "h264":
        return _h264(data, settings or b"")
    if codec == "hevc":
        return _hevc(data, settings or b"")
    if codec in ("mpeg1video", "mpeg2video"):
        return _start_code(data, b"\x00", lambda b: {1: Kind.OPEN, 2: Kind.LEANING, 3: Kind.LEANING}.get(b[1] >> 3 & 7))
    if codec == "mpeg4":
        return _start_code(data, b"\xb6", lambda b: Kind.OPEN if b[0] >> 6 == 0 else Kind.LEANING)
    if codec in ("vp8", "libvpx"):
        if data[0] & 1:
            return Kind.LEANING
        return Kind.CLOSED if data[3:6] == b"\x9d\x01\x2a" else Kind.BROKEN
    if codec in ("vp9", "libvpx-vp9"):
        return _vp9(data[0])
    return Kind.CLOSED if keyframe or codec in _INTRA_ONLY else Kind.LEANING


def is_shown(codec: str, data: bytes) -> bool:
    """Whether a packet gives a picture: VP8 stores some only to be leaned on."""
    return not (codec in ("vp8", "libvpx") and data and not data[0] >> 4 & 1)


def units_of(data: bytes, length_size: int) -> Iterator[bytes] | None:
    """The units of an H.264 or H.265 packet, with sizes in front or start codes between them; None if broken."""
    if data.startswith((b"\0\0\1", b"\0\0\0\1")) and not (length_size and _fits(data, length_size)):
        parts = data.split(b"\0\0\1")[1:]
        return (part for part in parts if part)
    if not length_size or not _fits(data, length_size):
        return None
    return _sized(data, length_size)


def _fits(data: bytes, length_size: int) -> bool:
    at = 0
    while at + length_size <= len(data):
        size = int.from_bytes(data[at : at + length_size], "big")
        if not size:
            return False
        at += length_size + size
    return at == len(data)


def _sized(data: bytes, length_size: int) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + length_size], "big")
        yield data[at + length_size : at + length_size + size]
        at += length_size + size


def _h264(data: bytes, settings: bytes) -> Kind:
    # ISO/IEC 14496-15: the settings end their fifth byte with the size of sizes; other settings mean start codes.
    units = units_of(data, (settings[4] & 3) + 1 if len(settings) > 6 and settings[0] == 1 else 0)
    if units is None:
        return Kind.BROKEN
    intra = pictures = False
    for unit in units:
        kind = unit[0] & 0x1F
        if unit[0] & 0x80 or kind == 0 or kind > 23:
            return Kind.BROKEN
        if kind == 5:
            return Kind.CLOSED
        if kind in (1, 2):
            if not pictures:
                slice_type = _slice_type(unit[1:12])
                if slice_type is None:
                    return Kind.BROKEN
                intra = slice_type % 5 in (2, 4)
            pictures = True
    if not pictures:
        return Kind.BROKEN
    return Kind.OPEN if intra else Kind.LEANING


def _slice_type(head: bytes) -> int | None:
    """The second number of a slice's header (ITU-T H.264, 7.3.3); both are Exp-Golomb codes."""
    bits = "".join(f"{byte:08b}" for byte in head)
    values, at = [], 0
    for _ in range(2):
        zeros = len(bits[at:]) - len(bits[at:].lstrip("0"))
        end = at + 2 * zeros + 1
        if zeros > 20 or end > len(bits):
            return None
        values.append(int(bits[at + zeros : end], 2) - 1)
        at = end
    return values[1] if values[1] <= 9 else None


def _hevc(data: bytes, settings: bytes) -> Kind:
    units = units_of(data, (settings[21] & 3) + 1 if len(settings) > 22 and settings[0] == 1 else 0)
    if units is None:
        return Kind.BROKEN
    found = Kind.BROKEN
    for unit in units:
        kind = unit[0] >> 1 & 0x3F
        if unit[0] & 0x80 or len(unit) < 3 or not unit[1] & 7:
            return Kind.BROKEN
        if kind in (19, 20):
            return Kind.CLOSED
        if 16 <= kind <= 23:
            return Kind.OPEN
        if kind < 10:
            found = Kind.LEANING
    return found


def _start_code(data: bytes, code: bytes, kinds: Callable[[bytes], Kind | None]) -> Kind:
    """The kind of a picture whose header stands behind a start code of MPEG."""
    at = data.find(b"\0\0\1" + code)
    head = data[at + 4 : at + 6]
    return (kinds(head) if at >= 0 and len(head) == 2 else None) or Kind.BROKEN


def _vp9(first: int) -> Kind:
    if first >> 6 != 2:
        return Kind.BROKEN
    profile = (first >> 5 & 1) | (first >> 4 & 1) << 1
    at = 2 if profile == 3 else 3  # bits behind the profile; profile 3 has a reserved one
    if first >> at & 1:
        return Kind.LEANING  # shows a picture again that was decoded before
    return Kind.LEANING if first >> (at - 1) & 1 else Kind.CLOSED
