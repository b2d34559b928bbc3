"""Whether the pictures of an H.264 stream follow each other as their headers count them (ITU-T H.264, 7.3, 8.2.1).

A decoder believes these headers: it paints a picture for every number that is left out, and shows pictures in whatever
order they say. One changed bit there moves pictures without an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from poof.video.bitstream import units_of

_SLICE, _IDR, _SEQUENCE, _PICTURE = 1, 5, 7, 8
_HIGH = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244}  # profiles that tell their colours
_HEAD = 64  # bytes of a unit that are looked at


class _Bits:
    """Reads a unit bit by bit; IndexError at its end."""

    def __init__(self, unit: bytes, limit: int) -> None:
        self._data = unit[1:limit].replace(b"\0\0\3", b"\0\0")
        self._at = 0

    def take(self, count: int) -> int:
        value = 0
        for at in range(self._at, self._at + count):
            value = value << 1 | self._data[at >> 3] >> (7 - at & 7) & 1
        self._at += count
        return value

    def golomb(self) -> int:
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def skip_list(self, size: int) -> None:
        """A list of scales, of which nothing is needed."""
        last = following = 8
        for _ in range(size):
            if following:
                code = self.golomb()
                following = (last + (-1) ** (code + 1) * -(-code // 2)) % 256
            last = following or last


@dataclass(frozen=True)
class _Sequence:
    """What the headers of a stream's slices are read by."""

    planes: bool
    number_bits: int
    order_bits: int  # 0: pictures are shown as they are decoded, or it is told in another way
    gaps: bool
    frames: bool


def _sequence(unit: bytes) -> tuple[int, _Sequence]:
    bits = _Bits(unit, len(unit))
    profile = bits.take(8)
    bits.take(16)
    name, planes = bits.golomb(), 0
    if profile in _HIGH:
        colours = bits.golomb()
        planes = bits.take(1) if colours == 3 else 0
        bits.golomb(), bits.golomb(), bits.take(1)
        for number in range((12 if colours == 3 else 8) if bits.take(1) else 0):
            if bits.take(1):
                bits.skip_list(16 if number < 6 else 64)
    number_bits, kind, order_bits = bits.golomb() + 4, bits.golomb(), 0
    if kind == 0:
        order_bits = bits.golomb() + 4
    elif kind == 1:
        bits.take(1), bits.golomb(), bits.golomb()
        for _ in range(bits.golomb()):
            bits.golomb()
    bits.golomb()
    gaps = bits.take(1)
    bits.golomb(), bits.golomb()
    return name, _Sequence(bool(planes), number_bits, order_bits, bool(gaps), bool(bits.take(1)))


@dataclass
class PictureOrder:
    """Looks at the packets of one stream in the order of decoding.

    Parameters
    ----------
    settings
        The codec's extra data in the container.
    timed
        Whether the file says when each picture is shown; where it does not, the headers have to be without gaps.
    """

    settings: bytes
    timed: bool
    _sequences: dict[int, _Sequence] = field(default_factory=dict)
    _pictures: dict[int, int] = field(default_factory=dict)
    _number: int | None = None  # of the picture before
    _leaned_on: bool = False
    # Since the last picture with which counting began anew; whether all of them are known.
    _orders: list[int] = field(default_factory=list)
    _whole: bool = False
    _last: int = 0  # place of the latest that others lean on

    def __post_init__(self) -> None:
        if self.settings[:1] == b"\1":
            self._read(_settings_units(self.settings))
        else:
            self._read(units_of(self.settings, 0) or [])

    def agrees(self, data: bytes) -> bool:
        """Whether the picture in a packet is the next by its header; True where that is not known."""
        size = (self.settings[4] & 3) + 1 if len(self.settings) > 6 and self.settings[:1] == b"\1" else 0
        return self._read(units_of(data, size) or [])

    def ends(self) -> bool:
        """Whether the pictures since the last beginning have places without gaps; for the end of the file."""
        orders, self._orders = sorted(self._orders), []
        if self.timed or not self._whole or len(orders) < 3:
            return True
        step = orders[1] - orders[0]
        return step > 0 and orders == list(range(0, step * len(orders), step))

    def _read(self, units: Iterable[bytes]) -> bool:
        try:
            for unit in units:
                kind = unit[0] & 31
                if kind == _SEQUENCE:
                    name, sequence = _sequence(unit)
                    self._sequences[name] = sequence
                elif kind == _PICTURE:
                    bits = _Bits(unit, _HEAD)
                    self._pictures[bits.golomb()] = bits.golomb()
                elif kind in (_SLICE, _IDR):
                    return self._slice(unit, kind == _IDR)
        except (IndexError, KeyError):
            self._number = None  # another check has to find that
            self._whole = False
        return True

    def _slice(self, unit: bytes, begins: bool) -> bool:
        """One slice tells for all of its picture."""
        bits = _Bits(unit, _HEAD)
        bits.golomb(), bits.golomb()
        sequence = self._sequences[self._pictures[bits.golomb()]]
        bits.take(2 if sequence.planes else 0)
        number = bits.take(sequence.number_bits)
        if not sequence.frames and bits.take(1):
            self._number, self._whole = None, False  # fields in packets of their own
            return True
        if begins:
            bits.golomb()
        before, leaned_on = self._number, self._leaned_on
        self._number, self._leaned_on = number, bool(unit[0] & 0x60)
        right = self.ends() if begins else True
        self._whole = begins or self._whole
        if sequence.order_bits:
            self._place(bits.take(sequence.order_bits), 1 << sequence.order_bits, begins)
        else:
            self._whole = False
        if begins:
            return right and number == 0
        if before is None or sequence.gaps:
            return True
        return number == (before + leaned_on) % (1 << sequence.number_bits)

    def _place(self, low: int, most: int, begins: bool) -> None:
        """Keep the whole place, of which a header has the lower bits: the nearest to the one before."""
        last = 0 if begins else self._last
        self._orders.append(last + (low - last + most // 2 - 1) % most - most // 2 + 1)
        if self._leaned_on:
            self._last = self._orders[-1]


def _settings_units(settings: bytes) -> Iterator[bytes]:
    """The units in the settings of an MP4 (ISO/IEC 14496-15)."""
    at, count = 6, settings[5] & 31
    for _ in range(2):
        for _ in range(count):
            size = int.from_bytes(settings[at : at + 2], "big")
            yield settings[at + 2 : at + 2 + size]
            at += 2 + size
        count, at = settings[at], at + 1
