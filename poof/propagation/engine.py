"""One pass over the video: frames in, passages of every instance out, in memory bounded by the radius."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from poof.flow.base import FlowEstimator
from poof.labels.model import LabelSet, Visible
from poof.propagation.chains import BACKWARD, FORWARD, Passage, State, Stepper
from poof.propagation.following import layouts_around, whole_frame
from poof.propagation.frames import Frame, SegmentFrames
from poof.propagation.memo import Memo, fingerprint, key_of
from poof.propagation.moves import Moves, pack, unpack
from poof.propagation.rough import Rough
from poof.propagation.segment_flow import Pair, fine_flows
from poof.propagation.segments import Segment, plan_segments, reach
from poof.propagation.settings import Settings
from poof.video.base import Video


@dataclass
class Passages:
    """Everything the pass over the video left behind.

    Attributes
    ----------
    frames : (F,) int
        The covered frames that exist, ascending.
    tracks : dict
        instance -> list over estimators of (forward `Passage`, backward `Passage`), over the frames in reach of the
        instance's own labels.
    cuts : list of int
        Frames that begin a new scene, as far as they were looked at.
    end : int or None
        Number of frames of the video, when its end was met.
    """

    frames: np.ndarray
    tracks: dict[int, list[tuple[Passage, Passage]]]
    cuts: list[int] = field(default_factory=list)
    end: int | None = None

    def frames_of(self, instance: int) -> np.ndarray:
        """The covered frames that exist within reach of the instance's labels, ascending."""
        covered = self.tracks[instance][0][0].frames
        return covered if self.end is None else covered[covered < self.end]


@dataclass
class _Kept:
    """A pair of frames whose flows backward chains may still need."""

    frame: int
    pairs: list[Pair | None]  # one an estimator
    joined: bool  # whether the pair before it is the previous one in the queue


@dataclass
class _Work:
    """A segment, and what is known of it from earlier runs."""

    segment: Segment
    key: str
    known: dict[str, np.ndarray] | None
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
    memo
        Where finished segments are kept and found again; None keeps nothing.
    only
        The frames that matter: segments whose chains do not come by there are passed over. None: all.
    """

    def __init__(
        self,
        video: Video,
        anchors: LabelSet,
        estimators: Sequence[FlowEstimator],
        settings: Settings,
        memo: Memo | None = None,
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
        self._passages = self._room()
        self._live = self._nothing()
        self._kept: deque[_Kept] = deque()
        self._cuts: list[int] = []
        self._end: int | None = None
        self._memo = memo
        self._only = only
        self._work = self._plan(segments)

    @property
    def total(self) -> int:
        """Number of pairs of frames that need flow, if the video is long enough for all of them."""
        return sum(len(work.segment.pairs) for work in self._work if work.needed)

    def runs(self) -> list[list[tuple[Segment, str]]]:
        """The segments in order, each with the key of its entry, in groups between which no chain passes.

        Each group can be worked on by itself, from the labels of its frames alone, and gives the same entries.
        """
        groups: list[list[tuple[Segment, str]]] = []
        for work in self._work:
            start = work.segment.start
            later = range(start + 1, start + 1 + reach(self._settings.radius))
            passed = work.segment.joined and (self._carried(work.segment) or self._crossed(start, later))
            if not passed or not groups:
                groups.append([])
            groups[-1].append((work.segment, work.key))
        return groups

    def run(self) -> Iterator[int]:
        """Work through the video; gives the number of each pair's first frame once it is done."""
        images: list[Frame] = []
        segments = [work.segment for work in self._work if work.needed]
        with SegmentFrames(self._video, segments, all(e.grey for e in self._estimators)) as frames:
            for work in self._work:
                segment = work.segment
                if not segment.joined:
                    self._live = self._nothing()
                    self._kept.clear()
                if not work.wanted:
                    self._live = self._nothing()
                    self._kept.clear()
                    images = []
                    continue
                if not work.needed:
                    assert work.known is not None
                    images = []
                    self._replay(segment, work.known)
                else:
                    held = images[-1:] if segment.joined else []
                    images = []  # lets go of the segment before, while the next one is waited for
                    images = held + frames.take(segment.start + len(held), segment.stop)
                    if images:
                        yield from self._segment(work, images)
                    if len(images) <= segment.stop - segment.start:
                        self._end = frames.end
                if self._end is not None:
                    break
        if self._memo is not None:
            self._memo.trim()

    def result(self) -> Passages:
        """What `run` found."""
        exist = self._covered if self._end is None else self._covered[self._covered < self._end]
        return Passages(exist, self._passages, sorted(set(self._cuts)), self._end)

    def _room(self) -> dict[int, list[tuple[Passage, Passage]]]:
        """Empty passages for every instance, over the frames that chains from its labels can reach."""
        labelled: dict[int, list[int]] = {i: [] for i in self._instances}
        for frame, i in self._labels:
            labelled[i].append(frame)
        room: dict[int, list[tuple[Passage, Passage]]] = {}
        for i, own in labelled.items():
            near = np.unique(np.add.outer(own, np.arange(-self._reach, self._reach + 1)))
            frames = np.intersect1d(near, self._covered, assume_unique=True)
            room[i] = [
                (Passage.empty(frames, self._count, e.stride), Passage.empty(frames, self._count, e.stride))
                for e in self._estimators
            ]
        return room

    # ------------------------------------------------------------------------------------------------ what to work on

    def _plan(self, segments: Sequence[Segment]) -> list[_Work]:
        """Every segment with what earlier runs left of it, and whether its flows are needed now."""
        mark = fingerprint(self._video) if self._memo is not None else None
        if self._memo is None or mark is None:
            self._memo = None
            return self._chosen([_Work(segment, "", None, True) for segment in segments])
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
        return self._chosen([_Work(segment, key, None, True) for segment, key in zip(segments, keys)])

    def _chosen(self, plan: list[_Work]) -> list[_Work]:
        """The plan with what is wanted marked, and of that what is known from earlier runs and what must be computed.

        From the last segment to the first: what must be computed needs the segments that chains come into it from, and
        those that chains go back into from its end.
        """
        segments = [work.segment for work in plan]
        wanted = self._matter(segments)
        needed: set[int] = set()
        for index in range(len(plan) - 1, -1, -1):
            work = plan[index]
            work.wanted = work.needed = index in wanted
            if not work.wanted:
                continue
            work.known = None if self._memo is None else self._memo.get(work.key)
            if work.known is None:
                behind = self._behind(segments, index)
                needed.update(behind)
                wanted.update(behind)
            work.needed = work.known is None or index in needed
            if work.needed and self._carried(work.segment):
                wanted.add(index - 1)
        return plan

    def _matter(self, segments: Sequence[Segment]) -> set[int]:
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

    def _nothing(self) -> dict[int, list[State]]:
        return {i: [State.none(self._count) for _ in self._estimators] for i in self._instances}

    # ------------------------------------------------------------------------------------------------ one segment

    def _segment(self, work: _Work, frames: list[Frame]) -> Iterator[int]:
        """Compute the flows of a segment and run the chains through it."""
        segment = work.segment
        self._restart(segment)
        if not self._crossed(segment.start, range(segment.start + 1, segment.start + 1 + reach(self._settings.radius))):
            self._kept.clear()  # no chain from a later label will go back beyond this one
        images = [frame.image for frame in frames]
        pairs = len(images) - 1
        rough = Rough.of([frame.arrival for frame in frames[1:] if frame.arrival is not None])
        still = {index for index, frame in enumerate(frames[1:]) if frame.still}
        complete = pairs == len(segment.pairs)
        if self._settings.crop:
            stops = {i: self._start(segment.stop, i) for i in self._labelled(segment.stop)} if complete else {}
            starts = {i: s[0] for i, s in self._live.items() if i in stops or s[0].running.any()}
            layouts = layouts_around(rough, pairs, starts, stops, self._video.size, self._settings)
        else:
            layouts = [whole_frame(self._instances, self._video.size, self._settings)] * pairs
        wanted = self._forward_only, self._settings.max_size
        flows = fine_flows(images, layouts, rough.cuts, still, self._estimators, *wanted)
        running = [i for i, states in self._live.items() if any(state.running.any() for state in states)]
        ahead: Moves = {(i, e): [] for i in running for e in range(len(self._estimators))}
        for index, flow in enumerate(flows):
            frame = segment.start + index
            self._kept.append(_Kept(frame, flow, index > 0 or segment.joined))
            for i, e in ahead:
                ahead[i, e].append((frame + 1, self._next(segment.start, frame, i, e, ahead[i, e]).rounded()))
            while self._kept[0].frame < frame + 1 - reach(self._settings.radius):
                self._kept.popleft()
            yield frame
        for (i, e), moves in ahead.items():
            self._live[i][e] = moves[-1][1] if moves else self._live[i][e]
        back = self._go_back(segment.stop) if segment.stops_at_anchor and complete else {}
        cuts = [segment.start + c + 1 for c in rough.cuts]
        end = -1 if complete else len(images) + segment.start
        stored = pack("ahead", ahead) | pack("back", back) | {"cuts": np.array(cuts, int), "end": np.array(end)}
        self._take_over(stored)
        if self._memo is not None and self._video.damage is None and not self._video.holes:
            self._memo.put(work.key, stored)

    def _replay(self, segment: Segment, known: dict[str, np.ndarray]) -> None:
        """Take a segment over from an earlier run."""
        self._restart(segment)
        self._take_over(known)
        for (i, e), moves in unpack("ahead", known).items():
            self._live[i][e] = moves[-1][1] if moves else self._live[i][e]
        if int(known["end"]) >= 0:
            self._end = int(known["end"])

    def _take_over(self, stored: dict[str, np.ndarray]) -> None:
        """Record what a segment gave."""
        for direction, name in enumerate(("ahead", "back")):
            for (i, e), moves in unpack(name, stored).items():
                for frame, state in moves:
                    self._passages[i][e][direction].record(frame, state)
        self._cuts += stored["cuts"].tolist()

    def _restart(self, segment: Segment) -> None:
        """Start chains from the labels of the segment's first frame."""
        for i in self._labelled(segment.start):
            self._live[i] = [state.restart(*self._label(segment.start, i)) for state in self._live[i]]

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

    def _go_back(self, stop: int) -> Moves:
        """Run the backward chains from the labels of an anchor frame through the kept pairs."""
        back: Moves = {}
        for i in self._labelled(stop):
            for e in range(len(self._estimators)):
                back[i, e] = self._back(stop, i, e)
        return back

    def _next(self, first: int, frame: int, instance: int, estimator: int, moves: Sequence[tuple[int, State]]) -> State:
        """The state of an estimator's chains after `frame`, from where they came by since frame `first`."""
        states = [self._live[instance][estimator], *(state for _, state in moves)]  # of the frames first ... frame
        stride = self._estimators[estimator].stride
        origin = frame + 1 - stride
        pair = self._kept[-stride].pairs[estimator] if origin >= first else None
        if pair is None:
            origin, stride, pair = frame, 1, self._kept[-1].pairs[self._plain[estimator]]
        assert pair is not None
        return self._stepper.step(states[origin - first], pair, origin, FORWARD, instance, stride)

    def _back(self, stop: int, instance: int, estimator: int) -> list[tuple[int, State]]:
        """The backward chains of an estimator from the labels of frame `stop`."""
        moves: list[tuple[int, State]] = []
        states = {stop: self._start(stop, instance)}
        for kept in reversed(self._kept):
            stride, pair = self._estimators[estimator].stride, kept.pairs[estimator]
            if pair is None or kept.frame + stride not in states:
                stride, pair = 1, kept.pairs[self._plain[estimator]]
            origin = kept.frame + stride
            assert pair is not None
            state = self._stepper.step(states[origin], pair, origin, BACKWARD, instance, stride)
            moves.append((kept.frame, state))
            states[kept.frame] = state.only(~self._ends(kept.frame, instance))
            latest = list(states.values())[-self._estimators[estimator].stride :]
            if not kept.joined or not any(state.running.any() for state in latest):
                break
        return moves


def _of_one_frame(estimators: Sequence[FlowEstimator], wanted: FlowEstimator) -> int:
    """Which estimator makes the single steps of one with a stride: the same without, else any without."""
    plain = [n for n, e in enumerate(estimators) if e.stride == 1]
    if not plain:
        raise ValueError(
            f"{wanted.name} steps over {wanted.stride} frames and needs an estimator that does not beside it"
        )
    like = {key: value for key, value in wanted.describe().items() if key != "stride"}
    return next((n for n in plain if estimators[n].describe() == like), plain[0])
