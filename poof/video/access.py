"""Any frame of a video at once, exact, for several threads: what one looks at, and what works behind it.

A frame is decoded from the keyframe before it. What comes by is kept, bounded in bytes, so that steps and short jumps
find it. Each *lane* has a decoder of its own: reading a range for the propagation does not send the decoder of the eye
elsewhere. Where a jump does not lead to the frame that the index names, earlier keyframes are tried and, in the end,
the file is read in order, as `Video.read` does: slow is possible, wrong is not.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from poof.errors import PoofError
from poof.video.base import Damage, Video
from poof.video.container import ContainerVideo
from poof.video.decoding import open_container, video_stream
from poof.video.index import FrameIndex, index_packets

LIMIT = 192 * 2**20
"""Bytes of decoded frames that are kept."""
FEWEST = 8
"""Frames that are kept however large they are."""
ON = 12
"""Frames that are decoded on rather than jumped over, although a keyframe is nearer."""
_TRIES = 3
"""Keyframes that are tried before the file is read in order."""

Kept = VideoFrame | np.ndarray


class Abandoned(Exception):
    """Nobody waits for the frame any more."""


def _never() -> bool:
    return False


class FrameAccess:
    """Random access to the frames of a video.

    Parameters
    ----------
    video
        Any source; files are indexed in a thread, other sources are asked for single frames.
    limit
        Bytes of decoded frames that are kept.

    Attributes
    ----------
    video : Video
    damage : Damage or None
        Where a pass in order met damage (`confirm`).
    """

    def __init__(self, video: Video, limit: int = LIMIT) -> None:
        self.video = video
        self.damage: Damage | None = None
        self._kept = _Kept(limit)
        self._lanes: dict[str, _Lane] = {}
        self._lock = threading.Lock()
        self._index: FrameIndex | None = None
        self._indexed = threading.Event()
        self._trouble: PoofError | None = None
        self._provisional = _announced(video)
        if isinstance(video, ContainerVideo):
            threading.Thread(target=self._make_index, args=(video.path,), name="frame index", daemon=True).start()
        else:
            self._indexed.set()

    @property
    def index(self) -> FrameIndex | None:
        """The index of a file, waited for; None for other sources."""
        self._indexed.wait()
        if self._trouble is not None:
            raise self._trouble
        return self._index

    @property
    def ready(self) -> bool:
        """Whether `index` is there without waiting."""
        return self._indexed.is_set()

    @property
    def count(self) -> int:
        """Number of frames, as far as it is known: the index', before it what the file's header says."""
        if isinstance(self.video, ContainerVideo):
            return len(self._index) if self._index is not None else self._provisional
        return self.damage.frame if self.damage is not None else self._provisional

    @property
    def confirmed(self) -> bool:
        """Whether a pass in order found these very frames."""
        return self._index.confirmed if self._index is not None else not isinstance(self.video, ContainerVideo)

    def confirm(self, times: list[int | None], damage: Damage | None) -> bool:
        """Take over what a pass in order found; whether the numbers of frames changed by it.

        Parameters
        ----------
        times
            Presentation time of every decoded frame.
        damage
            Where the pass ended early.
        """
        before = self.index
        self.damage = damage
        if before is None:
            return False
        after = before.corrected(times)
        changed = not np.array_equal(before.times[: len(after)], after.times) or len(after) > len(before)
        with self._lock:
            self._index = after
            if changed:
                self._kept.clear()
                self._lanes.clear()
        return changed

    def has(self, frame: int) -> bool:
        """Whether the frame is decoded already."""
        return self._kept.get(frame) is not None

    def get(self, frame: int, lane: str = "eye", abandoned: Callable[[], bool] = _never) -> np.ndarray:
        """A frame, RGB uint8 (H, W, 3).

        Parameters
        ----------
        frame
            Its number.
        lane
            Whose decoder reads it, if it must be read.
        abandoned
            Asked while decoding; if it says so, `Abandoned` is raised.

        Raises
        ------
        PoofError
            If there is no such frame, or it is damaged.
        """
        kept = self._kept.get(frame)
        if kept is None:
            index = self.index
            if frame < 0 or (frame >= self.count and (index is None or index.confirmed or index.reliable)):
                raise PoofError(f"{self.video.name}: has no frame {frame}; its frames are 0 to {self.count - 1}")
            kept = self._lane(lane).read(frame, abandoned)
        return kept if isinstance(kept, np.ndarray) else self._image(kept)

    def close(self) -> None:
        """Let decoders and frames go."""
        with self._lock:
            self._lanes.clear()
        self._kept.clear()

    def _image(self, frame: VideoFrame) -> np.ndarray:
        assert isinstance(self.video, ContainerVideo)
        converters = _local.__dict__
        converter = converters.setdefault("converter", VideoReformatter())
        return self.video._image(frame, converter)

    def _lane(self, name: str) -> _Lane:
        with self._lock:
            if name not in self._lanes:
                index, video = self._index, self.video
                if index is None or not isinstance(video, ContainerVideo):
                    self._lanes[name] = _Single(video, self._kept)
                elif index.reliable:
                    self._lanes[name] = _Jumping(video, index, self._kept)
                else:
                    self._lanes[name] = _InOrder(video, self._kept)
            return self._lanes[name]

    def _make_index(self, path: Path) -> None:
        try:
            self._index = index_packets(path)
        except PoofError as error:
            self._trouble = error
        finally:
            self._indexed.set()


_local = threading.local()


def _announced(video: Video) -> int:
    """The number of frames a source says it has."""
    if video.frame_names is not None:
        return len(video.frame_names)
    if not isinstance(video, ContainerVideo):
        return video.count()
    with open_container(video.path) as container:
        stream = video_stream(container, video.name)
        if stream.frames:
            return int(stream.frames)
        seconds = float(container.duration or 0) / av.time_base
        return max(1, round(seconds * video.fps))


class _Kept:
    """Decoded frames by number, those used longest ago let go beyond a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._frames: OrderedDict[int, Kept] = OrderedDict()
        self._limit, self._bytes = limit, 0
        self._lock = threading.Lock()

    def get(self, number: int) -> Kept | None:
        with self._lock:
            if number in self._frames:
                self._frames.move_to_end(number)
            return self._frames.get(number)

    def put(self, number: int, frame: Kept) -> None:
        with self._lock:
            if number in self._frames:
                return
            self._frames[number] = frame
            self._bytes += _bytes(frame)
            while self._bytes > self._limit and len(self._frames) > FEWEST:
                self._bytes -= _bytes(self._frames.popitem(last=False)[1])

    def room(self, frame: Kept) -> int:
        """How many such frames fit."""
        return max(FEWEST, self._limit // max(1, _bytes(frame)))

    def clear(self) -> None:
        with self._lock:
            self._frames.clear()
            self._bytes = 0


def _bytes(frame: Kept) -> int:
    return frame.nbytes if isinstance(frame, np.ndarray) else sum(plane.buffer_size for plane in frame.planes)


class _Lane:
    """Reads frames, one at a time."""

    def __init__(self, kept: _Kept) -> None:
        self._kept = kept
        self._lock = threading.Lock()

    def read(self, frame: int, abandoned: Callable[[], bool]) -> Kept:
        """The frame; it and what came by are kept."""
        with self._lock:
            if abandoned():
                raise Abandoned
            kept = self._kept.get(frame)
            return self._read(frame, abandoned) if kept is None else kept

    def _read(self, frame: int, abandoned: Callable[[], bool]) -> Kept:
        raise NotImplementedError


class _Single(_Lane):
    """Frames of folders and of memory, which cost no more alone than in order."""

    def __init__(self, video: Video, kept: _Kept) -> None:
        super().__init__(kept)
        self._video = video

    def _read(self, frame: int, abandoned: Callable[[], bool]) -> Kept:
        image = self._video.read([frame])[frame]
        self._kept.put(frame, image)
        return image


class _InOrder(_Lane):
    """Frames of files that must be read from the beginning."""

    def __init__(self, video: ContainerVideo, kept: _Kept) -> None:
        super().__init__(kept)
        self._video = video
        self._frames: Iterator[tuple[int, VideoFrame]] = iter(())
        self._next = -1

    def _read(self, frame: int, abandoned: Callable[[], bool]) -> Kept:
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


class _Jumping(_Lane):
    """Frames of indexed files, decoded from the keyframe before each."""

    def __init__(self, video: ContainerVideo, index: FrameIndex, kept: _Kept) -> None:
        super().__init__(kept)
        self._video, self._index = video, index
        self._frames: Iterator[tuple[int, VideoFrame]] = iter(())
        self._last = -1  # frame that came last; -1: nothing to go on from
        self._in_order: _InOrder | None = None

    def _read(self, frame: int, abandoned: Callable[[], bool]) -> Kept:
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
        self._in_order = self._in_order or _InOrder(self._video, self._kept)
        return self._in_order.read(frame, abandoned)

    def _go_on(self, frame: int, abandoned: Callable[[], bool]) -> Kept | None:
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
        self._frames = _from_keyframe(self._video.path, self._index, place)


def _from_keyframe(path: Path, index: FrameIndex, place: int) -> Iterator[tuple[int, VideoFrame]]:
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


class AccessVideo(Video):
    """A video that is read through its `FrameAccess`: ranges anywhere cost no more than from the nearest keyframe.

    Frames are those of the video itself. For work on parts of a long video, such as carrying one label anew.
    """

    def __init__(self, access: FrameAccess, lane: str = "work", abandoned: Callable[[], bool] = _never) -> None:
        self._access, self._lane, self._abandoned = access, lane, abandoned
        video = access.video
        self.name, self.size, self.fps, self.frame_names = video.name, video.size, video.fps, video.frame_names
        self.path = getattr(video, "path", None)
        self.damage = access.damage

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """See `Video.frames`."""
        self._access.index  # noqa: B018  (waits for it)
        number = max(start, 0)
        while (stop is None or number < stop) and number < self._access.count:
            try:
                yield number, self._access.get(number, self._lane, self._abandoned)
            except PoofError:
                video = self._access.video
                self.damage = video.damage or Damage(number, "cannot be decoded")
                return
            number += 1

    def count(self) -> int:
        """See `Video.count`."""
        self._access.index  # noqa: B018
        return self._access.count
