"""Video files: decoded from the beginning and in order, so that frame n is the n-th decoded frame."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Generator, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from poof.errors import PoofError, PoofWarning
from poof.video.base import Damage, Hole, OnDamage, Video
from poof.video.decoding import LATE_MARKS, Broken, Disordered, Plan, Ragged, Refused, decode, plays_clean
from poof.video.opening import MAX_PIXELS, TOO_LARGE, check_kind, choose_stream, open_container, video_stream
from poof.video.orientation import Orientation
from poof.video.rate import rate_of
from poof.video.salvage import salvage
from poof.video.timeline import Timeline

_CONVERSION_THREADS = min(4, os.cpu_count() or 1)
_DEEPEST = 16  # pictures that a decoder of H.264 may hold back to show others first
_UNSPECIFIED = 2
# The matrices that swscale converts, by AVColorSpace: RGB, BT.709, unspecified, FCC, BT.601 (two), SMPTE 240M, BT.2020.
_MATRICES = frozenset({0, 1, _UNSPECIFIED, 4, 5, 6, 7, 9})

_CUT = "; if the file was longer once, frame numbers may be shifted against that"


class ContainerVideo(Video):
    """A video file of any container and codec that FFmpeg decodes.

    There is no seeking: where it is exact and where not depends on the container, and labels that slip by one frame
    are worse than a second of decoding. Frames that nobody asked for are decoded but not converted to RGB.

    Colours follow the file's tags (BT.601, BT.709, limited or full range); 10-bit pictures are reduced to eight, grey
    becomes three equal channels, alpha is dropped. Pixels are those that are stored: anamorphic video is not
    stretched, interlaced video not separated. Rotation and mirroring by metadata are applied.

    Parameters
    ----------
    path
        The file.
    on_damage
        What to do at damage: 'stop', or 'continue' behind it, see `open_video`.

    Raises
    ------
    PoofError
        If the file cannot be read, is no video, holds only sound, or not one frame can be decoded.
    """

    def __init__(self, path: Path, on_damage: OnDamage = "stop") -> None:
        self.path = Path(path)
        self.name = str(path)
        self._go_on = on_damage == "continue"
        self._count: int | None = None
        self._verified: int | None = None
        self._end: Damage | None = None
        self._warned = False
        self._timeline: Timeline | None = None
        self._stored: tuple[int, int] | None = None
        check_kind(self.path)
        self._plan = Plan(choose_stream(self.path))
        with open_container(self.path) as container:
            stream = video_stream(container, self._plan.stream)
            self.fps = rate_of(self.path, container, stream)
            self._late_marks = stream.codec_context.name in LATE_MARKS
            width, height = stream.codec_context.width, stream.codec_context.height
        if width * height > MAX_PIXELS:
            raise PoofError(f"{self.name}: {TOO_LARGE.format(width * height / 1e6)}")
        for _, frame in self._decoded(None if self._go_on else 1):
            self._orientation = Orientation.of(frame)
            width, height = frame.width, frame.height
            self.size = (height, width) if self._orientation.transpose else (width, height)
            break
        if self._stored is None:
            raise PoofError(f"{self.name}: not one frame can be decoded{self._why_nothing()}")

    def _why_nothing(self) -> str:
        reason = f", it is damaged at its beginning ({self._end.reason})" if self._end and self._end.reason else ""
        if not self._go_on and next(self._behind(0, None, None), None) is not None:
            return f"{reason}; repair it, or use a command that has --on-damage continue to read what is behind"
        return f"{reason}; check that it plays or export it again"

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """See `Video.frames`."""
        for number, _, image in self.timed(start, stop):
            yield number, image

    def timed(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, int | None, np.ndarray]]:
        """As `frames`, with the presentation time that the file gives each, in units of its time base."""
        converter = VideoReformatter()
        for number, frame in self._decoded(stop):
            if number >= start:
                yield number, frame.pts, self._image(frame, converter)

    def count(self) -> int:
        """See `Video.count`."""
        if self._count is None:
            for _ in self._decoded(None):
                pass
        assert self._count is not None, "a pass to the end counts"
        return self._count

    def _pick(self, wanted: Collection[int]) -> Iterator[tuple[int, np.ndarray]]:
        converter = VideoReformatter()
        for number, frame in self._decoded(max(wanted) + 1):
            if number in wanted:
                yield number, self._image(frame, converter)

    def _image(self, frame: VideoFrame, converter: VideoReformatter) -> np.ndarray:
        # Some cameras write a reserved value, which FFmpeg refuses to convert.
        if frame.colorspace not in _MATRICES:
            frame.colorspace = _UNSPECIFIED
        # One converter for all frames: `frame.to_ndarray` would start its own threads for each.
        rgb = converter.reformat(frame, format="rgb24", threads=_CONVERSION_THREADS)
        # What was RGB already still belongs to the decoder.
        return self._orientation.apply(rgb.to_ndarray().copy() if rgb is frame else rgb.to_ndarray())

    def _decoded(self, stop: int | None) -> Iterator[tuple[int, VideoFrame]]:
        """(number, picture) from 0 to `stop`; the end sets `_count` and, where there is any, `damage` and `holes`."""
        number, first, last = 0, None, None
        if stop is not None and stop <= 0:
            return
        broken = self._end
        # Many threads first; from where they meet trouble, one thread that knows exactly what is wrong. A decoder that
        # marks pictures late is trusted with threads once a pass with one has found the file whole.
        modes = [False] if self._late_marks and self._verified is None else [True, False]
        while modes:
            threads = modes.pop(0)
            try:
                for index, frame in enumerate(decode(self.path, self._plan, threads, self._verified)):
                    if broken is not None and index >= broken.frame:
                        modes = []
                        break
                    if index < number:
                        continue
                    self._check_size(frame)
                    yield index, frame
                    number, first, last = index + 1, frame.pts if index == 0 else first, frame.pts
                    if number == stop:
                        return
                else:
                    if not threads:
                        self._verified = number
                    self._count = number
                    return
            except Broken as error:
                if not modes:
                    broken = Damage(number, str(error))
                    if isinstance(error, Refused) and self._is_quirky():
                        broken, modes = None, [False]
            except Disordered:
                note = f"{self.name}: frame numbers from {max(number - _DEEPEST, 0)} on may be shifted; times and"
                warnings.warn(f"{note} headers of its pictures contradict their order; look at them", PoofWarning, 2)
                self._plan, modes = replace(self._plan, disordered=True), [False]
            except Ragged:
                warnings.warn(
                    f"{self.name}: its first pictures are incomplete and may show errors{_CUT}", PoofWarning, 2
                )
                self._plan, modes = replace(self._plan, lenient=True), [False]
        assert broken is not None, "a pass ends at the end or at damage"
        if self._end is None:
            self._end = broken
        yield from self._behind_damage(broken, first, last, stop)

    def _is_quirky(self) -> bool:
        """Whether the first picture is refused for a rule that it breaks, not for damage; the plan is then lenient."""
        if self._plan.lenient or self._stored is not None or not plays_clean(self.path, self._plan):
            return False
        warnings.warn(f"{self.name}: its pictures break rules of their format and may show errors", PoofWarning, 2)
        self._plan = replace(self._plan, lenient=True)
        return True

    def _behind_damage(
        self, broken: Damage, first: int | None, last: int | None, stop: int | None
    ) -> Iterator[tuple[int, VideoFrame]]:
        """The pictures behind damage where that is asked for; sets `_count`, `damage` and `holes`."""
        number, holes = broken.frame, list[Hole]()
        unread = ""
        if self._go_on:
            behind = self._behind(broken.frame, first, last, broken.reason)
            while True:
                try:
                    found, frame, reason = next(behind)
                    self._check_size(frame)
                except StopIteration as stopped:
                    unread = stopped.value or ""
                    break
                except Broken as error:
                    unread = str(error)
                    break
                if found > number:
                    holes.append(Hole(number, found, reason or broken.reason))
                    self._note(holes)
                if stop is not None and found >= stop:
                    return
                yield found, frame
                number = found + 1
            self._note(holes)
        line = self._timeline
        total = max(line.total if line.exact else 0, line.announced) if line is not None else 0
        if number == broken.frame or unread or number < total:
            self.damage = Damage(number, unread or broken.reason)
        self._count = number

    def _behind(
        self, number: int, first: int | None, last: int | None, broken: str = ""
    ) -> Generator[tuple[int, VideoFrame, str], None, str]:
        """(number, picture, why those before it are missing) from frame `number` on; returns what `salvage` does."""
        if self._timeline is None:
            self._timeline = Timeline(self.path, self._plan.stream)
        line = self._timeline
        # What was counted so far must agree with the times; fields of pictures in packets of their own, say, do not.
        shift, known = 0, line.number(last)
        if number and line.timed:
            if known is None or (line.number(first) or 0) + number - 1 != known:
                return f"{broken}; frame numbers may be shifted, the file does not tell them"
            shift = number - 1 - known
        rest = salvage(self.path, self._plan, line)
        while True:
            try:
                found, frame, reason = next(rest)
            except StopIteration as stopped:
                return stopped.value or ""
            if found + shift >= number:
                self._warn_of_shift(line, number)
                yield found + shift, frame, reason

    def _warn_of_shift(self, line: Timeline, number: int) -> None:
        if self._go_on and not line.exact and not self._warned:
            self._warned = True
            note = f"{self.name}: frame numbers behind {max(number - 1, 0)} may be shifted; the file does not tell them"
            warnings.warn(note, PoofWarning, 4)

    def _note(self, holes: list[Hole]) -> None:
        """Keep the holes of the pass that came farthest."""
        if len(holes) > len(self.holes):
            self.holes = tuple(holes)

    def _check_size(self, frame: VideoFrame) -> None:
        size = (frame.width, frame.height)
        self._stored = self._stored or size
        if size != self._stored:
            raise Broken("the size changes from {}x{} to {}x{}".format(*self._stored, *size))
