"""One pass over a video file with FFmpeg: every decoded picture in order, up to the end or to the first damage.

FFmpeg by itself plays on whatever happens: it paints over broken blocks, skips packets it cannot decode and so shifts
the number of every frame behind them. A pass therefore runs with ``err_detect=explode`` and ends at the first of:

* the container cannot be read on, or hands out a packet it marks as corrupt (a file that was cut off), or has a hole
  that FFmpeg jumps over (`poof.video.structure`);
* the decoder refuses a packet (bits that cannot be decoded, a reference picture that is missing);
* the decoder marks a picture as corrupt.

What stands before the first keyframe that decodes is no damage: a stream cut out of a broadcast begins with remains,
which FFmpeg partly skips and partly shows. There it decodes as it always does, so that the numbers are those that
every other program counts. Bits that changed and still decode cannot be told from a picture that looks like that
(H.265, VP8 and VP9 carry no check sums).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from poof.errors import PoofError
from poof.video.structure import MatroskaChain, chain_of

_STRICT = {"err_detect": "crccheck+explode"}
# The decoder of AV1 drops what it cannot decode without a word; but each of its packets is one picture, in order.
_ONE_BY_ONE = frozenset({"libdav1d", "libaom-av1", "av1"})
# Formats that store when each picture is shown; FFmpeg makes the times of others (AVI) up as it decodes.
_TIMED = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts", "mpeg", "flv", "asf"})
# FFmpeg plays any text file as ANSI art, at 25 frames per second.
_TEXT_CODECS = frozenset({"ansi", "bintext", "idf", "xbin"})


class Broken(Exception):
    """The pass cannot go on; the text says why."""


class Ragged(Exception):
    """The file does not begin with a keyframe that decodes; it needs a pass with `lenient`."""


def open_container(path: Path) -> InputContainer:
    """Open a file for reading.

    Raises
    ------
    PoofError
        If the file is gone, must not be read or is in no format that FFmpeg knows.
    """
    try:
        # 'file:' keeps FFmpeg from reading a protocol into a name with a colon, and from following links in the file
        # to the network; titles in any encoding are no concern.
        return av.open(f"file:{path}", metadata_errors="ignore")
    except FileNotFoundError:
        raise PoofError(f"{path}: there is no such file; check the path") from None
    except PermissionError:
        raise PoofError(f"{path}: may not be read; give yourself the right to read it (chmod u+r)") from None
    except av.FFmpegError as error:
        raise PoofError(f"{path}: {_why_not_opened(path, error)}") from None


def _why_not_opened(path: Path, error: av.FFmpegError) -> str:
    with path.open("rb") as file:
        head = file.read(8)
    if not head:
        return "is empty; record or download it again"
    if head[4:] in (b"ftyp", b"mdat", b"wide"):
        return "its index, which is written last, is missing; the recording or download was cut off, do it again"
    return f"is not a video that FFmpeg can open ({error.strerror}); check that it plays elsewhere, convert it to MP4"


def video_stream(container: InputContainer, name: str) -> VideoStream:
    """The picture stream of a file: the first that is not a cover image.

    Raises
    ------
    PoofError
        If there is none, or none that can be decoded.
    """
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams and container.streams.audio:
        raise PoofError(f"{name}: holds sound but no pictures; give a video file")
    if streams and streams[0].codec_context is None:
        raise PoofError(f"{name}: its codec cannot be decoded here; convert it to H.264 in MP4")
    if not streams or streams[0].codec_context.name in _TEXT_CODECS:
        raise PoofError(f"{name}: is not a video; give a video file or a folder of images")
    return streams[0]


def decode(path: Path, threads: bool, lenient: bool = False, trusted: int | None = None) -> Iterator[VideoFrame]:
    """The pictures of a file in the order in which they are decoded (that is, displayed).

    Parameters
    ----------
    path
        The file.
    threads
        Decode with one thread per core. Quick, but the errors of the last packets can drown in the decoder's queue,
        so such a pass raises `Broken` before it hands out a picture that might be misnumbered. A pass with one
        thread is exact to the end: each packet answers for itself.
    lenient
        Do without ``err_detect=explode``, for a file with a ragged beginning.
    trusted
        The number of pictures that an exact pass found; a threaded pass that arrives at it is not doubted.

    Raises
    ------
    Broken
        At damage, after the last picture before it.
    Ragged
        If the beginning cannot be decoded strictly; no picture was handed out.
    """
    with ExitStack() as stack:
        container = stack.enter_context(open_container(path))
        chain = chain_of(container.format.name, path)
        if chain is not None:
            stack.enter_context(chain)
        stream = video_stream(container, str(path))
        context = stream.codec_context
        if not lenient:
            context.options = _STRICT
        context.thread_type = "AUTO" if threads else "NONE"
        # Decoders from other libraries (AV1) look at the count only.
        context.thread_count = 0 if threads else 1
        feed = _Feed(context, threads, lenient)
        try:
            for packet in _packets(container, stream):
                if chain is not None and packet.pos is not None and not chain.reaches(packet.pos):
                    raise Broken("a part of the file is broken and the frames in it are lost")
                yield from feed.send(packet)
            # AVI has no such end: the demuxer itself notices when the last packet is incomplete.
            if isinstance(chain, MatroskaChain) and not chain.is_whole():
                raise Broken("the file is cut off here")
            yield from feed.finish(trusted)
        except Broken:
            if not threads and container.format.name in _TIMED:
                yield from feed.rescue()
            raise


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet]:
    try:
        for packet in container.demux(stream):
            # An AVI repeats a frame by an empty packet, which a decoder would take for the end of the video.
            if packet.size:
                yield packet
    except av.FFmpegError as error:
        raise Broken(f"the file cannot be read on: {error.strerror}") from None


class _Feed:
    """Packets in, pictures out, with an eye on what goes wrong."""

    def __init__(self, context: VideoCodecContext, threads: bool, lenient: bool) -> None:
        self._context = context
        self._threads = threads
        self._lenient = lenient
        self._started = False
        self._expected = self._received = 0
        self._times: deque[int | None] | None = deque() if context.codec.name in _ONE_BY_ONE else None
        self._last: Packet | None = None
        self._refused: Packet | None = None
        self._pts: int | None = None
        self._ordered = True
        self._clean = False

    def send(self, packet: Packet) -> Iterator[VideoFrame]:
        """The pictures that come out when `packet` goes in."""
        if packet.is_corrupt and self._started:
            self._refused = packet
            raise Broken("the file is cut off or broken here")
        try:
            frames = self._context.decode(packet)
        except av.FFmpegError as error:
            # With threads the error may be that of an earlier packet: leave it to an exact pass.
            if self._threads or self._started:
                self._refused = packet
                raise Broken(f"the pictures cannot be decoded: {error.strerror}") from None
            if not self._lenient:
                raise Ragged from None
            return
        self._last = packet
        self._started = self._started or packet.is_keyframe
        # An edit list can hide packets from display.
        if not packet.is_discard:
            self._expected += 1
            if self._times is not None:
                self._times.append(packet.pts)
        yield from self._checked(frames)

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
            if frame.is_corrupt and self._clean:
                raise Broken("the decoder marks the picture as corrupt")
            if self._times and self._times.popleft() != frame.pts:
                raise Broken("a picture is lost")
            self._clean = self._clean or not frame.is_corrupt
            if frame.pts is None or (self._pts is not None and frame.pts <= self._pts):
                self._ordered = False
            self._pts = frame.pts
            self._received += 1
            yield frame
