"""Index of a video file: its packets in order of display, and the keyframe that each is decoded from.

Reading a file in order is exact always and is what `poof.video` does. To look at any frame at once one must jump. The
index says to where, from the packets alone (nothing is decoded), and whether that can be relied on: a file whose
packets do not show the order of its pictures is read in order instead. What the index says stays provisional until a
pass in order has confirmed it (`FrameIndex.confirmed`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.packet import Packet

from poof.video.decoding import open_container, video_stream

# Containers that store when each picture is shown; the times of others are made up while decoding.
_TIMED = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"})
# Codecs of which each shown packet is one picture and whose keyframes need nothing before them.
_ONE_PICTURE_EACH = frozenset(
    {"h264", "hevc", "mpeg4", "mjpeg", "vp8", "vp9", "av1", "libdav1d", "prores", "dnxhd", "ffv1", "png"}
)


@dataclass(frozen=True)
class FrameIndex:
    """The frames of a file in the order of display.

    Attributes
    ----------
    times : (N,) int64
        Presentation time of each frame, in units of the stream's time base; all different, ascending.
    seconds : float
        That unit.
    starts : (M,) int64
        Frames that are keyframes, ascending: decoding may begin there.
    reliable : bool
        Whether frame n can be found by `times[n]`; otherwise the file must be read in order.
    confirmed : bool
        Whether a pass in order found these very frames.
    """

    times: np.ndarray
    seconds: float
    starts: np.ndarray
    reliable: bool
    confirmed: bool = False

    def __len__(self) -> int:
        return len(self.times)

    def start_of(self, frame: int) -> int:
        """Which of `starts` a decoder begins at for `frame`: its position there, -1 if there is none before it."""
        return bisect_right(self.starts, frame) - 1

    def frame_at(self, time: int | None) -> int | None:
        """The frame of a presentation time; None if there is none."""
        if time is None:
            return None
        place = int(np.searchsorted(self.times, time))
        return place if place < len(self.times) and self.times[place] == time else None

    @property
    def farthest(self) -> int:
        """Most frames that must be decoded for one."""
        if not self.reliable or not len(self.starts):
            return len(self)
        return int(np.diff([*self.starts, len(self)]).max(initial=0))

    def corrected(self, times: Sequence[int | None]) -> FrameIndex:
        """The index after a pass in order that found frames with these times; reliable only if they tell it all."""
        known = [t for t in times if t is not None]
        ordered = len(known) == len(times) and all(a < b for a, b in zip(known, known[1:]))
        if not ordered:
            return FrameIndex(np.arange(len(times)), self.seconds, self.starts[:0], False, True)
        found = np.array(known, np.int64)
        keys = self.times[self.starts]
        starts = np.searchsorted(found, keys[np.isin(keys, found)])
        return FrameIndex(found, self.seconds, starts, self.reliable and len(starts) > 0, True)


def index_packets(path: Path) -> FrameIndex:
    """Read the packets of a video file (without decoding) into an index.

    Raises
    ------
    PoofError
        If the file cannot be opened or has no video.
    """
    times: list[int] = []
    keys: list[int] = []
    with open_container(path) as container:
        stream = video_stream(container, str(path))
        codec = stream.codec_context.codec.name
        seconds = float(stream.time_base or 0)
        reliable = container.format.name in _TIMED and codec in _ONE_PICTURE_EACH and seconds > 0
        try:
            for packet in container.demux(stream):
                if not packet.size or packet.is_discard or _hidden(codec, packet):
                    continue
                if packet.pts is None:
                    reliable = False
                    break
                times.append(packet.pts)
                if packet.is_keyframe:
                    keys.append(packet.pts)
                reliable = reliable and not packet.is_corrupt
        except av.FFmpegError:
            pass  # damage: a pass in order will say where
    order = np.unique(np.array(times, np.int64))
    reliable = reliable and len(order) == len(times) > 0 and bool(keys) and keys[0] == order[0]
    starts = np.searchsorted(order, np.array(sorted(keys), np.int64))
    return FrameIndex(order, seconds or 1.0, starts, reliable)


def _hidden(codec: str, packet: Packet) -> bool:
    """Whether a packet of VP8 is a picture that is never shown: bit 4 of its first byte is not set (RFC 6386, 9.1)."""
    return codec in ("vp8", "libvpx") and not bytes(packet)[0] & 0x10
