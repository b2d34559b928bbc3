"""The chain of elements in files made by hand."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from poof.errors import PoofError
from poof.video import VideoWriter, open_video
from poof.video.structure import AviChain, FlvChain, GifChain, MatroskaChain, chain_of
from poof.video.structure.lzw import bytes_behind
from poof.video.structure.mp4 import _agrees
from poof.video.structure.mpegts import TransportStream

UNKNOWN_SIZE = b"\x01" + b"\xff" * 7


def element(identifier: str, content: bytes, width: int = 8) -> bytes:
    """Identifier in hex, size in `width` bytes, content."""
    return bytes.fromhex(identifier) + ((1 << 7 * width) | len(content)).to_bytes(width, "big") + content


EBML = element("1a45dfa3", b"\x42\x86\x81\x01")
INFO = element("1549a966", bytes(20))


def cluster(*blocks: bytes) -> bytes:
    """Blocks of track 1, without a shift in time, keyframes."""
    each = b"".join(element("a3", b"\x81\0\0\x80" + b, 2) for b in blocks)
    return element("1f43b675", element("e7", b"\x00", 1) + each)


def chain(tmp_path: Path, content: bytes) -> MatroskaChain:
    path = tmp_path / "file.mkv"
    path.write_bytes(content)
    return MatroskaChain(path)


@pytest.mark.parametrize("width", [1, 2, 3, 5, 8])
def test_a_whole_file(tmp_path: Path, width: int) -> None:
    segment = INFO + cluster(b"\x81picture", bytes(300)) + element("ec", bytes(99), width) + cluster(bytes(40))
    content = EBML + element("18538067", segment)
    with chain(tmp_path, content) as elements:
        assert elements.reaches(content.index(b"picture"))
        assert elements.reaches(len(content) - 1)
        assert elements.is_whole()


def test_sizes_that_were_not_known_when_they_were_written(tmp_path: Path) -> None:
    block = element("a3", b"\x81\0\0\x80picture")
    content = EBML + bytes.fromhex("18538067") + UNKNOWN_SIZE + INFO + bytes.fromhex("1f43b675") + b"\xff" + block * 3
    with chain(tmp_path, content) as elements:
        assert elements.is_whole()
    with chain(tmp_path, content[:-1]) as elements:
        assert not elements.is_whole()


def test_a_file_cut_between_two_elements(tmp_path: Path) -> None:
    last = cluster(bytes(50))
    content = EBML + element("18538067", INFO + cluster(bytes(30)) + last)
    with chain(tmp_path, content[: -len(last)]) as elements:
        assert elements.reaches(len(content) - len(last) - 1), "the last block that is there is whole"
        assert not elements.is_whole()


def test_a_hole(tmp_path: Path) -> None:
    blocks = [bytes([n]) * 50 for n in range(1, 9)]
    content = bytearray(EBML + element("18538067", INFO + cluster(*blocks[:4]) + cluster(*blocks[4:])))
    places = [content.index(block) for block in blocks]
    # From the end of the third block over the header of the fourth.
    content[places[2] + 45 : places[3] + 5] = bytes(places[3] + 5 - places[2] - 45)
    with chain(tmp_path, bytes(content)) as elements:
        assert elements.reaches(places[0]) and elements.reaches(places[1])
        assert not elements.reaches(places[2]), "its end is damaged"
        assert not elements.reaches(places[3]) and not elements.reaches(places[7])
        assert not elements.is_whole()
        assert elements.reaches(places[1]), "still true"


def test_elements_that_a_reader_does_not_know_are_passed_over(tmp_path: Path) -> None:
    strange = element("4abc", b"of a later version")
    content = EBML + element("18538067", INFO + strange + cluster(bytes(30)) + strange)
    with chain(tmp_path, content) as elements:
        assert elements.is_whole()


def test_what_stands_behind_the_segment_does_not_count(tmp_path: Path) -> None:
    with chain(tmp_path, EBML + element("18538067", INFO + cluster(bytes(30))) + bytes(1000)) as elements:
        assert elements.is_whole()


def test_a_size_beyond_all_bounds(tmp_path: Path) -> None:
    content = EBML + element("18538067", INFO + bytes.fromhex("ec") + b"\x01\xff\xff\xff\xff\xff\xff\xfe" + bytes(9))
    with chain(tmp_path, content) as elements:
        assert not elements.is_whole() and not elements.reaches(len(content) - 1)


def chunk(name: bytes, content: bytes, fill: bool = True) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2 * fill)


@pytest.mark.parametrize("fill", [True, False])
def test_avi(tmp_path: Path, fill: bool) -> None:
    pictures = [bytes([n]) * (51 + n) for n in range(1, 6)]
    body = b"".join(chunk(b"00dc", picture, fill) for picture in pictures)
    group = chunk(b"LIST", b"rec " + chunk(b"01wb", bytes(10)))
    content = bytearray(chunk(b"RIFF", b"AVI " + chunk(b"LIST", b"movi" + body + group) + chunk(b"idx1", bytes(16))))
    path = tmp_path / "file.avi"
    path.write_bytes(content)
    with AviChain(path) as elements:
        assert all(elements.reaches(content.index(picture)) for picture in pictures)
        assert elements.reaches(len(content) - 1)
    third, fourth = content.index(pictures[2]), content.index(pictures[3])
    content[third + 20 : fourth - 6] = bytes(fourth - 6 - third - 20)
    path.write_bytes(content)
    with AviChain(path) as elements:
        assert elements.reaches(content.index(pictures[1]))
        assert not elements.reaches(third) and not elements.reaches(fourth)
        assert elements.reaches(content.index(pictures[1])), "what was whole stays so"


def test_flv(tmp_path: Path) -> None:
    def tag(kind: int, content: bytes) -> bytes:
        return (
            bytes([kind]) + len(content).to_bytes(3, "big") + bytes(7) + content + struct.pack(">I", 11 + len(content))
        )

    contents = [bytes([n]) * 300 for n in range(20, 25)]
    content = bytearray(b"FLV\1\5\0\0\0\x09" + bytes(4) + tag(18, b"\2data") + b"".join(tag(9, c) for c in contents))
    path = tmp_path / "file.flv"
    path.write_bytes(content)
    with FlvChain(path) as elements:
        assert elements.reaches(len(content) - 1)
    hit = content.index(contents[3]) - 11
    content[hit] = 0
    path.write_bytes(content)
    with FlvChain(path) as elements:
        assert elements.reaches(content.index(contents[1]))
        assert not elements.reaches(content.index(contents[2]))


def gif(path: Path, size: tuple[int, int], colours: int, interlace: bool = False) -> bytes:
    """Four images of noise as Pillow writes them."""
    noise = np.random.default_rng(size[0]).integers(0, colours, (4, size[1], size[0])).astype(np.uint8)
    first, *more = (Image.fromarray(image).convert("P") for image in noise)
    first.save(path, save_all=True, append_images=more, interlace=interlace, duration=40)
    return path.read_bytes()


def images_in(path: Path) -> tuple[int, bool]:
    """How many images the chain finds whole, and whether the file is whole with as many."""
    with GifChain(path) as elements, GifChain(path) as again:
        count = 0
        while elements.holds(0):
            count += 1
        return count, all(again.holds(0) for _ in range(count)) and again.is_whole()


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("colours", [2, 16, 256])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (200, 133)])
def test_whole_gifs(tmp_path: Path, size: tuple[int, int], colours: int, interlace: bool) -> None:
    """Small ones, and such that fill the table of strings many times."""
    content = gif(tmp_path / "a.gif", size, colours, interlace)
    assert images_in(tmp_path / "a.gif") == (content.count(b"!\xf9\x04"), True)


def test_an_image_of_a_gif_that_swallows_the_next(tmp_path: Path) -> None:
    """Noise over the end of one and the head of the next, such that sizes still lead from block to block."""
    path = tmp_path / "a.gif"
    content = bytearray(gif(path, (60, 40), 256))
    third = content.index(b"!\xf9\x04", content.index(b"!\xf9\x04", content.index(b"!\xf9\x04") + 1) + 1)
    at, data = third - 1, content.index(b"\x08\xff", third) + 1
    while at < data:
        size = min(255, data - at - 1)
        content[at : at + 1 + size] = bytes([size]) + bytes([77]) * size
        at += 1 + size
    path.write_bytes(content)
    assert images_in(path) == (1, False)


@pytest.mark.parametrize(
    ("codes", "pixels", "behind"),
    [
        ([4, 0, 1, 5], 2, 0),  # cleared, two pixels, the end
        ([4, 0, 6, 5], 3, 0),  # 6 is the string that is being made: pixel 0 twice
        ([4, 0, 7, 5], 3, None),  # 7 does not exist yet
        ([4, 0, 1, 5], 3, None),  # too few
        ([4, 0, 4, 1, 5], 2, 0),  # cleared in between
        ([0, 1, 5, 0, 0, 0, 0, 0, 0], 2, 2),  # 16 bits behind the byte that holds the end
        ([4, 5], 0, 1),
    ],
)
def test_pixels_in_the_codes_of_a_gif(codes: list[int], pixels: int, behind: int | None) -> None:
    bits = sum(code << 3 * place for place, code in enumerate(codes))
    assert bytes_behind(bits.to_bytes(-(-3 * len(codes) // 8), "little"), 2, pixels) == behind


@pytest.mark.parametrize("length", [3, 8, 9, 20, 24])
def test_an_flv_that_ends_within_a_head(tmp_path: Path, length: int) -> None:
    path = tmp_path / "file.flv"
    path.write_bytes((b"FLV\1\1\0\0\0\x09" + bytes(4) + b"\x09\0\1\0" + bytes(7) + bytes(300))[:length])
    with FlvChain(path) as elements:
        assert not elements.holds(length - 1) and not elements.is_whole()


def test_formats_without_a_chain(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    assert chain_of("asf", path) is None
    for name, kind in (("matroska,webm", MatroskaChain), ("avi", AviChain), ("flv", FlvChain)):
        with chain_of(name, path) as elements:
            assert type(elements) is kind


@pytest.mark.parametrize(
    ("duration", "edits", "right"), [(6144, True, True), (40, True, False), (40, False, True), (0, True, True)]
)
def test_pictures_that_last_longer_than_their_track(duration: int, edits: bool, right: bool) -> None:
    """A changed table of durations puts pictures behind the end of the edit list, where no reader shows them."""

    def box(kind: bytes, *content: bytes) -> bytes:
        return struct.pack(">I4s", 8 + sum(map(len, content)), kind) + b"".join(content)

    header = box(b"mdhd", struct.pack(">IIIII", 0, 0, 0, 12800, duration), bytes(4))
    durations = box(b"stts", struct.pack(">IIII", 0, 1, 12, 512))
    list_of_edits = box(b"edts", box(b"elst", struct.pack(">IIIII", 0, 1, 480, 0, 1 << 16))) if edits else b""
    others = [box(kind) for kind in (b"stsd", b"stsc", b"stsz", b"stco")]
    media = box(b"mdia", header, box(b"hdlr"), box(b"minf", box(b"stbl", durations, *others)))
    assert _agrees(box(b"tkhd") + list_of_edits + media) is right


@pytest.mark.parametrize(
    "name", ["trak", "tkhd", "mdia", "mdhd", "hdlr", "minf", "stbl", "stsd", "stts", "stsc", "stsz", "stco"]
)
def test_a_table_whose_name_is_damaged(tmp_path: Path, name: str) -> None:
    """Without `mdhd` FFmpeg took thousandths for the unit, and the edit list hid all pictures but the first."""
    with VideoWriter(tmp_path / "a.mp4", 25, (64, 48)) as writer:
        for number in range(12):
            writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
    content = (tmp_path / "a.mp4").read_bytes()
    with chain_of("mov,mp4,m4a,3gp,3g2,mj2", tmp_path / "a.mp4") as whole:
        assert whole.holds(100) and whole.is_whole()
    (tmp_path / "b.mp4").write_bytes(content.replace(name.encode(), b"\x01}W\x05", 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            video = open_video(tmp_path / "b.mp4")
        except PoofError:
            return
        count = video.count()
        assert video.damage is not None or count == 12


@pytest.mark.parametrize(
    ("table", "place", "value"),
    [
        ("mvhd", 12, b"\x93\0\x03\xe8"),  # units a second of the edits, which then show a picture at most
        ("mvhd", 36 + 8, b"\x25"),  # the last column of a matrix that mirrors or turns
        ("tkhd", 40 + 20, b"\1"),
        ("tkhd", 40 + 32, b"\0"),
    ],
)
def test_a_damaged_header(tmp_path: Path, table: str, place: int, value: bytes) -> None:
    with VideoWriter(tmp_path / "a.mp4", 25, (64, 48)) as writer:
        for number in range(12):
            writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    at = content.index(table.encode()) + 4 + place
    content[at : at + len(value)] = value
    (tmp_path / "b.mp4").write_bytes(content)
    with chain_of("mov,mp4,m4a,3gp,3g2,mj2", tmp_path / "b.mp4") as elements:
        assert not elements.holds(100) and not elements.is_whole()


@pytest.mark.parametrize(("size", "lead"), [(188, 0), (192, 4), (204, 0)])
def test_packets_of_a_transport_stream_behind_a_damaged_beginning(tmp_path: Path, size: int, lead: int) -> None:
    """Their size was looked for at the beginning alone; the first group of pictures went without a word."""
    packet = bytes(lead) + b"G" + bytes(size - lead - 1)
    (tmp_path / "a.ts").write_bytes(bytes(12 * size) + 20 * packet)
    assert TransportStream(tmp_path / "a.ts")._packet_size() == (size, lead)
    (tmp_path / "c.ts").write_bytes(bytes(50) + 30 * packet)  # cut out of something else, at no packet's end
    assert TransportStream(tmp_path / "c.ts")._packet_size() == (size, lead)
    (tmp_path / "b.ts").write_bytes(bytes(range(256)) * 30)
    assert TransportStream(tmp_path / "b.ts")._packet_size() == (0, 0)
