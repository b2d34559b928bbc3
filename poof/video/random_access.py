"""Random access: decoders that read single frames of a video, from the keyframe before them where they can."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from poof.video.base import Video
from poof.video.container import ContainerVideo
from poof.video.decoding import open_container, video_stream
from poof.video.index import FrameIndex

FEWEST = 8
"""Frames that are kept however large they are."""
ON = 12
"""Frames that are decoded on rather than jumped over, although a keyframe is nearer."""
_TRIES = 3
"""Keyframes that are tried before the file is read in order."""

DecodedFrame = VideoFrame | np.ndarray


class Abandoned(Exception):
    """Nobody waits for the frame any more."""


class FrameCache:
    """Decoded frames by number, those used longest ago let go beyond a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._frames: OrderedDict[int, DecodedFrame] = OrderedDict()
        self._limit, self._bytes = limit, 0
        self._lock = threading.Lock()

    def get(self, number: int) -> DecodedFrame | None:
        with self._lock:
            if number in self._frames:
                self._frames.move_to_end(number)
            return self._frames.get(number)

    def put(self, number: int, frame: DecodedFrame) -> None:
        with self._lock:
            if number in self._frames:
                return
            self._frames[number] = frame
            self._bytes += size_of(frame)
            while self._bytes > self._limit and len(self._frames) > FEWEST:
                self._bytes -= size_of(self._frames.popitem(last=False)[1])

    def room(self, frame: DecodedFrame) -> int:
        """How many such frames fit."""
        return max(FEWEST, self._limit // max(1, size_of(frame)))

    def clear(self) -> None:
        with self._lock:
            self._frames.clear()
            self._bytes = 0


def size_of(frame: DecodedFrame) -> int:
    return frame.nbytes if isinstance(frame, np.ndarray) else sum(plane.buffer_size for plane in frame.planes)


class FrameDecoder:
    """A decoder that reads frames one at a time."""

    def __init__(self, kept: FrameCache) -> None:
        self._kept = kept
        self._lock = threading.Lock()

    def read(self, frame: int, abandoned: Callable[[], bool]) -> DecodedFrame:
        """The frame; it and what came by are kept."""
        with self._lock:
            if abandoned():
                raise Abandoned
            kept = self._kept.get(frame)
            return self._read(frame, abandoned) if kept is None else kept

    def _read(self, frame: int, abandoned: Callable[[], bool]) -> DecodedFrame:
        raise NotImplementedError


class SingleFrames(FrameDecoder):
    """Frames of folders and of memory, which cost no more alone than in order."""

    def __init__(self, video: Video, kept: FrameCache) -> None:
        super().__init__(kept)
        self._video = video

    def _read(self, frame: int, abandoned: Callable[[], bool]) -> DecodedFrame:
        image = self._video.read([frame])[frame]
        self._kept.put(frame, image)
        return image


class InOrder(FrameDecoder):
    """Frames of files that must be read from the beginning."""

    def __init__(self, video: ContainerVideo, kept: FrameCache) -> None:
        super().__init__(kept)
        self._video = video
        self._frames: Iterator[tuple[int, VideoFrame]] = iter(())
        self._next = -1

    def _read(self, frame: int, abandoned: Callable[[], bool]) -> DecodedFrame:
        if self._next < 0 or frame < self._next:
            self._frames, self._next = self._video._decoded(None), 0
        for number, picture in self._frames:
            self._next = number + 1
            if frame - number < self._kept.room(picture) // 2:
                self._kept.put(number, picture)
            if number == frame:
                return picture
            if abandoned():
                raise Abandoned
        self._next = -1
        return self._video.read([frame])[frame]  # says why it cannot be had


class Jumping(FrameDecoder):
    """Frames of indexed files, decoded from the keyframe before each."""

    def __init__(self, video: ContainerVideo, index: FrameIndex, kept: FrameCache) -> None:
        super().__init__(kept)
        self._video, self._index = video, index
        self._frames: Iterator[tuple[int, VideoFrame]] = iter(())
        self._last = -1  # frame that came last; -1: nothing to go on from
        self._in_order: InOrder | None = None

    def _read(self, frame: int, abandoned: Callable[[], bool]) -> DecodedFrame:
        place = self._index.start_of(frame)
        if self._last >= 0 and self._last < frame:
            near = frame - self._last <= ON
            if near or (place >= 0 and self._index.starts[place] <= self._last + 1):
                found = self._go_on(frame, abandoned)
                if found is not None:
                    return found
        for back in range(_TRIES):
            if place - back < 0:
                break
            try:
                self._jump(place - back)
                found = self._go_on(frame, abandoned)
            except av.FFmpegError:
                found = None
            if found is not None:
                return found
        self._last = -1
        self._in_order = self._in_order or InOrder(self._video, self._kept)
        return self._in_order.read(frame, abandoned)

    def _go_on(self, frame: int, abandoned: Callable[[], bool]) -> DecodedFrame | None:
        """Decode on until `frame`; None if it does not come."""
        try:
            for number, picture in self._frames:
                self._last = number
                if frame - number < self._kept.room(picture) // 2:
                    self._kept.put(number, picture)
                if number == frame:
                    return picture
                if number > frame:
                    break
                if abandoned():
                    raise Abandoned
        except av.FFmpegError:
            pass
        self._last = -1
        return None

    def _jump(self, place: int) -> None:
        self._last = -1
        self._frames = from_keyframe(self._video.path, self._index, place)


def from_keyframe(path: Path, index: FrameIndex, place: int) -> Iterator[tuple[int, VideoFrame]]:
    """(number, picture) from a keyframe on; nothing if the demuxer lands behind it."""
    with open_container(path) as container:
        stream = video_stream(container, str(path))
        context = stream.codec_context
        context.options = {"err_detect": "crccheck+explode"}
        context.thread_type = "AUTO"
        context.thread_count = 0
        start = int(index.starts[place])
        if place:
            container.seek(int(index.times[start]), stream=stream)
        began = False
        for packet in container.demux(stream):
            if packet.size and not began:
                first = index.frame_at(packet.pts)
                if not packet.is_keyframe or first is None or first > start:
                    return
                start, began = first, True
            if not packet.size and packet.dts is not None:
                continue
            # What leads an open group of pictures leans on the group before.
            shown_at = index.frame_at(packet.pts) if packet.size else None
            if shown_at is not None and shown_at < start:
                continue
            for picture in context.decode(packet if packet.size else None):
                number = index.frame_at(picture.pts)
                if picture.is_corrupt or number is None:
                    return
                yield number, picture
