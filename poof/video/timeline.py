"""Frame numbers of pictures behind damage: by presentation time, or by their place in the file."""

from __future__ import annotations

from bisect import bisect_left
from contextlib import suppress
from pathlib import Path

import numpy as np

from poof.video.bitstream import is_shown
from poof.video.decoding import TIMED, Broken, packets_of
from poof.video.opening import open_container, video_stream
from poof.video.structure import chain_of
from poof.video.structure.avi import index_of

_TOLERANCE = 1.01
"""Ticks of the file's clock by which the pictures of a constant rate may be off (they are rounded to whole ticks)."""
_REGULAR = 0.9
"""Share of the distances between pictures that have to be the usual one."""


class Timeline:
    """The times of all packets that can be found in a file, and what follows for the numbers of pictures.

    Parameters
    ----------
    path, stream
        The file, and the index of its stream of pictures.

    Attributes
    ----------
    exact : bool
        Whether numbers are certain: no packet is lost, or the rate is constant. Where it is not, numbers count the
        packets that are there.
    total : int
        Number of pictures up to the last packet that was found.
    announced : int
        Number of pictures that the file says it has, 0 where it does not.
    """

    def __init__(self, path: Path, stream: int) -> None:
        times: list[int] = []
        offsets: list[int] = []
        whole = begins = ordered = True
        decoded: int | None = None
        with open_container(path) as container:
            pictures = video_stream(container, stream)
            codec = pictures.codec_context.name
            self.timed = container.format.name in TIMED
            structure = chain_of(container.format.name, path)
            with suppress(Broken):
                for packet in packets_of(container, pictures):
                    if whole and packet.pos is not None and structure is not None:
                        whole = structure.holds(packet.pos)
                        begins = begins and (whole or bool(offsets))
                    whole = whole and not packet.is_corrupt
                    ordered = ordered and (decoded is None or packet.dts is None or packet.dts > decoded)
                    decoded = packet.dts if packet.dts is not None else decoded
                    if not packet.is_discard and is_shown(codec, bytes(packet)):
                        times.append(packet.pts if packet.pts is not None else -1)
                        offsets.append(packet.pos if packet.pos is not None else -1)
            if structure is not None:
                whole = whole and structure.is_whole()
                structure.__exit__(None, None, None)
            # A file without an index of its own cannot say that nothing is missing.
            whole = whole and structure is not None
            index = index_of(path) if container.format.name == "avi" and not whole else []
            announced = pictures.frames
            # Of a file with nothing but pictures: how long all of them are shown.
            alone = container.format.name == "matroska,webm" and len(container.streams) == 1
            length, unit = (container.duration or 0) if alone else 0, float(pictures.time_base or 1)
            rate = pictures.average_rate or pictures.guessed_rate
            usual = float(1 / (rate * pictures.time_base)) if rate and pictures.time_base else None
        self._places = {offset: n for n, offset in enumerate(index)} or ({} if index else _ranks(offsets))
        self._times = sorted(set(times)) if self.timed and -1 not in times else []
        self._step = self._constant_step(usual)
        if self.timed:
            # What stood before the first packet is not known, unless the clock began with it; a gap behind it says that
            # its own time is damaged.
            if self._step is not None and not whole:
                begins = begins or self._times[0] == 0
                begins = begins and abs((self._times[1] - self._times[0]) / self._step - 1) < 0.25
            agreed = ordered and len(self._times) == len(times) > 0
            if agreed and whole and self._step is not None:
                # Nothing is lost: where the times leave a gap all the same, one of them is damaged.
                agreed = self._by_time(self._times[-1]) == len(times) - 1
            self.exact = agreed and (whole or (self._step is not None and begins))
        else:
            self.exact = whole or len(index) == announced > 0
        self._by_rank = whole or self._step is None
        self.total = max(len(index), len(times))
        self.announced = 0
        if self._times and not self._by_rank:
            self.total = self._by_time(self._times[-1]) + 1
            if self._step is not None:
                self.announced = int((length / 1e6 / unit - self._times[0]) / self._step + 0.25)

    def number(self, pts: int | None) -> int | None:
        """Number of the picture that is shown at `pts`; None when the file does not tell."""
        if not self._times or pts is None:
            return None
        if not self._by_rank:
            return self._by_time(pts)
        rank = bisect_left(self._times, pts)
        return rank if rank < len(self._times) and self._times[rank] == pts else None

    def place(self, offset: int | None) -> int | None:
        """Number of the packet at a place in the file, in the order of decoding; None when it is not known."""
        found = None if offset is None else self._places.get(offset)
        self.exact = self.exact and (found is not None or self.timed)
        return found

    def _by_time(self, pts: int) -> int:
        assert self._step is not None
        return round((pts - self._times[0]) / self._step)

    def _constant_step(self, expected: float | None) -> float | None:
        """Ticks from picture to picture where the rate is constant but for holes; `expected` by the file's header."""
        distances = np.diff(self._times)
        if len(distances) < 2:
            return None
        usual = float(np.median(distances))
        regular = np.abs(distances - usual) <= _TOLERANCE
        if usual <= 0 or (regular.mean() < _REGULAR and regular.sum() < len(distances) - 3):
            return None
        step = float(distances[regular].mean())
        if expected is not None and abs(step / expected - 1) > 0.1:
            return None
        # Every picture must fall near a whole number of steps, holes included.
        places = (np.array(self._times) - self._times[0]) / step
        return step if np.abs(places - np.round(places)).max() < 0.25 else None


def _ranks(offsets: list[int]) -> dict[int, int]:
    return {offset: n for n, offset in enumerate(offsets) if offset >= 0}
