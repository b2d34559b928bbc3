"""Random access to the frames of a video, exact, for several threads: the frame shown, and what works behind it.

A frame is decoded from the keyframe before it. What comes by is kept, bounded in bytes, so that steps and short jumps
find it. Decoders have names: reading a range for the propagation does not move the decoder of the frame shown. Where a
jump does not lead to the frame that the index names, earlier keyframes are tried and, in the end, the file is read in
order, as `Video.read` does: slow is possible, wrong is not.
"""

from __future__ import annotations

import threading
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
from poof.video.random_access import FrameCache, FrameDecoder, InOrder, Jumping, SingleFrames

LIMIT = 192 * 2**20
"""Bytes of decoded frames that are kept."""


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
        self._kept = FrameCache(limit)
        self._decoders: dict[str, FrameDecoder] = {}
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
                self._decoders.clear()
        return changed

    def has(self, frame: int) -> bool:
        """Whether the frame is decoded already."""
        return self._kept.get(frame) is not None

    def get(self, frame: int, decoder: str = "eye", abandoned: Callable[[], bool] = _never) -> np.ndarray:
        """A frame, RGB uint8 (H, W, 3).

        Parameters
        ----------
        frame
            Its number.
        decoder
            Name of the decoder that reads it, if it must be read.
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
            kept = self._decoder(decoder).read(frame, abandoned)
        return kept if isinstance(kept, np.ndarray) else self._image(kept)

    def close(self) -> None:
        """Let decoders and frames go."""
        with self._lock:
            self._decoders.clear()
        self._kept.clear()

    def _image(self, frame: VideoFrame) -> np.ndarray:
        assert isinstance(self.video, ContainerVideo)
        converters = _local.__dict__
        converter = converters.setdefault("converter", VideoReformatter())
        return self.video._image(frame, converter)

    def _decoder(self, name: str) -> FrameDecoder:
        with self._lock:
            if name not in self._decoders:
                index, video = self._index, self.video
                if index is None or not isinstance(video, ContainerVideo):
                    self._decoders[name] = SingleFrames(video, self._kept)
                elif index.reliable:
                    self._decoders[name] = Jumping(video, index, self._kept)
                else:
                    self._decoders[name] = InOrder(video, self._kept)
            return self._decoders[name]

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


class AccessVideo(Video):
    """A video that is read through its `FrameAccess`: ranges anywhere cost no more than from the nearest keyframe.

    Frames are those of the video itself. For work on parts of a long video, such as carrying one label anew.
    """

    def __init__(self, access: FrameAccess, decoder: str = "work", abandoned: Callable[[], bool] = _never) -> None:
        self._access, self._decoder, self._abandoned = access, decoder, abandoned
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
                yield number, self._access.get(number, self._decoder, self._abandoned)
            except PoofError:
                video = self._access.video
                self.damage = video.damage or Damage(number, "cannot be decoded")
                return
            number += 1

    def count(self) -> int:
        """See `Video.count`."""
        self._access.index  # noqa: B018
        return self._access.count
