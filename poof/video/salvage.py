"""Decoding behind damage: from the next independent picture on, with the number that it would have had."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import av
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from poof.video.bitstream import Kind, kind_of
from poof.video.decoding import MAY_DROP, Broken, Plan, packets_of, prepared
from poof.video.opening import open_container, video_stream
from poof.video.picture_order import PictureOrder
from poof.video.structure import chain_of
from poof.video.structure.base import BROKEN
from poof.video.timeline import Timeline

_HIDDEN = "a part of the file is broken and hides the pictures at its end"


def salvage(path: Path, plan: Plan, timeline: Timeline) -> Generator[tuple[int, VideoFrame, str], None, str]:
    """(number, picture, why those before it are missing) of everything in a file that can be decoded.

    One thread, strict: a picture that leans on a lost one is lost as well. Numbers grow, and have holes.

    Parameters
    ----------
    path, plan
        As for `decode`.
    timeline
        Of the same file and stream.

    Returns
    -------
    str
        Why nothing could be read up to the end, '' if it could.
    """
    lenient = plan.lenient or not _opens(path, plan)
    with ExitStack() as stack:
        container = stack.enter_context(open_container(path))
        structure = chain_of(container.format.name, path)
        if structure is not None:
            stack.enter_context(structure)
        # An edit list hides pictures; one that is damaged, or damaged times, may hide any.
        followed, hidden = structure is not None, False
        stream = video_stream(container, plan.stream)
        island = _Island(prepared(stream, False, lenient), timeline, not lenient)
        try:
            for packet in packets_of(container, stream):
                hidden = packet.is_discard and structure is None and followed
                if structure is not None and packet.pos is not None and not structure.holds(packet.pos):
                    # Where FFmpeg goes on is right; what it jumped over shows in the times, or in the index. The packet
                    # itself may be a part of the damage.
                    yield from island.leave(structure.reason)
                    island.skip()
                    structure = None
                    continue
                yield from island.send(packet)
        except Broken as broken:
            yield from island.leave(str(broken))
        if structure is not None and not structure.is_whole():
            yield from island.leave(structure.reason)  # pictures that are not there may belong before those that wait
        reason = yield from island.end()
        return reason or (_HIDDEN if hidden else "")


def _opens(path: Path, plan: Plan) -> bool:
    """Whether a strict decoder takes its settings; damage may have reached them, and later keyframes repeat them."""
    with open_container(path) as container:
        try:
            prepared(video_stream(container, plan.stream), False, False).open()
        except (av.FFmpegError, ValueError):
            return False
    return True


class _Island:
    """A stretch of pictures between two holes, and the search for the next."""

    def __init__(self, context: VideoCodecContext, timeline: Timeline, strict: bool) -> None:
        self._context = context
        self._strict = strict
        self._timeline = timeline
        self._settings = context.extradata
        self._order = 0  # of packets, where nothing else tells numbers
        self._reason = ""
        self._lost = True  # no picture to lean on
        self._leading = False
        self._begin: int | None = None  # number of the island's first picture, by its place in the file
        self._next: int | None = None  # place of the next packet
        self._headers: PictureOrder | None = None
        self._given = 0
        self._last = -1
        self._refused: set[int | None] = set()
        self._nowhere = False  # whether the latest pictures had no number
        # Times of pictures that have gone in and not come out; a damaged header makes a decoder forget some.
        one_by_one = strict and timeline.timed and context.name in MAY_DROP | {"h264"}
        self._inside: set[int] | None = set() if one_by_one else None
        self._first_pts: int | None = None

    def send(self, packet: Packet) -> Iterator[tuple[int, VideoFrame, str]]:
        kind = kind_of(self._context.name, bytes(packet), self._settings, packet.is_keyframe)
        order, self._order = self._order, self._order + 1
        if packet.is_corrupt:
            yield from self.leave("the file is cut off or broken here")
            return
        place = self._timeline.place(packet.pos) if self._lost or not self._timeline.timed else None
        if not self._lost and None not in (place, self._next) and place != self._next:
            yield from self.leave(BROKEN)  # what was jumped over shows in the index alone
        self._next = None if place is None else place + 1
        if self._lost:
            # How many pictures are shown before an open one is not known without times.
            certain = self._timeline.timed or not self._context.has_b_frames
            usable = kind is Kind.CLOSED or (kind is Kind.OPEN and certain)
            if not usable:
                return
            self._begin = order if place is None else place
            self._given, self._lost, self._leading = 0, False, kind is Kind.OPEN
            self._first_pts = packet.pts
            if self._inside:
                self._inside.clear()
            if self._context.name == "h264":
                self._headers = PictureOrder(self._settings or b"", self._timeline.timed)
        elif kind is not Kind.LEANING:
            self._leading = kind is Kind.OPEN
        try:
            frames = self._context.decode(packet)
        except av.FFmpegError as error:
            self._refused.add(packet.pts)
            if not (self._leading and kind is Kind.LEANING and self._given == 0):
                yield from self.leave(f"the pictures cannot be decoded: {error.strerror}")
            return
        if self._headers is not None and not self._headers.agrees(bytes(packet)):
            yield from self.leave("a picture is not the next by its header")
            return
        if self._inside is not None and packet.pts is not None and not packet.is_discard:
            late = self._first_pts is not None and packet.pts >= self._first_pts
            self._inside |= {packet.pts} if late else set()
        yield from self._numbered(frames)

    def skip(self) -> None:
        """Count a packet that is not looked at."""
        self._order += 1

    def end(self) -> Generator[tuple[int, VideoFrame, str], None, str]:
        """The pictures that wait at the end of the file; gives why it was not reached, '' if it was."""
        reached = not self._lost
        yield from self.leave("")
        if reached and self._nowhere:
            return "the times of the pictures contradict each other"
        return "" if reached else self._reason or "the pictures cannot be decoded"

    def leave(self, reason: str) -> Iterator[tuple[int, VideoFrame, str]]:
        """End the island: what the decoder holds is handed out, as far as its number is certain."""
        if not self._lost:
            self._lost = True
            try:
                waiting = self._context.decode(None)
            except av.FFmpegError:
                waiting = []
            # Where numbers are counted, a picture that waits may belong behind a lost one; and a decoder that is not
            # strict may have made it up.
            if not reason or (self._timeline.timed and self._strict):
                yield from self._numbered([f for f in waiting if f.pts not in self._refused], leaving=True)
            self._context.flush_buffers()
        self._reason = reason or self._reason

    def _numbered(self, frames: list[VideoFrame], leaving: bool = False) -> Iterator[tuple[int, VideoFrame, str]]:
        for position, frame in enumerate(frames):
            if frame.is_corrupt:
                if not leaving:
                    self._refused.update(f.pts for f in frames[: position + 1])
                    yield from self.leave("the decoder marks the picture as corrupt")
                return
            if frame.interlaced_frame:
                self._inside = None  # its two fields may have come in packets of their own
            if self._inside and frame.pts is not None:
                self._inside.discard(frame.pts)
                if min(self._inside, default=frame.pts) < frame.pts:
                    # One before it is gone: what the decoder takes for the order of pictures is damaged, and with it
                    # what this one leans on.
                    if not leaving:
                        yield from self.leave("a picture is lost")
                    return
            number = self._timeline.number(frame.pts)
            if number is None and not self._timeline.timed and self._begin is not None:
                number = self._begin + self._given
            self._given += 1
            self._nowhere = number is None or number <= self._last
            if number is not None and number > self._last:
                self._last = number
                yield number, frame, self._reason
