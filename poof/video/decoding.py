"""One pass over a video file with FFmpeg: every decoded picture in order, up to the end or to the first damage.

FFmpeg by itself plays on whatever happens: it paints over broken blocks, skips packets it cannot decode and so shifts
the number of every frame behind them. A pass therefore runs with ``err_detect=explode`` and ends at the first of:

* the container cannot be read on, or hands out a packet it marks as corrupt (a file that was cut off), or has a hole
  that FFmpeg jumps over (`poof.video.structure`);
* the decoder refuses a packet (bits that cannot be decoded, a reference picture that is missing);
* the decoder marks a picture as corrupt.

Pictures at the beginning that lean on others which were cut away (`poof.video.bitstream`) are no damage: FFmpeg partly
skips and partly shows them. There it decodes as it always does, so that the numbers are those that every other program
counts. Bits that changed and still decode cannot be told from a picture that looks like that (H.265, VP8 and VP9 carry
no check sums).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from poof.video.bitstream import Kind, kind_of
from poof.video.opening import LIMITS, open_container, video_stream
from poof.video.picture_order import PictureOrder
from poof.video.structure import chain_of

_LOOK_AT = 60  # packets of a file that breaks rules
STRICT = {"err_detect": "crccheck+explode"}
# The decoder of AV1 drops what it cannot decode without a word; but each of its packets is one picture, in order.
_ONE_BY_ONE = frozenset({"libdav1d", "libaom-av1", "av1"})
# Decoders that leave out a picture that damage changed; theirs, too, are one picture a packet.
MAY_DROP = frozenset({"hevc", "flv", "h263"})
# Formats that store when each picture is shown; FFmpeg makes the times of others (AVI) up as it decodes.
TIMED = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts", "mpeg", "flv", "asf"})
# Their pictures say by themselves in which order they are shown; damage that changes it shows in the times.
_REORDERING = frozenset({"h264", "mpeg4"})
# With several threads these decoders may hand out a picture before they have marked it as corrupt.
LATE_MARKS = frozenset({"h264", "mpeg4", "h263", "flv", "msmpeg4", "msmpeg4v1", "msmpeg4v2", "wmv1", "wmv2", "wmv3"})


class Broken(Exception):
    """The pass cannot go on; the text says why."""


class Refused(Broken):
    """The decoder refused a packet."""


class Disordered(Exception):
    """Pictures do not follow each other as times and headers say; it needs a pass with `disordered`."""


class Ragged(Exception):
    """The file begins with pictures that lean on others which are not there; it needs a pass with `lenient`."""


@dataclass(frozen=True)
class Plan:
    """How a file is to be decoded, found out once when it is opened.

    Attributes
    ----------
    stream
        Index of the stream.
    lenient
        Do without ``err_detect=explode``, for a file with a ragged beginning.
    disordered
        Take the pictures in whatever order the decoder has, although times or headers contradict it.
    """

    stream: int
    lenient: bool = False
    disordered: bool = False


def decode(path: Path, plan: Plan, threads: bool, trusted: int | None = None) -> Iterator[VideoFrame]:
    """The pictures of a file in the order in which they are decoded (that is, displayed).

    Parameters
    ----------
    path
        The file.
    plan
        How to decode it.
    threads
        Decode with one thread per core. Quick, but the errors of the last packets can drown in the decoder's queue,
        so such a pass raises `Broken` before it hands out a picture that might be misnumbered. A pass with one
        thread is exact to the end: each packet answers for itself.
    trusted
        The number of pictures that an exact pass found; a threaded pass that arrives at it is not doubted.

    Raises
    ------
    Broken
        At damage, after the last picture before it.
    Ragged
        If the beginning cannot be decoded strictly, and no damage is to blame.
    Disordered
        If a picture comes behind one of a later time, or is not the next by its header.
    """
    with ExitStack() as stack:
        container = stack.enter_context(open_container(path))
        structure = chain_of(container.format.name, path)
        if structure is not None:
            stack.enter_context(structure)
        stream = video_stream(container, plan.stream)
        timed = container.format.name in TIMED
        # A transport stream that was cut begins with a part of a packet; others have no such thing.
        whole = container.format.name not in ("mpegts", "mpeg")
        feed = Feed(prepared(stream, threads, plan.lenient), threads, plan, timed)
        try:
            for packet in packets_of(container, stream):
                if structure is not None and packet.pos is not None and not structure.holds(packet.pos):
                    raise Broken(structure.reason)
                if packet.is_corrupt and whole:
                    feed.refuse(packet)
                yield from feed.send(packet)
            if structure is not None and not structure.is_whole():
                raise Broken(structure.reason)
            yield from feed.finish(trusted)
        except Broken:
            if not threads and timed:
                yield from feed.rescue()
            raise


def prepared(stream: VideoStream, threads: bool, lenient: bool) -> VideoCodecContext:
    """The decoder of a stream, set up and not opened yet."""
    context = stream.codec_context
    context.options = LIMITS if lenient else STRICT | LIMITS
    context.thread_type = "AUTO" if threads else "NONE"
    # Decoders from other libraries (AV1) look at the count only.
    context.thread_count = 0 if threads else 1
    return context


def packets_of(container: InputContainer, stream: VideoStream) -> Iterator[Packet]:
    """The packets of a stream that hold something; `Broken` where the file cannot be read on."""
    try:
        for packet in container.demux(stream):
            # An AVI repeats a frame by an empty packet, which a decoder would take for the end of the video.
            if packet.size:
                yield packet
    except (av.FFmpegError, OSError) as error:
        raise Broken(f"the file cannot be read on: {error.strerror}") from None


def plays_clean(path: Path, plan: Plan) -> bool:
    """Whether a file that a strict decoder refuses from the first picture on plays well with one that is not strict.

    There are encoders whose streams break some rule in every picture. Where a strict decoder takes a later picture that
    leans on no other, the first one is damaged.
    """
    received = expected = 0
    with open_container(path) as container, open_container(path) as again, suppress(av.FFmpegError, Broken):
        stream = video_stream(container, plan.stream)
        lenient, strict = prepared(stream, False, True), prepared(video_stream(again, plan.stream), False, False)
        for number, packet in enumerate(packets_of(container, stream)):
            if number == _LOOK_AT:
                break
            if (
                number
                and kind_of(strict.name, bytes(packet), lenient.extradata, packet.is_keyframe) is not Kind.LEANING
            ):
                with suppress(av.FFmpegError):
                    strict.decode(packet)
                    return False
            expected += not packet.is_discard
            received += sum(not frame.is_corrupt for frame in lenient.decode(packet))
        received += sum(not frame.is_corrupt for frame in lenient.decode(None))
    return received == expected > 0


class Feed:
    """Packets in, pictures out, with an eye on what goes wrong."""

    def __init__(self, context: VideoCodecContext, threads: bool, plan: Plan, timed: bool) -> None:
        self._context = context
        self._threads = threads
        self._lenient = plan.lenient
        # Whether times are compared; those of files that were joined begin anew.
        self._comparable = timed and context.codec.name in _REORDERING and not plan.disordered
        self._settings = context.extradata
        self.sent = 0
        # At the beginning: the first picture that leans on no other, and whether those behind it may lean on lost ones.
        self._first: Kind | None = None
        self._first_pts: int | None = None
        self._leading = True
        self._expected = self._received = 0
        self._times: deque[int | None] | None = deque() if context.codec.name in _ONE_BY_ONE else None
        headers = context.codec.name == "h264" and not plan.disordered
        self._headers = PictureOrder(self._settings or b"", timed) if headers else None
        # Times of pictures that have gone in and not come out.
        self._inside: set[int] | None = set() if timed and context.codec.name in MAY_DROP | {"h264"} else None
        # Two fields of a picture may come in packets of their own, and there are files with times in another order.
        self._strictly = context.codec.name in MAY_DROP
        self._last: Packet | None = None
        self._refused: Packet | None = None
        self._pts: int | None = None
        self._dts: int | None = None
        self._ordered = True
        self._clean = False

    def send(self, packet: Packet) -> Iterator[VideoFrame]:
        """The pictures that come out when `packet` goes in."""
        kind = self._kind(packet) if self._first is not Kind.CLOSED or packet.is_corrupt else None
        self.sent += 1
        if packet.is_corrupt and not self._may_lean_on_lost(kind):
            self.refuse(packet)
        try:
            frames = self._context.decode(packet)
        except av.FFmpegError as error:
            # With threads the error may be that of an earlier packet: leave it to an exact pass.
            if self._threads or not self._may_lean_on_lost(kind):
                self._refused = packet
                raise Refused(f"the pictures cannot be decoded: {error.strerror}") from None
            if not self._lenient:
                raise Ragged from None
            return
        if packet.dts is not None:
            self._comparable = self._comparable and (self._dts is None or packet.dts >= self._dts)
            self._dts = packet.dts
        if self._headers is not None and not self._headers.agrees(bytes(packet)):
            raise Disordered
        self._last = packet
        if kind in (Kind.CLOSED, Kind.OPEN):
            self._first_pts = packet.pts if self._first is None else self._first_pts
            # Behind a second one everything that was cut away has passed.
            self._leading = self._first is None
            self._first = self._first or kind
        elif kind is Kind.LEANING and self._first is Kind.OPEN and not self._lenient:
            self._leading = False
        # An edit list can hide packets from display.
        if not packet.is_discard:
            self._expected += 1
            if self._times is not None:
                self._times.append(packet.pts)
            late = packet.pts is not None and (self._first_pts is None or packet.pts >= self._first_pts)
            if self._inside is not None and packet.pts is not None and self._first is not None and late:
                self._inside.add(packet.pts)
        yield from self._checked(frames)

    def refuse(self, packet: Packet) -> NoReturn:
        """A packet that the file holds a part of only ends the pass."""
        self._refused = packet
        raise Broken("the file is cut off or broken here")

    def _kind(self, packet: Packet) -> Kind:
        return kind_of(self._context.name, bytes(packet), self._settings, packet.is_keyframe)

    def _may_lean_on_lost(self, kind: Kind | None) -> bool:
        """Whether a picture that cannot be decoded may have leaned on one that was cut away at the beginning."""
        return kind is Kind.LEANING and self._first is not Kind.CLOSED and self._leading

    def finish(self, trusted: int | None) -> Iterator[VideoFrame]:
        """The pictures that the decoder still holds at the end of the file."""
        try:
            frames = self._context.decode(None)
        except av.FFmpegError as error:
            raise Broken(f"the pictures cannot be decoded: {error.strerror}") from None
        total = self._received + len(frames)
        if self._threads and total != self._expected and total != trusted:
            raise Broken("pictures are missing")
        yield from self._checked(frames)
        if self._inside:
            raise Broken("pictures before are lost, frame numbers may be shifted")
        if self._headers is not None and not self._headers.ends():
            raise Disordered

    def rescue(self) -> Iterator[VideoFrame]:
        """After damage: the decoded pictures that wait for their turn and certainly come next.

        Decoders hold pictures back because later packets may belong before them. A packet is displayed no earlier
        than it is decoded (pts >= dts), so whatever is lost comes at or after the decoding time of the first lost
        packet, and a waiting picture is next in line only if its time is not beyond that.
        """
        limit = self._limit()
        if limit is None or not self._ordered:
            return
        with suppress(av.FFmpegError, Broken):
            for frame in self._context.decode(None):
                if frame.pts is None or frame.pts > limit:
                    return
                yield from self._checked([frame])

    def _limit(self) -> int | None:
        """The latest time at which a waiting picture is certainly next, None when the file has no usable times."""
        if self._refused is None:
            # The first lost packet is unknown; its decoding time is later than that of the last one read.
            return None if self._last is None or self._last.dts is None else self._last.dts + 1
        if self._refused.dts is None or self._refused.pts is None:
            return None
        # The broken picture itself may wait, half decoded.
        return min(self._refused.dts, self._refused.pts - 1)

    def _checked(self, frames: list[VideoFrame]) -> Iterator[VideoFrame]:
        for frame in frames:
            if frame.is_corrupt and (self._clean or not self._is_remains(frame)):
                raise Broken("the decoder marks the picture as corrupt")
            if self._times and self._times.popleft() != frame.pts:
                raise Broken("a picture is lost")
            if self._inside and frame.pts is not None:
                self._inside.discard(frame.pts)
                if self._strictly and min(self._inside, default=frame.pts) < frame.pts:
                    raise Broken("a picture is lost")
                if frame.interlaced_frame:
                    self._inside = None
            self._clean = self._clean or not frame.is_corrupt
            if frame.pts is None or (self._pts is not None and frame.pts <= self._pts):
                self._ordered = False
                backwards = None not in (frame.pts, self._pts) and frame.pts != self._pts
                if backwards and self._comparable and not frame.interlaced_frame:
                    raise Disordered
            self._pts = frame.pts
            self._received += 1
            yield frame

    def _is_remains(self, frame: VideoFrame) -> bool:
        """Whether a picture is shown before the first one that leans on no other."""
        return self._first_pts is None or frame.pts is None or frame.pts < self._first_pts
