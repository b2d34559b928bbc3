"""The engine: one pass over the video that runs the chains of every instance, in memory bounded by the radius."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from poof.flow.base import FlowEstimator
from poof.labels.model import LabelSet, Visible
from poof.propagation.chain_states import ChainStates, pack, unpack
from poof.propagation.chains import BACKWARD, FORWARD, Chains, State, Stepper
from poof.propagation.coarse_flow import CoarseSegment
from poof.propagation.frames import Frame, SegmentFrames
from poof.propagation.result_cache import ResultCache, fingerprint, key_of
from poof.propagation.segment_flow import Pair, fine_flows
from poof.propagation.segments import Segment, plan_segments, reach
from poof.propagation.settings import Settings
from poof.propagation.subject_regions import subject_layouts, whole_frame_layout
from poof.video.base import Video


@dataclass
class FlowChains:
    """The chains of all instances over a video, by every flow estimator, with the scene cuts.

    Attributes
    ----------
    frames : (F,) int
        The covered frames that exist, ascending.
    chains : dict
        instance -> list over estimators of (forward `Chains`, backward `Chains`), over the frames in reach of the
        instance's own labels.
    cuts : list of int
        Frames that begin a new scene, as far as they were looked at.
    end : int or None
        Number of frames of the video, when its end was met.
    """

    frames: np.ndarray
    chains: dict[int, list[tuple[Chains, Chains]]]
    cuts: list[int] = field(default_factory=list)
    end: int | None = None

    def frames_of(self, instance: int) -> np.ndarray:
        """The covered frames that exist within reach of the instance's labels, ascending."""
        covered = self.chains[instance][0][0].frames
        return covered if self.end is None else covered[covered < self.end]


@dataclass
class _Buffered:
    """The flows of a pair of frames that backward chains may still need."""

    frame: int
    pairs: list[Pair | None]  # one an estimator
    joined: bool  # whether the pair before it is the previous one in the queue


@dataclass
class _Task:
    """A segment to compute, or to take from the cache."""

    segment: Segment
    key: str
    cached: dict[str, np.ndarray] | None
    needed: bool  # whether its flows must be computed
    wanted: bool = True  # whether chains through it matter


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
    cache
        Where finished segments are kept and found again; None keeps nothing.
    only
        The frames that matter: segments without chains through them are skipped. None: all.
    """

    def __init__(
        self,
        video: Video,
        anchors: LabelSet,
        estimators: Sequence[FlowEstimator],
        settings: Settings,
        cache: ResultCache | None = None,
        only: range | None = None,
    ) -> None:
        self._video = video
        self._settings = settings
        self._estimators = list(estimators)
        self._plain = [_of_one_frame(self._estimators, e) for e in self._estimators]
        self._instances = anchors.instance_ids
        self._count = len(anchors.skeleton)
        self._labels = {key: points.xy.astype(np.float64) for key, points in anchors.instances.items()}
        self._hidden = {key: points.visible == Visible.OCCLUDED for key, points in anchors.instances.items()}
        self._absent = {key: points.absent for key, points in anchors.instances.items()}
        self._reach = reach(settings.radius) if settings.method == "blend" else settings.radius
        thesis = settings.backward == "thesis"
        self._stepper = Stepper(
            video.size, self._reach, thesis, settings.interpolation, body=settings.method == "blend"
        )
        self._forward_only = thesis
        segments = plan_segments(anchors.frames, settings.radius)
        self._covered = np.unique([f for s in segments for f in range(s.start, s.stop + 1)])
        self._chains = self._empty_chains()
        self._states = self._no_states()
        self._buffer: deque[_Buffered] = deque()
        self._cuts: list[int] = []
        self._end: int | None = None
        self._cache = cache
        self._only = only
        self._tasks = self._plan(segments)

    @property
    def total(self) -> int:
        """Number of pairs of frames that need flow, if the video is long enough for all of them."""
        return sum(len(task.segment.pairs) for task in self._tasks if task.needed)

    def runs(self) -> list[list[tuple[Segment, str]]]:
        """The segments in order, each with the key of its entry, in groups between which no chain passes.

        Each group can be worked on by itself, from the labels of its frames alone, and gives the same entries.
        """
        groups: list[list[tuple[Segment, str]]] = []
        for task in self._tasks:
            start = task.segment.start
            later = range(start + 1, start + 1 + reach(self._settings.radius))
            passed = task.segment.joined and (self._carried(task.segment) or self._crossed(start, later))
            if not passed or not groups:
                groups.append([])
            groups[-1].append((task.segment, task.key))
        return groups

    def run(self) -> Iterator[int]:
        """Work through the video; gives the number of each pair's first frame once it is done."""
        images: list[Frame] = []
        segments = [task.segment for task in self._tasks if task.needed]
        with SegmentFrames(self._video, segments, all(e.grey for e in self._estimators)) as frames:
            for task in self._tasks:
                segment = task.segment
                if not segment.joined:
                    self._states = self._no_states()
                    self._buffer.clear()
                if not task.wanted:
                    self._states = self._no_states()
                    self._buffer.clear()
                    images = []
                    continue
                if not task.needed:
                    assert task.cached is not None
                    images = []
                    self._replay(segment, task.cached)
                else:
                    held = images[-1:] if segment.joined else []
                    images = []  # lets go of the segment before, while the next one is waited for
                    images = held + frames.take(segment.start + len(held), segment.stop)
                    if images:
                        yield from self._segment(task, images)
                    if len(images) <= segment.stop - segment.start:
                        self._end = frames.end
                if self._end is not None:
                    break
        if self._cache is not None:
            self._cache.trim()

    def result(self) -> FlowChains:
        """What `run` found."""
        exist = self._covered if self._end is None else self._covered[self._covered < self._end]
        return FlowChains(exist, self._chains, sorted(set(self._cuts)), self._end)

    def _empty_chains(self) -> dict[int, list[tuple[Chains, Chains]]]:
        """Empty chains for every instance, over the frames that chains from its labels can reach."""
        labelled: dict[int, list[int]] = {i: [] for i in self._instances}
        for frame, i in self._labels:
            labelled[i].append(frame)
        empty: dict[int, list[tuple[Chains, Chains]]] = {}
        for i, own in labelled.items():
            near = np.unique(np.add.outer(own, np.arange(-self._reach, self._reach + 1)))
            frames = np.intersect1d(near, self._covered, assume_unique=True)
            empty[i] = [
                (Chains.empty(frames, self._count, e.stride), Chains.empty(frames, self._count, e.stride))
                for e in self._estimators
            ]
        return empty

    # ------------------------------------------------------------------------------------------------ what to work on

    def _plan(self, segments: Sequence[Segment]) -> list[_Task]:
        """A task for every segment: its key, what is cached of it, and whether its flows must be computed."""
        mark = fingerprint(self._video) if self._cache is not None else None
        if self._cache is None or mark is None:
            self._cache = None
            return self._chosen([_Task(segment, "", None, True) for segment in segments])
        common = key_of(
            mark,
            {
                k: v
                for k, v in self._settings.describe().items()
                if k not in ("overlap", "min_confidence", "min_presence")
            },
            [e.describe() for e in self._estimators],
            self._count,
        )
        flow_keys: list[str] = []
        for segment in segments:
            ends = [
                part
                for (frame, i), xy in sorted(self._labels.items())
                if frame in (segment.start, segment.stop)
                for part in (frame, i, xy, self._hidden[frame, i], *self._stated_absent(frame, i))
            ]
            carried = flow_keys[-1] if self._carried(segment) else ""
            flow_keys.append(key_of(common, segment.start, segment.stop, segment.joined, *ends, carried))
        keys = [
            key_of(own, [flow_keys[b] for b in self._behind(segments, index)]) for index, own in enumerate(flow_keys)
        ]
        return self._chosen([_Task(segment, key, None, True) for segment, key in zip(segments, keys)])

    def _chosen(self, plan: list[_Task]) -> list[_Task]:
        """The plan with what is wanted marked, and of that what is cached and what must be computed.

        From the last segment to the first: what must be computed needs the segments that chains come into it from, and
        those that chains go back into from its end.
        """
        segments = [task.segment for task in plan]
        wanted = self._relevant(segments)
        needed: set[int] = set()
        for index in range(len(plan) - 1, -1, -1):
            task = plan[index]
            task.wanted = task.needed = index in wanted
            if not task.wanted:
                continue
            task.cached = None if self._cache is None else self._cache.get(task.key)
            if task.cached is None:
                behind = self._behind(segments, index)
                needed.update(behind)
                wanted.update(behind)
            task.needed = task.cached is None or index in needed
            if task.needed and self._carried(task.segment):
                wanted.add(index - 1)
        return plan

    def _relevant(self, segments: Sequence[Segment]) -> set[int]:
        """The segments in which frames are wanted, and those in which chains from or to there begin or end."""
        if self._only is None:
            return set(range(len(segments)))
        first, last = self._only.start, self._only.stop - 1
        inside = {n for n, s in enumerate(segments) if s.start <= last and s.stop >= first}
        wanted = set(inside)
        for index, segment in enumerate(segments):
            if index in inside or segment.stop <= first or segment.start > last + self._reach:
                continue
            # Chains run on into it, and what they say of themselves stands where they end; or chains come back from it.
            on = index - 1 in wanted and self._carried(segment)
            if on or not inside.isdisjoint(self._behind(segments, index)):
                wanted.add(index)
        return wanted

    def _carried(self, segment: Segment) -> bool:
        """Whether chains run on into a segment from the one before."""
        return segment.joined and self._crossed(segment.start, range(segment.start - self._reach, segment.start))

    def _behind(self, segments: Sequence[Segment], index: int) -> list[int]:
        """The earlier segments that backward chains from the end of a segment run into."""
        behind: list[int] = []
        stop = segments[index].stop
        if not segments[index].stops_at_anchor:
            return behind
        alive = {i: ~self._ends(segments[index].start, i) & self._starts(stop, i) for i in self._instances}
        while segments[index].joined and segments[index].start > stop - reach(self._settings.radius):
            if not any(points.any() for points in alive.values()):
                break
            index -= 1
            behind.append(index)
            alive = {i: points & ~self._ends(segments[index].start, i) for i, points in alive.items()}
        return behind

    def _starts(self, frame: int, instance: int) -> np.ndarray:
        """(K,) bool: the keypoints whose chains start in a frame."""
        labels = self._labels.get((frame, instance))
        return np.zeros(self._count, bool) if labels is None else np.asarray(np.isfinite(labels).all(axis=1))

    def _stated_absent(self, frame: int, instance: int) -> list[np.ndarray]:
        """What a segment's key says of absent keypoints: nothing without any, as before there were such."""
        absent = self._absent[frame, instance]
        return [absent] if absent.any() else []

    def _ends(self, frame: int, instance: int) -> np.ndarray:
        """(K,) bool: the keypoints whose chains end in a frame: a person set them there, or says they are absent."""
        labels = self._labels.get((frame, instance))
        if labels is None:
            return np.zeros(self._count, bool)
        return np.asarray(np.isfinite(labels).all(axis=1) | self._absent[frame, instance])

    def _crossed(self, frame: int, sources: Iterable[int]) -> bool:
        """Whether chains from the labels of `sources` run on through `frame`: it lacks keypoints that they have."""
        for i in self._instances:
            here = self._ends(frame, i)
            for other in sources:
                there = self._labels.get((other, i))
                if there is not None and (np.isfinite(there).all(axis=1) & ~here).any():
                    return True
        return False

    def _no_states(self) -> dict[int, list[State]]:
        return {i: [State.none(self._count) for _ in self._estimators] for i in self._instances}

    # ------------------------------------------------------------------------------------------------ one segment

    def _segment(self, task: _Task, frames: list[Frame]) -> Iterator[int]:
        """Compute the flows of a segment and run the chains through it."""
        segment = task.segment
        self._restart(segment)
        if not self._crossed(segment.start, range(segment.start + 1, segment.start + 1 + reach(self._settings.radius))):
            self._buffer.clear()  # no chain from a later label will go back beyond this one
        images = [frame.image for frame in frames]
        pairs = len(images) - 1
        coarse = CoarseSegment.of([frame.coarse for frame in frames[1:] if frame.coarse is not None])
        still = {index for index, frame in enumerate(frames[1:]) if frame.still}
        complete = pairs == len(segment.pairs)
        if self._settings.crop:
            stops = {i: self._start(segment.stop, i) for i in self._labelled(segment.stop)} if complete else {}
            starts = {i: s[0] for i, s in self._states.items() if i in stops or s[0].running.any()}
            layouts = subject_layouts(coarse, pairs, starts, stops, self._video.size, self._settings)
        else:
            layouts = [whole_frame_layout(self._instances, self._video.size, self._settings)] * pairs
        wanted = self._forward_only, self._settings.max_size
        flows = fine_flows(images, layouts, coarse.cuts, still, self._estimators, *wanted)
        running = [i for i, states in self._states.items() if any(state.running.any() for state in states)]
        forward: ChainStates = {(i, e): [] for i in running for e in range(len(self._estimators))}
        for index, flow in enumerate(flows):
            frame = segment.start + index
            self._buffer.append(_Buffered(frame, flow, index > 0 or segment.joined))
            for i, e in forward:
                forward[i, e].append((frame + 1, self._next(segment.start, frame, i, e, forward[i, e]).rounded()))
            while self._buffer[0].frame < frame + 1 - reach(self._settings.radius):
                self._buffer.popleft()
            yield frame
        for (i, e), states in forward.items():
            self._states[i][e] = states[-1][1] if states else self._states[i][e]
        back = self._go_back(segment.stop) if segment.stops_at_anchor and complete else {}
        cuts = [segment.start + c + 1 for c in coarse.cuts]
        end = -1 if complete else len(images) + segment.start
        stored = pack("forward", forward) | pack("backward", back) | {"cuts": np.array(cuts, int), "end": np.array(end)}
        self._take_over(stored)
        if self._cache is not None and self._video.damage is None and not self._video.holes:
            self._cache.put(task.key, stored)

    def _replay(self, segment: Segment, cached: dict[str, np.ndarray]) -> None:
        """Take a segment from the cache."""
        self._restart(segment)
        self._take_over(cached)
        for (i, e), states in unpack("forward", cached).items():
            self._states[i][e] = states[-1][1] if states else self._states[i][e]
        if int(cached["end"]) >= 0:
            self._end = int(cached["end"])

    def _take_over(self, stored: dict[str, np.ndarray]) -> None:
        """Record what a segment gave."""
        for direction, name in enumerate(("forward", "backward")):
            for (i, e), states in unpack(name, stored).items():
                for frame, state in states:
                    self._chains[i][e][direction].record(frame, state)
        self._cuts += stored["cuts"].tolist()

    def _restart(self, segment: Segment) -> None:
        """Start chains from the labels of the segment's first frame."""
        for i in self._labelled(segment.start):
            self._states[i] = [state.restart(*self._label(segment.start, i)) for state in self._states[i]]

    def _labelled(self, frame: int) -> list[int]:
        """The instances with a label in a frame."""
        return [i for i in self._instances if (frame, i) in self._labels]

    def _start(self, frame: int, instance: int) -> State:
        """Chains from the labels of an anchor frame alone."""
        return State.none(self._count).restart(*self._label(frame, instance))

    def _label(self, frame: int, instance: int) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
        """What `State.restart` takes of an anchor frame."""
        key = frame, instance
        return frame, self._labels[key], self._hidden[key], self._absent[key]

    def _go_back(self, stop: int) -> ChainStates:
        """Run the backward chains from the labels of an anchor frame through the buffered pairs."""
        back: ChainStates = {}
        for i in self._labelled(stop):
            for e in range(len(self._estimators)):
                back[i, e] = self._back(stop, i, e)
        return back

    def _next(self, first: int, frame: int, instance: int, estimator: int, since: Sequence[tuple[int, State]]) -> State:
        """The state of an estimator's chains after `frame`, from their states `since` frame `first`."""
        states = [self._states[instance][estimator], *(state for _, state in since)]  # of the frames first ... frame
        stride = self._estimators[estimator].stride
        origin = frame + 1 - stride
        pair = self._buffer[-stride].pairs[estimator] if origin >= first else None
        if pair is None:
            origin, stride, pair = frame, 1, self._buffer[-1].pairs[self._plain[estimator]]
        assert pair is not None
        return self._stepper.step(states[origin - first], pair, origin, FORWARD, instance, stride)

    def _back(self, stop: int, instance: int, estimator: int) -> list[tuple[int, State]]:
        """The backward chains of an estimator from the labels of frame `stop`."""
        recorded: list[tuple[int, State]] = []
        states = {stop: self._start(stop, instance)}
        for buffered in reversed(self._buffer):
            stride, pair = self._estimators[estimator].stride, buffered.pairs[estimator]
            if pair is None or buffered.frame + stride not in states:
                stride, pair = 1, buffered.pairs[self._plain[estimator]]
            origin = buffered.frame + stride
            assert pair is not None
            state = self._stepper.step(states[origin], pair, origin, BACKWARD, instance, stride)
            recorded.append((buffered.frame, state))
            states[buffered.frame] = state.only(~self._ends(buffered.frame, instance))
            latest = list(states.values())[-self._estimators[estimator].stride :]
            if not buffered.joined or not any(state.running.any() for state in latest):
                break
        return recorded


def _of_one_frame(estimators: Sequence[FlowEstimator], wanted: FlowEstimator) -> int:
    """Which estimator makes the single steps of one with a stride: the same without, else any without."""
    plain = [n for n, e in enumerate(estimators) if e.stride == 1]
    if not plain:
        raise ValueError(
            f"{wanted.name} steps over {wanted.stride} frames and needs an estimator that does not beside it"
        )
    like = {key: value for key, value in wanted.describe().items() if key != "stride"}
    return next((n for n in plain if estimators[n].describe() == like), plain[0])
