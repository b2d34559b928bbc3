"""One pass over the video: frames in, passages of every instance out; memory is bounded by the radius, not the length."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from poof.flow.base import FlowEstimator
from poof.labels.model import LabelSet, Visible
from poof.propagation.chains import BACKWARD, FORWARD, Passage, State, Stepper
from poof.propagation.regions import Box, Layout, box_around, plan_layouts
from poof.propagation.segment_flow import Pair, RegionFlow, Rough, RoughFlow, fine_flows
from poof.propagation.segments import Segment, plan_segments, reach
from poof.propagation.settings import Settings
from poof.video.base import Video

PREFETCH = 8
"""Frames that are decoded ahead of the flow."""


@dataclass
class Passages:
    """Everything the pass over the video left behind.

    Attributes
    ----------
    frames : (F,) int
        The covered frames that exist, ascending.
    tracks : dict
        instance -> list over estimators of (forward `Passage`, backward `Passage`).
    cuts : list of int
        Frames that begin a new scene, as far as they were looked at.
    end : int or None
        Number of frames of the video, when its end was met.
    """

    frames: np.ndarray
    tracks: dict[int, list[tuple[Passage, Passage]]]
    cuts: list[int] = field(default_factory=list)
    end: int | None = None


@dataclass
class _Kept:
    """A pair of frames whose flows backward chains may still need."""

    frame: int
    pairs: list[Pair]  # one an estimator
    joined: bool  # whether the pair before it is the previous one in the queue


class Engine:
    """Runs the chains of every instance of a label set through a video.

    Parameters
    ----------
    video
        Any source of frames.
    anchors
        What a person set: a label set with human points only, identities known.
    estimators
        One or more flow estimators; each gives chains of its own.
    settings
        See `Settings`.
    """

    def __init__(
        self, video: Video, anchors: LabelSet, estimators: Sequence[FlowEstimator], settings: Settings
    ) -> None:
        self._video = video
        self._settings = settings
        self._estimators = list(estimators)
        self._rough = RoughFlow(video.size)
        self._instances = anchors.instance_ids
        self._count = len(anchors.skeleton)
        self._labels = {key: points.xy.astype(np.float64) for key, points in anchors.instances.items()}
        self._hidden = {key: points.visible == Visible.OCCLUDED for key, points in anchors.instances.items()}
        self._sides = {i: max(subject_sides(anchors, i).values()) for i in self._instances}
        self.segments = plan_segments(anchors.frames, settings.radius)
        covered = sorted({f for s in self.segments for f in range(s.start, s.stop + 1)})
        self._passages = {
            i: [(Passage.empty(covered, self._count), Passage.empty(covered, self._count)) for _ in estimators]
            for i in self._instances
        }
        self._stepper = Stepper(
            video.size,
            reach(settings.radius) if settings.method == "blend" else settings.radius,
            settings.backward == "thesis",
            settings.interpolation,
            body=settings.method == "blend",
        )
        self._forward_only = settings.backward == "thesis"
        self._live = {i: [State.none(self._count) for _ in estimators] for i in self._instances}
        self._kept: deque[_Kept] = deque()
        self._cuts: list[int] = []
        self._end: int | None = None

    @property
    def total(self) -> int:
        """Number of pairs of frames, if the video is long enough for all of them."""
        return sum(len(s.pairs) for s in self.segments)

    def run(self) -> Iterator[int]:
        """Work through the video; gives the number of each pair's first frame once it is done."""
        images: list[np.ndarray] = []
        with _Frames(self._video, self.segments) as frames:
            for segment in self.segments:
                held = images[-1:] if segment.joined and images else []
                images = held + frames.take(segment.start + len(held), segment.stop)
                if len(images) <= segment.stop - segment.start:
                    self._end = segment.start + len(images)
                if images:
                    yield from self._segment(segment, images)
                if self._end is not None:
                    return

    def result(self) -> Passages:
        """What `run` found."""
        any_ = next(iter(self._passages.values()))[0][0].frames
        exist = any_ if self._end is None else any_[any_ < self._end]
        return Passages(exist, self._passages, sorted(set(self._cuts)), self._end)

    # ------------------------------------------------------------------------------------------------ one segment

    def _segment(self, segment: Segment, images: list[np.ndarray]) -> Iterator[int]:
        if not segment.joined:
            self._live = {i: [State.none(self._count) for _ in self._estimators] for i in self._instances}
            self._kept.clear()
        for i in self._instances:
            if (segment.start, i) in self._labels:
                start = segment.start, self._labels[segment.start, i], self._hidden[segment.start, i]
                self._live[i] = [state.restart(*start) for state in self._live[i]]
        rough = self._rough.segment([self._rough.shrink(image) for image in images])
        self._cuts += [segment.start + c + 1 for c in rough.cuts]
        layouts = self._layouts(segment, rough, len(images) - 1)
        flows = [
            fine_flows(images, layouts, rough.cuts, estimator, self._forward_only) for estimator in self._estimators
        ]
        for index, pairs in enumerate(zip(*flows)):
            frame = segment.start + index
            self._kept.append(_Kept(frame, list(pairs), index > 0 or segment.joined))
            for i in self._instances:
                for e, pair in enumerate(pairs):
                    self._live[i][e] = self._stepper.step(self._live[i][e], pair, frame, FORWARD, i)
                    self._passages[i][e][0].record(frame + 1, self._live[i][e])
            while self._kept and self._kept[0].frame < frame + 1 - reach(self._settings.radius):
                self._kept.popleft()
            yield frame
        if segment.stops_at_anchor and len(images) == segment.stop - segment.start + 1:
            self._go_back(segment.stop)

    def _go_back(self, stop: int) -> None:
        """Run the backward chains from the labels of an anchor frame through the kept pairs."""
        for i in self._instances:
            if (stop, i) not in self._labels:
                continue
            for e in range(len(self._estimators)):
                state = State.none(self._count).restart(stop, self._labels[stop, i], self._hidden[stop, i])
                for kept in reversed(self._kept):
                    state = self._stepper.step(state, kept.pairs[e], kept.frame + 1, BACKWARD, i)
                    if not state.running.any():
                        break
                    self._passages[i][e][1].record(kept.frame, state)
                    arrived = self._labels.get((kept.frame, i))
                    if arrived is not None:
                        state = state.only(~np.isfinite(arrived).all(axis=1))
                    if not kept.joined:
                        break

    def _layouts(self, segment: Segment, rough: Rough, pairs: int) -> list[Layout]:
        """Where to look for the flow in each pair of the segment."""
        size, settings = self._video.size, self._settings
        boxes: list[dict[int, Box]]
        whole: Box = (0.0, 0.0, float(size[0] - 1), float(size[1] - 1))
        if not settings.crop:
            boxes = [dict.fromkeys(self._instances, whole)] * pairs
            return plan_layouts(boxes, size, size[0] * size[1], settings.max_size)
        ways = {i: self._rough_way(segment, rough, pairs, i) for i in self._instances}
        boxes = []
        for index in range(pairs):
            here: dict[int, Box] = {}
            for i, way in ways.items():
                box = box_around(way[index : index + 2].reshape(-1, 2), self._sides[i], _fastest(way, index))
                if box is not None:
                    here[i] = box
            boxes.append(here or {self._instances[0]: whole})
        return plan_layouts(boxes, size, settings.area, settings.max_size)

    def _rough_way(self, segment: Segment, rough: Rough, pairs: int, instance: int) -> np.ndarray:
        """(pairs + 1, 2 K, 2): where the keypoints come by, forwards from the left and backwards from the right."""
        stepper = Stepper(self._video.size, 10**9)
        way = np.full((pairs + 1, 2 * self._count, 2), np.nan)
        coarse = [
            Pair(Layout((f.region,), {}), [RegionFlow(f, b)], index in rough.cuts)
            for index, (f, b) in enumerate(rough.flows)
        ]
        state = self._live[instance][0]
        way[0, : self._count] = state.xy
        for index in range(pairs):
            state = stepper.step(state, coarse[index], segment.start + index, FORWARD, instance)
            way[index + 1, : self._count] = state.xy
        if (segment.stop, instance) in self._labels and pairs == len(segment.pairs):
            state = State.none(self._count).restart(segment.stop, self._labels[segment.stop, instance])
            way[pairs, self._count :] = state.xy
            for index in reversed(range(pairs)):
                state = stepper.step(state, coarse[index], segment.start + index + 1, BACKWARD, instance)
                way[index, self._count :] = state.xy
        return way


def subject_sides(anchors: LabelSet, instance: int) -> dict[int, float]:
    """Longer side of a subject in pixels, by anchor frame.

    From the box of the label file or, without one, from the points. An anchor with fewer than half of the instance's
    usual points (a single corrected point, say) takes the median of the others; a subject of one point counts 40 px.
    """
    raw: dict[int, float] = {}
    counts: dict[int, int] = {}
    for (frame, i), points in anchors.instances.items():
        if i == instance:
            extent = points.extent()
            counts[frame] = int(points.labelled.sum())
            boxed = points.box if points.box is not None and max(points.box[2:]) > 0 else extent
            raw[frame] = max(float(boxed[2]), float(boxed[3])) if boxed is not None else 0.0
    usual = max(counts.values())
    good = [raw[f] for f in raw if counts[f] * 2 >= usual and raw[f] > 0]
    typical = float(np.median(good)) if good else 40.0
    return {f: raw[f] if counts[f] * 2 >= usual and raw[f] > 0 else typical for f in raw}


def _fastest(way: np.ndarray, index: int) -> float:
    """Fastest step of a point around a pair, pixels."""
    steps = np.diff(way[max(0, index - 1) : index + 3], axis=0)
    lengths = np.hypot(steps[..., 0], steps[..., 1])
    return float(np.nanmax(lengths)) if np.isfinite(lengths).any() else 0.0


class _Frames:
    """The frames of the segments in order, decoded in a thread of their own a little ahead of the work."""

    def __init__(self, video: Video, segments: Sequence[Segment]) -> None:
        self._video = video
        self._wanted = {f for s in segments for f in range(s.start, s.stop + 1)}
        self._queue: queue.Queue[tuple[int, np.ndarray] | BaseException | None] = queue.Queue(PREFETCH)
        self._stop = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._read, name="frames", daemon=True)

    def __enter__(self) -> _Frames:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                continue
        self._thread.join()

    def take(self, first: int, last: int) -> list[np.ndarray]:
        """The frames first..last; fewer where the video ends."""
        images: list[np.ndarray] = []
        while len(images) <= last - first and not self._ended:
            item = self._queue.get()
            if item is None:
                self._ended = True
            elif isinstance(item, BaseException):
                raise item
            else:
                images.append(item[1])
        return images

    def _read(self) -> None:
        try:
            for number, image in self._video.frames(min(self._wanted), max(self._wanted) + 1):
                if number in self._wanted:
                    self._put((number, image))
                if self._stop.is_set():
                    return
            self._put(None)
        except BaseException as error:
            self._put(error)

    def _put(self, item: tuple[int, np.ndarray] | BaseException | None) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return
            except queue.Full:
                continue
